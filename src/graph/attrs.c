/* SPDX-License-Identifier: Apache-2.0 */
/* attrs.c: attributes of nodes, as their operator's table describes them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"

const tn_attr *tn_attr_find(const tn_op *op, const char *name) {
    for (const tn_attr *a = op->attrs; a && a->name; a++)
        if (strcmp(a->name, name) == 0) return a;
    return NULL;
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
        case TN_ATTR_INTS:
        case TN_ATTR_FLOATS: break;
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
    case TN_ATTR_FLOATS: {
        const tn_floats *floats = field;
        size_t used = (size_t)snprintf(text, bytes, "%s=", a->name);
        for (int i = 0; i < floats->n && used < bytes; i++)
            used +=
                (size_t)snprintf(text + used, bytes - used, i ? ",%g" : "%g", (double)floats->v[i]);
        if (used < bytes) snprintf(text + used, bytes - used, " ");
        if (floats->n == 0) text[0] = '\0';
        break;
    }
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

/* ---- Parsing ------------------------------------------------------------------------------ */

/* More than the longest list of numbers needs. */
enum { WORD_BYTES = 512 };

static bool parse_integer(const char *text, char **end, int64_t *value) {
    errno = 0;
    *value = strtoll(text, end, 10);
    return *end != text && errno == 0;
}

static bool parse_integers(const char *text, tn_ints *ints) {
    char *end;
    for (ints->n = 0; ints->n < TN_ATTR_INTS_MAX; text = end + 1) {
        if (!parse_integer(text, &end, &ints->v[ints->n++])) return false;
        if (*end != ',') return *end == '\0';
    }
    return false;
}

static bool parse_floats(const char *text, tn_floats *floats) {
    char *end;
    for (floats->n = 0; floats->n < TN_ATTR_INTS_MAX; text = end + 1) {
        float value = strtof(text, &end);
        if (end == text || !isfinite(value)) return false;
        floats->v[floats->n++] = value;
        if (*end != ',') return *end == '\0';
    }
    return false;
}

static bool parse_value(const tn_attr *a, const char *text, void *field) {
    char *end;
    switch (a->type) {
    case TN_ATTR_INT: return parse_integer(text, &end, field) && *end == '\0';
    case TN_ATTR_FLOAT:
        *(double *)field = (double)strtof(text, &end);
        return end != text && *end == '\0' && isfinite(*(double *)field);
    case TN_ATTR_INTS: return parse_integers(text, field);
    case TN_ATTR_FLOATS: return parse_floats(text, field);
    case TN_ATTR_STRING: break;
    }
    return snprintf(field, TN_ATTR_STRING_MAX, "%s", text) < TN_ATTR_STRING_MAX;
}

static const char *expected(tn_attr_type type) {
    switch (type) {
    case TN_ATTR_INT: return "a whole number";
    case TN_ATTR_FLOAT: return "a number";
    case TN_ATTR_INTS: return "whole numbers separated by commas";
    case TN_ATTR_FLOATS: return "numbers separated by commas";
    case TN_ATTR_STRING: break;
    }
    return "a short text";
}

static tn_status fail_unknown(const tn_op *op, const char *name, tn_error *error) {
    char known[256] = "";
    for (const tn_attr *a = op->attrs; a && a->name; a++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "",
                 a->name);
    return tn_fail(error, TN_ERR_ARGUMENT, "no attribute \"%s\" (%s%s)", name,
                   *known ? "there are " : "there are none", known);
}

/* `given` has a bit for each row of the table. */
static tn_status parse_word(const tn_op *op, char *word, void *attrs, uint64_t *given,
                            tn_error *error) {
    char *value = strchr(word, '=');
    if (!value)
        return tn_fail(error, TN_ERR_ARGUMENT, "\"%s\" is no attribute (write name=value)", word);
    *value++ = '\0';
    const tn_attr *a = tn_attr_find(op, word);
    if (!a) return fail_unknown(op, word, error);
    uint64_t bit = (uint64_t)1 << (a - op->attrs);
    if (*given & bit)
        return tn_fail(error, TN_ERR_ARGUMENT, "attribute \"%s\" is given twice", a->name);
    *given |= bit;
    if (!parse_value(a, value, (char *)attrs + a->offset))
        return tn_fail(error, TN_ERR_ARGUMENT, "attribute \"%s\" is \"%s\", not %s", a->name, value,
                       expected(a->type));
    return TN_OK;
}

tn_status tn_attrs_parse(const tn_op *op, const char *text, void *attrs, tn_error *error) {
    static const char spaces[] = " \t\n";
    uint64_t given = 0;
    tn_attrs_init(op, attrs);
    for (text += strspn(text, spaces); *text; text += strspn(text, spaces)) {
        char word[WORD_BYTES];
        size_t length = strcspn(text, spaces);
        if (length >= sizeof word)
            return tn_fail(error, TN_ERR_ARGUMENT, "an attribute of %zu characters", length);
        memcpy(word, text, length);
        word[length] = '\0';
        TN_TRY(parse_word(op, word, attrs, &given, error));
        text += length;
    }
    for (const tn_attr *a = op->attrs; a && a->name; a++)
        if (a->required && !(given >> (a - op->attrs) & 1))
            return tn_fail(error, TN_ERR_ARGUMENT, "attribute \"%s\" is missing", a->name);
    return TN_OK;
}
