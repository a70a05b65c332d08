/* SPDX-License-Identifier: Apache-2.0 */
/* bench-peak: prints the multiply-add peak of some threads together, so that other measurements can
 * tell whether the machine was theirs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/isa.h"
#include "fma_peak.h"
#include "kernels/kernels.h"

static void print_help(FILE *file) {
    fputs("usage: bench-peak [--threads N] [--seconds S] [--own]\n"
          "Prints GFLOP/s that N threads (default 1) reach together when all they do is multiply\n"
          "and add in registers, with the best vectors that Tenon uses here, for S seconds (0.2).\n"
          "With --own, by the processor time they get: as if nobody else used their cores.\n",
          file);
}

/* A number above 0 and at most `most`, or 0. */
static double parse_number(const char *text, double most) {
    char *end;
    double x = strtod(text, &end);
    return end != text && *end == '\0' && x > 0 && x <= most ? x : 0;
}

int main(int argc, char **argv) {
    double n_threads = 1, seconds = 0.2;
    bench_clock clock = BENCH_WALL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            n_threads = parse_number(argv[++i], BENCH_MAX_THREADS);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = parse_number(argv[++i], 60);
        else if (strcmp(argv[i], "--own") == 0)
            clock = BENCH_OWN;
        else
            n_threads = 0;
        if (n_threads < 1 || n_threads != (int)n_threads || seconds == 0) {
            print_help(stderr);
            return 2;
        }
    }
    tn_error error;
    tn_pool *pool;
    if (tn_pool_create((int)n_threads, &pool, &error) != TN_OK) {
        fprintf(stderr, "bench-peak: %s\n", error.message);
        return 1;
    }
    const char *level = tn_kernels_best(tn_isa_detect());
    bench_fma_peak(level, pool, BENCH_WALL, 1e7); /* wakes the cores and the threads */
    printf("%.1f\n", bench_fma_peak(level, pool, clock, seconds * 1e9));
    tn_pool_free(pool);
    return 0;
}
