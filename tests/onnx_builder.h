/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_builder.h: ONNX files made by hand, whole or broken, for tests. Sizes are fixed: tests know
 * what they build. */
#ifndef TN_TESTS_ONNX_BUILDER_H
#define TN_TESTS_ONNX_BUILDER_H

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "onnx/wire.h"

enum { BUILDER_ROOM = 64 };

typedef struct builder {
    tn_arena arena;
    TnOnnx__ModelProto model;
    TnOnnx__GraphProto graph;
} builder;

static inline void *builder_alloc(builder *b, size_t bytes) {
    void *memory = tn_arena_alloc(&b->arena, bytes);
    if (!memory) abort();
    return memory;
}

static inline char *builder_text(builder *b, const char *text) {
    char *copy = tn_arena_strdup(&b->arena, text);
    if (!copy) abort();
    return copy;
}

/* Appends a fresh structure of this type to list, which gets room for BUILDER_ROOM. */
#define BUILDER_ADD(b, list, n, type, init)                                                        \
    ((list) = (list) ? (list) : builder_alloc(b, BUILDER_ROOM * sizeof *(list)),                   \
     (list)[n] = builder_alloc(b, sizeof(type)), init((list)[n]), (n)++, (list)[(n)-1])

/* IR version 8, opset 17, an empty graph. */
static inline void builder_begin(builder *b) {
    *b = (builder){0};
    tn_onnx__model_proto__init(&b->model);
    tn_onnx__graph_proto__init(&b->graph);
    b->model.has_ir_version = true;
    b->model.ir_version = 8;
    b->model.graph = &b->graph;
    TnOnnx__OperatorSetIdProto *opset =
        BUILDER_ADD(b, b->model.opset_import, b->model.n_opset_import, TnOnnx__OperatorSetIdProto,
                    tn_onnx__operator_set_id_proto__init);
    opset->has_version = true;
    opset->version = 17;
    b->graph.name = builder_text(b, "tiny");
}

/* Splits "a,,c" into "a", "" and "c". */
static inline char **builder_split(builder *b, const char *list, size_t *n) {
    char **items = builder_alloc(b, BUILDER_ROOM * sizeof *items);
    char *rest = builder_text(b, list), *item;
    while (*list && (item = strsep(&rest, ","))) items[(*n)++] = item;
    return items;
}

static inline TnOnnx__NodeProto *builder_node(builder *b, const char *type, const char *name,
                                              const char *inputs, const char *outputs) {
    TnOnnx__NodeProto *node = BUILDER_ADD(b, b->graph.node, b->graph.n_node, TnOnnx__NodeProto,
                                          tn_onnx__node_proto__init);
    node->op_type = builder_text(b, type);
    node->name = builder_text(b, name);
    node->input = builder_split(b, inputs, &node->n_input);
    node->output = builder_split(b, outputs, &node->n_output);
    return node;
}

static inline TnOnnx__AttributeProto *builder_attr(builder *b, TnOnnx__NodeProto *node,
                                                   const char *name, int32_t type) {
    TnOnnx__AttributeProto *attr =
        BUILDER_ADD(b, node->attribute, node->n_attribute, TnOnnx__AttributeProto,
                    tn_onnx__attribute_proto__init);
    attr->name = builder_text(b, name);
    attr->has_type = true;
    attr->type = type;
    return attr;
}

static inline void builder_int(builder *b, TnOnnx__NodeProto *node, const char *name, int64_t i) {
    TnOnnx__AttributeProto *attr = builder_attr(b, node, name, TN_ONNX_ATTR_INT);
    attr->has_i = true;
    attr->i = i;
}

static inline void builder_float(builder *b, TnOnnx__NodeProto *node, const char *name, float f) {
    TnOnnx__AttributeProto *attr = builder_attr(b, node, name, TN_ONNX_ATTR_FLOAT);
    attr->has_f = true;
    attr->f = f;
}

static inline void builder_string(builder *b, TnOnnx__NodeProto *node, const char *name,
                                  const char *s) {
    TnOnnx__AttributeProto *attr = builder_attr(b, node, name, TN_ONNX_ATTR_STRING);
    attr->has_s = true;
    attr->s.data = (uint8_t *)builder_text(b, s);
    attr->s.len = strlen(s);
}

static inline void builder_ints(builder *b, TnOnnx__NodeProto *node, const char *name, int n,
                                const int64_t *v) {
    TnOnnx__AttributeProto *attr = builder_attr(b, node, name, TN_ONNX_ATTR_INTS);
    attr->n_ints = (size_t)n;
    attr->ints = builder_alloc(b, (size_t)n * sizeof *v);
    memcpy(attr->ints, v, (size_t)n * sizeof *v);
}

static inline void builder_dims(builder *b, TnOnnx__TensorProto *tensor, int rank,
                                const int64_t *dims) {
    tensor->n_dims = (size_t)rank;
    tensor->dims = builder_alloc(b, (size_t)rank * sizeof *dims);
    if (rank > 0) memcpy(tensor->dims, dims, (size_t)rank * sizeof *dims);
}

