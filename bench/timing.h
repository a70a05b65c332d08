/* SPDX-License-Identifier: Apache-2.0 */
/* timing.h: the clock and the medians of the benchmarks. */
#ifndef TN_BENCH_TIMING_H
#define TN_BENCH_TIMING_H

double bench_now_ns(void);

/* The middle one of n > 0 samples, the upper if there are two; sorts them. */
double bench_median(int n, double *samples);

/* The median time in ns of one call, over repetitions that each make so many calls that they last
 * at least repetition_ns. */
double bench_time_call(void (*call)(void *context), void *context, double repetition_ns);

#endif
