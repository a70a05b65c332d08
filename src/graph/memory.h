/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h: places for values that do not all live at the same time. */
#ifndef TN_GRAPH_MEMORY_H
#define TN_GRAPH_MEMORY_H

#include <stdint.h>

enum { TN_ALIGNMENT = 64 };

typedef struct tn_lifetime {
    int64_t bytes;
    int first, last; /* moments at which it is alive, both included */
    int64_t offset;  /* result, a multiple of TN_ALIGNMENT */
} tn_lifetime;

/* Gives each item an offset such that items alive at the same moment do not overlap; first fit, the
 * largest first. Returns the bytes needed in all, or -1 when out of memory. */
int64_t tn_memory_place(tn_lifetime *items, int n);

#endif
