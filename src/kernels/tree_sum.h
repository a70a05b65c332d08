/* SPDX-License-Identifier: Apache-2.0 */
/* tree_sum.h: the one order in which shards are summed. */
#ifndef TN_KERNELS_TREE_SUM_H
#define TN_KERNELS_TREE_SUM_H

#include "kernels/kernels.h"

/* Sums n_parts (a power of two) arrays of n numbers, part s at parts + s·stride, in the tree
 * ((0+1)+(2+3))+...; the sum is left in part 0, the other parts are overwritten. */
static inline void tn_tree_sum(const tn_kernels *kernels, int n_parts, real *parts, int64_t stride,
                               int64_t n) {
    for (int step = 1; step < n_parts; step *= 2)
        for (int s = 0; s + step < n_parts; s += 2 * step)
            kernels->add(n, parts + s * stride, parts + (s + step) * stride, parts + s * stride);
}

#endif
