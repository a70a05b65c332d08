/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c: writing; checkpoint_parse.c reads. */
#include "train/checkpoint.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/size.h"
#include "train/checkpoint_format.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is copied as it is");

tn_status tn_checkpoint_check_name(const char *name, tn_error *error) {
    json_t *text = json_string(name);
    bool is_utf8 = text != NULL;
    json_decref(text);
    if (is_utf8 && strcmp(name, TN_CHECKPOINT_METADATA) != 0 &&
        strncmp(name, TN_CHECKPOINT_OPTIMIZER, strlen(TN_CHECKPOINT_OPTIMIZER)) != 0 &&
        strncmp(name, TN_CHECKPOINT_TRAINING, strlen(TN_CHECKPOINT_TRAINING)) != 0)
        return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "cannot write checkpoints of a model with a parameter called \"%s\": %s", name,
                   is_utf8 ? "the name is reserved" : "the name is not UTF-8");
}

static int64_t tensor_bytes(const tn_checkpoint_tensor *tensor) {
    int64_t elements = 0;
    tn_size_product(tensor->dims, tensor->rank, &elements);
    return elements * (int64_t)sizeof(float);
}

void tn_checkpoint_sum_text(const void *data, size_t bytes, char text[TN_CHECKPOINT_SUM_TEXT]) {
    uLong sum = crc32_z(crc32_z(0, NULL, 0), data, bytes);
    snprintf(text, TN_CHECKPOINT_SUM_TEXT, "%08lx", (unsigned long)sum);
}

/* data holds the tensors one after another; NULL gives sums of nothing, which are as long. */
static json_t *metadata_json(const tn_checkpoint *checkpoint, const uint8_t *data) {
    json_t *metadata = json_object();
    /* First, so that the digits stand at a place known beforehand. */
    int failed = json_object_set_new(metadata, "sha256", json_string(TN_CHECKPOINT_NO_SHA256));
    for (int i = 0; i < checkpoint->n_entries; i++)
        failed |= json_object_set_new(metadata, checkpoint->entries[i].key,
                                      json_string(checkpoint->entries[i].value));
    for (int i = 0; i < checkpoint->n_tensors && !failed; i++) {
        const tn_checkpoint_tensor *tensor = &checkpoint->tensors[i];
        char sum[TN_CHECKPOINT_SUM_TEXT];
        size_t bytes = (size_t)tensor_bytes(tensor);
        tn_checkpoint_sum_text(data, data ? bytes : 0, sum);
        if (data) data += bytes;
        size_t room = strlen(TN_CHECKPOINT_SUM) + strlen(tensor->name) + 1;
        char *key = malloc(room);
        if (key) snprintf(key, room, "%s%s", TN_CHECKPOINT_SUM, tensor->name);
        failed |= !key || json_object_set_new(metadata, key, json_string(sum));
        free(key);
    }
    if (!failed) return metadata;
    json_decref(metadata);
    return NULL;
}

static json_t *tensor_json(const tn_checkpoint_tensor *tensor, int64_t begin) {
    json_t *shape = json_array();
    int failed = 0;
    for (int i = 0; i < tensor->rank; i++)
        failed |= json_array_append_new(shape, json_integer(tensor->dims[i]));
    json_t *json = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets",
                             (json_int_t)begin, (json_int_t)(begin + tensor_bytes(tensor)));
    if (!failed) return json;
    json_decref(json);
    return NULL;
}

/* The header as text, *data_bytes the sum over all tensors; NULL when out of memory or for a name
 * that JSON cannot hold. */
static char *header_text(const tn_checkpoint *checkpoint, const uint8_t *data,
                         int64_t *data_bytes) {
    json_t *header = json_object();
    int failed =
        json_object_set_new(header, TN_CHECKPOINT_METADATA, metadata_json(checkpoint, data));
    *data_bytes = 0;
    for (int i = 0; i < checkpoint->n_tensors; i++) {
        const tn_checkpoint_tensor *tensor = &checkpoint->tensors[i];
        failed |= json_object_set_new(header, tensor->name, tensor_json(tensor, *data_bytes));
        *data_bytes += tensor_bytes(tensor);
    }
    char *text = failed ? NULL : json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(header);
    return text;
}

static void store_length(uint8_t *to, uint64_t length) {
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(length >> (8 * i));
}

void tn_checkpoint_sha256(const uint8_t *file, size_t n_bytes, char hex[65]) {
    tn_sha256 sha;
    tn_sha256_begin(&sha);
    tn_sha256_add(&sha, file, TN_CHECKPOINT_SHA256_PLACE);
    tn_sha256_add(&sha, TN_CHECKPOINT_NO_SHA256, 64);
    size_t behind = TN_CHECKPOINT_SHA256_PLACE + 64;
    tn_sha256_add(&sha, file + behind, n_bytes - behind);
    tn_sha256_end(&sha, hex);
}

static void fill_data(const tn_checkpoint *checkpoint, tn_checkpoint_fill_fn *fill,
                      const void *user, uint8_t *to) {
    for (int i = 0; i < checkpoint->n_tensors; i++) {
        const tn_checkpoint_tensor *tensor = &checkpoint->tensors[i];
        size_t size = (size_t)tensor_bytes(tensor);
        if (!tensor->data)
            fill(user, i, (float *)(void *)to);
        else if (size > 0)
            memcpy(to, tensor->data, size);
        to += size;
    }
}

/* The header comes last: it holds the sums of what follows it. Its length is known beforehand. */
tn_status tn_checkpoint_serialise(const tn_checkpoint *checkpoint, tn_checkpoint_fill_fn *fill,
                                  const void *user, void **bytes, size_t *n_bytes,
                                  tn_error *error) {
    int64_t data_bytes;
    char *header = header_text(checkpoint, NULL, &data_bytes), hex[65];
    if (!header) return tn_fail_memory(error);
    size_t text_length = strlen(header);
    free(header);
    /* Padded with spaces so that the data is aligned, as safetensors writes it. */
    size_t length = (size_t)tn_round_up((int64_t)text_length, 8);
    size_t total = 8 + length + (size_t)data_bytes;
    uint8_t *file = malloc(total);
    if (!file) return tn_fail_memory(error);
    uint8_t *data = file + 8 + length;
    fill_data(checkpoint, fill, user, data);
    header = header_text(checkpoint, data, &data_bytes);
    if (!header) {
        free(file);
        return tn_fail_memory(error);
    }
    store_length(file, length);
    memcpy(file + 8, header, text_length);
    memset(file + 8 + text_length, ' ', length - text_length);
    free(header);
    tn_checkpoint_sha256(file, total, hex);
    memcpy(file + TN_CHECKPOINT_SHA256_PLACE, hex, 64);
    *bytes = file;
    *n_bytes = total;
    return TN_OK;
}
