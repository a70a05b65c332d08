/* SPDX-License-Identifier: Apache-2.0 */
#include "train/fingerprint.h"

#include <string.h>

#include "base/sha256.h"
#include "graph/op.h"

static void add_text(tn_sha256 *sha, const char *text) {
    tn_sha256_add(sha, text, strlen(text) + 1);
}

static void add_number(tn_sha256 *sha, int64_t number) {
    tn_sha256_add(sha, &number, sizeof number);
}

static void add_shape(tn_sha256 *sha, const tn_shape *shape) {
    add_number(sha, shape->rank);
    for (int i = 0; i < shape->rank; i++) add_number(sha, shape->dims[i]);
}

static int64_t place_of(const tn_value *value, tn_value *const *values, int n) {
    for (int i = 0; i < n; i++)
        if (values[i] == value) return i;
    return -1;
}

/* Which value it is, by its place and not by its name. */
static void add_reference(tn_sha256 *sha, const tn_graph *graph, const tn_value *value) {
    add_number(sha, value ? (int64_t)value->kind : -1);
    if (!value) return;
    switch (value->kind) {
    case TN_VALUE_INPUT: add_number(sha, place_of(value, graph->inputs, graph->n_inputs)); break;
    case TN_VALUE_PARAMETER:
        add_number(sha, place_of(value, graph->parameters, graph->n_parameters));
        break;
    case TN_VALUE_CONSTANT:
        add_number(sha, value->dtype);
        add_shape(sha, &value->shape);
        tn_sha256_add(sha, value->data,
                      (size_t)tn_shape_elements(&value->shape) * tn_dtype_file_bytes(value->dtype));
        break;
    case TN_VALUE_COMPUTED:
        add_number(sha, value->producer->id);
        add_number(sha, place_of(value, value->producer->outputs, value->producer->n_outputs));
        break;
    }
}

static void add_attr(tn_sha256 *sha, const tn_attr *attr, const char *attrs) {
    const void *field = attrs + attr->offset;
    add_text(sha, attr->name);
    switch (attr->type) {
    case TN_ATTR_INT: tn_sha256_add(sha, field, sizeof(int64_t)); break;
    case TN_ATTR_FLOAT: tn_sha256_add(sha, field, sizeof(double)); break;
    case TN_ATTR_INTS: {
        const tn_ints *ints = field;
        add_number(sha, ints->n);
        tn_sha256_add(sha, ints->v, (size_t)ints->n * sizeof ints->v[0]);
        break;
    }
    case TN_ATTR_FLOATS: {
        const tn_floats *floats = field;
        add_number(sha, floats->n);
        tn_sha256_add(sha, floats->v, (size_t)floats->n * sizeof floats->v[0]);
        break;
    }
    case TN_ATTR_STRING: add_text(sha, field); break;
    }
}

static void add_node(tn_sha256 *sha, const tn_graph *graph, const tn_node *node) {
    add_text(sha, node->op->name);
    for (const tn_attr *attr = node->op->attrs; attr && attr->name; attr++)
        add_attr(sha, attr, node->attrs);
    add_number(sha, node->n_inputs);
    for (int i = 0; i < node->n_inputs; i++) add_reference(sha, graph, node->inputs[i]);
}

void tn_fingerprint_graph(const tn_graph *graph, char hex[65]) {
    tn_sha256 sha;
    tn_sha256_begin(&sha);
    add_number(&sha, graph->n_inputs);
    for (int i = 0; i < graph->n_inputs; i++) add_shape(&sha, &graph->inputs[i]->shape);
    add_number(&sha, graph->n_parameters);
    for (int i = 0; i < graph->n_parameters; i++) {
        add_text(&sha, graph->parameters[i]->name);
        add_shape(&sha, &graph->parameters[i]->shape);
    }
    add_number(&sha, graph->n_nodes);
    for (int i = 0; i < graph->n_nodes; i++) add_node(&sha, graph, graph->nodes[i]);
    add_number(&sha, graph->n_outputs);
    for (int i = 0; i < graph->n_outputs; i++) add_reference(&sha, graph, graph->outputs[i]);
    tn_sha256_end(&sha, hex);
}

void tn_fingerprint_data(const tn_dataset *dataset, char hex[65]) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, &info);
    int64_t image_bytes = info.height * info.width * info.channels;
    tn_sha256 sha;
    tn_sha256_begin(&sha);
    add_number(&sha, info.n);
    add_number(&sha, info.height);
    add_number(&sha, info.width);
    add_number(&sha, info.channels);
    tn_sha256_add(&sha, tn_dataset_labels(dataset), (size_t)info.n * sizeof(int32_t));
    for (int64_t i = 0; i < info.n; i += 64)
        tn_sha256_add(&sha, tn_dataset_images(dataset) + i * image_bytes, (size_t)image_bytes);
    tn_sha256_end(&sha, hex);
}
