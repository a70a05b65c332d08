/* SPDX-License-Identifier: Apache-2.0 */
/* conv_lanes.c: the three passes of a convolution for samples in lanes. An image of a group is
 * [c][h][w] points. */
#include <string.h>

#include "base/size.h"
#include "ops/conv_geometry.h"
#include "ops/lanes.h"

static int64_t padded_points(const conv_geometry *g) {
    return conv_is_padded(g) ? g->c * conv_padded_h(g) * conv_padded_w(g) : 0;
}

/* Copies an image into the middle of zeros. */
static void pad(const conv_geometry *g, const real *x, real *padded) {
    int64_t h = conv_padded_h(g), w = conv_padded_w(g);
    memset(padded, 0, (size_t)(padded_points(g) * TN_LANES) * sizeof(real));
    for (int64_t c = 0; c < g->c; c++)
        for (int64_t i = 0; i < g->h; i++)
            memcpy(padded + ((c * h + g->pad_top + i) * w + g->pad_left) * TN_LANES,
                   x + (c * g->h + i) * g->w * TN_LANES, (size_t)(g->w * TN_LANES) * sizeof(real));
}

static int64_t taps(const conv_geometry *g) { return g->r * g->s * g->cg; }

static int64_t lists_bytes(int64_t n) { return tn_round_up(n * (int64_t)sizeof(int64_t), 64); }

/* What both passes that read x share: the group's images, padded if need be. */
static const real *images_of(const tn_run *run, const conv_geometry *g, int64_t group, real *room) {
    const real *x = (const real *)run->in[0] + group * g->c * g->h * g->w * TN_LANES;
    if (!conv_is_padded(g)) return x;
    pad(g, x, room);
    return room;
}

/* Multiply-accumulates of a product with so many columns, had it whole register tiles. */
static int64_t tile_macs(const tn_node *node, int64_t columns) {
    return columns > 0 ? node->op->macs(node) / columns * tn_tile_columns(columns) : 0;
}

/* ---- Forward --------------------------------------------------------------------------------- */

static conv_geometry forward_geometry(const tn_node *node) {
    const int64_t *x = node->inputs[0]->shape.dims;
    return conv_geometry_make(node->attrs, x[2], x[3], node->inputs[1]->shape.dims);
}

/* Workspace: offsets of the taps, then the padded images. */
static int64_t forward_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = forward_geometry(node);
    return lists_bytes(taps(&g)) + padded_points(&g) * TN_LANES * (int64_t)sizeof(real);
}

/* In the order in which weights are stored. */
static void list_offsets(const conv_geometry *g, int64_t *offset) {
    int64_t w = conv_padded_w(g), plane = conv_padded_h(g) * w;
    for (int64_t r = 0; r < g->r; r++)
        for (int64_t s = 0; s < g->s; s++)
            for (int64_t c = 0; c < g->cg; c++)
                *offset++ = (c * plane + r * g->dilation_h * w + s * g->dilation_w) * TN_LANES;
}

static void run_forward(const tn_run *run) {
    const conv_geometry g = forward_geometry(run->node);
    int64_t *offset = run->workspace, w = conv_padded_w(&g), depth = taps(&g);
    int64_t plane = conv_padded_h(&g) * w, pixels = g.p * g.q;
    real *room = (real *)(void *)((char *)run->workspace + lists_bytes(depth));
    list_offsets(&g, offset);
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        int64_t group = i % g.groups;
        const real *bias = run->in[2], *x = images_of(run, &g, i / g.groups, room);
        const tn_lanes_product product = {.rows = g.p,
                                          .columns = g.q,
                                          .x_row = g.stride_h * w * TN_LANES,
                                          .x_column = g.stride_w * TN_LANES,
                                          .y_row = g.q * TN_LANES,
                                          .y_column = TN_LANES,
                                          .outputs = g.og,
                                          .y_output = pixels * TN_LANES,
                                          .depth = depth,
                                          .w_step = g.og,
                                          .w_output = 1,
                                          .offset = offset,
                                          .x = x + group * g.cg * plane * TN_LANES,
                                          .w = (const real *)run->in[1] + group * depth * g.og,
                                          .bias = bias ? bias + group * g.og : NULL,
                                          .y = (real *)run->out[0] + i * g.og * pixels * TN_LANES,
                                          .relu = run->node->op == &tn_op_conv_relu};
        run->kernels->lanes_product(&product);
    }
}

static int64_t forward_tile_macs(const tn_node *node) {
    return tile_macs(node, forward_geometry(node).og);
}

const tn_implementation tn_conv_lanes = {.name = "lanes",
                                         .stored = TN_STORED_IN_LANES,
                                         .workspace_bytes = forward_workspace,
                                         .tile_macs = forward_tile_macs,
                                         .run = run_forward};

/* ---- Weight gradient ------------------------------------------------------------------------- */

static conv_geometry weight_geometry(const tn_node *node) {
    const conv_grad_attrs *a = node->attrs;
    return conv_geometry_make(&a->conv, a->h, a->w, node->outputs[0]->shape.dims);
}

/* Workspace: two lists, then the padded images. */
static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = weight_geometry(node);
    return lists_bytes(2 * taps(&g)) + padded_points(&g) * TN_LANES * (int64_t)sizeof(real);
}

/* Channel by channel, so that one plane of the image serves all its taps. */
static void list_weight(const conv_geometry *g, int64_t *offset, int64_t *w_offset) {
    int64_t w = conv_padded_w(g), plane = conv_padded_h(g) * w;
    for (int64_t c = 0; c < g->cg; c++)
        for (int64_t r = 0; r < g->r; r++)
            for (int64_t s = 0; s < g->s; s++) {
                *offset++ = (c * plane + r * g->dilation_h * w + s * g->dilation_w) * TN_LANES;
                *w_offset++ = ((r * g->s + s) * g->cg + c) * g->og;
            }
}

