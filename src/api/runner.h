/* SPDX-License-Identifier: Apache-2.0 */
/* runner.h: a graph planned for inference, with its weights and the memory to run in. */
#ifndef TN_API_RUNNER_H
#define TN_API_RUNNER_H

#include "graph/plan.h"

typedef struct tn_runner {
    tn_graph *graph;
    tn_plan *plan;
    tn_execution *execution;
    real *parameters;
    bool ran;
} tn_runner;

/* Plans runner->graph, which has been put there, for batches of up to max_batch and tiles of so
 * many samples (0: the plan's choice), and arranges its weights. What has been made is released by
 * tn_runner_free on failure, too. */
tn_status tn_runner_prepare(tn_runner *runner, const tn_kernels *kernels, tn_pool *pool,
                            int64_t max_batch, int64_t tile, int64_t tile_rows, tn_error *error);
void tn_runner_free(tn_runner *runner);
/* inputs and outputs as in tn_bindings. */
void tn_runner_run(tn_runner *runner, int64_t batch, const void *const *inputs,
                   void *const *outputs);

#endif
