/* SPDX-License-Identifier: Apache-2.0 */
/* fma_peak.h: what the cores could do at best, against which everything else is measured. */
#ifndef TN_CPU_FMA_PEAK_H
#define TN_CPU_FMA_PEAK_H

#include "cpu/pool.h"

enum { TN_FMA_PEAK_MAX_THREADS = 1024 };

/* GFLOP/s of all threads of the pool (at most TN_FMA_PEAK_MAX_THREADS) together, each multiplying
 * and adding in registers for about ns, with the vectors of a kernel level: 12 independent chains
 * keep the pipes of all processors so far busy. For "ref" what the compiler makes of plain C. By
 * their own time it is what they would reach if nobody else used their cores. */
double tn_fma_peak(const char *level, tn_pool *pool, bool own_time, double ns);

#endif
