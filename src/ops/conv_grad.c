/* SPDX-License-Identifier: Apache-2.0 */
/* conv_grad.c: the gradients of a convolution with respect to its input and its weight. */
#include <string.h>

#include "base/size.h"
#include "ops/conv_geometry.h"
#include "ops/tiles.h"

/* Division rounding down, b > 0. */
static int64_t floor_div(int64_t a, int64_t b) { return (a >= 0 ? a : a - b + 1) / b; }

/* ---- Input: dx[n,c,h,w] = Σ over o, r, s of dy[n,o,p,q] · w[o,c,r,s] ------------------------ */
/* where stride·p + dilation·r - pad = h. Along each axis, h + pad mod stride (the phase) decides
 * which r take part; pixels of one phase are a product over those taps. */

static tn_status input_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const conv_grad_attrs *a = node->attrs;
    const tn_shape *dy = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
    node->outputs[0]->shape =
        (tn_shape){.rank = 4,
                   .batched = dy->batched,
                   .dims = {dy->dims[0], w->dims[1] * a->conv.group, a->h, a->w}};
    return TN_OK;
}

static conv_geometry input_geometry(const tn_node *node) {
    const conv_grad_attrs *a = node->attrs;
    return conv_geometry_make(&a->conv, a->h, a->w, node->inputs[1]->shape.dims);
}

static tn_arrangement input_arrange(const tn_node *node, int input, const int64_t *in_channels) {
    (void)in_channels;
    const conv_grad_attrs *a = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return conv_arrange_weight(node->inputs[1]->shape.dims, a->conv.group);
}

static int64_t macs(const tn_node *node) {
    const conv_geometry g = input_geometry(node);
    return g.p * g.q * g.o * g.r * g.s * g.cg;
}

static void naive_input(const tn_run *run) {
    const conv_geometry g = input_geometry(run->node);
    const real *w = run->in[1];
    int64_t x_at, w_at;
    for (int64_t n = 0; n < run->n; n++) {
        const real *dy = (const real *)run->in[0] + n * g.p * g.q * g.o;
        real *dx = (real *)run->out[0] + n * g.h * g.w * g.c;
        memset(dx, 0, (size_t)(g.h * g.w * g.c) * sizeof(real));
        for (int64_t i = 0; i < g.p * g.q * g.o; i++)
            for (int64_t k = 0; k < g.r * g.s * g.cg; k++)
                if (conv_product(&g, i, k, &x_at, &w_at)) dx[x_at] += dy[i] * w[w_at];
    }
}

/* The gradient image with a border of zeros, so that every tap of every phase reads inside. */
typedef struct border {
    int64_t top, left, bottom, right, h, w;
    bool any;
} border;

static border border_of(const conv_geometry *g) {
    border b;
    b.top = tn_max_i64(0, -floor_div(g->pad_top - (g->r - 1) * g->dilation_h, g->stride_h));
    b.left = tn_max_i64(0, -floor_div(g->pad_left - (g->s - 1) * g->dilation_w, g->stride_w));
    b.bottom = tn_max_i64(0, (g->h - 1 + g->pad_top) / g->stride_h - (g->p - 1));
    b.right = tn_max_i64(0, (g->w - 1 + g->pad_left) / g->stride_w - (g->q - 1));
    b.h = b.top + g->p + b.bottom;
    b.w = b.left + g->q + b.right;
    b.any = b.top || b.left || b.bottom || b.right;
    return b;
}

/* Whether tap k along an axis meets pixels whose phase is `phase`. */
static bool meets(int64_t phase, int64_t k, int64_t dilation, int64_t stride) {
    return (phase - k * dilation) % stride == 0;
}

