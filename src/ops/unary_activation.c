/* SPDX-License-Identifier: Apache-2.0 */
/* unary_activation.c: activations: ONNX Celu, Gelu, Mish, Selu, Shrink, Softplus, Softsign,
 * ThresholdedRelu. Those that networks wait for have files and kernels of their own. */
#include <math.h>
#include <string.h>

#include "kernels/functions.h"
#include "ops/unary.h"

enum { ATTRS_BYTES = sizeof(tn_unary_attrs) };

/* max(x, 0) + min(alpha · (exp(x/alpha) - 1), 0) (Barron 2017). */
static real celu(real x, const tn_unary_attrs *a) {
    real alpha = (real)a->alpha;
    return x > 0 ? x : alpha * tn_expm1(x / alpha);
}
static real celu_slope(real x, const tn_unary_attrs *a) {
    return x > 0 ? 1 : tn_exp(x / (real)a->alpha);
}
static const tn_attr alpha_of_1[] = {
    {"alpha", TN_ATTR_FLOAT, offsetof(tn_unary_attrs, alpha), false, 1, NULL}, {0}};
static tn_status check_celu(const tn_unary_attrs *a, tn_error *error) {
    if (a->alpha > 0) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED, "alpha is %g (must be above 0)", a->alpha);
}
const tn_op tn_op_celu = {TN_UNARY("Celu"), .attrs = alpha_of_1, .attrs_bytes = ATTRS_BYTES,
                          .family = &(const tn_unary){celu, celu_slope, .check = check_celu}};

/* gamma · x where x > 0, else gamma · alpha · (exp x - 1) (Klambauer et al. 2017). */
static real selu(real x, const tn_unary_attrs *a) {
    return (real)a->gamma * (x > 0 ? x : (real)a->alpha * tn_expm1(x));
}
static real selu_slope(real x, const tn_unary_attrs *a) {
    return (real)a->gamma * (x > 0 ? 1 : (real)a->alpha * tn_exp(x));
}
static const tn_attr selu_attrs[] = {{"alpha", TN_ATTR_FLOAT, offsetof(tn_unary_attrs, alpha),
                                      false, 1.67326319217681884765625f, NULL},
                                     {"gamma", TN_ATTR_FLOAT, offsetof(tn_unary_attrs, gamma),
                                      false, 1.05070102214813232421875f, NULL},
                                     {0}};
const tn_op tn_op_selu = {TN_UNARY("Selu"), .attrs = selu_attrs, .attrs_bytes = ATTRS_BYTES,
                          .family = &(const tn_unary){selu, selu_slope}};

/* x > alpha ? x : 0 (Konda et al. 2015). */
static real thresholded(real x, const tn_unary_attrs *a) { return x > (real)a->alpha ? x : 0; }
static real thresholded_slope(real x, const tn_unary_attrs *a) {
    return x > (real)a->alpha ? 1 : 0;
}
const tn_op tn_op_thresholded_relu = {TN_UNARY("ThresholdedRelu"), .attrs = alpha_of_1,
                                      .attrs_bytes = ATTRS_BYTES,
                                      .family = &(const tn_unary){thresholded, thresholded_slope}};

/* Towards zero by bias where |x| > lambd, else 0. */
static real shrink(real x, const tn_unary_attrs *a) {
    real lambda = (real)a->alpha, bias = (real)a->gamma;
    return x < -lambda ? x + bias : x > lambda ? x - bias : 0;
}
static real shrink_slope(real x, const tn_unary_attrs *a) {
    real lambda = (real)a->alpha;
    return x < -lambda || x > lambda ? 1 : 0;
}
static const tn_attr shrink_attrs[] = {
    {"bias", TN_ATTR_FLOAT, offsetof(tn_unary_attrs, gamma), false, 0, NULL},
    {"lambd", TN_ATTR_FLOAT, offsetof(tn_unary_attrs, alpha), false, 0.5f, NULL},
    {0}};
