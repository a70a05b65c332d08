/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.c: which levels there are, what each needs, and which one to use. */
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/isa.h"

typedef struct level {
    const char *name;
    unsigned isa;      /* all of these are needed */
    const char *needs; /* for the user who asked for it in vain */
    void (*fill)(tn_kernels *kernels);
} level;

/* Worst first: a level starts from everything the levels before it have. The build in double
 * precision is the reference alone. */
static const level levels[] = {
    {"ref", 0, "", tn_kernels_fill_ref},
#if defined(__x86_64__) && !defined(TN_DOUBLE)
    {"sse2", TN_ISA_SSE2, "SSE2", tn_kernels_fill_sse2},
    {"avx2", TN_ISA_SSE2 | TN_ISA_AVX2, "AVX2 and FMA", tn_kernels_fill_avx2},
    {"avx512", TN_ISA_SSE2 | TN_ISA_AVX2 | TN_ISA_AVX512, "AVX-512 (F, VL, BW and DQ)",
     tn_kernels_fill_avx512},
#elif defined(__aarch64__) && !defined(TN_DOUBLE)
    {"neon", TN_ISA_NEON, "NEON", tn_kernels_fill_neon},
#endif
};
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

static bool runs(const level *l, unsigned isa) { return (l->isa & ~isa) == 0; }

static const level *find(const char *name) {
    for (int i = 0; i < N_LEVELS; i++)
        if (strcmp(levels[i].name, name) == 0) return &levels[i];
    return NULL;
}

const char *const *tn_kernel_levels(void) {
    static const char *const names[] = {
        "ref",
#if defined(__x86_64__) && !defined(TN_DOUBLE)
        "sse2",
        "avx2",
        "avx512",
#elif defined(__aarch64__) && !defined(TN_DOUBLE)
        "neon",
#endif
        NULL,
    };
    return names;
}

bool tn_kernels_init(tn_kernels *kernels, const char *name, unsigned isa) {
    const level *wanted = find(name);
    if (wanted == NULL || !runs(wanted, isa)) return false;
    memset(kernels, 0, sizeof *kernels);
    for (const level *l = levels; l <= wanted; l++) l->fill(kernels);
    kernels->level = wanted->name;
    return true;
}

const char *tn_kernels_best(unsigned isa) {
    const char *best = NULL;
    for (int i = 0; i < N_LEVELS; i++)
        if (runs(&levels[i], isa)) best = levels[i].name;
    return best;
}

/* Writes the levels of isa as "ref, sse2 or avx2". */
static void list_levels(unsigned isa, char *text, size_t bytes) {
    int last = 0;
    for (int i = 0; i < N_LEVELS; i++)
        if (runs(&levels[i], isa)) last = i;
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i <= last && used < bytes; i++) {
        if (!runs(&levels[i], isa)) continue;
        const char *separator = i == 0 ? "" : i == last ? " or " : ", ";
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", separator, levels[i].name);
    }
}

tn_status tn_kernels_select(tn_kernels *kernels, tn_error *error) {
    unsigned isa = tn_isa_detect();
    const char *name = getenv("TENON_CPU");
    if (name == NULL || name[0] == '\0') name = tn_kernels_best(isa);
    if (tn_kernels_init(kernels, name, isa)) return TN_OK;

    char usable[64];
    list_levels(isa, usable, sizeof usable);
    const level *wanted = find(name);
    if (wanted == NULL)
        return tn_fail(error, TN_ERR_ARGUMENT, "TENON_CPU=%s: no such level (use %s)", name,
                       usable);
    return tn_fail(error, TN_ERR_ARGUMENT, "TENON_CPU=%s: this processor lacks %s (use %s)", name,
                   wanted->needs, usable);
}
