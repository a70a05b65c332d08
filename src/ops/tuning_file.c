/* SPDX-License-Identifier: Apache-2.0 */
/* tuning_file.c: the file of a tuning: JSON, a row to a line. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/tuning.h"

#define FORMAT "tenon-tuning-1"

enum { MOST_ROWS = 10000 };

/* ---- Writing --------------------------------------------------------------------------------- */

static json_t *numbers(const int64_t *v, int n) {
    json_t *array = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(array, json_integer(v[i]));
    return array;
}

static json_t *row_json(const tn_tuning_row *row) {
    const conv_choice_key *k = &row->choice.key;
    json_t *ms = json_object();
    for (int i = 0; i < row->n_candidates; i++)
        json_object_set_new(ms, row->candidates[i], json_real(row->ms[i]));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:s, s:o}", "pass", conv_pass_word(k->op),
                     "input", numbers(k->input, 3), "weight", numbers(k->weight, 4), "strides",
                     numbers(k->strides, 2), "pads", numbers(k->pads, 4), "dilations",
                     numbers(k->dilations, 2), "sparse", (int)k->sparse, "implementation",
                     row->choice.implementation, "ms", ms);
}

char *tn_tuning_serialise(const tn_tuning *t) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    bool whole = fprintf(out, "{\n  \"format\": \"%s\",\n  \"level\": \"%s\",\n  \"choices\": [",
                         FORMAT, t->level) > 0;
    for (int i = 0; i < t->n_rows; i++) {
        json_t *row = row_json(&t->rows[i]);
        char *line = row ? json_dumps(row, JSON_REAL_PRECISION(4)) : NULL;
        whole = whole && line && fprintf(out, "%s\n    %s", i > 0 ? "," : "", line) > 0;
        free(line);
        json_decref(row);
    }
    whole = fputs("\n  ]\n}\n", out) >= 0 && whole;
    if (fclose(out) == 0 && whole) return text;
    free(text);
    return NULL;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static tn_status fail_row(int i, const char *why, const char *what, tn_error *error) {
    return tn_fail(error, TN_ERR_FORMAT, "its choice %d: %s%.*s", i + 1, why, 128, what);
}

/* The name as the operator has it, or NULL. */
static const char *known_implementation(const tn_op *op, const char *name) {
    for (const tn_implementation *const *i = op->implementations; *i; i++)
        if ((*i)->stored == TN_STORED_BY_SAMPLE && strcmp((*i)->name, name) == 0) return (*i)->name;
    return NULL;
}

static bool within(const int64_t *v, int n, int64_t least) {
    for (int i = 0; i < n; i++)
        if (v[i] < least || v[i] > INT32_MAX) return false;
    return true;
}

static bool is_possible(const conv_choice_key *k) {
    return within(k->input, 3, 1) && within(k->weight, 4, 1) && within(k->strides, 2, 1) &&
           within(k->pads, 4, 0) && within(k->dilations, 2, 1);
}

/* What was measured; nobody reads it but people. */
static tn_status parse_times(int i, json_t *times, tn_tuning_row *row, tn_error *error) {
    const char *name;
    json_t *ms;
    if (times && !json_is_object(times))
        return fail_row(i, "its ms are no times of implementations", "", error);
    json_object_foreach(times, name, ms) {
        const char *known = known_implementation(row->choice.key.op, name);
        if (!known || row->n_candidates == TN_TUNING_MAX_CANDIDATES)
            return fail_row(i, "unknown implementation ", name, error);
        double value = json_number_value(ms);
        if (!json_is_number(ms) || !(value >= 0))
            return fail_row(i, "no time in milliseconds for ", name, error);
        row->candidates[row->n_candidates] = known;
        row->ms[row->n_candidates++] = value;
    }
    return TN_OK;
}

static tn_status parse_row(int i, json_t *json, tn_tuning_row *row, tn_error *error) {
    conv_choice_key *k = &row->choice.key;
    const char *pass, *implementation;
    json_int_t in[3], w[4], strides[2], pads[4], dilations[2];
    int sparse;
    json_t *times = NULL;
    json_error_t why;
    if (json_unpack_ex(json, &why, JSON_STRICT,
                       "{s:s, s:[III], s:[IIII], s:[II], s:[IIII], s:[II], s:b, s:s, s?o}", "pass",
                       &pass, "input", &in[0], &in[1], &in[2], "weight", &w[0], &w[1], &w[2], &w[3],
                       "strides", &strides[0], &strides[1], "pads", &pads[0], &pads[1], &pads[2],
                       &pads[3], "dilations", &dilations[0], &dilations[1], "sparse", &sparse,
                       "implementation", &implementation, "ms", &times) != 0)
        return fail_row(i, "", why.text, error);
    k->op = conv_pass_op(pass);
    if (!k->op) return fail_row(i, "unknown pass ", pass, error);
    for (int d = 0; d < 4; d++) {
        k->weight[d] = w[d];
        k->pads[d] = pads[d];
        if (d < 3) k->input[d] = in[d];
        if (d < 2) k->strides[d] = strides[d];
        if (d < 2) k->dilations[d] = dilations[d];
    }
    k->sparse = sparse != 0;
    if (!is_possible(k)) return fail_row(i, "no convolution has such a shape", "", error);
    row->choice.implementation = known_implementation(k->op, implementation);
    if (!row->choice.implementation)
        return fail_row(i, "unknown implementation ", implementation, error);
    return parse_times(i, times, row, error);
}

static tn_status parse_rows(json_t *choices, tn_tuning *t, tn_error *error) {
    size_t i;
    json_t *choice;
    json_array_foreach(choices, i, choice) {
        TN_TRY(parse_row((int)i, choice, &t->rows[i], error));
        t->n_rows++;
    }
    return tn_tuning_finish(t, error);
}

static tn_status parse(json_t *json, tn_tuning **tuning, tn_error *error) {
    const char *format, *level;
    json_t *choices;
    json_error_t why;
    if (json_unpack_ex(json, &why, JSON_STRICT, "{s:s, s:s, s:o}", "format", &format, "level",
                       &level, "choices", &choices) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "it is no tuning: %.128s", why.text);
    if (strcmp(format, FORMAT) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "its format is \"%.64s\", not " FORMAT, format);
    if (!*level || strlen(level) >= sizeof(*tuning)->level)
        return tn_fail(error, TN_ERR_FORMAT, "its level \"%.64s\" is none of kernels", level);
    if (!json_is_array(choices) || json_array_size(choices) > MOST_ROWS)
        return tn_fail(error, TN_ERR_FORMAT, "its choices are no list of at most %d", MOST_ROWS);
    tn_tuning *t;
    TN_TRY(tn_tuning_create(level, (int)json_array_size(choices), &t, error));
    tn_status status = parse_rows(choices, t, error);
    if (status == TN_OK)
        *tuning = t;
    else
        tn_tuning_free(t);
    return status;
}

tn_status tn_tuning_parse(const void *bytes, size_t n_bytes, tn_tuning **tuning, tn_error *error) {
    json_error_t why;
    json_t *json = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        return tn_fail(error, TN_ERR_FORMAT, "it is not JSON: %.128s (line %d)", why.text,
                       why.line);
    tn_status status = parse(json, tuning, error);
    json_decref(json);
    return status;
}
