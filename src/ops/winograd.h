/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h: what the passes of a convolution by Winograd's algorithm share (conv_winograd.c,
 * conv_winograd_weight.c). */
#ifndef TN_OPS_WINOGRAD_H
#define TN_OPS_WINOGRAD_H

#include "ops/conv_parts.h"

/* Numbers between parts: a power of two apart, they would meet in few places of a cache. */
enum { WINOGRAD_GAP = 16 };

/* Whether the algorithm is one for such a convolution, and wanted at all, whether it pays or not.
 */
bool winograd_suits(const conv_geometry *g, const tn_kernels *kernels);
/* Tiles along an axis of so many pixels of y. */
int64_t winograd_tiles(int64_t size);
/* The parts of the tile of x at (row, column), `step` apart; patch has room for 6×6 pixels. */
void winograd_input_tile(const tn_kernels *kernels, const conv_image *image, const real *x,
                         int64_t row, int64_t column, real *patch, real *parts, int64_t step);
/* size×size pixels of an image from (row, column) on, with zeros around it. */
void winograd_cut(const conv_image *image, const real *x, int64_t row, int64_t column, int64_t size,
                  real *patch);

#endif
