/* SPDX-License-Identifier: Apache-2.0 */
/* order.h: which images are trained on, and in which order; functions of the seed alone. */
#ifndef TN_TRAIN_ORDER_H
#define TN_TRAIN_ORDER_H

#include <stdint.h>

/* How many of n images are held out. */
int64_t tn_order_held_out(int64_t n, double fraction);
/* Divides the images 0..n-1: the first n_held places of `images` become the held-out ones, the
 * others those trained on. Without held-out images they stay in their order. */
void tn_order_split(uint64_t seed, int64_t n, int64_t n_held, uint32_t *images);
/* order [n] = images [n] as the epoch (from 0) visits them: a Fisher-Yates shuffle. */
void tn_order_shuffle(uint64_t seed, int64_t epoch, int64_t n, const uint32_t *images,
                      uint32_t *order);

#endif
