/* SPDX-License-Identifier: Apache-2.0 */
/* fine_tune.h: what tenon train does to an ONNX file before it trains it further: --head and
 * --freeze. */
#ifndef TN_TENON_FINE_TUNE_H
#define TN_TENON_FINE_TUNE_H

#include "training.h"

/* Whether --head says something; returns OPTIONS_GO_ON or EXIT_USAGE. */
int fine_tune_check(const training *job);
/* Gives job->model the head that --head asks for; prints the error and returns false on failure. */
bool fine_tune_replace_head(training *job);
/* Tells people what is new and what stays. */
void fine_tune_announce(const training *job);
/* And programs. */
void fine_tune_put_json(const training *job, json_t *results);

#endif
