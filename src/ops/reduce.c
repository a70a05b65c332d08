/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c: one number of all along some axes, taken in the order in which they are stored. ONNX
 * ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceMax, ReduceMean, ReduceMin, ReduceProd,
 * ReduceSum, ReduceSumSquare. */
#include "ops/reduce.h"

#include <math.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/integers.h"

typedef struct reduction {
    real start;
    real (*take)(real so_far, real x);         /* NULL: the sum, by a kernel */
    real (*finish)(real y, const real one_of); /* one_of = 1 / count; NULL: nothing to do */
    int64_t (*integer_start)(tn_dtype dtype);  /* NULL: float32 only */
    tn_integer_fn *take_integer;
    bool of_bool, exponential;
} reduction;

/* ---- Shapes ---------------------------------------------------------------------------------- */

static const tn_attr attrs[] = {
    {"axes", TN_ATTR_INTS, offsetof(tn_reduce_attrs, axes), false, 0, NULL},
    {"keepdims", TN_ATTR_INT, offsetof(tn_reduce_attrs, keepdims), false, 1, NULL},
    {"noop_with_empty_axes", TN_ATTR_INT, offsetof(tn_reduce_attrs, noop_with_empty_axes), false, 0,
     NULL},
    {0}};

tn_shape tn_reduce_kept(const tn_reduce_attrs *a, const tn_shape *x) {
    tn_shape kept = *x;
    for (int i = 0; i < a->axes.n; i++) kept.dims[a->axes.v[i]] = 1;
    return kept;
}

int64_t tn_reduce_count(const tn_reduce_attrs *a, const tn_shape *x) {
    int64_t count = 1;
    for (int i = 0; i < a->axes.n; i++) count *= x->dims[a->axes.v[i]];
    return count;
}

/* Makes axes ascending numbers from 0 of x and marks them; none are all, or with noop none. */
static tn_status resolve_axes(tn_reduce_attrs *a, const tn_shape *x, bool reduced[TN_MAX_RANK],
                              tn_error *error) {
    bool all = a->axes.n == 0 && !a->noop_with_empty_axes;
    TN_TRY(tn_axes_mark(&a->axes, x->rank, reduced, error));
    a->axes.n = 0;
    for (int i = 0; i < x->rank; i++) {
        reduced[i] = reduced[i] || all;
        if (reduced[i]) a->axes.v[a->axes.n++] = i;
    }
    return TN_OK;
}

static tn_status check_type(const tn_node *node, tn_error *error) {
    const reduction *r = node->op->family;
    tn_dtype dtype = node->inputs[0]->dtype;
    if (dtype == TN_FLOAT32 || (tn_is_integer(dtype) && r->integer_start) ||
        (dtype == TN_BOOL && r->of_bool))
        return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED, "type %s is not supported", tn_dtype_name(dtype));
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_reduce_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    bool reduced[TN_MAX_RANK];
    char text[TN_SHAPE_TEXT];
    (void)graph;
    TN_TRY(check_type(node, error));
    TN_TRY(resolve_axes(a, x, reduced, error));
    if (x->batched && reduced[0])
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "reducing axis 0 mixes samples of the batch (give other axes)");
    if (node->op == &tn_op_reduce_mean && tn_reduce_count(a, x) == 0)
        return tn_fail(error, TN_ERR_FORMAT, "a mean over axes of %s, one of which has no elements",
                       tn_shape_text(x, text));
    tn_shape kept = tn_reduce_kept(a, x), y = {.batched = x->batched};
    for (int i = 0; i < x->rank; i++)
        if (a->keepdims || !reduced[i]) y.dims[y.rank++] = kept.dims[i];
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    node->outputs[0]->shape = y;
    return TN_OK;
}

/* ---- Floats ---------------------------------------------------------------------------------- */

/* A walk over x whose second operand is y. */
static tn_walk walk_of(const tn_run *run) {
    const tn_value *x = run->node->inputs[0];
    tn_shape kept = tn_reduce_kept(run->node->attrs, &x->shape);
    return tn_walk_of(x, run->n, &x->shape, &kept);
}

