/* SPDX-License-Identifier: Apache-2.0 */
/* norm.h: sums over rows, channel by channel, and their use. For level.c only. The operations are
 * those of ref.c in the same order, none fused; a few vectors of channels go through all rows side
 * by side, so that their sums stay in registers and do not wait for each other. */

enum { NORM_VECTORS = 4 };

enum { SUM_VECTORS = 8 };

VEC_INLINE void sum_part(int vectors, int lanes, int64_t rows, int64_t channels, const float *x,
                         float *sum) {
    vf s[SUM_VECTORS];
    VEC_UNROLL for (int v = 0; v < vectors; v++) s[v] = load_part(sum + v * VF_LANES, lanes);
    for (int64_t r = 0; r < rows; r++, x += channels)
        VEC_UNROLL for (int v = 0; v < vectors; v++) s[v] =
            vf_add(s[v], load_part(x + v * VF_LANES, lanes));
    VEC_UNROLL for (int v = 0; v < vectors; v++) store_part(sum + v * VF_LANES, s[v], lanes);
}

static void sum_rows(int64_t rows, int64_t channels, const float *x, float *sum) {
    int64_t k = 0;
    for (; k + SUM_VECTORS * VF_LANES <= channels; k += SUM_VECTORS * VF_LANES)
        sum_part(SUM_VECTORS, VF_LANES, rows, channels, x + k, sum + k);
    for (; k + 2 * VF_LANES <= channels; k += 2 * VF_LANES)
        sum_part(2, VF_LANES, rows, channels, x + k, sum + k);
    for (; k + VF_LANES <= channels; k += VF_LANES)
        sum_part(1, VF_LANES, rows, channels, x + k, sum + k);
    if (k < channels) sum_part(1, (int)(channels - k), rows, channels, x + k, sum + k);
}

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

/* The gate of channels from k on; open is known where this is inlined. */
VEC_INLINE vf gated(bool open, int lanes, vf dy, vf d, tn_gate gate, int64_t k) {
    if (open) return dy;
    vf y = vf_add(vf_mul(d, load_part(gate.scale + k, lanes)), load_part(gate.offset + k, lanes));
    return vf_and(vf_gt(y, vf_set1(0)), dy);
}

/* Channels from k on. */
VEC_INLINE void moments_grad_part(bool open, int vectors, int lanes, int64_t rows, int64_t channels,
                                  int64_t k, const float *dy, const float *x, const float *shift,
                                  tn_gate gate, float *sum, float *dot) {
    vf s[NORM_VECTORS], q[NORM_VECTORS], m[NORM_VECTORS];
    VEC_UNROLL
    for (int v = 0; v < vectors; v++) {
        s[v] = load_part(sum + k + v * VF_LANES, lanes);
        q[v] = load_part(dot + k + v * VF_LANES, lanes);
        m[v] = load_part(shift + k + v * VF_LANES, lanes);
    }
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels) {
        VEC_UNROLL
        for (int v = 0; v < vectors; v++) {
            int64_t at = k + v * VF_LANES;
            vf d = vf_sub(load_part(x + at, lanes), m[v]);
            vf g = gated(open, lanes, load_part(dy + at, lanes), d, gate, at);
            s[v] = vf_add(s[v], g);
            q[v] = vf_add(q[v], vf_mul(g, d));
        }
    }
    VEC_UNROLL
    for (int v = 0; v < vectors; v++) {
        store_part(sum + k + v * VF_LANES, s[v], lanes);
        store_part(dot + k + v * VF_LANES, q[v], lanes);
    }
}

