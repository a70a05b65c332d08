/* SPDX-License-Identifier: Apache-2.0 */
/* plan_trial.h: a model planned as sessions or training do, and run on random inputs to see what it
 * takes. */
#ifndef TN_API_PLAN_TRIAL_H
#define TN_API_PLAN_TRIAL_H

#include "api/runner.h"
#include "graph/plan_parts.h"
#include "train/pass.h"

typedef struct tn_plan_trial {
    tn_kernels kernels;
    tn_pool *pool;       /* the caller's */
    const tn_plan *plan; /* of one of the next two */
    tn_execution *execution;
    int64_t batch;
    tn_prepared prepared; /* for inference, with its execution, inputs and no outputs */
    tn_execution *inference;
    void **inputs, **outputs;
    tn_pass pass; /* for training, with its images and flat vectors */
    tn_dataset *dataset;
    uint32_t *which;
    real *weights, *gradients;
    tn_profile profile; /* of the median run, once it has run */
    int n_runs;
} tn_plan_trial;

/* For n_threads of the options, 0 being the core budget. */
tn_status tn_plan_trial_pool(const tn_plan_report_options *options, tn_pool **pool,
                             tn_error *error);
/* options are complete but for zeros. *trial needs tn_plan_trial_free on failure too. */
tn_status tn_plan_trial_create(const tn_model *model, const tn_plan_report_options *options,
                               tn_pool *pool, tn_plan_trial *trial, tn_error *error);
void tn_plan_trial_free(tn_plan_trial *trial);
/* One run; adds what it takes to *profile. */
void tn_plan_trial_step(tn_plan_trial *trial, tn_profile *profile);
/* Several, for about a second. */
tn_status tn_plan_trial_run(tn_plan_trial *trial, tn_error *error);

#endif
