/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h: parsing of protocol-buffer messages that may be hostile, and names of ONNX's types. */
#ifndef TN_ONNX_WIRE_H
#define TN_ONNX_WIRE_H

#include "base/status.h"
#include "onnx/onnx.pb-c.h"

/* TensorProto.DataType, as far as it is read or written. */
enum {
    TN_ONNX_FLOAT = 1,
    TN_ONNX_UINT8 = 2,
    TN_ONNX_INT8 = 3,
    TN_ONNX_UINT16 = 4,
    TN_ONNX_INT16 = 5,
    TN_ONNX_INT32 = 6,
    TN_ONNX_INT64 = 7,
    TN_ONNX_STRING = 8,
    TN_ONNX_BOOL = 9,
    TN_ONNX_FLOAT16 = 10,
    TN_ONNX_DOUBLE = 11,
    TN_ONNX_UINT32 = 12,
    TN_ONNX_UINT64 = 13,
    TN_ONNX_BFLOAT16 = 16
};

/* AttributeProto.AttributeType, likewise. */
enum {
    TN_ONNX_ATTR_FLOAT = 1,
    TN_ONNX_ATTR_INT = 2,
    TN_ONNX_ATTR_STRING = 3,
    TN_ONNX_ATTR_TENSOR = 4,
    TN_ONNX_ATTR_FLOATS = 6,
    TN_ONNX_ATTR_INTS = 7
};

/* Parses a message of this type. All that parsing ever allocates is bounded by a multiple of
 * n_bytes, and so is its time. The message belongs to the caller until tn_wire_free. */
tn_status tn_wire_parse(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n_bytes,
                        ProtobufCMessage **message, tn_error *error);
void tn_wire_free(ProtobufCMessage *message);

/* "float16" and the like; "unknown" for a number that ONNX does not define. */
const char *tn_wire_type_name(int32_t data_type);
const char *tn_wire_attribute_type_name(int32_t type);

/* Fails for a data type that no tensor here can have. */
tn_status tn_wire_dtype(int32_t data_type, tn_dtype *dtype, tn_error *error);
int32_t tn_wire_data_type(tn_dtype dtype);

#endif
