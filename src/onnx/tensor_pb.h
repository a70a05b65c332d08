/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_pb.h: single tensors as ONNX TensorProto files. */
#ifndef TN_ONNX_TENSOR_PB_H
#define TN_ONNX_TENSOR_PB_H

#include "base/status.h"

/* tensor->data is malloc'ed; tensor->name too if the file has one, else NULL. */
tn_status tn_tensor_load_pb(const void *bytes, size_t n_bytes, tn_tensor *tensor, tn_error *error);
tn_status tn_tensor_save_pb(const char *path, const tn_tensor *tensor, tn_error *error);

#endif
