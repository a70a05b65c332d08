/* SPDX-License-Identifier: Apache-2.0 */
/* leaky_relu.c: y = x where x > 0, else alpha · x. ONNX LeakyRelu. */
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"alpha", TN_ATTR_FLOAT, offsetof(tn_alpha_attrs, alpha), false, 0.01f, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_alpha_attrs *a = node->attrs;
    TN_TRY(tn_activation_check("alpha", a->alpha, error));
    return tn_infer_same(graph, node, error);
}

static void run_gradient(const tn_run *run) {
    const tn_alpha_attrs *a = run->node->attrs;
    run->kernels->leaky_relu_grad(tn_run_elements(run), run->in[1], run->in[0], (real)a->alpha,
                                  run->out[0]);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = dy where x > 0, else alpha · dy; inputs dy, and x or what is positive where x is. */
static const tn_op leaky_relu_grad = {.name = "LeakyReluGrad",
                                      .attrs_bytes = sizeof(tn_alpha_attrs),
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_ANY,
                                      .in_place = true,
                                      .infer_shape = tn_infer_same,
                                      .implementations = gradient_implementations};

/* By y if that has the sign of x: then x need not be kept. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_alpha_attrs *a = node->attrs;
    tn_value *by = a->alpha >= 0 ? node->outputs[0] : node->inputs[0];
    return tn_activation_differentiate(graph, node, &leaky_relu_grad, by, error);
}

static void run_any(const tn_run *run) {
    const tn_alpha_attrs *a = run->node->attrs;
    run->kernels->leaky_relu(tn_run_elements(run), run->in[0], (real)a->alpha, run->out[0]);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_leaky_relu = {.name = "LeakyRelu",
                                .onnx_type = "LeakyRelu",
                                .attrs = attrs,
                                .attrs_bytes = sizeof(tn_alpha_attrs),
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .n_outputs = 1,
                                .layout = TN_LAYOUT_ANY,
                                .in_place = true,
                                .infer_shape = infer_shape,
                                .differentiate = differentiate,
                                .implementations = implementations};
