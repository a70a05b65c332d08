/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.h: from gradients to new weights, one pass over the flat vectors. */
#ifndef TN_TRAIN_OPTIMIZER_H
#define TN_TRAIN_OPTIMIZER_H

#include "cpu/pool.h"
#include "kernels/kernels.h"

enum { TN_OPTIMIZER_MAX_STATES = 2 };

typedef struct tn_optimizer_rule {
    tn_optimizer kind;            /* SGD or ADAM */
    double momentum;              /* of SGD; 0 or less for none */
    double weight_decay;          /* L2 */
    double beta1, beta2, epsilon; /* of Adam */
} tn_optimizer_rule;

/* The rule that resolved options ask for; Adam's constants are those of PyTorch. */
tn_optimizer_rule tn_optimizer_rule_of(const tn_train_options *options);

/* "sgd" or "adam". */
const char *tn_optimizer_name(tn_optimizer kind);
/* How many vectors of the size of the weights the rule keeps from step to step, and their names. */
int tn_optimizer_n_states(const tn_optimizer_rule *rule);
const char *tn_optimizer_state_name(const tn_optimizer_rule *rule, int state);

/* Elements begin <= i < end of the flat vectors. */
typedef struct tn_span {
    int64_t begin, end;
} tn_span;

/* The flat vectors. Only the spans are touched: frozen parameters must not even decay. */
typedef struct tn_optimizer_vectors {
    const tn_span *spans;
    int n_spans;
    const real *gradients;
    real *weights;
    real *states[TN_OPTIMIZER_MAX_STATES]; /* zeroed before step 0 */
} tn_optimizer_vectors;

/* Takes step number `step` (from 0). Elementwise: the bits do not depend on the pool. */
void tn_optimizer_step(const tn_optimizer_rule *rule, const tn_kernels *kernels, tn_pool *pool,
                       int64_t step, double lr, const tn_optimizer_vectors *vectors);

#endif
