/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/convert.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/size.h"

tn_status tn_convert_type(int64_t number, tn_dtype *dtype, tn_error *error) {
    static const int numbers[] = {
        [TN_FLOAT32] = 1, [TN_UINT8] = 2,   [TN_INT8] = 3,     [TN_UINT16] = 4,   [TN_INT16] = 5,
        [TN_INT32] = 6,   [TN_INT64] = 7,   [TN_BOOL] = 9,     [TN_FLOAT16] = 10, [TN_FLOAT64] = 11,
        [TN_UINT32] = 12, [TN_UINT64] = 13, [TN_BFLOAT16] = 16};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == number) {
            *dtype = (tn_dtype)i;
            return TN_OK;
        }
    return tn_fail(error, TN_ERR_UNSUPPORTED, "data type %lld is not supported", (long long)number);
}

/* Numbers on their way: all integers fit into 64 bits, all floats into a double. */
enum { BLOCK = 256 };
typedef enum kind { KIND_INT, KIND_UINT, KIND_FLOAT } kind;
typedef struct block {
    kind kind;
    int n;
    uint64_t integer[BLOCK]; /* two's complement of KIND_INT */
    double number[BLOCK];    /* of KIND_FLOAT */
} block;

static kind kind_of(tn_dtype dtype) {
    switch (dtype) {
    case TN_FLOAT32:
    case TN_FLOAT16:
    case TN_BFLOAT16:
    case TN_FLOAT64: return KIND_FLOAT;
    case TN_INT8:
    case TN_INT16:
    case TN_INT32:
    case TN_INT64: return KIND_INT;
    case TN_BOOL:
    case TN_UINT8:
    case TN_UINT16:
    case TN_UINT32:
    case TN_UINT64: break;
    }
    return KIND_UINT;
}

static uint64_t load_integer(tn_dtype dtype, const void *x, int64_t i) {
    switch (dtype) {
    case TN_BOOL: return ((const uint8_t *)x)[i] != 0;
    case TN_INT8: return (uint64_t)(int64_t)((const int8_t *)x)[i];
    case TN_INT16: return (uint64_t)(int64_t)((const int16_t *)x)[i];
    case TN_UINT16: return ((const uint16_t *)x)[i];
    case TN_INT32: return (uint64_t)(int64_t)((const int32_t *)x)[i];
    case TN_UINT32: return ((const uint32_t *)x)[i];
    case TN_INT64:
    case TN_UINT64: return ((const uint64_t *)x)[i];
    default: return ((const uint8_t *)x)[i];
    }
}

static double load_float(tn_dtype dtype, const void *x, int64_t i) {
    switch (dtype) {
    case TN_FLOAT16: return tn_float16_to_double(((const uint16_t *)x)[i]);
    case TN_BFLOAT16: return tn_bfloat16_to_double(((const uint16_t *)x)[i]);
    case TN_FLOAT64: return ((const double *)x)[i];
    default: return (double)((const real *)x)[i];
    }
}

static void load(tn_dtype dtype, const void *x, int64_t first, block *b) {
    b->kind = kind_of(dtype);
    for (int i = 0; i < b->n; i++)
        if (b->kind == KIND_FLOAT)
            b->number[i] = load_float(dtype, x, first + i);
        else
            b->integer[i] = load_integer(dtype, x, first + i);
}

/* The least number of a type of integers, and one more than its largest. */
static void range_of(tn_dtype dtype, double *least, double *beyond) {
    int bits = 8 * (int)tn_dtype_bytes(dtype);
    bool is_signed = kind_of(dtype) == KIND_INT;
    *beyond = ldexp(1, is_signed ? bits - 1 : bits);
    *least = is_signed ? -*beyond : 0;
}

/* Makes floats integers of a type. */
static void truncate_to(tn_dtype dtype, block *b) {
    double least, beyond;
    range_of(dtype, &least, &beyond);
    for (int i = 0; i < b->n; i++) {
        double x = b->number[i];
        if (dtype == TN_BOOL)
            b->integer[i] = x != 0; /* NaN is not 0 */
        else if (x != x)
            b->integer[i] = 0;
        else if (x >= beyond)
            b->integer[i] = least < 0 ? (uint64_t)INT64_MAX >> (64 - 8 * tn_dtype_bytes(dtype))
                                      : UINT64_MAX >> (64 - 8 * tn_dtype_bytes(dtype));
        else if (x <= least)
            b->integer[i] = (uint64_t)(int64_t)least;
        else
            b->integer[i] = x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
    }
}

/* Makes integers floats; from 64 bits there is one rounding, to a float's own precision. */
static void make_floats(tn_dtype dtype, block *b) {
    for (int i = 0; i < b->n; i++) {
        int64_t x = (int64_t)b->integer[i];
        bool narrow = dtype == TN_FLOAT32 && sizeof(real) == sizeof(float);
        if (b->kind == KIND_INT)
            b->number[i] = narrow ? (double)(float)x : (double)x;
        else
            b->number[i] = narrow ? (double)(float)b->integer[i] : (double)b->integer[i];
    }
}

static void store_integer(tn_dtype dtype, uint64_t x, void *y, int64_t i) {
    switch (tn_dtype_bytes(dtype)) {
    case 1: ((uint8_t *)y)[i] = dtype == TN_BOOL ? x != 0 : (uint8_t)x; break;
    case 2: ((uint16_t *)y)[i] = (uint16_t)x; break;
    case 4: ((uint32_t *)y)[i] = (uint32_t)x; break;
    default: ((uint64_t *)y)[i] = x; break;
    }
}

static void store_float(tn_dtype dtype, double x, void *y, int64_t i) {
    switch (dtype) {
    case TN_FLOAT16: ((uint16_t *)y)[i] = tn_float16_from_double(x); break;
    case TN_BFLOAT16: ((uint16_t *)y)[i] = tn_bfloat16_from_double(x); break;
    case TN_FLOAT64: ((double *)y)[i] = x; break;
    default: ((real *)y)[i] = (real)x; break;
    }
}

static void store(tn_dtype dtype, block *b, void *y, int64_t first) {
    bool floats = kind_of(dtype) == KIND_FLOAT;
    if (floats && b->kind != KIND_FLOAT) make_floats(dtype, b);
    if (!floats && b->kind == KIND_FLOAT) truncate_to(dtype, b);
    for (int i = 0; i < b->n; i++)
        if (floats)
            store_float(dtype, b->number[i], y, first + i);
        else
            store_integer(dtype, b->integer[i], y, first + i);
}

void tn_convert(tn_dtype from, const void *x, tn_dtype to, void *y, int64_t n) {
    block b;
    for (int64_t i = 0; i < n; i += BLOCK) {
        b.n = (int)tn_min_i64(BLOCK, n - i);
        load(from, x, i, &b);
        store(to, &b, y, i);
    }
}

void tn_convert_number(double x, tn_dtype to, void *y) {
    block b = {.kind = KIND_FLOAT, .n = 1, .number = {x}};
    store(to, &b, y, 0);
}
