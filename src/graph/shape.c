/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c: shapes and types of values. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "graph/op.h"

int64_t tn_shape_elements(const tn_shape *shape) {
    int64_t elements = 1;
    for (int i = 0; i < shape->rank; i++) elements *= shape->dims[i];
    return elements;
}

int64_t tn_shape_sample_elements(const tn_shape *shape) {
    int64_t elements = 1;
    for (int i = shape->batched ? 1 : 0; i < shape->rank; i++) elements *= shape->dims[i];
    return elements;
}

bool tn_shape_equal(const tn_shape *a, const tn_shape *b) {
    if (a->rank != b->rank || a->batched != b->batched) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

const char *tn_shape_text(const tn_shape *shape, char text[TN_SHAPE_TEXT]) {
    size_t used = 0;
    snprintf(text, TN_SHAPE_TEXT, "scalar");
    for (int i = 0; i < shape->rank && i < TN_MAX_RANK; i++)
        used += (size_t)snprintf(text + used, TN_SHAPE_TEXT - used, i ? "x%lld" : "%lld",
                                 (long long)shape->dims[i]);
    return text;
}

size_t tn_dtype_bytes(tn_dtype dtype) {
    return dtype == TN_FLOAT32 ? sizeof(real) : tn_dtype_file_bytes(dtype);
}

static const struct {
    const char *name;
    size_t bytes;
} types[TN_N_DTYPES] = {
    [TN_FLOAT32] = {"float32", 4}, [TN_UINT8] = {"uint8", 1},     [TN_INT32] = {"int32", 4},
    [TN_INT64] = {"int64", 8},     [TN_FLOAT16] = {"float16", 2}, [TN_BFLOAT16] = {"bfloat16", 2},
    [TN_FLOAT64] = {"float64", 8}, [TN_BOOL] = {"bool", 1},       [TN_INT8] = {"int8", 1},
    [TN_INT16] = {"int16", 2},     [TN_UINT16] = {"uint16", 2},   [TN_UINT32] = {"uint32", 4},
    [TN_UINT64] = {"uint64", 8},
};

static bool known(tn_dtype dtype) { return (int)dtype >= 0 && (int)dtype < TN_N_DTYPES; }

size_t tn_dtype_file_bytes(tn_dtype dtype) { return known(dtype) ? types[dtype].bytes : 0; }

const char *tn_dtype_name(tn_dtype dtype) { return known(dtype) ? types[dtype].name : "unknown"; }
