/* SPDX-License-Identifier: Apache-2.0 */
/* unary_math.c: functions of mathematics: ONNX Abs, Acos, Acosh, Asin, Asinh, Atan, Atanh, Ceil,
 * Cos, Cosh, Erf, Exp, Floor, Log, Neg, Reciprocal, Round, Sign, Sin, Sinh, Sqrt, Tan. */
#include <math.h>

#include "kernels/functions.h"
#include "ops/unary.h"

/* Functions that are steps: PyTorch's gradient of them is zero, too. */
static real no_slope(real x, const tn_unary_attrs *a) {
    (void)x, (void)a;
    return 0;
}

static real root(real x) { return (real)sqrt((double)x); }

static real abs_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return (real)fabs((double)x);
}
static real sign_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return x > 0 ? 1 : x < 0 ? -1 : x;
}
static int64_t abs_of_integer(int64_t x) { return x < 0 ? (int64_t)(0 - (uint64_t)x) : x; }
static int64_t sign_of_integer(int64_t x) { return (x > 0) - (x < 0); }
const tn_op tn_op_abs = {TN_UNARY("Abs"),
                         .family = &(const tn_unary){abs_of, sign_of, false, abs_of_integer}};
const tn_op tn_op_sign = {TN_UNARY("Sign"),
                          .family = &(const tn_unary){sign_of, no_slope, false, sign_of_integer}};

static real neg(real x, const tn_unary_attrs *a) {
    (void)a;
    return -x;
}
static real neg_slope(real x, const tn_unary_attrs *a) {
    (void)x, (void)a;
    return -1;
}
static int64_t neg_integer(int64_t x) { return (int64_t)(0 - (uint64_t)x); }
const tn_op tn_op_neg = {TN_UNARY("Neg"),
                         .family = &(const tn_unary){neg, neg_slope, false, neg_integer}};

/* ---- Rounding -------------------------------------------------------------------------------- */

static real ceil_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return (real)ceil((double)x);
}
const tn_op tn_op_ceil = {TN_UNARY("Ceil"), .family = &(const tn_unary){ceil_of, no_slope}};

static real floor_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return (real)floor((double)x);
}
const tn_op tn_op_floor = {TN_UNARY("Floor"), .family = &(const tn_unary){floor_of, no_slope}};

/* Halves to even. */
static real round_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return (real)rint((double)x);
}
const tn_op tn_op_round = {TN_UNARY("Round"), .family = &(const tn_unary){round_of, no_slope}};

/* ---- Powers, exponential, logarithm ---------------------------------------------------------- */

static real reciprocal(real x, const tn_unary_attrs *a) {
    (void)a;
    return 1 / x;
}
static real reciprocal_slope(real y, const tn_unary_attrs *a) {
    (void)a;
    return -y * y;
}
const tn_op tn_op_reciprocal = {TN_UNARY("Reciprocal"),
                                .family = &(const tn_unary){reciprocal, reciprocal_slope, true}};

static real sqrt_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return root(x);
}
static real sqrt_slope(real y, const tn_unary_attrs *a) {
    (void)a;
    return 1 / (2 * y);
}
const tn_op tn_op_sqrt = {TN_UNARY("Sqrt"), .family = &(const tn_unary){sqrt_of, sqrt_slope, true}};

static real exp_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_exp(x);
}
static real exp_slope(real y, const tn_unary_attrs *a) {
    (void)a;
    return y;
}
const tn_op tn_op_exp = {TN_UNARY("Exp"), .family = &(const tn_unary){exp_of, exp_slope, true}};

static real log_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_log(x);
}
const tn_op tn_op_log = {TN_UNARY("Log"), .family = &(const tn_unary){log_of, reciprocal}};

static real erf_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_erf(x);
}
/* 2/√π · exp(-x²) */
static real erf_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return (real)1.12837916709551257 * tn_exp(-x * x);
}
const tn_op tn_op_erf = {TN_UNARY("Erf"), .family = &(const tn_unary){erf_of, erf_slope}};

/* ---- Angles ---------------------------------------------------------------------------------- */

static real sin_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_sin(x);
}
static real cos_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_cos(x);
}
static real cos_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return -tn_sin(x);
}
const tn_op tn_op_sin = {TN_UNARY("Sin"), .family = &(const tn_unary){sin_of, cos_of}};
const tn_op tn_op_cos = {TN_UNARY("Cos"), .family = &(const tn_unary){cos_of, cos_slope}};

static real tan_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_tan(x);
}
static real tan_slope(real y, const tn_unary_attrs *a) {
    (void)a;
    return 1 + y * y;
}
const tn_op tn_op_tan = {TN_UNARY("Tan"), .family = &(const tn_unary){tan_of, tan_slope, true}};

static real asin_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_asin(x);
}
static real asin_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return 1 / root((1 - x) * (1 + x));
}
const tn_op tn_op_asin = {TN_UNARY("Asin"), .family = &(const tn_unary){asin_of, asin_slope}};

static real acos_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_acos(x);
}
static real acos_slope(real x, const tn_unary_attrs *a) { return -asin_slope(x, a); }
const tn_op tn_op_acos = {TN_UNARY("Acos"), .family = &(const tn_unary){acos_of, acos_slope}};

static real atan_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_atan(x);
}
static real atan_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return 1 / (1 + x * x);
}
const tn_op tn_op_atan = {TN_UNARY("Atan"), .family = &(const tn_unary){atan_of, atan_slope}};

/* ---- Hyperbolic functions -------------------------------------------------------------------- */

static real sinh_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_sinh(x);
}
static real cosh_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_cosh(x);
}
const tn_op tn_op_sinh = {TN_UNARY("Sinh"), .family = &(const tn_unary){sinh_of, cosh_of}};
const tn_op tn_op_cosh = {TN_UNARY("Cosh"), .family = &(const tn_unary){cosh_of, sinh_of}};

static real asinh_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_asinh(x);
}
static real asinh_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return 1 / root(x * x + 1);
}
const tn_op tn_op_asinh = {TN_UNARY("Asinh"), .family = &(const tn_unary){asinh_of, asinh_slope}};

static real acosh_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_acosh(x);
}
static real acosh_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return 1 / root((x - 1) * (x + 1));
}
const tn_op tn_op_acosh = {TN_UNARY("Acosh"), .family = &(const tn_unary){acosh_of, acosh_slope}};

static real atanh_of(real x, const tn_unary_attrs *a) {
    (void)a;
    return tn_atanh(x);
}
static real atanh_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return 1 / ((1 - x) * (1 + x));
}
const tn_op tn_op_atanh = {TN_UNARY("Atanh"), .family = &(const tn_unary){atanh_of, atanh_slope}};
