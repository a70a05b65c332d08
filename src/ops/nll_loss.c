/* SPDX-License-Identifier: Apache-2.0 */
/* nll_loss.c: minus the score of each label's class, weighted by class, and the sum or the weighted
 * mean of that. ONNX NegativeLogLikelihoodLoss of logarithms of probabilities [n][classes]..., and
 * SoftmaxCrossEntropyLoss of scores, whose second output is those logarithms. A label that is no
 * class makes the loss NaN. */
#include <math.h>
#include <string.h>

#include "ops/elementwise.h"
#include "ops/integers.h"
#include "ops/log_softmax.h"
#include "ops/ops.h"

enum { SCORES, LABELS, WEIGHT }; /* inputs; the last may be left out */
enum { LOSS, LOG_PROBABILITY };  /* outputs */

typedef struct loss_attrs {
    int64_t ignore_index; /* a label that counts for nothing */
    char reduction[TN_ATTR_STRING_MAX];
} loss_attrs;

/* By default no label is ignored: the number is beyond any class. */
static const tn_attr attrs[] = {
    {"ignore_index", TN_ATTR_INT, offsetof(loss_attrs, ignore_index), false, -0x1p62, NULL},
    {"reduction", TN_ATTR_STRING, offsetof(loss_attrs, reduction), false, 0, "mean"},
    {0}};

static bool is_reduced(const loss_attrs *a) { return strcmp(a->reduction, "none") != 0; }
static bool is_mean(const loss_attrs *a) { return strcmp(a->reduction, "mean") == 0; }

static const tn_value *weight_of(const tn_node *node, int i) {
    return node->n_inputs > i ? node->inputs[i] : NULL;
}

static tn_status check_labels(const tn_node *node, tn_error *error) {
    const tn_shape *x = &node->inputs[SCORES]->shape, *labels = &node->inputs[LABELS]->shape;
    tn_dtype dtype = node->inputs[LABELS]->dtype;
    char text[2][TN_SHAPE_TEXT];
    bool fits = x->rank >= 2 && labels->rank == x->rank - 1 && labels->batched == x->batched;
    for (int i = 0; i < labels->rank && fits; i++)
        fits = labels->dims[i] == x->dims[i == 0 ? 0 : i + 1];
    if (dtype != TN_INT32 && dtype != TN_INT64)
        return tn_fail(error, TN_ERR_FORMAT, "labels are %s, not int32 or int64",
                       tn_dtype_name(dtype));
    if (fits) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "scores %s and labels %s", tn_shape_text(x, text[0]),
                   tn_shape_text(labels, text[1]));
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const loss_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[SCORES]->shape;
    const tn_value *weight = weight_of(node, WEIGHT);
    if (is_reduced(a) && !is_mean(a) && strcmp(a->reduction, "sum") != 0)
        return tn_fail(error, TN_ERR_FORMAT, "reduction is \"%s\" (none, sum or mean)",
                       a->reduction);
    if (is_reduced(a) && x->batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "a %s mixes samples of the batch", a->reduction);
    TN_TRY(check_labels(node, error));
    if (weight && (weight->shape.batched || weight->dtype != TN_FLOAT32 ||
                   weight->shape.rank != 1 || weight->shape.dims[0] != x->dims[1]))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "weight \"%s\" is not one number for each class",
                       weight->name);
    TN_TRY(tn_infer_same(graph, node, error));
    for (int i = LOG_PROBABILITY; i < node->n_outputs; i++) {
        node->outputs[i]->dtype = TN_FLOAT32;
        node->outputs[i]->shape = *x;
    }
    node->outputs[LOSS]->shape = is_reduced(a) ? (tn_shape){0} : node->inputs[LABELS]->shape;
    return TN_OK;
}

/* ---- Labels ---------------------------------------------------------------------------------- */

typedef struct labels {
    tn_dtype dtype;
    const void *data;
    const real *weight; /* NULL: all 1 */
    int64_t ignored, classes;
} labels;

/* What label i weighs; its class in *k, or -1 if it is ignored or, with weight NaN, none. */
static real weight_at(const labels *l, int64_t i, int64_t *k) {
    int64_t label = tn_integer_at(l->dtype, l->data, i);
    bool is_class = label >= 0 && label < l->classes, ignored = label == l->ignored;
    *k = is_class && !ignored ? label : -1;
    if (*k < 0) return ignored ? 0 : (real)NAN;
    return l->weight ? l->weight[label] : 1;
}

static real total_weight(const labels *l, int64_t n) {
    double sum = 0;
    int64_t k;
    for (int64_t i = 0; i < n; i++) sum += (double)weight_at(l, i, &k);
    return (real)sum;
}

/* ---- Forward --------------------------------------------------------------------------------- */

static void run_loss(const tn_run *run, const real *x) {
    const loss_attrs *a = run->node->attrs;
    const tn_shape *shape = &run->node->inputs[SCORES]->shape;
    tn_axis_view v = tn_axis_view_of(shape, run->n, 1, false);
    const labels l = {run->node->inputs[LABELS]->dtype, run->in[LABELS],
                      weight_of(run->node, WEIGHT) ? run->in[WEIGHT] : NULL, a->ignore_index, v.n};
    real *y = run->out[LOSS];
    double sum = 0;
    for (int64_t i = 0; i < v.outer * v.inner; i++) {
        int64_t k;
        real weight = weight_at(&l, i, &k);
        real score = k < 0 ? 1 : x[(i / v.inner * v.n + k) * v.inner + i % v.inner];
        real loss = weight == 0 ? 0 : -score * weight;
        sum += (double)loss;
        if (!is_reduced(a)) y[i] = loss;
    }
    if (is_mean(a)) sum /= (double)total_weight(&l, v.outer * v.inner);
    if (is_reduced(a)) *y = (real)sum;
}

