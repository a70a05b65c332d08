/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h: the transforms of F(4×4, 3×3) and of its weight gradient F(3×3, 4×4), channels in the
 * lanes. For level.c only.
 *
 * With the points 0, ±a, ±b and infinity (tn_winograd in kernels.h), along one axis:
 *     input     v0 = a²b² d0 - (a²+b²) d2 + d4       weight    u0 = g0 / a²b²
 *               v1,2 = (d4 - b² d2) ± a (d3 - b² d1)            u1,2 = (g0 ± a g1 + a² g2) / na
 *               v3,4 = (d4 - a² d2) ± b (d3 - a² d1)            u3,4 = (g0 ± b g1 + b² g2) / nb
 *               v5 = a²b² d1 - (a²+b²) d3 + d5                  u5 = g2
 *     output    y_k = a^k (m1 ± m2) + b^k (m3 ± m4), + for even k; m0 joins y0, m5 joins y3
 *     gradient  as weight, with a fourth term              taps as output, but m5 joins y2 */

enum { WINO_IN = TN_WINOGRAD_IN, WINO_OUT = TN_WINOGRAD_OUT, WINO_TAPS = 3 };

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

VEC_INLINE void wino_input_axis(const vf d[WINO_IN], vf v[WINO_IN]) {
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

VEC_INLINE void wino_output_axis(const vf m[WINO_IN], vf y[WINO_OUT]) {
    vf even_a = vf_add(m[1], m[2]), odd_a = vf_sub(m[1], m[2]);
    vf even_b = vf_add(m[3], m[4]), odd_b = vf_sub(m[3], m[4]);
    y[0] = vf_add(m[0], vf_add(even_a, even_b));
    y[1] = vf_fma(vf_set1(wino_a), odd_a, vf_mul(vf_set1(wino_b), odd_b));
    y[2] = vf_fma(vf_set1(wino_aa), even_a, vf_mul(vf_set1(wino_bb), even_b));
    y[3] = vf_fma(vf_set1(wino_a * wino_aa), odd_a, vf_fma(vf_set1(wino_b * wino_bb), odd_b, m[5]));
}

VEC_INLINE void wino_weight_axis(const vf g[WINO_TAPS], vf u[WINO_IN]) {
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

VEC_INLINE void wino_gradient_axis(const vf d[WINO_OUT], vf u[WINO_IN]) {
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

VEC_INLINE void wino_taps_axis(const vf m[WINO_IN], vf y[WINO_TAPS]) {
    vf even_a = vf_add(m[1], m[2]), odd_a = vf_sub(m[1], m[2]);
    vf even_b = vf_add(m[3], m[4]), odd_b = vf_sub(m[3], m[4]);
    y[0] = vf_add(m[0], vf_add(even_a, even_b));
    y[1] = vf_fma(vf_set1(wino_a), odd_a, vf_mul(vf_set1(wino_b), odd_b));
    y[2] = vf_fma(vf_set1(wino_aa), even_a, vf_fma(vf_set1(wino_bb), even_b, m[5]));
}

VEC_INLINE void wino_weight_lanes(const tn_winograd *w, int64_t c, int lanes) {
    vf half[3][WINO_IN], g[3], u[WINO_IN];
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 3; i++)
            g[i] = load_part(w->image + i * w->row_step + j * w->pixel_step + c, lanes);
        wino_weight_axis(g, half[j]);
    }
    for (int i = 0; i < WINO_IN; i++) {
        for (int j = 0; j < 3; j++) g[j] = half[j][i];
        wino_weight_axis(g, u);
        for (int j = 0; j < WINO_IN; j++)
            store_part(w->parts + (i * WINO_IN + j) * w->part_step + c, u[j], lanes);
    }
}

VEC_INLINE void wino_input_lanes(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_IN][WINO_IN], d[WINO_IN], v[WINO_IN];
    VEC_UNROLL for (int j = 0; j < WINO_IN; j++) {
        const float *x = w->image + j * w->pixel_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) d[i] = load_part(x + i * w->row_step, lanes);
        wino_input_axis(d, v);
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) half[i][j] = v[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_IN; i++) {
        float *to = w->parts + i * WINO_IN * w->part_step + c;
        wino_input_axis(half[i], v);
        VEC_UNROLL for (int j = 0; j < WINO_IN; j++) store_part(to + j * w->part_step, v[j], lanes);
    }
}

