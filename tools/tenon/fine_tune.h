/* SPDX-License-Identifier: Apache-2.0 */
/* fine_tune.h: what tenon train does to an ONNX file before it trains it further: --head,
 * --freeze, and how pixels are prepared. */
#ifndef TN_TENON_FINE_TUNE_H
#define TN_TENON_FINE_TUNE_H

#include "training.h"

/* Whether the options make sense; returns OPTIONS_GO_ON or EXIT_USAGE. */
int fine_tune_check(const training *job);
/* Has job->model take pixels as the options say, and gives it the head that --head asks for; prints
 * the error and returns false on failure. */
bool fine_tune_model(training *job);
/* Tells people what is new and what stays. */
void fine_tune_announce(const training *job);
/* And programs. */
void fine_tune_put_json(const training *job, json_t *results);

#endif
