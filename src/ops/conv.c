/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c: two-dimensional convolution. ONNX Conv. Its gradients are in conv_grad.c. */
#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/conv_choice.h"
#include "ops/conv_geometry.h"
#include "ops/conv_parts.h"
#include "ops/lanes.h"
#include "ops/sum_to.h"
#include "ops/tiles.h"

static const tn_attr attrs[] = {
    {"kernel_shape", TN_ATTR_INTS, offsetof(tn_conv_attrs, kernel_shape), false, 0, NULL},
    {"strides", TN_ATTR_INTS, offsetof(tn_conv_attrs, strides), false, 0, NULL},
    {"pads", TN_ATTR_INTS, offsetof(tn_conv_attrs, pads), false, 0, NULL},
    {"dilations", TN_ATTR_INTS, offsetof(tn_conv_attrs, dilations), false, 0, NULL},
    {"group", TN_ATTR_INT, offsetof(tn_conv_attrs, group), false, 1, NULL},
    {"auto_pad", TN_ATTR_STRING, offsetof(tn_conv_attrs, auto_pad), false, 0, "NOTSET"},
    {0}};

/* ---- Shapes ------------------------------------------------------------------------------- */

static tn_status check_weight(const tn_node *node, tn_conv_attrs *a, tn_error *error) {
    const tn_value *x = node->inputs[0], *w = node->inputs[1];
    if (w->shape.rank != x->shape.rank)
        return tn_fail(error, TN_ERR_FORMAT, "weight has %d dimensions but input \"%s\" has %d",
                       w->shape.rank, x->name, x->shape.rank);
    TN_TRY(tn_window_check_images(x, error));
    if (w->dtype != TN_FLOAT32 || (w->kind != TN_VALUE_PARAMETER && w->kind != TN_VALUE_CONSTANT))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "weight \"%s\" is computed or not float32 (it must be in the file)",
                       w->name);
    if (a->kernel_shape.n == 0)
        a->kernel_shape = (tn_ints){.n = 2, .v = {w->shape.dims[2], w->shape.dims[3]}};
    TN_TRY(tn_window_resolve(&a->kernel_shape, &a->strides, &a->dilations, &a->pads, error));
    if (a->kernel_shape.v[0] != w->shape.dims[2] || a->kernel_shape.v[1] != w->shape.dims[3])
        return tn_fail(error, TN_ERR_FORMAT,
                       "kernel_shape is %lldx%lld but the weight is %lldx%lld",
                       (long long)a->kernel_shape.v[0], (long long)a->kernel_shape.v[1],
                       (long long)w->shape.dims[2], (long long)w->shape.dims[3]);
    if (a->group < 1 || x->shape.dims[1] < 1 || w->shape.dims[0] < 1)
        return tn_fail(error, TN_ERR_FORMAT, "no channels, or group %lld", (long long)a->group);
    if (x->shape.dims[1] % a->group || w->shape.dims[0] % a->group ||
        x->shape.dims[1] / a->group != w->shape.dims[1])
        return tn_fail(error, TN_ERR_FORMAT,
                       "weight takes %lld channels in each of %lld groups but the input has %lld",
                       (long long)w->shape.dims[1], (long long)a->group,
                       (long long)x->shape.dims[1]);
    return TN_OK;
}

static tn_status check_bias(const tn_value *bias, int64_t outputs, tn_error *error) {
    if (!bias || (bias->dtype == TN_FLOAT32 && bias->shape.rank == 1 && !bias->shape.batched &&
                  bias->shape.dims[0] == outputs))
        return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "bias must be one float32 number for each of %lld outputs",
                   (long long)outputs);
}

