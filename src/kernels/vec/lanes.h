/* SPDX-License-Identifier: Apache-2.0 */
/* lanes.h: the other kernels for samples in lanes. For level.c only. A point is TN_LANES / VF_LANES
 * vectors; where it is more than one, each is a tile of its own. */

/* ---- Sums over lanes ------------------------------------------------------------------------- */

/* The first `lanes` numbers of a point from a lane on, 0 in place of the others. */
VEC_INLINE vf load_lanes(const float *x, int lane, int lanes) {
    if (lanes >= lane + VF_LANES) return vf_load(x + lane);
    return lanes > lane ? vf_load_n(x + lane, lanes - lane) : vf_set1(0);
}

/* Of each of VF_LANES neighbouring points, its lanes summed. */
VEC_INLINE vf sum_lanes(const float *x, int lanes) {
    vf sum = vf_set1(0);
    VEC_UNROLL for (int lane = 0; lane < TN_LANES; lane += VF_LANES) {
        vf point[VF_LANES];
        VEC_UNROLL for (int i = 0; i < VF_LANES; i++) point[i] =
            load_lanes(x + i * TN_LANES, lane, lanes);
        sum = lane == 0 ? vf_sum_rows(point) : vf_add(sum, vf_sum_rows(point));
    }
    return sum;
}

/* ---- Gradients of weights -------------------------------------------------------------------- */

/* 3 taps × 4 outputs are 12 accumulators for 7 loads. Sums wait in a block of taps while a band of
 * rows, small enough for the first-level cache, passes through all of them. */
enum { WEIGHT_TAPS = 3, WEIGHT_OUTPUTS = 4, WEIGHT_BLOCK = 30, BAND_BYTES = 8192 };

/* sum[t][k] (+)= Σ over a band for taps t < m, outputs k < n; sum is [m][n] points. */
VEC_INLINE void weight_tile(int m, int n, const tn_lanes_weight *w, const int64_t *offset,
                            int64_t rows, const float *x, const float *dy, bool from_zero,
                            float *sum) {
    vf acc[WEIGHT_TAPS][WEIGHT_OUTPUTS];
    VEC_UNROLL for (int t = 0; t < m; t++) {
        VEC_UNROLL for (int k = 0; k < n; k++) acc[t][k] =
            from_zero ? vf_set1(0) : vf_load(sum + (t * n + k) * TN_LANES);
    }
    for (int64_t r = 0; r < rows; r++, x += w->x_row, dy += w->y_row) {
        const float *at[WEIGHT_TAPS], *d = dy;
        VEC_UNROLL for (int t = 0; t < m; t++) at[t] = x + offset[t];
        for (int64_t c = 0; c < w->columns; c++, d += w->y_column) {
            vf of_dy[WEIGHT_OUTPUTS];
            VEC_UNROLL for (int k = 0; k < n; k++) of_dy[k] = vf_load(d + k * w->y_output);
            VEC_UNROLL for (int t = 0; t < m; t++) {
                vf of_x = vf_load(at[t]);
                at[t] += w->x_column;
                VEC_UNROLL for (int k = 0; k < n; k++) acc[t][k] =
                    vf_fma(of_x, of_dy[k], acc[t][k]);
            }
        }
    }
    VEC_UNROLL for (int t = 0; t < m; t++) {
        VEC_UNROLL for (int k = 0; k < n; k++) vf_store(sum + (t * n + k) * TN_LANES, acc[t][k]);
    }
}

/* dw[w_offset[t] + k] += the lanes of sum[t][k], t < taps, k < n. */
VEC_INLINE void weight_add(int n, int64_t taps, const int64_t *w_offset, int lanes,
                           const float *sum, float *dw) {
    float total[WEIGHT_BLOCK * WEIGHT_OUTPUTS + VF_LANES];
    for (int64_t i = 0; i < taps * n; i += VF_LANES)
        vf_store(total + i, lanes == TN_LANES ? sum_lanes(sum + i * TN_LANES, TN_LANES)
                                              : sum_lanes(sum + i * TN_LANES, lanes));
    for (int64_t t = 0; t < taps; t++) {
        float sum_of[WEIGHT_OUTPUTS], *to = dw + w_offset[t];
        VEC_UNROLL for (int k = 0; k < n; k++) sum_of[k] = to[k] + total[t * n + k];
        VEC_UNROLL for (int k = 0; k < n; k++) to[k] = sum_of[k];
    }
}

