/* SPDX-License-Identifier: Apache-2.0 */
/* add.c: y = a + b with broadcasting. ONNX Add; also the sum of several gradients. */
#include "ops/broadcast.h"
#include "ops/integers.h"
#include "ops/sum_to.h"

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]);
    for (int i = 0; i < 2; i++) {
        tn_value *d;
        if (!tn_gradient_wanted(graph, node->inputs[i])) continue;
        TN_TRY(tn_sum_to_shape(graph, dy, &node->inputs[i]->shape, &d, error));
        TN_TRY(tn_gradient_add(graph, node->inputs[i], d, error));
    }
    return TN_OK;
}

static void run_any(const tn_run *run) {
    tn_broadcast_run(run, run->kernels->add, run->kernels->add_scalar, run->kernels->add_scalar);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&tn_integers_add, &any, NULL};

const tn_op tn_op_add = {.name = "Add",
                         .onnx_type = "Add",
                         .min_inputs = 2,
                         .max_inputs = 2,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .infer_shape = tn_infer_arithmetic,
                         .differentiate = differentiate,
                         .implementations = implementations};
