/* SPDX-License-Identifier: Apache-2.0 */
/* div.c: y = a / b with broadcasting. ONNX Div. */
#include "ops/broadcast.h"
#include "ops/integers.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

/* With q = dy / b: da = Σ q over the axes along which a was repeated, db = -Σ q · y likewise. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *y = node->outputs[0], *a = node->inputs[0], *b = node->inputs[1], *d;
    tn_value *quotient[] = {tn_gradient_of(graph, y), b}, *product[] = {NULL, y};
    TN_TRY(tn_graph_apply(graph, &tn_op_div, NULL, quotient, 2, &product[0], error));
    if (tn_gradient_wanted(graph, a)) {
        TN_TRY(tn_sum_to_shape(graph, product[0], &a->shape, &d, error));
        TN_TRY(tn_gradient_add(graph, a, d, error));
    }
    if (!tn_gradient_wanted(graph, b)) return TN_OK;
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, product, 2, &d, error));
    return tn_sum_to_gradient_negated(graph, b, d, error);
}

static void run_any(const tn_run *run) {
    const tn_kernels *k = run->kernels;
    tn_broadcast_run(run, k->div, k->div_scalar, k->rdiv_scalar);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&tn_integers_div, &any, NULL};

const tn_op tn_op_div = {.name = "Div",
                         .onnx_type = "Div",
                         .min_inputs = 2,
                         .max_inputs = 2,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .infer_shape = tn_infer_arithmetic,
                         .differentiate = differentiate,
                         .implementations = implementations};
