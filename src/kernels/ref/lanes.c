/* SPDX-License-Identifier: Apache-2.0 */
/* lanes.c: the kernels for samples in lanes as plain loops, a part of ref.c. */
#include "base/philox.h"
#include "kernels/kernels.h"

static real tree(const real *lane, int lanes) {
    real x[TN_LANES];
    for (int l = 0; l < TN_LANES; l++) x[l] = l < lanes ? lane[l] : 0;
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

/* One output of one point. */
static void product_at(const tn_lanes_product *p, const real *x, int64_t j, real *y) {
    for (int l = 0; l < TN_LANES; l++) {
        real sum = p->add ? y[l] : p->bias ? p->bias[j] : 0;
        for (int64_t t = 0; t < p->depth; t++)
            sum += x[p->offset[t] + l] * p->w[t * p->w_step + j * p->w_output];
        y[l] = p->relu && 0 > sum ? 0 : sum;
    }
}

static void product(const tn_lanes_product *p) {
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t c = 0; c < p->columns; c++)
            for (int64_t j = 0; j < p->outputs; j++)
                product_at(p, p->x + r * p->x_row + c * p->x_column, j,
                           p->y + r * p->y_row + c * p->y_column + j * p->y_output);
}

static void weight(const tn_lanes_weight *w) {
    for (int64_t t = 0; t < w->depth; t++)
        for (int64_t j = 0; j < w->outputs; j++) {
            real sum[TN_LANES] = {0};
            for (int64_t r = 0; r < w->rows; r++)
                for (int64_t c = 0; c < w->columns; c++) {
                    const real *x = w->x + r * w->x_row + c * w->x_column + w->offset[t];
                    const real *dy = w->dy + r * w->y_row + c * w->y_column + j * w->y_output;
                    for (int l = 0; l < TN_LANES; l++) sum[l] += x[l] * dy[l];
                }
            w->dw[w->w_offset[t] + j] += tree(sum, w->lanes);
        }
}

static void outer(int64_t depth, int64_t outputs, int lanes, const real *x, const real *dy,
                  real *dw) {
    for (int64_t k = 0; k < depth; k++)
        for (int64_t j = 0; j < outputs; j++)
            for (int l = 0; l < lanes; l++)
                dw[k * outputs + j] += x[k * TN_LANES + l] * dy[j * TN_LANES + l];
}

static void sum_points(int64_t outputs, int64_t points, int lanes, const real *x, real *sum) {
    for (int64_t j = 0; j < outputs; j++) {
        real of_lane[TN_LANES] = {0};
        for (int64_t i = 0; i < points; i++, x += TN_LANES)
            for (int l = 0; l < TN_LANES; l++) of_lane[l] += x[l];
        sum[j] += tree(of_lane, lanes);
    }
}

/* The tap that wins in number i, counted over points and lanes. */
static int winner(int taps, const real *const *x, int64_t at) {
    int best = 0;
    for (int t = 1; t < taps; t++)
        if (!(x[best][at] >= x[t][at]) && x[best][at] == x[best][at]) best = t;
    return best;
}

static void max_pool(int taps, const real *const *x, int64_t x_column, int64_t columns, real *y,
                     uint8_t *arg) {
    for (int64_t i = 0; i < columns * TN_LANES; i++) {
        int64_t at = i / TN_LANES * x_column + i % TN_LANES;
        int best = winner(taps, x, at);
        y[i] = x[best][at];
        if (arg) arg[i] = (uint8_t)best;
    }
}

static void max_pool_grad(int taps, const uint8_t *arg, const real *dy, int64_t columns,
                          int64_t x_column, real *const *dx) {
    for (int64_t i = 0; i < columns * TN_LANES; i++)
        for (int t = 0; t < taps; t++)
            dx[t][i / TN_LANES * x_column + i % TN_LANES] += arg[i] == t ? dy[i] : 0;
}

static void dropout(int64_t channels, int64_t points, const uint32_t key[2],
                    const uint32_t counter[4], uint32_t threshold, real scale, const real *x,
                    real *y) {
    for (int l = 0; l < TN_LANES; l++)
        for (int64_t e = 0; e < channels * points; e++) {
            uint32_t block[4] = {(uint32_t)(e / 8), counter[1] + (uint32_t)l, counter[2],
                                 counter[3]};
            uint32_t random[4];
            int64_t at = (e % channels * points + e / channels) * TN_LANES + l;
            tn_philox(key, block, random);
            uint32_t drawn = random[e % 8 / 2] >> (e % 2 * 16) & 0xffffu;
            y[at] = drawn >= threshold ? x[at] * scale : 0;
        }
}

static void load_u8(int64_t channels, int64_t points, int lanes, const uint8_t *x, int64_t x_sample,
                    real unit, const real *scale, const real *offset, real *y) {
    for (int64_t e = 0; e < channels * points; e++)
        for (int l = 0; l < TN_LANES; l++) {
            int64_t k = e % channels;
            real pixel = l < lanes ? (real)x[l * x_sample + e] : 0;
            y[(k * points + e / channels) * TN_LANES + l] = unit * pixel * scale[k] + offset[k];
        }
}

void tn_kernels_fill_ref_lanes(tn_kernels *kernels) {
    kernels->lanes_product = product;
    kernels->lanes_weight = weight;
    kernels->lanes_outer = outer;
    kernels->lanes_sum = sum_points;
    kernels->lanes_max_pool = max_pool;
    kernels->lanes_max_pool_grad = max_pool_grad;
    kernels->lanes_dropout = dropout;
    kernels->lanes_load_u8 = load_u8;
}
