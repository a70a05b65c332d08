/* SPDX-License-Identifier: Apache-2.0 */
/* layer_case.h: a few layers with their gradients, planned as training plans them, and each node of
 * the plan callable alone. */
#ifndef TN_BENCH_LAYER_CASE_H
#define TN_BENCH_LAYER_CASE_H

#include "graph/plan_parts.h"

enum { LAYER_CASE_MAX_LAYERS = 4 };

typedef struct case_layer {
    const char *op, *attributes; /* as ONNX has them */
    int64_t weight[4];           /* all 0: none */
    bool bias;                   /* of weight[0] numbers */
} case_layer;

typedef struct layer_case {
    const char *name;
    int64_t sample[3]; /* of x: channels, height, width; or one number of features */
    case_layer layers[LAYER_CASE_MAX_LAYERS]; /* applied to x one after the other */
    bool first;                               /* nobody wants the gradient of x */
} layer_case;

/* A case with memory for all of its values. */
typedef struct planned_case {
    tn_graph *graph;
    tn_plan *plan;
    tn_pool *pool;
    tn_step step;
    int64_t shard_begin[TN_MAX_SHARDS + 1];
    real *parameters;
    char *packed, *workspaces;
    char **values; /* by value id; sums over samples once for each thread */
} planned_case;

/* Fuses and plans a case for batches of `batch` samples, enough for a tile of each thread, in 16
 * shards, fills its inputs and
 * parameters with random numbers and runs everything once, so that all values are what they would
 * be. On failure there is nothing to free. */
tn_status planned_case_create(const layer_case *c, int64_t batch, const tn_kernels *kernels,
                              tn_pool *pool, planned_case *planned, tn_error *error);
void planned_case_free(planned_case *planned);

/* Runs the node number `step` of the plan so many times; returns how many samples each of them
 * took. A node that the plan takes tile by tile runs on one tile for each thread, the same
 * each time and so as near in the caches as the node before would have left it; else on the whole
 * batch. */
int64_t planned_case_run(planned_case *planned, int step, int64_t times);

/* Bytes that a node reads and writes for one sample, weights apart. */
int64_t planned_step_sample_bytes(const tn_plan_step *step);

#endif
