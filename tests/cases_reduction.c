/* SPDX-License-Identifier: Apache-2.0 */
/* cases_reduction.c: cases of pooling by means, and other reductions. */
#include "case_words.h"

#include <string.h>

/* Channels last, which an input alone is not; integers stay exact. */
static tn_value *image(tn_graph *g, int64_t c, int64_t h, int64_t w) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, INPUT(2, h, w), PARAMETER(c, 2, 1, 1), PARAMETER(c));
}

/* ---- AveragePool ----------------------------------------------------------------------------- */

typedef struct pool_setting {
    int64_t kernel[2], stride[2];
    tn_ints pads;
    const char *auto_pad;
    bool ceil_mode, count_include_pad;
} pool_setting;

static tn_value *pool_of(tn_graph *g, tn_value *x, pool_setting s) {
    tn_pool_attrs a;
    tn_attrs_init(&tn_op_average_pool, &a);
    a.kernel_shape = (tn_ints){2, {s.kernel[0], s.kernel[1]}};
    if (s.stride[0]) a.strides = (tn_ints){2, {s.stride[0], s.stride[1]}};
    a.pads = s.pads;
    a.ceil_mode = s.ceil_mode;
    a.count_include_pad = s.count_include_pad;
    if (s.auto_pad) strcpy(a.auto_pad, s.auto_pad);
    return apply(g, &tn_op_average_pool, &a, x, NULL, NULL);
}

static void pool(tn_graph *g, tn_value *x, pool_setting s) { output(g, pool_of(g, x, s)); }

static void pool_2x2(tn_graph *g) { pool(g, INPUT(3, 6, 8), (pool_setting){{2, 2}, {2, 2}}); }
static void pool_overlap(tn_graph *g) { pool(g, INPUT(9, 7, 6), (pool_setting){{3, 2}}); }
static void pool_pads(tn_graph *g) {
    pool(g, INPUT(2, 7, 6), (pool_setting){{3, 4}, {2, 3}, {4, {1, 2, 0, 3}}});
}
static void pool_pads_counted(tn_graph *g) {
    pool(g, INPUT(2, 7, 6),
         (pool_setting){{3, 4}, {2, 3}, {4, {1, 2, 0, 3}}, .count_include_pad = true});
}
static void pool_ceil(tn_graph *g) {
    pool(g, INPUT(2, 6, 9), (pool_setting){{3, 3}, {2, 4}, .ceil_mode = true});
}
static void pool_ceil_counted(tn_graph *g) {
    pool(g, INPUT(2, 6, 7),
         (pool_setting){
             {3, 3}, {2, 3}, {4, {1, 1, 1, 1}}, .ceil_mode = true, .count_include_pad = true});
}
static void pool_same_upper(tn_graph *g) {
    pool(g, INPUT(2, 7, 8), (pool_setting){{4, 3}, {2, 2}, .auto_pad = "SAME_UPPER"});
}
static void pool_same_lower(tn_graph *g) {
    pool(g, INPUT(2, 7, 8),
         (pool_setting){{2, 3}, .auto_pad = "SAME_LOWER", .count_include_pad = true});
}
/* More pixels than a byte counts. */
static void pool_large(tn_graph *g) { pool(g, INPUT(2, 18, 17), (pool_setting){{17, 17}}); }
static void pool_image(tn_graph *g) {
    tn_value *x = pool_of(g, image(g, 5, 6, 8), (pool_setting){{2, 2}, {2, 2}});
    output(g, apply(g, &tn_op_relu, NULL, x, NULL, NULL));
}

/* ---- Global pooling -------------------------------------------------------------------------- */

static void global(tn_graph *g, const tn_op *op) {
    output(g, apply(g, op, NULL, INPUT(3, 4, 2), NULL, NULL));
    output(g, apply(g, op, NULL, INPUT(1, 3, 5), NULL, NULL));
    output(g, apply(g, op, NULL, INPUT(20, 1, 1), NULL, NULL));
}
static void global_average(tn_graph *g) { global(g, &tn_op_global_average_pool); }
static void global_max(tn_graph *g) { global(g, &tn_op_global_max_pool); }

/* As residual networks end: image, mean, flat, scores. */
static void global_image(tn_graph *g, const tn_op *op) {
    const tn_axis_attrs axis = {1};
    tn_gemm_attrs a;
    tn_attrs_init(&tn_op_gemm, &a);
    tn_value *x = apply(g, op, NULL, image(g, 6, 4, 4), NULL, NULL);
    x = apply(g, &tn_op_flatten, &axis, x, NULL, NULL);
    output(g, apply(g, &tn_op_gemm, &a, x, PARAMETER(6, 3), NULL));
}
static void global_average_image(tn_graph *g) { global_image(g, &tn_op_global_average_pool); }
static void global_max_image(tn_graph *g) { global_image(g, &tn_op_global_max_pool); }

/* ---- ReduceMean ------------------------------------------------------------------------------ */