/* The padded image, and the bordered gradient, which is at most twice as large each way. */
static tn_status check_padded(const tn_conv_attrs *a, const tn_shape *x, const tn_shape *y,
                              tn_error *error) {
    const int64_t dims[] = {2 * (a->pads.v[0] + x->dims[2] + a->pads.v[2]),
                            2 * (a->pads.v[1] + x->dims[3] + a->pads.v[3]),
                            tn_max_i64(x->dims[1], y->dims[1])};
    int64_t elements;
    if (tn_size_product(dims, 3, &elements) && elements <= TN_MAX_ELEMENTS) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT,
                   "too much padding: %lldx%lld pixels for an image of %lldx%lld",
                   (long long)(dims[0] / 2), (long long)(dims[1] / 2), (long long)x->dims[2],
                   (long long)x->dims[3]);
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_conv_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
    tn_shape y = {.rank = 4, .batched = x->batched};
    TN_TRY(check_weight(node, a, error));
    TN_TRY(check_bias(node->n_inputs > 2 ? node->inputs[2] : NULL, w->dims[0], error));
    y.dims[0] = x->dims[0];
    y.dims[1] = w->dims[0];
    for (int i = 0; i < 2; i++)
        TN_TRY(tn_window_output(a->auto_pad, false, x->dims[2 + i], a->kernel_shape.v[i],
                                a->strides.v[i], a->dilations.v[i], &a->pads.v[i],
                                &a->pads.v[2 + i], &y.dims[2 + i], error));
    strcpy(a->auto_pad, "NOTSET"); /* pads now say it */
    TN_TRY(check_padded(a, x, &y, error));
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

static int64_t macs(const tn_node *node) {
    const int64_t *y = node->outputs[0]->shape.dims, *w = node->inputs[1]->shape.dims;
    int64_t n;
    return tn_size_product((int64_t[]){y[1], y[2], y[3], w[1], w[2], w[3]}, 6, &n) ? n : INT64_MAX;
}

tn_arrangement conv_arrange_weight(const int64_t *dims, int64_t groups) {
    return (tn_arrangement){.rank = 5,
                            .dims = {groups, dims[0] / groups, dims[1], dims[2], dims[3]},
                            .axes = {0, 3, 4, 2, 1}};
}

static tn_arrangement arrange(const tn_node *node, int input, const int64_t *in_channels) {
    (void)in_channels;
    const tn_conv_attrs *a = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return conv_arrange_weight(node->inputs[1]->shape.dims, a->group);
}

/* ---- Gradient ----------------------------------------------------------------------------- */

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]);
    tn_value *x = node->inputs[0], *w = node->inputs[1];
    tn_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
    conv_grad_attrs a = {*(const tn_conv_attrs *)node->attrs, x->shape.dims[2], x->shape.dims[3]};
    tn_value *d;
    if (bias && tn_gradient_wanted(graph, bias)) {
        TN_TRY(tn_sum_to_channels(graph, dy, &d, error));
        TN_TRY(tn_gradient_add(graph, bias, d, error));
    }
    if (tn_gradient_wanted(graph, w)) {
        tn_value *in[] = {x, dy};
        TN_TRY(tn_graph_apply(graph, &tn_op_conv_grad_weight, &a, in, 2, &d, error));
        TN_TRY(tn_gradient_add(graph, w, d, error));
    }
    if (tn_gradient_wanted(graph, x)) {
        tn_value *in[] = {dy, w};
        TN_TRY(tn_graph_apply(graph, &tn_op_conv_grad_input, &a, in, 2, &d, error));
        TN_TRY(tn_gradient_add(graph, x, d, error));
    }
    return TN_OK;
}

/* ---- Running ------------------------------------------------------------------------------ */

/* Plain loops: the oracle. */
static void naive_run(const tn_run *run) {
    const conv_geometry g = conv_geometry_of(run->node);
    const real *w = run->in[1], *bias = run->in[2];
    int64_t x_at, w_at;
    for (int64_t n = 0; n < run->n; n++) {
        const real *x = (const real *)tn_run_in_image(run, 0) + n * g.h * g.w * g.c;
        real *y = (real *)tn_run_out_image(run, 0) + n * g.p * g.q * g.o;
        int64_t row = g.q * g.o;
        for (int64_t i = run->rows.begin * row; i < run->rows.end * row; i++) {
            y[i] = bias ? bias[i % g.o] : 0;
            for (int64_t k = 0; k < g.r * g.s * g.cg; k++)
                if (conv_product(&g, i, k, &x_at, &w_at)) y[i] += x[x_at] * w[w_at];
        }
        const real *more = tn_run_more(run);
        int64_t begin = run->rows.begin * row, end = run->rows.end * row;
        if (more) more += n * g.p * g.q * g.o + begin;
        run->kernels->activate(&run->node->activation, end - begin, y + begin, more, y + begin);
    }
}

