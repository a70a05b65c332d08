/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.h: a model in training: weights, optimiser state, and what takes a step. Knows nothing of
 * epochs, callbacks and files. */
#ifndef TN_TRAIN_TRAINER_H
#define TN_TRAIN_TRAINER_H

#include "train/pass.h"

/* A flat vector that a run carries from step to step, and so into its checkpoints. */
typedef struct tn_carried {
    char name[32]; /* before the parameters' names; "" for the weights */
    real *flat;
} tn_carried;

enum { TN_TRAINER_MAX_CARRIED = TN_OPTIMIZER_MAX_STATES + 3 };

typedef struct tn_trainer {
    const tn_model *model;
    const tn_dataset *dataset;
    uint64_t seed;
    tn_kernels kernels;
    tn_pool *pool;
    tn_pass training;
    tn_pass evaluation; /* without gradients; unused unless asked for */
    tn_descent *descent;
    int64_t max_batch, batch_size;
    double ema; /* decay of the average; 0 for none */
    real *gradients;
    real *further;   /* gradients of the batches after a step's first; NULL without them */
    real *evaluated; /* the weights as the evaluation's plan wants them */
    tn_carried carried[TN_TRAINER_MAX_CARRIED];
    int n_carried;
    real *weights, *average, *best; /* among the carried; NULL for what is not wanted */
    tn_descent_vectors vectors;
} tn_trainer;

/* options are resolved and checked, model and data fit. can_evaluate prepares for
 * tn_trainer_evaluate. *trainer needs tn_trainer_free on failure too. */
tn_status tn_trainer_create(const tn_model *model, const tn_dataset *dataset,
                            const tn_train_options *options, int64_t max_batch, bool can_evaluate,
                            tn_trainer *trainer, tn_error *error);
void tn_trainer_free(tn_trainer *trainer);

/* Trains on the images which[0..n-1], n at most batch_size times options->accumulate, as step
 * `step` (from 0); returns what the weights before the step came to. */
tn_tally tn_trainer_step(tn_trainer *trainer, int64_t step, double lr, const uint32_t *which,
                         int64_t n);
/* Classifies the images which[0..n-1], any number, with the weights at hand, or with their average
 * if there is one. */
tn_status tn_trainer_evaluate(tn_trainer *trainer, const uint32_t *which, int64_t n,
                              tn_tally *tally, tn_error *error);
/* Remembers the weights that tn_trainer_evaluate has just used. Needs options->keep_best. */
void tn_trainer_keep_best(tn_trainer *trainer);
/* Whether all that is carried are finite numbers. */
bool tn_trainer_is_finite(const tn_trainer *trainer);

/* Canonical float32 data of parameter i is copied out of carried vector `vector` (0 is the
 * weights), or into it. */
void tn_trainer_get(const tn_trainer *trainer, int vector, int i, float *canonical);
void tn_trainer_set(tn_trainer *trainer, int vector, int i, const float *canonical);

/* The gradient of parameter i that the last step followed, canonical; false if it has none. */
bool tn_trainer_get_gradient(const tn_trainer *trainer, int i, float *canonical);
/* The L2 norm of all of that gradient. */
double tn_trainer_gradient_norm(const tn_trainer *trainer);

/* A copy of the model with the weights that tn_trainer_evaluate uses, or with the remembered ones.
 */
tn_status tn_trainer_model(const tn_trainer *trainer, bool best, tn_model **model, tn_error *error);

#endif
