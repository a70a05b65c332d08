/* SPDX-License-Identifier: Apache-2.0 */
/* functions.c: in double, from series and identities (Abramowitz and Stegun, chapters 4 and 7). The
 * arguments of the series are small enough that what is left out is below 1e-10 of the result. */
#include "kernels/functions.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef TN_DOUBLE

real tn_sin(real x) { return sin(x); }
real tn_cos(real x) { return cos(x); }
real tn_tan(real x) { return tan(x); }
real tn_asin(real x) { return asin(x); }
real tn_acos(real x) { return acos(x); }
real tn_atan(real x) { return atan(x); }
real tn_sinh(real x) { return sinh(x); }
real tn_cosh(real x) { return cosh(x); }
real tn_asinh(real x) { return asinh(x); }
real tn_acosh(real x) { return acosh(x); }
real tn_atanh(real x) { return atanh(x); }
real tn_log1p(real x) { return log1p(x); }
real tn_erf(real x) { return erf(x); }
real tn_pow(real x, real y) { return pow(x, y); }

#else

static const double pi = 3.14159265358979324, half_pi = 1.57079632679489662;

/* Σ c[k] · x^k, k < n */
static double polynomial(const double *c, int n, double x) {
    double sum = c[n - 1];
    for (int k = n - 2; k >= 0; k--) sum = sum * x + c[k];
    return sum;
}

#define POLYNOMIAL(c, x) polynomial(c, (int)(sizeof(c) / sizeof *(c)), x)

/* ---- Exponential and logarithm --------------------------------------------------------------- */

static double power_of_two(int exponent) {
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* exp r - 1 and scale, where exp x = scale · exp r; of |x| <= 110: what is beyond is beyond a
 * float.
 */
static double expm1_of_rest(double x, double *scale) {
    /* (exp r - 1) / r */
    static const double c[] = {
        1,          1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,     1.0 / 720,
        1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800};
    double whole = rint(x * 1.44269504088896341);
    double r = x - whole * 0.693147180369123816 - whole * 1.90821492927058770e-10;
    *scale = power_of_two((int)whole);
    return r * POLYNOMIAL(c, r);
}

static double expm1_of(double x) {
    double scale, p = expm1_of_rest(x, &scale);
    return scale * p + (scale - 1);
}

static double exp_of(double x) {
    double scale, p = expm1_of_rest(x < -110 ? -110 : x > 110 ? 110 : x, &scale);
    return scale * (p + 1);
}

/* log x of x > 0, finite and no denormal number of double. */
static double log_of(double x) {
    /* artanh(s) / s by s² */
    static const double c[] = {1, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15};
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffff) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356237309505) {
        m /= 2;
        exponent++;
    }
    double s = (m - 1) / (m + 1);
    return exponent * 0.693147180559945309 + 2 * s * POLYNOMIAL(c, s * s);
}

/* log(1 + x) of x > -1: what rounding 1 + x loses is made good (Kahan's way). */
static double log1p_of(double x) {
    double y = 1 + x;
    return y == 1 ? x : log_of(y) * (x / (y - 1));
}

real tn_log1p(real x) {
    if (x != x || x == INFINITY) return x;
    if (x <= -1) return x == -1 ? -INFINITY : NAN;
    return (real)log1p_of(x);
}

/* ---- Angles ---------------------------------------------------------------------------------- */

/* x mod π/2 of |x| >= 2^20, as the next function. By multiplying with a window of 2/π: what is in
 * front of it counts whole turns, what is behind it is too small (Payne and Hanek 1983). */
static double reduce_large(float x, int *quadrant) {
    static const uint32_t two_over_pi[] = {0,          0xa2f9836e, 0x4e441529,
                                           0xfc2757d1, 0xf534ddc0, 0xdb629599,
                                           0x3c439041, 0xfe5163ab, 0xdebbc561};
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t mantissa = (bits & 0x7fffff) | 0x800000;
    int from = (int)(bits >> 23 & 0xff) - 150 - 2 + 32, word = from / 32, shift = from % 32;
    uint64_t window[3];
    for (int i = 0; i < 3; i++) {
        uint64_t two = (uint64_t)two_over_pi[word + i] << 32 | two_over_pi[word + i + 1];
        window[i] = (two << shift) >> 32;
    }
    uint64_t turns =
        (mantissa * window[0] << 32) + mantissa * window[1] + (mantissa * window[2] >> 32);
    uint64_t whole = (turns + ((uint64_t)1 << 61)) >> 62;
    double rest = (double)(int64_t)(turns - (whole << 62)) * (half_pi * 0x1p-62);
    *quadrant = (int)(x < 0 ? -whole & 3 : whole & 3);
    return x < 0 ? -rest : rest;
}

/* x = quadrant · π/2 + the result, which is at most π/4 and a little; of a finite x. */
static double reduce(float x, int *quadrant) {
    if (fabsf(x) >= 0x1p20f) return reduce_large(x, quadrant);
    double whole = rint((double)x * (1 / half_pi));
    *quadrant = (int)whole & 3;
    /* The first part of π/2 has 33 bits: its product is exact. */
    return (x - whole * 1.57079632673412561) - whole * 6.07710050650619225e-11;
}

