/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.h: a model in training: weights, optimiser state, and what takes a step. Knows nothing of
 * epochs, callbacks and files. */
#ifndef TN_TRAIN_TRAINER_H
#define TN_TRAIN_TRAINER_H

#include "train/pass.h"

typedef struct tn_trainer {
    const tn_model *model;
    const tn_dataset *dataset;
    tn_optimizer_rule rule;
    uint64_t seed;
    tn_kernels kernels;
    tn_pool *pool;
    tn_pass training;
    tn_pass evaluation; /* without gradients; unused unless asked for */
    int64_t max_batch;
    real *weights, *gradients, *states[TN_OPTIMIZER_MAX_STATES];
    real *evaluated; /* the weights as the evaluation's plan wants them */
    int n_states;
} tn_trainer;

/* options are resolved and checked, model and data fit. can_evaluate prepares for
 * tn_trainer_evaluate. *trainer needs tn_trainer_free on failure too. */
tn_status tn_trainer_create(const tn_model *model, const tn_dataset *dataset,
                            const tn_train_options *options, int64_t max_batch, bool can_evaluate,
                            tn_trainer *trainer, tn_error *error);
void tn_trainer_free(tn_trainer *trainer);

/* Trains on the images which[0..n-1] (n <= max_batch) as step `step` (from 0); returns what the
 * weights before the step came to. */
tn_tally tn_trainer_step(tn_trainer *trainer, int64_t step, double lr, const uint32_t *which,
                         int64_t n);
/* Classifies the images which[0..n-1], any number, with the weights at hand. */
tn_status tn_trainer_evaluate(tn_trainer *trainer, const uint32_t *which, int64_t n,
                              tn_tally *tally, tn_error *error);
/* Whether all weights and the optimiser's state are finite numbers. */
bool tn_trainer_is_finite(const tn_trainer *trainer);

/* Vector 0 is the weights, vector 1 + s the optimiser's state s. Canonical float32 data of
 * parameter i is copied out of one, or into it. */
int tn_trainer_n_vectors(const tn_trainer *trainer);
void tn_trainer_get(const tn_trainer *trainer, int vector, int i, float *canonical);
void tn_trainer_set(tn_trainer *trainer, int vector, int i, const float *canonical);

/* The gradient of parameter i that the last step followed, canonical; false if it has none. */
bool tn_trainer_get_gradient(const tn_trainer *trainer, int i, float *canonical);
/* The L2 norm of all of that gradient. */
double tn_trainer_gradient_norm(const tn_trainer *trainer);

/* A copy of the model with the weights at hand. */
tn_status tn_trainer_model(const tn_trainer *trainer, tn_model **model, tn_error *error);

#endif
