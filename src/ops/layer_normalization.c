/* SPDX-License-Identifier: Apache-2.0 */
/* layer_normalization.c: y = (x - mean) / √(variance + epsilon) · scale + bias over the axes of
 * each sample from `axis` on (Ba et al. 2016). ONNX LayerNormalization. */
#include "ops/axes.h"
#include "ops/elementwise.h"
#include "ops/normalise.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

enum { X, SCALE, BIAS }; /* inputs */
enum { Y, MEAN, INVERSE, N_OUTPUTS };

typedef struct layer_attrs {
    int64_t axis, stash_type;
    double epsilon;
} layer_attrs;

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(layer_attrs, axis), false, -1, NULL},
    {"epsilon", TN_ATTR_FLOAT, offsetof(layer_attrs, epsilon), false, 1e-5f, NULL},
    {"stash_type", TN_ATTR_INT, offsetof(layer_attrs, stash_type), false, 1, NULL},
    {0}};

/* Whether v has one number for each of the normalised axes' elements. */
static tn_status check_factor(const tn_value *v, const tn_shape *x, int axis, tn_error *error) {
    const tn_shape *s = &v->shape;
    char text[2][TN_SHAPE_TEXT];
    bool fits = v->dtype == TN_FLOAT32 && s->rank <= x->rank && !s->batched;
    for (int i = 0; i < x->rank && fits; i++) {
        int k = i - (x->rank - s->rank);
        int64_t dim = k < 0 ? 1 : s->dims[k];
        fits = dim == (i < axis ? 1 : x->dims[i]);
    }
    if (fits) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "\"%s\" is %s (must be like the axes of %s from %d on)", v->name,
                   tn_shape_text(s, text[0]), tn_shape_text(x, text[1]), axis);
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    layer_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[X]->shape;
    int axis;
    if (a->stash_type != 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "stash_type is %lld (only 1, float32)",
                       (long long)a->stash_type);
    TN_TRY(tn_axis_resolve(a->axis, x->rank, &axis, error));
    TN_TRY(tn_normalise_check(a->epsilon, error));
    if (x->batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 mixes samples of the batch");
    for (int i = SCALE; i < node->n_inputs; i++)
        if (node->inputs[i]) TN_TRY(check_factor(node->inputs[i], x, axis, error));
    TN_TRY(tn_infer_same(graph, node, error));
    for (int i = MEAN; i < N_OUTPUTS; i++) {
        tn_shape *y = &node->outputs[i]->shape;
        *y = *x;
        for (int k = axis; k < x->rank; k++) y->dims[k] = 1;
        node->outputs[i]->dtype = TN_FLOAT32;
    }
    return TN_OK;
}

static void run_any(const tn_run *run) {
    const layer_attrs *a = run->node->attrs;
    const tn_shape *shape = &run->node->inputs[X]->shape;
    int64_t n = 1, from = a->axis < 0 ? a->axis + shape->rank : a->axis;
    for (int64_t i = from; i < shape->rank; i++) n *= shape->dims[i];
    int64_t rows = n > 0 ? tn_run_elements(run) / n : 0;
    const real *x = run->in[X], *scale = run->in[SCALE];
    const real *bias = run->node->n_inputs > BIAS ? run->in[BIAS] : NULL;
    real *y = run->out[Y], *mean = run->out[MEAN], *inverse = run->out[INVERSE];
    for (int64_t k = 0; k < rows; k++, x += n, y += n) {
        tn_moments m = tn_normalise_moments(n, x, a->epsilon);
        mean[k] = m.mean;
        inverse[k] = m.inverse;
        for (int64_t i = 0; i < n; i++)
            y[i] = (x[i] - m.mean) * m.inverse * scale[i] + (bias ? bias[i] : 0);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

static tn_status deliver(tn_graph *graph, tn_value *input, tn_value *d, tn_error *error) {
    TN_TRY(tn_sum_to_shape(graph, d, &input->shape, &d, error));
    return tn_gradient_add(graph, input, d, error);
}

/* With z = (x - mean) · inverse: dscale = Σ dy · z, dbias = Σ dy, dz = dy · scale. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const layer_attrs *a = node->attrs;
    tn_value *x = node->inputs[X], *scale = node->inputs[SCALE];
    tn_value *bias = node->n_inputs > BIAS ? node->inputs[BIAS] : NULL;
    tn_value *dy = tn_gradient_of(graph, node->outputs[Y]), *d;
    const tn_normalise_attrs n = {a->axis < 0 ? a->axis + x->shape.rank : a->axis, a->epsilon};
    if (tn_gradient_of(graph, node->outputs[MEAN]) || tn_gradient_of(graph, node->outputs[INVERSE]))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "no gradient through its mean and deviation");
    if (!dy) return TN_OK;
    if (bias && tn_gradient_wanted(graph, bias)) TN_TRY(deliver(graph, bias, dy, error));
    if (tn_gradient_wanted(graph, scale)) {
        tn_value *in[] = {dy, NULL};
        TN_TRY(tn_graph_apply(graph, &tn_op_normalise, &n, &x, 1, &in[1], error));
        TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
        TN_TRY(deliver(graph, scale, d, error));
    }
    if (!tn_gradient_wanted(graph, x)) return TN_OK;
    tn_value *in[] = {dy, scale};
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
    return tn_normalise_differentiate(graph, &n, x, d, error);
}

const tn_op tn_op_layer_normalization = {.name = "LayerNormalization",
                                         .onnx_type = "LayerNormalization",
                                         .attrs = attrs,
                                         .attrs_bytes = sizeof(layer_attrs),
                                         .min_inputs = 2,
                                         .max_inputs = 3,
                                         .n_outputs = N_OUTPUTS,
                                         .layout = TN_LAYOUT_PLAIN,
                                         .infer_shape = infer_shape,
                                         .differentiate = differentiate,
                                         .implementations = implementations};
