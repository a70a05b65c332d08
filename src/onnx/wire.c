/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/wire.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/arena.h"

/* A message of two bytes on the wire becomes a structure of some 200. The budget is for all
 * allocations together, freed or not: where a message occurs twice, protobuf-c merges the two by
 * copying, which repeated would take quadratic time and memory. */
enum { BUDGET_PER_BYTE = 64, BUDGET_BASE = 1 << 20 };

/* What weights may be. */
enum { LARGE = 1 << 20 };

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
    void *memory = size < LARGE ? malloc(size ? size : 1) : tn_streamed_alloc(size);
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

static const int32_t data_types[TN_N_DTYPES] = {
    [TN_FLOAT32] = TN_ONNX_FLOAT,  [TN_UINT8] = TN_ONNX_UINT8,     [TN_INT32] = TN_ONNX_INT32,
    [TN_INT64] = TN_ONNX_INT64,    [TN_FLOAT16] = TN_ONNX_FLOAT16, [TN_BFLOAT16] = TN_ONNX_BFLOAT16,
    [TN_FLOAT64] = TN_ONNX_DOUBLE, [TN_BOOL] = TN_ONNX_BOOL,       [TN_INT8] = TN_ONNX_INT8,
    [TN_INT16] = TN_ONNX_INT16,    [TN_UINT16] = TN_ONNX_UINT16,   [TN_UINT32] = TN_ONNX_UINT32,
    [TN_UINT64] = TN_ONNX_UINT64,
};

tn_status tn_wire_dtype(int32_t data_type, tn_dtype *dtype, tn_error *error) {
    for (int i = 0; i < TN_N_DTYPES; i++)
        if (data_types[i] == data_type) {
            *dtype = (tn_dtype)i;
            return TN_OK;
        }
    return tn_fail(error, TN_ERR_UNSUPPORTED, "data type %s (%ld) is not supported",
                   tn_wire_type_name(data_type), (long)data_type);
}

int32_t tn_wire_data_type(tn_dtype dtype) { return data_types[dtype]; }
