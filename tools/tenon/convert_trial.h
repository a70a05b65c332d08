/* SPDX-License-Identifier: Apache-2.0 */
/* convert_trial.h: a model before and after it is converted, side by side. */
#ifndef TN_TENON_CONVERT_TRIAL_H
#define TN_TENON_CONVERT_TRIAL_H

#include <stdbool.h>

#include <tenon/tenon.h>

enum { CONVERT_BATCHES = 2 };
extern const int64_t convert_batches[CONVERT_BATCHES];

typedef struct convert_trial {
    double before_ms[CONVERT_BATCHES]; /* medians; NaN where the model takes no such batch */
    double after_ms[CONVERT_BATCHES];
    double difference; /* the largest of any output, as a share of the largest number in it */
} convert_trial;

/* Runs both on the same random numbers in turn, before in mode reference and after in mode fp32.
 * n_threads 0 is the core budget. Prints the error and returns false on failure. */
bool convert_try(const tn_model *before, const tn_model *after, int n_threads,
                 convert_trial *trial);

#endif