/* A block of taps from `first` on, n outputs from j on. */
VEC_INLINE void weight_block(int n, const tn_lanes_weight *w, int64_t first, int64_t taps,
                             int64_t j) {
    /* some more than used: sum_lanes takes VF_LANES points at a time */
    float sum[(WEIGHT_BLOCK * WEIGHT_OUTPUTS + VF_LANES) * TN_LANES];
    if (w->rows < 1) return;
    memset(sum + taps * n * TN_LANES, 0, VF_LANES * TN_LANES * sizeof *sum);
    int64_t row_bytes = w->columns * n * TN_LANES * (int64_t)sizeof(float);
    int64_t band = row_bytes > 0 ? BAND_BYTES / row_bytes : 0;
    if (band < 1) band = 1;
    for (int64_t r = 0; r < w->rows; r += band) {
        int64_t rows = w->rows - r < band ? w->rows - r : band;
        for (int lane = 0; lane < TN_LANES; lane += VF_LANES) {
            const float *x = w->x + r * w->x_row + lane;
            const float *dy = w->dy + r * w->y_row + j * w->y_output + lane;
            int64_t t = 0;
            for (; t + WEIGHT_TAPS <= taps; t += WEIGHT_TAPS)
                weight_tile(WEIGHT_TAPS, n, w, w->offset + first + t, rows, x, dy, r == 0,
                            sum + t * n * TN_LANES + lane);
            for (; t + 2 <= taps; t += 2)
                weight_tile(2, n, w, w->offset + first + t, rows, x, dy, r == 0,
                            sum + t * n * TN_LANES + lane);
            if (t < taps)
                weight_tile(1, n, w, w->offset + first + t, rows, x, dy, r == 0,
                            sum + t * n * TN_LANES + lane);
        }
    }
    weight_add(n, taps, w->w_offset + first, w->lanes, sum, w->dw + j);
}

VEC_INLINE void weight_columns(int n, const tn_lanes_weight *w, int64_t j) {
    for (int64_t t = 0; t < w->depth; t += WEIGHT_BLOCK) {
        int64_t taps = w->depth - t < WEIGHT_BLOCK ? w->depth - t : WEIGHT_BLOCK;
        weight_block(n, w, t, taps, j);
    }
}

static void weight_columns_1(const tn_lanes_weight *w, int64_t j) { weight_columns(1, w, j); }
static void weight_columns_2(const tn_lanes_weight *w, int64_t j) { weight_columns(2, w, j); }
static void weight_columns_3(const tn_lanes_weight *w, int64_t j) { weight_columns(3, w, j); }
static void weight_columns_4(const tn_lanes_weight *w, int64_t j) { weight_columns(4, w, j); }

static void lanes_weight(const tn_lanes_weight *w) {
    static void (*const columns[])(const tn_lanes_weight *, int64_t) = {
        weight_columns_1, weight_columns_2, weight_columns_3, weight_columns_4};
    int64_t blocks = (w->outputs + WEIGHT_OUTPUTS - 1) / WEIGHT_OUTPUTS;
    for (int64_t b = 0, j = 0; b < blocks; b++) {
        int64_t end = (b + 1) * w->outputs / blocks;
        columns[end - j - 1](w, j);
        j = end;
    }
}

/* Two rows of dw, OUTER_VECTORS vectors wide: 8 accumulators. */
enum { OUTER_ROWS = 2, OUTER_VECTORS = 4, OUTER_WIDTH = OUTER_VECTORS * VF_LANES };

VEC_INLINE void outer_tile(int m, int width, int64_t outputs, int lanes, const float *x,
                           const float (*dy)[OUTER_WIDTH], float *dw) {
    vf acc[OUTER_ROWS][OUTER_VECTORS];
    VEC_UNROLL for (int i = 0; i < m; i++) {
        VEC_UNROLL for (int v = 0; v < OUTER_VECTORS; v++) {
            int rest = width - v * VF_LANES;
            acc[i][v] = vf_set1(0);
            if (rest > 0)
                acc[i][v] =
                    load_part(dw + i * outputs + v * VF_LANES, rest < VF_LANES ? rest : VF_LANES);
        }
    }
    for (int l = 0; l < lanes; l++) {
        VEC_UNROLL for (int v = 0; v < OUTER_VECTORS; v++) {
            vf of_dy = vf_load(dy[l] + v * VF_LANES);
            VEC_UNROLL for (int i = 0; i < m; i++) acc[i][v] =
                vf_fma(vf_set1(x[i * TN_LANES + l]), of_dy, acc[i][v]);
        }
    }
    VEC_UNROLL for (int i = 0; i < m; i++) {
        VEC_UNROLL for (int v = 0; v < OUTER_VECTORS; v++) {
            int rest = width - v * VF_LANES;
            if (rest > 0)
                store_part(dw + i * outputs + v * VF_LANES, acc[i][v],
                           rest < VF_LANES ? rest : VF_LANES);
        }
    }
}

