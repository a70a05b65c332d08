/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.h: the optimisers as a table of rules: what each keeps from step to step, what usually
 * works with it, and how it moves a slice of the weights. */
#ifndef TN_TRAIN_OPTIMIZER_H
#define TN_TRAIN_OPTIMIZER_H

#include "kernels/kernels.h"

enum { TN_OPTIMIZER_MAX_STATES = 2 };

/* What the user sets. */
typedef struct tn_optimizer_settings {
    double momentum;     /* 0 for none */
    double weight_decay; /* 0 for none */
    bool nesterov;
    bool decay_all; /* biases and norms decay, too */
} tn_optimizer_settings;

/* What a rule makes of a step before it moves slices. */
typedef union tn_optimizer_step {
    tn_sgd_step sgd;
    tn_adam_step adam;
    tn_adadelta_step adadelta;
    tn_rmsprop_step rmsprop;
} tn_optimizer_step;

typedef struct tn_optimizer_rule {
    tn_optimizer kind;
    const char *name;                                /* "adamw" */
    const char *states[TN_OPTIMIZER_MAX_STATES + 1]; /* names; NULL after the last */
    bool has_momentum; /* the state is a momentum, kept only if there is one */
    bool has_nesterov;
    bool per_tensor;                     /* each weight tensor has a rate of its own: LARS */
    double usual_lr, usual_weight_decay; /* where the recipe is made for another optimiser */
    /* Step `step` (from 0) for tensors with weight decay `decay`; a function of its arguments. */
    void (*begin)(const tn_optimizer_settings *settings, double decay, int64_t step, double lr,
                  tn_optimizer_step *at);
    /* Moves n weights; states are zero before step 0. Elementwise. */
    void (*apply)(const tn_kernels *kernels, const tn_optimizer_step *at, int64_t n, const real *g,
                  real *w, real *const *states);
} tn_optimizer_rule;

/* NULL for a kind that does not exist, TN_OPTIMIZER_DEFAULT included. */
const tn_optimizer_rule *tn_optimizer_rule_of(tn_optimizer kind);
/* Of resolved options: what is negative there is 0 here. */
tn_optimizer_settings tn_optimizer_settings_of(const tn_train_options *options);
/* How many vectors of the size of the weights the rule keeps. */
int tn_optimizer_n_states(const tn_optimizer_rule *rule, const tn_optimizer_settings *settings);

/* The factor of LARS for the learning rate of a tensor: trust · |w| / (|g| + decay · |w| + epsilon)
 * with trust 0.001 and epsilon 1e-9, from the L2 norms of its weights and gradient. 1 if either is
 * 0, as a tensor that begins as zeros could never leave them. */
double tn_lars_factor(double weight_norm, double gradient_norm, double decay);

#endif
