/* SPDX-License-Identifier: Apache-2.0 */
/* lanes_winograd.h: the transforms of Winograd's algorithm along the rows of images in lanes
 * (tn_lanes_winograd in kernels.h). For level.c only.
 *
 * With the points 0, ±1, ±2, ±1/2 and infinity; e and o are sums over even and odd k, p a point:
 *     input    v0 = (d6 - d0) + 21/4 (d2 - d4)     v7 = (d7 - d1) + 21/4 (d3 - d5)
 *              v(±p) = e ± p o, e = d6 - b d4 + a d2, o = d5 - b d3 + a d1, where
 *              x⁴ - b x² + a is the product of x² - q² for the two other q
 *     values   u0 = d0, u(±p) = e ± p o, e = d0 + p² d2 + ..., o = d1 + p² d3 + ..., u7 the last d
 *     sums     the transpose of values, back that of input */

enum {
    LINE_PARTS = TN_LANES_WINOGRAD_PARTS,
    LINE_LEAST_OUT = 4,
    LINE_MOST_OUT = 6,
    LINE_MOST_TAPS = 5
};

/* v+ and v- of a pair of points. */
VEC_INLINE void line_pair(float p, vf even, vf odd, vf v[2]) {
    v[0] = p == 1 ? vf_add(even, odd) : vf_fma(vf_set1(p), odd, even);
    v[1] = p == 1 ? vf_sub(even, odd) : vf_fma(vf_set1(-p), odd, even);
}

VEC_INLINE void line_input_pair(float p, float a, float b, const vf d[LINE_PARTS], vf v[2]) {
    vf even =
        vf_fma(vf_set1(-b), d[4], a == 1 ? vf_add(d[2], d[6]) : vf_fma(vf_set1(a), d[2], d[6]));
    vf odd =
        vf_fma(vf_set1(-b), d[3], a == 1 ? vf_add(d[1], d[5]) : vf_fma(vf_set1(a), d[1], d[5]));
    line_pair(p, even, odd, v);
}

VEC_INLINE void line_input(const vf d[LINE_PARTS], vf v[LINE_PARTS]) {
    const vf c = vf_set1(5.25f);
    v[0] = vf_fma(c, vf_sub(d[2], d[4]), vf_sub(d[6], d[0]));
    line_input_pair(1, 1, 4.25f, d, v + 1);
    line_input_pair(2, 0.25f, 1.25f, d, v + 3);
    line_input_pair(0.5f, 4, 5, d, v + 5);
    v[7] = vf_fma(c, vf_sub(d[3], d[5]), vf_sub(d[7], d[1]));
}

VEC_INLINE void line_back(const vf m[LINE_PARTS], vf z[LINE_PARTS]) {
    const vf c = vf_set1(5.25f), minus_c = vf_set1(-5.25f), d = vf_set1(-4.25f), h = vf_set1(0.5f);
    const vf q = vf_set1(0.25f), two = vf_set1(2), four = vf_set1(4);
    vf s1 = vf_add(m[1], m[2]), s2 = vf_add(m[3], m[4]), s3 = vf_add(m[5], m[6]);
    vf t1 = vf_sub(m[1], m[2]), t2 = vf_sub(m[3], m[4]), t3 = vf_sub(m[5], m[6]);
    z[0] = vf_sub(vf_set1(0), m[0]);
    z[1] = vf_fma(two, t3, vf_fma(h, t2, vf_sub(t1, m[7])));
    z[2] = vf_fma(four, s3, vf_fma(q, s2, vf_fma(c, m[0], s1)));
    z[3] = vf_fma(vf_set1(-2.5f), vf_add(t2, t3), vf_fma(d, t1, vf_mul(c, m[7])));
    z[4] =
        vf_fma(vf_set1(-5), s3, vf_fma(vf_set1(-1.25f), s2, vf_fma(d, s1, vf_mul(minus_c, m[0]))));
    z[5] = vf_fma(h, t3, vf_fma(two, t2, vf_fma(minus_c, m[7], t1)));
    z[6] = vf_add(vf_add(m[0], s1), vf_add(s2, s3));
    z[7] = m[7];
}

VEC_INLINE void line_values_pair(float p, int n, const vf *d, vf u[2]) {
    vf square = vf_set1(p * p), even = d[(n - 1) / 2 * 2], odd = d[n / 2 * 2 - 1];
    VEC_UNROLL for (int k = n - 3; k >= 0; k--) {
        vf *sum = k % 2 ? &odd : &even;
        *sum = p == 1 ? vf_add(*sum, d[k]) : vf_fma(square, *sum, d[k]);
    }
    line_pair(p, even, odd, u);
}

