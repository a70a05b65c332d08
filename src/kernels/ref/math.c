/* SPDX-License-Identifier: Apache-2.0 */
/* math.c: exponential and logarithm whose bits depend on no C library. The polynomials and the
 * splitting of ln 2 are those of expf and logf in Cephes (Moshier, https://www.netlib.org/cephes);
 * multiplications and additions are not fused, so that all machines agree. */
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#ifdef TN_DOUBLE

real tn_exp(real x) { return exp(x); }
real tn_log(real x) { return log(x); }
real tn_expm1(real x) { return expm1(x); }

#else

/* ln 2 in two parts; ln2_high has few enough bits that its product with an exponent is exact. */
static const float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;

static float power_of_two(int exponent) {
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* exp r - 1, where x = exponent · ln 2 + r, |r| <= ln 2 / 2. */
static float expm1_of_rest(float x, int *exponent) {
    float scaled = x * 1.44269504088896341f;
    *exponent = (int)(scaled < 0 ? scaled - 0.5f : scaled + 0.5f);
    float r = x - (float)*exponent * ln2_high - (float)*exponent * ln2_low;

    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * (r * r) + r;
}

real tn_exp(real x) {
    if (x != x) return x;
    if (x < -87.3f) return 0;
    if (x > 88.7f) return INFINITY;
    int exponent;
    float p = expm1_of_rest(x, &exponent) + 1.0f;
    /* In two steps because 2^128, needed for the largest x, is not a float. */
    int half = exponent / 2;
    return p * power_of_two(half) * power_of_two(exponent - half);
}

real tn_expm1(real x) {
    if (x != x) return x;
    if (x < -87.3f) return -1;
    int exponent;
    float p = expm1_of_rest(x, &exponent), scale = power_of_two(exponent);
    return scale * p + (scale - 1.0f);
}

real tn_log(real x) {
    if (x != x || x == INFINITY) return x;
    if (x == 0) return -INFINITY;
    if (x < 0) return NAN;

    int exponent = 0;
    if (x < 1.17549435e-38f) { /* a denormal number */
        x *= 0x1p25f;
        exponent = -25;
    }
    /* x = 2^exponent · (1 + f), 1 + f in [√½, √2) */
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    exponent += (int)(bits >> 23) - 126;
    bits = (bits & 0x007fffffu) | 0x3f000000u;
    float mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa < 0.707106781186547524f) {
        exponent--;
        mantissa += mantissa;
    }
    float f = mantissa - 1.0f;

    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float square = f * f;
    float y = p * f * square;
    y += (float)exponent * ln2_low;
    y -= 0.5f * square;
    return f + y + (float)exponent * ln2_high;
}

#endif
