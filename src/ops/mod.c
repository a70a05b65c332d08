/* SPDX-License-Identifier: Apache-2.0 */
/* mod.c: the remainder of a / b with broadcasting: with the sign of b, or with that of a if fmod is
 * 1, as floats demand. ONNX Mod. */
#include <math.h>

#include "ops/broadcast.h"
#include "ops/integers.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

typedef struct mod_attrs {
    int64_t fmod;
} mod_attrs;

static const tn_attr attrs[] = {{"fmod", TN_ATTR_INT, offsetof(mod_attrs, fmod), false, 0, NULL},
                                {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const mod_attrs *a = node->attrs;
    if (node->inputs[0]->dtype == TN_FLOAT32 && a->fmod != 1)
        return tn_fail(error, TN_ERR_FORMAT, "fmod must be 1 for float32");
    return tn_infer_arithmetic(graph, node, error);
}

/* C's fmod is exact, and so the same everywhere. */
static void remainder_of(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = (real)fmod((double)a[i], (double)b[i]);
}

static void remainder_scalar(int64_t n, const real *a, real b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = (real)fmod((double)a[i], (double)b);
}

static void remainder_of_scalar(int64_t n, const real *b, real a, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = (real)fmod((double)a, (double)b[i]);
}

static void run_any(const tn_run *run) {
    tn_broadcast_run(run, remainder_of, remainder_scalar, remainder_of_scalar);
}

/* As C has it; 0 if b is. */
static int64_t truncating(tn_dtype dtype, int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (dtype == TN_UINT64) return (int64_t)((uint64_t)a % (uint64_t)b);
    return b == -1 ? 0 : a % b;
}

static int64_t flooring(tn_dtype dtype, int64_t a, int64_t b) {
    int64_t r = truncating(dtype, a, b);
    return dtype != TN_UINT64 && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static void run_integers(const tn_run *run) {
    const mod_attrs *a = run->node->attrs;
    tn_integers_run(run, a->fmod ? truncating : flooring);
}

static const tn_implementation integers = {.name = "integers",
                                           .stored = TN_STORED_ANYHOW,
                                           .applies = tn_of_integers,
                                           .rows_in = tn_broadcast_rows,
                                           .run = run_integers};
static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&integers, &any, NULL};

/* da = dy; the quotient, by which b counts, has no gradient here. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *d;
    if (tn_gradient_wanted(graph, node->inputs[1]))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "no gradient of the divisor");
    TN_TRY(tn_sum_to_shape(graph, tn_gradient_of(graph, node->outputs[0]), &node->inputs[0]->shape,
                           &d, error));
    return tn_gradient_add(graph, node->inputs[0], d, error);
}

const tn_op tn_op_mod = {.name = "Mod",
                         .onnx_type = "Mod",
                         .attrs = attrs,
                         .attrs_bytes = sizeof(mod_attrs),
                         .min_inputs = 2,
                         .max_inputs = 2,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .infer_shape = infer_shape,
                         .differentiate = differentiate,
                         .implementations = implementations};
