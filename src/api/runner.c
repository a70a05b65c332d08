/* SPDX-License-Identifier: Apache-2.0 */
#include "api/runner.h"

#include <stdlib.h>
#include <string.h>

tn_status tn_prepared_plan(tn_prepared *p, const tn_kernels *kernels, tn_pool *pool,
                           int64_t max_batch, int64_t tile, int64_t tile_rows, tn_error *error) {
    const tn_plan_options options = {.max_batch = max_batch,
                                     .n_shards = 1,
                                     .n_threads = tn_pool_threads(pool),
                                     .kernels = kernels,
                                     .tile = tile,
                                     .tile_rows = tile_rows};
    TN_TRY(tn_plan_build(p->graph, NULL, &options, &p->plan, error));
    size_t bytes = (size_t)tn_plan_parameters_size(p->plan) * sizeof(real);
    p->parameters = tn_streamed_alloc(bytes);
    if (!p->parameters) return tn_fail_memory(error);
    memset(p->parameters, 0, bytes);
    for (int i = 0; i < p->graph->n_parameters; i++)
        tn_plan_arrange(p->plan, i, p->graph->parameters[i]->data, p->parameters);
    return tn_plan_pack(p->plan, pool, p->parameters, &p->packed, error);
}

void tn_prepared_free(tn_prepared *p) {
    tn_plan_free(p->plan);
    tn_graph_free(p->graph);
    free(p->parameters);
    free(p->packed);
    *p = (tn_prepared){0};
}

void tn_prepared_run(const tn_prepared *p, tn_execution *execution, int64_t batch,
                     const void *const *inputs, void *const *outputs) {
    const tn_step step = {.batch = batch};
    const tn_bindings bindings = {
        .inputs = inputs, .outputs = outputs, .parameters = p->parameters};
    tn_execution_run(execution, &bindings, &step);
}
