/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/lanes.h"

/* One channel, or nothing but channels, is plain. */
static int64_t normal(const tn_value *v, int64_t channels) {
    return channels <= 1 || channels == tn_shape_sample_elements(&v->shape) ? 1 : channels;
}

static int64_t channels_last(const tn_value *v) {
    return v->shape.rank == 4 ? normal(v, v->shape.dims[1]) : 1;
}

static int64_t any_channels_last(const tn_value *v) {
    return v->shape.rank >= 3 && v->shape.rank <= 5 ? normal(v, v->shape.dims[1]) : 1;
}

static bool is_stored(const tn_value *v) {
    return v->kind == TN_VALUE_PARAMETER || v->kind == TN_VALUE_CONSTANT;
}

static const tn_value *first_batched(const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->shape.batched) return node->inputs[i];
    return NULL;
}

/* How an elementwise node may run. */
typedef enum agreement {
    AGREE_NOT,      /* plain */
    AGREE_IMAGES,   /* plain or channels last, each tensor by its own channels */
    AGREE_ELEMENTS, /* all tensors hold the same elements: any layout, the same for all */
} agreement;

/* In the layout of the first batched input if possible. An image may be stored by the channels of
 * another that it was added to when both were flat. */
static agreement agree(const tn_node *node, const tn_value *first) {
    int64_t elements = tn_shape_sample_elements(&first->shape);
    bool same = true, images = true;
    for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
        const tn_value *v =
            i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
        if (!v) continue;
        if (tn_shape_sample_elements(&v->shape) != elements || !v->shape.batched) same = false;
        if (v->shape.batched && v->shape.rank != 4) images = false;
    }
    if (same) return AGREE_ELEMENTS;
    bool own = first->channels == 1 || first->channels == channels_last(first);
    return images && own ? AGREE_IMAGES : AGREE_NOT;
}

/* How v, in- or output of an elementwise node, is to be stored. */
static int64_t elementwise(const tn_node *node, const tn_value *v) {
    const tn_value *first = first_batched(node);
    switch (first ? agree(node, first) : AGREE_NOT) {
    case AGREE_ELEMENTS: return normal(v, first->channels);
    case AGREE_IMAGES: return first->channels == 1 ? 1 : channels_last(v);
    case AGREE_NOT: break;
    }
    return 1;
}

/* Whether the samples are rows that a stored matrix is multiplied with. */
static bool rows_meet_weight(const tn_node *node) {
    return is_stored(node->inputs[1]) && node->inputs[0]->shape.rank == 2 &&
           node->inputs[1]->shape.rank == 2;
}

/* How input i has to be stored, by sample. */
static int64_t wanted(const tn_node *node, int i) {
    const tn_value *v = node->inputs[i];
    switch (node->op->layout) {
    case TN_LAYOUT_ANY: return elementwise(node, v);
    case TN_LAYOUT_IMAGE: return channels_last(v);
    case TN_LAYOUT_CHANNELS_LAST: return any_channels_last(v);
    case TN_LAYOUT_WEIGHTED:
        return i == 0 && (node->op->reduces_samples || rows_meet_weight(node)) ? v->channels : 1;
    case TN_LAYOUT_PLAIN:
    case TN_LAYOUT_PIXELS:
    case TN_LAYOUT_WEIGHTED_GRADIENT: break;
    }
    return 1;
}

static int64_t given(const tn_node *node, const tn_value *output) {
    switch (node->op->layout) {
    case TN_LAYOUT_ANY: return elementwise(node, output);
    case TN_LAYOUT_IMAGE:
    case TN_LAYOUT_PIXELS: return channels_last(output);
    case TN_LAYOUT_CHANNELS_LAST: return any_channels_last(output);
    case TN_LAYOUT_WEIGHTED_GRADIENT: return normal(output, node->inputs[1]->channels);
    case TN_LAYOUT_PLAIN:
    case TN_LAYOUT_WEIGHTED: break;
    }
    return 1;
}

/* The new order of nodes, with reorders; the old nodes stay where they are in the arena. */
typedef struct node_list {
    tn_node **nodes;
    int n;
    const tn_kernels *kernels;
    bool lanes; /* nodes that can work on samples in lanes do */
} node_list;

/* How the samples of a value are stored. */
typedef struct storage {
    int64_t channels;
    bool lanes;
} storage;

static const storage plain = {1, false};

static bool is_stored_as(const tn_value *v, storage s) {
    return v->channels == s.channels && v->lanes == s.lanes;
}

static void set_storage(tn_value *v, storage s) {
    v->channels = s.channels;
    v->lanes = s.lanes;
}

