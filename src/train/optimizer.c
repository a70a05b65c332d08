/* SPDX-License-Identifier: Apache-2.0 */
#include "train/optimizer.h"

#include <math.h>

static void begin_sgd(const tn_optimizer_settings *s, double decay, int64_t step, double lr,
                      tn_optimizer_step *at) {
    at->sgd = (tn_sgd_step){.lr = (real)lr,
                            .momentum = (real)s->momentum,
                            .weight_decay = (real)decay,
                            .scale = 1,
                            .first = step == 0,
                            .nesterov = s->nesterov};
}

static void apply_sgd(const tn_kernels *kernels, const tn_optimizer_step *at, int64_t n,
                      const real *g, real *w, real *const *states) {
    kernels->sgd(&at->sgd, n, g, w, states[0]);
}

/* The momentum of LARS is one of steps, not of gradients (You et al. 2017, algorithm 1), so the
 * rate enters before it. */
static void begin_lars(const tn_optimizer_settings *s, double decay, int64_t step, double lr,
                       tn_optimizer_step *at) {
    begin_sgd(s, decay, step, 1, at);
    at->sgd.scale = (real)lr;
}

/* The corrections of the averages' bias (Kingma and Ba 2015, algorithm 1), t counting from 1. */
static tn_adam_step adam_step(int64_t t, double lr) {
    const double beta1 = 0.9, beta2 = 0.999;
    return (tn_adam_step){.step_size = (real)(lr / (1 - pow(beta1, (double)t))),
                          .inv_sqrt_correction2 = (real)(1 / sqrt(1 - pow(beta2, (double)t))),
                          .beta1 = (real)beta1,
                          .rest1 = (real)(1 - beta1),
                          .beta2 = (real)beta2,
                          .rest2 = (real)(1 - beta2),
                          .epsilon = (real)1e-8,
                          .keep = 1};
}

static void begin_adam(const tn_optimizer_settings *s, double decay, int64_t step, double lr,
                       tn_optimizer_step *at) {
    (void)s;
    at->adam = adam_step(step + 1, lr);
    at->adam.weight_decay = (real)decay;
}

static void begin_adamw(const tn_optimizer_settings *s, double decay, int64_t step, double lr,
                        tn_optimizer_step *at) {
    (void)s;
    at->adam = adam_step(step + 1, lr);
    at->adam.keep = (real)(1 - lr * decay);
}

static void apply_adam(const tn_kernels *kernels, const tn_optimizer_step *at, int64_t n,
                       const real *g, real *w, real *const *states) {
    kernels->adam(&at->adam, n, g, w, states[0], states[1]);
}

static void begin_adadelta(const tn_optimizer_settings *s, double decay, int64_t step, double lr,
                           tn_optimizer_step *at) {
    (void)s;
    (void)step;
    at->adadelta = (tn_adadelta_step){.lr = (real)lr,
                                      .rho = (real)0.9,
                                      .rest = (real)0.1,
                                      .epsilon = (real)1e-6,
                                      .weight_decay = (real)decay};
}

static void apply_adadelta(const tn_kernels *kernels, const tn_optimizer_step *at, int64_t n,
                           const real *g, real *w, real *const *states) {
    kernels->adadelta(&at->adadelta, n, g, w, states[0], states[1]);
}

static void begin_rmsprop(const tn_optimizer_settings *s, double decay, int64_t step, double lr,
                          tn_optimizer_step *at) {
    (void)s;
    (void)step;
    at->rmsprop = (tn_rmsprop_step){.lr = (real)lr,
                                    .alpha = (real)0.99,
                                    .rest = (real)0.01,
                                    .epsilon = (real)1e-8,
                                    .weight_decay = (real)decay};
}

static void apply_rmsprop(const tn_kernels *kernels, const tn_optimizer_step *at, int64_t n,
                          const real *g, real *w, real *const *states) {
    kernels->rmsprop(&at->rmsprop, n, g, w, states[0]);
}

/* Constants are PyTorch's defaults. The usual rates are for networks of the size of ours. */
static const tn_optimizer_rule rules[] = {
    {.kind = TN_OPTIMIZER_SGD,
     .name = "sgd",
     .states = {"momentum"},
     .has_momentum = true,
     .has_nesterov = true,
     .usual_lr = 0.05,
     .begin = begin_sgd,
     .apply = apply_sgd},
    {.kind = TN_OPTIMIZER_ADAM,
     .name = "adam",
     .states = {"m", "v"},
     .usual_lr = 1e-3,
     .begin = begin_adam,
     .apply = apply_adam},
    {.kind = TN_OPTIMIZER_ADAMW,
     .name = "adamw",
     .states = {"m", "v"},
     .usual_lr = 1e-3,
     .usual_weight_decay = 0.01,
     .begin = begin_adamw,
     .apply = apply_adam},
    {.kind = TN_OPTIMIZER_ADADELTA,
     .name = "adadelta",
     .states = {"squares", "deltas"},
     .usual_lr = 1,
     .begin = begin_adadelta,
     .apply = apply_adadelta},
    {.kind = TN_OPTIMIZER_RMSPROP,
     .name = "rmsprop",
     .states = {"squares"},
     .usual_lr = 1e-3,
     .begin = begin_rmsprop,
     .apply = apply_rmsprop},
    {.kind = TN_OPTIMIZER_LARS,
     .name = "lars",
     .states = {"momentum"},
     .has_momentum = true,
     .per_tensor = true,
     .usual_lr = 3,
     .begin = begin_lars,
     .apply = apply_sgd},
};

const tn_optimizer_rule *tn_optimizer_rule_of(tn_optimizer kind) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].kind == kind) return &rules[i];
    return NULL;
}

static double positive(double x) { return x > 0 ? x : 0; }

tn_optimizer_settings tn_optimizer_settings_of(const tn_train_options *options) {
    return (tn_optimizer_settings){.momentum = positive(options->momentum),
                                   .weight_decay = positive(options->weight_decay),
                                   .nesterov = options->nesterov,
                                   .decay_all = options->decay_all};
}

int tn_optimizer_n_states(const tn_optimizer_rule *rule, const tn_optimizer_settings *settings) {
    if (rule->has_momentum && settings->momentum == 0) return 0;
    int n = 0;
    while (rule->states[n]) n++;
    return n;
}

double tn_lars_factor(double weight_norm, double gradient_norm, double decay) {
    if (!(weight_norm > 0) || !(gradient_norm > 0)) return 1;
    return 0.001 * weight_norm / (gradient_norm + decay * weight_norm + 1e-9);
}
