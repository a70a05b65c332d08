/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>
#include <stddef.h>

static const double pi = 3.14159265358979323846;

/* From a to b along half a cosine, t in 0..1. */
static double anneal(double a, double b, double t) { return b + (a - b) / 2 * (1 + cos(pi * t)); }

/* PyTorch's torch.optim.lr_scheduler.OneCycleLR with its defaults (cosine, 30 % of warm-up, start
 * at 1/25 of the peak, end at 1/10,000 of the start; momentum is left alone), after Smith and Topin
 * (arXiv 1708.07120). */
static double one_cycle(const tn_course *c, int64_t step) {
    const double start = c->lr / 25, end = start / 1e4;
    const double rise = c->warmup > 0 ? (double)c->warmup : 0.3 * (double)c->steps;
    const double peak_step = rise - 1, last_step = (double)c->steps - 1;
    if (peak_step > 0 && (double)step <= peak_step)
        return anneal(start, c->lr, (double)step / peak_step);
    return anneal(c->lr, end, ((double)step - peak_step) / (last_step - peak_step));
}

/* Cosine as torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov and Hutter 2017, without
 * restarts), polynomial as PolynomialLR with power 2. */
double tn_schedule_lr(const tn_course *c, int64_t step) {
    if (c->schedule == TN_SCHEDULE_ONE_CYCLE) return one_cycle(c, step);
    if (step < c->warmup) return c->lr * (double)(step + 1) / (double)c->warmup;
    int64_t done = step - c->warmup, steps = c->steps - c->warmup;
    double left = 1 - (double)done / (double)steps;
    switch (c->schedule) {
    case TN_SCHEDULE_STEP:
        return done * 3 < steps ? c->lr : done * 3 < 2 * steps ? c->lr / 10 : c->lr / 100;
    case TN_SCHEDULE_COSINE: return anneal(c->lr, 0, 1 - left);
    case TN_SCHEDULE_POLYNOMIAL: return c->lr * left * left;
    default: return c->lr;
    }
}

const char *tn_schedule_name(tn_schedule schedule) {
    switch (schedule) {
    case TN_SCHEDULE_CONSTANT: return "constant";
    case TN_SCHEDULE_STEP: return "step";
    case TN_SCHEDULE_ONE_CYCLE: return "one-cycle";
    case TN_SCHEDULE_COSINE: return "cosine";
    case TN_SCHEDULE_POLYNOMIAL: return "polynomial";
    default: return NULL;
    }
}