/* Appends a Reorder of v (moved from the end of the graph's list to the new one). */
static tn_status reorder(tn_graph *graph, node_list *list, tn_value *v, storage s,
                         tn_value **reordered, tn_error *error) {
    for (int i = 0; i < list->n; i++) /* one that exists already */
        if (list->nodes[i]->op == &tn_op_reorder && list->nodes[i]->inputs[0] == v &&
            is_stored_as(list->nodes[i]->outputs[0], s)) {
            *reordered = list->nodes[i]->outputs[0];
            return TN_OK;
        }
    tn_node *node;
    TN_TRY(tn_graph_add_node(graph, &tn_op_reorder, NULL, NULL, &v, 1, &node, error));
    graph->n_nodes--;
    set_storage(node->outputs[0], s);
    list->nodes[list->n++] = node;
    *reordered = node->outputs[0];
    return TN_OK;
}

static tn_status convert(tn_graph *graph, node_list *list, tn_value **v, storage s,
                         tn_error *error) {
    if (is_stored_as(*v, s)) return TN_OK;
    bool to_plain = s.channels == plain.channels && s.lanes == plain.lanes;
    if (!is_stored_as(*v, plain) && !to_plain) TN_TRY(reorder(graph, list, *v, plain, v, error));
    return reorder(graph, list, *v, s, v, error);
}

/* A weight is arranged to match the input it is multiplied with. */
static tn_status match_weight(const tn_node *node, tn_error *error) {
    tn_value *weight = node->inputs[1];
    int64_t channels = tn_max_i64(1, node->inputs[0]->channels); /* 0 if not computed */
    if (node->op->layout != TN_LAYOUT_WEIGHTED || !is_stored(weight) || node->op->reduces_samples)
        return TN_OK;
    if (weight->channels != 0 && weight->channels != channels)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "weight \"%s\" is shared by nodes that want it in different layouts",
                       weight->name);
    weight->channels = channels;
    return TN_OK;
}

static tn_status assign_node(tn_graph *graph, node_list *list, tn_node *node, tn_error *error) {
    bool lanes = list->lanes && tn_implementation_of(node, list->kernels, true, NULL);
    bool lanes_in = lanes && node->op->layout != TN_LAYOUT_PIXELS; /* pixels are not reordered */
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->shape.batched) {
            storage s = {lanes ? 1 : wanted(node, i), lanes_in};
            TN_TRY(convert(graph, list, &node->inputs[i], s, error));
        }
    if (node->n_inputs > 1) TN_TRY(match_weight(node, error));
    for (int i = 0; i < node->n_outputs; i++) {
        bool batched = node->outputs[i]->shape.batched;
        storage s = {batched && !lanes ? given(node, node->outputs[i]) : 1, batched && lanes};
        set_storage(node->outputs[i], s);
    }
    list->nodes[list->n++] = node;
    return TN_OK;
}

/* Reorders per node: two steps for each input; and for each output of the graph. */
static size_t most_nodes(const tn_graph *graph) {
    size_t n = 2 * (size_t)graph->n_outputs;
    for (int i = 0; i < graph->n_nodes; i++) n += 1 + 2 * (size_t)graph->nodes[i]->n_inputs;
    return n;
}

static tn_status assign_all(tn_graph *graph, node_list *list, tn_error *error) {
    int n_nodes = graph->n_nodes;
    for (int i = 0; i < n_nodes; i++) {
        tn_node *node = graph->nodes[i];
        tn_status status = assign_node(graph, list, node, error);
        if (status != TN_OK)
            return tn_fail_within(error, status, "node \"%s\" (%s)", node->name, node->op->name);
    }
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i]->shape.batched)
            TN_TRY(convert(graph, list, &graph->outputs[i], plain, error));
    return TN_OK;
}

tn_status tn_layout_assign(tn_graph *graph, const tn_kernels *kernels, bool lanes,
                           tn_error *error) {
    size_t room = most_nodes(graph);
    node_list list = {
        .nodes = calloc(room + 1, sizeof(tn_node *)), .kernels = kernels, .lanes = lanes};
    if (!list.nodes) return tn_fail_memory(error);
    for (int i = 0; i < graph->n_values; i++) {
        tn_value *v = graph->values[i];
        v->channels = is_stored(v) ? 0 : 1;
        v->lanes = false;
    }
    tn_status status = assign_all(graph, &list, error);
    if (status != TN_OK) {
        free(list.nodes);
        return status;
    }
    free(graph->nodes);
    graph->nodes = list.nodes;
    graph->n_nodes = list.n;
    graph->nodes_room = (int)room;
    for (int i = 0; i < list.n; i++) graph->nodes[i]->id = i;
    return TN_OK;
}
