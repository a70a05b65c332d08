/* SPDX-License-Identifier: Apache-2.0 */
/* pow.c: y = a to the power of b with broadcasting; y has the type of a. ONNX Pow. */
#include <math.h>

#include "kernels/functions.h"
#include "ops/broadcast.h"
#include "ops/integers.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    for (int i = 0; i < 2; i++) {
        tn_dtype dtype = node->inputs[i]->dtype;
        if (dtype != TN_FLOAT32 && !tn_is_integer(dtype))
            return tn_fail(error, TN_ERR_UNSUPPORTED, "type %s is not supported",
                           tn_dtype_name(dtype));
    }
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return tn_broadcast_shape(node, error);
}

/* ---- Floats ---------------------------------------------------------------------------------- */

static void power(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = tn_pow(a[i], b[i]);
}

/* The exponents that networks have are exact without exponential and logarithm. */
static void power_scalar(int64_t n, const real *a, real b, real *y) {
    if (b == 2)
        for (int64_t i = 0; i < n; i++) y[i] = a[i] * a[i];
    else if (b == 3)
        for (int64_t i = 0; i < n; i++) y[i] = a[i] * a[i] * a[i];
    else
        for (int64_t i = 0; i < n; i++) y[i] = tn_pow(a[i], b);
}

static void power_of_scalar(int64_t n, const real *b, real a, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = tn_pow(a, b[i]);
}

static bool is_of_floats(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return node->inputs[0]->dtype == TN_FLOAT32 && node->inputs[1]->dtype == TN_FLOAT32;
}

static void run_floats(const tn_run *run) {
    tn_broadcast_run(run, power, power_scalar, power_of_scalar);
}

/* ---- Whole numbers among base and exponent --------------------------------------------------- */

/* By squaring; wraps. */
static int64_t integer_power(int64_t a, int64_t b) {
    uint64_t y = 1, square = (uint64_t)a;
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    for (; b > 0; b /= 2, square *= square)
        if (b % 2) y *= square;
    return (int64_t)y;
}

static int64_t truncated(real x) {
    if (!(x > (real)-9.2e18)) return INT64_MIN; /* NaN, too */
    return x < (real)9.2e18 ? (int64_t)x : INT64_MAX;
}

static real number_at(tn_dtype dtype, const void *data, int64_t i) {
    return dtype == TN_FLOAT32 ? ((const real *)data)[i] : (real)tn_integer_at(dtype, data, i);
}

static void run_mixed(const tn_run *run) {
    const tn_node *node = run->node;
    const tn_shape *operands[] = {&node->inputs[0]->shape, &node->inputs[1]->shape};
    tn_dtype of_a = node->inputs[0]->dtype, of_b = node->inputs[1]->dtype;
    tn_walk w = tn_walk_of_run(run, operands, 2);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t at_a = r.from[0] + i * r.step[0], at_b = r.from[1] + i * r.step[1];
            real a = number_at(of_a, run->in[0], at_a), b = number_at(of_b, run->in[1], at_b);
            if (of_a == TN_FLOAT32)
                ((real *)run->out[0])[r.first + i] = tn_pow(a, b);
            else if (of_b == TN_FLOAT32)
                tn_integer_set(of_a, run->out[0], r.first + i, truncated(tn_pow(a, b)));
            else
                tn_integer_set(of_a, run->out[0], r.first + i,
                               integer_power(tn_integer_at(of_a, run->in[0], at_a),
                                             tn_integer_at(of_b, run->in[1], at_b)));
        }
}

static const tn_implementation floats = {.name = "any",
                                         .stored = TN_STORED_ANYHOW,
                                         .applies = is_of_floats,
                                         .rows_in = tn_broadcast_rows,
                                         .run = run_floats};
static const tn_implementation mixed = {
    .name = "mixed", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_mixed};
static const tn_implementation *const implementations[] = {&floats, &mixed, NULL};

/* ---- Gradient -------------------------------------------------------------------------------- */

/* inputs dy, a, b, all of one shape after broadcasting: da = dy · b · a^(b - 1) */
static tn_status differentiate_base(tn_graph *graph, tn_node *node, tn_error *error) {
    static const float one = 1;
    tn_value *a = node->inputs[0], *b = node->inputs[1], *in[2] = {b}, *less, *d;
    TN_TRY(tn_graph_add_constant(graph, NULL, 0, NULL, &one, &in[1], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_sub, NULL, in, 2, &less, error));
    tn_value *power_in[] = {a, less};
    TN_TRY(tn_graph_apply(graph, &tn_op_pow, NULL, power_in, 2, &d, error));
    tn_value *slope[] = {d, b};
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, slope, 2, &d, error));
    tn_value *product[] = {d, tn_gradient_of(graph, node->outputs[0])};
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, product, 2, &d, error));
    TN_TRY(tn_sum_to_shape(graph, d, &a->shape, &d, error));
    return tn_gradient_add(graph, a, d, error);
}

/* db = dy · y · log a */
static tn_status differentiate_exponent(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *a = node->inputs[0], *b = node->inputs[1], *y = node->outputs[0], *d;
    TN_TRY(tn_graph_apply(graph, &tn_op_log, NULL, &a, 1, &d, error));
    tn_value *slope[] = {y, d};
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, slope, 2, &d, error));
    tn_value *product[] = {d, tn_gradient_of(graph, y)};
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, product, 2, &d, error));
    TN_TRY(tn_sum_to_shape(graph, d, &b->shape, &d, error));
    return tn_gradient_add(graph, b, d, error);
}

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    if (!is_of_floats(node, NULL))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "no gradient with an exponent of %s",
                       tn_dtype_name(node->inputs[1]->dtype));
    if (tn_gradient_wanted(graph, node->inputs[0])) TN_TRY(differentiate_base(graph, node, error));
    if (!tn_gradient_wanted(graph, node->inputs[1])) return TN_OK;
    return differentiate_exponent(graph, node, error);
}

const tn_op tn_op_pow = {.name = "Pow",
                         .onnx_type = "Pow",
                         .min_inputs = 2,
                         .max_inputs = 2,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .infer_shape = infer_shape,
                         .differentiate = differentiate,
                         .implementations = implementations};
