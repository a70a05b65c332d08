/* SPDX-License-Identifier: Apache-2.0 */
/* topology.h: the core budget: how many threads this process should use. */
#ifndef TN_CPU_TOPOLOGY_H
#define TN_CPU_TOPOLOGY_H

#include "cpu/budget.h"

/* Fills everything of info but the kernel levels. The budget is the number of physical cores in the
 * affinity mask, cut to the cgroup quota (rounded down, at least 1): hyper-threads stay idle. Never
 * fails: what cannot be found out counts as one. */
void tn_topology_inspect(tn_cpu_info *info);

struct hwloc_topology;
/* The same for a machine that hwloc has loaded (NULL: unknown) and what this process may use of it.
 */
void tn_topology_describe(struct hwloc_topology *machine, const tn_budget *budget,
                          tn_cpu_info *info);

/* The budget alone, without hwloc's discovery, which takes 5 to 20 ms. */
int tn_core_budget(void);

#endif
