/* SPDX-License-Identifier: Apache-2.0 */
/* arrange.c: parameters between their canonical and their executing order. */
#include "graph/plan_parts.h"

/* Of the stored array's axes, outermost first. */
typedef struct walk {
    int rank;
    int64_t n[TN_MAX_RANK], stride[TN_MAX_RANK]; /* in elements of the canonical array */
} walk;

/* Rank 0, as is, is one axis. */
static walk walk_of(const tn_arrangement *a, int64_t n) {
    int64_t stride[TN_MAX_RANK];
    walk w = {.rank = a->rank > 0 ? a->rank : 1, .n = {n}, .stride = {1}};
    for (int i = a->rank - 1; i >= 0; i--)
        stride[i] = i == a->rank - 1 ? 1 : stride[i + 1] * a->dims[i + 1];
    for (int i = 0; i < a->rank; i++) {
        w.n[i] = a->dims[a->axes[i]];
        w.stride[i] = stride[a->axes[i]];
    }
    return w;
}

/* The canonical place of the first element of the row along the last axis after that at `at`. */
static int64_t next_row(const walk *w, int64_t *at) {
    int64_t index = 0;
    for (int i = w->rank - 2; i >= 0; i--) {
        if (++at[i] < w->n[i]) break;
        at[i] = 0;
    }
    for (int i = 0; i < w->rank - 1; i++) index += at[i] * w->stride[i];
    return index;
}

void tn_arrange(const tn_arrangement *a, int64_t n, const float *canonical, real *stored) {
    const walk w = walk_of(a, n);
    int64_t at[TN_MAX_RANK] = {0}, row = w.n[w.rank - 1], stride = w.stride[w.rank - 1], from = 0;
    for (int64_t i = 0; i < n; i += row, from = next_row(&w, at))
        for (int64_t j = 0; j < row; j++) stored[i + j] = (real)canonical[from + j * stride];
}

void tn_unarrange(const tn_arrangement *a, int64_t n, const real *stored, float *canonical) {
    const walk w = walk_of(a, n);
    int64_t at[TN_MAX_RANK] = {0}, row = w.n[w.rank - 1], stride = w.stride[w.rank - 1], from = 0;
    for (int64_t i = 0; i < n; i += row, from = next_row(&w, at))
        for (int64_t j = 0; j < row; j++) canonical[from + j * stride] = (float)stored[i + j];
}
