/* SPDX-License-Identifier: Apache-2.0 */
/* arrange.c: parameters between their canonical and their executing order. */
#include "graph/plan_parts.h"

/* The canonical place of a stored element. */
static int64_t canonical_index(const tn_arrangement *a, int64_t stored) {
    int64_t at[TN_MAX_RANK], index = 0;
    for (int i = a->rank - 1; i >= 0; i--) {
        at[a->axes[i]] = stored % a->dims[a->axes[i]];
        stored /= a->dims[a->axes[i]];
    }
    for (int i = 0; i < a->rank; i++) index = index * a->dims[i] + at[i];
    return index;
}

void tn_arrange(const tn_arrangement *a, int64_t n, const float *canonical, real *stored) {
    for (int64_t i = 0; i < n; i++)
        stored[i] = (real)canonical[a->rank ? canonical_index(a, i) : i];
}

void tn_unarrange(const tn_arrangement *a, int64_t n, const real *stored, float *canonical) {
    for (int64_t i = 0; i < n; i++)
        canonical[a->rank ? canonical_index(a, i) : i] = (float)stored[i];
}
