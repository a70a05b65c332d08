/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h: the transforms of F(4×4, 3×3) and F(2×2, 3×3) and of their weight gradients F(3×3,
 * 4×4) and F(3×3, 2×2). For level.c only.
 *
 * Of the large form, with the points 0, ±a, ±b and infinity (tn_winograd in kernels.h), along one
 * axis: input     v0 = a²b² d0 - (a²+b²) d2 + d4       weight    u0 = g0 / a²b² v1,2 = (d4 - b² d2)
 * ± a (d3 - b² d1)            u1,2 = (g0 ± a g1 + a² g2) / na v3,4 = (d4 - a² d2) ± b (d3 - a² d1)
 * u3,4 = (g0 ± b g1 + b² g2) / nb v5 = a²b² d1 - (a²+b²) d3 + d5                  u5 = g2 output
 * y_k = a^k (m1 ± m2) + b^k (m3 ± m4), + for even k; m0 joins y0, m5 joins y3 gradient  as weight,
 * with a fourth term              taps as output, but m5 joins y2 */

enum { WINO_TAPS = 3 };

#define WINO(name) wino_4x4_##name
#define WINO_IN TN_WINOGRAD_IN
#define WINO_OUT TN_WINOGRAD_OUT

static const float wino_a = (float)TN_WINOGRAD_A, wino_b = (float)TN_WINOGRAD_B;
static const float wino_aa = (float)(TN_WINOGRAD_A * TN_WINOGRAD_A);
static const float wino_bb = (float)(TN_WINOGRAD_B * TN_WINOGRAD_B);
static const float wino_scale_0 =
    (float)(1 / (TN_WINOGRAD_A * TN_WINOGRAD_A * TN_WINOGRAD_B * TN_WINOGRAD_B));
static const float wino_scale_a =
    (float)(1 / (2 * TN_WINOGRAD_A * TN_WINOGRAD_A *
                 (TN_WINOGRAD_A * TN_WINOGRAD_A - TN_WINOGRAD_B * TN_WINOGRAD_B)));
static const float wino_scale_b =
    (float)(1 / (2 * TN_WINOGRAD_B * TN_WINOGRAD_B *
                 (TN_WINOGRAD_B * TN_WINOGRAD_B - TN_WINOGRAD_A * TN_WINOGRAD_A)));

VEC_INLINE void WINO(input_axis)(const vf d[WINO_IN], vf v[WINO_IN]) {
    vf a = vf_set1(wino_a), b = vf_set1(wino_b), minus_aa = vf_set1(-wino_aa);
    vf minus_bb = vf_set1(-wino_bb), aabb = vf_set1(wino_aa * wino_bb);
    vf minus_sum = vf_set1(-(wino_aa + wino_bb));
    vf even_a = vf_fma(minus_bb, d[2], d[4]), odd_a = vf_mul(a, vf_fma(minus_bb, d[1], d[3]));
    vf even_b = vf_fma(minus_aa, d[2], d[4]), odd_b = vf_mul(b, vf_fma(minus_aa, d[1], d[3]));
    v[0] = vf_fma(aabb, d[0], vf_fma(minus_sum, d[2], d[4]));
    v[1] = vf_add(even_a, odd_a);
    v[2] = vf_sub(even_a, odd_a);
    v[3] = vf_add(even_b, odd_b);
    v[4] = vf_sub(even_b, odd_b);
    v[5] = vf_fma(aabb, d[1], vf_fma(minus_sum, d[3], d[5]));
}

VEC_INLINE void WINO(output_axis)(const vf m[WINO_IN], vf y[WINO_OUT]) {
    vf even_a = vf_add(m[1], m[2]), odd_a = vf_sub(m[1], m[2]);
    vf even_b = vf_add(m[3], m[4]), odd_b = vf_sub(m[3], m[4]);
    y[0] = vf_add(m[0], vf_add(even_a, even_b));
    y[1] = vf_fma(vf_set1(wino_a), odd_a, vf_mul(vf_set1(wino_b), odd_b));
    y[2] = vf_fma(vf_set1(wino_aa), even_a, vf_mul(vf_set1(wino_bb), even_b));
    y[3] = vf_fma(vf_set1(wino_a * wino_aa), odd_a, vf_fma(vf_set1(wino_b * wino_bb), odd_b, m[5]));
}

VEC_INLINE void WINO(weight_axis)(const vf g[WINO_TAPS], vf u[WINO_IN]) {
    vf a = vf_set1(wino_a), b = vf_set1(wino_b), aa = vf_set1(wino_aa), bb = vf_set1(wino_bb);
    vf scale_a = vf_set1(wino_scale_a), scale_b = vf_set1(wino_scale_b);
    vf even_a = vf_fma(aa, g[2], g[0]), odd_a = vf_mul(a, g[1]);
    vf even_b = vf_fma(bb, g[2], g[0]), odd_b = vf_mul(b, g[1]);
    u[0] = vf_mul(vf_set1(wino_scale_0), g[0]);
    u[1] = vf_mul(scale_a, vf_add(even_a, odd_a));
    u[2] = vf_mul(scale_a, vf_sub(even_a, odd_a));
    u[3] = vf_mul(scale_b, vf_add(even_b, odd_b));
    u[4] = vf_mul(scale_b, vf_sub(even_b, odd_b));
    u[5] = g[2];
}

