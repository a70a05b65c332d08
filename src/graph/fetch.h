/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h: bringing memory near before it is needed. Values that cross segments come from the
 * third-level cache or from memory, and a node that only adds and scales waits for them; one that
 * multiplies leaves the way to memory idle. So while a tile of samples is multiplied, what the
 * thread's next tile will read and write there is fetched into the second-level cache. */
#ifndef TN_GRAPH_FETCH_H
#define TN_GRAPH_FETCH_H

#include <stdint.h>

enum { TN_FETCH_PLACES = 12 };

typedef struct tn_fetch {
    const char *at[TN_FETCH_PLACES];
    int64_t bytes[TN_FETCH_PLACES];
    int n;
    /* The share of the node that runs, of all these bytes one after the other. */
    int64_t begin, end;
} tn_fetch;

/* Fetches part i of the n parts of a share. For an implementation that `fetches`, to be called as
 * evenly as it can while it computes; fetch may be NULL: nothing. */
void tn_fetch_part(const tn_fetch *fetch, int64_t i, int64_t n);

#endif
