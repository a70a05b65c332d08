/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/integers.h"

#include "ops/broadcast.h"

bool tn_is_integer(tn_dtype dtype) {
    switch (dtype) {
    case TN_UINT8:
    case TN_INT8:
    case TN_INT16:
    case TN_UINT16:
    case TN_INT32:
    case TN_UINT32:
    case TN_INT64:
    case TN_UINT64: return true;
    case TN_FLOAT32:
    case TN_FLOAT16:
    case TN_BFLOAT16:
    case TN_FLOAT64:
    case TN_BOOL: break;
    }
    return false;
}

int64_t tn_integer_at(tn_dtype dtype, const void *data, int64_t i) {
    switch (dtype) {
    case TN_BOOL:
    case TN_UINT8: return ((const uint8_t *)data)[i];
    case TN_INT8: return ((const int8_t *)data)[i];
    case TN_INT16: return ((const int16_t *)data)[i];
    case TN_UINT16: return ((const uint16_t *)data)[i];
    case TN_INT32: return ((const int32_t *)data)[i];
    case TN_UINT32: return ((const uint32_t *)data)[i];
    case TN_INT64: return ((const int64_t *)data)[i];
    case TN_UINT64: return (int64_t)((const uint64_t *)data)[i];
    case TN_FLOAT32:
    case TN_FLOAT16:
    case TN_BFLOAT16:
    case TN_FLOAT64: break;
    }
    return 0;
}

void tn_integer_set(tn_dtype dtype, void *data, int64_t i, int64_t value) {
    switch (dtype) {
    case TN_BOOL: ((uint8_t *)data)[i] = value != 0; break;
    case TN_UINT8:
    case TN_INT8: ((uint8_t *)data)[i] = (uint8_t)value; break;
    case TN_INT16:
    case TN_UINT16: ((uint16_t *)data)[i] = (uint16_t)value; break;
    case TN_INT32:
    case TN_UINT32: ((uint32_t *)data)[i] = (uint32_t)value; break;
    case TN_INT64:
    case TN_UINT64: ((int64_t *)data)[i] = value; break;
    case TN_FLOAT32:
    case TN_FLOAT16:
    case TN_BFLOAT16:
    case TN_FLOAT64: break;
    }
}

bool tn_integer_less(tn_dtype dtype, int64_t a, int64_t b) {
    return dtype == TN_UINT64 ? (uint64_t)a < (uint64_t)b : a < b;
}

bool tn_of_integers(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    tn_dtype dtype = node->inputs[node->n_inputs - 1]->dtype;
    return tn_is_integer(dtype) || dtype == TN_BOOL;
}

void tn_integers_run(const tn_run *run, tn_integer_fn *f) {
    const tn_node *node = run->node;
    const tn_shape *operands[] = {&node->inputs[0]->shape, &node->inputs[1]->shape};
    tn_dtype from = node->inputs[0]->dtype, to = node->outputs[0]->dtype;
    tn_walk w = tn_walk_of_run(run, operands, 2);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t a = tn_integer_at(from, run->in[0], r.from[0] + i * r.step[0]);
            int64_t b = tn_integer_at(from, run->in[1], r.from[1] + i * r.step[1]);
            tn_integer_set(to, run->out[0], r.first + i, f(from, a, b));
        }
}

/* ---- Arithmetic: unsigned, which wraps without being undefined ------------------------------- */

static int64_t add(tn_dtype dtype, int64_t a, int64_t b) {
    (void)dtype;
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t sub(tn_dtype dtype, int64_t a, int64_t b) {
    (void)dtype;
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t mul(tn_dtype dtype, int64_t a, int64_t b) {
    (void)dtype;
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static int64_t divide(tn_dtype dtype, int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (dtype == TN_UINT64) return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? sub(dtype, 0, a) : a / b;
}

static void run_add(const tn_run *run) { tn_integers_run(run, add); }
static void run_sub(const tn_run *run) { tn_integers_run(run, sub); }
static void run_mul(const tn_run *run) { tn_integers_run(run, mul); }
static void run_div(const tn_run *run) { tn_integers_run(run, divide); }

const tn_implementation tn_integers_add = {
    .name = "integers", .stored = TN_STORED_ANYHOW, .applies = tn_of_integers, .run = run_add};
const tn_implementation tn_integers_sub = {
    .name = "integers", .stored = TN_STORED_ANYHOW, .applies = tn_of_integers, .run = run_sub};
const tn_implementation tn_integers_mul = {
    .name = "integers", .stored = TN_STORED_ANYHOW, .applies = tn_of_integers, .run = run_mul};
const tn_implementation tn_integers_div = {
    .name = "integers", .stored = TN_STORED_ANYHOW, .applies = tn_of_integers, .run = run_div};
