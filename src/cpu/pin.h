/* SPDX-License-Identifier: Apache-2.0 */
/* pin.h: when threads are bound to a processor each, and to which. */
#ifndef TN_CPU_PIN_H
#define TN_CPU_PIN_H

#include "cpu/budget.h"

enum { TN_PIN_REASON = 160 };

/* Whether n_threads are to be pinned; says why in a sentence.
 *
 * TN_PIN_AUTO pins only where the process owns its cores: somebody (a launcher, a cpuset, taskset)
 * has restricted it to a part of the machine, with exactly as many cores or hardware threads as
 * there are threads, and no quota stops them. Wherever anybody else may run on the same processors,
 * a pinned thread waits behind them while others idle. */
bool tn_pin_decide(const tn_budget *budget, int n_threads, tn_pin pin,
                   char reason[static TN_PIN_REASON]);

/* The processors of the mask for n_threads: one of each core first, then the others, each in
 * ascending order. n_threads is at most the number of processors in the mask. False without memory.
 * root is as for tn_budget_of. */
bool tn_pin_places(const char *root, const tn_affinity *affinity, int n_threads, int *cpus);

#endif
