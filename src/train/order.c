/* SPDX-License-Identifier: Apache-2.0 */
#include "train/order.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"

/* Durstenfeld's form of the Fisher-Yates shuffle (Knuth, volume 2, algorithm 3.4.2P). */
static void shuffle(tn_random random, int64_t n, uint32_t *items) {
    for (int64_t i = n - 1; i > 0; i--) {
        uint32_t j = tn_random_below(&random, (uint32_t)(i + 1));
        uint32_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}

int64_t tn_order_held_out(int64_t n, double fraction) { return llround(fraction * (double)n); }

void tn_order_split(uint64_t seed, int64_t n, int64_t n_held, uint32_t *images) {
    for (int64_t i = 0; i < n; i++) images[i] = (uint32_t)i;
    if (n_held > 0) shuffle(tn_random_begin(seed, TN_PURPOSE_SPLIT, 0), n, images);
}

void tn_order_shuffle(uint64_t seed, int64_t epoch, int64_t n, const uint32_t *images,
                      uint32_t *order) {
    memcpy(order, images, (size_t)n * sizeof *order);
    shuffle(tn_random_begin(seed, TN_PURPOSE_ORDER, (uint64_t)epoch), n, order);
}
