/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.h: what Tenon keeps in a model's metadata_props. */
#ifndef TN_ONNX_METADATA_H
#define TN_ONNX_METADATA_H

#include <jansson.h>
#include <stdbool.h>

#include "onnx/onnx.pb-c.h"

#define TN_METADATA_PRODUCER "tenon"
/* JSON list: the initializers that are constants; the other float ones are weights. */
#define TN_METADATA_CONSTANTS "tenon.constants"
/* JSON list: a name for each class. */
#define TN_METADATA_CLASS_NAMES "class_names"
/* JSON object: channels, height, width, scale and color of the images that the model takes. */
#define TN_METADATA_IMAGE "image"

/* The text of the first entry with this key, or NULL. */
const char *tn_metadata_find(const TnOnnx__ModelProto *model, const char *key);
/* Whether json (may be NULL) is a list of strings. */
bool tn_metadata_is_texts(const json_t *json);

#endif