static void run_weight(const tn_run *run) {
    const conv_geometry g = weight_geometry(run->node);
    int64_t depth = taps(&g), w = conv_padded_w(&g), plane = conv_padded_h(&g) * w;
    int64_t *offset = run->workspace, *w_offset = offset + depth, pixels = g.p * g.q;
    real *room = (real *)(void *)((char *)run->workspace + lists_bytes(2 * depth));
    list_weight(&g, offset, w_offset);
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        int64_t group = i % g.groups;
        const real *x = images_of(run, &g, i / g.groups, room);
        const tn_lanes_weight weight = {.rows = g.p,
                                        .columns = g.q,
                                        .x_row = g.stride_h * w * TN_LANES,
                                        .x_column = g.stride_w * TN_LANES,
                                        .y_row = g.q * TN_LANES,
                                        .y_column = TN_LANES,
                                        .outputs = g.og,
                                        .y_output = pixels * TN_LANES,
                                        .depth = depth,
                                        .offset = offset,
                                        .w_offset = w_offset,
                                        .x = x + group * g.cg * plane * TN_LANES,
                                        .dy =
                                            (const real *)run->in[1] + i * g.og * pixels * TN_LANES,
                                        .dw = (real *)run->out[0] + group * depth * g.og,
                                        .lanes = tn_run_lanes(run, i / g.groups)};
        run->kernels->lanes_weight(&weight);
    }
}

static int64_t weight_tile_macs(const tn_node *node) {
    return tile_macs(node, weight_geometry(node).og);
}

const tn_implementation tn_conv_grad_weight_lanes = {.name = "lanes",
                                                     .stored = TN_STORED_IN_LANES,
                                                     .workspace_bytes = weight_workspace,
                                                     .tile_macs = weight_tile_macs,
                                                     .run = run_weight};

/* ---- Input gradient -------------------------------------------------------------------------- */
/* Row by row of dy and tap by tap, a product over the outputs is added to where the tap lies in
 * dx: no multiplication by the zeros of a border. */

static conv_geometry input_geometry(const tn_node *node) {
    const conv_grad_attrs *a = node->attrs;
    return conv_geometry_make(&a->conv, a->h, a->w, node->inputs[1]->shape.dims);
}

static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return lists_bytes(input_geometry(node).og);
}

/* Steps q of an axis at which a tap lies inside: those with 0 <= q·stride + at < size. */
typedef struct range {
    int64_t begin, end;
} range;

static range inside(int64_t at, int64_t stride, int64_t size, int64_t steps) {
    int64_t begin = at < 0 ? (-at + stride - 1) / stride : 0;
    int64_t end = at < size ? (size - at + stride - 1) / stride : 0;
    return (range){begin, tn_min_i64(end, steps)};
}

/* Row p of dy through the taps of row r of the window, for one group of channels. */
static void input_row(const tn_run *run, const conv_geometry *g, int64_t p, int64_t r,
                      const real *dy, const real *w, real *dx) {
    for (int64_t s = 0; s < g->s; s++, w += g->cg * g->og) {
        int64_t at = s * g->dilation_w - g->pad_left;
        const range q = inside(at, g->stride_w, g->w, g->q);
        if (q.begin >= q.end) continue;
        int64_t row = p * g->stride_h + r * g->dilation_h - g->pad_top;
        int64_t to = row * g->w + q.begin * g->stride_w + at;
        const tn_lanes_product product = {.rows = 1,
                                          .columns = q.end - q.begin,
                                          .x_column = TN_LANES,
                                          .y_column = g->stride_w * TN_LANES,
                                          .outputs = g->cg,
                                          .y_output = g->h * g->w * TN_LANES,
                                          .depth = g->og,
                                          .w_step = 1,
                                          .w_output = g->og,
                                          .offset = run->workspace,
                                          .x = dy + (p * g->q + q.begin) * TN_LANES,
                                          .w = w,
                                          .y = dx + to * TN_LANES,
                                          .add = true};
        run->kernels->lanes_product(&product);
    }
}

static void run_input(const tn_run *run) {
    const conv_geometry g = input_geometry(run->node);
    int64_t *offset = run->workspace, image = g.h * g.w * TN_LANES, y_image = g.p * g.q * TN_LANES;
    for (int64_t o = 0; o < g.og; o++) offset[o] = o * y_image;
    memset(run->out[0], 0, (size_t)(tn_run_groups(run) * g.c * image) * sizeof(real));
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        const real *dy = (const real *)run->in[0] + i * g.og * y_image;
        const real *w = (const real *)run->in[1] + i % g.groups * taps(&g) * g.og;
        real *dx = (real *)run->out[0] + i * g.cg * image;
        for (int64_t p = 0; p < g.p; p++)
            for (int64_t r = 0; r < g.r; r++) {
                int64_t row = p * g.stride_h + r * g.dilation_h - g.pad_top;
                if (row >= 0 && row < g.h)
                    input_row(run, &g, p, r, dy, w + r * g.s * g.cg * g.og, dx);
            }
    }
}

static int64_t input_tile_macs(const tn_node *node) {
    return tile_macs(node, input_geometry(node).cg);
}

const tn_implementation tn_conv_grad_input_lanes = {.name = "lanes",
                                                    .stored = TN_STORED_IN_LANES,
                                                    .workspace_bytes = input_workspace,
                                                    .tile_macs = input_tile_macs,
                                                    .run = run_input};