/* Offsets into the bordered dy of the taps and outputs of a phase; returns how many. */
static int64_t list_phase_taps(const conv_geometry *g, const border *b, int64_t phase_h,
                               int64_t phase_w, int64_t *offset) {
    int64_t n = 0;
    for (int64_t r = 0; r < g->r; r++) {
        if (!meets(phase_h, r, g->dilation_h, g->stride_h)) continue;
        for (int64_t s = 0; s < g->s; s++) {
            if (!meets(phase_w, s, g->dilation_w, g->stride_w)) continue;
            int64_t row = floor_div(phase_h - r * g->dilation_h, g->stride_h);
            int64_t column = floor_div(phase_w - s * g->dilation_w, g->stride_w);
            for (int64_t o = 0; o < g->og; o++) offset[n++] = (row * b->w + column) * g->o + o;
        }
    }
    return n;
}

/* Pixels of dx with this phase: where they are, and where their tap 0 of phase 0 is in dy. */
static int64_t list_phase_pixels(const conv_geometry *g, const border *b, int64_t phase_h,
                                 int64_t phase_w, int64_t *a_row, int64_t *c_row) {
    int64_t n = 0;
    for (int64_t y = 0; y < g->h; y++) {
        if ((y + g->pad_top) % g->stride_h != phase_h) continue;
        int64_t row = (y + g->pad_top) / g->stride_h + b->top;
        for (int64_t x = 0; x < g->w; x++) {
            if ((x + g->pad_left) % g->stride_w != phase_w) continue;
            int64_t column = (x + g->pad_left) / g->stride_w + b->left;
            a_row[n] = (row * b->w + column) * g->o;
            c_row[n++] = (y * g->w + x) * g->c;
        }
    }
    return n;
}

static int64_t tiled_input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)n, (void)kernels;
    const conv_geometry g = input_geometry(node);
    const border b = border_of(&g);
    int64_t lists = 2 * g.h * g.w + g.r * g.s * g.og;
    return tn_round_up(lists * (int64_t)sizeof(int64_t), 64) +
           (b.any ? b.h * b.w * g.o : 0) * (int64_t)sizeof(real);
}

/* Panels of a group: for each phase, the taps of that phase times the outputs, by channels. */
static int64_t tiled_input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = input_geometry(node);
    return g.groups * tn_panels_elements(kernels, g.r * g.s * g.og, g.cg) * (int64_t)sizeof(real);
}

/* One panel of one phase: stored w[tap][c][o] becomes panel[(tap, o)][c]. */
static real *pack_phase_panel(const tn_run *run, const conv_geometry *g, const real *w,
                              int64_t phase_h, int64_t phase_w, int64_t column, real *panel) {
    for (int64_t k = 0; k < g->r * g->s; k++) {
        if (!meets(phase_h, k / g->s, g->dilation_h, g->stride_h) ||
            !meets(phase_w, k % g->s, g->dilation_w, g->stride_w))
            continue;
        tn_panel_pack(run->kernels, TN_PANELS_TRANSPOSED, w + k * g->cg * g->og, g->og, g->cg,
                      column, 0, g->og, panel);
        panel += g->og * run->kernels->nr;
    }
    return panel;
}

static void tiled_input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = input_geometry(run->node);
    real *panel = packed;
    for (int64_t group = 0; group < g.groups; group++) {
        const real *w = (const real *)run->in[1] + group * g.r * g.s * g.cg * g.og;
        for (int64_t phase = 0; phase < g.stride_h * g.stride_w; phase++)
            for (int64_t j = 0; j < g.cg; j += run->kernels->nr)
                panel =
                    pack_phase_panel(run, &g, w, phase / g.stride_w, phase % g.stride_w, j, panel);
    }
}

