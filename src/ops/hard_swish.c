/* SPDX-License-Identifier: Apache-2.0 */
/* hard_swish.c: y = x · min(max(x/6 + 1/2, 0), 1) (Howard et al. 2019). ONNX HardSwish. */
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static void run_gradient(const tn_run *run) {
    run->kernels->hard_swish_grad(tn_run_elements(run), run->in[1], run->in[0], run->out[0]);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = dy where x > 3, 0 where x < -3, else dy · (x/3 + 1/2); inputs dy, x. */
static const tn_op hard_swish_grad = {.name = "HardSwishGrad",
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_ANY,
                                      .in_place = true,
                                      .infer_shape = tn_infer_same,
                                      .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_activation_differentiate(graph, node, &hard_swish_grad, node->inputs[0], error);
}

static void run_any(const tn_run *run) {
    run->kernels->hard_swish(tn_run_elements(run), run->in[0], run->out[0]);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_hard_swish = {.name = "HardSwish",
                                .onnx_type = "HardSwish",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .n_outputs = 1,
                                .layout = TN_LAYOUT_ANY,
                                .in_place = true,
                                .infer_shape = tn_infer_same,
                                .differentiate = differentiate,
                                .implementations = implementations};
