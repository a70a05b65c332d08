/* SPDX-License-Identifier: Apache-2.0 */
/* op_cases.h: small graphs around each operator, and a way to run them forward and backward. The
 * generic tests (gradients, levels, threads, ONNX) go over all of them; an operator without a case
 * fails the suite. */
#ifndef TN_TESTS_OP_CASES_H
#define TN_TESTS_OP_CASES_H

#include "graph/plan_parts.h"
#include "ops/ops.h"

typedef struct op_case {
    const char *name;
    const tn_op *op; /* the operator under test */
    /* Adds inputs, parameters and nodes; marks the outputs of interest. */
    void (*build)(tn_graph *graph);
    bool inexact;       /* rounds even where all numbers are small integers */
    bool mixes_samples; /* a sample's result depends on those beside it */
} op_case;

/* Case number i; NULL after the last. */
const op_case *op_case_at(int i);

/* How to run a case. */
typedef struct op_setting {
    const char *level;
    int n_threads, n_shards;
    int64_t batch, max_batch;
    bool integers; /* inputs are small integers, and no product by Winograd: sums are exact */
    tn_lanes_choice lanes;
    int64_t tile, tile_rows; /* as in tn_plan_options */
    bool passes;             /* rewrite the graph before planning it */
    const tn_tuning *tuning; /* NULL for none */
} op_setting;

/* A case prepared: the graph with the gradient of Σ r·y for fixed random r appended, and all data.
 */
typedef struct op_run {
    tn_graph *graph;
    bool fused; /* passes made it smaller */
    tn_plan *plan;
    tn_pool *pool;
    tn_execution *execution;
    tn_kernels kernels;
    op_setting setting;
    int n_own_inputs;  /* the first inputs are the case's, the others output gradients r */
    int n_own_outputs; /* the first outputs are the case's, the others input gradients */
    void *inputs[16];
    void *outputs[16];
    real *parameters, *gradients;
    int64_t output_elements[16];
    int n_gradient_inputs;
    int gradient_input[16]; /* input whose gradient output n_own_outputs + i is */
} op_run;

void op_run_create(const op_case *c, const op_setting *setting, op_run *run);
void op_run_execute(op_run *run);
/* Σ r·y over all outputs of the case, after op_run_execute. */
double op_run_objective(const op_run *run);
void op_run_free(op_run *run);

#endif
