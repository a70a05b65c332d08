/* SPDX-License-Identifier: Apache-2.0 */
/* plan.h: from a graph to something that runs. The plan chooses implementations and layouts, cuts
 * the nodes into segments, and gives every value a place in memory; executing only walks it. */
#ifndef TN_GRAPH_PLAN_H
#define TN_GRAPH_PLAN_H

#include "cpu/pool.h"
#include "graph/op.h"

typedef struct tn_plan tn_plan;

/* Samples in lanes: where the plan finds it worth while, nowhere, or wherever possible. */
typedef enum tn_lanes_choice { TN_LANES_AUTO, TN_LANES_NEVER, TN_LANES_ALWAYS } tn_lanes_choice;

typedef struct tn_plan_options {
    int64_t max_batch; /* the graph is inferred for it */
    int n_shards;      /* 1 for inference; a power of two for training */
    int n_threads;
    const tn_kernels *kernels; /* copied */
    int64_t tile; /* samples of a tile; 0 lets the plan choose. No bit of a result depends on it */
    int64_t tile_rows; /* rows, in the same sense, of images that are taken through several nodes
                          by rows; 0 lets the plan choose */
    bool keep_values;  /* compute nothing again. For tests, likewise */
    tn_lanes_choice lanes;   /* bits depend on it */
    const tn_tuning *tuning; /* for these kernels; NULL for none. Bits depend on it */
} tn_plan_options;

/* Plans graph for running. Changes it: sets the batch, inserts Reorder nodes, drops nodes that no
 * output needs. gradients (may be NULL) holds one value per parameter, NULL for a frozen one; they
 * need not be outputs. The graph must outlive the plan and not change any more. */
tn_status tn_plan_build(tn_graph *graph, tn_value *const *gradients, const tn_plan_options *options,
                        tn_plan **plan, tn_error *error);
void tn_plan_free(tn_plan *plan);
const tn_graph *tn_plan_graph(const tn_plan *plan);

/* The flat vectors: all parameters, each at an offset that is a multiple of 16, arranged as the
 * plan likes it, gaps zero. */
int64_t tn_plan_parameters_size(const tn_plan *plan); /* in elements of real */
/* Places of parameter i (its place in graph->parameters) in the flat vectors. */
int64_t tn_plan_parameter_offset(const tn_plan *plan, int i);
/* Canonical float32 data of parameter i into its place in `flat` (any flat vector: weights,
 * gradients, momenta), and back. */
void tn_plan_arrange(const tn_plan *plan, int i, const float *canonical, real *flat);
void tn_plan_unarrange(const tn_plan *plan, int i, const real *flat, float *canonical);

/* Memory for running a plan: activations, workspaces, packed weights. One run at a time. */
typedef struct tn_execution tn_execution;
tn_status tn_execution_create(const tn_plan *plan, tn_pool *pool, tn_execution **execution,
                              tn_error *error);
/* The parameters in the form that the kernels of the plan like, for all executions that are to
 * share it: *packed is released by free(), after them. */
tn_status tn_plan_pack(const tn_plan *plan, tn_pool *pool, const real *parameters, void **packed,
                       tn_error *error);
/* An execution for parameters that never change, packed already. */
tn_status tn_execution_create_packed(const tn_plan *plan, tn_pool *pool, const void *packed,
                                     tn_execution **execution, tn_error *error);
void tn_execution_free(tn_execution *execution);

typedef struct tn_bindings {
    const void *const *inputs; /* [graph n_inputs], row-major, step->batch samples */
    void *const *outputs;      /* [graph n_outputs]; NULL for an output not wanted */
    const real *parameters;    /* flat */
    real *gradients;           /* flat; NULL without gradients */
    bool parameters_changed;   /* since the last run of this execution */
} tn_bindings;

/* Runs the plan for step->batch <= max_batch samples (shards are filled in by the callee). The
 * outputs and gradients are the same bits for any number of threads. */
void tn_execution_run(tn_execution *execution, const tn_bindings *bindings, const tn_step *step);

#endif
