/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose.c: transposed convolution of one to three dimensions. ONNX ConvTranspose. It is
 * the input gradient of the convolution that takes its output back to its input, and its own
 * gradients are that convolution and its weight gradient. */
#include <string.h>

#include "base/size.h"
#include "ops/conv_geometry.h"
#include "ops/sum_to.h"

/* What conv_grad_input_geometry reads comes first. */
typedef struct conv_transpose_attrs {
    conv_grad_attrs back;
    tn_ints output_padding, output_shape;
} conv_transpose_attrs;

#define FIELD(name) offsetof(conv_transpose_attrs, back.conv.name)
static const tn_attr attrs[] = {
    {"kernel_shape", TN_ATTR_INTS, FIELD(kernel_shape), false, 0, NULL},
    {"strides", TN_ATTR_INTS, FIELD(strides), false, 0, NULL},
    {"pads", TN_ATTR_INTS, FIELD(pads), false, 0, NULL},
    {"dilations", TN_ATTR_INTS, FIELD(dilations), false, 0, NULL},
    {"group", TN_ATTR_INT, FIELD(group), false, 1, NULL},
    {"auto_pad", TN_ATTR_STRING, FIELD(auto_pad), false, 0, "NOTSET"},
    {"output_padding", TN_ATTR_INTS, offsetof(conv_transpose_attrs, output_padding), false, 0,
     NULL},
    {"output_shape", TN_ATTR_INTS, offsetof(conv_transpose_attrs, output_shape), false, 0, NULL},
    {0}};
#undef FIELD

/* ---- Shapes ---------------------------------------------------------------------------------- */

static tn_status check_weight(const tn_node *node, tn_conv_attrs *a, tn_error *error) {
    const tn_value *x = node->inputs[0], *w = node->inputs[1];
    const tn_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
    int dims = x->shape.rank - 2;
    TN_TRY(tn_window_check_images(x, error));
    if (w->dtype != TN_FLOAT32 || (w->kind != TN_VALUE_PARAMETER && w->kind != TN_VALUE_CONSTANT))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "weight \"%s\" is computed or not float32 (it must be in the file)",
                       w->name);
    if (w->shape.rank != x->shape.rank)
        return tn_fail(error, TN_ERR_FORMAT, "weight has %d dimensions but input \"%s\" has %d",
                       w->shape.rank, x->name, x->shape.rank);
    if (a->kernel_shape.n == 0)
        for (int i = 0; i < dims; i++)
            a->kernel_shape.v[a->kernel_shape.n++] = w->shape.dims[2 + i];
    TN_TRY(tn_window_resolve(dims, &a->kernel_shape, &a->strides, &a->dilations, &a->pads, error));
    for (int i = 0; i < dims; i++)
        if (a->kernel_shape.v[i] != w->shape.dims[2 + i] || x->shape.dims[2 + i] < 1)
            return tn_fail(error, TN_ERR_FORMAT,
                           "kernel_shape holds %lld but the weight %lld along axis %d",
                           (long long)a->kernel_shape.v[i], (long long)w->shape.dims[2 + i], 2 + i);
    if (a->group < 1 || w->shape.dims[0] < 1 || w->shape.dims[1] < 1 ||
        w->shape.dims[0] != x->shape.dims[1] || w->shape.dims[0] % a->group)
        return tn_fail(error, TN_ERR_FORMAT,
                       "weight takes %lld channels in %lld groups but the input has %lld",
                       (long long)w->shape.dims[0], (long long)a->group,
                       (long long)x->shape.dims[1]);
    int64_t outputs;
    if (!tn_size_mul(w->shape.dims[1], a->group, &outputs) || outputs > TN_MAX_ELEMENTS)
        return tn_fail(error, TN_ERR_FORMAT, "group is %lld", (long long)a->group);
    if (!bias || (bias->dtype == TN_FLOAT32 && bias->shape.rank == 1 && !bias->shape.batched &&
                  bias->shape.dims[0] == outputs))
        return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "bias must be one float32 number for each of %lld outputs",
                   (long long)outputs);
}

/* Pads of axis i that make `output` places of `natural` without any: padding, or more at the end
 * where there are too few. The formulas are those of ONNX. */
static void pad_to(conv_transpose_attrs *a, int i, bool upper, int64_t natural, int64_t output) {
    tn_conv_attrs *c = &a->back.conv;
    int64_t total = tn_max_i64(0, natural - output);
    c->pads.v[i] = upper ? total / 2 : total - total / 2;
    c->pads.v[c->kernel_shape.n + i] = total - c->pads.v[i];
    a->output_padding.v[i] = output - (natural - total);
}