VEC_INLINE void WINO(gradient_axis)(const vf d[WINO_OUT], vf u[WINO_IN]) {
    vf aa = vf_set1(wino_aa), bb = vf_set1(wino_bb);
    const vf at_a[2] = {vf_fma(aa, d[2], d[0]), vf_fma(aa, d[3], d[1])};
    const vf at_b[2] = {vf_fma(bb, d[2], d[0]), vf_fma(bb, d[3], d[1])};
    vf scale_a = vf_set1(wino_scale_a), scale_b = vf_set1(wino_scale_b);
    vf odd_a = vf_mul(vf_set1(wino_a), at_a[1]), odd_b = vf_mul(vf_set1(wino_b), at_b[1]);
    u[0] = vf_mul(vf_set1(wino_scale_0), d[0]);
    u[1] = vf_mul(scale_a, vf_add(at_a[0], odd_a));
    u[2] = vf_mul(scale_a, vf_sub(at_a[0], odd_a));
    u[3] = vf_mul(scale_b, vf_add(at_b[0], odd_b));
    u[4] = vf_mul(scale_b, vf_sub(at_b[0], odd_b));
    u[5] = d[3];
}

VEC_INLINE void WINO(taps_axis)(const vf m[WINO_IN], vf y[WINO_TAPS]) {
    vf even_a = vf_add(m[1], m[2]), odd_a = vf_sub(m[1], m[2]);
    vf even_b = vf_add(m[3], m[4]), odd_b = vf_sub(m[3], m[4]);
    y[0] = vf_add(m[0], vf_add(even_a, even_b));
    y[1] = vf_fma(vf_set1(wino_a), odd_a, vf_mul(vf_set1(wino_b), odd_b));
    y[2] = vf_fma(vf_set1(wino_aa), even_a, vf_fma(vf_set1(wino_bb), even_b, m[5]));
}

#include "kernels/vec/winograd_form.h"
#undef WINO
#undef WINO_IN
#undef WINO_OUT

/* Of the small one, with the points 0, ±1 and infinity:
 *     input     v0 = d0 - d2, v1,2 = d2 ± d1, v3 = d3 - d1
 *     weight    u0 = g0, u1,2 = (g0 ± g1 + g2) / 2, u3 = g2
 *     output    y0 = m0 + m1 + m2, y1 = m1 - m2 + m3
 *     gradient  as weight, with two terms           taps as output, but m3 joins y2 = m1 + m2 + m3
 */

#define WINO(name) wino_2x2_##name
#define WINO_IN TN_WINOGRAD_SMALL_IN
#define WINO_OUT TN_WINOGRAD_SMALL_OUT

VEC_INLINE void WINO(input_axis)(const vf d[WINO_IN], vf v[WINO_IN]) {
    v[0] = vf_sub(d[0], d[2]);
    v[1] = vf_add(d[2], d[1]);
    v[2] = vf_sub(d[2], d[1]);
    v[3] = vf_sub(d[3], d[1]);
}

VEC_INLINE void WINO(output_axis)(const vf m[WINO_IN], vf y[WINO_OUT]) {
    y[0] = vf_add(m[0], vf_add(m[1], m[2]));
    y[1] = vf_add(m[3], vf_sub(m[1], m[2]));
}

VEC_INLINE void WINO(weight_axis)(const vf g[WINO_TAPS], vf u[WINO_IN]) {
    vf half = vf_set1(0.5f), even = vf_add(g[0], g[2]);
    u[0] = g[0];
    u[1] = vf_mul(half, vf_add(even, g[1]));
    u[2] = vf_mul(half, vf_sub(even, g[1]));
    u[3] = g[2];
}

VEC_INLINE void WINO(gradient_axis)(const vf d[WINO_OUT], vf u[WINO_IN]) {
    vf half = vf_set1(0.5f);
    u[0] = d[0];
    u[1] = vf_mul(half, vf_add(d[0], d[1]));
    u[2] = vf_mul(half, vf_sub(d[0], d[1]));
    u[3] = d[1];
}

VEC_INLINE void WINO(taps_axis)(const vf m[WINO_IN], vf y[WINO_TAPS]) {
    vf even = vf_add(m[1], m[2]);
    y[0] = vf_add(m[0], even);
    y[1] = vf_sub(m[1], m[2]);
    y[2] = vf_add(m[3], even);
}

#include "kernels/vec/winograd_form.h"
#undef WINO
#undef WINO_IN
#undef WINO_OUT