static void take_all(const tn_walk *w, real (*take)(real so_far, real x), const real *x, real *y) {
    for (tn_walk_row r = tn_walk_begin(w); tn_walk_next(w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            real *to = y + r.from[1] + i * r.step[1];
            *to = take(*to, x[r.first + i]);
        }
}

static void run_any(const tn_run *run) {
    const tn_reduce_attrs *a = run->node->attrs;
    const reduction *kind = run->node->op->family;
    tn_walk w = walk_of(run);
    int64_t n = tn_run_elements(run), count = tn_reduce_count(a, &run->node->inputs[0]->shape);
    real *y = run->out[0];
    for (int64_t i = 0; i < n; i++) y[i] = kind->start;
    if (kind->take)
        take_all(&w, kind->take, run->in[0], y);
    else
        tn_walk_sum(&w, run->kernels, run->in[0], y);
    for (int64_t i = 0; i < n && kind->finish; i++)
        y[i] = kind->finish(y[i], (real)1 / (real)count);
}

static bool is_exponential(const tn_node *node, const tn_kernels *kernels) {
    const reduction *kind = node->op->family;
    (void)kernels;
    return kind->exponential;
}

static int64_t exponential_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    const tn_shape *y = &node->outputs[0]->shape;
    (void)kernels;
    return tn_shape_sample_elements(y) * (y->batched ? tn_round_up(n, TN_LANES) : 1) *
           (int64_t)sizeof(real);
}

/* y = m + log Σ exp(x - m), where m is the largest x, or 0 if that is infinite. */
static void run_exponential(const tn_run *run) {
    const reduction *kind = run->node->op->family;
    const real *x = run->in[0];
    real *y = run->out[0], *sum = run->workspace;
    int64_t n = tn_run_elements(run);
    tn_walk w = walk_of(run);
    for (int64_t i = 0; i < n; i++) y[i] = kind->start;
    take_all(&w, kind->take, x, y);
    for (int64_t i = 0; i < n; i++) {
        sum[i] = 0;
        if (isinf(y[i])) y[i] = 0;
    }
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t to = r.from[1] + i * r.step[1];
            sum[to] += tn_exp(x[r.first + i] - y[to]);
        }
    for (int64_t i = 0; i < n; i++) y[i] += tn_log(sum[i]);
}

/* ---- Whole numbers --------------------------------------------------------------------------- */

static int64_t integers_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    return exponential_bytes(node, kernels, n) / (int64_t)sizeof(real) * (int64_t)sizeof(int64_t);
}

static void run_integers(const tn_run *run) {
    const reduction *kind = run->node->op->family;
    tn_dtype dtype = run->node->inputs[0]->dtype;
    int64_t *sum = run->workspace, n = tn_run_elements(run);
    tn_walk w = walk_of(run);
    for (int64_t i = 0; i < n; i++) sum[i] = kind->integer_start(dtype);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t *to = sum + r.from[1] + i * r.step[1];
            *to = kind->take_integer(dtype, *to, tn_integer_at(dtype, run->in[0], r.first + i));
        }
    for (int64_t i = 0; i < n; i++) tn_integer_set(dtype, run->out[0], i, sum[i]);
}

static const tn_implementation integers = {.name = "integers",
                                           .stored = TN_STORED_ANYHOW,
                                           .applies = tn_of_integers,
                                           .workspace_bytes = integers_bytes,
                                           .run = run_integers};
static const tn_implementation exponential = {.name = "exponential",
                                              .stored = TN_STORED_ANYHOW,
                                              .applies = is_exponential,
                                              .workspace_bytes = exponential_bytes,
                                              .run = run_exponential};
static const tn_implementation any = {.name = "any", .stored = TN_STORED_ANYHOW, .run = run_any};
static const tn_implementation *const implementations[] = {&integers, &exponential, &any, NULL};

/* ---- The table ------------------------------------------------------------------------------- */

#define REDUCTION(type)                                                                            \
    .name = type, .onnx_type = type, .attrs = attrs, .attrs_bytes = sizeof(tn_reduce_attrs),       \
    .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .layout = TN_LAYOUT_ANY,                     \
    .infer_shape = infer_shape, .implementations = implementations

