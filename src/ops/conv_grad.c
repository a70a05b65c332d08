/* SPDX-License-Identifier: Apache-2.0 */
/* conv_grad.c: the gradients of a convolution with respect to its input and its weight. */
#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/conv_choice.h"
#include "ops/conv_geometry.h"
#include "ops/conv_parts.h"
#include "ops/lanes.h"
#include "ops/tiles.h"

/* ---- Input: dx[n,c,h,w] = Σ over o, r, s of dy[n,o,p,q] · w[o,c,r,s] ------------------------ */
/* where stride·p + dilation·r - pad = h. Along each axis, h + pad mod stride (the phase) decides
 * which r take part; pixels of one phase are a product over those taps. */

static tn_status input_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const conv_grad_attrs *a = node->attrs;
    const tn_shape *dy = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
    tn_shape dx = {.rank = dy->rank,
                   .batched = dy->batched,
                   .dims = {dy->dims[0], w->dims[1] * a->conv.group}};
    for (int i = 2; i < dx.rank; i++) dx.dims[i] = a->size[3 - dx.rank + i];
    node->outputs[0]->shape = dx;
    return TN_OK;
}

static tn_arrangement input_arrange(const tn_node *node, int input, const int64_t *in_channels) {
    (void)in_channels;
    const conv_grad_attrs *a = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return conv_arrange_weight(&node->inputs[1]->shape, a->conv.group);
}

static int64_t macs(const tn_node *node) {
    const conv_geometry g = conv_grad_input_geometry(node);
    return g.u * g.p * g.q * g.o * g.t * g.r * g.s * g.cg;
}

/* ConvTranspose, which is this, may have a bias. */
static void fill_start(const conv_geometry *g, const real *bias, real *dx) {
    int64_t n = g->d * g->h * g->w * g->c;
    if (!bias) memset(dx, 0, (size_t)n * sizeof(real));
    for (int64_t i = 0; i < n && bias; i++) dx[i] = bias[i % g->c];
}

static void naive_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const real *w = run->in[1];
    int64_t x_at, w_at;
    for (int64_t n = 0; n < run->n; n++) {
        const real *dy = (const real *)run->in[0] + n * g.u * g.p * g.q * g.o;
        real *dx = (real *)run->out[0] + n * g.d * g.h * g.w * g.c;
        fill_start(&g, run->in[2], dx);
        for (int64_t i = 0; i < g.u * g.p * g.q * g.o; i++)
            for (int64_t k = 0; k < g.t * g.r * g.s * g.cg; k++)
                if (conv_product(&g, i, k, &x_at, &w_at)) dx[x_at] += dy[i] * w[w_at];
    }
}

static conv_parts count_parts(const conv_geometry *g, const tn_kernels *kernels) {
    conv_parts parts = {.images = conv_images_together(g->h * g->w)};
    conv_parts_add_input(&parts, g, kernels->nr);
    return parts;
}

/* Packed: parts, and for each group and phase the panels: taps of that phase times the outputs, by
 * channels. */
static int64_t tiled_input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_input_geometry(node);
    const conv_parts parts = count_parts(&g, kernels);
    return conv_packed_bytes(&parts,
                             g.groups * tn_panels_elements(kernels, g.r * g.s * g.og, g.cg));
}

/* One panel of one phase: stored w[tap][c][o] becomes panel[(tap, o)][c]. */
static real *pack_phase_panel(const tn_run *run, const conv_geometry *g, const real *w,
                              int64_t phase_h, int64_t phase_w, int64_t column, real *panel) {
    for (int64_t k = 0; k < g->r * g->s; k++) {
        if (!conv_phase_meets(phase_h, k / g->s, g->dilation_h, g->stride_h) ||
            !conv_phase_meets(phase_w, k % g->s, g->dilation_w, g->stride_w))
            continue;
        tn_panel_pack(run->kernels, TN_PANELS_TRANSPOSED, w + k * g->cg * g->og, g->og, g->cg,
                      column, 0, g->og, panel);
        panel += g->og * run->kernels->nr;
    }
    return panel;
}

static void tiled_input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const conv_parts counted = count_parts(&g, run->kernels);
    conv_packed *p = conv_packed_begin(packed, &counted);
    conv_parts_add_input(&p->parts, &g, run->kernels->nr);
    real *panel = p->weights;
    for (int64_t group = 0; group < g.groups; group++) {
        const real *w = (const real *)run->in[1] + group * g.r * g.s * g.cg * g.og;
        for (int64_t phase = 0; phase < g.stride_h * g.stride_w; phase++)
            for (int64_t j = 0; j < g.cg; j += run->kernels->nr)
                panel =
                    pack_phase_panel(run, &g, w, phase / g.stride_w, phase % g.stride_w, j, panel);
    }
}