VEC_INLINE void wino_output_lanes(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_OUT][WINO_IN], m[WINO_IN], y[WINO_OUT], floor = vf_set1(w->floor);
    vf bias = w->bias ? load_part(w->bias + c, lanes) : vf_set1(0);
    VEC_UNROLL for (int j = 0; j < WINO_IN; j++) {
        const float *from = w->parts + j * w->part_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) m[i] =
            load_part(from + i * WINO_IN * w->part_step, lanes);
        wino_output_axis(m, y);
        VEC_UNROLL for (int i = 0; i < WINO_OUT; i++) half[i][j] = y[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_OUT; i++) {
        float *to = w->result + i * w->row_step + c;
        wino_output_axis(half[i], y);
        VEC_UNROLL for (int j = 0; j < WINO_OUT; j++)
            store_part(to + j * w->pixel_step, vf_max(floor, vf_add(bias, y[j])), lanes);
    }
}

VEC_INLINE void wino_gradient_lanes(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_IN][WINO_OUT], d[WINO_OUT], u[WINO_IN];
    VEC_UNROLL for (int j = 0; j < WINO_OUT; j++) {
        const float *dy = w->image + j * w->pixel_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_OUT; i++) d[i] = load_part(dy + i * w->row_step, lanes);
        wino_gradient_axis(d, u);
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) half[i][j] = u[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_IN; i++) {
        float *to = w->parts + i * WINO_IN * w->part_step + c;
        wino_gradient_axis(half[i], u);
        VEC_UNROLL for (int j = 0; j < WINO_IN; j++) store_part(to + j * w->part_step, u[j], lanes);
    }
}

VEC_INLINE void wino_taps_lanes(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_TAPS][WINO_IN], m[WINO_IN], y[WINO_TAPS];
    VEC_UNROLL for (int j = 0; j < WINO_IN; j++) {
        const float *from = w->parts + j * w->part_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) m[i] =
            load_part(from + i * WINO_IN * w->part_step, lanes);
        wino_taps_axis(m, y);
        VEC_UNROLL for (int i = 0; i < WINO_TAPS; i++) half[i][j] = y[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_TAPS; i++) {
        float *to = w->result + i * w->row_step + c;
        wino_taps_axis(half[i], y);
        VEC_UNROLL for (int j = 0; j < WINO_TAPS; j++) {
            float *tap = to + j * w->pixel_step;
            store_part(tap, vf_add(load_part(tap, lanes), y[j]), lanes);
        }
    }
}

static void winograd_weight(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) wino_weight_lanes(w, c, VF_LANES);
    if (c < w->channels) wino_weight_lanes(w, c, (int)(w->channels - c));
}

static void winograd_input(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) wino_input_lanes(w, c, VF_LANES);
    if (c < w->channels) wino_input_lanes(w, c, (int)(w->channels - c));
}

static void winograd_output(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) wino_output_lanes(w, c, VF_LANES);
    if (c < w->channels) wino_output_lanes(w, c, (int)(w->channels - c));
}

static void winograd_gradient(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) wino_gradient_lanes(w, c, VF_LANES);
    if (c < w->channels) wino_gradient_lanes(w, c, (int)(w->channels - c));
}

static void winograd_taps(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) wino_taps_lanes(w, c, VF_LANES);
    if (c < w->channels) wino_taps_lanes(w, c, (int)(w->channels - c));
}
