/* SPDX-License-Identifier: Apache-2.0 */
/* mixup.h: blending images of a batch (Zhang, Cisse, Dauphin, Lopez-Paz: "mixup: Beyond Empirical
 * Risk Minimization", ICLR 2018). Weights are multiples of 1/256, so that what an image holds of
 * another is exactly what its label says. */
#ifndef TN_DATA_MIXUP_H
#define TN_DATA_MIXUP_H

#include "data/augment.h"

/* How far ahead each image of a batch finds the one it is blended with: of n images, i's partner is
 * (i + offset) mod n. From 1 to n - 1; 0 for a single image. The key is that of the first image. */
int64_t tn_mixup_offset(const tn_augment_key *key, int64_t n);

/* The weight in 0..256 that an image's partner gets: 256 times a draw from Beta(alpha, alpha),
 * rounded; alpha > 0. */
int tn_mixup_weight(const tn_augment_key *key, double alpha);

/* dst[i] = ((256 - weight) · a[i] + weight · b[i]) / 256, rounded, for n bytes. */
void tn_mixup_blend(int64_t n, const uint8_t *a, const uint8_t *b, int weight, uint8_t *dst);

#endif
