/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "train/checkpoint.h"
#include "train/checkpoint_format.h"

typedef struct parsing {
    const uint8_t *file, *data;
    int64_t header_bytes, data_bytes;
    int64_t copied; /* bytes of tensors so far: overlapping ones must not multiply memory */
    bool verify;
    tn_checkpoint *checkpoint;
} parsing;

static uint64_t load_length(const uint8_t *from) {
    uint64_t length = 0;
    for (int i = 0; i < 8; i++) length |= (uint64_t)from[i] << (8 * i);
    return length;
}

static tn_status find_parts(const uint8_t *file, size_t n_bytes, parsing *p, tn_error *error) {
    if (n_bytes < 8)
        return tn_fail(error, TN_ERR_FORMAT, "its %zu bytes are too few for a header", n_bytes);
    uint64_t length = load_length(file);
    if (length > n_bytes - 8)
        return tn_fail(error, TN_ERR_FORMAT,
                       "its header is said to have %llu bytes, the file ends after %zu",
                       (unsigned long long)length, n_bytes - 8);
    p->file = file;
    p->data = file + 8 + length;
    p->header_bytes = (int64_t)length;
    p->data_bytes = (int64_t)(n_bytes - 8 - length);
    return TN_OK;
}

static tn_status verify_file(const parsing *p, size_t n_bytes, tn_error *error) {
    const size_t start = sizeof TN_CHECKPOINT_START - 1;
    if ((size_t)p->header_bytes < start + 64 ||
        memcmp(p->file + 8, TN_CHECKPOINT_START, start) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "its header does not begin with a check sum");
    char hex[65];
    tn_checkpoint_sha256(p->file, n_bytes, hex);
    if (memcmp(hex, p->file + TN_CHECKPOINT_SHA256_PLACE, 64) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "its content does not match its check sum");
    return TN_OK;
}

static bool is_sum(const char *key) {
    return strcmp(key, "sha256") == 0 ||
           strncmp(key, TN_CHECKPOINT_SUM, strlen(TN_CHECKPOINT_SUM)) == 0;
}

static tn_status parse_entries(parsing *p, json_t *metadata, tn_error *error) {
    tn_checkpoint *c = p->checkpoint;
    if (!json_is_object(metadata))
        return tn_fail(error, TN_ERR_FORMAT, "its header has no " TN_CHECKPOINT_METADATA);
    c->entries = tn_arena_alloc(&c->arena, (json_object_size(metadata) + 1) * sizeof *c->entries);
    if (!c->entries) return tn_fail_memory(error);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return tn_fail(error, TN_ERR_FORMAT, "its metadata \"%s\" is not a string", key);
        if (is_sum(key)) continue;
        tn_checkpoint_entry *entry = &c->entries[c->n_entries++];
        entry->key = tn_arena_strdup(&c->arena, key);
        entry->value = tn_arena_strdup(&c->arena, json_string_value(value));
        if (!entry->key || !entry->value) return tn_fail_memory(error);
    }
    return TN_OK;
}

static tn_status parse_shape(json_t *shape, tn_checkpoint_tensor *tensor, int64_t *bytes,
                             tn_error *error) {
    if (!json_is_array(shape) || json_array_size(shape) > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_FORMAT,
                       "its tensor \"%s\" has no list of at most %d dimensions", tensor->name,
                       TN_MAX_RANK);
    tensor->rank = (int)json_array_size(shape);
    for (int i = 0; i < tensor->rank; i++) {
        json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return tn_fail(error, TN_ERR_FORMAT, "its tensor \"%s\": dimension %d is not a count",
                           tensor->name, i);
        tensor->dims[i] = json_integer_value(dim);
    }
    if (!tn_size_product(tensor->dims, tensor->rank, bytes) ||
        !tn_size_mul(*bytes, (int64_t)sizeof(float), bytes))
        return tn_fail(error, TN_ERR_FORMAT, "its tensor \"%s\" has an impossible shape",
                       tensor->name);
    return TN_OK;
}

static tn_status parse_offsets(const parsing *p, json_t *offsets, const char *name, int64_t bytes,
                               int64_t *begin, tn_error *error) {
    json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return tn_fail(error, TN_ERR_FORMAT, "its tensor \"%s\" has no data_offsets", name);
    json_int_t b = json_integer_value(first), e = json_integer_value(last);
    if (b < 0 || e < b || e > p->data_bytes)
        return tn_fail(error, TN_ERR_FORMAT,
                       "its tensor \"%s\" is said to lie at bytes %lld to %lld of %lld", name,
                       (long long)b, (long long)e, (long long)p->data_bytes);
    if (e - b != bytes)
        return tn_fail(error, TN_ERR_FORMAT,
                       "its tensor \"%s\" needs %lld bytes by its shape and has %lld", name,
                       (long long)bytes, (long long)(e - b));
    *begin = b;
    return TN_OK;
}

static tn_status verify_tensor(json_t *metadata, const tn_checkpoint_tensor *tensor, int64_t bytes,
                               tn_error *error) {
    size_t room = strlen(TN_CHECKPOINT_SUM) + strlen(tensor->name) + 1;
    char *key = malloc(room), actual[TN_CHECKPOINT_SUM_TEXT];
    if (!key) return tn_fail_memory(error);
    snprintf(key, room, "%s%s", TN_CHECKPOINT_SUM, tensor->name);
    const char *expected = json_string_value(json_object_get(metadata, key));
    free(key);
    tn_checkpoint_sum_text(tensor->data, (size_t)bytes, actual);
    if (!expected || strcmp(expected, actual) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "its tensor \"%s\" does not match its check sum",
                       tensor->name);
    return TN_OK;
}

