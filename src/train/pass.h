/* SPDX-License-Identifier: Apache-2.0 */
/* pass.h: a planned training graph with its memory: takes batches of images through it. */
#ifndef TN_TRAIN_PASS_H
#define TN_TRAIN_PASS_H

#include "graph/model.h"
#include "graph/plan.h"
#include "train/batch.h"
#include "train/descent.h"

typedef struct tn_pass_options {
    double label_smoothing;
    int64_t max_batch;
    int64_t tile, tile_rows; /* as in tn_plan_options */
    bool keep_values;        /* likewise */
    int n_shards, n_groups;  /* groups share the statistics of normalisation */
    bool gradients;
    const bool *frozen;             /* [parameters of the model] that get none; NULL for none */
    const tn_augmentation *augment; /* NULL for images as they are */
    const tn_kernels *kernels;
    const tn_tuning *tuning; /* as in tn_train_options */
    tn_pool *pool;
} tn_pass_options;

/* A running statistic in the flat vectors: weights = momentum · weights + (1 - momentum) ·
 * gradients.
 */
typedef struct tn_statistic {
    tn_span span;
    double momentum;
} tn_statistic;

typedef struct tn_pass {
    tn_graph *graph;
    tn_plan *plan;
    tn_execution *execution;
    tn_trained *trained; /* parameters with a gradient */
    int n_trained;
    tn_statistic *statistics;
    int n_statistics;
    int64_t n_classes;
    tn_batch batch; /* the images at hand */
    real *loss, *scores, *loss_gradient;
} tn_pass;

/* Moves the running statistics among the weights by what a run has left among the gradients. */
void tn_pass_move_statistics(const tn_pass *pass, const real *gradients, real *weights);

/* What a batch, or several, came to. */
typedef struct tn_tally {
    double loss; /* sum over the images, in their order */
    int64_t n_correct, n;
} tn_tally;

void tn_tally_add(tn_tally *tally, const tn_tally *further);

/* The model must take images and outlive the pass. *pass is zeroed on failure. */
tn_status tn_pass_create(const tn_model *model, const tn_pass_options *options, tn_pass *pass,
                         tn_error *error);
void tn_pass_free(tn_pass *pass);

/* A flat vector of zeros for pass->plan, released with free(); NULL when out of memory. */
real *tn_pass_vector(const tn_pass *pass);

/* Runs the images which[0..n-1] of dataset, n <= max_batch. step->batch is set to n; gradients
 * (NULL for a pass without) become those of the loss summed over them and divided by n_mean. What
 * mixup has blended counts as correct if the label with the larger part is found. */
tn_tally tn_pass_run(tn_pass *pass, const tn_dataset *dataset, const uint32_t *which, int64_t n,
                     int64_t n_mean, const tn_step *step, const real *weights, real *gradients);

#endif
