/* SPDX-License-Identifier: Apache-2.0 */
/* budget.c: affinity mask, physical cores, quota. */
#include "cpu/budget.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/cgroup.h"
#include "cpu/sysfile.h"
#include "cpu/topology.h"

enum { MAX_CPUS = 1 << 20 };

/* Takes the next range of list, such as "0-1,8"; false at its end, which is where it makes no
 * sense, too. */
static bool take_range(const char **list, long *first, long *last) {
    char *end;
    if (**list < '0' || **list > '9') return false;
    *first = *last = strtol(*list, &end, 10);
    if (*end == '-') *last = strtol(end + 1, &end, 10);
    *list = *end == ',' ? end + 1 : "";
    return true;
}

static int first_in_mask(const char *list, int cpu, const cpu_set_t *mask, size_t mask_bytes) {
    for (long first, last; take_range(&list, &first, &last);)
        for (long i = first; i <= last && i < cpu; i++)
            if (CPU_ISSET_S((size_t)i, mask_bytes, mask)) return (int)i;
    return cpu;
}

int tn_budget_core_of(const char *root, int cpu, const cpu_set_t *mask, size_t mask_bytes) {
    static const char *const names[] = {"core_cpus_list", "thread_siblings_list"};
    char list[4096];
    for (int i = 0; i < 2; i++)
        if (tn_sysfile_read(list, sizeof list, "%s/sys/devices/system/cpu/cpu%d/topology/%s", root,
                            cpu, names[i]))
            return first_in_mask(list, cpu, mask, mask_bytes);
    return cpu;
}

static int count_online(const char *root) {
    char text[4096];
    const char *list = text;
    long n = 0;
    tn_sysfile_read(text, sizeof text, "%s/sys/devices/system/cpu/online", root);
    for (long first, last; take_range(&list, &first, &last);)
        if (first <= last && last < MAX_CPUS) n += last - first + 1;
    return n < MAX_CPUS ? (int)n : 0;
}

/* A core is counted at the first of its hardware threads that the mask holds. */
tn_budget tn_budget_of(const char *root, const cpu_set_t *mask, size_t mask_bytes) {
    tn_budget budget = {.quota_cpus = tn_cgroup_quota(root), .online = count_online(root)};
    for (int cpu = 0; cpu < (int)(mask_bytes * 8); cpu++)
        if (CPU_ISSET_S((size_t)cpu, mask_bytes, mask)) {
            budget.threads++;
            budget.cores += tn_budget_core_of(root, cpu, mask, mask_bytes) == cpu;
        }
    if (budget.threads == 0) budget.threads = budget.cores = 1;
    budget.n_threads = budget.cores;
    if (budget.quota_cpus > 0 && budget.quota_cpus < budget.cores)
        budget.n_threads = budget.quota_cpus < 1 ? 1 : (int)budget.quota_cpus;
    return budget;
}

bool tn_affinity_read(tn_affinity *affinity) {
    /* The kernel refuses a mask smaller than its own, whose size it does not tell. */
    for (int n_cpus = 1024; n_cpus <= MAX_CPUS; n_cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC((size_t)n_cpus);
        if (!mask) return false;
        size_t bytes = CPU_ALLOC_SIZE((size_t)n_cpus);
        CPU_ZERO_S(bytes, mask);
        int failure = sched_getaffinity(0, bytes, mask) == 0 ? 0 : errno;
        *affinity = (tn_affinity){mask, bytes};
        if (!failure) return true;
        CPU_FREE(mask);
        if (failure != EINVAL) return false;
    }
    return false;
}

tn_budget tn_budget_here(void) {
    tn_affinity here;
    if (!tn_affinity_read(&here)) return (tn_budget){.threads = 1, .cores = 1, .n_threads = 1};
    tn_budget budget = tn_budget_of("", here.mask, here.bytes);
    CPU_FREE(here.mask);
    return budget;
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
