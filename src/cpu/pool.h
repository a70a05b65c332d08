/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h: worker threads. */
#ifndef TN_CPU_POOL_H
#define TN_CPU_POOL_H

#include "base/status.h"

typedef struct tn_pool tn_pool;

/* A pool of n_threads, the calling thread included (so n_threads - 1 are started). Workers spin
 * briefly for the next call, then sleep. Fails with TN_ERR_ARGUMENT (n_threads < 1), TN_ERR_MEMORY,
 * TN_ERR_IO. */
tn_status tn_pool_create(int n_threads, tn_pool **pool, tn_error *error);
void tn_pool_free(tn_pool *pool);
/* Binds each worker to a processor of its own if tn_pin_decide says so. The calling thread belongs
 * to the caller and is left alone: the system finds it the core that no worker is bound to. A pool
 * that cannot be pinned works unpinned. */
void tn_pool_pin(tn_pool *pool, tn_pin pin);
/* Whether it has been done; false for a NULL pool. */
bool tn_pool_pinned(const tn_pool *pool);
/* 1 for a NULL pool. */
int tn_pool_threads(const tn_pool *pool);

/* task in 0..n_tasks-1; thread in 0..tn_pool_threads(pool)-1 tells the running thread. */
typedef void tn_task_fn(void *context, int64_t task, int thread);

/* Equals, up to order,
 *     for (int64_t task = 0; task < n_tasks; task++) run(context, task, thread);
 * and with a NULL pool is that loop (thread 0). Tasks are handed out in ascending order, one at a
 * time; returns when all are done. While tasks run, denormals are flushed to zero; the caller's
 * floating-point mode is restored before returning. Not reentrant: a task must not call it, and a
 * pool serves one caller at a time. */
void tn_parallel_for(tn_pool *pool, int64_t n_tasks, tn_task_fn *run, void *context);

#endif
