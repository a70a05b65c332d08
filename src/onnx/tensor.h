/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.h: ONNX's TensorProto, decoded and encoded. */
#ifndef TN_ONNX_TENSOR_H
#define TN_ONNX_TENSOR_H

#include "graph/graph.h"
#include "onnx/wire.h"

typedef struct tn_onnx_tensor {
    tn_dtype dtype;
    tn_shape shape;
    void *data; /* malloc'ed, never NULL */
} tn_onnx_tensor;

/* Decodes a tensor. Its shape is checked against the data present before
 * anything is allocated. Messages do not name the tensor. */
tn_status tn_onnx_tensor_decode(const TnOnnx__TensorProto *proto, tn_onnx_tensor *tensor,
                                tn_error *error);
/* Points *proto (to be initialised by this call) at the dims and data, which must outlive it. */
void tn_onnx_tensor_encode(const char *name, tn_dtype dtype, int rank, const int64_t *dims,
                           const void *data, size_t bytes, TnOnnx__TensorProto *proto);

#endif
