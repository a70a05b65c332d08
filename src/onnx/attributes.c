/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/attributes.h"

#include <string.h>

void tn_attr_set_number(const tn_attr *attr, void *attrs, double number) {
    void *field = (char *)attrs + attr->offset;
    if (attr->type == TN_ATTR_FLOAT) *(double *)field = number;
    if (attr->type == TN_ATTR_INT) *(int64_t *)field = (int64_t)number;
}

double tn_attr_number(const tn_attr *attr, const void *attrs) {
    const void *field = (const char *)attrs + attr->offset;
    return attr->type == TN_ATTR_FLOAT ? *(const double *)field : (double)*(const int64_t *)field;
}

/* ---- Import ------------------------------------------------------------------------------- */

static int32_t type_in_file(tn_attr_type type) {
    switch (type) {
    case TN_ATTR_FLOAT: return TN_ONNX_ATTR_FLOAT;
    case TN_ATTR_INTS: return TN_ONNX_ATTR_INTS;
    case TN_ATTR_FLOATS: return TN_ONNX_ATTR_FLOATS;
    case TN_ATTR_STRING: return TN_ONNX_ATTR_STRING;
    case TN_ATTR_INT: break;
    }
    return TN_ONNX_ATTR_INT;
}

static tn_status import_one(const TnOnnx__AttributeProto *from, const tn_attr *attr, void *attrs,
                            tn_error *error) {
    void *field = (char *)attrs + attr->offset;
    int32_t type = type_in_file(attr->type);
    if (from->type != type)
        return tn_fail(error, TN_ERR_FORMAT, "attribute \"%s\" has type %s, not %s", attr->name,
                       tn_wire_attribute_type_name(from->type), tn_wire_attribute_type_name(type));
    switch (attr->type) {
    case TN_ATTR_INT: *(int64_t *)field = from->i; break;
    case TN_ATTR_FLOAT: *(double *)field = from->f; break;
    case TN_ATTR_INTS: {
        tn_ints *ints = field;
        if (from->n_ints > TN_ATTR_INTS_MAX)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "attribute \"%s\" has %zu numbers (at most %d)", attr->name,
                           from->n_ints, TN_ATTR_INTS_MAX);
        ints->n = (int)from->n_ints;
        if (ints->n > 0) memcpy(ints->v, from->ints, from->n_ints * sizeof *ints->v);
        break;
    }
    case TN_ATTR_FLOATS: {
        tn_floats *floats = field;
        if (from->n_floats > TN_ATTR_INTS_MAX)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "attribute \"%s\" has %zu numbers (at most %d)", attr->name,
                           from->n_floats, TN_ATTR_INTS_MAX);
        floats->n = (int)from->n_floats;
        if (floats->n > 0) memcpy(floats->v, from->floats, from->n_floats * sizeof *floats->v);
        break;
    }
    case TN_ATTR_STRING: {
        char *text = field;
        if (from->s.len >= TN_ATTR_STRING_MAX ||
            (from->s.len && memchr(from->s.data, 0, from->s.len)))
            return tn_fail(error, TN_ERR_FORMAT, "attribute \"%s\" has an impossible value",
                           attr->name);
        if (from->s.len > 0) memcpy(text, from->s.data, from->s.len);
        text[from->s.len] = '\0';
        break;
    }
    }
    return TN_OK;
}

static tn_status check_required(const TnOnnx__NodeProto *node, const tn_op *op,
                                const tn_upgrade *upgrade, tn_error *error) {
    for (const tn_attr *a = op->attrs; a && a->name; a++) {
        size_t i = 0;
        if (!tn_upgrade_in_file(upgrade, a->name)) continue;
        while (i < node->n_attribute && a->required &&
               strcmp(node->attribute[i]->name, a->name) != 0)
            i++;
        if (a->required && i == node->n_attribute)
            return tn_fail(error, TN_ERR_FORMAT, "attribute \"%s\" is missing", a->name);
    }
    return TN_OK;
}

