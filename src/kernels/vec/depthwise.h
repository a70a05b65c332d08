/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h: convolution of each channel by itself, channels in the lanes. For level.c only. */

enum { DEPTHWISE_VECTORS = 4, DEPTHWISE_TAPS = 9 };

/* `n` vectors of channels from k on (rest channels of one vector if rest > 0) of one pixel. */
VEC_INLINE void depthwise_pixel(int n, int rest, const tn_depthwise *d, const float *x,
                                const float *start, const float *more, int64_t k, float *y) {
    vf sum[DEPTHWISE_VECTORS];
    const bounds limits = bounds_of(&d->activation);
    int lanes = rest > 0 ? rest : VF_LANES;
    VEC_UNROLL for (int v = 0; v < n; v++) sum[v] =
        start ? load_part(start + k + v * VF_LANES, lanes) : vf_set1(0);
    for (int64_t t = 0; t < d->taps; t++) {
        const float *tap = x + d->offset[t] + k, *w = d->w + t * d->channels + k;
        VEC_UNROLL for (int v = 0; v < n; v++) sum[v] = vf_fma(
            load_part(tap + v * VF_LANES, lanes), load_part(w + v * VF_LANES, lanes), sum[v]);
    }
    if (more)
        VEC_UNROLL for (int v = 0; v < n; v++) sum[v] =
            vf_add(sum[v], load_part(more + k + v * VF_LANES, lanes));
    VEC_UNROLL for (int v = 0; v < n; v++)
        store_part(y + k + v * VF_LANES, bounded(limits, sum[v]), lanes);
}

static void depthwise(const tn_depthwise *d) {
    for (int64_t i = 0; i < d->rows; i++) {
        const float *x = d->x + d->x_row[i];
        float *y = d->y + d->y_row[i];
        const float *start = d->adds ? y : d->bias, *more = d->more ? d->more + d->y_row[i] : NULL;
        int64_t k = 0;
        for (; k + DEPTHWISE_VECTORS * VF_LANES <= d->channels; k += DEPTHWISE_VECTORS * VF_LANES)
            depthwise_pixel(DEPTHWISE_VECTORS, 0, d, x, start, more, k, y);
        for (; k + VF_LANES <= d->channels; k += VF_LANES)
            depthwise_pixel(1, 0, d, x, start, more, k, y);
        if (k < d->channels) depthwise_pixel(1, (int)(d->channels - k), d, x, start, more, k, y);
        if (is_stored_first(&d->activation)) activate(&d->activation, d->channels, y, NULL, y);
    }
}

/* Taps [t, t + n) of one vector of channels, held in registers over all pixels. */
VEC_INLINE void depthwise_taps(int n, const tn_depthwise_weight *d, int64_t t, int64_t k,
                               int lanes) {
    vf sum[DEPTHWISE_TAPS];
    const int64_t *offset = d->offset + t;
    float *dw = d->dw + t * d->channels + k;
    VEC_UNROLL for (int v = 0; v < n; v++) sum[v] = load_part(dw + v * d->channels, lanes);
    for (int64_t i = 0; i < d->rows; i++) {
        const float *x = d->x + d->x_row[i] + k;
        vf dy = load_part(d->dy + i * d->channels + k, lanes);
        VEC_UNROLL for (int v = 0; v < n; v++) sum[v] =
            vf_fma(load_part(x + offset[v], lanes), dy, sum[v]);
    }
    VEC_UNROLL for (int v = 0; v < n; v++) store_part(dw + v * d->channels, sum[v], lanes);
}

static void depthwise_weight(const tn_depthwise_weight *d) {
    for (int64_t k = 0; k < d->channels; k += VF_LANES) {
        int lanes = d->channels - k < VF_LANES ? (int)(d->channels - k) : VF_LANES;
        int64_t t = 0;
        for (; lanes == VF_LANES && t + DEPTHWISE_TAPS <= d->taps; t += DEPTHWISE_TAPS)
            depthwise_taps(DEPTHWISE_TAPS, d, t, k, VF_LANES);
        for (; lanes == VF_LANES && t + 3 <= d->taps; t += 3) depthwise_taps(3, d, t, k, VF_LANES);
        for (; t < d->taps; t++) depthwise_taps(1, d, t, k, lanes);
    }
}
