/* SPDX-License-Identifier: Apache-2.0 */
/* graph.c: building graphs. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/op.h"

tn_status tn_graph_create(tn_graph **graph, tn_error *error) {
    *graph = calloc(1, sizeof **graph);
    return *graph ? TN_OK : tn_fail_memory(error);
}

void tn_graph_free(tn_graph *graph) {
    if (!graph) return;
    tn_arena_free(&graph->arena);
    free(graph->values);
    free(graph->nodes);
    free(graph->inputs);
    free(graph->outputs);
    free(graph->parameters);
    free(graph->updates);
    tn_name_index_free(&graph->value_names);
    tn_name_index_free(&graph->node_names);
    free(graph);
}

/* Makes room for one more pointer behind *items. */
static tn_status grow(void *items, int n, int *room, tn_error *error) {
    if (n < *room) return TN_OK;
    int wanted = *room ? 2 * *room : 16;
    void *larger = realloc(*(void **)items, (size_t)wanted * sizeof(void *));
    if (!larger) return tn_fail_memory(error);
    *(void **)items = larger;
    *room = wanted;
    return TN_OK;
}

tn_value *tn_graph_find_value(const tn_graph *graph, const char *name) {
    const tn_name_entry *entry = tn_name_index_find(&graph->value_names, name);
    return entry ? entry->item : NULL;
}

/* `name` if free, else with the first free suffix; NULL when out of memory. */
static char *unique_name(tn_graph *graph, const tn_name_index *taken, const char *name) {
    tn_name_entry *same = tn_name_index_find(taken, name), *other = same;
    char *candidate = same && same->item ? NULL : tn_arena_strdup(&graph->arena, name);
    if (!same || !same->item) return candidate;
    while (other && other->item) {
        candidate = tn_arena_printf(&graph->arena, "%s_%d", name, ++same->suffix);
        if (!candidate) return NULL;
        other = tn_name_index_find(taken, candidate);
    }
    return candidate;
}

tn_status tn_graph_rename_value(tn_graph *graph, tn_value *value, const char *name,
                                tn_error *error) {
    tn_name_index *names = &graph->value_names;
    tn_value *other = tn_graph_find_value(graph, name);
    if (other == value) return TN_OK;
    char *own = tn_arena_strdup(&graph->arena, name);
    char *instead = other ? unique_name(graph, names, name) : own;
    if (!own || !instead || !tn_name_index_put(names, value->name, NULL) ||
        !tn_name_index_put(names, instead, other) || !tn_name_index_put(names, own, value))
        return tn_fail_memory(error);
    if (other) other->name = instead;
    value->name = own;
    return TN_OK;
}

/* Whether a tensor of this shape can be held in memory at all. */
static tn_status check_shape(const tn_shape *shape, tn_error *error) {
    char text[TN_SHAPE_TEXT];
    int64_t elements = 1;
    bool possible = true;
    if (shape->rank < 0 || shape->rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "a tensor of %d dimensions (at most %d)",
                       shape->rank, TN_MAX_RANK);
    for (int i = 0; i < shape->rank && possible; i++)
        possible = shape->dims[i] >= 0 &&
                   tn_size_mul(elements, tn_max_i64(1, shape->dims[i]), &elements) &&
                   elements <= TN_MAX_ELEMENTS;
    if (possible) return TN_OK;
    if (shape->batched && shape->dims[0] > 1)
        return tn_fail(error, TN_ERR_MEMORY,
                       "a tensor of shape %s is beyond any memory (use a smaller batch)",
                       tn_shape_text(shape, text));
    return tn_fail(error, TN_ERR_FORMAT, "impossible shape %s", tn_shape_text(shape, text));
}

tn_status tn_graph_add_value(tn_graph *graph, tn_value_kind kind, const char *name, tn_dtype dtype,
                             const tn_shape *shape, const void *data, tn_value **value,
                             tn_error *error) {
    TN_TRY(check_shape(shape, error));
    TN_TRY(grow(&graph->values, graph->n_values, &graph->values_room, error));
    TN_TRY(grow(&graph->inputs, graph->n_inputs, &graph->inputs_room, error));
    TN_TRY(grow(&graph->parameters, graph->n_parameters, &graph->parameters_room, error));
    tn_value *v = tn_arena_alloc(&graph->arena, sizeof *v);
    if (!v) return tn_fail_memory(error);
    char made_up[32];
    snprintf(made_up, sizeof made_up, "value%d", graph->n_values);
    v->name = unique_name(graph, &graph->value_names, name ? name : made_up);
    if (!v->name || !tn_name_index_put(&graph->value_names, v->name, v))
        return tn_fail_memory(error);
    v->id = graph->n_values;
    v->kind = kind;
    v->dtype = dtype;
    v->shape = *shape;
    if (data) {
        size_t bytes = (size_t)tn_shape_elements(shape) * tn_dtype_file_bytes(dtype);
        v->data = tn_arena_copy(&graph->arena, data, bytes);
        if (!v->data) return tn_fail_memory(error);
    }
    graph->values[graph->n_values++] = v;
    if (kind == TN_VALUE_INPUT) graph->inputs[graph->n_inputs++] = v;
    if (kind == TN_VALUE_PARAMETER) graph->parameters[graph->n_parameters++] = v;
    if (value) *value = v;
    return TN_OK;
}

