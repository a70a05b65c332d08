/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/wire.h"

#include <jansson.h>
#include <stdlib.h>

/* A message of two bytes on the wire becomes a structure of some 200. The budget is for all
 * allocations together, freed or not: where a message occurs twice, protobuf-c merges the two by
 * copying, which repeated would take quadratic time and memory. */
enum { BUDGET_PER_BYTE = 64, BUDGET_BASE = 1 << 20 };

typedef struct budget {
    size_t left;
    bool exhausted, no_memory;
} budget;

static void *budget_alloc(void *data, size_t size) {
    budget *b = data;
    if (size > b->left) {
        b->exhausted = true;
        return NULL;
    }
    b->left -= size;
    void *memory = malloc(size ? size : 1);
    if (!memory) b->no_memory = true;
    return memory;
}

static void budget_free(void *data, void *pointer) {
    (void)data;
    free(pointer);
}

tn_status tn_wire_parse(const ProtobufCMessageDescriptor *type, const void *bytes, size_t n_bytes,
                        ProtobufCMessage **message, tn_error *error) {
    if (n_bytes > INT32_MAX)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "larger than 2 GiB, the limit of the format");
    budget b = {.left = n_bytes * BUDGET_PER_BYTE + BUDGET_BASE};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &b};
    *message = protobuf_c_message_unpack(type, &allocator, n_bytes, bytes);
    if (*message) return TN_OK;
    if (b.no_memory) return tn_fail_memory(error);
    if (b.exhausted)
        return tn_fail(error, TN_ERR_FORMAT,
                       "unpacks to more than %d times its size, which no real file does",
                       BUDGET_PER_BYTE);
    return tn_fail(error, TN_ERR_FORMAT, "damaged or truncated, or no ONNX file at all");
}

void tn_wire_free(ProtobufCMessage *message) {
    if (message) protobuf_c_message_free_unpacked(message, NULL);
}

const char *tn_wire_type_name(int32_t data_type) {
    static const char *const names[] = {"undefined",  "float32", "uint8",  "int8",   "uint16",
                                        "int16",      "int32",   "int64",  "string", "bool",
                                        "float16",    "double",  "uint32", "uint64", "complex64",
                                        "complex128", "bfloat16"};
    int32_t n = sizeof names / sizeof *names;
    return data_type >= 0 && data_type < n ? names[data_type] : "unknown";
}

const char *tn_wire_attribute_type_name(int32_t type) {
    static const char *const names[] = {"undefined",      "float",   "int",    "string",
                                        "tensor",         "graph",   "floats", "ints",
                                        "strings",        "tensors", "graphs", "sparse tensor",
                                        "sparse tensors", "type",    "types"};
    int32_t n = sizeof names / sizeof *names;
    return type >= 0 && type < n ? names[type] : "unknown";
}

tn_status tn_wire_dtype(int32_t data_type, tn_dtype *dtype, tn_error *error) {
    switch (data_type) {
    case TN_ONNX_FLOAT:
    case TN_ONNX_DOUBLE: *dtype = TN_FLOAT32; return TN_OK;
    case TN_ONNX_UINT8: *dtype = TN_UINT8; return TN_OK;
    case TN_ONNX_INT32: *dtype = TN_INT32; return TN_OK;
    case TN_ONNX_INT64: *dtype = TN_INT64; return TN_OK;
    }
    return tn_fail(error, TN_ERR_UNSUPPORTED, "data type %s (%ld) is not supported",
                   tn_wire_type_name(data_type), (long)data_type);
}

int32_t tn_wire_data_type(tn_dtype dtype) {
    switch (dtype) {
    case TN_UINT8: return TN_ONNX_UINT8;
    case TN_INT32: return TN_ONNX_INT32;
    case TN_INT64: return TN_ONNX_INT64;
    case TN_FLOAT32: break;
    }
    return TN_ONNX_FLOAT;
}
