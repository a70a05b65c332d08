/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: the transforms of Winograd's convolutions as products with the matrices of Cook and
 * Toom. A polynomial of n coefficients is known by its values at five points and its leading
 * coefficient, which counts as its value at infinity. */
#include "kernels/kernels.h"

enum { IN = TN_WINOGRAD_IN, OUT = TN_WINOGRAD_OUT, TAPS = 3, INFINITE = IN - 1 };

#define A TN_WINOGRAD_A
#define B TN_WINOGRAD_B

static double value_at(int point, int power, int n) {
    const double points[INFINITE] = {0, A, -A, B, -B};
    double value = 1;
    if (point == INFINITE) return power == n - 1;
    for (int i = 0; i < power; i++) value *= points[point];
    return value;
}

/* The same over the product of the distances to the other points. */
static double scaled_value_at(int point, int power, int n) {
    const double of_zero = A * A * B * B, of_a = 2 * A * A * (A * A - B * B);
    const double of_b = 2 * B * B * (B * B - A * A);
    const double scale[IN] = {of_zero, of_a, of_a, of_b, of_b, 1};
    return value_at(point, power, n) / scale[point];
}

/* The transpose of interpolation. */
static double input_element(int part, int pixel, int n) {
    static const double rows[IN][IN] = {{A * A * B * B, 0, -(A * A + B * B), 0, 1, 0},
                                        {0, -A * B * B, -B * B, A, 1, 0},
                                        {0, A * B * B, -B * B, -A, 1, 0},
                                        {0, -B * A * A, -A * A, B, 1, 0},
                                        {0, B * A * A, -A * A, -B, 1, 0},
                                        {0, A * A * B * B, 0, -(A * A + B * B), 0, 1}};
    (void)n;
    return rows[part][pixel];
}

typedef double element_fn(int point, int power, int n);

/* Of each channel M image Mᵀ, M[6][n]. */
static void to_parts(const tn_winograd *w, int n, element_fn *element) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int i = 0; i < IN * IN; i++) {
            double sum = 0;
            for (int k = 0; k < n * n; k++)
                sum += element(i / IN, k / n, n) * element(i % IN, k % n, n) *
                       (double)w->image[k / n * w->row_step + k % n * w->pixel_step + c];
            w->parts[i * w->part_step + c] = (real)sum;
        }
}

/* Element (i, j) of Mᵀ parts M for channel c, M[6][n]. */
static double from_parts(const tn_winograd *w, int n, int i, int j, int64_t c) {
    double sum = 0;
    for (int k = 0; k < IN * IN; k++)
        sum += value_at(k / IN, i, n) * value_at(k % IN, j, n) *
               (double)w->parts[k * w->part_step + c];
    return sum;
}

static void winograd_input(const tn_winograd *w) { to_parts(w, IN, input_element); }
static void winograd_weight(const tn_winograd *w) { to_parts(w, TAPS, scaled_value_at); }
static void winograd_gradient(const tn_winograd *w) { to_parts(w, OUT, scaled_value_at); }

static void winograd_output(const tn_winograd *w) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int i = 0; i < OUT * OUT; i++) {
            real y = (real)from_parts(w, OUT, i / OUT, i % OUT, c) + (w->bias ? w->bias[c] : 0);
            w->result[i / OUT * w->row_step + i % OUT * w->pixel_step + c] =
                w->floor > y ? w->floor : y;
        }
}

static void winograd_taps(const tn_winograd *w) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int i = 0; i < TAPS * TAPS; i++)
            w->result[i / TAPS * w->row_step + i % TAPS * w->pixel_step + c] +=
                (real)from_parts(w, TAPS, i / TAPS, i % TAPS, c);
}

void tn_kernels_fill_ref_winograd(tn_kernels *kernels) {
    kernels->winograd_input = winograd_input;
    kernels->winograd_weight = winograd_weight;
    kernels->winograd_output = winograd_output;
    kernels->winograd_gradient = winograd_gradient;
    kernels->winograd_taps = winograd_taps;
}
