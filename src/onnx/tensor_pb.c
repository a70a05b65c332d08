/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/tensor_pb.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "onnx/tensor.h"

static tn_status load(const TnOnnx__TensorProto *proto, tn_tensor *tensor, tn_error *error) {
    tn_onnx_tensor known;
    TN_TRY(tn_onnx_tensor_describe(proto, NULL, &known, error));
    size_t bytes = (size_t)tn_shape_elements(&known.shape) * tn_dtype_file_bytes(known.dtype);
    bool named = proto->name && *proto->name;
    void *data = malloc(bytes + 1);
    char *name = named ? strdup(proto->name) : NULL;
    tn_status status = data && (name || !named) ? TN_OK : tn_fail_memory(error);
    if (status == TN_OK) status = tn_onnx_tensor_read(proto, NULL, &known, data, error);
    if (status != TN_OK) {
        free(name);
        free(data);
        return status;
    }
    *tensor = (tn_tensor){
        .name = name, .dtype = known.dtype, .rank = known.shape.rank, .data = data, .bytes = bytes};
    memcpy(tensor->dims, known.shape.dims, sizeof tensor->dims);
    return TN_OK;
}

tn_status tn_tensor_load_pb(const void *bytes, size_t n_bytes, tn_tensor *tensor, tn_error *error) {
    ProtobufCMessage *message;
    TN_TRY(tn_wire_parse(&tn_onnx__tensor_proto__descriptor, bytes, n_bytes, &message, error));
    tn_status status = load((const TnOnnx__TensorProto *)message, tensor, error);
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