static void run_nll(const tn_run *run) { run_loss(run, run->in[SCORES]); }

static void run_softmax(const tn_run *run) {
    const tn_shape *shape = &run->node->inputs[SCORES]->shape;
    real *y = run->out[LOG_PROBABILITY];
    tn_log_softmax_along(run->kernels, tn_axis_view_of(shape, run->n, 1, false), run->in[SCORES],
                         y);
    run_loss(run, y);
}

static const tn_implementation nll = {.name = "any", .run = run_nll};
static const tn_implementation *const nll_implementations[] = {&nll, NULL};
static const tn_implementation softmax = {.name = "any", .run = run_softmax};
static const tn_implementation *const softmax_implementations[] = {&softmax, NULL};

/* ---- Gradient of the logarithms: -weight · dy at the label's class, else 0 ------------------- */

enum { OF_DY, OF_X, OF_LABELS, OF_WEIGHT };

static tn_status infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->dtype = TN_FLOAT32;
    node->outputs[0]->shape = node->inputs[OF_X]->shape;
    return TN_OK;
}

static void run_gradient(const tn_run *run) {
    const loss_attrs *a = run->node->attrs;
    const tn_shape *shape = &run->node->inputs[OF_X]->shape;
    tn_axis_view v = tn_axis_view_of(shape, run->n, 1, false);
    const labels l = {run->node->inputs[OF_LABELS]->dtype, run->in[OF_LABELS],
                      weight_of(run->node, OF_WEIGHT) ? run->in[OF_WEIGHT] : NULL, a->ignore_index,
                      v.n};
    const real *dy = run->in[OF_DY];
    real *dx = run->out[0], scale = 1;
    if (is_mean(a)) scale = 1 / total_weight(&l, v.outer * v.inner);
    memset(dx, 0, (size_t)(v.outer * v.n * v.inner) * sizeof *dx);
    for (int64_t i = 0; i < v.outer * v.inner; i++) {
        int64_t k;
        real weight = weight_at(&l, i, &k) * scale;
        if (k >= 0)
            dx[(i / v.inner * v.n + k) * v.inner + i % v.inner] =
                -weight * dy[is_reduced(a) ? 0 : i];
    }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dy, x for its shape, labels, and weight if there is one. */
static const tn_op nll_grad = {.name = "NegativeLogLikelihoodLossGrad",
                               .attrs_bytes = sizeof(loss_attrs),
                               .min_inputs = 3,
                               .max_inputs = 4,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_PLAIN,
                               .infer_shape = infer_gradient,
                               .implementations = gradient_implementations};

static tn_status gradient_of_logarithms(tn_graph *graph, tn_node *node, tn_value **d,
                                        tn_error *error) {
    tn_value *in[] = {tn_gradient_of(graph, node->outputs[LOSS]), node->inputs[SCORES],
                      node->inputs[LABELS], node->n_inputs > WEIGHT ? node->inputs[WEIGHT] : NULL};
    if (in[OF_WEIGHT] && tn_gradient_wanted(graph, in[OF_WEIGHT]))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "no gradient of the weights of classes");
    return tn_graph_apply(graph, &nll_grad, node->attrs, in, in[OF_WEIGHT] ? 4 : 3, d, error);
}

static tn_status differentiate_nll(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *d;
    TN_TRY(gradient_of_logarithms(graph, node, &d, error));
    return tn_gradient_add(graph, node->inputs[SCORES], d, error);
}

/* With dl for the logarithms: dx = dl - exp(log_probability) · Σ dl over the classes. */
static tn_status differentiate_softmax(tn_graph *graph, tn_node *node, tn_error *error) {
    static const tn_reduce_attrs classes = {.axes = {1, {1}}, .keepdims = 1};
    tn_value *logarithm = node->outputs[LOG_PROBABILITY], *dl, *sum, *share;
    if (tn_gradient_of(graph, logarithm))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "no gradient through its output log_prob");
    TN_TRY(gradient_of_logarithms(graph, node, &dl, error));
    TN_TRY(tn_graph_apply(graph, &tn_op_reduce_sum, &classes, &dl, 1, &sum, error));
    TN_TRY(tn_graph_apply(graph, &tn_op_exp, NULL, &logarithm, 1, &share, error));
    tn_value *product[] = {share, sum}, *difference[] = {dl, NULL};
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, product, 2, &difference[1], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_sub, NULL, difference, 2, &dl, error));
    return tn_gradient_add(graph, node->inputs[SCORES], dl, error);
}

const tn_op tn_op_nll_loss = {.name = "NegativeLogLikelihoodLoss",
                              .onnx_type = "NegativeLogLikelihoodLoss",
                              .attrs = attrs,
                              .attrs_bytes = sizeof(loss_attrs),
                              .min_inputs = 2,
                              .max_inputs = 3,
                              .n_outputs = 1,
                              .layout = TN_LAYOUT_PLAIN,
                              .infer_shape = infer_shape,
                              .differentiate = differentiate_nll,
                              .implementations = nll_implementations};

const tn_op tn_op_softmax_cross_entropy_loss = {.name = "SoftmaxCrossEntropyLoss",
                                                .onnx_type = "SoftmaxCrossEntropyLoss",
                                                .attrs = attrs,
                                                .attrs_bytes = sizeof(loss_attrs),
                                                .min_inputs = 2,
                                                .max_inputs = 3,
                                                .n_outputs = 2,
                                                .layout = TN_LAYOUT_PLAIN,
                                                .infer_shape = infer_shape,
                                                .differentiate = differentiate_softmax,
                                                .implementations = softmax_implementations};
