/* SPDX-License-Identifier: Apache-2.0 */
#include "base/half.h"

#include <math.h>

/* A format of 1 bit of sign, then exponent, then mantissa bits, 16 together. */
typedef struct format {
    int mantissa, bias, most; /* bits; of the exponent; the exponent of infinity */
} format;

static const format float16 = {10, 15, 31}, bfloat16 = {7, 127, 255};

static double to_double(format f, uint16_t bits) {
    int exponent = bits >> f.mantissa & f.most, mantissa = bits & ((1 << f.mantissa) - 1);
    double x;
    if (exponent == f.most)
        x = mantissa ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        x = ldexp(mantissa, 1 - f.bias - f.mantissa);
    else
        x = ldexp(mantissa + (1 << f.mantissa), exponent - f.bias - f.mantissa);
    return bits >> 15 ? -x : x;
}

/* Units of the last place that x is, ties to even; x is not negative and below 2^52 of them. */
static int64_t rounded(double x) {
    int64_t whole = (int64_t)x;
    double rest = x - (double)whole;
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 == 1));
}

static uint16_t from_double(format f, double x) {
    int sign = signbit(x) ? 1 << 15 : 0, infinity = f.most << f.mantissa, exponent;
    if (isnan(x)) return (uint16_t)(sign | infinity | 1 << (f.mantissa - 1));
    x = fabs(x);
    if (isinf(x)) return (uint16_t)(sign | infinity);
    (void)frexp(x, &exponent);
    exponent = exponent - 1 < 1 - f.bias ? 1 - f.bias : exponent - 1; /* of the least: subnormal */
    if (exponent > f.bias) return (uint16_t)(sign | infinity);
    /* What the mantissa overflows by goes on into the exponent, and there to infinity. */
    int64_t units = rounded(ldexp(x, f.mantissa - exponent));
    int64_t bits = units + ((int64_t)(exponent + f.bias - 1) << f.mantissa);
    return (uint16_t)(sign | (bits < infinity ? bits : infinity));
}

double tn_float16_to_double(uint16_t bits) { return to_double(float16, bits); }
double tn_bfloat16_to_double(uint16_t bits) { return to_double(bfloat16, bits); }
uint16_t tn_float16_from_double(double x) { return from_double(float16, x); }
uint16_t tn_bfloat16_from_double(double x) { return from_double(bfloat16, x); }
