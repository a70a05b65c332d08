/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/roofline.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/size.h"
#include "cpu/topology.h"

const tn_roofline tn_roofline_usual = {.macs_per_s = 48e9,
                                       .bytes_per_s = {90e9, 40e9, 8e9},
                                       .l2_bytes = 512 << 10,
                                       .l3_bytes = 16 << 20};

enum { DEPTH = 256, REPETITIONS = 5 };
static const int64_t most_stream_bytes = 256 << 20;

typedef struct measurement {
    const tn_kernels *kernels;
    char *memory; /* of each thread `bytes` */
    int64_t bytes;
    double *rates; /* [n_threads]: the best of each */
} measurement;

/* ---- Multiplying ----------------------------------------------------------------------------- */

static int64_t panel_elements(const tn_kernels *k) {
    return (int64_t)DEPTH * (k->mr + k->nr) + (int64_t)k->mr * k->nr;
}

/* A register tile again and again, for about 0.2 ms. */
static void multiply_task(void *context, int64_t task, int thread) {
    const measurement *m = context;
    const tn_kernels *k = m->kernels;
    (void)thread;
    real *a = (real *)(void *)(m->memory + task * m->bytes), *b = a + DEPTH * k->mr;
    real *c = b + DEPTH * k->nr;
    int64_t offset[DEPTH], a_row[TN_TILE_MAX_MR], c_row[TN_TILE_MAX_MR];
    for (int64_t i = 0; i < DEPTH; i++) offset[i] = i;
    for (int i = 0; i < k->mr; i++) a_row[i] = (int64_t)i * DEPTH, c_row[i] = (int64_t)i * k->nr;
    const tn_panel panel = {.rows = k->mr,
                            .runs = 1,
                            .depth = DEPTH,
                            .columns = k->nr,
                            .a = a,
                            .a_row = a_row,
                            .offset = offset,
                            .b = b,
                            .ldb = k->nr,
                            .c = c,
                            .c_row = c_row,
                            .adds = true};
    for (int r = 0; r < REPETITIONS; r++) {
        int64_t begin = tn_now_ns(), now = begin, calls = 0;
        for (; now - begin < 200 * 1000; now = tn_now_ns(), calls += 16)
            for (int i = 0; i < 16; i++) k->panel(&panel);
        double macs = (double)calls * DEPTH * k->mr * k->nr;
        double rate = macs / (1e-9 * (double)(now - begin));
        if (rate > m->rates[task]) m->rates[task] = rate;
    }
}

/* ---- Moving ---------------------------------------------------------------------------------- */

/* y = max(x, 0) over halves of the memory. */
static void stream_task(void *context, int64_t task, int thread) {
    const measurement *m = context;
    (void)thread;
    int64_t n = m->bytes / 2 / (int64_t)sizeof(real);
    real *x = (real *)(void *)(m->memory + task * m->bytes), *y = x + n;
    for (int r = 0; r < REPETITIONS; r++) {
        int64_t begin = tn_now_ns(), now = begin, rounds = 0;
        for (; rounds == 0 || now - begin < 200 * 1000; now = tn_now_ns(), rounds++)
            m->kernels->relu(n, x, y);
        double rate = (double)(rounds * m->bytes) / (1e-9 * (double)(now - begin + 1));
        if (r > 0 && rate > m->rates[task]) m->rates[task] = rate; /* the first meets fresh pages */
    }
}

/* ---- Both ------------------------------------------------------------------------------------ */

/* The mean of the threads' rates. */
static tn_status measure(const tn_kernels *kernels, tn_pool *pool, tn_task_fn *task, int64_t bytes,
                         double *rate, tn_error *error) {
    int n = tn_pool_threads(pool);
    measurement m = {.kernels = kernels, .bytes = tn_round_up(bytes, 64)};
    m.memory = tn_aligned_alloc((size_t)(m.bytes * n));
    m.rates = calloc((size_t)n, sizeof *m.rates);
    tn_status status = m.memory && m.rates ? TN_OK : tn_fail_memory(error);
    if (status == TN_OK) {
        memset(m.memory, 0, (size_t)(m.bytes * n));
        tn_parallel_for(pool, n, task, &m);
        *rate = 0;
        for (int i = 0; i < n; i++) *rate += m.rates[i] / n;
    }
    free(m.memory);
    free(m.rates);
    return status;
}

tn_status tn_roofline_measure(const tn_kernels *kernels, tn_pool *pool, tn_roofline *roofline,
                              tn_error *error) {
    tn_cpu_info cpu = TN_INIT(tn_cpu_info);
    tn_roofline r = tn_roofline_usual;
    int n = tn_pool_threads(pool);
    tn_topology_inspect(&cpu);
    if (cpu.l2_bytes > 0) r.l2_bytes = cpu.l2_bytes;
    if (cpu.l3_bytes > 0) r.l3_bytes = cpu.l3_bytes;
    const int64_t working_set[TN_N_LEVELS] = {r.l2_bytes / 2,
                                              tn_max_i64(2 * r.l2_bytes, r.l3_bytes / (2 * n)),
                                              tn_min_i64(2 * r.l3_bytes, most_stream_bytes) / n};
    TN_TRY(measure(kernels, pool, multiply_task, panel_elements(kernels) * (int64_t)sizeof(real),
                   &r.macs_per_s, error));
    for (int level = 0; level < TN_N_LEVELS; level++)
        TN_TRY(
            measure(kernels, pool, stream_task, working_set[level], &r.bytes_per_s[level], error));
    *roofline = r;
    return TN_OK;
}

/* Three quarters of the one and half of the other: something else passes through them, too. */
tn_level tn_roofline_level(const tn_roofline *roofline, int64_t bytes, bool of_one_core) {
    if (of_one_core && bytes <= roofline->l2_bytes / 4 * 3) return TN_LEVEL_L2;
    return bytes <= roofline->l3_bytes / 2 ? TN_LEVEL_L3 : TN_LEVEL_MEMORY;
}
