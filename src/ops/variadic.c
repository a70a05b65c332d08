/* SPDX-License-Identifier: Apache-2.0 */
/* variadic.c: of any number of broadcast tensors, element by element: ONNX Max, Mean, Min, Sum.
 * Combined from the first to the last; NaN wins in Max and Min. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/integers.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

typedef struct variadic {
    tn_binary_fn *f;
    tn_integer_fn *of_integers; /* NULL: float32 only */
    bool mean;
} variadic;

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const variadic *v = node->op->family;
    for (int i = 0; i < node->n_inputs; i++)
        if (!node->inputs[i]) return tn_fail(error, TN_ERR_FORMAT, "input %d is missing", i);
    return v->of_integers ? tn_infer_arithmetic(graph, node, error)
                          : tn_infer_broadcast(graph, node, error);
}

/* A walk over output 0 with itself and input i as operands. */
static tn_walk walk_with(const tn_run *run, int i) {
    const tn_shape *operands[] = {&run->node->outputs[0]->shape, &run->node->inputs[i]->shape};
    return tn_walk_of_run(run, operands, 2);
}

static void copy_first(const tn_run *run) {
    const real *x = run->in[0];
    real *y = run->out[0];
    tn_walk w = walk_with(run, 0);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);) {
        if (r.step[1] == 1) {
            memcpy(y + r.first, x + r.from[1], (size_t)r.n * sizeof *y);
            continue;
        }
        for (int64_t i = 0; i < r.n; i++) y[r.first + i] = x[r.from[1] + i * r.step[1]];
    }
}

static void combine_with(const tn_run *run, int k, tn_binary_fn *f) {
    const real *x = run->in[k];
    real *y = run->out[0];
    tn_walk w = walk_with(run, k);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);) {
        real *to = y + r.first;
        if (r.step[1] == 1) {
            f(r.n, to, x + r.from[1], to);
            continue;
        }
        for (int64_t i = 0; i < r.n; i++) f(1, to + i, x + r.from[1] + i * r.step[1], to + i);
    }
}

static void run_any(const tn_run *run) {
    const tn_kernels *kernels = run->kernels;
    const variadic *v = run->node->op->family;
    int64_t n = tn_run_elements(run);
    copy_first(run);
    for (int k = 1; k < run->node->n_inputs; k++) combine_with(run, k, v->f ? v->f : kernels->add);
    if (v->mean)
        kernels->mul_scalar(n, run->out[0], (real)1 / (real)run->node->n_inputs, run->out[0]);
}

