/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/tensor.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian");

static tn_status decode_shape(const TnOnnx__TensorProto *proto, tn_shape *shape, int64_t *elements,
                              tn_error *error) {
    /* With zeros counted as ones, so that partial products of a shape never overflow either. */
    int64_t extent = 1;
    *shape = (tn_shape){0};
    *elements = 1;
    if (proto->n_dims > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "%zu dimensions (at most %d)", proto->n_dims,
                       TN_MAX_RANK);
    shape->rank = (int)proto->n_dims;
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dims[i] = proto->dims[i];
        if (dim < 0)
            return tn_fail(error, TN_ERR_FORMAT, "dimension %d is %lld", i, (long long)dim);
        if (!tn_size_mul(extent, tn_max_i64(dim, 1), &extent) || extent > INT64_MAX / 64)
            return tn_fail(error, TN_ERR_FORMAT, "its dimensions multiply to an impossible size");
        *elements *= dim;
    }
    return TN_OK;
}

static size_t typed_values(const TnOnnx__TensorProto *proto) {
    return proto->n_float_data + proto->n_int32_data + proto->n_int64_data + proto->n_double_data +
           proto->n_uint64_data + proto->n_string_data;
}

/* Values in the field that belongs to the data type. */
static size_t expected_values(const TnOnnx__TensorProto *proto) {
    switch (proto->data_type) {
    case TN_ONNX_FLOAT: return proto->n_float_data;
    case TN_ONNX_DOUBLE: return proto->n_double_data;
    case TN_ONNX_INT64: return proto->n_int64_data;
    case TN_ONNX_UINT32:
    case TN_ONNX_UINT64: return proto->n_uint64_data;
    }
    return proto->n_int32_data;
}

static tn_status check_data(const TnOnnx__TensorProto *proto, tn_dtype dtype, int64_t elements,
                            tn_error *error) {
    size_t typed = typed_values(proto);
    if (proto->has_raw_data && typed > 0)
        return tn_fail(error, TN_ERR_FORMAT, "has both raw and typed data");
    if (proto->has_raw_data) {
        int64_t bytes = elements * (int64_t)tn_dtype_file_bytes(dtype);
        if ((uint64_t)bytes != proto->raw_data.len)
            return tn_fail(error, TN_ERR_FORMAT, "its shape needs %lld bytes of data, not %zu",
                           (long long)bytes, proto->raw_data.len);
        return TN_OK;
    }
    if (typed != expected_values(proto))
        return tn_fail(error, TN_ERR_FORMAT, "has data of another type than %s",
                       tn_wire_type_name(proto->data_type));
    if (typed != (uint64_t)elements)
        return tn_fail(error, TN_ERR_FORMAT, "its shape needs %lld values, not %zu",
                       (long long)elements, typed);
    return TN_OK;
}

/* Whether the field int32_data may hold value for a tensor of this type: an integer, or the bits of
 * a 16-bit float. */
static bool in_range(tn_dtype dtype, int32_t value) {
    switch (dtype) {
    case TN_BOOL: return value == 0 || value == 1;
    case TN_UINT8: return value >= 0 && value <= UINT8_MAX;
    case TN_INT8: return value >= INT8_MIN && value <= INT8_MAX;
    case TN_INT16: return value >= INT16_MIN && value <= INT16_MAX;
    case TN_UINT16:
    case TN_FLOAT16:
    case TN_BFLOAT16: return value >= 0 && value <= UINT16_MAX;
    default: return true;
    }
}

