/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h: the images of a step side by side, augmented on the way. */
#ifndef TN_TRAIN_BATCH_H
#define TN_TRAIN_BATCH_H

#include "base/real.h"
#include "cpu/pool.h"
#include "data/augment.h"

typedef struct tn_batch {
    uint8_t *images;
    int32_t *labels;
    int32_t *labels2; /* of what was blended in, and its part of the whole; NULL without mixup */
    real *weights2;
    /* its own */
    tn_image_shape shape;
    tn_augmentation options;
    bool augments;
    tn_pool *pool;
    uint8_t *plain;   /* the images before they are blended */
    uint8_t *scratch; /* scratch_bytes for each thread */
    int64_t image_bytes, scratch_bytes;
} tn_batch;

/* Room for max_batch images; options have been checked, NULL for images as they are. The pool must
 * outlive the batch. *batch needs tn_batch_free on failure too. */
tn_status tn_batch_create(const tn_image_shape *shape, const tn_augmentation *options,
                          int64_t max_batch, tn_pool *pool, tn_batch *batch, tn_error *error);
void tn_batch_free(tn_batch *batch);

/* Fills the batch with the images which[0..n-1] of dataset. `first` is the key of the first image;
 * the others follow. */
void tn_batch_gather(tn_batch *batch, const tn_dataset *dataset, const uint32_t *which, int64_t n,
                     const tn_augment_key *first);

#endif
