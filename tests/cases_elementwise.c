/* SPDX-License-Identifier: Apache-2.0 */
/* cases_elementwise.c: cases of unary.h's operators, and of those on several broadcast tensors. */
#include "case_words.h"

/* ---- Functions of one number ----------------------------------------------------------------- */

static tn_value *conv_of(tn_graph *g, tn_value *x, int64_t c, int64_t o) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, x, PARAMETER(o, c, 1, 1), PARAMETER(o));
}

static tn_value *unary_of(tn_graph *g, const tn_op *op, const void *attrs, tn_value *x) {
    return apply(g, op, attrs, x, NULL, NULL);
}

/* Brings what lies in ±1.05 to where a function is defined, away from where it ends. */
typedef enum domain { ANY, POSITIVE, INSIDE_ONE, ABOVE_ONE } domain;
static tn_value *within(tn_graph *g, domain d, tn_value *x) {
    if (d == INSIDE_ONE) return unary_of(g, &tn_op_tanh, NULL, x);
    if (d == ANY) return x;
    x = unary_of(g, &tn_op_sigmoid, NULL, x);
    return d == POSITIVE ? x : unary_of(g, &tn_op_reciprocal, NULL, x);
}

/* Of samples, of images between convolutions, in place and channels last, and of parameters. */
static void unary(tn_graph *g, const tn_op *op, const void *attrs, domain d) {
    output(g, unary_of(g, op, attrs, within(g, d, INPUT(3, 5, 5))));
    tn_value *x = conv_of(g, INPUT(2, 4, 3), 2, 5);
    output(g, conv_of(g, unary_of(g, op, attrs, within(g, d, x)), 5, 3));
    tn_value *p = unary_of(g, op, attrs, within(g, d, PARAMETER(3, 4)));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 4), p, NULL));
}

static void abs_of(tn_graph *g) { unary(g, &tn_op_abs, NULL, ANY); }
static void acos_of(tn_graph *g) { unary(g, &tn_op_acos, NULL, INSIDE_ONE); }
static void acosh_of(tn_graph *g) { unary(g, &tn_op_acosh, NULL, ABOVE_ONE); }
static void asin_of(tn_graph *g) { unary(g, &tn_op_asin, NULL, INSIDE_ONE); }
static void asinh_of(tn_graph *g) { unary(g, &tn_op_asinh, NULL, ANY); }
static void atan_of(tn_graph *g) { unary(g, &tn_op_atan, NULL, ANY); }
static void atanh_of(tn_graph *g) { unary(g, &tn_op_atanh, NULL, INSIDE_ONE); }
static void ceil_of(tn_graph *g) { unary(g, &tn_op_ceil, NULL, ANY); }
static void cos_of(tn_graph *g) { unary(g, &tn_op_cos, NULL, ANY); }
static void cosh_of(tn_graph *g) { unary(g, &tn_op_cosh, NULL, ANY); }
static void erf_of(tn_graph *g) { unary(g, &tn_op_erf, NULL, ANY); }
static void exp_of(tn_graph *g) { unary(g, &tn_op_exp, NULL, ANY); }
static void floor_of(tn_graph *g) { unary(g, &tn_op_floor, NULL, ANY); }
static void log_of(tn_graph *g) { unary(g, &tn_op_log, NULL, POSITIVE); }
static void mish_of(tn_graph *g) { unary(g, &tn_op_mish, NULL, ANY); }
static void neg_of(tn_graph *g) { unary(g, &tn_op_neg, NULL, ANY); }
static void reciprocal_of(tn_graph *g) { unary(g, &tn_op_reciprocal, NULL, POSITIVE); }
static void round_of(tn_graph *g) { unary(g, &tn_op_round, NULL, ANY); }
static void sign_of(tn_graph *g) { unary(g, &tn_op_sign, NULL, ANY); }
static void sin_of(tn_graph *g) { unary(g, &tn_op_sin, NULL, ANY); }
static void sinh_of(tn_graph *g) { unary(g, &tn_op_sinh, NULL, ANY); }
static void softplus_of(tn_graph *g) { unary(g, &tn_op_softplus, NULL, ANY); }
static void softsign_of(tn_graph *g) { unary(g, &tn_op_softsign, NULL, ANY); }
static void sqrt_of(tn_graph *g) { unary(g, &tn_op_sqrt, NULL, POSITIVE); }
static void tan_of(tn_graph *g) { unary(g, &tn_op_tan, NULL, ANY); }

