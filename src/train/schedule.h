/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h: the learning rate of every step. */
#ifndef TN_TRAIN_SCHEDULE_H
#define TN_TRAIN_SCHEDULE_H

#include "tenon/tenon.h"

typedef struct tn_course {
    tn_schedule schedule;
    double lr;      /* the peak */
    int64_t steps;  /* in all */
    int64_t warmup; /* of them, 0 <= warmup < steps */
} tn_course;

/* The learning rate of step `step` (from 0), a function of its arguments alone, so that a resumed
 * run goes on unchanged. Warm-up rises in a straight line from lr/warmup to lr, and the schedule
 * runs over the steps after it; only one-cycle, which has a rise of its own, takes warmup as the
 * length of that. */
double tn_schedule_lr(const tn_course *course, int64_t step);
/* "one-cycle"; NULL for a schedule that does not exist, TN_SCHEDULE_DEFAULT included. */
const char *tn_schedule_name(tn_schedule schedule);

#endif