static tn_value *mean_of(tn_graph *g, tn_value *x, tn_ints axes, bool keepdims) {
    const tn_reduce_attrs a = {axes, keepdims, 0};
    return apply(g, &tn_op_reduce_mean, &a, x, NULL, NULL);
}

static void means(tn_graph *g, tn_value *x, tn_ints axes) {
    output(g, mean_of(g, x, axes, true));
    output(g, mean_of(g, x, axes, false));
}

static void mean_last(tn_graph *g) { means(g, INPUT(3, 4), (tn_ints){1, {-1}}); }
static void mean_middle(tn_graph *g) { means(g, INPUT(3, 4, 2, 3), (tn_ints){2, {3, 1}}); }
static void mean_features(tn_graph *g) { means(g, INPUT(10), (tn_ints){1, {1}}); }
/* Axes of size 1: nothing to add, but shapes change. */
static void mean_of_one(tn_graph *g) {
    means(g, image(g, 5, 1, 4), (tn_ints){1, {2}});
    means(g, INPUT(1, 3), (tn_ints){1, {1}});
}
static void mean_image(tn_graph *g) {
    tn_value *x = image(g, 4, 4, 2); /* quarters are exact */
    means(g, x, (tn_ints){2, {2, 3}});
    means(g, x, (tn_ints){1, {1}});
    means(g, x, (tn_ints){1, {-2}});
    means(g, x, (tn_ints){3, {1, 2, 3}});
}
/* Weights, of which all axes may go. */
static void mean_parameter(tn_graph *g) {
    tn_value *p = PARAMETER(3, 4), *x = INPUT(3, 4);
    output(g, apply(g, &tn_op_mul, NULL, x, mean_of(g, p, (tn_ints){0}, false), NULL));
    output(g, apply(g, &tn_op_mul, NULL, x, mean_of(g, p, (tn_ints){1, {0}}, true), NULL));
}

/* ---- The other reductions -------------------------------------------------------------------- */

static void reduce(tn_graph *g, const tn_op *op, tn_value *x, tn_reduce_attrs a) {
    output(g, apply(g, op, &a, x, NULL, NULL));
    a.keepdims = !a.keepdims;
    output(g, apply(g, op, &a, x, NULL, NULL));
}

/* Of samples, images channels last, and parameters; no axes at all with noop_with_empty_axes. */
static void reductions(tn_graph *g, const tn_op *op) {
    const tn_reduce_attrs all = {.keepdims = 1}, none = {.noop_with_empty_axes = 1};
    tn_value *x = INPUT(3, 4, 2), *p = PARAMETER(3, 4);
    reduce(g, op, x, (tn_reduce_attrs){.axes = {1, {-1}}});
    reduce(g, op, x, (tn_reduce_attrs){.axes = {2, {3, 1}}});
    reduce(g, op, image(g, 4, 2, 2), (tn_reduce_attrs){.axes = {2, {2, 3}}});
    output(g, apply(g, op, &none, x, NULL, NULL));
    p = apply(g, op, &all, p, NULL, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3), p, NULL));
}
static void reduce_l1(tn_graph *g) { reductions(g, &tn_op_reduce_l1); }
static void reduce_l2(tn_graph *g) { reductions(g, &tn_op_reduce_l2); }
static void reduce_log_sum_exp(tn_graph *g) { reductions(g, &tn_op_reduce_log_sum_exp); }
static void reduce_max(tn_graph *g) { reductions(g, &tn_op_reduce_max); }
static void reduce_min(tn_graph *g) { reductions(g, &tn_op_reduce_min); }
static void reduce_prod(tn_graph *g) { reductions(g, &tn_op_reduce_prod); }
static void reduce_sum(tn_graph *g) { reductions(g, &tn_op_reduce_sum); }
static void reduce_sum_square(tn_graph *g) { reductions(g, &tn_op_reduce_sum_square); }

static void reduce_log_sum(tn_graph *g) {
    tn_value *x = apply(g, &tn_op_sigmoid, NULL, INPUT(3, 4), NULL, NULL);
    reduce(g, &tn_op_reduce_log_sum, x, (tn_reduce_attrs){.axes = {1, {-1}}});
    x = apply(g, &tn_op_sigmoid, NULL, image(g, 4, 2, 2), NULL, NULL);
    reduce(g, &tn_op_reduce_log_sum, x, (tn_reduce_attrs){.axes = {1, {1}}});
}

/* Products with one factor that is 0, and with two. */
static void reduce_prod_zeros(tn_graph *g) {
    tn_value *x = INPUT(3, 4), *row = apply(g, &tn_op_sub, NULL, x, x, NULL);
    const tn_reduce_attrs last = {.axes = {1, {2}}};
    const tn_axis_attrs axis = {2};
    tn_value *one =
        apply(g, &tn_op_reduce_sum, &(const tn_reduce_attrs){{1, {2}}, 1, 0}, row, NULL, NULL);
    tn_value *with_one = apply(g, &tn_op_concat, &axis, x, one, NULL);
    tn_value *with_two = apply(g, &tn_op_concat, &axis, x, one, one);
    output(g, apply(g, &tn_op_reduce_prod, &last, with_one, NULL, NULL));
    output(g, apply(g, &tn_op_reduce_prod, &last, with_two, NULL, NULL));
}