/* From int32_data, or uint64_data for uint32: elements are the lower bytes of these. */
static tn_status narrow(const TnOnnx__TensorProto *proto, tn_dtype dtype, int64_t n, void *to,
                        tn_error *error) {
    size_t bytes = tn_dtype_file_bytes(dtype);
    for (int64_t i = 0; i < n; i++) {
        bool is_uint32 = dtype == TN_UINT32;
        if (is_uint32 && proto->uint64_data[i] > UINT32_MAX)
            return tn_fail(error, TN_ERR_FORMAT, "holds %llu, which is no uint32",
                           (unsigned long long)proto->uint64_data[i]);
        if (!is_uint32 && !in_range(dtype, proto->int32_data[i]))
            return tn_fail(error, TN_ERR_FORMAT, "holds %ld, which is no %s",
                           (long)proto->int32_data[i], tn_dtype_name(dtype));
        const void *from = is_uint32 ? (const void *)&proto->uint64_data[i] : &proto->int32_data[i];
        memcpy((char *)to + (size_t)i * bytes, from, bytes);
    }
    return TN_OK;
}

static tn_status check_bools(const uint8_t *bytes, int64_t n, tn_error *error) {
    for (int64_t i = 0; i < n; i++)
        if (bytes[i] > 1)
            return tn_fail(error, TN_ERR_FORMAT, "holds %d, which is no bool", bytes[i]);
    return TN_OK;
}

static tn_status copy_data(const TnOnnx__TensorProto *proto, tn_dtype dtype, int64_t n, void *to,
                           tn_error *error) {
    const void *from = proto->raw_data.data;
    if (n == 0) return TN_OK;
    if (!proto->has_raw_data) {
        switch (dtype) {
        case TN_FLOAT32: from = proto->float_data; break;
        case TN_FLOAT64: from = proto->double_data; break;
        case TN_INT64: from = proto->int64_data; break;
        case TN_UINT64: from = proto->uint64_data; break;
        case TN_INT32: from = proto->int32_data; break;
        default: return narrow(proto, dtype, n, to, error);
        }
    }
    memcpy(to, from, (size_t)n * tn_dtype_file_bytes(dtype));
    return dtype == TN_BOOL ? check_bools(to, n, error) : TN_OK;
}

tn_status tn_onnx_tensor_describe(const TnOnnx__TensorProto *proto, tn_external *external,
                                  tn_onnx_tensor *tensor, tn_error *error) {
    int64_t elements;
    *tensor = (tn_onnx_tensor){0};
    if (proto->segment)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "is a segment of a larger tensor");
    TN_TRY(tn_wire_dtype(proto->data_type, &tensor->dtype, error));
    TN_TRY(decode_shape(proto, &tensor->shape, &elements, error));
    if (!tn_external_is(proto)) return check_data(proto, tensor->dtype, elements, error);
    if (proto->has_raw_data || typed_values(proto) > 0)
        return tn_fail(error, TN_ERR_FORMAT, "has data both here and in another file");
    return tn_external_find(external, proto, elements * (int64_t)tn_dtype_file_bytes(tensor->dtype),
                            &tensor->offset, error);
}

tn_status tn_onnx_tensor_read(const TnOnnx__TensorProto *proto, const tn_external *external,
                              const tn_onnx_tensor *tensor, void *to, tn_error *error) {
    int64_t n = tn_shape_elements(&tensor->shape);
    int64_t bytes = n * (int64_t)tn_dtype_file_bytes(tensor->dtype);
    if (!tn_external_is(proto)) return copy_data(proto, tensor->dtype, n, to, error);
    TN_TRY(tn_external_read(external, tensor->offset, bytes, to, error));
    return tensor->dtype == TN_BOOL ? check_bools(to, n, error) : TN_OK;
}

void tn_onnx_tensor_encode(const char *name, tn_dtype dtype, int rank, const int64_t *dims,
                           const void *data, size_t bytes, TnOnnx__TensorProto *proto) {
    /* protobuf-c's structures serve reading and writing, so nothing in them is const. */
    tn_onnx__tensor_proto__init(proto);
    proto->name = (char *)(uintptr_t)name;
    proto->n_dims = (size_t)rank;
    proto->dims = rank > 0 ? (int64_t *)(uintptr_t)dims : NULL;
    proto->has_data_type = true;
    proto->data_type = tn_wire_data_type(dtype);
    proto->has_raw_data = true;
    proto->raw_data.data = (uint8_t *)(uintptr_t)data;
    proto->raw_data.len = bytes;
}
