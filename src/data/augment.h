/* SPDX-License-Identifier: Apache-2.0 */
/* augment.h: training images changed at random, as tn_augmentation says, mixup aside
 * (data/mixup.h). The same bits on every machine and thread: what happens to an image is drawn from
 * its key alone, and pixels are computed with integers. */
#ifndef TN_DATA_AUGMENT_H
#define TN_DATA_AUGMENT_H

#include "tenon/tenon.h"

/* The largest height and width that can be augmented. */
enum { TN_AUGMENT_MAX_SIDE = 1 << 15 };

typedef struct tn_image_shape {
    int64_t height, width, channels;
} tn_image_shape;

/* What random numbers are drawn for. */
typedef struct tn_augment_key {
    uint64_t seed, step;
    int64_t place; /* of the image among all images of the step */
} tn_augment_key;

/* Whether anything but mixup is asked for. */
bool tn_augment_wanted(const tn_augmentation *options);

/* Bytes of scratch memory that tn_augment needs. Sides are at most TN_AUGMENT_MAX_SIDE. */
int64_t tn_augment_scratch_bytes(const tn_image_shape *shape);

/* What is done to one image, in this order. */
typedef struct tn_image_change {
    bool flip;              /* left to right */
    double scale;           /* about the middle of the image */
    double degrees;         /* about it, too; clockwise */
    double right, down;     /* pixels */
    int64_t hole;           /* the side of a black square, 0 for none */
    int64_t hole_x, hole_y; /* the pixel in its middle */
} tn_image_change;

tn_image_change tn_augment_draw(const tn_augmentation *options, const tn_image_shape *shape,
                                const tn_augment_key *key);

/* Makes dst [height][width][channels] from src: by one bilinear map, or by copying where that is
 * the same, then with the hole. The scratch memory, one per thread, must be zeroed once and used
 * for no other shape. */
void tn_augment(const tn_image_change *change, const tn_image_shape *shape, const uint8_t *src,
                uint8_t *dst, uint8_t *scratch);

#endif
