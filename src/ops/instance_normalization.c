/* SPDX-License-Identifier: Apache-2.0 */
/* instance_normalization.c: y = (x - mean) / √(variance + epsilon) · scale + bias for each channel
 * of each sample (Ulyanov et al. 2016). ONNX InstanceNormalization. */
#include "ops/elementwise.h"
#include "ops/normalise.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

enum { X, SCALE, BIAS, N_INPUTS };

typedef struct instance_attrs {
    double epsilon;
} instance_attrs;

static const tn_attr attrs[] = {
    {"epsilon", TN_ATTR_FLOAT, offsetof(instance_attrs, epsilon), false, 1e-5f, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const instance_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[X]->shape;
    char text[TN_SHAPE_TEXT];
    TN_TRY(tn_normalise_check(a->epsilon, error));
    if (x->rank < 3)
        return tn_fail(error, TN_ERR_FORMAT, "input %s is no [samples][channels]...",
                       tn_shape_text(x, text));
    for (int i = SCALE; i < N_INPUTS; i++) {
        const tn_value *v = node->inputs[i];
        if (v->dtype != TN_FLOAT32 || v->shape.rank != 1 || v->shape.batched ||
            v->shape.dims[0] != x->dims[1])
            return tn_fail(error, TN_ERR_UNSUPPORTED, "\"%s\" is %s, but there are %lld channels",
                           v->name, tn_shape_text(&v->shape, text), (long long)x->dims[1]);
    }
    return tn_infer_same(graph, node, error);
}

static void run_any(const tn_run *run) {
    const instance_attrs *a = run->node->attrs;
    const tn_shape *shape = &run->node->inputs[X]->shape;
    int64_t n = 1, channels = shape->dims[1];
    for (int i = 2; i < shape->rank; i++) n *= shape->dims[i];
    int64_t rows = n > 0 ? tn_run_elements(run) / n : 0;
    const real *x = run->in[X], *scale = run->in[SCALE], *bias = run->in[BIAS];
    real *y = run->out[0];
    for (int64_t k = 0; k < rows; k++, x += n, y += n) {
        tn_moments m = tn_normalise_moments(n, x, a->epsilon);
        real factor = m.inverse * scale[k % channels], offset = bias[k % channels];
        for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m.mean) * factor + offset;
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* With z = (x - mean) · inverse: dscale = Σ dy · z, dbias = Σ dy, dz = dy · scale. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const instance_attrs *a = node->attrs;
    const tn_normalise_attrs n = {2, a->epsilon};
    tn_value *x = node->inputs[X], *scale = node->inputs[SCALE], *bias = node->inputs[BIAS], *d;
    tn_value *in[] = {tn_gradient_of(graph, node->outputs[0]), NULL};
    if (tn_gradient_wanted(graph, bias)) {
        TN_TRY(tn_sum_to_channels(graph, in[0], &d, error));
        TN_TRY(tn_gradient_add(graph, bias, d, error));
    }
    if (tn_gradient_wanted(graph, scale)) {
        TN_TRY(tn_graph_apply(graph, &tn_op_normalise, &n, &x, 1, &in[1], error));
        TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
        TN_TRY(tn_sum_to_channels(graph, d, &d, error));
        TN_TRY(tn_gradient_add(graph, scale, d, error));
    }
    if (!tn_gradient_wanted(graph, x)) return TN_OK;
    tn_axes_attrs pixels = {{.n = x->shape.rank - 2}};
    for (int i = 0; i < pixels.axes.n; i++) pixels.axes.v[i] = i + 1;
    TN_TRY(tn_graph_apply(graph, &tn_op_unsqueeze, &pixels, &scale, 1, &in[1], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
    return tn_normalise_differentiate(graph, &n, x, d, error);
}

const tn_op tn_op_instance_normalization = {.name = "InstanceNormalization",
                                            .onnx_type = "InstanceNormalization",
                                            .attrs = attrs,
                                            .attrs_bytes = sizeof(instance_attrs),
                                            .min_inputs = N_INPUTS,
                                            .max_inputs = N_INPUTS,
                                            .n_outputs = 1,
                                            .layout = TN_LAYOUT_PLAIN,
                                            .infer_shape = infer_shape,
                                            .differentiate = differentiate,
                                            .implementations = implementations};