tn_status tn_graph_add_constant(tn_graph *graph, const char *name, int rank, const int64_t *dims,
                                const float *data, tn_value **value, tn_error *error) {
    tn_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++) shape.dims[i] = dims[i];
    return tn_graph_add_value(graph, TN_VALUE_CONSTANT, name, TN_FLOAT32, &shape, data, value,
                              error);
}

tn_status tn_graph_add_output(tn_graph *graph, tn_node *node, tn_dtype dtype, const tn_shape *shape,
                              tn_value **value, tn_error *error) {
    tn_value *v = NULL;
    if (node->n_outputs == TN_MAX_OUTPUTS)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "more than %d outputs", TN_MAX_OUTPUTS);
    TN_TRY(tn_graph_add_value(graph, TN_VALUE_COMPUTED, node->name, dtype, shape, NULL, &v, error));
    v->producer = node;
    node->outputs[node->n_outputs++] = v;
    if (value) *value = v;
    return TN_OK;
}

static tn_status infer(tn_graph *graph, tn_node *node, tn_error *error) {
    TN_TRY(node->op->infer_shape(graph, node, error));
    for (int i = 0; i < node->n_outputs; i++) TN_TRY(check_shape(&node->outputs[i]->shape, error));
    return TN_OK;
}

tn_status tn_graph_add_node(tn_graph *graph, const tn_op *op, const char *name, const void *attrs,
                            tn_value *const *inputs, int n_inputs, tn_node **node,
                            tn_error *error) {
    if (n_inputs < op->min_inputs || n_inputs > op->max_inputs)
        return tn_fail(error, TN_ERR_FORMAT, "%d inputs, but %s takes %d to %d", n_inputs, op->name,
                       op->min_inputs, op->max_inputs);
    for (int i = 0; i < op->min_inputs; i++)
        if (!inputs[i]) return tn_fail(error, TN_ERR_FORMAT, "input %d is missing", i);
    TN_TRY(grow(&graph->nodes, graph->n_nodes, &graph->nodes_room, error));
    tn_node *n = tn_arena_alloc(&graph->arena, sizeof *n);
    if (!n) return tn_fail_memory(error);
    n->op = op;
    n->id = graph->n_nodes;
    n->name = unique_name(graph, &graph->node_names, name && *name ? name : op->name);
    n->attrs = attrs ? tn_arena_copy(&graph->arena, attrs, op->attrs_bytes)
                     : tn_arena_alloc(&graph->arena, op->attrs_bytes + 1);
    if (!n->name || !n->attrs) return tn_fail_memory(error);
    n->n_inputs = n_inputs;
    for (int i = 0; i < n_inputs; i++) {
        n->inputs[i] = inputs[i];
        if (op->statistics >> i & 1 && inputs[i] && inputs[i]->kind == TN_VALUE_PARAMETER)
            inputs[i]->statistic = true;
    }
    const tn_shape unknown = {0};
    for (int i = 0; i < op->n_outputs; i++)
        TN_TRY(tn_graph_add_output(graph, n, TN_FLOAT32, &unknown, NULL, error));
    TN_TRY(infer(graph, n, error));
    if (!tn_name_index_put(&graph->node_names, n->name, n)) return tn_fail_memory(error);
    graph->nodes[graph->n_nodes++] = n;
    if (node) *node = n;
    return TN_OK;
}

tn_status tn_graph_apply(tn_graph *graph, const tn_op *op, const void *attrs,
                         tn_value *const *inputs, int n_inputs, tn_value **output,
                         tn_error *error) {
    tn_node *node = NULL;
    TN_TRY(tn_graph_add_node(graph, op, NULL, attrs, inputs, n_inputs, &node, error));
    *output = node->outputs[0];
    return TN_OK;
}

tn_status tn_graph_add_update(tn_graph *graph, tn_value *parameter, tn_value *value,
                              double momentum, tn_error *error) {
    for (int i = 0; i < graph->n_updates; i++)
        if (graph->updates[i]->parameter == parameter)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "statistic \"%s\" is shared by nodes that would each move it (give each "
                           "its own)",
                           parameter->name);
    TN_TRY(grow(&graph->updates, graph->n_updates, &graph->updates_room, error));
    tn_update *update = tn_arena_alloc(&graph->arena, sizeof *update);
    if (!update) return tn_fail_memory(error);
    *update = (tn_update){parameter, value, momentum};
    graph->updates[graph->n_updates++] = update;
    return TN_OK;
}