static int64_t zero(tn_dtype dtype) {
    (void)dtype;
    return 0;
}
static int64_t add_integer(tn_dtype dtype, int64_t so_far, int64_t x) {
    (void)dtype;
    return (int64_t)((uint64_t)so_far + (uint64_t)x);
}
const tn_op tn_op_reduce_sum = {
    REDUCTION("ReduceSum"), .differentiate = tn_reduce_sum_differentiate,
    .family = &(const reduction){.integer_start = zero, .take_integer = add_integer}};

static real share(real y, real one_of) { return y * one_of; }
const tn_op tn_op_reduce_mean = {REDUCTION("ReduceMean"),
                                 .differentiate = tn_reduce_mean_differentiate,
                                 .family = &(const reduction){.finish = share}};

static real larger(real so_far, real x) { return so_far >= x || so_far != so_far ? so_far : x; }
static int64_t least(tn_dtype dtype) { return dtype == TN_UINT64 ? 0 : INT64_MIN; }
static int64_t larger_integer(tn_dtype dtype, int64_t so_far, int64_t x) {
    return tn_integer_less(dtype, so_far, x) ? x : so_far;
}
const tn_op tn_op_reduce_max = {
    REDUCTION("ReduceMax"), .differentiate = tn_reduce_extreme_differentiate,
    .family = &(const reduction){-INFINITY, larger, NULL, least, larger_integer, .of_bool = true}};

static real smaller(real so_far, real x) { return so_far <= x || so_far != so_far ? so_far : x; }
static int64_t most(tn_dtype dtype) { return dtype == TN_UINT64 ? -1 : INT64_MAX; }
static int64_t smaller_integer(tn_dtype dtype, int64_t so_far, int64_t x) {
    return tn_integer_less(dtype, x, so_far) ? x : so_far;
}
const tn_op tn_op_reduce_min = {
    REDUCTION("ReduceMin"), .differentiate = tn_reduce_extreme_differentiate,
    .family = &(const reduction){INFINITY, smaller, NULL, most, smaller_integer, .of_bool = true}};

static real multiply(real so_far, real x) { return so_far * x; }
static int64_t one(tn_dtype dtype) {
    (void)dtype;
    return 1;
}
static int64_t multiply_integer(tn_dtype dtype, int64_t so_far, int64_t x) {
    (void)dtype;
    return (int64_t)((uint64_t)so_far * (uint64_t)x);
}
const tn_op tn_op_reduce_prod = {
    REDUCTION("ReduceProd"), .differentiate = tn_reduce_prod_differentiate,
    .family = &(const reduction){1, multiply, NULL, one, multiply_integer}};

static real add_size(real so_far, real x) { return so_far + (x < 0 ? -x : x); }
const tn_op tn_op_reduce_l1 = {REDUCTION("ReduceL1"), .differentiate = tn_reduce_l1_differentiate,
                               .family = &(const reduction){.take = add_size}};

static real add_square(real so_far, real x) { return so_far + x * x; }
static real root(real y, real one_of) {
    (void)one_of;
    return (real)sqrt((double)y);
}
const tn_op tn_op_reduce_sum_square = {REDUCTION("ReduceSumSquare"),
                                       .differentiate = tn_reduce_sum_square_differentiate,
                                       .family = &(const reduction){.take = add_square}};
const tn_op tn_op_reduce_l2 = {REDUCTION("ReduceL2"), .differentiate = tn_reduce_l2_differentiate,
                               .family = &(const reduction){.take = add_square, .finish = root}};

static real logarithm(real y, real one_of) {
    (void)one_of;
    return tn_log(y);
}
const tn_op tn_op_reduce_log_sum = {REDUCTION("ReduceLogSum"),
                                    .differentiate = tn_reduce_log_sum_differentiate,
                                    .family = &(const reduction){.finish = logarithm}};
const tn_op tn_op_reduce_log_sum_exp = {
    REDUCTION("ReduceLogSumExp"), .differentiate = tn_reduce_log_sum_exp_differentiate,
    .family = &(const reduction){-INFINITY, larger, .exponential = true}};
