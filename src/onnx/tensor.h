/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.h: ONNX's TensorProto, decoded and encoded. */
#ifndef TN_ONNX_TENSOR_H
#define TN_ONNX_TENSOR_H

#include "graph/graph.h"
#include "onnx/external.h"
#include "onnx/wire.h"

typedef struct tn_onnx_tensor {
    tn_dtype dtype;
    tn_shape shape;
    int64_t offset; /* of its data in another file */
} tn_onnx_tensor;

/* Says what a tensor is, having compared its shape with the data there is: the memory that it needs
 * can be allocated. external may be NULL: then data in other files is refused. Messages do not name
 * the tensor. */
tn_status tn_onnx_tensor_describe(const TnOnnx__TensorProto *proto, tn_external *external,
                                  tn_onnx_tensor *tensor, tn_error *error);
/* Its elements, as many as its shape has; right after describing it. */
tn_status tn_onnx_tensor_read(const TnOnnx__TensorProto *proto, const tn_external *external,
                              const tn_onnx_tensor *tensor, void *to, tn_error *error);
/* Points *proto (to be initialised by this call) at the dims and data, which must outlive it. */
void tn_onnx_tensor_encode(const char *name, tn_dtype dtype, int rank, const int64_t *dims,
                           const void *data, size_t bytes, TnOnnx__TensorProto *proto);

#endif