static void run_integers(const tn_run *run) {
    const variadic *v = run->node->op->family;
    tn_dtype dtype = run->node->outputs[0]->dtype;
    void *y = run->out[0];
    for (int k = 0; k < run->node->n_inputs; k++) {
        tn_walk w = walk_with(run, k);
        for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
            for (int64_t i = 0; i < r.n; i++) {
                int64_t x = tn_integer_at(dtype, run->in[k], r.from[1] + i * r.step[1]);
                int64_t so_far = k == 0 ? x : tn_integer_at(dtype, y, r.first + i);
                tn_integer_set(dtype, y, r.first + i,
                               k == 0 ? x : v->of_integers(dtype, so_far, x));
            }
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

#define VARIADIC(type)                                                                             \
    .name = type, .onnx_type = type, .min_inputs = 1, .max_inputs = TN_MAX_INPUTS, .n_outputs = 1, \
    .layout = TN_LAYOUT_ANY, .infer_shape = infer_shape, .implementations = implementations

/* ---- Sum, Mean ------------------------------------------------------------------------------- */

static tn_status deliver_to_all(tn_graph *graph, tn_node *node, tn_value *dy, tn_error *error) {
    for (int i = 0; i < node->n_inputs; i++) {
        tn_value *d;
        if (!tn_gradient_wanted(graph, node->inputs[i])) continue;
        TN_TRY(tn_sum_to_shape(graph, dy, &node->inputs[i]->shape, &d, error));
        TN_TRY(tn_gradient_add(graph, node->inputs[i], d, error));
    }
    return TN_OK;
}

static tn_status differentiate_sum(tn_graph *graph, tn_node *node, tn_error *error) {
    return deliver_to_all(graph, node, tn_gradient_of(graph, node->outputs[0]), error);
}

static tn_status differentiate_mean(tn_graph *graph, tn_node *node, tn_error *error) {
    const float share = 1.0f / (float)node->n_inputs;
    tn_value *in[] = {tn_gradient_of(graph, node->outputs[0]), NULL}, *d;
    TN_TRY(tn_graph_add_constant(graph, NULL, 0, NULL, &share, &in[1], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
    return deliver_to_all(graph, node, d, error);
}

const tn_op tn_op_sum = {VARIADIC("Sum"), .differentiate = differentiate_sum,
                         .family = &(const variadic){NULL}};
const tn_op tn_op_mean = {VARIADIC("Mean"), .differentiate = differentiate_mean,
                          .family = &(const variadic){.mean = true}};

/* ---- Max, Min -------------------------------------------------------------------------------- */

static void larger(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] >= b[i] || a[i] != a[i] ? a[i] : b[i];
}

static void smaller(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] <= b[i] || a[i] != a[i] ? a[i] : b[i];
}

static int64_t larger_integer(tn_dtype dtype, int64_t a, int64_t b) {
    return tn_integer_less(dtype, a, b) ? b : a;
}

static int64_t smaller_integer(tn_dtype dtype, int64_t a, int64_t b) {
    return tn_integer_less(dtype, b, a) ? b : a;
}

/* best[i] = the extreme of inputs 0 to i, i < n_inputs. */
static tn_status extremes_so_far(tn_graph *graph, tn_node *node, tn_value **best, tn_error *error) {
    int last = node->n_inputs - 1;
    best[0] = node->inputs[0];
    for (int i = 1; i < last; i++) {
        tn_value *in[] = {best[i - 1], node->inputs[i]};
        TN_TRY(tn_graph_apply(graph, node->op, NULL, in, 2, &best[i], error));
    }
    if (last > 0) best[last] = node->outputs[0];
    return TN_OK;
}

/* Splits dy of y = extreme(a, b) where `beats`(b, a): *to_b there, *to_a elsewhere. */
static tn_status split(tn_graph *graph, const tn_op *beats, tn_value *a, tn_value *b, tn_value *dy,
                       tn_value **to_a, tn_value **to_b, tn_error *error) {
    static const float zero = 0;
    tn_value *compared[] = {b, a}, *mask, *nothing;
    TN_TRY(tn_graph_apply(graph, beats, NULL, compared, 2, &mask, error));
    TN_TRY(tn_graph_add_constant(graph, NULL, 0, NULL, &zero, &nothing, error));
    tn_value *of_b[] = {mask, dy, nothing}, *of_a[] = {mask, nothing, dy};
    TN_TRY(tn_graph_apply(graph, &tn_op_where, NULL, of_b, 3, to_b, error));
    return tn_graph_apply(graph, &tn_op_where, NULL, of_a, 3, to_a, error);
}

static tn_status deliver(tn_graph *graph, tn_value *input, tn_value *d, tn_error *error) {
    if (!tn_gradient_wanted(graph, input)) return TN_OK;
    TN_TRY(tn_sum_to_shape(graph, d, &input->shape, &d, error));
    return tn_gradient_add(graph, input, d, error);
}

/* The first of those inputs that attain the extreme gets dy. */
static tn_status differentiate_extreme(tn_graph *graph, tn_node *node, const tn_op *beats,
                                       tn_error *error) {
    tn_value *best[TN_MAX_INPUTS], *d = tn_gradient_of(graph, node->outputs[0]), *to_input;
    TN_TRY(extremes_so_far(graph, node, best, error));
    for (int i = node->n_inputs - 1; i > 0; i--) {
        TN_TRY(split(graph, beats, best[i - 1], node->inputs[i], d, &d, &to_input, error));
        TN_TRY(deliver(graph, node->inputs[i], to_input, error));
        TN_TRY(tn_sum_to_shape(graph, d, &best[i - 1]->shape, &d, error));
    }
    return deliver(graph, node->inputs[0], d, error);
}

static tn_status differentiate_max(tn_graph *graph, tn_node *node, tn_error *error) {
    return differentiate_extreme(graph, node, &tn_op_greater, error);
}

static tn_status differentiate_min(tn_graph *graph, tn_node *node, tn_error *error) {
    return differentiate_extreme(graph, node, &tn_op_less, error);
}

const tn_op tn_op_max = {VARIADIC("Max"), .differentiate = differentiate_max,
                         .family = &(const variadic){larger, larger_integer, false}};
const tn_op tn_op_min = {VARIADIC("Min"), .differentiate = differentiate_min,
                         .family = &(const variadic){smaller, smaller_integer, false}};
