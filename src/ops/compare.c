/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c: comparisons with broadcasting: ONNX Equal, Greater, GreaterOrEqual, Less,
 * LessOrEqual. */
#include "ops/broadcast.h"
#include "ops/integers.h"
#include "ops/ops.h"

typedef struct comparison {
    bool (*test)(real a, real b); /* of whole numbers it gets their order, -1, 0 or 1, and 0 */
    bool of_bool;                 /* takes bool too */
} comparison;

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const comparison *c = node->op->family;
    tn_dtype dtype = node->inputs[0]->dtype;
    (void)graph;
    if (dtype != TN_FLOAT32 && !tn_is_integer(dtype) && !(dtype == TN_BOOL && c->of_bool))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "type %s is not supported", tn_dtype_name(dtype));
    if (node->inputs[1]->dtype != dtype)
        return tn_fail(error, TN_ERR_FORMAT, "inputs are %s and %s", tn_dtype_name(dtype),
                       tn_dtype_name(node->inputs[1]->dtype));
    node->outputs[0]->dtype = TN_BOOL;
    return tn_broadcast_shape(node, error);
}

static void run_any(const tn_run *run) {
    const comparison *c = run->node->op->family;
    const tn_shape *operands[] = {&run->node->inputs[0]->shape, &run->node->inputs[1]->shape};
    const real *a = run->in[0], *b = run->in[1];
    uint8_t *y = run->out[0];
    tn_walk w = tn_walk_of_run(run, operands, 2);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++)
            y[r.first + i] = c->test(a[r.from[0] + i * r.step[0]], b[r.from[1] + i * r.step[1]]);
}

static void run_integers(const tn_run *run) {
    const comparison *c = run->node->op->family;
    const tn_shape *operands[] = {&run->node->inputs[0]->shape, &run->node->inputs[1]->shape};
    tn_dtype dtype = run->node->inputs[0]->dtype;
    uint8_t *y = run->out[0];
    tn_walk w = tn_walk_of_run(run, operands, 2);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t a = tn_integer_at(dtype, run->in[0], r.from[0] + i * r.step[0]);
            int64_t b = tn_integer_at(dtype, run->in[1], r.from[1] + i * r.step[1]);
            int order = tn_integer_less(dtype, b, a) - tn_integer_less(dtype, a, b);
            y[r.first + i] = c->test((real)order, 0);
        }
}

static const tn_implementation integers = {.name = "integers",
                                           .stored = TN_STORED_ANYHOW,
                                           .applies = tn_of_integers,
                                           .rows_in = tn_broadcast_rows,
                                           .run = run_integers};
static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&integers, &any, NULL};

#define COMPARISON(type)                                                                           \
    .name = type, .onnx_type = type, .min_inputs = 2, .max_inputs = 2, .n_outputs = 1,             \
    .layout = TN_LAYOUT_ANY, .infer_shape = infer_shape, .implementations = implementations

static bool equal(real a, real b) { return a == b; }
static bool greater(real a, real b) { return a > b; }
static bool greater_or_equal(real a, real b) { return a >= b; }
static bool less(real a, real b) { return a < b; }
static bool less_or_equal(real a, real b) { return a <= b; }

const tn_op tn_op_equal = {COMPARISON("Equal"), .family = &(const comparison){equal, true}};
const tn_op tn_op_greater = {COMPARISON("Greater"), .family = &(const comparison){greater}};
const tn_op tn_op_greater_or_equal = {COMPARISON("GreaterOrEqual"),
                                      .family = &(const comparison){greater_or_equal}};
const tn_op tn_op_less = {COMPARISON("Less"), .family = &(const comparison){less}};
const tn_op tn_op_less_or_equal = {COMPARISON("LessOrEqual"),
                                   .family = &(const comparison){less_or_equal}};