static void tiled_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const conv_packed *p = run->packed;
    const conv_image from = conv_output_image(&g), to = conv_input_image(&g);
    int64_t panels = tn_panels_elements(run->kernels, g.r * g.s * g.og, g.cg);
    const real *dy = tn_run_in_image(run, 0), *bias = run->in[2];
    real *dx = tn_run_out_image(run, 0);
    for (int64_t group = 0; group < g.groups; group++) {
        const tn_product product = {.columns = g.cg,
                                    .a = dy + group * g.og,
                                    .b = p->weights + group * panels,
                                    .source = TN_PANELS_PACKED,
                                    .start = bias ? TN_START_BIAS : TN_START_ZERO,
                                    .bias = bias ? bias + group * g.cg : NULL,
                                    .c = dx + group * g.cg};
        conv_parts_run(&p->parts, run->kernels, product, run->n, run->rows, &from, &to);
    }
}

const tn_implementation tn_conv_grad_input_naive = {
    .name = "naive", .applies = conv_naive_applies, .run = naive_input};
const tn_implementation tn_conv_grad_input_tiled = {.name = "tiles",
                                                    .packed_bytes = tiled_input_packed_bytes,
                                                    .pack = tiled_input_pack,
                                                    .rows_in = conv_grad_input_rows_in,
                                                    .run = tiled_input};
static const tn_implementation *const input_implementations[] = {&tn_conv_grad_input_naive,
                                                                 &tn_conv_grad_input_depthwise,
                                                                 &tn_conv_grad_input_sparse,
                                                                 &tn_conv_grad_input_winograd,
                                                                 &tn_conv_grad_input_winograd_2x2,
                                                                 &tn_conv_grad_input_tiled,
                                                                 &tn_conv_grad_input_lanes_winograd,
                                                                 &tn_conv_grad_input_lanes,
                                                                 NULL};

const tn_op tn_op_conv_grad_input = {.name = "ConvGradInput",
                                     .attrs_bytes = sizeof(conv_grad_attrs),
                                     .min_inputs = 2,
                                     .max_inputs = 2,
                                     .n_outputs = 1,
                                     .layout = TN_LAYOUT_CHANNELS_LAST,
                                     .infer_shape = input_shape,
                                     .macs = macs,
                                     .arrange = input_arrange,
                                     .implementations = input_implementations,
                                     .choose = conv_choose};

/* ---- Weight: dw[o,c,r,s] = Σ over n, p, q of x[n, c, stride·p + dilation·r - pad, ...] ·
 * dy[n,o,p,q] */

static tn_status weight_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const conv_grad_attrs *a = node->attrs;
    tn_shape dw = {
        .rank = 2 + a->conv.kernel_shape.n,
        .dims = {node->inputs[1]->shape.dims[1], node->inputs[0]->shape.dims[1] / a->conv.group}};
    for (int i = 2; i < dw.rank; i++) dw.dims[i] = a->conv.kernel_shape.v[i - 2];
    node->outputs[0]->shape = dw;
    return TN_OK;
}

static void naive_weight(const tn_run *run) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    real *dw = run->out[0];
    int64_t x_at, w_at;
    for (int64_t n = 0; n < run->n; n++) {
        const real *x = (const real *)run->in[0] + n * g.d * g.h * g.w * g.c;
        const real *dy = (const real *)run->in[1] + n * g.u * g.p * g.q * g.o;
        for (int64_t i = 0; i < g.u * g.p * g.q * g.o; i++)
            for (int64_t k = 0; k < g.t * g.r * g.s * g.cg; k++)
                if (conv_product(&g, i, k, &x_at, &w_at)) dw[w_at] += dy[i] * x[x_at];
    }
}

/* The rows of the product are the taps of a channel, channel after channel, and the image is taken
 * apart into planes: so what a tile reads, pixel after pixel, is a few short streams. */

/* Packed: rows in the planes and in dw, and the pixels. */
typedef struct packed_weight {
    int64_t *a_row, *c_row, *offset;
} packed_weight;

static int64_t weight_lists(const conv_geometry *g) {
    return 2 * g->r * g->s * g->cg + g->p * g->q;
}

static packed_weight split_packed_weight(const conv_geometry *g, const void *packed) {
    packed_weight p = {.a_row = (int64_t *)packed}; /* written by pack only */
    p.c_row = p.a_row + g->r * g->s * g->cg;
    p.offset = p.c_row + g->r * g->s * g->cg;
    return p;
}

static int64_t tiled_weight_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_weight_geometry(node);
    return tn_product_steps_bytes(weight_lists(&g));
}

/* The planes are those of the padded image or, if one tap meets them, of the pixels met. */
typedef struct weight_planes {
    int64_t height, width;
    int64_t stride_h, stride_w; /* in them */
    int64_t every_h, every_w;   /* which pixels of the image are there */
} weight_planes;

