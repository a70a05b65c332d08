/* SPDX-License-Identifier: Apache-2.0 */
/* budget.h: the parts of the core budget, cheap enough for the path of a single inference. */
#ifndef TN_CPU_BUDGET_H
#define TN_CPU_BUDGET_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct tn_budget {
    int threads;       /* logical processors in the affinity mask */
    int cores;         /* physical cores among them */
    double quota_cpus; /* of the cgroup; 0 without a quota */
    int n_threads;     /* the budget */
    int online;        /* logical processors that the machine runs; 0 if unknown */
} tn_budget;

/* An affinity mask of any size. */
typedef struct tn_affinity {
    cpu_set_t *mask;
    size_t bytes;
} tn_affinity;

/* The mask of the calling thread, which the threads that it starts inherit; false if the system
 * does not tell or memory is short. Free it with CPU_FREE(affinity->mask). */
bool tn_affinity_read(tn_affinity *affinity);

/* The budget of a mask of mask_bytes on the machine whose /proc and /sys are below root ("" for
 * this one). A processor whose neighbours are unknown counts as a core. */
tn_budget tn_budget_of(const char *root, const cpu_set_t *mask, size_t mask_bytes);
/* The budget of the calling thread. */
tn_budget tn_budget_here(void);
/* The first hardware thread of cpu's core that the mask holds: the same for all threads of a core.
 * cpu, which the mask holds, if its neighbours are unknown. */
int tn_budget_core_of(const char *root, int cpu, const cpu_set_t *mask, size_t mask_bytes);

/* Writes info->reason and info->advice, given the counts. */
void tn_budget_explain(tn_cpu_info *info);

#endif