static void celu_of(tn_graph *g) {
    unary(g, &tn_op_celu, &(const tn_unary_attrs){.alpha = 0.4}, ANY);
}
static void selu_of(tn_graph *g) {
    unary(g, &tn_op_selu, &(const tn_unary_attrs){.alpha = 1.5, .gamma = 1.125}, ANY);
}
static void shrink_of(tn_graph *g) {
    unary(g, &tn_op_shrink, &(const tn_unary_attrs){.alpha = 0.475, .gamma = 0.25}, ANY);
}
static void thresholded_of(tn_graph *g) {
    unary(g, &tn_op_thresholded_relu, &(const tn_unary_attrs){.alpha = 0.3}, ANY);
}
static void gelu_of(tn_graph *g) {
    unary(g, &tn_op_gelu, &(const tn_unary_attrs){.approximate = "none"}, ANY);
}
static void gelu_tanh(tn_graph *g) {
    unary(g, &tn_op_gelu, &(const tn_unary_attrs){.approximate = "tanh"}, ANY);
}

/* ---- Several tensors ------------------------------------------------------------------------- */

typedef void binary_fn(tn_graph *g, const tn_op *op, tn_value *a, tn_value *b);

/* Each kind of operand on either side. */
static void binary(tn_graph *g, binary_fn *f, const tn_op *op) {
    tn_value *x = INPUT(3, 4, 5);
    f(g, op, x, INPUT(3, 4, 5));
    f(g, op, x, PARAMETER(1));
    f(g, op, PARAMETER(1, 3, 1, 1), x);
    f(g, op, INPUT(3, 1, 5), PARAMETER(1, 4, 1));
    f(g, op, conv_of(g, INPUT(2, 4, 3), 2, 5), PARAMETER(5, 1, 1));
    f(g, op, conv_of(g, INPUT(2, 4, 3), 2, 5), INPUT(1, 4, 3));
    tn_value *p = apply(g, &tn_op_mul, NULL, PARAMETER(3, 5), CONSTANT(5), NULL);
    f(g, op, p, PARAMETER(3, 1));
}

static void of_two(tn_graph *g, const tn_op *op, tn_value *a, tn_value *b) {
    output(g, apply(g, op, NULL, a, b, NULL));
}
static void max_of_two(tn_graph *g) { binary(g, of_two, &tn_op_max); }
static void min_of_two(tn_graph *g) { binary(g, of_two, &tn_op_min); }
static void sum_of_two(tn_graph *g) { binary(g, of_two, &tn_op_sum); }
static void mean_of_two(tn_graph *g) { binary(g, of_two, &tn_op_mean); }

/* One, three, and one of them twice. */
static void of_some(tn_graph *g, const tn_op *op) {
    tn_value *x = INPUT(3, 4), *narrow = INPUT(3, 1);
    output(g, apply(g, op, NULL, x, NULL, NULL));
    output(g, apply(g, op, NULL, narrow, x, PARAMETER(4)));
    output(g, apply(g, op, NULL, PARAMETER(1), narrow, x));
    output(g, apply(g, op, NULL, x, x, narrow));
}
static void max_of_some(tn_graph *g) { of_some(g, &tn_op_max); }
static void min_of_some(tn_graph *g) { of_some(g, &tn_op_min); }
static void sum_of_some(tn_graph *g) { of_some(g, &tn_op_sum); }
static void mean_of_some(tn_graph *g) { of_some(g, &tn_op_mean); }

/* What a comparison says chooses between its operands. */
static void choice_by(tn_graph *g, const tn_op *op, tn_value *a, tn_value *b) {
    tn_value *mask = apply(g, op, NULL, a, b, NULL);
    output(g, apply(g, &tn_op_where, NULL, mask, a, b));
}
static void equal(tn_graph *g) { binary(g, choice_by, &tn_op_equal); }
static void greater(tn_graph *g) { binary(g, choice_by, &tn_op_greater); }
static void greater_or_equal(tn_graph *g) { binary(g, choice_by, &tn_op_greater_or_equal); }
static void less(tn_graph *g) { binary(g, choice_by, &tn_op_less); }
static void less_or_equal(tn_graph *g) { binary(g, choice_by, &tn_op_less_or_equal); }

