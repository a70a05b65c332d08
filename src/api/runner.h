/* SPDX-License-Identifier: Apache-2.0 */
/* runner.h: a graph planned for inference, with its weights; and what runs it. */
#ifndef TN_API_RUNNER_H
#define TN_API_RUNNER_H

#include "graph/plan.h"

/* What any number of threads may run at the same time, each by an execution of its own: once
 * prepared, nothing of it changes. */
typedef struct tn_prepared {
    tn_graph *graph;
    tn_plan *plan;
    real *parameters;
    void *packed; /* of tn_plan_pack */
} tn_prepared;

/* Plans prepared->graph, which has been put there, for pools like this one, batches of up to
 * max_batch and tiles of so many samples and rows (0: the plan's choice); arranges and packs its
 * weights. What has been made is released by tn_prepared_free on failure, too. */
tn_status tn_prepared_plan(tn_prepared *prepared, const tn_kernels *kernels, tn_pool *pool,
                           int64_t max_batch, int64_t tile, int64_t tile_rows, tn_error *error);
void tn_prepared_free(tn_prepared *prepared);

/* Runs a batch on an execution of prepared->plan; inputs and outputs as in tn_bindings. */
void tn_prepared_run(const tn_prepared *prepared, tn_execution *execution, int64_t batch,
                     const void *const *inputs, void *const *outputs);

#endif
