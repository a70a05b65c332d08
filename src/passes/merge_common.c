/* SPDX-License-Identifier: Apache-2.0 */
/* merge_common.c: of nodes that apply one operator, with the same attributes, to the same values,
 * and of equal constants, the first stands for all. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "passes/rewrite.h"

/* Items met so far, in chains by hash; numbers are places in the graph's list, -1 is none. */
typedef struct chains {
    int *first, *next;
    unsigned n;
} chains;

static bool chains_begin(chains *c, int n_items) {
    c->n = (unsigned)n_items + 1;
    c->first = malloc(2 * (size_t)c->n * sizeof *c->first);
    if (!c->first) return false;
    c->next = c->first + c->n;
    memset(c->first, 0xff, (size_t)c->n * sizeof *c->first);
    return true;
}

static void chains_add(chains *c, unsigned hash, int item) {
    c->next[item] = c->first[hash % c->n];
    c->first[hash % c->n] = item;
}

/* FNV-1a, 32 bits. */
static unsigned hash_bytes(unsigned hash, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 16777619u;
    return hash;
}

/* ---- Constants ------------------------------------------------------------------------------- */

/* Larger ones are weights, which do not repeat; what has several axes may be stored in ways that
 * suit one of its users only. */
static const int64_t most_bytes = 1 << 12;

static size_t constant_bytes(const tn_value *v) {
    return (size_t)tn_shape_elements(&v->shape) * tn_dtype_file_bytes(v->dtype);
}

static bool is_small_constant(const tn_value *v) {
    return v->kind == TN_VALUE_CONSTANT && v->data && constant_bytes(v) <= (size_t)most_bytes &&
           (v->shape.rank <= 1 || tn_shape_elements(&v->shape) == 1);
}

static bool equal_constants(const tn_value *a, const tn_value *b) {
    return a->dtype == b->dtype && tn_shape_equal(&a->shape, &b->shape) &&
           memcmp(a->data, b->data, constant_bytes(a)) == 0;
}

static void merge_constants(tn_rewrite *r) {
    chains c;
    if (!chains_begin(&c, r->n_values)) return;
    for (int i = 0; i < r->n_values; i++) {
        tn_value *v = r->graph->values[i];
        if (!is_small_constant(v) || !tn_rewrite_is_inside(r, v)) continue;
        unsigned hash = hash_bytes((unsigned)v->dtype, v->data, constant_bytes(v));
        int k = c.first[hash % c.n];
        while (k >= 0 && !equal_constants(r->graph->values[k], v)) k = c.next[k];
        if (k >= 0)
            tn_rewrite_replace(r, v, r->graph->values[k]);
        else
            chains_add(&c, hash, i);
    }
    free(c.first);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static bool equal_attr(const tn_attr *attr, const char *a, const char *b) {
    a += attr->offset;
    b += attr->offset;
    const tn_ints *x = (const void *)a, *y = (const void *)b;
    const tn_floats *p = (const void *)a, *q = (const void *)b;
    switch (attr->type) {
    case TN_ATTR_INT: return memcmp(a, b, sizeof(int64_t)) == 0;
    case TN_ATTR_FLOAT: return memcmp(a, b, sizeof(double)) == 0;
    case TN_ATTR_STRING: return strcmp(a, b) == 0;
    case TN_ATTR_INTS: return x->n == y->n && memcmp(x->v, y->v, (size_t)x->n * sizeof *x->v) == 0;
    case TN_ATTR_FLOATS:
        return p->n == q->n && memcmp(p->v, q->v, (size_t)p->n * sizeof *p->v) == 0;
    }
    return false;
}

static bool equal_nodes(const tn_node *a, const tn_node *b) {
    if (a->op != b->op || a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs) return false;
    for (int k = 0; k < a->n_inputs; k++)
        if (a->inputs[k] != b->inputs[k]) return false;
    for (const tn_attr *attr = a->op->attrs; attr && attr->name; attr++)
        if (!equal_attr(attr, a->attrs, b->attrs)) return false;
    return true;
}

/* Operators of the engine's own may have attributes that no table lists. */
static bool is_comparable(const tn_node *node) {
    return node->op->onnx_type && (node->op->attrs || node->op->attrs_bytes == 0) &&
           node->n_outputs == 1;
}

static unsigned hash_node(const tn_node *node) {
    unsigned hash = hash_bytes(0, &node->op, sizeof node->op);
    for (int k = 0; k < node->n_inputs; k++)
        if (node->inputs[k]) hash = hash_bytes(hash, &node->inputs[k]->id, sizeof(int));
    return hash;
}

static void merge_nodes(tn_rewrite *r) {
    chains c;
    if (!chains_begin(&c, r->graph->n_nodes)) return;
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        tn_rewrite_settle(r, node);
        if (!is_comparable(node)) continue;
        unsigned hash = hash_node(node);
        int k = c.first[hash % c.n];
        while (k >= 0 && !equal_nodes(r->graph->nodes[k], node)) k = c.next[k];
        if (k < 0) {
            chains_add(&c, hash, i);
        } else if (tn_rewrite_is_inside(r, node->outputs[0])) {
            tn_rewrite_replace(r, node->outputs[0], r->graph->nodes[k]->outputs[0]);
            tn_rewrite_remove(r, node);
        }
    }
    free(c.first);
}

void tn_pass_merge_common(tn_rewrite *r) {
    merge_constants(r);
    merge_nodes(r);
}
