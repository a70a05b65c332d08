/* SPDX-License-Identifier: Apache-2.0 */
/* lanes_winograd.c: the transforms of Winograd's convolutions in lanes as products with the
 * matrices of Cook and Toom, a part of ref.c. */
#include "kernels/kernels.h"

enum { PARTS = TN_LANES_WINOGRAD_PARTS, INFINITE = PARTS - 1 };

static const double points[INFINITE] = {0, 1, -1, 2, -2, 0.5, -0.5};

/* The power of a point that counts for term k of a polynomial of n terms; of infinity, the last. */
static double power_at(int part, int k, int n) {
    double power = 1;
    if (part == INFINITE) return k == n - 1;
    for (int i = 0; i < k; i++) power *= points[part];
    return power;
}

/* One over the product of the distances to the other points. */
static double scale_of(int part) {
    double distances = 1;
    for (int i = 0; i < INFINITE && part != INFINITE; i++)
        if (i != part) distances *= points[part] - points[i];
    return 1 / distances;
}

/* Coefficient k of the product of x - p for all points but that of the part. */
static double input_at(int part, int k) {
    double product[PARTS + 1] = {1};
    for (int i = 0; i < INFINITE; i++)
        for (int j = PARTS; j >= 0 && i != part; j--)
            product[j] = (j > 0 ? product[j - 1] : 0) - points[i] * product[j];
    return product[k];
}

static int tile_points(const tn_lanes_winograd *w) { return PARTS + 1 - w->taps; }

/* The number of lane l at a column of a row, 0 beyond its ends. */
static double pixel(const tn_lanes_winograd *w, int64_t row, int64_t column, int l) {
    if (column < 0 || column >= w->width) return 0;
    return (double)w->image[row * w->row_step + column * TN_LANES + l];
}

static real *part_of(const tn_lanes_winograd *w, int k, int64_t row, int64_t tile) {
    return w->parts + k * w->part_step + (row * w->tiles + tile) * TN_LANES;
}

static void input(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->rows * w->tiles * TN_LANES; i++) {
        int64_t row = i / TN_LANES / w->tiles, tile = i / TN_LANES % w->tiles;
        int l = (int)(i % TN_LANES);
        for (int k = 0; k < PARTS; k++) {
            double sum = 0;
            for (int j = 0; j < PARTS; j++)
                sum += input_at(k, j) * pixel(w, row, tile * tile_points(w) - w->before + j, l);
            part_of(w, k, row, tile)[l] = (real)sum;
        }
    }
}

static void gradient(const tn_lanes_winograd *w) {
    int n = tile_points(w);
    for (int64_t i = 0; i < w->rows * w->tiles * TN_LANES; i++) {
        int64_t row = i / TN_LANES / w->tiles, tile = i / TN_LANES % w->tiles;
        int l = (int)(i % TN_LANES);
        for (int k = 0; k < PARTS; k++) {
            double sum = 0;
            for (int j = 0; j < n; j++) sum += power_at(k, j, n) * pixel(w, row, tile * n + j, l);
            part_of(w, k, row, tile)[l] = (real)sum;
        }
    }
}

static void output(const tn_lanes_winograd *w) {
    int n = tile_points(w);
    for (int64_t i = 0; i < w->rows * w->width * TN_LANES; i++) {
        int64_t row = i / TN_LANES / w->width, column = i / TN_LANES % w->width;
        int l = (int)(i % TN_LANES);
        double sum = 0;
        for (int k = 0; k < PARTS; k++)
            sum += power_at(k, (int)(column % n), n) * (double)part_of(w, k, row, column / n)[l];
        real y = (real)sum + w->bias;
        w->result[row * w->row_step + column * TN_LANES + l] = w->floor > y ? w->floor : y;
    }
}

/* What all tiles give to a column of x. */
static void back(const tn_lanes_winograd *w) {
    int n = tile_points(w);
    for (int64_t i = 0; i < w->rows * w->width * TN_LANES; i++) {
        int64_t row = i / TN_LANES / w->width, column = i / TN_LANES % w->width;
        int l = (int)(i % TN_LANES);
        double sum = 0;
        for (int64_t tile = 0; tile < w->tiles; tile++) {
            int64_t j = column + w->before - tile * n;
            for (int k = 0; k < PARTS && j >= 0 && j < PARTS; k++)
                sum += input_at(k, (int)j) * (double)part_of(w, k, row, tile)[l];
        }
        w->result[row * w->row_step + column * TN_LANES + l] = (real)sum;
    }
}

static void weight(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->width; i++)
        for (int k = 0; k < PARTS; k++) {
            double sum = 0;
            for (int j = 0; j < w->taps; j++)
                sum += power_at(k, j, w->taps) * (double)w->image[j * w->row_step + i];
            w->parts[k * w->part_step + i] = (real)(sum * scale_of(k));
        }
}

static void taps(const tn_lanes_winograd *w) {
    for (int64_t i = 0; i < w->width; i++)
        for (int j = 0; j < w->taps; j++) {
            double sum = 0;
            for (int k = 0; k < PARTS; k++)
                sum +=
                    power_at(k, j, w->taps) * scale_of(k) * (double)w->parts[k * w->part_step + i];
            w->result[j * w->row_step + i] += (real)sum;
        }
}

void tn_kernels_fill_ref_lanes_winograd(tn_kernels *kernels) {
    kernels->lanes_winograd_input = input;
    kernels->lanes_winograd_weight = weight;
    kernels->lanes_winograd_output = output;
    kernels->lanes_winograd_gradient = gradient;
    kernels->lanes_winograd_taps = taps;
    kernels->lanes_winograd_back = back;
}