const tn_op tn_op_shrink = {TN_UNARY("Shrink"), .attrs = shrink_attrs, .attrs_bytes = ATTRS_BYTES,
                            .family = &(const tn_unary){shrink, shrink_slope}};

static real sigmoid(real x) {
    real e = tn_exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

/* log(1 + exp x), of a large x without its exponential. */
static real softplus(real x, const tn_unary_attrs *a) {
    (void)a;
    return x > 0 ? x + tn_log1p(tn_exp(-x)) : tn_log1p(tn_exp(x));
}
static real softplus_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    return sigmoid(x);
}
const tn_op tn_op_softplus = {TN_UNARY("Softplus"),
                              .family = &(const tn_unary){softplus, softplus_slope}};

/* x / (1 + |x|) */
static real softsign(real x, const tn_unary_attrs *a) {
    (void)a;
    return x / (1 + (x < 0 ? -x : x));
}
static real softsign_slope(real x, const tn_unary_attrs *a) {
    (void)a;
    real d = 1 + (x < 0 ? -x : x);
    return 1 / (d * d);
}
const tn_op tn_op_softsign = {TN_UNARY("Softsign"),
                              .family = &(const tn_unary){softsign, softsign_slope}};

/* (exp 2x - 1) / (exp 2x + 1) with exponentials of what is not positive. */
static real tangent(real x) {
    real e = tn_expm1(x < 0 ? 2 * x : -2 * x), t = -e / (e + 2);
    return x < 0 ? -t : t;
}

/* x · tanh(softplus x) (Misra 2020). */
static real mish(real x, const tn_unary_attrs *a) { return x * tangent(softplus(x, a)); }
static real mish_slope(real x, const tn_unary_attrs *a) {
    real t = tangent(softplus(x, a));
    return t + x * sigmoid(x) * (1 - t * t);
}
const tn_op tn_op_mish = {TN_UNARY("Mish"), .family = &(const tn_unary){mish, mish_slope}};

/* ---- Gelu (Hendrycks and Gimpel 2016) -------------------------------------------------------- */

/* The argument of its hyperbolic tangent, √(2/π) · (x + 0.044715 x³), and its derivative. */
static const real root_2_over_pi = (real)0.797884560802865356, cubic = (real)0.044715;
static real gelu_argument(real x) { return root_2_over_pi * (x + cubic * x * x * x); }
static real gelu_argument_slope(real x) { return root_2_over_pi * (1 + 3 * cubic * x * x); }

/* The share of x that it lets through: the normal distribution's. */
static real normal_share(real x) { return (1 + tn_erf(x * (real)0.707106781186547524)) / 2; }

static bool by_tanh(const tn_unary_attrs *a) { return a->approximate[0] == 't'; }

static real gelu(real x, const tn_unary_attrs *a) {
    return x * (by_tanh(a) ? (1 + tangent(gelu_argument(x))) / 2 : normal_share(x));
}
static real gelu_slope(real x, const tn_unary_attrs *a) {
    if (!by_tanh(a)) return normal_share(x) + x * (real)0.398942280401432678 * tn_exp(-x * x / 2);
    real t = tangent(gelu_argument(x));
    return (1 + t) / 2 + x * (1 - t * t) * gelu_argument_slope(x) / 2;
}
static const tn_attr gelu_attrs[] = {
    {"approximate", TN_ATTR_STRING, offsetof(tn_unary_attrs, approximate), false, 0, "none"}, {0}};
static tn_status check_gelu(const tn_unary_attrs *a, tn_error *error) {
    if (strcmp(a->approximate, "none") == 0 || strcmp(a->approximate, "tanh") == 0) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "approximate is \"%s\" (none or tanh)", a->approximate);
}
const tn_op tn_op_gelu = {TN_UNARY("Gelu"), .attrs = gelu_attrs, .attrs_bytes = ATTRS_BYTES,
                          .family = &(const tn_unary){gelu, gelu_slope, .check = check_gelu}};