static void choice_by_two(tn_graph *g, const tn_op *op, tn_value *a, tn_value *b) {
    tn_value *p = apply(g, &tn_op_greater, NULL, a, CONSTANT(1), NULL);
    tn_value *q = apply(g, &tn_op_less, NULL, b, CONSTANT(1), NULL);
    tn_value *mask = apply(g, op, NULL, p, q, NULL);
    output(g, apply(g, &tn_op_where, NULL, mask, a, b));
}
static void and_of(tn_graph *g) { binary(g, choice_by_two, &tn_op_and); }
static void or_of(tn_graph *g) { binary(g, choice_by_two, &tn_op_or); }
static void xor_of(tn_graph *g) { binary(g, choice_by_two, &tn_op_xor); }

static void not_of(tn_graph *g) {
    tn_value *x = INPUT(3, 5), *y = INPUT(3, 5);
    tn_value *mask = apply(g, &tn_op_greater, NULL, x, y, NULL);
    output(g, apply(g, &tn_op_where, NULL, unary_of(g, &tn_op_not, NULL, mask), x, y));
}

/* 0/0 where x is not positive. */
static void is_nan(tn_graph *g) {
    tn_value *x = INPUT(3, 5), *y = INPUT(3, 5), *zero = unary_of(g, &tn_op_relu, NULL, x);
    tn_value *nan = apply(g, &tn_op_div, NULL, zero, zero, NULL);
    output(g, apply(g, &tn_op_where, NULL, unary_of(g, &tn_op_is_nan, NULL, nan), x, y));
}
static void is_inf(tn_graph *g) {
    tn_value *x = INPUT(3, 5), *y = INPUT(3, 5), *zero = unary_of(g, &tn_op_relu, NULL, x);
    const struct { int64_t negative, positive; } signs[] = {{1, 1}, {0, 1}, {1, 0}, {0, 0}};
    tn_value *infinite = apply(g, &tn_op_div, NULL, y, zero, NULL);
    for (int i = 0; i < 4; i++) {
        tn_value *mask = unary_of(g, &tn_op_is_inf, &signs[i], infinite);
        output(g, apply(g, &tn_op_where, NULL, mask, x, y));
    }
}

/* Masks wider and narrower than what they choose from. */
static void where_of(tn_graph *g) {
    tn_value *x = INPUT(3, 4, 5), *row = INPUT(1, 4, 5);
    tn_value *mask = apply(g, &tn_op_greater, NULL, row, CONSTANT(1), NULL);
    output(g, apply(g, &tn_op_where, NULL, mask, x, PARAMETER(3, 1, 1)));
    output(g, apply(g, &tn_op_where, NULL, mask, PARAMETER(5), row));
    tn_value *image = conv_of(g, INPUT(2, 4, 5), 2, 3);
    output(g, apply(g, &tn_op_where, NULL, mask, CONSTANT(1), image));
}

/* Positive bases to any power, and those that networks have of any base. */
static void power_of(tn_graph *g, const tn_op *op, tn_value *a, tn_value *b) {
    output(g, apply(g, op, NULL, within(g, POSITIVE, a), b, NULL));
}
static void pow_of(tn_graph *g) { binary(g, power_of, &tn_op_pow); }
static void pow_whole(tn_graph *g) {
    tn_value *x = INPUT(3, 5), *image = conv_of(g, INPUT(2, 4, 3), 2, 5);
    for (int e = 0; e < 5; e++) {
        output(g, apply(g, &tn_op_pow, NULL, x, exactly(g, e), NULL));
        if (e > 1) output(g, apply(g, &tn_op_pow, NULL, image, exactly(g, e), NULL));
    }
}

