/* SPDX-License-Identifier: Apache-2.0 */
#include "fma_peak.h"

double bench_fma_peak(const char *level, tn_pool *pool, bench_clock clock, double ns) {
    return tn_fma_peak(level, pool, clock == BENCH_OWN, ns);
}
