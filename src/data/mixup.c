/* SPDX-License-Identifier: Apache-2.0 */
#include "data/mixup.h"

#include <math.h>

#include "base/philox.h"

static tn_random begin(const tn_augment_key *key, tn_purpose purpose) {
    return tn_random_begin(key->seed, purpose, key->step << 32 | (uint32_t)key->place);
}

int64_t tn_mixup_offset(const tn_augment_key *key, int64_t n) {
    if (n < 2) return 0;
    tn_random random = begin(key, TN_PURPOSE_PARTNERS);
    return 1 + tn_random_below(&random, (uint32_t)(n - 1));
}

/* Marsaglia's polar method (1964). */
static double draw_normal(tn_random *random) {
    for (;;) {
        double u = 2 * tn_random_uniform(random) - 1, v = 2 * tn_random_uniform(random) - 1;
        double square = u * u + v * v;
        if (square > 0 && square < 1) return u * sqrt(-2 * log(square) / square);
    }
}

/* The logarithm of a draw from Gamma(alpha): Marsaglia and Tsang, "A simple method for generating
 * gamma variables", ACM TOMS 26 (2000), section 4, and section 6 for alpha < 1. Draws for small
 * alpha are too small for a double, their logarithms are not. */
static double draw_log_gamma(tn_random *random, double alpha) {
    double boost = 0;
    if (alpha < 1) {
        boost = log(1 - tn_random_uniform(random)) / alpha;
        alpha += 1;
    }
    double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = draw_normal(random), v = 1 + c * x;
        if (v <= 0) continue;
        double log_v = 3 * log(v), u = 1 - tn_random_uniform(random);
        if (log(u) < 0.5 * x * x + d - d * v * v * v + d * log_v) return log(d) + log_v + boost;
    }
}

/* Rounded to 8 bits, so that a last bit in which logarithms of two systems differ is as good as
 * never seen. */
int tn_mixup_weight(const tn_augment_key *key, double alpha) {
    tn_random random = begin(key, TN_PURPOSE_MIXUP);
    alpha = fmax(alpha, 1e-6); /* where the weights are 0 and 256 for all that can be told */
    double a = draw_log_gamma(&random, alpha), b = draw_log_gamma(&random, alpha);
    return (int)lround(256 / (1 + exp(b - a))); /* e^a / (e^a + e^b) */
}

void tn_mixup_blend(int64_t n, const uint8_t *a, const uint8_t *b, int weight, uint8_t *dst) {
    int kept = 256 - weight;
    for (int64_t i = 0; i < n; i++) dst[i] = (uint8_t)((kept * a[i] + weight * b[i] + 128) >> 8);
}