/* Divisors of half to one; the gradient of the dividend only. */
static void mod_of(tn_graph *g) {
    static const struct { int64_t fmod; } a = {1};
    tn_value *x = INPUT(3, 5), *c = unary_of(g, &tn_op_sigmoid, NULL, CONSTANT(3, 5));
    output(g, apply(g, &tn_op_mod, &a, x, c, NULL));
    output(g, apply(g, &tn_op_mod, &a, conv_of(g, INPUT(2, 4, 5), 2, 3),
                    unary_of(g, &tn_op_sigmoid, NULL, CONSTANT(1)), NULL));
}

const op_case elementwise_cases[] = {
    {"Abs", &tn_op_abs, abs_of},
    {"Acos", &tn_op_acos, acos_of, .inexact = true},
    {"Acosh", &tn_op_acosh, acosh_of, .inexact = true},
    {"Asin", &tn_op_asin, asin_of, .inexact = true},
    {"Asinh", &tn_op_asinh, asinh_of, .inexact = true},
    {"Atan", &tn_op_atan, atan_of, .inexact = true},
    {"Atanh", &tn_op_atanh, atanh_of, .inexact = true},
    {"Ceil", &tn_op_ceil, ceil_of},
    {"Celu", &tn_op_celu, celu_of, .inexact = true},
    {"Cos", &tn_op_cos, cos_of, .inexact = true},
    {"Cosh", &tn_op_cosh, cosh_of, .inexact = true},
    {"Erf", &tn_op_erf, erf_of, .inexact = true},
    {"Exp", &tn_op_exp, exp_of, .inexact = true},
    {"Floor", &tn_op_floor, floor_of},
    {"Gelu", &tn_op_gelu, gelu_of, .inexact = true},
    {"Gelu, tanh", &tn_op_gelu, gelu_tanh, .inexact = true},
    {"Log", &tn_op_log, log_of, .inexact = true},
    {"Mish", &tn_op_mish, mish_of, .inexact = true},
    {"Neg", &tn_op_neg, neg_of},
    {"Reciprocal", &tn_op_reciprocal, reciprocal_of, .inexact = true},
    {"Round", &tn_op_round, round_of},
    {"Selu", &tn_op_selu, selu_of, .inexact = true},
    {"Shrink", &tn_op_shrink, shrink_of},
    {"Sign", &tn_op_sign, sign_of},
    {"Sin", &tn_op_sin, sin_of, .inexact = true},
    {"Sinh", &tn_op_sinh, sinh_of, .inexact = true},
    {"Softplus", &tn_op_softplus, softplus_of, .inexact = true},
    {"Softsign", &tn_op_softsign, softsign_of, .inexact = true},
    {"Sqrt", &tn_op_sqrt, sqrt_of, .inexact = true},
    {"Tan", &tn_op_tan, tan_of, .inexact = true},
    {"ThresholdedRelu", &tn_op_thresholded_relu, thresholded_of},
    {"Max", &tn_op_max, max_of_two},
    {"Max of some", &tn_op_max, max_of_some},
    {"Min", &tn_op_min, min_of_two},
    {"Min of some", &tn_op_min, min_of_some},
    {"Sum", &tn_op_sum, sum_of_two},
    {"Sum of some", &tn_op_sum, sum_of_some},
    {"Mean", &tn_op_mean, mean_of_two},
    {"Mean of some", &tn_op_mean, mean_of_some, .inexact = true},
    {"Equal", &tn_op_equal, equal},
    {"Greater", &tn_op_greater, greater},
    {"GreaterOrEqual", &tn_op_greater_or_equal, greater_or_equal},
    {"Less", &tn_op_less, less},
    {"LessOrEqual", &tn_op_less_or_equal, less_or_equal},
    {"And", &tn_op_and, and_of},
    {"Or", &tn_op_or, or_of},
    {"Xor", &tn_op_xor, xor_of},
    {"Not", &tn_op_not, not_of},
    {"IsNaN", &tn_op_is_nan, is_nan},
    {"IsInf", &tn_op_is_inf, is_inf},
    {"Where", &tn_op_where, where_of},
    {"Pow", &tn_op_pow, pow_of, .inexact = true},
    {"Pow, whole", &tn_op_pow, pow_whole, .inexact = true},
    {"Mod", &tn_op_mod, mod_of, .inexact = true},
    {0}};
