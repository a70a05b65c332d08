/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.h: what Tenon keeps in a model's metadata_props. */
#ifndef TN_ONNX_METADATA_H
#define TN_ONNX_METADATA_H

#include <jansson.h>
#include <stdbool.h>

#include "graph/model.h"
#include "onnx/onnx.pb-c.h"

#define TN_METADATA_PRODUCER "tenon"
/* JSON list: the initializers that are constants; the other float ones are weights. */
#define TN_METADATA_CONSTANTS "tenon.constants"
/* JSON list: a name for each class. */
#define TN_METADATA_CLASS_NAMES "class_names"
/* JSON object: channels, height and width of the images that the model takes; how pixels are
 * prepared for it: scale ("0..1" or "0..255"), color ("gray", "rgb" or "bgr"), mean, std,
 * resize_shorter. */
#define TN_METADATA_IMAGE "image"

/* The text of the first entry with this key, or NULL. */
const char *tn_metadata_find(const TnOnnx__ModelProto *model, const char *key);
/* What the image metadata of a file says of preparing pixels; what it leaves out stays as it is in
 * *preprocessing. The key is not Tenon's alone: what cannot be read is as if left out. */
void tn_metadata_read_preprocessing(const TnOnnx__ModelProto *model,
                                    tn_preprocessing *preprocessing);
/* The other way round: adds to the object what differs from pixels in 0..1. False when out of
 * memory. */
bool tn_metadata_write_preprocessing(const tn_preprocessing *preprocessing, int64_t channels,
                                     json_t *image);
/* Whether json (may be NULL) is a list of strings. */
bool tn_metadata_is_texts(const json_t *json);

#endif
