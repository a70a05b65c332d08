/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h: training as people watch it: a live line on a terminal, and a plain line per epoch
 * that stays. */
#ifndef TN_TENON_PROGRESS_H
#define TN_TENON_PROGRESS_H

#include <stdio.h>

#include <tenon/tenon.h>

#include "terminal.h"

typedef struct progress {
    FILE *out; /* NULL shows nothing */
    terminal terminal;
    double drawn_at; /* seconds of the monotonic clock; 0 if there is no live line */
} progress;

void progress_begin(progress *p, FILE *out);
/* What tn_train reports. */
void progress_show(progress *p, const tn_progress *state);
/* Takes the live line away, so that something else can be printed. */
void progress_clear(progress *p);

#endif
