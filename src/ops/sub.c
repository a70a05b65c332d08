/* SPDX-License-Identifier: Apache-2.0 */
/* sub.c: y = a - b with broadcasting. ONNX Sub. */
#include "ops/broadcast.h"
#include "ops/integers.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

/* da = Σ dy over the axes along which a was repeated; db = -Σ dy likewise. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *a = node->inputs[0], *d;
    if (tn_gradient_wanted(graph, a)) {
        TN_TRY(tn_sum_to_shape(graph, dy, &a->shape, &d, error));
        TN_TRY(tn_gradient_add(graph, a, d, error));
    }
    if (!tn_gradient_wanted(graph, node->inputs[1])) return TN_OK;
    return tn_sum_to_gradient_negated(graph, node->inputs[1], dy, error);
}

static void run_any(const tn_run *run) {
    const tn_kernels *k = run->kernels;
    tn_broadcast_run(run, k->sub, k->sub_scalar, k->rsub_scalar);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&tn_integers_sub, &any, NULL};

const tn_op tn_op_sub = {.name = "Sub",
                         .onnx_type = "Sub",
                         .min_inputs = 2,
                         .max_inputs = 2,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .infer_shape = tn_infer_arithmetic,
                         .differentiate = differentiate,
                         .implementations = implementations};
