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

/* Numbers [4] from a list, one for each channel. */
static void read_numbers(const json_t *list, double *numbers) {
    size_t n = json_array_size(list);
    for (size_t k = 0; k < n && k < 4; k++)
        if (json_is_number(json_array_get(list, k)))
            numbers[k] = json_number_value(json_array_get(list, k));
}

void tn_metadata_read_preprocessing(const TnOnnx__ModelProto *model, tn_preprocessing *p) {
    const char *text = tn_metadata_find(model, TN_METADATA_IMAGE);
    json_t *image = text ? json_loads(text, 0, NULL) : NULL;
    const char *scale = json_string_value(json_object_get(image, "scale"));
    const char *color = json_string_value(json_object_get(image, "color"));
    if (scale && strcmp(scale, "0..255") == 0) p->scale = 255;
    if (color && strcmp(color, "bgr") == 0) p->bgr = true;
    read_numbers(json_object_get(image, "mean"), p->mean);
    read_numbers(json_object_get(image, "std"), p->std);
    p->resize_shorter = json_integer_value(json_object_get(image, "resize_shorter"));
    json_decref(image);
}

static json_t *list_of(const double *numbers, int64_t n) {
    json_t *list = json_array();
    for (int64_t k = 0; k < n; k++) json_array_append_new(list, json_real(numbers[k]));
    return list;
}

bool tn_metadata_write_preprocessing(const tn_preprocessing *p, int64_t channels, json_t *image) {
    bool normalises = false;
    int failed = 0;
    for (int64_t k = 0; k < channels; k++) normalises |= p->mean[k] != 0 || p->std[k] != 1;
    if (p->scale == 255) failed |= json_object_set_new(image, "scale", json_string("0..255"));
    if (p->bgr) failed |= json_object_set_new(image, "color", json_string("bgr"));
    if (normalises) {
        failed |= json_object_set_new(image, "mean", list_of(p->mean, channels));
        failed |= json_object_set_new(image, "std", list_of(p->std, channels));
    }
    if (p->resize_shorter > 0)
        failed |= json_object_set_new(image, "resize_shorter",
                                      json_integer((json_int_t)p->resize_shorter));
    return !failed;
}
