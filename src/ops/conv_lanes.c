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

/* ---- Forward --------------------------------------------------------------------------------- */

/* Workspace: offsets of the taps, then the padded images. */
static int64_t forward_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_geometry_of(node);
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
    const conv_geometry g = conv_geometry_of(run->node);
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
                                          .relu = tn_lanes_relu(run->node)};
        run->kernels->lanes_product(&product);
    }
    tn_lanes_end(run);
}

static int64_t forward_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, conv_geometry_of(node).og);
}

const tn_implementation tn_conv_lanes = {.name = "lanes",
                                         .applies = conv_images_applies,
                                         .stored = TN_STORED_IN_LANES,
                                         .workspace_bytes = forward_workspace,
                                         .tile_macs = forward_tile_macs,
                                         .run = run_forward};

/* ---- Weight gradient ------------------------------------------------------------------------- */

/* Workspace: two lists, then the padded images. */
static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_weight_geometry(node);
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
    const conv_geometry g = conv_grad_weight_geometry(run->node);
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
    return tn_tile_macs(node, conv_grad_weight_geometry(node).og);
}

const tn_implementation tn_conv_grad_weight_lanes = {.name = "lanes",
                                                     .applies = conv_images_applies,
                                                     .stored = TN_STORED_IN_LANES,
                                                     .workspace_bytes = weight_workspace,
                                                     .tile_macs = weight_tile_macs,
                                                     .run = run_weight};

/* ---- Input gradient -------------------------------------------------------------------------- */
/* Row by row of dx and column by column of the window, a product over the rows of the window that
 * meet dy, and the outputs, is added to the pixels that lie there: nothing is multiplied by the
 * zeros of a border. */

/* Workspace: where the rows and outputs are that a product takes in, from its first row on. */
static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_input_geometry(node);
    return lists_bytes(g.r * g.og);
}

static int64_t input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_input_geometry(node);
    return taps(&g) * g.o * (int64_t)sizeof(real);
}

/* Stored w[g][r][s][c][o] becomes [g][s][r][o][c]. */
static void input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const real *w = run->in[1];
    int64_t each = g.cg * g.og;
    for (int64_t group = 0; group < g.groups; group++)
        for (int64_t r = 0; r < g.r; r++)
            for (int64_t s = 0; s < g.s; s++, w += each)
                run->kernels->transpose(g.cg, g.og, w, g.og,
                                        (real *)packed + ((group * g.s + s) * g.r + r) * each,
                                        g.cg);
}

/* Taps r from `begin` on that meet row h of dx one after the other: p = (h + pad - r·dilation) /
 * stride is a row of dy. They go into one product where p falls evenly, that is without stride. */
static tn_steps next_taps(const conv_geometry *g, int64_t h, int64_t begin) {
    tn_steps r = {begin, begin};
    for (; r.begin < g->r; r.begin++) {
        int64_t row = h + g->pad_top - r.begin * g->dilation_h;
        if (row >= 0 && row % g->stride_h == 0 && row / g->stride_h < g->p) break;
    }
    r.end = tn_min_i64(r.begin + 1, g->r);
    while (g->stride_h == 1 && r.end < g->r && h + g->pad_top - r.end * g->dilation_h >= 0) r.end++;
    return r;
}

/* Row h of dx through column s of the window, for one group of channels; w is [s][r][o][c]. */
static void input_row(const tn_run *run, const conv_geometry *g, int64_t h, int64_t s,
                      const real *dy, const real *w, real *dx) {
    int64_t at = s * g->dilation_w - g->pad_left, plane = g->h * g->w;
    const tn_steps q = tn_steps_inside(at, g->stride_w, g->w, g->q);
    for (tn_steps r = next_taps(g, h, 0); r.begin < r.end && q.begin < q.end;
         r = next_taps(g, h, r.end)) {
        int64_t p = (h + g->pad_top - r.begin * g->dilation_h) / g->stride_h;
        const tn_lanes_product product = {.rows = 1,
                                          .columns = q.end - q.begin,
                                          .x_column = TN_LANES,
                                          .y_column = g->stride_w * TN_LANES,
                                          .outputs = g->cg,
                                          .y_output = plane * TN_LANES,
                                          .depth = (r.end - r.begin) * g->og,
                                          .w_step = g->cg,
                                          .w_output = 1,
                                          .offset = run->workspace,
                                          .x = dy + (p * g->q + q.begin) * TN_LANES,
                                          .w = w + (s * g->r + r.begin) * g->og * g->cg,
                                          .y = dx +
                                               (h * g->w + q.begin * g->stride_w + at) * TN_LANES,
                                          .add = true};
        run->kernels->lanes_product(&product);
    }
}

/* Rows of dy and outputs that a product takes in, from its first row on. */
static void list_rows(const conv_geometry *g, int64_t *offset) {
    for (int64_t r = 0; r < g->r; r++)
        for (int64_t o = 0; o < g->og; o++)
            *offset++ = (o * g->p - r * g->dilation_h) * g->q * TN_LANES;
}

static void run_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    int64_t x_image = g.h * g.w * TN_LANES, y_image = g.p * g.q * TN_LANES;
    list_rows(&g, run->workspace);
    memset(run->out[0], 0, (size_t)(tn_run_groups(run) * g.c * x_image) * sizeof(real));
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        const real *dy = (const real *)run->in[0] + i * g.og * y_image;
        const real *w = (const real *)run->packed + i % g.groups * taps(&g) * g.og;
        real *dx = (real *)run->out[0] + i * g.cg * x_image;
        for (int64_t h = 0; h < g.h; h++)
            for (int64_t s = 0; s < g.s; s++) input_row(run, &g, h, s, dy, w, dx);
    }
}

static int64_t input_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, conv_grad_input_geometry(node).cg);
}

const tn_implementation tn_conv_grad_input_lanes = {.name = "lanes",
                                                    .applies = conv_images_applies,
                                                    .stored = TN_STORED_IN_LANES,
                                                    .workspace_bytes = input_workspace,
                                                    .packed_bytes = input_packed_bytes,
                                                    .pack = input_pack,
                                                    .tile_macs = input_tile_macs,
                                                    .run = run_input};
