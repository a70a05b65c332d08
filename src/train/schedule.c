/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* From a to b along half a cosine, t in 0..1. */
static double anneal(double a, double b, double t) { return b + (a - b) / 2 * (1 + cos(pi * t)); }

/* PyTorch's torch.optim.lr_scheduler.OneCycleLR with its defaults (cosine, 30 % of warm-up, start
 * at 1/25 of the peak, end at 1/10,000 of the start; momentum is left alone), after Smith and Topin
 * (arXiv 1708.07120). */
static double one_cycle(double lr, int64_t step, int64_t steps) {
    const double start = lr / 25, end = start / 1e4;
    const double peak_step = 0.3 * (double)steps - 1, last_step = (double)steps - 1;
    if ((double)step <= peak_step) return anneal(start, lr, (double)step / peak_step);
    return anneal(lr, end, ((double)step - peak_step) / (last_step - peak_step));
}

double tn_schedule_lr(tn_schedule schedule, double lr, int64_t step, int64_t steps) {
    switch (schedule) {
    case TN_SCHEDULE_STEP: return step * 3 < steps ? lr : step * 3 < 2 * steps ? lr / 10 : lr / 100;
    case TN_SCHEDULE_ONE_CYCLE: return one_cycle(lr, step, steps);
    default: return lr;
    }
}

const char *tn_schedule_name(tn_schedule schedule) {
    switch (schedule) {
    case TN_SCHEDULE_STEP: return "step";
    case TN_SCHEDULE_ONE_CYCLE: return "one-cycle";
    default: return "constant";
    }
}
