/* SPDX-License-Identifier: Apache-2.0 */
/* held_out.h: what the held-out images say of each epoch, and what follows from it: which weights
 * were the best, and when to give up. */
#ifndef TN_TRAIN_HELD_OUT_H
#define TN_TRAIN_HELD_OUT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tn_held_out {
    double loss, accuracy; /* of the last whole epoch; NaN before its end */
    int64_t best_epoch;    /* by accuracy, then by loss, then the first; from 1, 0 for none */
    double best_loss, best_accuracy;
    double lowest_loss; /* of all epochs, infinite before the first */
    int64_t waited;     /* epochs since it was lowest */
} tn_held_out;

tn_held_out tn_held_out_begin(void);
/* Takes in the epoch's loss and accuracy; returns whether it is the best so far. */
bool tn_held_out_judge(tn_held_out *held_out, int64_t epoch, double loss, double accuracy);

#endif
