/* SPDX-License-Identifier: Apache-2.0 */
/* roofline.h: what a core can do at most (Williams et al. 2009): multiply, and move numbers from
 * each level of memory. */
#ifndef TN_GRAPH_ROOFLINE_H
#define TN_GRAPH_ROOFLINE_H

#include "cpu/pool.h"
#include "kernels/kernels.h"

typedef enum tn_level { TN_LEVEL_L2, TN_LEVEL_L3, TN_LEVEL_MEMORY, TN_N_LEVELS } tn_level;

/* Rates of one core while all threads are at work. */
typedef struct tn_roofline {
    double macs_per_s;               /* of the register tile, on numbers in the first-level cache */
    double bytes_per_s[TN_N_LEVELS]; /* read and written by an elementwise kernel */
    int64_t l2_bytes, l3_bytes;      /* of a core, of all */
} tn_roofline;

/* Round numbers of the machines at hand, for choices that must not depend on a measurement. */
extern const tn_roofline tn_roofline_usual;

/* Measures with all threads of the pool at once; takes some 50 ms. */
tn_status tn_roofline_measure(const tn_kernels *kernels, tn_pool *pool, tn_roofline *roofline,
                              tn_error *error);

/* Where so many bytes stay from one use to the next, if one core or all cores use them. */
tn_level tn_roofline_level(const tn_roofline *roofline, int64_t bytes, bool of_one_core);

#endif
