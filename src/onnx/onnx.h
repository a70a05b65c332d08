/* SPDX-License-Identifier: Apache-2.0 */
/* onnx.h: models from and to ONNX files, generic over the list of operators. */
#ifndef TN_ONNX_ONNX_H
#define TN_ONNX_ONNX_H

#include "graph/model.h"

typedef struct tn_onnx_options {
    const char *name;        /* for messages, and where the file names no model; may be NULL */
    const char *directory;   /* of files with tensors of the model; NULL: there are none */
    const tn_tensor *inputs; /* [n_inputs] as in tn_model_load_options */
    int n_inputs;
} tn_onnx_options;

/* Reads a model from a file's bytes, which are hostile until checked. options may be NULL. */
tn_status tn_onnx_import(const void *bytes, size_t n_bytes, const tn_onnx_options *options,
                         tn_model **model, tn_error *error);
/* Serialises to malloc'ed memory: opset 17 and IR version 8, or the first opset that has all that
 * the model needs; dynamic batch "N". */
tn_status tn_onnx_export(const tn_model *model, void **bytes, size_t *n_bytes, tn_error *error);

#endif