/* One group of one image, all phases. */
static void tiled_input_group(const tn_run *run, const conv_geometry *g, const border *b,
                              const real *dy, const real *panels, real *dx) {
    int64_t *a_row = run->workspace, *c_row = a_row + g->h * g->w, *offset = c_row + g->h * g->w;
    for (int64_t phase = 0; phase < g->stride_h * g->stride_w; phase++) {
        int64_t phase_h = phase / g->stride_w, phase_w = phase % g->stride_w;
        int64_t depth = list_phase_taps(g, b, phase_h, phase_w, offset);
        int64_t rows = list_phase_pixels(g, b, phase_h, phase_w, a_row, c_row);
        const tn_product product = {.rows = rows,
                                    .depth = depth,
                                    .columns = g->cg,
                                    .a = dy,
                                    .a_row = a_row,
                                    .offset = offset,
                                    .b = panels,
                                    .source = TN_PANELS_PACKED,
                                    .c = dx,
                                    .c_row = c_row};
        tn_product_add(run->kernels, &product, NULL);
        panels += tn_panels_elements(run->kernels, depth, g->cg);
    }
}

static void tiled_input(const tn_run *run) {
    const conv_geometry g = input_geometry(run->node);
    const border b = border_of(&g);
    int64_t lists = 2 * g.h * g.w + g.r * g.s * g.og;
    real *image =
        (real *)((char *)run->workspace + tn_round_up(lists * (int64_t)sizeof(int64_t), 64));
    int64_t group_panels = tn_panels_elements(run->kernels, g.r * g.s * g.og, g.cg);
    for (int64_t n = 0; n < run->n; n++) {
        const real *dy = (const real *)run->in[0] + n * g.p * g.q * g.o;
        real *dx = (real *)run->out[0] + n * g.h * g.w * g.c;
        memset(dx, 0, (size_t)(g.h * g.w * g.c) * sizeof(real));
        if (b.any) {
            conv_pad_image(dy, g.p, g.q, g.o, b.top, b.left, b.bottom, b.right, image);
            dy = image;
        }
        for (int64_t group = 0; group < g.groups; group++)
            tiled_input_group(run, &g, &b, dy + group * g.og,
                              (const real *)run->packed + group * group_panels, dx + group * g.cg);
    }
}

static const tn_implementation naive_input_implementation = {
    .name = "naive", .applies = conv_naive_applies, .run = naive_input};
static const tn_implementation tiled_input_implementation = {
    .name = "tiles",
    .workspace_bytes = tiled_input_workspace,
    .packed_bytes = tiled_input_packed_bytes,
    .pack = tiled_input_pack,
    .run = tiled_input};
static const tn_implementation *const input_implementations[] = {&naive_input_implementation,
                                                                 &tiled_input_implementation, NULL};

const tn_op tn_op_conv_grad_input = {.name = "ConvGradInput",
                                     .attrs_bytes = sizeof(conv_grad_attrs),
                                     .min_inputs = 2,
                                     .max_inputs = 2,
                                     .n_outputs = 1,
                                     .layout = TN_LAYOUT_IMAGE,
                                     .infer_shape = input_shape,
                                     .macs = macs,
                                     .arrange = input_arrange,
                                     .implementations = input_implementations};

/* ---- Weight: dw[o,c,r,s] = Σ over n, p, q of x[n, c, stride·p + dilation·r - pad, ...] ·
 * dy[n,o,p,q] */

static tn_status weight_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const conv_grad_attrs *a = node->attrs;
    node->outputs[0]->shape = (tn_shape){
        .rank = 4,
        .dims = {node->inputs[1]->shape.dims[1], node->inputs[0]->shape.dims[1] / a->conv.group,
                 a->conv.kernel_shape.v[0], a->conv.kernel_shape.v[1]}};
    return TN_OK;
}

static conv_geometry weight_geometry(const tn_node *node) {
    const conv_grad_attrs *a = node->attrs;
    return conv_geometry_make(&a->conv, a->h, a->w, node->outputs[0]->shape.dims);
}

static void naive_weight(const tn_run *run) {
    const conv_geometry g = weight_geometry(run->node);
    real *dw = run->out[0];
    int64_t x_at, w_at;
    for (int64_t n = 0; n < run->n; n++) {
        const real *x = (const real *)run->in[0] + n * g.h * g.w * g.c;
        const real *dy = (const real *)run->in[1] + n * g.p * g.q * g.o;
        for (int64_t i = 0; i < g.p * g.q * g.o; i++)
            for (int64_t k = 0; k < g.r * g.s * g.cg; k++)
                if (conv_product(&g, i, k, &x_at, &w_at)) dw[w_at] += dy[i] * x[x_at];
    }
}

