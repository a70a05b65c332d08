/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c: shapes, types and attributes of values and nodes. */
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

size_t tn_dtype_file_bytes(tn_dtype dtype) {
    switch (dtype) {
    case TN_UINT8: return 1;
    case TN_INT64: return 8;
    case TN_FLOAT32:
    case TN_INT32: break;
    }
    return 4;
}

const char *tn_dtype_name(tn_dtype dtype) {
    switch (dtype) {
    case TN_UINT8: return "uint8";
    case TN_INT32: return "int32";
    case TN_INT64: return "int64";
    case TN_FLOAT32: break;
    }
    return "float32";
}

void tn_attrs_init(const tn_op *op, void *attrs) {
    memset(attrs, 0, op->attrs_bytes);
    for (const tn_attr *a = op->attrs; a && a->name; a++) {
        char *field = (char *)attrs + a->offset;
        switch (a->type) {
        case TN_ATTR_INT: *(int64_t *)(void *)field = (int64_t)a->number; break;
        case TN_ATTR_FLOAT: *(double *)(void *)field = a->number; break;
        case TN_ATTR_STRING:
            snprintf(field, TN_ATTR_STRING_MAX, "%s", a->text ? a->text : "");
            break;
        case TN_ATTR_INTS: break;
        }
    }
}

/* "name=value " of one attribute, or "" if it has its default. */
static void print_attr(const tn_attr *a, const void *field, char *text, size_t bytes) {
    text[0] = '\0';
    switch (a->type) {
    case TN_ATTR_INT: {
        int64_t value = *(const int64_t *)field;
        if (value != (int64_t)a->number)
            snprintf(text, bytes, "%s=%lld ", a->name, (long long)value);
        break;
    }
    case TN_ATTR_FLOAT: {
        double value = *(const double *)field;
        if (value != a->number) snprintf(text, bytes, "%s=%g ", a->name, value);
        break;
    }
    case TN_ATTR_STRING:
        if (strcmp(field, a->text ? a->text : "") != 0)
            snprintf(text, bytes, "%s=%s ", a->name, (const char *)field);
        break;
    case TN_ATTR_INTS: {
        const tn_ints *ints = field;
        size_t used = (size_t)snprintf(text, bytes, "%s=", a->name);
        for (int i = 0; i < ints->n && used < bytes; i++)
            used += (size_t)snprintf(text + used, bytes - used, i ? ",%lld" : "%lld",
                                     (long long)ints->v[i]);
        if (used < bytes) snprintf(text + used, bytes - used, " ");
        if (ints->n == 0) text[0] = '\0';
        break;
    }
    }
}

void tn_attrs_print(const tn_op *op, const void *attrs, char *text, size_t bytes) {
    size_t used = 0;
    text[0] = '\0';
    for (const tn_attr *a = op->attrs; a && a->name && used + 1 < bytes; a++) {
        char one[128];
        print_attr(a, (const char *)attrs + a->offset, one, sizeof one);
        snprintf(text + used, bytes - used, "%s", one);
        used += strlen(text + used);
    }
    if (used > 0 && text[used - 1] == ' ') text[used - 1] = '\0';
}
