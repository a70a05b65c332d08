/* SPDX-License-Identifier: Apache-2.0 */
#include "timing.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

double bench_now_ns(bench_clock clock) {
    struct timespec t;
    clock_gettime(clock == BENCH_OWN ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(int n, double *samples) {
    qsort(samples, (size_t)n, sizeof *samples, by_value);
    return samples[n / 2];
}

double bench_time_call(void (*call)(void *context), void *context, double repetition_ns) {
    enum { REPETITIONS = 21 };
    double samples[REPETITIONS];
    int64_t calls = 1;
    for (;;) {
        double start = bench_now_ns(BENCH_OWN);
        for (int64_t i = 0; i < calls; i++) call(context);
        if (bench_now_ns(BENCH_OWN) - start > repetition_ns) break;
        calls *= 2;
    }
    for (int r = 0; r < REPETITIONS; r++) {
        double start = bench_now_ns(BENCH_OWN);
        for (int64_t i = 0; i < calls; i++) call(context);
        samples[r] = (bench_now_ns(BENCH_OWN) - start) / (double)calls;
    }
    return bench_median(REPETITIONS, samples);
}