static int64_t weight_lists_bytes(const conv_geometry *g) {
    int64_t lists = 2 * g->r * g->s * g->cg + g->p * g->q;
    return tn_round_up(lists * (int64_t)sizeof(int64_t), 64);
}

/* Workspace: lists, a panel of dy, the padded image. */
static int64_t tiled_weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)n;
    const conv_geometry g = weight_geometry(node);
    int64_t image = conv_padded_h(&g) * conv_padded_w(&g) * g.c;
    return weight_lists_bytes(&g) + tn_product_workspace_bytes(kernels) +
           (conv_is_padded(&g) ? image : 0) * (int64_t)sizeof(real);
}

static void list_weight(const conv_geometry *g, int64_t *a_row, int64_t *c_row, int64_t *offset) {
    int64_t width = conv_padded_w(g);
    for (int64_t k = 0; k < g->r * g->s * g->cg; k++) {
        a_row[k] =
            (k / (g->s * g->cg) * g->dilation_h * width + k / g->cg % g->s * g->dilation_w) * g->c +
            k % g->cg;
        c_row[k] = k * g->og;
    }
    for (int64_t i = 0; i < g->p * g->q; i++)
        offset[i] = (i / g->q * g->stride_h * width + i % g->q * g->stride_w) * g->c;
}

static void tiled_weight(const tn_run *run) {
    const conv_geometry g = weight_geometry(run->node);
    int64_t rows = g.r * g.s * g.cg;
    int64_t *a_row = run->workspace, *c_row = a_row + rows, *offset = c_row + rows;
    char *panel = (char *)run->workspace + weight_lists_bytes(&g);
    real *image = (real *)(panel + tn_product_workspace_bytes(run->kernels));
    list_weight(&g, a_row, c_row, offset);
    for (int64_t n = 0; n < run->n; n++) {
        const real *x = (const real *)run->in[0] + n * g.h * g.w * g.c;
        const real *dy = (const real *)run->in[1] + n * g.p * g.q * g.o;
        if (conv_is_padded(&g)) {
            conv_pad_image(x, g.h, g.w, g.c, g.pad_top, g.pad_left, g.pad_bottom, g.pad_right,
                           image);
            x = image;
        }
        for (int64_t group = 0; group < g.groups; group++) {
            const tn_product product = {.rows = rows,
                                        .depth = g.p * g.q,
                                        .columns = g.og,
                                        .a = x + group * g.cg,
                                        .a_row = a_row,
                                        .offset = offset,
                                        .b = dy + group * g.og,
                                        .ldb = g.o,
                                        .source = TN_PANELS_STORED,
                                        .c = (real *)run->out[0] + group * rows * g.og,
                                        .c_row = c_row};
            tn_product_add(run->kernels, &product, panel);
        }
    }
}

static int64_t weight_macs(const tn_node *node) {
    const conv_geometry g = weight_geometry(node);
    return g.p * g.q * g.o * g.r * g.s * g.cg;
}

static const tn_implementation naive_weight_implementation = {
    .name = "naive", .applies = conv_naive_applies, .run = naive_weight};
static const tn_implementation tiled_weight_implementation = {
    .name = "tiles", .workspace_bytes = tiled_weight_workspace, .run = tiled_weight};
static const tn_implementation *const weight_implementations[] = {
    &naive_weight_implementation, &tiled_weight_implementation, NULL};

const tn_op tn_op_conv_grad_weight = {.name = "ConvGradWeight",
                                      .attrs_bytes = sizeof(conv_grad_attrs),
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_IMAGE,
                                      .reduces_samples = true,
                                      .infer_shape = weight_shape,
                                      .macs = weight_macs,
                                      .implementations = weight_implementations};
