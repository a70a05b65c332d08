/* SPDX-License-Identifier: Apache-2.0 */
#include "train/held_out.h"

#include <math.h>

tn_held_out tn_held_out_begin(void) {
    return (tn_held_out){.loss = NAN,
                         .accuracy = NAN,
                         .best_loss = NAN,
                         .best_accuracy = NAN,
                         .lowest_loss = INFINITY};
}

/* A loss that is not a number is never better, and any is better than it. */
static bool is_lower(double loss, double than) {
    return loss < than || (isnan(than) && loss == loss);
}

bool tn_held_out_judge(tn_held_out *h, int64_t epoch, double loss, double accuracy) {
    h->loss = loss;
    h->accuracy = accuracy;
    if (loss < h->lowest_loss) {
        h->lowest_loss = loss;
        h->waited = 0;
    } else {
        h->waited++;
    }
    bool best = h->best_epoch == 0 || accuracy > h->best_accuracy ||
                (accuracy == h->best_accuracy && is_lower(loss, h->best_loss));
    if (!best) return false;
    h->best_epoch = epoch;
    h->best_loss = loss;
    h->best_accuracy = accuracy;
    return true;
}
