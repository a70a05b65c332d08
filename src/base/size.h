/* SPDX-License-Identifier: Apache-2.0 */
/* size.h: arithmetic on sizes that come from files. Each returns false on overflow, and then
 * leaves *result unspecified. Operands must not be negative. */
#ifndef TN_BASE_SIZE_H
#define TN_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

static inline bool tn_size_add(int64_t a, int64_t b, int64_t *result) {
    return !__builtin_add_overflow(a, b, result);
}

static inline bool tn_size_mul(int64_t a, int64_t b, int64_t *result) {
    return !__builtin_mul_overflow(a, b, result);
}

/* The product of n dimensions; false on overflow or a negative dimension. */
static inline bool tn_size_product(const int64_t *dims, int n, int64_t *result) {
    *result = 1;
    for (int i = 0; i < n; i++)
        if (dims[i] < 0 || !tn_size_mul(*result, dims[i], result)) return false;
    return true;
}

static inline int64_t tn_round_up(int64_t a, int64_t multiple) {
    return (a + multiple - 1) / multiple * multiple;
}

static inline int64_t tn_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t tn_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
