/* SPDX-License-Identifier: Apache-2.0 */
/* relu.c: y = max(x, 0). ONNX Relu. */
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static void run_gradient(const tn_run *run) {
    run->kernels->relu_grad(tn_run_elements(run), run->in[1], run->in[0], run->out[0]);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = dy where y > 0; inputs dy, y. */
const tn_op tn_op_relu_grad = {.name = "ReluGrad",
                               .min_inputs = 2,
                               .max_inputs = 2,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_ANY,
                               .in_place = true,
                               .infer_shape = tn_infer_same,
                               .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_activation_differentiate(graph, node, &tn_op_relu_grad, node->outputs[0], error);
}

static void run_any(const tn_run *run) {
    run->kernels->relu(tn_run_elements(run), run->in[0], run->out[0]);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_relu = {.name = "Relu",
                          .onnx_type = "Relu",
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_ANY,
                          .in_place = true,
                          .infer_shape = tn_infer_same,
                          .differentiate = differentiate,
                          .implementations = implementations};