static weight_planes planes_of(const conv_geometry *g) {
    if (g->r * g->s == 1 && !conv_is_padded(g))
        return (weight_planes){g->p, g->q, 1, 1, g->stride_h, g->stride_w};
    return (weight_planes){conv_padded_h(g), conv_padded_w(g), g->stride_h, g->stride_w, 1, 1};
}

static void tiled_weight_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    const weight_planes planes = planes_of(&g);
    const packed_weight p = split_packed_weight(&g, packed);
    int64_t taps = g.r * g.s, plane = planes.height * planes.width;
    for (int64_t k = 0; k < taps * g.cg; k++) {
        int64_t c = k / taps, r = k / g.s % g.r, s = k % g.s;
        p.a_row[k] = c * plane + r * g.dilation_h * planes.width + s * g.dilation_w;
        p.c_row[k] = (k % taps * g.cg + c) * g.og;
    }
    for (int64_t i = 0; i < g.p * g.q; i++)
        p.offset[i] = i / g.q * planes.stride_h * planes.width + i % g.q * planes.stride_w;
}

/* Workspace: a panel of dy, the planes. */
static int64_t tiled_weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)n;
    const conv_geometry g = conv_grad_weight_geometry(node);
    return tn_product_workspace_bytes(kernels) +
           conv_padded_h(&g) * conv_padded_w(&g) * g.c * (int64_t)sizeof(real);
}

/* An image [h][w][c] taken apart into planes [c][height][width], whose padding is zero already: in
 * `room`, unless it is such a plane itself. */
static const real *split_planes(const tn_kernels *kernels, const conv_geometry *g, const real *x,
                                real *room) {
    const weight_planes to = planes_of(g);
    int64_t plane = to.height * to.width, row = to.every_h * g->w * g->c;
    if (plane == g->h * g->w) {
        if (g->c == 1) return x;
        kernels->transpose(plane, g->c, x, g->c, room, plane);
        return room;
    }
    int64_t first = g->pad_top * to.width + g->pad_left;
    for (int64_t i = 0; i < to.height - g->pad_top - g->pad_bottom; i++)
        kernels->transpose(to.width - g->pad_left - g->pad_right, g->c, x + i * row,
                           to.every_w * g->c, room + first + i * to.width, plane);
    return room;
}

static void tiled_weight(const tn_run *run) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    const packed_weight p = split_packed_weight(&g, run->packed);
    const weight_planes planes = planes_of(&g);
    int64_t rows = g.r * g.s * g.cg, plane = planes.height * planes.width;
    real *room =
        (real *)(void *)((char *)run->workspace + tn_product_workspace_bytes(run->kernels));
    if (conv_is_padded(&g)) memset(room, 0, (size_t)(plane * g.c) * sizeof(real));
    for (int64_t n = 0; n < run->n; n++) {
        const real *dy = (const real *)run->in[1] + n * g.p * g.q * g.o;
        const real *x = (const real *)run->in[0] + n * g.h * g.w * g.c;
        x = split_planes(run->kernels, &g, x, room);
        for (int64_t group = 0; group < g.groups; group++) {
            const tn_product product = {.rows = rows,
                                        .depth = g.p * g.q,
                                        .columns = g.og,
                                        .a = x + group * g.cg * plane,
                                        .a_row = p.a_row,
                                        .offset = p.offset,
                                        .b = dy + group * g.og,
                                        .ldb = g.o,
                                        .source = TN_PANELS_STORED,
                                        .start = TN_START_C,
                                        .c = (real *)run->out[0] + group * rows * g.og,
                                        .c_row = p.c_row};
            tn_product_run(run->kernels, &product, run->workspace);
        }
    }
}

static int64_t weight_macs(const tn_node *node) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    return g.u * g.p * g.q * g.o * g.t * g.r * g.s * g.cg;
}

static const tn_implementation naive_weight_implementation = {
    .name = "naive", .applies = conv_naive_applies, .run = naive_weight};
static const tn_implementation tiled_weight_implementation = {
    .name = "tiles",
    .workspace_bytes = tiled_weight_workspace,
    .packed_bytes = tiled_weight_packed_bytes,
    .pack = tiled_weight_pack,
    .run = tiled_weight};
static const tn_implementation *const weight_implementations[] = {
    &naive_weight_implementation,
    &tn_conv_grad_weight_depthwise,
    &tn_conv_grad_weight_sparse,
    &tn_conv_grad_weight_winograd,
    &tn_conv_grad_weight_winograd_2x2,
    &tiled_weight_implementation,
    &tn_conv_grad_weight_lanes_winograd,
    &tn_conv_grad_weight_lanes,
    NULL};

const tn_op tn_op_conv_grad_weight = {.name = "ConvGradWeight",
                                      .attrs_bytes = sizeof(conv_grad_attrs),
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_CHANNELS_LAST,
                                      .reduces_samples = true,
                                      .infer_shape = weight_shape,
                                      .macs = weight_macs,
                                      .implementations = weight_implementations,
                                      .choose = conv_choose};
