/* SPDX-License-Identifier: Apache-2.0 */
/* philox.c: Philox4x32-10 and streams of it. */
#include "base/philox.h"

#include <stdbool.h>

/* One of the ten rounds: section 3.3 of Salmon et al. 2011, constants of their Random123 library.
 */
static void apply_round(const uint32_t key[2], uint32_t x[4]) {
    uint64_t product0 = (uint64_t)0xD2511F53u * x[0];
    uint64_t product1 = (uint64_t)0xCD9E8D57u * x[2];
    uint32_t x1 = x[1], x3 = x[3];
    x[0] = (uint32_t)(product1 >> 32) ^ x1 ^ key[0];
    x[1] = (uint32_t)product1;
    x[2] = (uint32_t)(product0 >> 32) ^ x3 ^ key[1];
    x[3] = (uint32_t)product0;
}

void tn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
    uint32_t k[2] = {key[0], key[1]};
    uint32_t x[4] = {counter[0], counter[1], counter[2], counter[3]};
    for (int i = 0; i < 10; i++) {
        apply_round(k, x);
        k[0] += 0x9E3779B9u; /* the golden ratio */
        k[1] += 0xBB67AE85u; /* √3 - 1 */
    }
    for (int i = 0; i < 4; i++) out[i] = x[i];
}

tn_random tn_random_begin(uint64_t seed, tn_purpose purpose, uint64_t stream) {
    return (tn_random){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)stream, (uint32_t)(stream >> 32), (uint32_t)purpose},
        .used = 4,
    };
}

/* A stream repeats after 2^34 words, when the first word of its counter has wrapped. */
uint32_t tn_random_u32(tn_random *random) {
    if (random->used == 4) {
        tn_philox(random->key, random->counter, random->block);
        random->counter[0]++;
        random->used = 0;
    }
    return random->block[random->used++];
}

/* Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), algorithm 5. */
uint32_t tn_random_below(tn_random *random, uint32_t n) {
    uint64_t product = (uint64_t)tn_random_u32(random) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (0u - n) % n; /* 2^32 mod n */
        while ((uint32_t)product < threshold) product = (uint64_t)tn_random_u32(random) * n;
    }
    return (uint32_t)(product >> 32);
}

double tn_random_uniform(tn_random *random) {
    uint64_t high = tn_random_u32(random);
    uint64_t low = tn_random_u32(random);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

/* True with probability exp(-x), 0 <= x <= 1: von Neumann's way, by the length of a falling run. */
static bool happens_exp(tn_random *random, double x) {
    for (bool even = true;; even = !even) {
        double next = tn_random_uniform(random);
        if (next >= x) return even;
        x = next;
    }
}

/* Whether `times` events of probability exp(-x) each all happen. */
static bool all_happen_exp(tn_random *random, double x, int times) {
    while (times > 0 && happens_exp(random, x)) times--;
    return times == 0;
}

/* Karney, "Sampling exactly from the normal distribution", ACM TOMS 42 (2016), algorithm N. */
double tn_random_normal(tn_random *random) {
    for (;;) {
        int k = 0;
        while (happens_exp(random, 0.5)) k++;
        if (!all_happen_exp(random, 0.5, k * (k - 1))) continue;
        double x = tn_random_uniform(random);
        if (!all_happen_exp(random, x * (2 * k + x) / (2 * k + 2), k + 1)) continue;
        return tn_random_u32(random) & 1 ? k + x : -(k + x);
    }
}
