/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool_2x2.h: max pooling over windows of 2x2, channels in the lanes. For level.c only. */

enum { CHANNELS_PER_BYTE = 8 };

/* VF_LANES channels, or `lanes` of them; bits are those of arg, or'ed from bit `bit` on. */
VEC_INLINE vf max_of_2x2(int lanes, int64_t channels, const float *top, const float *bottom,
                         bool relu, int bit, unsigned bits[3]) {
    vf best = load_part(top, lanes), value = load_part(top + channels, lanes);
    vf right = vf_beaten(best, value);
    best = vf_select(right, value, best);
    value = load_part(bottom, lanes);
    vf below = vf_beaten(best, value);
    best = vf_select(below, value, best);
    value = load_part(bottom + channels, lanes);
    vf both = vf_beaten(best, value);
    best = vf_select(both, value, best);
    bits[0] |= vf_bits(vf_or(vf_and_not(right, below), both)) << bit;
    bits[1] |= vf_bits(vf_or(below, both)) << bit;
    if (!relu) return best;
    bits[2] |= vf_bits(vf_gt(best, vf_set1(0))) << bit;
    return vf_max(vf_set1(0), best);
}

/* One group of channels, count <= CHANNELS_PER_BYTE of them, of one pixel. */
VEC_INLINE void pool_group(int count, int64_t channels, const float *top, const float *bottom,
                           bool relu, float *y, uint8_t *arg) {
    unsigned bits[3] = {0};
    VEC_UNROLL
    for (int v = 0; v < count; v += VF_LANES) {
        int lanes = count - v < VF_LANES ? count - v : VF_LANES;
        store_part(y + v, max_of_2x2(lanes, channels, top + v, bottom + v, relu, v, bits), lanes);
    }
    if (arg == NULL) return;
    for (int i = 0; i < (relu ? 3 : 2); i++) arg[i] = (uint8_t)bits[i];
}

VEC_INLINE void pool_2x2(int64_t n, int64_t channels, const float *top, const float *bottom,
                         bool relu, float *y, uint8_t *arg) {
    for (int64_t q = 0; q < n; q++, y += channels)
        for (int64_t k = 0; k < channels; k += CHANNELS_PER_BYTE) {
            const float *t = top + 2 * q * channels + k, *b = bottom + 2 * q * channels + k;
            if (k + CHANNELS_PER_BYTE <= channels)
                pool_group(CHANNELS_PER_BYTE, channels, t, b, relu, y + k, arg);
            else
                pool_group((int)(channels - k), channels, t, b, relu, y + k, arg);
            if (arg != NULL) arg += relu ? 3 : 2;
        }
}

static void max_pool_2x2(int64_t n, int64_t channels, const float *top, const float *bottom,
                         bool relu, float *y, uint8_t *arg) {
    bool narrow = channels == CHANNELS_PER_BYTE; /* as samples in lanes are */
    if (relu && narrow)
        pool_2x2(n, CHANNELS_PER_BYTE, top, bottom, true, y, arg);
    else if (relu)
        pool_2x2(n, channels, top, bottom, true, y, arg);
    else
        pool_2x2(n, channels, top, bottom, false, y, arg);
}

VEC_INLINE void pool_grad_group(int count, int64_t channels, const uint8_t *arg, const float *dy,
                                bool relu, float *top, float *bottom) {
    VEC_UNROLL
    for (int v = 0; v < count; v += VF_LANES) {
        int lanes = count - v < VF_LANES ? count - v : VF_LANES;
        vf d = load_part(dy + v, lanes), right = vf_from_bits(arg[0] >> v);
        vf below = vf_from_bits(arg[1] >> v);
        if (relu) d = vf_and(vf_from_bits(arg[2] >> v), d);
        vf d_top = vf_and_not(d, below), d_bottom = vf_and(d, below);
        store_part(top + v, vf_and_not(d_top, right), lanes);
        store_part(top + channels + v, vf_and(d_top, right), lanes);
        store_part(bottom + v, vf_and_not(d_bottom, right), lanes);
        store_part(bottom + channels + v, vf_and(d_bottom, right), lanes);
    }
}

VEC_INLINE void pool_2x2_grad(int64_t n, int64_t channels, const uint8_t *arg, const float *dy,
                              bool relu, float *top, float *bottom) {
    for (int64_t q = 0; q < n; q++, dy += channels)
        for (int64_t k = 0; k < channels; k += CHANNELS_PER_BYTE, arg += relu ? 3 : 2) {
            float *t = top + 2 * q * channels + k, *b = bottom + 2 * q * channels + k;
            if (k + CHANNELS_PER_BYTE <= channels)
                pool_grad_group(CHANNELS_PER_BYTE, channels, arg, dy + k, relu, t, b);
            else
                pool_grad_group((int)(channels - k), channels, arg, dy + k, relu, t, b);
        }
}

static void max_pool_2x2_grad(int64_t n, int64_t channels, const uint8_t *arg, const float *dy,
                              bool relu, float *top, float *bottom) {
    bool narrow = channels == CHANNELS_PER_BYTE;
    if (relu && narrow)
        pool_2x2_grad(n, CHANNELS_PER_BYTE, arg, dy, true, top, bottom);
    else if (relu)
        pool_2x2_grad(n, channels, arg, dy, true, top, bottom);
    else
        pool_2x2_grad(n, channels, arg, dy, false, top, bottom);
}
