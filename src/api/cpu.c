/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: what the library is and what it runs on. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "cpu/fma_peak.h"
#include "cpu/fork_join.h"
#include "cpu/isa.h"
#include "cpu/pin.h"
#include "cpu/topology.h"
#include "kernels/kernels.h"

/* Workers sleep after 40 us without work. */
enum { ASLEEP_US = 400, PEAK_TURNS = 5 };
#define PEAK_NS 20e6

const char *tn_version(void) { return TN_VERSION; }

/* The names of the levels that run here, separated by spaces. */
static void list_levels(char *text, size_t bytes) {
    tn_kernels unused;
    text[0] = '\0';
    for (const char *const *level = tn_kernel_levels(); *level; level++) {
        size_t used = strlen(text);
        if (tn_kernels_init(&unused, *level, tn_isa_detect()))
            snprintf(text + used, bytes - used, used ? " %s" : "%s", *level);
    }
}

tn_status tn_cpu_inspect(tn_cpu_info *info, tn_error *error) {
    tn_kernels kernels;
    TN_TRY(tn_kernels_select(&kernels, error));
    tn_topology_inspect(info);
    snprintf(info->level, sizeof info->level, "%s", kernels.level);
    list_levels(info->levels, sizeof info->levels);
    return TN_OK;
}

tn_status tn_cpu_inspect_process(tn_cpu_info *info, tn_error *error) {
    tn_kernels kernels;
    TN_TRY(tn_kernels_select(&kernels, error));
    tn_budget budget = tn_budget_here();
    tn_topology_describe(NULL, &budget, info);
    snprintf(info->level, sizeof info->level, "%s", kernels.level);
    list_levels(info->levels, sizeof info->levels);
    return TN_OK;
}

/* The best of several turns, because what disturbs can only slow down; one thread and all by turns,
 * so that a disturbance meets both. */
static void measure_peaks(const char *level, tn_pool *pool, tn_cpu_speed *speed) {
    for (int turn = 0; turn < PEAK_TURNS; turn++) {
        double one = tn_fma_peak(level, NULL, false, PEAK_NS);
        double all = tn_fma_peak(level, pool, false, PEAK_NS);
        if (one > speed->peak_gflops_one) speed->peak_gflops_one = one;
        if (all > speed->peak_gflops_all) speed->peak_gflops_all = all;
    }
}

tn_status tn_cpu_measure(bool peaks, tn_cpu_speed *speed, tn_error *error) {
    tn_kernels kernels;
    tn_pool *pool;
    tn_cpu_speed s = {.size = speed->size};
    TN_TRY(tn_kernels_select(&kernels, error));
    int n_threads = (int)tn_min_i64(tn_core_budget(), TN_FMA_PEAK_MAX_THREADS);
    TN_TRY(tn_pool_create(n_threads, &pool, error));
    tn_pool_pin(pool, TN_PIN_AUTO);
    s.fork_join_us = tn_fork_join_us(pool, 0, TN_FORK_JOIN_CALLS);
    s.wake_us = tn_fork_join_us(pool, ASLEEP_US, 21);
    if (peaks) measure_peaks(kernels.level, pool, &s);
    tn_pool_free(pool);
    memcpy(speed, &s, s.size < sizeof s ? s.size : sizeof s);
    return TN_OK;
}

bool tn_cpu_pins(int n_threads, tn_pin pin, char *reason, size_t bytes) {
    char text[TN_PIN_REASON];
    tn_budget budget = tn_budget_here();
    bool pins = tn_pin_decide(&budget, n_threads > 0 ? n_threads : budget.n_threads, pin, text);
    snprintf(reason, bytes, "%s", text);
    return pins;
}