static conv_parts count_parts(const conv_geometry *g, const tn_kernels *kernels) {
    conv_parts parts = {.images = conv_images_together(g->p * g->q)};
    conv_parts_add_forward(&parts, g, kernels->nr);
    return parts;
}

/* Packed: parts, and the panels of each group. */
static int64_t tiled_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_geometry_of(node);
    const conv_parts parts = count_parts(&g, kernels);
    return conv_packed_bytes(&parts,
                             g.groups * tn_panels_elements(kernels, g.r * g.s * g.cg, g.og));
}

static void tiled_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_geometry_of(run->node);
    const conv_parts counted = count_parts(&g, run->kernels);
    conv_packed *p = conv_packed_begin(packed, &counted);
    conv_parts_add_forward(&p->parts, &g, run->kernels->nr);
    int64_t depth = g.r * g.s * g.cg;
    for (int64_t group = 0; group < g.groups; group++)
        tn_panels_pack(run->kernels, TN_PANELS_STORED,
                       (const real *)run->in[1] + group * depth * g.og, g.og, depth, g.og,
                       p->weights + group * tn_panels_elements(run->kernels, depth, g.og));
}

static void tiled_run(const tn_run *run) {
    const conv_geometry g = conv_geometry_of(run->node);
    const conv_packed *p = run->packed;
    const conv_image from = conv_input_image(&g), to = conv_output_image(&g);
    int64_t depth = g.r * g.s * g.cg, nr = run->kernels->nr;
    int64_t panels = tn_panels_elements(run->kernels, depth, g.og);
    const real *x = tn_run_in_image(run, 0), *bias = run->in[2], *more = tn_run_more(run);
    real *y = tn_run_out_image(run, 0);
    /* Shares are panels of the only group, or groups. */
    const tn_channels share = tn_run_channels(run, g.o, g.groups == 1 ? nr : g.og);
    int64_t width = g.groups == 1 ? share.end - share.begin : g.og;
    for (int64_t o = share.begin; o < share.end; o += width) {
        int64_t group = o / g.og;
        const tn_product product = {.columns = width,
                                    .a = x + group * g.cg,
                                    .b = p->weights + group * panels + o % g.og * depth,
                                    .source = TN_PANELS_PACKED,
                                    .start = bias ? TN_START_BIAS : TN_START_ZERO,
                                    .bias = bias ? bias + o : NULL,
                                    .c = y + o,
                                    .more = more ? more + o : NULL,
                                    .activation = run->node->activation};
        conv_parts_run(&p->parts, run->kernels, product, run->n, run->rows, &from, &to);
    }
}

static const tn_implementation naive = {
    .name = "naive", .applies = conv_naive_applies, .rows_in = conv_rows_in, .run = naive_run};
static const tn_implementation tiled = {.name = "tiles",
                                        .packed_bytes = tiled_packed_bytes,
                                        .pack = tiled_pack,
                                        .rows_in = conv_rows_in,
                                        .shares_channels = true,
                                        .run = tiled_run};
static const tn_implementation *const implementations[] = {
    &naive, &tn_conv_depthwise,      &tn_conv_winograd, &tn_conv_winograd_2x2,
    &tiled, &tn_conv_lanes_winograd, &tn_conv_lanes,    NULL};

const tn_op tn_op_conv = {.name = "Conv",
                          .onnx_type = "Conv",
                          .attrs = attrs,
                          .attrs_bytes = sizeof(tn_conv_attrs),
                          .min_inputs = 2,
                          .max_inputs = 3,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_IMAGE,
                          .ends = true,
                          .infer_shape = infer_shape,
                          .differentiate = differentiate,
                          .macs = macs,
                          .arrange = arrange,
                          .implementations = implementations,
                          .choose = conv_choose};
