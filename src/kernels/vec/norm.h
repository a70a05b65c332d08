/* SPDX-License-Identifier: Apache-2.0 */
/* norm.h: sums over rows, channel by channel, and their use. For level.c only. The operations are
 * those of ref.c in the same order, none fused; a few vectors of channels go through all rows side
 * by side, so that their sums stay in registers and do not wait for each other. */

enum { NORM_VECTORS = 4 };

VEC_INLINE void moments_part(int vectors, int lanes, int64_t rows, int64_t channels, const float *x,
                             const float *shift, float *sum, float *squares) {
    vf s[NORM_VECTORS], q[NORM_VECTORS], m[NORM_VECTORS];
    VEC_UNROLL
    for (int v = 0; v < vectors; v++) {
        s[v] = load_part(sum + v * VF_LANES, lanes);
        q[v] = load_part(squares + v * VF_LANES, lanes);
        m[v] = load_part(shift + v * VF_LANES, lanes);
    }
    for (int64_t r = 0; r < rows; r++, x += channels) {
        VEC_UNROLL
        for (int v = 0; v < vectors; v++) {
            vf d = vf_sub(load_part(x + v * VF_LANES, lanes), m[v]);
            s[v] = vf_add(s[v], d);
            q[v] = vf_add(q[v], vf_mul(d, d));
        }
    }
    VEC_UNROLL
    for (int v = 0; v < vectors; v++) {
        store_part(sum + v * VF_LANES, s[v], lanes);
        store_part(squares + v * VF_LANES, q[v], lanes);
    }
}

static void moments(int64_t rows, int64_t channels, const float *x, const float *shift, float *sum,
                    float *squares) {
    int64_t k = 0;
    for (; k + NORM_VECTORS * VF_LANES <= channels; k += NORM_VECTORS * VF_LANES)
        moments_part(NORM_VECTORS, VF_LANES, rows, channels, x + k, shift + k, sum + k,
                     squares + k);
    for (; k + VF_LANES <= channels; k += VF_LANES)
        moments_part(1, VF_LANES, rows, channels, x + k, shift + k, sum + k, squares + k);
    if (k < channels)
        moments_part(1, (int)(channels - k), rows, channels, x + k, shift + k, sum + k,
                     squares + k);
}

VEC_INLINE void moments_grad_part(int vectors, int lanes, int64_t rows, int64_t channels,
                                  const float *dy, const float *x, const float *shift, float *sum,
                                  float *dot) {
    vf s[NORM_VECTORS], q[NORM_VECTORS], m[NORM_VECTORS];
    VEC_UNROLL
    for (int v = 0; v < vectors; v++) {
        s[v] = load_part(sum + v * VF_LANES, lanes);
        q[v] = load_part(dot + v * VF_LANES, lanes);
        m[v] = load_part(shift + v * VF_LANES, lanes);
    }
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels) {
        VEC_UNROLL
        for (int v = 0; v < vectors; v++) {
            vf g = load_part(dy + v * VF_LANES, lanes);
            s[v] = vf_add(s[v], g);
            q[v] = vf_add(q[v], vf_mul(g, vf_sub(load_part(x + v * VF_LANES, lanes), m[v])));
        }
    }
    VEC_UNROLL
    for (int v = 0; v < vectors; v++) {
        store_part(sum + v * VF_LANES, s[v], lanes);
        store_part(dot + v * VF_LANES, q[v], lanes);
    }
}

static void moments_grad(int64_t rows, int64_t channels, const float *dy, const float *x,
                         const float *shift, float *sum, float *dot) {
    int64_t k = 0;
    for (; k + NORM_VECTORS * VF_LANES <= channels; k += NORM_VECTORS * VF_LANES)
        moments_grad_part(NORM_VECTORS, VF_LANES, rows, channels, dy + k, x + k, shift + k, sum + k,
                          dot + k);
    for (; k + VF_LANES <= channels; k += VF_LANES)
        moments_grad_part(1, VF_LANES, rows, channels, dy + k, x + k, shift + k, sum + k, dot + k);
    if (k < channels)
        moments_grad_part(1, (int)(channels - k), rows, channels, dy + k, x + k, shift + k, sum + k,
                          dot + k);
}

VEC_INLINE void affine_part(int lanes, const float *x, const float *shift, const float *scale,
                            const float *offset, float *y) {
    vf d = vf_sub(load_part(x, lanes), load_part(shift, lanes));
    store_part(y, vf_add(vf_mul(d, load_part(scale, lanes)), load_part(offset, lanes)), lanes);
}

static void affine(int64_t rows, int64_t channels, const float *x, const float *shift,
                   const float *scale, const float *offset, float *y) {
    for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
        int64_t k = 0;
        for (; k + VF_LANES <= channels; k += VF_LANES)
            affine_part(VF_LANES, x + k, shift + k, scale + k, offset + k, y + k);
        if (k < channels)
            affine_part((int)(channels - k), x + k, shift + k, scale + k, offset + k, y + k);
    }
}

VEC_INLINE void affine_grad_part(int lanes, const float *dy, const float *x, const float *shift,
                                 const float *a, const float *b, const float *c, float *dx) {
    vf d = vf_sub(load_part(x, lanes), load_part(shift, lanes));
    vf sum =
        vf_add(vf_mul(load_part(dy, lanes), load_part(a, lanes)), vf_mul(d, load_part(b, lanes)));
    store_part(dx, vf_add(sum, load_part(c, lanes)), lanes);
}

static void affine_grad(int64_t rows, int64_t channels, const float *dy, const float *x,
                        const float *shift, const float *a, const float *b, const float *c,
                        float *dx) {
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels, dx += channels) {
        int64_t k = 0;
        for (; k + VF_LANES <= channels; k += VF_LANES)
            affine_grad_part(VF_LANES, dy + k, x + k, shift + k, a + k, b + k, c + k, dx + k);
        if (k < channels)
            affine_grad_part((int)(channels - k), dy + k, x + k, shift + k, a + k, b + k, c + k,
                             dx + k);
    }
}
