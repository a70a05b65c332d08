/* SPDX-License-Identifier: Apache-2.0 */
/* hard_sigmoid.c: y = min(max(alpha · x + beta, 0), 1). ONNX HardSigmoid. */
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"alpha", TN_ATTR_FLOAT, offsetof(tn_hard_sigmoid_attrs, alpha), false, 0.2f, NULL},
    {"beta", TN_ATTR_FLOAT, offsetof(tn_hard_sigmoid_attrs, beta), false, 0.5, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_hard_sigmoid_attrs *a = node->attrs;
    TN_TRY(tn_activation_check("alpha", a->alpha, error));
    TN_TRY(tn_activation_check("beta", a->beta, error));
    return tn_infer_same(graph, node, error);
}

static void run_gradient(const tn_run *run) {
    const tn_hard_sigmoid_attrs *a = run->node->attrs;
    int64_t n = tn_run_elements(run);
    run->kernels->clip_grad(n, run->in[1], run->in[0], 0, 1, run->out[0]);
    run->kernels->mul_scalar(n, run->out[0], (real)a->alpha, run->out[0]);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = alpha · dy where 0 < y < 1, else 0; inputs dy, y. */
static const tn_op hard_sigmoid_grad = {.name = "HardSigmoidGrad",
                                        .attrs_bytes = sizeof(tn_hard_sigmoid_attrs),
                                        .min_inputs = 2,
                                        .max_inputs = 2,
                                        .n_outputs = 1,
                                        .layout = TN_LAYOUT_ANY,
                                        .in_place = true,
                                        .infer_shape = tn_infer_same,
                                        .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_activation_differentiate(graph, node, &hard_sigmoid_grad, node->outputs[0], error);
}

static void run_any(const tn_run *run) {
    const tn_hard_sigmoid_attrs *a = run->node->attrs;
    real alpha = (real)a->alpha, beta = (real)a->beta, *y = run->out[0];
    const real *x = run->in[0];
    int64_t n = tn_run_elements(run);
    for (int64_t i = 0; i < n; i++) y[i] = alpha * x[i] + beta;
    run->kernels->clip(n, y, 0, 1, y);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_hard_sigmoid = {.name = "HardSigmoid",
                                  .onnx_type = "HardSigmoid",
                                  .attrs = attrs,
                                  .attrs_bytes = sizeof(tn_hard_sigmoid_attrs),
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .n_outputs = 1,
                                  .layout = TN_LAYOUT_ANY,
                                  .in_place = true,
                                  .infer_shape = infer_shape,
                                  .differentiate = differentiate,
                                  .implementations = implementations};
