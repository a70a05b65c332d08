/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/fork_join.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/size.h"

typedef struct meeting {
    _Atomic int arrived;
    int n_threads;
} meeting;

/* Waits for the others: else a thread that is awake would take the tasks of one that is not. */
static void meet(void *context, int64_t task, int thread) {
    meeting *m = context;
    (void)task, (void)thread;
    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->arrived) < m->n_threads) sched_yield();
}

static void stay_idle(int us) {
    int64_t end = tn_now_ns() + us * INT64_C(1000);
    while (tn_now_ns() < end) continue;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

double tn_fork_join_us(tn_pool *pool, int idle_us, int calls) {
    int64_t ns[TN_FORK_JOIN_CALLS];
    int n_threads = tn_pool_threads(pool), n = (int)tn_min_i64(calls, TN_FORK_JOIN_CALLS);
    for (int i = 0; i < n; i++) {
        meeting m = {.n_threads = n_threads};
        stay_idle(idle_us);
        int64_t begin = tn_now_ns();
        tn_parallel_for(pool, n_threads, meet, &m);
        ns[i] = tn_now_ns() - begin;
    }
    qsort(ns, (size_t)n, sizeof ns[0], ascending);
    return 1e-3 * (double)ns[n / 2];
}
