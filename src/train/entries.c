/* SPDX-License-Identifier: Apache-2.0 */
#include "train/entries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

tn_status tn_entries_begin(tn_arena *arena, int room, tn_entries *entries, tn_error *error) {
    *entries = (tn_entries){.arena = arena, .room = room};
    entries->items = tn_arena_alloc(arena, (size_t)room * sizeof *entries->items);
    return entries->items ? TN_OK : tn_fail_memory(error);
}

void tn_entries_add(tn_entries *entries, const char *key, const char *value) {
    if (entries->n < entries->room)
        entries->items[entries->n] =
            (tn_checkpoint_entry){key, tn_arena_strdup(entries->arena, value)};
    entries->n++;
}

void tn_entries_add_count(tn_entries *entries, const char *key, int64_t count) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)count);
    tn_entries_add(entries, key, text);
}

const char *tn_entries_number_text(double number, char text[32]) {
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    for (char *c = text; *c; c++)
        if (*c == ',') *c = '.';
    return text;
}

void tn_entries_add_number(tn_entries *entries, const char *key, double number) {
    char text[32];
    tn_entries_add(entries, key, tn_entries_number_text(number, text));
}

/* Without a decimal point, whose sign depends on the locale. */
void tn_entries_add_exact(tn_entries *entries, const char *key, double number) {
    char text[48];
    int exponent;
    if (isnan(number) || isinf(number)) {
        tn_entries_add(entries, key, isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
        return;
    }
    int64_t mantissa = (int64_t)ldexp(fabs(frexp(number, &exponent)), 53);
    snprintf(text, sizeof text, "%s0x%llxp%d", signbit(number) ? "-" : "",
             (unsigned long long)mantissa, mantissa ? exponent - 53 : 0);
    tn_entries_add(entries, key, text);
}

tn_status tn_entries_end(const tn_entries *entries, tn_error *error) {
    if (entries->n > entries->room) return tn_fail_memory(error);
    for (int i = 0; i < entries->n; i++)
        if (!entries->items[i].value) return tn_fail_memory(error);
    return TN_OK;
}
