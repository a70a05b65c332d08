/* SPDX-License-Identifier: Apache-2.0 */
#include "api/runner.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_runner_prepare(tn_runner *r, const tn_kernels *kernels, tn_pool *pool,
                            int64_t max_batch, int64_t tile, int64_t tile_rows, tn_error *error) {
    const tn_plan_options options = {.max_batch = max_batch,
                                     .n_shards = 1,
                                     .n_threads = tn_pool_threads(pool),
                                     .kernels = kernels,
                                     .tile = tile,
                                     .tile_rows = tile_rows};
    TN_TRY(tn_plan_build(r->graph, NULL, &options, &r->plan, error));
    size_t bytes = (size_t)tn_plan_parameters_size(r->plan) * sizeof(real);
    r->parameters = tn_aligned_alloc(bytes);
    if (!r->parameters) return tn_fail_memory(error);
    memset(r->parameters, 0, bytes);
    for (int i = 0; i < r->graph->n_parameters; i++)
        tn_plan_arrange(r->plan, i, r->graph->parameters[i]->data, r->parameters);
    return tn_execution_create(r->plan, pool, &r->execution, error);
}

void tn_runner_free(tn_runner *r) {
    tn_execution_free(r->execution);
    tn_plan_free(r->plan);
    tn_graph_free(r->graph);
    free(r->parameters);
    *r = (tn_runner){0};
}

void tn_runner_run(tn_runner *r, int64_t batch, const void *const *inputs, void *const *outputs) {
    const tn_step step = {.batch = batch};
    const tn_bindings bindings = {.inputs = inputs,
                                  .outputs = outputs,
                                  .parameters = r->parameters,
                                  .parameters_changed = !r->ran};
    tn_execution_run(r->execution, &bindings, &step);
    r->ran = true;
}
