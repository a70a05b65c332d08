/* SPDX-License-Identifier: Apache-2.0 */
/* fma_peak.h: what the cores could do at best, against which everything else is measured. */
#ifndef TN_BENCH_FMA_PEAK_H
#define TN_BENCH_FMA_PEAK_H

#include "cpu/fma_peak.h"
#include "timing.h"

enum { BENCH_MAX_THREADS = TN_FMA_PEAK_MAX_THREADS };

/* tn_fma_peak by one of the benchmarks' clocks. */
double bench_fma_peak(const char *level, tn_pool *pool, bench_clock clock, double ns);

#endif
