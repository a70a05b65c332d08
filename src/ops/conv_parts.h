/* SPDX-License-Identifier: Apache-2.0 */
/* conv_parts.h: a pass of a convolution as products over rectangles of pixels that meet the same
 * taps. So padding is neither stored nor multiplied. Shared by the forward pass, which computes
 * pixels of y from x, and the input gradient, which computes pixels of dx from dy. */
#ifndef TN_OPS_CONV_PARTS_H
#define TN_OPS_CONV_PARTS_H

#include "ops/conv_geometry.h"
#include "ops/ops.h"
#include "ops/tiles.h"

/* One axis: pixels first + i·step are computed, i < pixels; tap k of pixel i reads place
 * source + i·pixel_step + k·tap_step if that is within [0, size). */
typedef struct conv_axis {
    int64_t pixels, first, step;
    int64_t taps;
    int64_t source, pixel_step, tap_step;
    int64_t size;
} conv_axis;

/* What is read and what is computed: images of rows of `width` pixels, `channels` apart. */
typedef struct conv_image {
    int64_t height, width, channels;
} conv_image;

typedef struct conv_part {
    int64_t rows, runs, depth;        /* of the product; rows for each image */
    int64_t top, height, step, width; /* of the image: `height` rows from `top` on, every step-th,
                                         with so many pixels each */
    int64_t row, offset;              /* where its lists begin */
    int64_t panel;                    /* where its taps begin in the panels, in elements */
    int64_t panel_depth, run_rows;    /* of the whole panels, and from one run to the next */
} conv_part;

/* Lists for several images side by side: images of few pixels fill whole tiles only together. */
typedef struct conv_parts {
    int64_t n_parts, n_rows, n_offsets;
    int64_t images;
    conv_part *parts; /* these three lists and the parts are NULL while they are counted */
    int64_t *a_row, *c_row, *offset;
} conv_parts;

conv_image conv_input_image(const conv_geometry *g);
conv_image conv_output_image(const conv_geometry *g);

/* Appends the parts of the pixels h × w, whose taps times `depth` channels are one after the other
 * in panels that begin at `panel` (element) and are nr wide. */
void conv_parts_add(conv_parts *parts, const conv_axis *h, const conv_axis *w,
                    const conv_image *from, const conv_image *to, int64_t depth, int64_t panel,
                    int64_t nr);
/* How many images to put into the lists. */
int64_t conv_images_together(int64_t pixels);
/* What an implementation keeps packed: parts, with their lists behind them, and weights. */
typedef struct conv_packed {
    conv_parts parts;
    real *weights; /* 64-byte aligned */
} conv_packed;

/* For parts that have been counted, and so many weights. */
int64_t conv_packed_bytes(const conv_parts *counted, int64_t weights);
/* Lays it out in memory, the counts set back to 0 so that the parts can be added again. */
conv_packed *conv_packed_begin(void *memory, const conv_parts *counted);

/* The parts of Conv, whose taps' panels have g->cg numbers each, and of ConvGradInput: all phases
 * of the stride, panels of g->og numbers for the taps of one after the other. */
void conv_parts_add_forward(conv_parts *parts, const conv_geometry *g, int64_t nr);
void conv_parts_add_input(conv_parts *parts, const conv_geometry *g, int64_t nr);
/* Whether tap k along an axis meets pixels of an input whose phase is `phase`. */
bool conv_phase_meets(int64_t phase, int64_t k, int64_t dilation, int64_t stride);

/* How many pixels of a part are in these rows of an image; *first is the place of the first of them
 * in the part's lists. */
int64_t conv_part_pixels(const conv_part *part, tn_rows rows, int64_t *first);

/* All parts, as far as they are in these rows (all if n > 1), for n images and one group: `product`
 * says where a, b and c are for the first, its columns, start, bias and relu. */
void conv_parts_run(const conv_parts *parts, const tn_kernels *kernels, tn_product product,
                    int64_t n, tn_rows rows, const conv_image *from, const conv_image *to);

#endif
