/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: the transforms of F(4×4, 3×3) as products with the matrices of Cook and Toom. */
#include "kernels/kernels.h"

enum { IN = TN_WINOGRAD_IN, OUT = TN_WINOGRAD_OUT };

#define A TN_WINOGRAD_A
#define B TN_WINOGRAD_B
#define NA (2 * A * A * (A * A - B * B))
#define NB (2 * B * B * (B * B - A * A))

static const double input_matrix[IN][IN] = {{A * A * B * B, 0, -(A *A + B * B), 0, 1, 0},
                                            {0, -A *B *B, -B *B, A, 1, 0},
                                            {0, A *B *B, -B *B, -A, 1, 0},
                                            {0, -B *A *A, -A *A, B, 1, 0},
                                            {0, B *A *A, -A *A, -B, 1, 0},
                                            {0, A *A *B *B, 0, -(A *A + B * B), 0, 1}};
static const double weight_matrix[IN][IN] = {
    {1 / (A * A * B * B)},       {1 / NA, A / NA, A *A / NA},  {1 / NA, -A / NA, A *A / NA},
    {1 / NB, B / NB, B *B / NB}, {1 / NB, -B / NB, B *B / NB}, {0, 0, 1}};
static const double output_matrix[OUT][IN] = {{1, 1, 1, 1, 1, 0},
                                              {0, A, -A, B, -B, 0},
                                              {0, A *A, A *A, B *B, B *B, 0},
                                              {0, A *A *A, -A *A *A, B *B *B, -B *B *B, 1}};

/* to = M from Mᵀ, from n×n, to m×m. */
static void both_axes(int m, int n, const double (*matrix)[IN], const real *from, real *to) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                for (int l = 0; l < n; l++)
                    sum += matrix[i][k] * matrix[j][l] * (double)from[k * n + l];
            to[i * m + j] = (real)sum;
        }
}

static void to_parts(const tn_winograd *w, int n, const double (*matrix)[IN]) {
    real image[IN * IN], parts[IN * IN];
    for (int64_t c = 0; c < w->channels; c++) {
        for (int i = 0; i < n * n; i++)
            image[i] = w->image[i / n * w->row_step + i % n * w->pixel_step + c];
        both_axes(IN, n, matrix, image, parts);
        for (int i = 0; i < IN * IN; i++) w->parts[i * w->part_step + c] = parts[i];
    }
}

static void winograd_input(const tn_winograd *w) { to_parts(w, IN, input_matrix); }
static void winograd_weight(const tn_winograd *w) { to_parts(w, 3, weight_matrix); }

static void winograd_output(const tn_winograd *w) {
    real parts[IN * IN], image[OUT * OUT];
    for (int64_t c = 0; c < w->channels; c++) {
        for (int i = 0; i < IN * IN; i++) parts[i] = w->parts[i * w->part_step + c];
        both_axes(OUT, IN, output_matrix, parts, image);
        for (int i = 0; i < OUT * OUT; i++) {
            real y = image[i] + (w->bias ? w->bias[c] : 0);
            w->result[i / OUT * w->row_step + i % OUT * w->pixel_step + c] =
                w->floor > y ? w->floor : y;
        }
    }
}

void tn_kernels_fill_ref_winograd(tn_kernels *kernels) {
    kernels->winograd_input = winograd_input;
    kernels->winograd_weight = winograd_weight;
    kernels->winograd_output = winograd_output;
}
