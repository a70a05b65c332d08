/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/tensor_pb.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "onnx/tensor.h"

tn_status tn_tensor_load_pb(const void *bytes, size_t n_bytes, tn_tensor *tensor, tn_error *error) {
    ProtobufCMessage *message;
    tn_onnx_tensor decoded;
    char *name = NULL;
    TN_TRY(tn_wire_parse(&tn_onnx__tensor_proto__descriptor, bytes, n_bytes, &message, error));
    const TnOnnx__TensorProto *proto = (const TnOnnx__TensorProto *)message;
    tn_status status = tn_onnx_tensor_decode(proto, &decoded, error);
    if (status != TN_OK) goto done;
    if (proto->name && *proto->name) {
        name = strdup(proto->name);
        if (!name) {
            free(decoded.data);
            status = tn_fail_memory(error);
            goto done;
        }
    }
    *tensor = (tn_tensor){.name = name,
                          .dtype = decoded.dtype,
                          .rank = decoded.shape.rank,
                          .data = decoded.data,
                          .bytes = (size_t)tn_shape_elements(&decoded.shape) *
                                   tn_dtype_file_bytes(decoded.dtype)};
    memcpy(tensor->dims, decoded.shape.dims, sizeof tensor->dims);
done:
    tn_wire_free(message);
    return status;
}

tn_status tn_tensor_save_pb(const char *path, const tn_tensor *tensor, tn_error *error) {
    int64_t elements, bytes;
    if (tn_dtype_file_bytes(tensor->dtype) == 0)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot write %s: no such element type: %d", path,
                       (int)tensor->dtype);
    if (tensor->rank < 0 || tensor->rank > TN_MAX_RANK ||
        !tn_size_product(tensor->dims, tensor->rank, &elements) ||
        !tn_size_mul(elements, (int64_t)tn_dtype_file_bytes(tensor->dtype), &bytes) ||
        (uint64_t)bytes > tensor->bytes)
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot write %s: the tensor's shape and its %zu "
                       "bytes of data do not fit",
                       path, tensor->bytes);
    TnOnnx__TensorProto proto;
    tn_onnx_tensor_encode(tensor->name, tensor->dtype, tensor->rank, tensor->dims, tensor->data,
                          (size_t)bytes, &proto);
    size_t packed = tn_onnx__tensor_proto__get_packed_size(&proto);
    if (packed > INT32_MAX)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot write %s: %zu bytes are more than a .pb file can hold (use .npy)",
                       path, packed);
    uint8_t *buffer = malloc(packed);
    if (!buffer) return tn_fail_memory(error);
    tn_onnx__tensor_proto__pack(&proto, buffer);
    tn_status status = tn_file_replace(path, buffer, packed, error);
    free(buffer);
    return status;
}
