/* SPDX-License-Identifier: Apache-2.0 */
/* tuning.h: a table of choices that was measured (api/tune.c), and its file. */
#ifndef TN_OPS_TUNING_H
#define TN_OPS_TUNING_H

#include "base/arena.h"
#include "ops/conv_choice.h"

typedef struct tn_tuning_row {
    conv_choice choice;
    const char *built_in; /* what would be taken without it; NULL if read from a file */
    int n_nodes;          /* of the model that was measured; 0 likewise */
    int n_candidates;
    const char *candidates[TN_TUNING_MAX_CANDIDATES];
    double ms[TN_TUNING_MAX_CANDIDATES];
} tn_tuning_row;

struct tn_tuning {
    tn_arena arena; /* holds the rows and all strings */
    char level[16], sha256[65];
    tn_tuning_row *rows; /* no two of one key */
    int n_rows;
};

/* A table with room for so many rows. */
tn_status tn_tuning_create(const char *level, int room, tn_tuning **tuning, tn_error *error);
/* Orders the rows and computes the hash: of the level, the keys and the implementations, not of
 * what was measured. Fails with TN_ERR_FORMAT if two rows have one key. */
tn_status tn_tuning_finish(tn_tuning *tuning, tn_error *error);

/* The implementation for a key, or NULL. */
const char *tn_tuning_find(const tn_tuning *tuning, const conv_choice_key *key);
/* Fails with TN_ERR_MISMATCH if a table (NULL is none) is for kernels of another level. */
tn_status tn_tuning_check_level(const tn_tuning *tuning, const char *level, tn_error *error);

/* Reads a file's bytes, which are hostile until checked. Fails with TN_ERR_FORMAT ("its ...", to be
 * put behind the file's name) or TN_ERR_MEMORY. */
tn_status tn_tuning_parse(const void *bytes, size_t n_bytes, tn_tuning **tuning, tn_error *error);
/* The content of a file, malloc'ed; NULL when out of memory. */
char *tn_tuning_serialise(const tn_tuning *tuning);

#endif