VEC_INLINE void line_values(int n, const vf *d, vf u[LINE_PARTS]) {
    u[0] = d[0];
    line_values_pair(1, n, d, u + 1);
    line_values_pair(2, n, d, u + 3);
    line_values_pair(0.5f, n, d, u + 5);
    u[7] = d[n - 1];
}

VEC_INLINE void line_sums(int n, const vf m[LINE_PARTS], vf *y) {
    vf s1 = vf_add(m[1], m[2]), s2 = vf_add(m[3], m[4]), s3 = vf_add(m[5], m[6]);
    vf t1 = vf_sub(m[1], m[2]), t2 = vf_sub(m[3], m[4]), t3 = vf_sub(m[5], m[6]);
    y[0] = vf_add(vf_add(m[0], s1), vf_add(s2, s3));
    VEC_UNROLL for (int k = 1; k < n; k++) {
        const float power = (float)(1 << k);
        vf up = vf_set1(power), down = vf_set1(1 / power);
        y[k] = k % 2 ? vf_fma(down, t3, vf_fma(up, t2, t1)) : vf_fma(down, s3, vf_fma(up, s2, s1));
    }
    y[n - 1] = vf_add(y[n - 1], m[7]);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Points [0, n) of a row from column `first` on, 0 beyond its ends. */
VEC_INLINE void line_load(const float *row, int64_t first, int64_t width, int n, vf *d) {
    if (first >= 0 && first + n <= width) {
        VEC_UNROLL for (int k = 0; k < n; k++) d[k] = vf_load(row + (first + k) * TN_LANES);
    } else {
        VEC_UNROLL for (int k = 0; k < n; k++) {
            bool inside = first + k >= 0 && first + k < width;
            d[k] = inside ? vf_load(row + (first + k) * TN_LANES) : vf_set1(0);
        }
    }
}

VEC_INLINE void line_store(float *row, int64_t first, int64_t width, int n, const vf *d) {
    if (first >= 0 && first + n <= width) {
        VEC_UNROLL for (int k = 0; k < n; k++) vf_store(row + (first + k) * TN_LANES, d[k]);
    } else {
        VEC_UNROLL for (int k = 0; k < n; k++) if (first + k >= 0 && first + k < width)
            vf_store(row + (first + k) * TN_LANES, d[k]);
    }
}

VEC_INLINE void line_load_parts(const float *parts, int64_t step, vf m[LINE_PARTS]) {
    VEC_UNROLL for (int k = 0; k < LINE_PARTS; k++) m[k] = vf_load(parts + k * step);
}

VEC_INLINE void line_store_parts(float *parts, int64_t step, const vf v[LINE_PARTS]) {
    VEC_UNROLL for (int k = 0; k < LINE_PARTS; k++) vf_store(parts + k * step, v[k]);
}

/* A row is walked tile by tile; `out` is a constant in each of the two copies of a loop. */

VEC_INLINE void line_input_row(const tn_lanes_winograd *w, int out, const float *x, float *parts) {
    for (int64_t t = 0; t < w->tiles; t++) {
        vf d[LINE_PARTS], v[LINE_PARTS];
        line_load(x, t * out - w->before, w->width, LINE_PARTS, d);
        line_input(d, v);
        line_store_parts(parts + t * TN_LANES, w->part_step, v);
    }
}

VEC_INLINE void line_gradient_row(const tn_lanes_winograd *w, int out, const float *dy,
                                  float *parts) {
    for (int64_t t = 0; t < w->tiles; t++) {
        vf d[LINE_MOST_OUT], u[LINE_PARTS];
        line_load(dy, t * out, w->width, out, d);
        line_values(out, d, u);
        line_store_parts(parts + t * TN_LANES, w->part_step, u);
    }
}

VEC_INLINE void line_output_row(const tn_lanes_winograd *w, int out, const float *parts, float *y) {
    const vf bias = vf_set1(w->bias), floor = vf_set1(w->floor);
    for (int64_t t = 0; t < w->tiles; t++) {
        vf m[LINE_PARTS], d[LINE_MOST_OUT];
        line_load_parts(parts + t * TN_LANES, w->part_step, m);
        line_sums(out, m, d);
        VEC_UNROLL for (int k = 0; k < out; k++) d[k] = vf_max(floor, vf_add(bias, d[k]));
        line_store(y, t * out, w->width, out, d);
    }
}

/* A tile shares its last points with the next one: they wait in `rest`. */
VEC_INLINE void line_back_row(const tn_lanes_winograd *w, int out, const float *parts, float *dx) {
    const int shared = LINE_PARTS - out;
    vf rest[LINE_PARTS - LINE_LEAST_OUT];
    VEC_UNROLL for (int k = 0; k < shared; k++) rest[k] = vf_set1(0);
    for (int64_t t = 0; t < w->tiles; t++) {
        vf m[LINE_PARTS], z[LINE_PARTS];
        line_load_parts(parts + t * TN_LANES, w->part_step, m);
        line_back(m, z);
        VEC_UNROLL for (int k = 0; k < shared; k++) z[k] = vf_add(rest[k], z[k]);
        line_store(dx, t * out - w->before, w->width, out, z);
        VEC_UNROLL for (int k = 0; k < shared; k++) rest[k] = z[out + k];
    }
    line_store(dx, w->tiles * out - w->before, w->width, shared, rest);
}

/* Where row i lies from a lane on. */
VEC_INLINE const float *line_image(const tn_lanes_winograd *w, int64_t i, int lane) {
    return w->image + i * w->row_step + lane;
}

VEC_INLINE float *line_result(const tn_lanes_winograd *w, int64_t i, int lane) {
    return w->result + i * w->row_step + lane;
}

VEC_INLINE float *line_parts(const tn_lanes_winograd *w, int64_t i, int lane) {
    return w->parts + i * w->tiles * TN_LANES + lane;
}

static void lanes_winograd_input(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->rows; i++)
        for (int l = 0; l < TN_LANES; l += VF_LANES)
            if (w->taps == 5)
                line_input_row(w, 4, line_image(w, i, l), line_parts(w, i, l));
            else
                line_input_row(w, 6, line_image(w, i, l), line_parts(w, i, l));
}

