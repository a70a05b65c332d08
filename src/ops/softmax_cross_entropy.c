/* SPDX-License-Identifier: Apache-2.0 */
/* softmax_cross_entropy.c: the training loss, an operator of the engine's own.
 *
 * With log p = log-softmax of the scores x [n][k], labels t [n] and smoothing e,
 *     loss[n] = -Σ_j target[n,j] · log p[n,j],   target = (1 - e) · one-hot(t) + e / k
 * (Szegedy et al. 2016, as PyTorch's CrossEntropyLoss). With second labels t2 and their weights w
 * the target is (1 - w) · target of t + w · target of t2 (mixup, Zhang et al. 2018). Since
 * Σ target = 1,
 *     dx[n,j] = dloss[n] · (p[n,j] - target[n,j]). */
#include "ops/elementwise.h"
#include "ops/ops.h"

/* Inputs 2 and 3, or neither. */
static tn_status check_second(const tn_node *node, tn_error *error) {
    if (node->n_inputs == 2) return TN_OK;
    const tn_value *labels = node->inputs[1], *in2 = node->inputs[2],
                   *in3 = node->n_inputs == 4 ? node->inputs[3] : NULL;
    if (!in2 || !in3)
        return tn_fail(error, TN_ERR_MISMATCH, "second labels and their weights go together");
    if (!tn_shape_equal(&in2->shape, &labels->shape) ||
        !tn_shape_equal(&in3->shape, &labels->shape))
        return tn_fail(error, TN_ERR_MISMATCH, "second labels and their weights must be [n]");
    if (in2->dtype != TN_INT32 || in3->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_MISMATCH,
                       "second labels must be int32 and their weights float32");
    return TN_OK;
}

/* The second output, log p, is kept for the gradient. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape, *t = &node->inputs[1]->shape;
    const tn_softmax_cross_entropy_attrs *a = node->attrs;
    if (x->rank != 2 || t->rank != 1 || x->dims[0] != t->dims[0] || x->batched != t->batched)
        return tn_fail(error, TN_ERR_MISMATCH, "scores must be [n][classes] and labels [n]");
    if (node->inputs[0]->dtype != TN_FLOAT32 || node->inputs[1]->dtype != TN_INT32)
        return tn_fail(error, TN_ERR_MISMATCH, "scores must be float32 and labels int32");
    TN_TRY(check_second(node, error));
    if (!(a->label_smoothing >= 0 && a->label_smoothing < 1))
        return tn_fail(error, TN_ERR_ARGUMENT, "label smoothing must be at least 0 and below 1");
    node->outputs[0]->shape = *t;
    node->outputs[1]->shape = *x;
    return TN_OK;
}

/* What the samples at hand are held against; labels2 and weights2 are NULL if there are none. */
typedef struct targets {
    const int32_t *labels, *labels2;
    const real *weights2;
    real hit, miss; /* the target of the labelled class, of any other */
} targets;

static targets targets_of(const tn_run *run, int labels, int labels2) {
    const tn_softmax_cross_entropy_attrs *a = run->node->attrs;
    double even = a->label_smoothing / (double)run->node->inputs[0]->shape.dims[1];
    return (targets){.labels = run->in[labels],
                     .labels2 = run->in[labels2],
                     .weights2 = run->in[labels2 + 1],
                     .hit = (real)(1 - a->label_smoothing + even),
                     .miss = (real)even};
}

/* Of class j, for sample i. */
static real target(const targets *t, int64_t i, int64_t j) {
    real first = j == t->labels[i] ? t->hit : t->miss;
    if (!t->labels2) return first;
    real second = j == t->labels2[i] ? t->hit : t->miss, w = t->weights2[i];
    return (1 - w) * first + w * second;
}

static int64_t samples(const tn_run *run) {
    const tn_shape *x = &run->node->inputs[0]->shape;
    return x->batched ? run->n : x->dims[0];
}

static void losses(const targets *t, int64_t n, int64_t k, const real *log_p, real *loss) {
    for (int64_t i = 0; i < n; i++, log_p += k) {
        real sum = 0;
        for (int64_t j = 0; j < k; j++) {
            real of_class = target(t, i, j);
            if (of_class != 0) sum -= of_class * log_p[j]; /* else log p may be -inf */
        }
        loss[i] = sum;
    }
}

