/* SPDX-License-Identifier: Apache-2.0 */
/* budget.c: affinity mask, physical cores, quota. */
#include "cpu/budget.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/cgroup.h"
#include "cpu/sysfile.h"
#include "cpu/topology.h"

/* Whether mask holds a processor below cpu that stands in list, such as "0-1,8". */
static bool holds_earlier(const char *list, int cpu, const cpu_set_t *mask, size_t mask_bytes) {
    for (const char *at = list; *at >= '0' && *at <= '9';) {
        char *end;
        long first = strtol(at, &end, 10), last = first;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        for (long i = first; i <= last && i < cpu; i++)
            if (CPU_ISSET_S((size_t)i, mask_bytes, mask)) return true;
        at = *end == ',' ? end + 1 : "";
    }
    return false;
}

/* A core is counted at the first of its hardware threads that the mask holds. */
static bool is_first_of_core(const char *root, int cpu, const cpu_set_t *mask, size_t mask_bytes) {
    static const char *const names[] = {"core_cpus_list", "thread_siblings_list"};
    char list[4096];
    for (int i = 0; i < 2; i++)
        if (tn_sysfile_read(list, sizeof list, "%s/sys/devices/system/cpu/cpu%d/topology/%s", root,
                            cpu, names[i]))
            return !holds_earlier(list, cpu, mask, mask_bytes);
    return true;
}

tn_budget tn_budget_of(const char *root, const cpu_set_t *mask, size_t mask_bytes) {
    tn_budget budget = {.quota_cpus = tn_cgroup_quota(root)};
    for (int cpu = 0; cpu < (int)(mask_bytes * 8); cpu++)
        if (CPU_ISSET_S((size_t)cpu, mask_bytes, mask)) {
            budget.threads++;
            budget.cores += is_first_of_core(root, cpu, mask, mask_bytes);
        }
    if (budget.threads == 0) budget.threads = budget.cores = 1;
    budget.n_threads = budget.cores;
    if (budget.quota_cpus > 0 && budget.quota_cpus < budget.cores)
        budget.n_threads = budget.quota_cpus < 1 ? 1 : (int)budget.quota_cpus;
    return budget;
}

tn_budget tn_budget_here(void) {
    /* The kernel refuses a mask smaller than its own, whose size it does not tell. */
    for (int n_cpus = 1024; n_cpus <= 1 << 20; n_cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC((size_t)n_cpus);
        if (!mask) break;
        size_t bytes = CPU_ALLOC_SIZE((size_t)n_cpus);
        CPU_ZERO_S(bytes, mask);
        int failure = sched_getaffinity(0, bytes, mask) == 0 ? 0 : errno;
        tn_budget budget = {0};
        if (!failure) budget = tn_budget_of("", mask, bytes);
        CPU_FREE(mask);
        if (!failure) return budget;
        if (failure != EINVAL) break;
    }
    return (tn_budget){.threads = 1, .cores = 1, .n_threads = 1};
}

int tn_core_budget(void) { return tn_budget_here().n_threads; }

static const char *plural(int n) { return n == 1 ? "" : "s"; }

static void explain_reason(tn_cpu_info *info) {
    char cores[64];
    snprintf(cores, sizeof cores, "%d physical core%s in the affinity mask", info->allowed_cores,
             plural(info->allowed_cores));
    if (info->quota_cpus <= 0)
        snprintf(info->reason, sizeof info->reason, "%s, no cgroup quota", cores);
    else if (info->quota_cpus >= info->allowed_cores)
        snprintf(info->reason, sizeof info->reason, "%s, within the cgroup quota of %.4g CPUs",
                 cores, info->quota_cpus);
    else
        snprintf(info->reason, sizeof info->reason, "%s, cut to the cgroup quota of %.4g CPUs%s",
                 cores, info->quota_cpus,
                 info->quota_cpus < 1                        ? ", but at least one thread"
                 : info->quota_cpus != (int)info->quota_cpus ? ", rounded down"
                                                             : "");
}

void tn_budget_explain(tn_cpu_info *info) {
    explain_reason(info);
    char *advice = info->advice;
    size_t size = sizeof info->advice;
    int idle = info->allowed_threads - info->allowed_cores;
    if (info->quota_cpus > 0 && info->quota_cpus < info->allowed_cores) {
        snprintf(advice, size,
                 "The cgroup quota is the limit, not the cores: threads beyond it would only be "
                 "stopped for part of each period%s. Raise the quota (cpu.max, docker --cpus) to "
                 "use more cores.",
                 idle > 0 ? ", those on hyper-threads too" : "");
    } else if (idle > 0) {
        snprintf(advice, size,
                 "%d hyper-thread%s left idle: the second thread of a core shares its FMA units "
                 "and first-level cache, which the convolution kernels already fill. There is no "
                 "need to disable SMT in the firmware.",
                 idle, idle == 1 ? " is" : "s are");
    } else if (info->hardware_threads > info->cores) {
        snprintf(advice, size,
                 "The cores have hyper-threads, but the affinity mask holds one per core, as is "
                 "best: a second one would share the FMA units and first-level cache that the "
                 "convolution kernels already fill.");
    } else {
        snprintf(advice, size,
                 "This machine shows no hyper-threads (SMT): there is nothing to disable.");
    }
}
