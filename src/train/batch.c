/* SPDX-License-Identifier: Apache-2.0 */
#include "train/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "data/mixup.h"

/* Images that a thread takes at once. */
enum { BLOCK = 8 };

static bool blends(const tn_batch *batch) { return batch->options.mixup > 0; }

static tn_status allocate(tn_batch *batch, int64_t max_batch, tn_error *error) {
    size_t n = (size_t)max_batch, bytes = n * (size_t)batch->image_bytes;
    batch->images = tn_aligned_alloc(bytes);
    batch->labels = tn_aligned_alloc(n * sizeof *batch->labels);
    if (!batch->images || !batch->labels) return tn_fail_memory(error);
    if (batch->augments) {
        batch->scratch_bytes = tn_augment_scratch_bytes(&batch->shape);
        batch->scratch = calloc((size_t)tn_pool_threads(batch->pool), (size_t)batch->scratch_bytes);
        if (!batch->scratch) return tn_fail_memory(error);
    }
    if (!blends(batch)) return TN_OK;
    batch->plain = tn_aligned_alloc(bytes);
    batch->labels2 = tn_aligned_alloc(n * sizeof *batch->labels2);
    batch->weights2 = tn_aligned_alloc(n * sizeof *batch->weights2);
    return batch->plain && batch->labels2 && batch->weights2 ? TN_OK : tn_fail_memory(error);
}

tn_status tn_batch_create(const tn_image_shape *shape, const tn_augmentation *options,
                          int64_t max_batch, tn_pool *pool, tn_batch *batch, tn_error *error) {
    *batch = (tn_batch){.shape = *shape,
                        .pool = pool,
                        .image_bytes = shape->height * shape->width * shape->channels};
    if (options) {
        batch->options = *options;
        batch->augments = tn_augment_wanted(options);
    }
    return allocate(batch, max_batch, error);
}

void tn_batch_free(tn_batch *batch) {
    free(batch->images);
    free(batch->labels);
    free(batch->labels2);
    free(batch->weights2);
    free(batch->plain);
    free(batch->scratch);
    *batch = (tn_batch){0};
}

/* ---- Gathering ---------------------------------------------------------------------------- */

typedef struct gathering {
    tn_batch *batch;
    const uint8_t *images; /* of the data set */
    const uint32_t *which;
    int64_t n;
    tn_augment_key first;
    int64_t offset; /* of mixup's partners */
} gathering;

static tn_augment_key key_of(const gathering *g, int64_t i) {
    tn_augment_key key = g->first;
    key.place += i;
    return key;
}

static void gather_one(const gathering *g, int64_t i, int thread) {
    tn_batch *batch = g->batch;
    const uint8_t *src = g->images + g->which[i] * batch->image_bytes;
    uint8_t *dst = (blends(batch) ? batch->plain : batch->images) + i * batch->image_bytes;
    if (batch->augments) {
        const tn_augment_key key = key_of(g, i);
        const tn_image_change change = tn_augment_draw(&batch->options, &batch->shape, &key);
        tn_augment(&change, &batch->shape, src, dst,
                   batch->scratch + thread * batch->scratch_bytes);
    } else {
        memcpy(dst, src, (size_t)batch->image_bytes);
    }
}

static void gather_block(void *context, int64_t block, int thread) {
    const gathering *g = context;
    int64_t end = tn_min_i64((block + 1) * BLOCK, g->n);
    for (int64_t i = block * BLOCK; i < end; i++) gather_one(g, i, thread);
}

static void blend_one(const gathering *g, int64_t i) {
    tn_batch *batch = g->batch;
    const tn_augment_key key = key_of(g, i);
    int64_t partner = (i + g->offset) % g->n;
    int weight = tn_mixup_weight(&key, batch->options.mixup);
    batch->labels2[i] = batch->labels[partner];
    batch->weights2[i] = (real)weight / 256;
    tn_mixup_blend(batch->image_bytes, batch->plain + i * batch->image_bytes,
                   batch->plain + partner * batch->image_bytes, weight,
                   batch->images + i * batch->image_bytes);
}

static void blend_block(void *context, int64_t block, int thread) {
    const gathering *g = context;
    int64_t end = tn_min_i64((block + 1) * BLOCK, g->n);
    (void)thread;
    for (int64_t i = block * BLOCK; i < end; i++) blend_one(g, i);
}

void tn_batch_gather(tn_batch *batch, const tn_dataset *dataset, const uint32_t *which, int64_t n,
                     const tn_augment_key *first) {
    const int32_t *labels = tn_dataset_labels(dataset);
    gathering g = {.batch = batch,
                   .images = tn_dataset_images(dataset),
                   .which = which,
                   .n = n,
                   .first = *first};
    int64_t n_blocks = (n + BLOCK - 1) / BLOCK;
    for (int64_t i = 0; i < n; i++) batch->labels[i] = labels[which[i]];
    /* copying takes less than waking threads */
    tn_parallel_for(batch->augments ? batch->pool : NULL, n_blocks, gather_block, &g);
    if (!blends(batch)) return;
    g.offset = tn_mixup_offset(first, n);
    tn_parallel_for(batch->pool, n_blocks, blend_block, &g);
}