static void lanes_outer(int64_t depth, int64_t outputs, int lanes, const float *x, const float *dy,
                        float *dw) {
    float turned[TN_LANES][OUTER_WIDTH] = {{0}};
    for (int64_t j = 0; j < outputs; j += OUTER_WIDTH) {
        int width = (int)(outputs - j < OUTER_WIDTH ? outputs - j : OUTER_WIDTH);
        for (int k = 0; k < width; k++)
            for (int l = 0; l < TN_LANES; l++) turned[l][k] = dy[(j + k) * TN_LANES + l];
        int64_t k = 0;
        for (; k + OUTER_ROWS <= depth && width == OUTER_WIDTH; k += OUTER_ROWS)
            outer_tile(OUTER_ROWS, OUTER_WIDTH, outputs, lanes, x + k * TN_LANES,
                       (const float(*)[OUTER_WIDTH])turned, dw + k * outputs + j);
        for (; k + OUTER_ROWS <= depth; k += OUTER_ROWS)
            outer_tile(OUTER_ROWS, width, outputs, lanes, x + k * TN_LANES,
                       (const float(*)[OUTER_WIDTH])turned, dw + k * outputs + j);
        for (; k < depth; k++)
            outer_tile(1, width, outputs, lanes, x + k * TN_LANES,
                       (const float(*)[OUTER_WIDTH])turned, dw + k * outputs + j);
    }
}

/* ---- Sums ------------------------------------------------------------------------------------ */

/* Of n <= VF_LANES outputs, one accumulator each. */
VEC_INLINE void sum_outputs(int n, int64_t points, int lanes, const float *x, float *sum) {
    float of_lane[VF_LANES * TN_LANES] = {0}, total[VF_LANES];
    for (int lane = 0; lane < TN_LANES; lane += VF_LANES) {
        vf acc[VF_LANES];
        VEC_UNROLL for (int k = 0; k < VF_LANES; k++) acc[k] = vf_set1(0);
        for (int64_t i = 0; i < points; i++)
            VEC_UNROLL for (int k = 0; k < n; k++) acc[k] =
                vf_add(acc[k], vf_load(x + (k * points + i) * TN_LANES + lane));
        VEC_UNROLL for (int k = 0; k < VF_LANES; k++)
            vf_store(of_lane + k * TN_LANES + lane, acc[k]);
    }
    vf_store(total, sum_lanes(of_lane, lanes));
    for (int k = 0; k < n; k++) sum[k] += total[k];
}

static void lanes_sum(int64_t outputs, int64_t points, int lanes, const float *x, float *sum) {
    int64_t j = 0, each = points * TN_LANES;
    for (; j + VF_LANES <= outputs; j += VF_LANES)
        sum_outputs(VF_LANES, points, lanes, x + j * each, sum + j);
    for (; j + 2 <= outputs; j += 2) sum_outputs(2, points, lanes, x + j * each, sum + j);
    if (j < outputs) sum_outputs(1, points, lanes, x + j * each, sum + j);
}

/* ---- Pooling --------------------------------------------------------------------------------- */

VEC_INLINE void pool_row(int taps, const float *const *x, int64_t x_column, int64_t columns,
                         float *y, uint8_t *arg) {
    for (int64_t c = 0; c < columns; c++)
        for (int lane = 0; lane < TN_LANES; lane += VF_LANES) {
            int64_t at = c * x_column + lane, to = c * TN_LANES + lane;
            vf best = vf_load(x[0] + at);
            vi tap = vi_set1(0), best_tap = tap;
            VEC_UNROLL for (int t = 1; t < taps; t++) {
                vf value = vf_load(x[t] + at), beaten = vf_beaten(best, value);
                tap = vi_add(tap, vi_set1(1));
                best = vf_select(beaten, value, best);
                best_tap = vi_select(beaten, tap, best_tap);
            }
            vf_store(y + to, best);
            if (arg != NULL) vi_store_u8(arg + to, best_tap);
        }
}

static void lanes_max_pool(int taps, const float *const *x, int64_t x_column, int64_t columns,
                           float *y, uint8_t *arg) {
    if (taps == 4)
        pool_row(4, x, x_column, columns, y, arg);
    else
        pool_row(taps, x, x_column, columns, y, arg);
}

