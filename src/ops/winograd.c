/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/winograd.h"

#include <string.h>

#include "base/size.h"

/* A product of few channels is all beginning and end. */
bool winograd_suits(const conv_geometry *g, const tn_kernels *kernels) {
    enum { LEAST_CHANNELS = 8 };
    return !kernels->naive && !kernels->direct && g->groups == 1 && g->r == 3 && g->s == 3 &&
           g->stride_h == 1 && g->stride_w == 1 && g->dilation_h == 1 && g->dilation_w == 1 &&
           g->c >= LEAST_CHANNELS && g->o >= LEAST_CHANNELS;
}

void winograd_cut(const conv_image *image, const real *x, int64_t row, int64_t column, int64_t size,
                  real *patch) {
    int64_t c = image->channels, begin = tn_max_i64(0, -column);
    int64_t end = tn_min_i64(size, image->width - column);
    memset(patch, 0, (size_t)(size * size * c) * sizeof *patch);
    for (int64_t i = 0; i < size && begin < end; i++)
        if (row + i >= 0 && row + i < image->height)
            memcpy(patch + (i * size + begin) * c,
                   x + ((row + i) * image->width + column + begin) * c,
                   (size_t)((end - begin) * c) * sizeof *patch);
}

void winograd_input_tile(tn_winograd_fn *transform, int64_t size, const conv_image *image,
                         const real *x, int64_t row, int64_t column, real *patch, real *parts,
                         int64_t step) {
    int64_t c = image->channels;
    bool inside =
        row >= 0 && column >= 0 && row + size <= image->height && column + size <= image->width;
    if (!inside) winograd_cut(image, x, row, column, size, patch);
    const tn_winograd w = {.channels = c,
                           .image = inside ? x + (row * image->width + column) * c : patch,
                           .row_step = (inside ? image->width : size) * c,
                           .pixel_step = c,
                           .parts = parts,
                           .part_step = step};
    transform(&w);
}
