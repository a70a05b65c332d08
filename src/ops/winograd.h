/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h: what the passes of a convolution by Winograd's algorithm share. conv_winograd.c and
 * conv_winograd_weight.c are compiled once for each form: as they are for F(4×4, 3×3), and
 * by conv_winograd_2x2.c and conv_winograd_weight_2x2.c for F(2×2, 3×3), which by the rules pays
 * forward only, for few samples with large weights: elsewhere a table has to name it. */
#ifndef TN_OPS_WINOGRAD_H
#define TN_OPS_WINOGRAD_H

#include "ops/conv_parts.h"

#ifdef WINOGRAD_SMALL
#define WINOGRAD(kernel) winograd_##kernel##_2x2
#define WINOGRAD_IMPLEMENTATION(pass) tn_##pass##_winograd_2x2
#define WINOGRAD_NAME "winograd-2x2"
#define WINOGRAD_EFFICIENCY 1.7F        /* of tn_cost; forward and input gradient */
#define WINOGRAD_WEIGHT_EFFICIENCY 1.1F /* weight gradient */
enum { WINOGRAD_IN = TN_WINOGRAD_SMALL_IN, WINOGRAD_OUT = TN_WINOGRAD_SMALL_OUT };
#else
#define WINOGRAD(kernel) winograd_##kernel
#define WINOGRAD_IMPLEMENTATION(pass) tn_##pass##_winograd
#define WINOGRAD_NAME "winograd"
#define WINOGRAD_EFFICIENCY 2.4F
#define WINOGRAD_WEIGHT_EFFICIENCY 1.8F
enum { WINOGRAD_IN = TN_WINOGRAD_IN, WINOGRAD_OUT = TN_WINOGRAD_OUT };
#endif

/* Numbers between parts: a power of two apart, they would meet in few places of a cache. */
enum { WINOGRAD_GAP = 16 };

/* Whether the algorithm is one for such a convolution, and wanted at all, whether it pays or not.
 */
bool winograd_suits(const conv_geometry *g, const tn_kernels *kernels);
/* The parts of the tile of x, size×size pixels from (row, column) on, `step` apart, by the
 * transform of the form; patch has room for the tile. */
void winograd_input_tile(tn_winograd_fn *transform, int64_t size, const conv_image *image,
                         const real *x, int64_t row, int64_t column, real *patch, real *parts,
                         int64_t step);
/* size×size pixels of an image from (row, column) on, with zeros around it. */
void winograd_cut(const conv_image *image, const real *x, int64_t row, int64_t column, int64_t size,
                  real *patch);

#endif