/* The sine of quadrant · π/2 + r. */
static double sine_of(int quadrant, double r) {
    static const double sine[] = {
        1, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800};
    static const double cosine[] = {1,           -1.0 / 2,       1.0 / 24,       -1.0 / 720,
                                    1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600};
    double square = r * r;
    double y = quadrant & 1 ? POLYNOMIAL(cosine, square) : r * POLYNOMIAL(sine, square);
    return quadrant & 2 ? -y : y;
}

real tn_sin(real x) {
    int quadrant;
    if (!isfinite(x)) return NAN;
    double r = reduce(x, &quadrant);
    return (real)sine_of(quadrant, r);
}

real tn_cos(real x) {
    int quadrant;
    if (!isfinite(x)) return NAN;
    double r = reduce(x, &quadrant);
    return (real)sine_of(quadrant + 1, r);
}

real tn_tan(real x) {
    int quadrant;
    if (!isfinite(x)) return NAN;
    double r = reduce(x, &quadrant);
    return (real)(sine_of(quadrant, r) / sine_of(quadrant + 1, r));
}

/* Of x >= 0, infinity too: of 1/x where x > 1, and by halving the angle twice. */
static double atan_of(double x) {
    static const double c[] = {1,       -1.0 / 3,  1.0 / 5,  -1.0 / 7,
                               1.0 / 9, -1.0 / 11, 1.0 / 13, -1.0 / 15};
    double t = x > 1 ? 1 / x : x;
    for (int i = 0; i < 2; i++) t /= 1 + sqrt(1 + t * t);
    t = 4 * t * POLYNOMIAL(c, t * t);
    return x > 1 ? half_pi - t : t;
}

real tn_atan(real x) {
    if (x != x) return x;
    return (real)copysign(atan_of(fabs((double)x)), x);
}

real tn_asin(real x) {
    double a = fabs((double)x);
    if (!(a <= 1)) return NAN;
    return (real)copysign(a == 1 ? half_pi : atan_of(a / sqrt((1 - a) * (1 + a))), x);
}

real tn_acos(real x) {
    if (!(fabsf(x) <= 1)) return NAN;
    return x == -1 ? (real)pi : (real)(2 * atan_of(sqrt((1 - (double)x) / (1 + (double)x))));
}

/* ---- Hyperbolic functions -------------------------------------------------------------------- */

real tn_sinh(real x) {
    if (x != x || fabsf(x) > 90) return x * INFINITY;
    double e = expm1_of(fabs((double)x));
    return (real)copysign((e + e / (e + 1)) / 2, x);
}

real tn_cosh(real x) {
    if (x != x) return x;
    double e = exp_of(fabs((double)x));
    return (real)((e + 1 / e) / 2);
}

real tn_asinh(real x) {
    double a = fabs((double)x);
    if (!isfinite(x)) return x;
    return (real)copysign(log1p_of(a + a * a / (1 + sqrt(a * a + 1))), x);
}

real tn_acosh(real x) {
    double t = (double)x - 1;
    if (!(t >= 0) || x == INFINITY) return x == INFINITY ? x : NAN;
    return (real)log1p_of(t + sqrt(t * (t + 2)));
}

real tn_atanh(real x) {
    double a = fabs((double)x);
    if (!(a < 1)) return a == 1 ? x * INFINITY : NAN;
    return (real)copysign(log1p_of(2 * a / (1 - a)) / 2, x);
}

/* ---- Error function and powers --------------------------------------------------------------- */

real tn_erf(real x) {
    /* Its Taylor series by x², and (1 - erf x) · exp x² by 1/(x + 3) for 1 <= x <= 4, fitted by
     * least squares at Chebyshev's points: relative error 5e-11. */
    static const double near[] = {
        1.1283791670955126,      -0.37612638903183754,   0.11283791670955126,
        -0.026866170645131252,   0.0052239776254421879,  -0.00085483270234508533,
        0.00012055332981789664,  -1.492565035840625e-05, 1.6462114365889248e-06,
        -1.6365844691234924e-07, 1.4807192815879218e-08, -1.2290555301717928e-09};
    static const double far[] = {-3.49908334918e-06, 0.565411492672, 1.64049308196,
                                 5.81375601776,      1.22283103162,  111.30759616,
                                 -286.43456233,      1042.86226323,  -939.328114332};
    double a = fabs((double)x), square = a * a;
    if (x != x) return x;
    if (a < 1) return (real)(x * POLYNOMIAL(near, square));
    double rest = a > 4 ? 0 : exp_of(-square) * POLYNOMIAL(far, 1 / (a + 3));
    return (real)copysign(1 - rest, x);
}

static bool is_whole(real y) { return floorf(y) == y; }
static bool is_odd(real y) { return is_whole(y) && fabsf(y) < 0x1p24f && fmodf(y, 2) != 0; }

/* x is 0 or infinite, or y is infinite. */
static real limit_of_power(real x, real y) {
    if (isinf(y) && fabsf(x) == 1) return 1;
    bool large = fabsf(x) > 1, grows = large == (y > 0);
    real size = grows ? INFINITY : 0;
    return signbit(x) && is_odd(y) ? -size : size;
}

real tn_pow(real x, real y) {
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return NAN;
    if (x == 0 || isinf(x) || isinf(y)) return limit_of_power(x, y);
    if (x < 0 && !is_whole(y)) return NAN;
    double size = exp_of(y * log_of(fabs((double)x)));
    return (real)(x < 0 && is_odd(y) ? -size : size);
}

#endif
