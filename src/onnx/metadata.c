/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/metadata.h"

#include <string.h>

const char *tn_metadata_find(const TnOnnx__ModelProto *model, const char *key) {
    for (size_t i = 0; i < model->n_metadata_props; i++) {
        const TnOnnx__StringStringEntryProto *entry = model->metadata_props[i];
        if (entry->key && strcmp(entry->key, key) == 0) return entry->value ? entry->value : "";
    }
    return NULL;
}

bool tn_metadata_is_texts(const json_t *json) {
    if (!json_is_array(json)) return false;
    for (size_t i = 0; i < json_array_size(json); i++)
        if (!json_is_string(json_array_get(json, i))) return false;
    return true;
}