VEC_INLINE void moments_grad_of(bool open, int64_t rows, int64_t channels, const float *dy,
                                const float *x, const float *shift, tn_gate gate, float *sum,
                                float *dot) {
    int64_t k = 0;
    for (; k + NORM_VECTORS * VF_LANES <= channels; k += NORM_VECTORS * VF_LANES)
        moments_grad_part(open, NORM_VECTORS, VF_LANES, rows, channels, k, dy, x, shift, gate, sum,
                          dot);
    for (; k + VF_LANES <= channels; k += VF_LANES)
        moments_grad_part(open, 1, VF_LANES, rows, channels, k, dy, x, shift, gate, sum, dot);
    if (k < channels)
        moments_grad_part(open, 1, (int)(channels - k), rows, channels, k, dy, x, shift, gate, sum,
                          dot);
}

static void moments_grad(int64_t rows, int64_t channels, const float *dy, const float *x,
                         const float *shift, tn_gate gate, float *sum, float *dot) {
    if (gate.offset == NULL)
        moments_grad_of(true, rows, channels, dy, x, shift, gate, sum, dot);
    else
        moments_grad_of(false, rows, channels, dy, x, shift, gate, sum, dot);
}

VEC_INLINE void affine_part(bool adds, int lanes, int64_t k, const float *x, const float *shift,
                            const float *scale, const float *offset, const float *more, vf floor,
                            float *y) {
    vf d = vf_sub(load_part(x + k, lanes), load_part(shift + k, lanes));
    vf value = vf_add(vf_mul(d, load_part(scale + k, lanes)), load_part(offset + k, lanes));
    if (adds) value = vf_add(value, load_part(more + k, lanes));
    store_part(y + k, vf_max(floor, value), lanes);
}

VEC_INLINE void affine_of(bool adds, int64_t rows, int64_t channels, const float *x,
                          const float *shift, const float *scale, const float *offset,
                          const float *more, float floor, float *y) {
    vf least = vf_set1(floor);
    for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
        int64_t k = 0;
        for (; k + VF_LANES <= channels; k += VF_LANES)
            affine_part(adds, VF_LANES, k, x, shift, scale, offset, more, least, y);
        if (k < channels)
            affine_part(adds, (int)(channels - k), k, x, shift, scale, offset, more, least, y);
        if (adds) more += channels;
    }
}

static void affine(int64_t rows, int64_t channels, const float *x, const float *shift,
                   const float *scale, const float *offset, const float *more, float floor,
                   float *y) {
    if (more == NULL)
        affine_of(false, rows, channels, x, shift, scale, offset, NULL, floor, y);
    else
        affine_of(true, rows, channels, x, shift, scale, offset, more, floor, y);
}

VEC_INLINE void affine_grad_part(bool open, int lanes, int64_t k, const float *dy, const float *x,
                                 const float *shift, tn_gate gate, const float *a, const float *b,
                                 const float *c, float *dx) {
    vf d = vf_sub(load_part(x + k, lanes), load_part(shift + k, lanes));
    vf g = gated(open, lanes, load_part(dy + k, lanes), d, gate, k);
    vf sum = vf_add(vf_mul(g, load_part(a + k, lanes)), vf_mul(d, load_part(b + k, lanes)));
    store_part(dx + k, vf_add(sum, load_part(c + k, lanes)), lanes);
}

VEC_INLINE void affine_grad_of(bool open, int64_t rows, int64_t channels, const float *dy,
                               const float *x, const float *shift, tn_gate gate, const float *a,
                               const float *b, const float *c, float *dx) {
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels, dx += channels) {
        int64_t k = 0;
        for (; k + VF_LANES <= channels; k += VF_LANES)
            affine_grad_part(open, VF_LANES, k, dy, x, shift, gate, a, b, c, dx);
        if (k < channels)
            affine_grad_part(open, (int)(channels - k), k, dy, x, shift, gate, a, b, c, dx);
    }
}

static void affine_grad(int64_t rows, int64_t channels, const float *dy, const float *x,
                        const float *shift, tn_gate gate, const float *a, const float *b,
                        const float *c, float *dx) {
    if (gate.offset == NULL)
        affine_grad_of(true, rows, channels, dy, x, shift, gate, a, b, c, dx);
    else
        affine_grad_of(false, rows, channels, dy, x, shift, gate, a, b, c, dx);
}
