/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.h: how much processor time a container or service may use. */
#ifndef TN_CPU_CGROUP_H
#define TN_CPU_CGROUP_H

/* The CPUs that the quotas of this process's control group and all groups above it grant (the least
 * counts), in version 1 and 2 of the interface; 0 without a quota. root is put before /proc and
 * /sys: "" for this machine, a directory in tests. */
double tn_cgroup_quota(const char *root);

#endif