/* ---- ArgMax, ArgMin, Hardmax ----------------------------------------------------------------- */

/* Where the largest and the smallest are in one place, which of seven numbers does not happen. */
static void places(tn_graph *g, tn_value *x, int64_t axis, int64_t keepdims, int64_t last) {
    const struct { int64_t axis, keepdims, last; } a = {axis, keepdims, last};
    const tn_reduce_attrs r = {{1, {axis}}, keepdims, 0};
    tn_value *most = apply(g, &tn_op_arg_max, &a, x, NULL, NULL);
    tn_value *least = apply(g, &tn_op_arg_min, &a, x, NULL, NULL);
    tn_value *mask = apply(g, &tn_op_greater, NULL, most, least, NULL);
    tn_value *sum = apply(g, &tn_op_reduce_sum, &r, x, NULL, NULL);
    output(g, apply(g, &tn_op_where, NULL, mask, sum, exactly(g, 2)));
}
static void arg_max(tn_graph *g) {
    tn_value *x = INPUT(7, 5), *pixels = image(g, 4, 3, 3);
    places(g, x, -1, 1, 0);
    places(g, x, 1, 0, 1);
    places(g, pixels, 1, 1, 1);
    places(g, pixels, 3, 0, 0);
}
static void hardmax(tn_graph *g) {
    const tn_axis_attrs last = {-1}, first = {1};
    tn_value *x = INPUT(7, 5);
    for (int i = 0; i < 2; i++) {
        tn_value *y = apply(g, &tn_op_hardmax, i ? &last : &first, x, NULL, NULL);
        tn_value *mask = apply(g, &tn_op_greater, NULL, y, exactly(g, 0.5), NULL);
        output(g, apply(g, &tn_op_where, NULL, mask, x, exactly(g, 2)));
    }
}

const op_case reduction_cases[] = {
    {"AveragePool 2x2", &tn_op_average_pool, pool_2x2},
    {"AveragePool, overlap", &tn_op_average_pool, pool_overlap},
    {"AveragePool, pads", &tn_op_average_pool, pool_pads},
    {"AveragePool, pads counted", &tn_op_average_pool, pool_pads_counted},
    {"AveragePool, ceil", &tn_op_average_pool, pool_ceil},
    {"AveragePool, ceil, pads counted", &tn_op_average_pool, pool_ceil_counted},
    {"AveragePool, SAME_UPPER", &tn_op_average_pool, pool_same_upper},
    {"AveragePool, SAME_LOWER", &tn_op_average_pool, pool_same_lower},
    {"AveragePool, large window", &tn_op_average_pool, pool_large},
    {"AveragePool, channels last", &tn_op_average_pool, pool_image},
    {"GlobalAveragePool", &tn_op_global_average_pool, global_average},
    {"GlobalAveragePool, channels last", &tn_op_global_average_pool, global_average_image},
    {"GlobalMaxPool", &tn_op_global_max_pool, global_max},
    {"GlobalMaxPool, channels last", &tn_op_global_max_pool, global_max_image},
    {"ReduceMean, last axis", &tn_op_reduce_mean, mean_last},
    {"ReduceMean, two axes", &tn_op_reduce_mean, mean_middle},
    {"ReduceMean, features", &tn_op_reduce_mean, mean_features},
    {"ReduceMean, axes of one", &tn_op_reduce_mean, mean_of_one},
    {"ReduceMean, channels last", &tn_op_reduce_mean, mean_image},
    {"ReduceMean, parameter", &tn_op_reduce_mean, mean_parameter},
    {"ReduceL1", &tn_op_reduce_l1, reduce_l1},
    {"ReduceL2", &tn_op_reduce_l2, reduce_l2, .inexact = true},
    {"ReduceLogSum", &tn_op_reduce_log_sum, reduce_log_sum, .inexact = true},
    {"ReduceLogSumExp", &tn_op_reduce_log_sum_exp, reduce_log_sum_exp, .inexact = true},
    {"ReduceMax", &tn_op_reduce_max, reduce_max, .inexact = true},
    {"ReduceMin", &tn_op_reduce_min, reduce_min, .inexact = true},
    {"ReduceProd", &tn_op_reduce_prod, reduce_prod, .inexact = true},
    {"ReduceProd, zeros", &tn_op_reduce_prod, reduce_prod_zeros, .inexact = true},
    {"ReduceSum", &tn_op_reduce_sum, reduce_sum},
    {"ReduceSumSquare", &tn_op_reduce_sum_square, reduce_sum_square},
    {"ArgMax and ArgMin", &tn_op_arg_max, arg_max},
    {"ArgMin and ArgMax", &tn_op_arg_min, arg_max},
    {"Hardmax", &tn_op_hardmax, hardmax},
    {0}};
