/* SPDX-License-Identifier: Apache-2.0 */
/* descent.h: from gradients to new weights, in passes over the flat vectors that all threads share.
 * The vectors are cut into slices in one way only, and norms are sums over slices in their order:
 * the bits do not depend on the pool. */
#ifndef TN_TRAIN_DESCENT_H
#define TN_TRAIN_DESCENT_H

#include "cpu/pool.h"
#include "train/optimizer.h"

/* Elements begin <= i < end of the flat vectors. */
typedef struct tn_span {
    int64_t begin, end;
} tn_span;

/* A parameter that is trained. */
typedef struct tn_trained {
    tn_span span;
    bool is_weight; /* of rank 2 or more; biases and norms are not */
} tn_trained;

typedef struct tn_descent tn_descent;

typedef struct tn_descent_options {
    tn_optimizer kind;
    tn_optimizer_settings settings;
    double clip_norm; /* 0 for none */
    const tn_kernels *kernels;
    tn_pool *pool; /* may be NULL */
} tn_descent_options;

/* The flat vectors. Only what is trained is touched: frozen parameters must not even decay. */
typedef struct tn_descent_vectors {
    real *gradients, *weights;
    real *states[TN_OPTIMIZER_MAX_STATES]; /* zeroed before step 0 */
} tn_descent_vectors;

/* trained [n] is copied; the kernels and the pool must outlive the descent. */
tn_status tn_descent_create(const tn_descent_options *options, const tn_trained *trained, int n,
                            tn_descent **descent, tn_error *error);
void tn_descent_free(tn_descent *descent);

/* Adds to the gradients those of a further batch. */
void tn_descent_accumulate(tn_descent *descent, const real *further, real *gradients);
/* Takes step number `step` (from 0). Gradients whose L2 norm is above clip_norm are scaled down to
 * it, as torch.nn.utils.clip_grad_norm_ does. */
void tn_descent_step(tn_descent *descent, int64_t step, double lr,
                     const tn_descent_vectors *vectors);
/* average [n] += (1 - decay) · (weights [n] - average [n]) over whole vectors. */
void tn_descent_average(tn_descent *descent, double decay, int64_t n, const real *weights,
                        real *average);

#endif