static void lanes_max_pool_grad(int taps, const uint8_t *arg, const float *dy, int64_t columns,
                                int64_t x_column, float *const *dx) {
    for (int64_t c = 0; c < columns; c++)
        for (int lane = 0; lane < TN_LANES; lane += VF_LANES) {
            int64_t at = c * x_column + lane, from = c * TN_LANES + lane;
            vf d = vf_load(dy + from), none = vf_set1(0);
            vi winner = vi_load_u8(arg + from);
            for (int t = 0; t < taps; t++) {
                vf won = vf_from_mask(vi_eq(winner, vi_set1((uint32_t)t)));
                vf_store(dx[t] + at, vf_add(vf_load(dx[t] + at), vf_select(won, d, none)));
            }
        }
}

/* ---- Dropout and pixels ---------------------------------------------------------------------- */

/* Walks the points of images stored [channels][points] in the order [points][channels]. */
typedef struct point_walk {
    int64_t channels, points, channel, at;
} point_walk;

VEC_INLINE int64_t next_point(point_walk *w) {
    int64_t at = w->at;
    w->at += w->points;
    if (++w->channel == w->channels) {
        w->channel = 0;
        w->at -= w->channels * w->points - 1;
    }
    return at * TN_LANES;
}

static void lanes_dropout(int64_t channels, int64_t points, const uint32_t key[2],
                          const uint32_t counter[4], uint32_t threshold, float scale,
                          const float *x, float *y) {
    /* word >= threshold, for the word in the upper half of 32 bits and anything in the lower, as a
     * signed comparison */
    const vi flip = vi_set1(0x80000000u);
    uint32_t below = threshold > 0xffff ? 0xffffffffu : (threshold << 16) - 1;
    const vi limit = vi_xor(vi_set1(below), flip);
    const vf factor = vf_set1(scale);
    int64_t n = channels * points;
    if (threshold == 0) mul_scalar(n * TN_LANES, x, scale, y);
    for (int lane = 0; lane < TN_LANES && threshold > 0; lane += VF_LANES) {
        point_walk walk = {channels, points, 0, 0};
        vi sample = vi_add(vi_set1(counter[1] + (uint32_t)lane), vi_iota());
        for (int64_t first = 0; first < n; first += WORDS_PER_BLOCK) {
            vi c[4] = {vi_set1((uint32_t)(first / WORDS_PER_BLOCK)), sample, vi_set1(counter[2]),
                       vi_set1(counter[3])};
            philox_rounds(key, c);
            int words = (int)(n - first < WORDS_PER_BLOCK ? n - first : WORDS_PER_BLOCK);
            for (int i = 0; i < words; i++) {
                vi word = i % 2 ? c[i / 2] : vi_shift_left(c[i / 2], 16);
                vf keep = vf_from_mask(vi_gt(vi_xor(word, flip), limit));
                int64_t at = next_point(&walk) + lane;
                vf_store(y + at, vf_and(keep, vf_mul(vf_load(x + at), factor)));
            }
        }
    }
}

/* VF_LANES bytes of `lanes` samples, from element e on. */
VEC_INLINE void load_bytes(int lanes, const uint8_t *x, int64_t x_sample, float unit,
                           vf row[VF_LANES]) {
    VEC_UNROLL for (int l = 0; l < VF_LANES; l++) row[l] =
        l < lanes ? vf_mul(vf_set1(unit), vi_to_vf(vi_load_u8(x + l * x_sample))) : vf_set1(0);
    vf_transpose(row);
}

static void lanes_load_u8(int64_t channels, int64_t points, int lanes, const uint8_t *x,
                          int64_t x_sample, float unit, const float *scale, const float *offset,
                          float *y) {
    int64_t n = channels * points;
    for (int lane = 0; lane < TN_LANES; lane += VF_LANES) {
        point_walk walk = {channels, points, 0, 0};
        const uint8_t *from = x + lane * x_sample;
        int64_t e = 0;
        for (; e + VF_LANES <= n; e += VF_LANES) {
            vf row[VF_LANES];
            load_bytes(lanes - lane, from + e, x_sample, unit, row);
            VEC_UNROLL for (int i = 0; i < VF_LANES; i++) {
                int64_t k = walk.channel;
                vf scaled = vf_mul(row[i], vf_set1(scale[k]));
                vf_store(y + next_point(&walk) + lane, vf_add(scaled, vf_set1(offset[k])));
            }
        }
        for (; e < n; e++) {
            int64_t k = walk.channel;
            float *to = y + next_point(&walk) + lane;
            for (int l = 0; l < VF_LANES; l++) {
                float pixel = lane + l < lanes ? (float)from[l * x_sample + e] : 0;
                to[l] = unit * pixel * scale[k] + offset[k];
            }
        }
    }
}
