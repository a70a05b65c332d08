/* SPDX-License-Identifier: Apache-2.0 */
#include "train/optimizer.h"

#include <math.h>

#include "base/size.h"

/* Elements of one task: 64 KiB of each vector, so that a slice of all four stays in a second-level
 * cache. Changes no bits. */
enum { SLICE = 16384 };

tn_optimizer_rule tn_optimizer_rule_of(const tn_train_options *options) {
    return (tn_optimizer_rule){.kind = options->optimizer,
                               .momentum = options->momentum > 0 ? options->momentum : 0,
                               .weight_decay = options->weight_decay,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8};
}

const char *tn_optimizer_name(tn_optimizer kind) {
    return kind == TN_OPTIMIZER_ADAM ? "adam" : "sgd";
}

int tn_optimizer_n_states(const tn_optimizer_rule *rule) {
    if (rule->kind == TN_OPTIMIZER_ADAM) return 2;
    return rule->momentum > 0 ? 1 : 0;
}

const char *tn_optimizer_state_name(const tn_optimizer_rule *rule, int state) {
    if (rule->kind == TN_OPTIMIZER_SGD) return "momentum";
    return state == 0 ? "m" : "v";
}

typedef struct update {
    const tn_kernels *kernels;
    const tn_optimizer_vectors *vectors;
    tn_optimizer kind;
    tn_sgd_step sgd;
    tn_adam_step adam;
    tn_span span;
} update;

static void update_slice(void *context, int64_t task, int thread) {
    (void)thread;
    const update *u = context;
    const tn_optimizer_vectors *v = u->vectors;
    int64_t begin = u->span.begin + task * SLICE;
    int64_t n = tn_min_i64(SLICE, u->span.end - begin);
    const real *g = v->gradients + begin;
    real *w = v->weights + begin;
    if (u->kind == TN_OPTIMIZER_ADAM)
        u->kernels->adam(&u->adam, n, g, w, v->states[0] + begin, v->states[1] + begin);
    else
        u->kernels->sgd(&u->sgd, n, g, w, u->sgd.momentum > 0 ? v->states[0] + begin : NULL);
}

/* The corrections of Adam's bias (Kingma and Ba 2015, algorithm 1), t counting from 1. */
static tn_adam_step adam_step(const tn_optimizer_rule *rule, int64_t t, double lr) {
    return (tn_adam_step){
        .step_size = (real)(lr / (1 - pow(rule->beta1, (double)t))),
        .inv_sqrt_correction2 = (real)(1 / sqrt(1 - pow(rule->beta2, (double)t))),
        .beta1 = (real)rule->beta1,
        .beta2 = (real)rule->beta2,
        .epsilon = (real)rule->epsilon,
        .weight_decay = (real)rule->weight_decay,
    };
}

void tn_optimizer_step(const tn_optimizer_rule *rule, const tn_kernels *kernels, tn_pool *pool,
                       int64_t step, double lr, const tn_optimizer_vectors *vectors) {
    update u = {.kernels = kernels,
                .vectors = vectors,
                .kind = rule->kind,
                .sgd = {.lr = (real)lr,
                        .momentum = (real)rule->momentum,
                        .weight_decay = (real)rule->weight_decay,
                        .first = step == 0}};
    if (rule->kind == TN_OPTIMIZER_ADAM) u.adam = adam_step(rule, step + 1, lr);
    for (int i = 0; i < vectors->n_spans; i++) {
        u.span = vectors->spans[i];
        tn_parallel_for(pool, (u.span.end - u.span.begin + SLICE - 1) / SLICE, update_slice, &u);
    }
}
