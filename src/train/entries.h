/* SPDX-License-Identifier: Apache-2.0 */
/* entries.h: keys and values of a checkpoint in the making. */
#ifndef TN_TRAIN_ENTRIES_H
#define TN_TRAIN_ENTRIES_H

#include "train/checkpoint.h"

typedef struct tn_entries {
    tn_arena *arena; /* owns everything */
    tn_checkpoint_entry *items;
    int n, room;
} tn_entries;

tn_status tn_entries_begin(tn_arena *arena, int room, tn_entries *entries, tn_error *error);
/* The value is copied, the key is not. A lack of memory or room shows up in tn_entries_end. */
void tn_entries_add(tn_entries *entries, const char *key, const char *value);
void tn_entries_add_count(tn_entries *entries, const char *key, int64_t count);
/* The shortest decimal that reads back as the same number, in any locale: for people, too. */
const char *tn_entries_number_text(double number, char text[32]);
void tn_entries_add_number(tn_entries *entries, const char *key, double number);
/* In hexadecimal, with nan and inf. */
void tn_entries_add_exact(tn_entries *entries, const char *key, double number);
/* Fails with TN_ERR_MEMORY if anything could not be added. */
tn_status tn_entries_end(const tn_entries *entries, tn_error *error);

#endif
