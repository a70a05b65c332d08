/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c: convolution of one to three dimensions. ONNX Conv. Its gradients are in conv_grad.c. */
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
    int dims = x->shape.rank - 2;
    if (a->kernel_shape.n == 0)
        for (int i = 0; i < dims; i++)
            a->kernel_shape.v[a->kernel_shape.n++] = w->shape.dims[2 + i];
    TN_TRY(tn_window_resolve(dims, &a->kernel_shape, &a->strides, &a->dilations, &a->pads, error));
    for (int i = 0; i < dims; i++)
        if (a->kernel_shape.v[i] != w->shape.dims[2 + i])
            return tn_fail(error, TN_ERR_FORMAT,
                           "kernel_shape holds %lld but the weight %lld along axis %d",
                           (long long)a->kernel_shape.v[i], (long long)w->shape.dims[2 + i], 2 + i);
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
    int n = a->kernel_shape.n;
    int64_t dims[4] = {tn_max_i64(x->dims[1], y->dims[1])}, elements;
    char text[TN_SHAPE_TEXT];
    for (int i = 0; i < n; i++)
        dims[1 + i] = 2 * (a->pads.v[i] + x->dims[2 + i] + a->pads.v[n + i]);
    if (tn_size_product(dims, 1 + n, &elements) && elements <= TN_MAX_ELEMENTS) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "too much padding for images %s", tn_shape_text(x, text));
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_conv_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
    tn_shape y = {.rank = x->rank, .batched = x->batched};
    TN_TRY(check_weight(node, a, error));
    TN_TRY(check_bias(node->n_inputs > 2 ? node->inputs[2] : NULL, w->dims[0], error));
    y.dims[0] = x->dims[0];
    y.dims[1] = w->dims[0];
    for (int i = 0, n = a->kernel_shape.n; i < n; i++)
        TN_TRY(tn_window_output(a->auto_pad, false, x->dims[2 + i], a->kernel_shape.v[i],
                                a->strides.v[i], a->dilations.v[i], &a->pads.v[i],
                                &a->pads.v[n + i], &y.dims[2 + i], error));
    strcpy(a->auto_pad, "NOTSET"); /* pads now say it */
    TN_TRY(check_padded(a, x, &y, error));
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

static int64_t macs(const tn_node *node) {
    const tn_shape *y = &node->outputs[0]->shape, *w = &node->inputs[1]->shape;
    int64_t dims[2 * TN_MAX_RANK], n;
    for (int i = 1; i < y->rank; i++) dims[i - 1] = y->dims[i];
    for (int i = 1; i < w->rank; i++) dims[y->rank - 1 + i - 1] = w->dims[i];
    return tn_size_product(dims, y->rank + w->rank - 2, &n) ? n : INT64_MAX;
}

tn_arrangement conv_arrange_weight(const tn_shape *w, int64_t groups) {
    int last = w->rank;
    tn_arrangement a = {.rank = last + 1, .dims = {groups, w->dims[0] / groups}};
    for (int i = 1; i < w->rank; i++) a.dims[1 + i] = w->dims[i];
    for (int i = 1; i < last - 1; i++) a.axes[i] = i + 2;
    a.axes[last - 1] = 2;
    a.axes[last] = 1;
    return a;
}

static tn_arrangement arrange(const tn_node *node, int input, const int64_t *in_channels) {
    (void)in_channels;
    const tn_conv_attrs *a = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return conv_arrange_weight(&node->inputs[1]->shape, a->group);
}

/* ---- Gradient ----------------------------------------------------------------------------- */

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]);
    tn_value *x = node->inputs[0], *w = node->inputs[1];
    tn_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
    conv_grad_attrs a = {.conv = *(const tn_conv_attrs *)node->attrs};
    tn_value *d;
    tn_window_sizes(&x->shape, a.size);
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
        const real *x = (const real *)tn_run_in_image(run, 0) + n * g.d * g.h * g.w * g.c;
        real *y = (real *)tn_run_out_image(run, 0) + n * g.u * g.p * g.q * g.o;
        int64_t row = g.q * g.o;
        int64_t begin = run->rows.begin * row, end = run->rows.end * row;
        if (g.volume) end = g.u * g.p * row; /* which is never parted by rows */
        for (int64_t i = begin; i < end; i++) {
            y[i] = bias ? bias[i % g.o] : 0;
            for (int64_t k = 0; k < g.t * g.r * g.s * g.cg; k++)
                if (conv_product(&g, i, k, &x_at, &w_at)) y[i] += x[x_at] * w[w_at];
        }
        const real *more = tn_run_more(run);
        if (more) more += n * g.u * g.p * g.q * g.o + begin;
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

static bool naive_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)node;
    return kernels->naive;
}

static const tn_implementation naive = {
    .name = "naive", .applies = naive_applies, .rows_in = conv_rows_in, .run = naive_run};
static const tn_implementation tiled = {.name = "tiles",
                                        .packed_bytes = tiled_packed_bytes,
                                        .pack = tiled_pack,
                                        .rows_in = conv_rows_in,
                                        .shares_channels = true,
                                        .run = tiled_run};
static const tn_implementation *const implementations[] = {&naive,
                                                           &tn_conv_volume,
                                                           &tn_conv_depthwise,
                                                           &tn_conv_winograd,
                                                           &tn_conv_winograd_2x2,
                                                           &tiled,
                                                           &tn_conv_lanes_winograd,
                                                           &tn_conv_lanes,
                                                           NULL};

const tn_op tn_op_conv = {.name = "Conv",
                          .onnx_type = "Conv",
                          .attrs = attrs,
                          .attrs_bytes = sizeof(tn_conv_attrs),
                          .min_inputs = 2,
                          .max_inputs = 3,
                          .stored = 1u << 1 | 1u << 2,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_CHANNELS_LAST,
                          .ends = true,
                          .infer_shape = infer_shape,
                          .differentiate = differentiate,
                          .macs = macs,
                          .arrange = arrange,
                          .implementations = implementations,
                          .choose = conv_choose};
