/* SPDX-License-Identifier: Apache-2.0 */
/* philox.h: Philox4x32-10, the counter-based random number generator of Salmon, Moraes, Dror, Shaw:
 * "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Equal keys and counters give equal
 * bits on every machine, in any order and on any thread. */
#ifndef TN_BASE_PHILOX_H
#define TN_BASE_PHILOX_H

#include <stdint.h>

/* out = the 128 random bits of (key, counter). */
void tn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* A sequential stream over one key: for shuffles and initial weights. */
typedef struct tn_random {
    uint32_t key[2], counter[4], block[4];
    int used; /* words of block already taken */
} tn_random;

/* What random numbers are for; streams of one seed and different purposes are independent. */
typedef enum tn_purpose {
    TN_PURPOSE_WEIGHTS = 1,
    TN_PURPOSE_ORDER,
    TN_PURPOSE_DROPOUT,
    TN_PURPOSE_SPLIT,
    TN_PURPOSE_TEST,
    TN_PURPOSE_AUGMENT,
    TN_PURPOSE_MIXUP,   /* by the sample */
    TN_PURPOSE_PARTNERS /* by the batch */
} tn_purpose;

/* The stream number `stream` of a purpose. */
tn_random tn_random_begin(uint64_t seed, tn_purpose purpose, uint64_t stream);
uint32_t tn_random_u32(tn_random *random);
/* Uniform in 0..n-1 without bias (Lemire 2019); n > 0. */
uint32_t tn_random_below(tn_random *random, uint32_t n);
/* Uniform in [0, 1), a multiple of 2^-53. */
double tn_random_uniform(tn_random *random);
/* Normal with mean 0 and variance 1. Asks no mathematical library, whose last bits differ. */
double tn_random_normal(tn_random *random);

#endif
