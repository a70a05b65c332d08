/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/tuning.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"

static const int64_t max_file_bytes = 8 << 20;

/* ---- Making ---------------------------------------------------------------------------------- */

tn_status tn_tuning_create(const char *level, int room, tn_tuning **made, tn_error *error) {
    tn_tuning *t = calloc(1, sizeof *t);
    if (!t) return tn_fail_memory(error);
    snprintf(t->level, sizeof t->level, "%s", level);
    t->rows = tn_arena_alloc(&t->arena, ((size_t)room + 1) * sizeof *t->rows);
    if (!t->rows) {
        tn_tuning_free(t);
        return tn_fail_memory(error);
    }
    *made = t;
    return TN_OK;
}

void tn_tuning_free(tn_tuning *tuning) {
    if (!tuning) return;
    tn_arena_free(&tuning->arena);
    free(tuning);
}

static int by_key(const void *a, const void *b) {
    const tn_tuning_row *x = a, *y = b;
    return conv_choice_compare(&x->choice.key, &y->choice.key);
}

static void add_row(tn_sha256 *sha, const conv_choice *choice) {
    char shape[CONV_CHOICE_TEXT], line[CONV_CHOICE_TEXT + 128];
    snprintf(line, sizeof line, "%s of %s: %s\n", conv_pass_word(choice->key.op),
             conv_choice_shape_text(&choice->key, shape), choice->implementation);
    tn_sha256_add(sha, line, strlen(line));
}

tn_status tn_tuning_finish(tn_tuning *t, tn_error *error) {
    char shape[CONV_CHOICE_TEXT];
    tn_sha256 sha;
    qsort(t->rows, (size_t)t->n_rows, sizeof *t->rows, by_key);
    tn_sha256_begin(&sha);
    tn_sha256_add(&sha, t->level, strlen(t->level) + 1);
    for (int i = 0; i < t->n_rows; i++) {
        const conv_choice *choice = &t->rows[i].choice;
        if (i > 0 && by_key(&t->rows[i - 1], &t->rows[i]) == 0)
            return tn_fail(error, TN_ERR_FORMAT, "its choices name the %s of %s twice",
                           conv_pass_word(choice->key.op),
                           conv_choice_shape_text(&choice->key, shape));
        add_row(&sha, choice);
    }
    tn_sha256_end(&sha, t->sha256);
    return TN_OK;
}

/* ---- Using ----------------------------------------------------------------------------------- */

const char *tn_tuning_find(const tn_tuning *tuning, const conv_choice_key *key) {
    for (int i = 0; i < tuning->n_rows; i++)
        if (conv_choice_compare(&tuning->rows[i].choice.key, key) == 0)
            return tuning->rows[i].choice.implementation;
    return NULL;
}

tn_status tn_tuning_check_level(const tn_tuning *tuning, const char *level, tn_error *error) {
    if (!tuning || strcmp(tuning->level, level) == 0) return TN_OK;
    return tn_fail(error, TN_ERR_MISMATCH,
                   "the tuning is for %s kernels, and these are %s (measure one for them: tenon "
                   "bench MODEL --tune -o FILE)",
                   tuning->level, level);
}

/* ---- The interface --------------------------------------------------------------------------- */

tn_status tn_tuning_load(const char *path, tn_tuning **tuning, tn_error *error) {
    void *bytes;
    int64_t n_bytes;
    if (!path || !tuning)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot read a tuning: path or result is NULL");
    TN_TRY(tn_file_read(path, max_file_bytes, &bytes, &n_bytes, error));
    tn_status status = tn_tuning_parse(bytes, (size_t)n_bytes, tuning, error);
    free(bytes);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot read %s", path);
}

tn_status tn_tuning_save(const tn_tuning *tuning, const char *path, tn_error *error) {
    if (!tuning || !path)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot write a tuning: it or the path is NULL");
    char *text = tn_tuning_serialise(tuning);
    if (!text) return tn_fail_memory(error);
    tn_status status = tn_file_replace(path, text, strlen(text), error);
    free(text);
    return status;
}

/* Copies what the caller's version of a structure has room for. */
static void copy_out(const void *from, size_t bytes, void *to, size_t size) {
    memcpy(to, from, size < bytes ? size : bytes);
    memcpy(to, &size, sizeof size);
}

void tn_tuning_describe(const tn_tuning *tuning, tn_tuning_info *info) {
    tn_tuning_info all = {.size = sizeof all, .n_choices = tuning->n_rows};
    memcpy(all.level, tuning->level, sizeof all.level);
    memcpy(all.sha256, tuning->sha256, sizeof all.sha256);
    copy_out(&all, sizeof all, info, info->size);
}

void tn_tuning_describe_choice(const tn_tuning *tuning, int i, tn_tuning_choice *choice) {
    const tn_tuning_row *row = &tuning->rows[i];
    tn_tuning_choice all = {.size = sizeof all,
                            .pass = conv_pass_word(row->choice.key.op),
                            .implementation = row->choice.implementation,
                            .built_in = row->built_in,
                            .n_nodes = row->n_nodes,
                            .n_candidates = row->n_candidates};
    conv_choice_shape_text(&row->choice.key, all.shape);
    memcpy(all.candidates, row->candidates, sizeof all.candidates);
    memcpy(all.ms, row->ms, sizeof all.ms);
    copy_out(&all, sizeof all, choice, choice->size);
}