/* float32, the numbers 0, 1/8, 2/8, ... */
static inline TnOnnx__TensorProto *builder_tensor(builder *b, const char *name, int rank,
                                                  const int64_t *dims) {
    int64_t n;
    if (!tn_size_product(dims, rank, &n)) abort();
    TnOnnx__TensorProto *tensor = BUILDER_ADD(b, b->graph.initializer, b->graph.n_initializer,
                                              TnOnnx__TensorProto, tn_onnx__tensor_proto__init);
    float *data = builder_alloc(b, (size_t)n * sizeof *data);
    for (int64_t i = 0; i < n; i++) data[i] = (float)i / 8;
    tensor->name = builder_text(b, name);
    tensor->has_data_type = true;
    tensor->data_type = TN_ONNX_FLOAT;
    builder_dims(b, tensor, rank, dims);
    tensor->has_raw_data = true;
    tensor->raw_data.data = (uint8_t *)data;
    tensor->raw_data.len = (size_t)n * sizeof *data;
    return tensor;
}

static inline void builder_type(builder *b, TnOnnx__ValueInfoProto *info, const char *name,
                                int rank, const int64_t *dims) {
    TnOnnx__TypeProto *type = info->type = builder_alloc(b, sizeof *type);
    TnOnnx__TypeProto__Tensor *tensor = builder_alloc(b, sizeof *tensor);
    TnOnnx__TensorShapeProto *shape = builder_alloc(b, sizeof *shape);
    tn_onnx__type_proto__init(type);
    tn_onnx__type_proto__tensor__init(tensor);
    tn_onnx__tensor_shape_proto__init(shape);
    info->name = builder_text(b, name);
    type->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = TN_ONNX_FLOAT;
    tensor->shape = shape;
    for (int i = 0; i < rank; i++) {
        TnOnnx__TensorShapeProto__Dimension *dim =
            BUILDER_ADD(b, shape->dim, shape->n_dim, TnOnnx__TensorShapeProto__Dimension,
                        tn_onnx__tensor_shape_proto__dimension__init);
        if (dims[i] == 0) {
            dim->value_case = TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = builder_text(b, i ? "M" : "N");
        } else {
            dim->value_case = TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = dims[i];
        }
    }
}

/* A dimension of 0 is dynamic: "N", or "M" after the first. */
static inline TnOnnx__ValueInfoProto *builder_input(builder *b, const char *name, int rank,
                                                    const int64_t *dims) {
    TnOnnx__ValueInfoProto *info =
        BUILDER_ADD(b, b->graph.input, b->graph.n_input, TnOnnx__ValueInfoProto,
                    tn_onnx__value_info_proto__init);
    builder_type(b, info, name, rank, dims);
    return info;
}

static inline TnOnnx__ValueInfoProto *builder_output(builder *b, const char *name, int rank,
                                                     const int64_t *dims) {
    TnOnnx__ValueInfoProto *info =
        BUILDER_ADD(b, b->graph.output, b->graph.n_output, TnOnnx__ValueInfoProto,
                    tn_onnx__value_info_proto__init);
    builder_type(b, info, name, rank, dims);
    return info;
}

static inline void builder_metadata(builder *b, const char *key, const char *value) {
    TnOnnx__StringStringEntryProto *entry =
        BUILDER_ADD(b, b->model.metadata_props, b->model.n_metadata_props,
                    TnOnnx__StringStringEntryProto, tn_onnx__string_string_entry_proto__init);
    entry->key = builder_text(b, key);
    entry->value = builder_text(b, value);
}

#define DIMS(...)                                                                                  \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

/* x [N,1,6,6]: conv 1→2 3×3, relu, maxpool 2, flatten, dropout, fc 8→3, log-softmax: y [N,3]. Nodes
 * 0 to 6 in this order; initializers conv.w, conv.b, fc.w, fc.b, ratio. */
static inline void builder_tiny(builder *b) {
    builder_begin(b);
    builder_input(b, "x", DIMS(0, 1, 6, 6));
    builder_output(b, "y", DIMS(0, 3));
    builder_tensor(b, "conv.w", DIMS(2, 1, 3, 3));
    builder_tensor(b, "conv.b", DIMS(2));
    builder_tensor(b, "fc.w", DIMS(3, 8));
    builder_tensor(b, "fc.b", DIMS(3));
    TnOnnx__TensorProto *ratio = builder_tensor(b, "ratio", 0, NULL);
    *(float *)(void *)ratio->raw_data.data = 0.25f;
    builder_node(b, "Conv", "conv", "x,conv.w,conv.b", "c");
    builder_node(b, "Relu", "relu", "c", "r");
    builder_ints(b, builder_node(b, "MaxPool", "pool", "r", "p"), "kernel_shape", DIMS(2, 2));
    builder_ints(b, b->graph.node[2], "strides", DIMS(2, 2));
    builder_node(b, "Flatten", "flatten", "p", "f");
    builder_node(b, "Dropout", "drop", "f,ratio", "d");
    builder_int(b, builder_node(b, "Gemm", "fc", "d,fc.w,fc.b", "g"), "transB", 1);
    builder_node(b, "LogSoftmax", "log", "g", "y");
}

/* The file's bytes, malloc'ed with not one byte to spare. */
static inline void *builder_pack(const builder *b, size_t *n) {
    *n = tn_onnx__model_proto__get_packed_size(&b->model);
    void *bytes = malloc(*n);
    if (!bytes) abort();
    tn_onnx__model_proto__pack(&b->model, bytes);
    return bytes;
}

static inline void builder_end(builder *b) { tn_arena_free(&b->arena); }

#endif
