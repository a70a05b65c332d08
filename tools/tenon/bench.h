/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h: one run of tenon bench, shared by its command line (cmd_bench.c) and what it measures.
 */
#ifndef TN_TENON_BENCH_H
#define TN_TENON_BENCH_H

#include <stdio.h>

#include <tenon/tenon.h>

typedef struct bench {
    /* from the command line */
    const char *model_name, *data_name, *output, *json;
    bool tune;
    int64_t batch_size, n_threads; /* 0 if not given */
    double seconds;                /* likewise */
    /* derived */
    FILE *out;
    tn_cpu_info cpu;
    tn_model *model;
} bench;

/* Returns the exit code (bench_tune.c). */
int bench_tune(const bench *job);

#endif
