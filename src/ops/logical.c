/* SPDX-License-Identifier: Apache-2.0 */
/* logical.c: of bool with broadcasting: ONNX And, Or, Xor, Not. */
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/integers.h"
#include "ops/ops.h"

typedef struct logical {
    tn_integer_fn *f; /* of 0 and 1 */
} logical;

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i]->dtype != TN_BOOL)
            return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" is %s, not bool",
                           node->inputs[i]->name, tn_dtype_name(node->inputs[i]->dtype));
    node->outputs[0]->dtype = TN_BOOL;
    return tn_broadcast_shape(node, error);
}

static void run_any(const tn_run *run) {
    const logical *l = run->node->op->family;
    tn_integers_run(run, l->f);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

#define LOGICAL(type)                                                                              \
    .name = type, .onnx_type = type, .min_inputs = 2, .max_inputs = 2, .n_outputs = 1,             \
    .layout = TN_LAYOUT_ANY, .infer_shape = infer_shape, .implementations = implementations

static int64_t and_of(tn_dtype dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a & b;
}
static int64_t or_of(tn_dtype dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a | b;
}
static int64_t xor_of(tn_dtype dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a ^ b;
}

const tn_op tn_op_and = {LOGICAL("And"), .family = &(const logical){and_of}};
const tn_op tn_op_or = {LOGICAL("Or"), .family = &(const logical){or_of}};
const tn_op tn_op_xor = {LOGICAL("Xor"), .family = &(const logical){xor_of}};

static void run_not(const tn_run *run) {
    const uint8_t *x = run->in[0];
    uint8_t *y = run->out[0];
    for (int64_t i = 0; i < tn_run_elements(run); i++) y[i] = !x[i];
}

static const tn_implementation any_not = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_not};
static const tn_implementation *const not_implementations[] = {&any_not, NULL};

const tn_op tn_op_not = {.name = "Not",
                         .onnx_type = "Not",
                         .min_inputs = 1,
                         .max_inputs = 1,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .in_place = true,
                         .infer_shape = infer_shape,
                         .implementations = not_implementations};
