/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: what the library is and what it runs on. */
#include <stdio.h>
#include <string.h>

#include "cpu/isa.h"
#include "cpu/pin.h"
#include "cpu/topology.h"
#include "kernels/kernels.h"

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

bool tn_cpu_pins(int n_threads, tn_pin pin, char *reason, size_t bytes) {
    char text[TN_PIN_REASON];
    tn_budget budget = tn_budget_here();
    bool pins = tn_pin_decide(&budget, n_threads > 0 ? n_threads : budget.n_threads, pin, text);
    snprintf(reason, bytes, "%s", text);
    return pins;
}
