/* SPDX-License-Identifier: Apache-2.0 */
/* timing.h: the clock and the medians of the benchmarks. */
#ifndef TN_BENCH_TIMING_H
#define TN_BENCH_TIMING_H

typedef enum bench_clock {
    BENCH_WALL, /* what a user waits */
    BENCH_OWN /* the processor time that the calling thread got: others on its core do not count */
} bench_clock;

double bench_now_ns(bench_clock clock);

/* The middle one of n > 0 samples, the upper if there are two; sorts them. */
double bench_median(int n, double *samples);

/* The median time in ns of one call, by BENCH_OWN, over repetitions that each make so many calls
 * that they last at least repetition_ns. */
double bench_time_call(void (*call)(void *context), void *context, double repetition_ns);

#endif
