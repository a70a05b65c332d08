/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Far above any network of images. */
enum { MAX_VALUES = 200000 };

bool tn_names_default_domain(const char *domain) {
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

bool tn_names_is_constant_node(const TnOnnx__NodeProto *node) {
    return node->op_type && strcmp(node->op_type, "Constant") == 0 &&
           tn_names_default_domain(node->domain);
}

const char *tn_names_node(const TnOnnx__GraphProto *file, size_t index,
                          char text[TN_NODE_NAME_TEXT]) {
    const TnOnnx__NodeProto *node = file->node[index];
    const char *type = node->op_type ? node->op_type : "";
    if (node->name && *node->name)
        snprintf(text, TN_NODE_NAME_TEXT, "%s", node->name);
    else
        snprintf(text, TN_NODE_NAME_TEXT, "%.200s_%zu", type, index);
    return text;
}

const char *tn_names_node_label(const TnOnnx__GraphProto *file, size_t index,
                                char text[TN_NODE_LABEL_TEXT]) {
    const char *type = file->node[index]->op_type;
    char name[TN_NODE_NAME_TEXT];
    snprintf(text, TN_NODE_LABEL_TEXT, "node \"%s\" (%.128s)", tn_names_node(file, index, name),
             type ? type : "");
    return text;
}

/* ---- Names -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    const tn_name *p = a, *q = b;
    int order = strcmp(p->name, q->name);
    return order ? order : (p->kind > q->kind) - (p->kind < q->kind);
}

static int compare_key(const void *key, const void *item) {
    return strcmp(key, ((const tn_name *)item)->name);
}

tn_name *tn_names_find(const tn_names *names, const char *name) {
    if (names->n == 0) return NULL;
    return bsearch(name, names->items, names->n, sizeof *names->items, compare_key);
}

static tn_status add(tn_names *names, const char *name, tn_name_kind kind, size_t index,
                     tn_error *error) {
    static const char *const what[] = {"initializer", "input", "node"};
    if (!name || !*name)
        return tn_fail(error, TN_ERR_FORMAT, "%s %zu has no name", what[kind], index);
    if (!tn_text_is_utf8(name))
        return tn_fail(error, TN_ERR_FORMAT, "the name of %s %zu is not UTF-8", what[kind], index);
    names->items[names->n++] = (tn_name){.name = name, .kind = kind, .index = index};
    return TN_OK;
}

static size_t count(const TnOnnx__GraphProto *file) {
    size_t n = file->n_initializer + file->n_input;
    for (size_t i = 0; i < file->n_node; i++) n += file->node[i]->n_output;
    return n;
}

static tn_status fill(const TnOnnx__GraphProto *file, tn_names *names, tn_error *error) {
    for (size_t i = 0; i < file->n_initializer; i++)
        TN_TRY(add(names, file->initializer[i]->name, TN_NAME_INITIALIZER, i, error));
    for (size_t i = 0; i < file->n_input; i++)
        TN_TRY(add(names, file->input[i]->name, TN_NAME_INPUT, i, error));
    for (size_t i = 0; i < file->n_node; i++) {
        const TnOnnx__NodeProto *node = file->node[i];
        for (size_t j = 0; j < node->n_output; j++)
            if (*node->output[j]) TN_TRY(add(names, node->output[j], TN_NAME_OUTPUT, i, error));
    }
    return TN_OK;
}

static void mark_used(const TnOnnx__GraphProto *file, const tn_names *names) {
    for (size_t i = 0; i < file->n_node; i++)
        for (size_t j = 0; j < file->node[i]->n_input; j++) {
            const char *input = file->node[i]->input[j];
            tn_name *name = *input ? tn_names_find(names, input) : NULL;
            if (name) name->used = true;
        }
}

tn_status tn_names_collect(const TnOnnx__GraphProto *file, tn_names *names, tn_error *error) {
    *names = (tn_names){0};
    size_t n = count(file), kept = 0;
    if (n > MAX_VALUES)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "the graph has %zu values (at most %d)", n,
                       MAX_VALUES);
    names->items = calloc(n + 1, sizeof *names->items);
    if (!names->items) return tn_fail_memory(error);
    TN_TRY(fill(file, names, error));
    qsort(names->items, names->n, sizeof *names->items, compare);
    for (size_t i = 0; i < names->n; i++) {
        tn_name *item = &names->items[i], *last = kept ? &names->items[kept - 1] : NULL;
        if (!last || strcmp(last->name, item->name) != 0) {
            names->items[kept++] = *item;
        } else if (last->kind == TN_NAME_INITIALIZER && item->kind == TN_NAME_INPUT &&
                   !last->also_input) {
            last->also_input = true;
        } else {
            return tn_fail(error, TN_ERR_FORMAT, "two values are called \"%s\"", item->name);
        }
    }
    names->n = kept;
    mark_used(file, names);
    return TN_OK;
}

/* ---- Order -------------------------------------------------------------------------------- */

typedef struct visit {
    size_t node, next_input;
} visit;

enum { UNSEEN = 0, OPEN, DONE };

/* Finds the node that computes the next input of v->node which is not done; n_node if all are. */
static tn_status next_producer(const TnOnnx__GraphProto *file, const tn_names *names, visit *v,
                               const unsigned char *state, size_t *producer, tn_error *error) {
    const TnOnnx__NodeProto *node = file->node[v->node];
    char label[TN_NODE_LABEL_TEXT];
    *producer = file->n_node;
    while (v->next_input < node->n_input && *producer == file->n_node) {
        const char *input = node->input[v->next_input++];
        if (!*input) continue;
        const tn_name *name = tn_names_find(names, input);
        if (!name)
            return tn_fail(error, TN_ERR_FORMAT, "%s: nothing computes its input \"%s\"",
                           tn_names_node_label(file, v->node, label), input);
        if (name->kind != TN_NAME_OUTPUT) continue;
        if (state[name->index] == OPEN)
            return tn_fail(error, TN_ERR_FORMAT, "the graph has a cycle through %s",
                           tn_names_node_label(file, name->index, label));
        if (state[name->index] == UNSEEN) *producer = name->index;
    }
    return TN_OK;
}

/* Depth first: what `first` needs, then itself. An own stack, as the depth is up to the file. */
static tn_status visit_node(const TnOnnx__GraphProto *file, const tn_names *names, size_t first,
                            visit *stack, unsigned char *state, size_t *order, size_t *n_done,
                            tn_error *error) {
    size_t depth = 0, producer;
    if (state[first] == DONE) return TN_OK;
    stack[depth++] = (visit){.node = first};
    state[first] = OPEN;
    while (depth > 0) {
        visit *top = &stack[depth - 1];
        TN_TRY(next_producer(file, names, top, state, &producer, error));
        if (producer < file->n_node) {
            state[producer] = OPEN;
            stack[depth++] = (visit){.node = producer};
        } else {
            state[top->node] = DONE;
            order[(*n_done)++] = top->node;
            depth--;
        }
    }
    return TN_OK;
}

tn_status tn_names_sort_nodes(const TnOnnx__GraphProto *file, const tn_names *names, size_t *order,
                              tn_error *error) {
    unsigned char *state = calloc(file->n_node + 1, 1);
    visit *stack = calloc(file->n_node + 1, sizeof *stack);
    size_t n_done = 0;
    tn_status status = state && stack ? TN_OK : tn_fail_memory(error);
    for (size_t i = 0; i < file->n_node && status == TN_OK; i++)
        status = visit_node(file, names, i, stack, state, order, &n_done, error);
    free(stack);
    free(state);
    return status;
}
