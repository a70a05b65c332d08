/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/pin.h"

#include <stdio.h>
#include <stdlib.h>

static bool answer(bool pinned, const char *why, char reason[static TN_PIN_REASON]) {
    snprintf(reason, TN_PIN_REASON, "%s", why);
    return pinned;
}

bool tn_pin_decide(const tn_budget *budget, int n_threads, tn_pin pin,
                   char reason[static TN_PIN_REASON]) {
    if (n_threads <= 1) return answer(false, "one thread has nobody to stay clear of", reason);
    if (pin == TN_PIN_NO) return answer(false, "as asked for", reason);
    if (n_threads > budget->threads)
        return answer(false, "there are more threads than processors in the affinity mask", reason);
    if (pin == TN_PIN_YES) return answer(true, "as asked for", reason);
    if (budget->quota_cpus > 0)
        return answer(false, "under a cgroup quota the system must be free to move threads",
                      reason);
    if (budget->threads >= budget->online)
        return answer(false, "this process may use the whole machine, and so may others", reason);
    if (n_threads != budget->cores && n_threads != budget->threads)
        return answer(false, "the affinity mask leaves a choice of cores", reason);
    return answer(true, "the affinity mask holds as many cores as there are threads", reason);
}

bool tn_pin_places(const char *root, const tn_affinity *affinity, int n_threads, int *cpus) {
    int n_cpus = (int)(affinity->bytes * 8), n = 0;
    bool *is_first = calloc((size_t)n_cpus + 1, sizeof *is_first);
    if (!is_first) return false;
    for (int cpu = 0; cpu < n_cpus; cpu++)
        is_first[cpu] = CPU_ISSET_S((size_t)cpu, affinity->bytes, affinity->mask) &&
                        tn_budget_core_of(root, cpu, affinity->mask, affinity->bytes) == cpu;
    for (int first = 1; first >= 0; first--)
        for (int cpu = 0; cpu < n_cpus && n < n_threads; cpu++)
            if (CPU_ISSET_S((size_t)cpu, affinity->bytes, affinity->mask) &&
                is_first[cpu] == (first == 1))
                cpus[n++] = cpu;
    free(is_first);
    return n == n_threads;
}