/* Afterwards pads and output_padding say it all. */
static tn_status output_of(conv_transpose_attrs *a, int i, int64_t size, int64_t *output,
                           tn_error *error) {
    tn_conv_attrs *c = &a->back.conv;
    bool upper = strcmp(c->auto_pad, "SAME_UPPER") == 0;
    bool same = upper || strcmp(c->auto_pad, "SAME_LOWER") == 0;
    if (strcmp(c->auto_pad, "VALID") == 0) c->pads.v[i] = c->pads.v[c->kernel_shape.n + i] = 0;
    int64_t extent = (c->kernel_shape.v[i] - 1) * c->dilations.v[i] + 1;
    int64_t natural = (size - 1) * c->strides.v[i] + extent;
    if (a->output_shape.n > 0)
        pad_to(a, i, upper, natural, a->output_shape.v[i]);
    else if (same)
        pad_to(a, i, upper, natural, size * c->strides.v[i]);
    int64_t pads = c->pads.v[i] + c->pads.v[c->kernel_shape.n + i], more = a->output_padding.v[i];
    *output = natural + more - pads;
    if (more < 0 || (more >= c->strides.v[i] && more > 0))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "%lld places more at the end of axis %d than the input makes (fewer than "
                       "the stride of %lld are supported)",
                       (long long)more, 2 + i, (long long)c->strides.v[i]);
    if (*output < 1 || pads > (1 << 20))
        return tn_fail(error, TN_ERR_FORMAT, "padding of %lld leaves nothing of axis %d",
                       (long long)pads, 2 + i);
    return TN_OK;
}

static tn_status check_lists(conv_transpose_attrs *a, int dims, tn_error *error) {
    if (a->output_padding.n == 0) a->output_padding = (tn_ints){.n = dims};
    if (a->output_padding.n != dims)
        return tn_fail(error, TN_ERR_FORMAT, "output_padding has %d numbers, not %d",
                       a->output_padding.n, dims);
    /* Some files say the batch and the channels, too. */
    if (a->output_shape.n == dims + 2)
        for (int i = 0; i < dims; i++) a->output_shape.v[i] = a->output_shape.v[2 + i];
    else if (a->output_shape.n != 0 && a->output_shape.n != dims)
        return tn_fail(error, TN_ERR_FORMAT, "output_shape has %d numbers, not %d",
                       a->output_shape.n, dims);
    for (int i = 0; i < dims; i++)
        if (a->output_padding.v[i] < 0 || a->output_padding.v[i] > (1 << 20) ||
            (a->output_shape.n > 0 &&
             (a->output_shape.v[i] < 1 || a->output_shape.v[i] > TN_MAX_ELEMENTS)))
            return tn_fail(error, TN_ERR_FORMAT, "output_padding or output_shape is out of range");
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    conv_transpose_attrs *a = node->attrs;
    tn_conv_attrs *c = &a->back.conv;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = *x;
    TN_TRY(check_weight(node, c, error));
    int dims = c->kernel_shape.n;
    TN_TRY(check_lists(a, dims, error));
    for (int i = 0; i < dims; i++) TN_TRY(output_of(a, i, x->dims[2 + i], &y.dims[2 + i], error));
    a->output_shape.n = 0;
    strcpy(c->auto_pad, "NOTSET");
    y.dims[1] = node->inputs[1]->shape.dims[1] * c->group;
    tn_window_sizes(&y, a->back.size);
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

static int64_t macs(const tn_node *node) {
    const conv_geometry g = conv_grad_input_geometry(node);
    int64_t n;
    return tn_size_product((int64_t[]){g.u, g.p, g.q, g.o, g.t, g.r, g.s, g.cg}, 8, &n) ? n
                                                                                        : INT64_MAX;
}

static tn_arrangement arrange(const tn_node *node, int input, const int64_t *in_channels) {
    (void)in_channels;
    const conv_transpose_attrs *a = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return conv_arrange_weight(&node->inputs[1]->shape, a->back.conv.group);
}

/* ---- Gradient -------------------------------------------------------------------------------- */

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const conv_transpose_attrs *a = node->attrs;
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]);
    tn_value *x = node->inputs[0], *w = node->inputs[1], *d;
    tn_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
    if (bias && tn_gradient_wanted(graph, bias)) {
        TN_TRY(tn_sum_to_channels(graph, dy, &d, error));
        TN_TRY(tn_gradient_add(graph, bias, d, error));
    }
    if (tn_gradient_wanted(graph, w)) {
        tn_value *in[] = {dy, x};
        TN_TRY(tn_graph_apply(graph, &tn_op_conv_grad_weight, &a->back, in, 2, &d, error));
        TN_TRY(tn_gradient_add(graph, w, d, error));
    }
    if (tn_gradient_wanted(graph, x)) {
        tn_value *in[] = {dy, w};
        TN_TRY(tn_graph_apply(graph, &tn_op_conv, &a->back.conv, in, 2, &d, error));
        TN_TRY(tn_gradient_add(graph, x, d, error));
    }
    return TN_OK;
}

static const tn_implementation *const implementations[] = {&tn_conv_grad_input_naive,
                                                           &tn_conv_grad_input_tiled, NULL};

const tn_op tn_op_conv_transpose = {.name = "ConvTranspose",
                                    .onnx_type = "ConvTranspose",
                                    .attrs = attrs,
                                    .attrs_bytes = sizeof(conv_transpose_attrs),
                                    .min_inputs = 2,
                                    .max_inputs = 3,
                                    .stored = 1u << 1 | 1u << 2,
                                    .n_outputs = 1,
                                    .layout = TN_LAYOUT_CHANNELS_LAST,
                                    .infer_shape = infer_shape,
                                    .differentiate = differentiate,
                                    .macs = macs,
                                    .arrange = arrange,
                                    .implementations = implementations};