typedef struct extent {
    int64_t begin, end;
} extent;

static tn_status parse_tensor(parsing *p, json_t *metadata, const char *name, json_t *json,
                              extent *place, tn_error *error) {
    tn_checkpoint *c = p->checkpoint;
    tn_checkpoint_tensor *tensor = &c->tensors[c->n_tensors++];
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    tensor->name = tn_arena_strdup(&c->arena, name);
    if (!tensor->name) return tn_fail_memory(error);
    if (!dtype || strcmp(dtype, "F32") != 0)
        return tn_fail(error, TN_ERR_FORMAT, "its tensor \"%s\" has type %s, not F32", name,
                       dtype ? dtype : "unknown");
    int64_t bytes = 0;
    TN_TRY(parse_shape(json_object_get(json, "shape"), tensor, &bytes, error));
    TN_TRY(
        parse_offsets(p, json_object_get(json, "data_offsets"), name, bytes, &place->begin, error));
    place->end = place->begin + bytes;
    if (bytes > p->data_bytes - p->copied)
        return tn_fail(error, TN_ERR_FORMAT, "its tensors overlap");
    p->copied += bytes;
    tensor->data = tn_arena_copy(&c->arena, p->data + place->begin, (size_t)bytes);
    if (!tensor->data) return tn_fail_memory(error);
    return p->verify ? verify_tensor(metadata, tensor, bytes, error) : TN_OK;
}

static int compare_extents(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Safetensors allows neither overlap nor holes. */
static tn_status check_cover(const parsing *p, extent *places, size_t n, tn_error *error) {
    qsort(places, n, sizeof *places, compare_extents);
    int64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (places[i].begin != end)
            return tn_fail(error, TN_ERR_FORMAT, "its tensors %s at byte %lld of the data",
                           places[i].begin < end ? "overlap" : "leave a hole", (long long)end);
        end = places[i].end;
    }
    if (end != p->data_bytes)
        return tn_fail(error, TN_ERR_FORMAT, "its tensors end at byte %lld of %lld", (long long)end,
                       (long long)p->data_bytes);
    return TN_OK;
}

static tn_status parse_tensors(parsing *p, json_t *header, extent *places, tn_error *error) {
    json_t *metadata = json_object_get(header, TN_CHECKPOINT_METADATA), *tensor;
    const char *name;
    size_t n = 0;
    json_object_foreach(header, name, tensor) {
        if (tensor == metadata) continue;
        TN_TRY(parse_tensor(p, metadata, name, tensor, &places[n++], error));
    }
    return check_cover(p, places, n, error);
}

static tn_status parse_header(parsing *p, json_t *header, tn_error *error) {
    tn_checkpoint *c = p->checkpoint;
    TN_TRY(parse_entries(p, json_object_get(header, TN_CHECKPOINT_METADATA), error));
    size_t room = json_object_size(header);
    c->tensors = tn_arena_alloc(&c->arena, room * sizeof *c->tensors);
    extent *places = calloc(room, sizeof *places);
    tn_status status =
        c->tensors && places ? parse_tensors(p, header, places, error) : tn_fail_memory(error);
    free(places);
    return status;
}

tn_status tn_checkpoint_parse(const void *bytes, size_t n_bytes, tn_checkpoint_checks checks,
                              tn_checkpoint *checkpoint, tn_error *error) {
    *checkpoint = (tn_checkpoint){0};
    parsing p = {.checkpoint = checkpoint, .verify = checks == TN_CHECKPOINT_VERIFY};
    TN_TRY(find_parts(bytes, n_bytes, &p, error));
    if (p.verify) TN_TRY(verify_file(&p, n_bytes, error));
    json_error_t why;
    json_t *header =
        json_loadb((const char *)p.file + 8, (size_t)p.header_bytes, JSON_REJECT_DUPLICATES, &why);
    tn_status status;
    if (json_is_object(header))
        status = parse_header(&p, header, error);
    else
        status = tn_fail(error, TN_ERR_FORMAT, "its header is not a JSON object (%s)",
                         header ? "something else" : why.text);
    json_decref(header);
    if (status != TN_OK) tn_checkpoint_free(checkpoint);
    return status;
}

void tn_checkpoint_free(tn_checkpoint *checkpoint) {
    tn_arena_free(&checkpoint->arena);
    *checkpoint = (tn_checkpoint){0};
}

const char *tn_checkpoint_find(const tn_checkpoint *checkpoint, const char *key) {
    for (int i = 0; i < checkpoint->n_entries; i++)
        if (strcmp(checkpoint->entries[i].key, key) == 0) return checkpoint->entries[i].value;
    return NULL;
}

const tn_checkpoint_tensor *tn_checkpoint_tensor_find(const tn_checkpoint *checkpoint,
                                                      const char *name) {
    for (int i = 0; i < checkpoint->n_tensors; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0) return &checkpoint->tensors[i];
    return NULL;
}
