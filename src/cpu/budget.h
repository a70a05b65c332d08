/* SPDX-License-Identifier: Apache-2.0 */
/* budget.h: the parts of the core budget, cheap enough for the path of a single inference. */
#ifndef TN_CPU_BUDGET_H
#define TN_CPU_BUDGET_H

#include <sched.h>
#include <stddef.h>

#include "base/status.h"

typedef struct tn_budget {
    int threads;       /* logical processors in the affinity mask */
    int cores;         /* physical cores among them */
    double quota_cpus; /* of the cgroup; 0 without a quota */
    int n_threads;     /* the budget */
} tn_budget;

/* The budget of a mask of mask_bytes on the machine whose /proc and /sys are below root ("" for
 * this one). A processor whose neighbours are unknown counts as a core. */
tn_budget tn_budget_of(const char *root, const cpu_set_t *mask, size_t mask_bytes);
/* The budget of the calling thread, whose mask the threads that it starts inherit. */
tn_budget tn_budget_here(void);

/* Writes info->reason and info->advice, given the counts. */
void tn_budget_explain(tn_cpu_info *info);

#endif
