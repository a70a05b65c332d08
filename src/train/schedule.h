/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h: the learning rate of every step. */
#ifndef TN_TRAIN_SCHEDULE_H
#define TN_TRAIN_SCHEDULE_H

#include "tenon/tenon.h"

/* The learning rate of step `step` (from 0) of a training of `steps` steps whose peak is lr; a
 * function of its arguments alone, so that a resumed run goes on unchanged. */
double tn_schedule_lr(tn_schedule schedule, double lr, int64_t step, int64_t steps);
/* "constant", "step" or "one-cycle". */
const char *tn_schedule_name(tn_schedule schedule);

#endif