tn_status tn_attrs_import(const TnOnnx__NodeProto *node, const tn_op *op, const tn_upgrade *upgrade,
                          void *attrs, tn_error *error) {
    enum { MAX_ATTRS = 64 };
    if (node->n_attribute > MAX_ATTRS)
        return tn_fail(error, TN_ERR_FORMAT, "%zu attributes", node->n_attribute);
    tn_attrs_init(op, attrs);
    if (upgrade && upgrade->default_name)
        tn_attr_set_number(tn_attr_find(op, upgrade->default_name), attrs, upgrade->default_number);
    for (size_t i = 0; i < node->n_attribute; i++) {
        const TnOnnx__AttributeProto *from = node->attribute[i];
        if (!from->name || !*from->name)
            return tn_fail(error, TN_ERR_FORMAT, "attribute %zu has no name", i);
        for (size_t j = 0; j < i; j++)
            if (strcmp(node->attribute[j]->name, from->name) == 0)
                return tn_fail(error, TN_ERR_FORMAT, "attribute \"%s\" is given twice", from->name);
        if (tn_upgrade_ignores(upgrade, from->name)) continue;
        const tn_attr *attr = tn_attr_find(op, from->name);
        if (!attr || !tn_upgrade_in_file(upgrade, from->name))
            return tn_fail(error, TN_ERR_UNSUPPORTED, "attribute \"%s\" is not known", from->name);
        TN_TRY(import_one(from, attr, attrs, error));
    }
    return check_required(node, op, upgrade, error);
}

/* ---- Export ------------------------------------------------------------------------------- */

/* Left out are lists and texts that are empty: they stand for "the default". */
static bool worth_writing(const tn_attr *attr, const void *field) {
    if (attr->type == TN_ATTR_INTS) return ((const tn_ints *)field)->n > 0;
    if (attr->type == TN_ATTR_FLOATS) return ((const tn_floats *)field)->n > 0;
    if (attr->type == TN_ATTR_STRING) return *(const char *)field != '\0';
    return true;
}

/* Points at the node's own numbers and text, which outlive the message. */
static void export_one(const tn_attr *attr, void *field, TnOnnx__AttributeProto *to) {
    to->name = (char *)(uintptr_t)attr->name;
    to->has_type = true;
    to->type = type_in_file(attr->type);
    switch (attr->type) {
    case TN_ATTR_INT:
        to->has_i = true;
        to->i = *(int64_t *)field;
        break;
    case TN_ATTR_FLOAT:
        to->has_f = true;
        to->f = (float)*(double *)field;
        break;
    case TN_ATTR_INTS:
        to->n_ints = (size_t)((tn_ints *)field)->n;
        to->ints = ((tn_ints *)field)->v;
        break;
    case TN_ATTR_FLOATS:
        to->n_floats = (size_t)((tn_floats *)field)->n;
        to->floats = ((tn_floats *)field)->v;
        break;
    case TN_ATTR_STRING:
        to->has_s = true;
        to->s.len = strlen(field);
        to->s.data = field;
        break;
    }
}

tn_status tn_attrs_export(const tn_node *node, const tn_upgrade *upgrade, tn_arena *arena,
                          TnOnnx__NodeProto *proto, tn_error *error) {
    size_t n = 0;
    for (const tn_attr *a = node->op->attrs; a && a->name; a++) n++;
    proto->attribute = tn_arena_alloc(arena, n * sizeof *proto->attribute);
    if (!proto->attribute) return tn_fail_memory(error);
    for (const tn_attr *a = node->op->attrs; a && a->name; a++) {
        void *field = (char *)node->attrs + a->offset;
        if (!tn_upgrade_in_file(upgrade, a->name) || !worth_writing(a, field)) continue;
        TnOnnx__AttributeProto *to = tn_arena_alloc(arena, sizeof *to);
        if (!to) return tn_fail_memory(error);
        tn_onnx__attribute_proto__init(to);
        export_one(a, field, to);
        proto->attribute[proto->n_attribute++] = to;
    }
    return TN_OK;
}
