/* SPDX-License-Identifier: Apache-2.0 */
/* where.c: y = condition ? a : b with broadcasting, of elements of any type. ONNX Where. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

enum { CONDITION, A, B, N_INPUTS };

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *const *in = node->inputs;
    (void)graph;
    if (in[CONDITION]->dtype != TN_BOOL)
        return tn_fail(error, TN_ERR_FORMAT, "the condition is %s, not bool",
                       tn_dtype_name(in[CONDITION]->dtype));
    if (in[A]->dtype != in[B]->dtype)
        return tn_fail(error, TN_ERR_FORMAT, "inputs are %s and %s", tn_dtype_name(in[A]->dtype),
                       tn_dtype_name(in[B]->dtype));
    node->outputs[0]->dtype = in[A]->dtype;
    return tn_broadcast_shape(node, error);
}

static tn_walk walk_of(const tn_run *run) {
    const tn_shape *operands[N_INPUTS];
    for (int i = 0; i < N_INPUTS; i++) operands[i] = &run->node->inputs[i]->shape;
    return tn_walk_of_run(run, operands, N_INPUTS);
}

static void run_any(const tn_run *run) {
    const uint8_t *condition = run->in[CONDITION];
    const real *a = run->in[A], *b = run->in[B];
    real *y = run->out[0];
    tn_walk w = walk_of(run);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++)
            y[r.first + i] = condition[r.from[CONDITION] + i * r.step[CONDITION]]
                                 ? a[r.from[A] + i * r.step[A]]
                                 : b[r.from[B] + i * r.step[B]];
}

static bool is_no_float(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return node->outputs[0]->dtype != TN_FLOAT32;
}

static void run_bytes(const tn_run *run) {
    const uint8_t *condition = run->in[CONDITION];
    int64_t each = (int64_t)tn_dtype_bytes(run->node->outputs[0]->dtype);
    tn_walk w = walk_of(run);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int k = condition[r.from[CONDITION] + i * r.step[CONDITION]] ? A : B;
            int64_t from = r.from[k] + i * r.step[k];
            memcpy((char *)run->out[0] + (r.first + i) * each,
                   (const char *)run->in[k] + from * each, (size_t)each);
        }
}

static const tn_implementation bytes = {.name = "bytes",
                                        .stored = TN_STORED_ANYHOW,
                                        .applies = is_no_float,
                                        .rows_in = tn_broadcast_rows,
                                        .run = run_bytes};
static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&bytes, &any, NULL};

/* da = Σ (condition ? dy : 0) over the axes along which a was repeated; db likewise. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    static const float zero = 0;
    for (int i = A; i <= B; i++) {
        tn_value *in[N_INPUTS] = {node->inputs[CONDITION]}, *d;
        if (!tn_gradient_wanted(graph, node->inputs[i])) continue;
        in[i] = tn_gradient_of(graph, node->outputs[0]);
        TN_TRY(tn_graph_add_constant(graph, NULL, 0, NULL, &zero, &in[A + B - i], error));
        TN_TRY(tn_graph_apply(graph, &tn_op_where, NULL, in, N_INPUTS, &d, error));
        TN_TRY(tn_sum_to_shape(graph, d, &node->inputs[i]->shape, &d, error));
        TN_TRY(tn_gradient_add(graph, node->inputs[i], d, error));
    }
    return TN_OK;
}

const tn_op tn_op_where = {.name = "Where",
                           .onnx_type = "Where",
                           .min_inputs = N_INPUTS,
                           .max_inputs = N_INPUTS,
                           .n_outputs = 1,
                           .layout = TN_LAYOUT_ANY,
                           .infer_shape = infer_shape,
                           .differentiate = differentiate,
                           .implementations = implementations};