/* dx may be log_p. */
static void gradients(const tn_run *run, const targets *t, int64_t n, int64_t k, const real *log_p,
                      const real *dloss, real *dx) {
    run->kernels->exp_of_negative(n * k, log_p, dx);
    for (int64_t i = 0; i < n; i++, dx += k)
        for (int64_t j = 0; j < k; j++) dx[j] = dloss[i] * (dx[j] - target(t, i, j));
}

static void run_any(const tn_run *run) {
    int64_t n = samples(run), k = run->node->inputs[0]->shape.dims[1];
    const targets t = targets_of(run, 1, 2);
    run->kernels->log_softmax(n, k, run->in[0], run->out[1]);
    losses(&t, n, k, run->out[1], run->out[0]);
}

static const tn_implementation any = {.name = "any", .cost = {.per_element = 200}, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

static void run_gradient(const tn_run *run) {
    int64_t n = samples(run), k = run->node->inputs[0]->shape.dims[1];
    const targets t = targets_of(run, 1, 3);
    gradients(run, &t, n, k, run->in[0], run->in[2], run->out[0]);
}

static const tn_implementation gradient = {
    .name = "any", .cost = {.per_element = 100}, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs log p, labels, dloss, and labels2, weights2 or neither. */
const tn_op tn_op_softmax_cross_entropy_grad = {.name = "SoftmaxCrossEntropyGrad",
                                                .attrs_bytes =
                                                    sizeof(tn_softmax_cross_entropy_attrs),
                                                .min_inputs = 3,
                                                .max_inputs = 5,
                                                .n_outputs = 1,
                                                .layout = TN_LAYOUT_PLAIN,
                                                .infer_shape = tn_infer_same,
                                                .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dloss = tn_gradient_of(graph, node->outputs[0]), *dx;
    tn_value *in[] = {node->outputs[1], node->inputs[1], dloss, node->inputs[2], node->inputs[3]};
    bool mixes = node->n_inputs == 4;
    if (mixes && tn_gradient_wanted(graph, node->inputs[3]))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "the weights of its labels have no gradient");
    TN_TRY(tn_graph_apply(graph, &tn_op_softmax_cross_entropy_grad, node->attrs, in, mixes ? 5 : 3,
                          &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

/* ---- Loss and gradient at once --------------------------------------------------------------- */

static tn_status infer_both(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error; /* a pass makes this of nodes that have been checked */
    node->outputs[0]->shape = node->inputs[1]->shape;
    node->outputs[1]->shape = node->inputs[0]->shape;
    return TN_OK;
}

static void run_both(const tn_run *run) {
    int64_t n = samples(run), k = run->node->inputs[0]->shape.dims[1];
    const targets t = targets_of(run, 1, 3);
    real *log_p = run->out[1];
    run->kernels->log_softmax(n, k, run->in[0], log_p);
    losses(&t, n, k, log_p, run->out[0]);
    gradients(run, &t, n, k, log_p, run->in[2], run->out[1]);
}

static const tn_implementation both = {
    .name = "any", .cost = {.per_element = 300}, .run = run_both};
static const tn_implementation *const both_implementations[] = {&both, NULL};

/* Inputs scores, labels, dloss, and labels2, weights2 or neither; outputs loss and dx. */
const tn_op tn_op_softmax_cross_entropy_both = {.name = "SoftmaxCrossEntropyBoth",
                                                .attrs_bytes =
                                                    sizeof(tn_softmax_cross_entropy_attrs),
                                                .min_inputs = 3,
                                                .max_inputs = 5,
                                                .n_outputs = 2,
                                                .layout = TN_LAYOUT_PLAIN,
                                                .infer_shape = infer_both,
                                                .implementations = both_implementations};

static const tn_attr attrs[] = {{"label_smoothing", TN_ATTR_FLOAT,
                                 offsetof(tn_softmax_cross_entropy_attrs, label_smoothing), false,
                                 0, NULL},
                                {0}};

const tn_op tn_op_softmax_cross_entropy = {.name = "SoftmaxCrossEntropy",
                                           .attrs = attrs,
                                           .attrs_bytes = sizeof(tn_softmax_cross_entropy_attrs),
                                           .min_inputs = 2,
                                           .max_inputs = 4,
                                           .n_outputs = 2,
                                           .layout = TN_LAYOUT_PLAIN,
                                           .infer_shape = infer_shape,
                                           .differentiate = differentiate,
                                           .implementations = implementations};
