/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/memory.h"

#include <stdlib.h>

#include "base/size.h"

static int larger_first(const void *a, const void *b) {
    const tn_lifetime *p = *(tn_lifetime *const *)a, *q = *(tn_lifetime *const *)b;
    if (p->bytes != q->bytes) return p->bytes < q->bytes ? 1 : -1;
    return p < q ? -1 : p > q; /* the order of items, so that plans repeat */
}

/* The lowest offset for item, given what is placed already (sorted by offset). */
static int64_t first_gap(const tn_lifetime *item, tn_lifetime *const *placed, int n) {
    int64_t offset = 0;
    for (int i = 0; i < n; i++) {
        const tn_lifetime *other = placed[i];
        if (other->last < item->first || item->last < other->first) continue;
        if (offset + item->bytes <= other->offset) break;
        offset = tn_max_i64(offset, tn_round_up(other->offset + other->bytes, TN_ALIGNMENT));
    }
    return offset;
}

int64_t tn_memory_place(tn_lifetime *items, int n) {
    tn_lifetime **order = malloc(2 * ((size_t)n + 1) * sizeof *order), **placed;
    int64_t total = 0;
    if (!order) return -1;
    placed = order + n;
    for (int i = 0; i < n; i++) order[i] = &items[i];
    qsort(order, (size_t)n, sizeof *order, larger_first);
    for (int i = 0; i < n; i++) {
        tn_lifetime *item = order[i];
        item->offset = first_gap(item, placed, i);
        total = tn_max_i64(total, tn_round_up(item->offset + item->bytes, TN_ALIGNMENT));
        int at = i;
        for (; at > 0 && placed[at - 1]->offset > item->offset; at--) placed[at] = placed[at - 1];
        placed[at] = item;
    }
    free(order);
    return total;
}
