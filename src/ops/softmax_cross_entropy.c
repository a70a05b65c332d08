/* SPDX-License-Identifier: Apache-2.0 */
/* softmax_cross_entropy.c: the training loss, an operator of the engine's own.
 *
 * With log p = log-softmax of the scores x [n][k], labels t [n] and smoothing e,
 *     loss[n] = -Σ_j target[n,j] · log p[n,j],   target = (1 - e) · one-hot(t) + e / k
 * (Szegedy et al. 2016, as PyTorch's CrossEntropyLoss). Since Σ target = 1,
 *     dx[n,j] = dloss[n] · (p[n,j] - target[n,j]). */
#include "ops/elementwise.h"
#include "ops/ops.h"

/* The second output, log p, is kept for the gradient. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape, *t = &node->inputs[1]->shape;
    const tn_softmax_cross_entropy_attrs *a = node->attrs;
    if (x->rank != 2 || t->rank != 1 || x->dims[0] != t->dims[0] || x->batched != t->batched)
        return tn_fail(error, TN_ERR_MISMATCH, "scores must be [n][classes] and labels [n]");
    if (node->inputs[0]->dtype != TN_FLOAT32 || node->inputs[1]->dtype != TN_INT32)
        return tn_fail(error, TN_ERR_MISMATCH, "scores must be float32 and labels int32");
    if (!(a->label_smoothing >= 0 && a->label_smoothing < 1))
        return tn_fail(error, TN_ERR_ARGUMENT, "label smoothing must be at least 0 and below 1");
    node->outputs[0]->shape = *t;
    node->outputs[1]->shape = *x;
    return TN_OK;
}

static real target(const tn_node *node, double smoothing, int64_t j, int32_t label) {
    double even = smoothing / (double)node->inputs[0]->shape.dims[1];
    return (real)(j == label ? 1 - smoothing + even : even);
}

static int64_t samples(const tn_run *run) {
    const tn_shape *x = &run->node->inputs[0]->shape;
    return x->batched ? run->n : x->dims[0];
}

static void run_any(const tn_run *run) {
    const tn_softmax_cross_entropy_attrs *a = run->node->attrs;
    int64_t n = samples(run), k = run->node->inputs[0]->shape.dims[1];
    const int32_t *label = run->in[1];
    real *loss = run->out[0], *log_p = run->out[1];
    run->kernels->log_softmax(n, k, run->in[0], log_p);
    for (int64_t i = 0; i < n; i++, log_p += k) {
        real sum = 0;
        for (int64_t j = 0; j < k; j++) {
            real t = target(run->node, a->label_smoothing, j, label[i]);
            if (t != 0) sum -= t * log_p[j]; /* an impossible class may have log p = -inf */
        }
        loss[i] = sum;
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* Inputs log p, labels, dloss. */
static void run_gradient(const tn_run *run) {
    const tn_softmax_cross_entropy_attrs *a = run->node->attrs;
    int64_t n = samples(run), k = run->node->inputs[0]->shape.dims[1];
    const real *log_p = run->in[0], *dloss = run->in[2];
    const int32_t *label = run->in[1];
    real *dx = run->out[0];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++)
            dx[i * k + j] = dloss[i] * (tn_exp(log_p[i * k + j]) -
                                        target(run->node, a->label_smoothing, j, label[i]));
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

static const tn_op softmax_cross_entropy_grad = {.name = "SoftmaxCrossEntropyGrad",
                                                 .attrs_bytes =
                                                     sizeof(tn_softmax_cross_entropy_attrs),
                                                 .min_inputs = 3,
                                                 .max_inputs = 3,
                                                 .n_outputs = 1,
                                                 .layout = TN_LAYOUT_PLAIN,
                                                 .infer_shape = tn_infer_same,
                                                 .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dloss = tn_gradient_of(graph, node->outputs[0]), *dx;
    tn_value *in[] = {node->outputs[1], node->inputs[1], dloss};
    TN_TRY(tn_graph_apply(graph, &softmax_cross_entropy_grad, node->attrs, in, 3, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

static const tn_attr attrs[] = {{"label_smoothing", TN_ATTR_FLOAT,
                                 offsetof(tn_softmax_cross_entropy_attrs, label_smoothing), false,
                                 0, NULL},
                                {0}};

const tn_op tn_op_softmax_cross_entropy = {.name = "SoftmaxCrossEntropy",
                                           .attrs = attrs,
                                           .attrs_bytes = sizeof(tn_softmax_cross_entropy_attrs),
                                           .min_inputs = 2,
                                           .max_inputs = 2,
                                           .n_outputs = 2,
                                           .layout = TN_LAYOUT_PLAIN,
                                           .infer_shape = infer_shape,
                                           .differentiate = differentiate,
                                           .implementations = implementations};