static void lanes_winograd_gradient(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->rows; i++)
        for (int l = 0; l < TN_LANES; l += VF_LANES)
            if (w->taps == 5)
                line_gradient_row(w, 4, line_image(w, i, l), line_parts(w, i, l));
            else
                line_gradient_row(w, 6, line_image(w, i, l), line_parts(w, i, l));
}

static void lanes_winograd_output(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->rows; i++)
        for (int l = 0; l < TN_LANES; l += VF_LANES)
            if (w->taps == 5)
                line_output_row(w, 4, line_parts(w, i, l), line_result(w, i, l));
            else
                line_output_row(w, 6, line_parts(w, i, l), line_result(w, i, l));
}

static void lanes_winograd_back(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->rows; i++)
        for (int l = 0; l < TN_LANES; l += VF_LANES)
            if (w->taps == 5)
                line_back_row(w, 4, line_parts(w, i, l), line_result(w, i, l));
            else
                line_back_row(w, 6, line_parts(w, i, l), line_result(w, i, l));
}

/* ---- Weights --------------------------------------------------------------------------------- */

/* One over the product of the distances from each point to the others. */
static const float line_scale[LINE_PARTS] = {-1,        -2.0f / 9,  -2.0f / 9,  1.0f / 90,
                                             1.0f / 90, 32.0f / 45, 32.0f / 45, 1};

VEC_INLINE void line_weight(const tn_lanes_winograd *w, int taps, int64_t i, int lanes) {
    vf g[LINE_MOST_TAPS], u[LINE_PARTS];
    VEC_UNROLL for (int k = 0; k < taps; k++) g[k] =
        load_part(w->image + k * w->row_step + i, lanes);
    line_values(taps, g, u);
    VEC_UNROLL for (int k = 0; k < LINE_PARTS; k++)
        store_part(w->parts + k * w->part_step + i, vf_mul(vf_set1(line_scale[k]), u[k]), lanes);
}

VEC_INLINE void line_taps(const tn_lanes_winograd *w, int taps, int64_t i, int lanes) {
    vf m[LINE_PARTS], dw[LINE_MOST_TAPS];
    VEC_UNROLL for (int k = 0; k < LINE_PARTS; k++) m[k] =
        vf_mul(vf_set1(line_scale[k]), load_part(w->parts + k * w->part_step + i, lanes));
    line_sums(taps, m, dw);
    VEC_UNROLL for (int k = 0; k < taps; k++) {
        float *to = w->result + k * w->row_step + i;
        store_part(to, vf_add(load_part(to, lanes), dw[k]), lanes);
    }
}

static void lanes_winograd_weight(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->width; i += VF_LANES) {
        int lanes = (int)(w->width - i < VF_LANES ? w->width - i : VF_LANES);
        if (w->taps == 5)
            line_weight(w, 5, i, lanes);
        else
            line_weight(w, 3, i, lanes);
    }
}

static void lanes_winograd_taps(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->width; i += VF_LANES) {
        int lanes = (int)(w->width - i < VF_LANES ? w->width - i : VF_LANES);
        if (w->taps == 5)
            line_taps(w, 5, i, lanes);
        else
            line_taps(w, 3, i, lanes);
    }
}
