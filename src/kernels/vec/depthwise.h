/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h: convolution of each channel by itself, channels in the lanes. For level.c only. */

/* Pixels together: their sums, what they read and three taps stay in registers. */
enum { DEPTHWISE_PIXELS = VF_LANES >= 16 ? 6 : 4, DEPTHWISE_ROW = 3, DEPTHWISE_TAPS = 9 };

/* The products of p pixels with all taps, tap after tap. */
VEC_INLINE void depthwise_scattered(int p, int lanes, const tn_depthwise *d, const int64_t *x_row,
                                    int64_t k, vf *sum) {
    for (int64_t t = 0; t < d->taps; t++) {
        const float *x = d->x + d->offset[t] + k;
        vf w = load_part(d->w + t * d->step + k, lanes);
        VEC_UNROLL for (int q = 0; q < p; q++) sum[q] =
            vf_fma(load_part(x + x_row[q], lanes), w, sum[q]);
    }
}

/* The same of pixels side by side, with three taps side by side in each row of them: each number
 * is read once for a row of taps. */
VEC_INLINE void depthwise_adjacent(int p, int lanes, const tn_depthwise *d, const int64_t *x_row,
                                   int64_t k, vf *sum) {
    for (int64_t t = 0; t < d->taps; t += DEPTHWISE_ROW) {
        const float *from = d->x + x_row[0] + d->offset[t] + k, *w = d->w + t * d->step + k;
        vf x[DEPTHWISE_PIXELS + DEPTHWISE_ROW - 1];
        VEC_UNROLL for (int q = 0; q < p + DEPTHWISE_ROW - 1; q++) x[q] =
            load_part(from + q * d->step, lanes);
        VEC_UNROLL for (int r = 0; r < DEPTHWISE_ROW; r++) {
            vf tap = load_part(w + r * d->step, lanes);
            VEC_UNROLL for (int q = 0; q < p; q++) sum[q] = vf_fma(x[q + r], tap, sum[q]);
        }
    }
}

/* Channels [k, k + lanes) of p pixels from pixel i on. */
VEC_INLINE void depthwise_vectors(int p, bool adjacent, int lanes, const tn_depthwise *d, int64_t i,
                                  int64_t k) {
    const int64_t *x_row = d->x_row + i, *y_row = d->y_row + i;
    const bounds limits = bounds_of(&d->activation);
    vf sum[DEPTHWISE_PIXELS];
    VEC_UNROLL for (int q = 0; q < p; q++) sum[q] = d->adds ? load_part(d->y + y_row[q] + k, lanes)
                                                    : d->bias ? load_part(d->bias + k, lanes)
                                                              : vf_set1(0);
    if (adjacent)
        depthwise_adjacent(p, lanes, d, x_row, k, sum);
    else
        depthwise_scattered(p, lanes, d, x_row, k, sum);
    if (d->more)
        VEC_UNROLL for (int q = 0; q < p; q++) sum[q] =
            vf_add(sum[q], load_part(d->more + y_row[q] + k, lanes));
    VEC_UNROLL for (int q = 0; q < p; q++)
        store_part(d->y + y_row[q] + k, bounded(limits, sum[q]), lanes);
}

VEC_INLINE void depthwise_pixels(int p, bool adjacent, const tn_depthwise *d, int64_t i) {
    int64_t k = 0;
    for (; k + VF_LANES <= d->channels; k += VF_LANES)
        depthwise_vectors(p, adjacent, VF_LANES, d, i, k);
    if (k < d->channels) depthwise_vectors(p, adjacent, (int)(d->channels - k), d, i, k);
}

/* Whether taps come in threes that are side by side. */
static bool depthwise_has_rows(const tn_depthwise *d) {
    if (d->taps % DEPTHWISE_ROW != 0) return false;
    for (int64_t t = 0; t < d->taps; t++)
        if (t % DEPTHWISE_ROW > 0 && d->offset[t] - d->offset[t - 1] != d->step) return false;
    return true;
}

/* How many of the pixels from i on are side by side, up to most. */
static int64_t depthwise_run(const tn_depthwise *d, int64_t i, int64_t most) {
    int64_t n = 1;
    while (n < most && i + n < d->rows && d->x_row[i + n] - d->x_row[i + n - 1] == d->step) n++;
    return n;
}

/* `n` pixels that are side by side. */
static void depthwise_together(int64_t n, const tn_depthwise *d, int64_t i) {
    switch (n) {
    case 1: depthwise_pixels(1, true, d, i); break;
    case 2: depthwise_pixels(2, true, d, i); break;
    case 3: depthwise_pixels(3, true, d, i); break;
    case 4: depthwise_pixels(4, true, d, i); break;
    case 5:
        if (DEPTHWISE_PIXELS > 4) depthwise_pixels(5, true, d, i);
        break;
    case 6:
        if (DEPTHWISE_PIXELS > 4) depthwise_pixels(6, true, d, i);
        break;
    }
}

/* Pixels anywhere. */
static int64_t depthwise_apart(const tn_depthwise *d, int64_t i) {
    if (d->rows - i >= 4) {
        depthwise_pixels(4, false, d, i);
        return 4;
    }
    depthwise_pixels(1, false, d, i);
    return 1;
}

static void depthwise(const tn_depthwise *d) {
    bool rows = depthwise_has_rows(d);
    for (int64_t i = 0, n; i < d->rows; i += n) {
        n = rows ? depthwise_run(d, i, DEPTHWISE_PIXELS) : 1;
        if (n > 1)
            depthwise_together(n, d, i);
        else
            n = depthwise_apart(d, i);
    }
    for (int64_t i = 0; i < d->rows && is_stored_first(&d->activation); i++) {
        float *y = d->y + d->y_row[i];
        activate(&d->activation, d->channels, y, NULL, y);
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