tn_status tn_graph_mark_output(tn_graph *graph, tn_value *value, tn_error *error) {
    TN_TRY(grow(&graph->outputs, graph->n_outputs, &graph->outputs_room, error));
    graph->outputs[graph->n_outputs++] = value;
    return TN_OK;
}

void tn_graph_drop_values(tn_graph *graph, const bool *needed) {
    int n = 0;
    for (int i = 0; i < graph->n_parameters; i++)
        if (needed[graph->parameters[i]->id]) graph->parameters[n++] = graph->parameters[i];
    graph->n_parameters = n;
    n = 0;
    for (int i = 0; i < graph->n_values; i++)
        if (needed[i]) graph->values[n++] = graph->values[i];
    graph->n_values = n;
    tn_name_index_clear(&graph->value_names);
    for (int i = 0; i < n; i++) {
        graph->values[i]->id = i;
        tn_name_index_put(&graph->value_names, graph->values[i]->name, graph->values[i]);
    }
}

tn_status tn_graph_set_batch(tn_graph *graph, int64_t batch, tn_error *error) {
    for (int i = 0; i < graph->n_inputs; i++) {
        tn_shape *shape = &graph->inputs[i]->shape;
        if (shape->batched) shape->dims[0] = batch;
        tn_status status = check_shape(shape, error);
        if (status != TN_OK)
            return tn_fail_within(error, status, "input \"%s\"", graph->inputs[i]->name);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        tn_node *node = graph->nodes[i];
        tn_status status = infer(graph, node, error);
        if (status != TN_OK)
            return tn_fail_within(error, status, "node \"%s\" (%s)", node->name, node->op->name);
    }
    return TN_OK;
}

/* Copies the values of `from` into the empty graph `to`, in order, so that ids stay. */
static tn_status clone_values(const tn_graph *from, bool lightly, tn_graph *to, tn_error *error) {
    for (int i = 0; i < from->n_values; i++) {
        const tn_value *v = from->values[i];
        tn_value *copy;
        TN_TRY(tn_graph_add_value(to, v->kind, v->name, v->dtype, &v->shape,
                                  lightly ? NULL : v->data, &copy, error));
        if (lightly) copy->data = v->data;
        copy->statistic = v->statistic;
        copy->frozen = v->frozen;
    }
    return TN_OK;
}

static tn_status clone_node(const tn_node *from, tn_graph *to, tn_error *error) {
    TN_TRY(grow(&to->nodes, to->n_nodes, &to->nodes_room, error));
    tn_node *copy = tn_arena_copy(&to->arena, from, sizeof *from);
    if (!copy) return tn_fail_memory(error);
    copy->name = tn_arena_strdup(&to->arena, from->name);
    copy->attrs = tn_arena_copy(&to->arena, from->attrs, from->op->attrs_bytes);
    if (!copy->name || !copy->attrs || !tn_name_index_put(&to->node_names, copy->name, copy))
        return tn_fail_memory(error);
    for (int i = 0; i < from->n_inputs; i++)
        if (from->inputs[i]) copy->inputs[i] = to->values[from->inputs[i]->id];
    for (int i = 0; i < from->n_outputs; i++) {
        copy->outputs[i] = to->values[from->outputs[i]->id];
        copy->outputs[i]->producer = copy;
    }
    to->nodes[to->n_nodes++] = copy;
    return TN_OK;
}

static tn_status clone(const tn_graph *graph, bool lightly, tn_graph **copy, tn_error *error) {
    tn_graph *to;
    TN_TRY(tn_graph_create(&to, error));
    tn_status status = clone_values(graph, lightly, to, error);
    for (int i = 0; i < graph->n_nodes && status == TN_OK; i++)
        status = clone_node(graph->nodes[i], to, error);
    for (int i = 0; i < graph->n_outputs && status == TN_OK; i++)
        status = tn_graph_mark_output(to, to->values[graph->outputs[i]->id], error);
    for (int i = 0; i < graph->n_updates && status == TN_OK; i++) {
        const tn_update *u = graph->updates[i];
        status = tn_graph_add_update(to, to->values[u->parameter->id], to->values[u->value->id],
                                     u->momentum, error);
    }
    if (status != TN_OK) {
        tn_graph_free(to);
        return status;
    }
    *copy = to;
    return TN_OK;
}

tn_status tn_graph_clone(const tn_graph *graph, tn_graph **copy, tn_error *error) {
    return clone(graph, false, copy, error);
}

tn_status tn_graph_clone_lightly(const tn_graph *graph, tn_graph **copy, tn_error *error) {
    return clone(graph, true, copy, error);
}
