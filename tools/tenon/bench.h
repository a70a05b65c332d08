/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h: one run of tenon bench, shared by its command line (cmd_bench.c) and what it measures.
 */
#ifndef TN_TENON_BENCH_H
#define TN_TENON_BENCH_H

#include <stdio.h>

#include <tenon/tenon.h>

typedef struct bench {
    /* from the command line */
    const char *model_name, *data_name, *output, *json, *shapes;
    bool tune;
    int hint; /* an index of bench_hint_names; -1: all of them */
    tn_dataset_options open;
    int64_t batch_size, n_threads; /* 0 if not given */
    double seconds;                /* likewise */
    /* derived */
    FILE *out;
    tn_cpu_info cpu;
    tn_model *model;
    tn_dataset *data; /* test images; NULL without */
} bench;

extern const char *const bench_hint_names[]; /* NULL-terminated */

/* Returns the exit code (bench_tune.c). */
int bench_tune(const bench *job);
/* Likewise (bench_speed.c). */
int bench_speed(bench *job);

#endif
