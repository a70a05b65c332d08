/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: the transforms of Winograd's convolutions as products with the matrices of Cook and
 * Toom. A polynomial of n coefficients is known by its values at some points and its leading
 * coefficient, which counts as its value at infinity. */
#include "kernels/kernels.h"

enum { TAPS = 3, MOST_IN = TN_WINOGRAD_IN };

#define A TN_WINOGRAD_A
#define B TN_WINOGRAD_B

/* The last of the `in` points is infinity. */
typedef struct form {
    int in, out;
    double points[MOST_IN];
    double scale[MOST_IN];          /* product of the distances to the other points */
    double input[MOST_IN][MOST_IN]; /* the transpose of interpolation */
} form;

static const form large = {.in = TN_WINOGRAD_IN,
                           .out = TN_WINOGRAD_OUT,
                           .points = {0, A, -A, B, -B},
                           .scale = {A * A * B * B, 2 * A *A *(A *A - B * B),
                                     2 * A *A *(A *A - B * B), 2 * B *B *(B *B - A * A),
                                     2 * B *B *(B *B - A * A), 1},
                           .input = {{A * A * B * B, 0, -(A *A + B * B), 0, 1, 0},
                                     {0, -A *B *B, -B *B, A, 1, 0},
                                     {0, A *B *B, -B *B, -A, 1, 0},
                                     {0, -B *A *A, -A *A, B, 1, 0},
                                     {0, B *A *A, -A *A, -B, 1, 0},
                                     {0, A *A *B *B, 0, -(A *A + B * B), 0, 1}}};

/* With the sign of the first point's polynomial and scale turned round. */
static const form small = {.in = TN_WINOGRAD_SMALL_IN,
                           .out = TN_WINOGRAD_SMALL_OUT,
                           .points = {0, 1, -1},
                           .scale = {1, 2, 2, 1},
                           .input = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}}};

static double value_at(const form *f, int point, int power, int n) {
    double value = 1;
    if (point == f->in - 1) return power == n - 1;
    for (int i = 0; i < power; i++) value *= f->points[point];
    return value;
}

static double scaled_value_at(const form *f, int point, int power, int n) {
    return value_at(f, point, power, n) / f->scale[point];
}

static double input_element(const form *f, int part, int pixel, int n) {
    (void)n;
    return f->input[part][pixel];
}

typedef double element_fn(const form *f, int point, int power, int n);

/* Of each channel M image Mᵀ, M[in][n]. */
static void to_parts(const tn_winograd *w, const form *f, int n, element_fn *element) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int i = 0; i < f->in * f->in; i++) {
            double sum = 0;
            for (int k = 0; k < n * n; k++)
                sum += element(f, i / f->in, k / n, n) * element(f, i % f->in, k % n, n) *
                       (double)w->image[k / n * w->row_step + k % n * w->pixel_step + c];
            w->parts[i * w->part_step + c] = (real)sum;
        }
}

/* Element (i, j) of Mᵀ parts M for channel c, M[in][n]. */
static double from_parts(const tn_winograd *w, const form *f, int n, int i, int j, int64_t c) {
    double sum = 0;
    for (int k = 0; k < f->in * f->in; k++)
        sum += value_at(f, k / f->in, i, n) * value_at(f, k % f->in, j, n) *
               (double)w->parts[k * w->part_step + c];
    return sum;
}

static void to_pixels(const tn_winograd *w, const form *f) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int i = 0; i < f->out * f->out; i++) {
            real y = (real)from_parts(w, f, f->out, i / f->out, i % f->out, c) +
                     (w->bias ? w->bias[c] : 0);
            int64_t at = i / f->out * w->row_step + i % f->out * w->pixel_step + c;
            w->result[at] = tn_activated(&w->activation, w->more ? y + w->more[at] : y);
        }
}

static void add_taps(const tn_winograd *w, const form *f) {
    for (int64_t c = 0; c < w->channels; c++)
        for (int i = 0; i < TAPS * TAPS; i++)
            w->result[i / TAPS * w->row_step + i % TAPS * w->pixel_step + c] +=
                (real)from_parts(w, f, TAPS, i / TAPS, i % TAPS, c);
}

static void winograd_input(const tn_winograd *w) { to_parts(w, &large, large.in, input_element); }
static void winograd_weight(const tn_winograd *w) { to_parts(w, &large, TAPS, scaled_value_at); }
static void winograd_output(const tn_winograd *w) { to_pixels(w, &large); }
static void winograd_gradient(const tn_winograd *w) {
    to_parts(w, &large, large.out, scaled_value_at);
}
static void winograd_taps(const tn_winograd *w) { add_taps(w, &large); }

static void winograd_input_2x2(const tn_winograd *w) {
    to_parts(w, &small, small.in, input_element);
}
static void winograd_weight_2x2(const tn_winograd *w) {
    to_parts(w, &small, TAPS, scaled_value_at);
}
static void winograd_output_2x2(const tn_winograd *w) { to_pixels(w, &small); }
static void winograd_gradient_2x2(const tn_winograd *w) {
    to_parts(w, &small, small.out, scaled_value_at);
}
static void winograd_taps_2x2(const tn_winograd *w) { add_taps(w, &small); }

void tn_kernels_fill_ref_winograd(tn_kernels *kernels) {
    kernels->winograd_input = winograd_input;
    kernels->winograd_weight = winograd_weight;
    kernels->winograd_output = winograd_output;
    kernels->winograd_gradient = winograd_gradient;
    kernels->winograd_taps = winograd_taps;
    kernels->winograd_input_2x2 = winograd_input_2x2;
    kernels->winograd_weight_2x2 = winograd_weight_2x2;
    kernels->winograd_output_2x2 = winograd_output_2x2;
    kernels->winograd_gradient_2x2 = winograd_gradient_2x2;
    kernels->winograd_taps_2x2 = winograd_taps_2x2;
}
