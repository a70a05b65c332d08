/* SPDX-License-Identifier: Apache-2.0 */
/* import.c: from an ONNX file to a model. Nothing of the file is believed: names, order, types and
 * sizes are checked before they are used, and operators check their own inputs and attributes. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "graph/model.h"
#include "onnx/attributes.h"
#include "onnx/metadata.h"
#include "onnx/names.h"
#include "onnx/onnx.h"
#include "ops/ops.h"

enum { IR_OLDEST = 3, IR_NEWEST = 10, MAX_CLASSES = 1000000 };

/* Far above any network of images; the graph looks names up one by one, so that ten times as many
 * would keep an import busy for minutes. */
enum { MAX_NODES = 10000 };

typedef struct importer {
    const TnOnnx__ModelProto *model;
    const TnOnnx__GraphProto *file;
    int opset;
    tn_names names;
    size_t *order;  /* [n_node] places of the nodes in an order of computation */
    bool *has_name; /* [n_node] has a name that no node before it has */
    tn_graph *graph;
    tn_error *error;
} importer;

/* ---- The file as a whole ------------------------------------------------------------------ */

static tn_status find_opset(importer *im) {
    const TnOnnx__OperatorSetIdProto *found = NULL;
    for (size_t i = 0; i < im->model->n_opset_import; i++) {
        const TnOnnx__OperatorSetIdProto *o = im->model->opset_import[i];
        if (!tn_names_default_domain(o->domain)) continue;
        if (found && found->version != o->version)
            return tn_fail(im->error, TN_ERR_FORMAT, "opset given twice, as %lld and %lld",
                           (long long)found->version, (long long)o->version);
        found = o;
    }
    if (!found || !found->has_version)
        return tn_fail(im->error, TN_ERR_FORMAT, "no opset is given");
    if (found->version < TN_OPSET_OLDEST || found->version > TN_OPSET_NEWEST)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                       "opset %lld is not supported (export the model with opset %d to %d)",
                       (long long)found->version, TN_OPSET_OLDEST, TN_OPSET_NEWEST);
    im->opset = (int)found->version;
    return TN_OK;
}

static tn_status check_header(importer *im) {
    const TnOnnx__ModelProto *model = im->model;
    if (!model->has_ir_version || !model->graph)
        return tn_fail(im->error, TN_ERR_FORMAT, "no ONNX model: it has no %s",
                       model->graph ? "IR version" : "graph");
    if (model->ir_version < IR_OLDEST || model->ir_version > IR_NEWEST)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "IR version %lld is not supported (%d to %d)",
                       (long long)model->ir_version, IR_OLDEST, IR_NEWEST);
    im->file = model->graph;
    if (im->file->n_sparse_initializer > 0)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "sparse tensors are not supported");
    if (im->file->n_node > MAX_NODES)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "the graph has %zu nodes (at most %d)",
                       im->file->n_node, MAX_NODES);
    if (im->file->n_output == 0)
        return tn_fail(im->error, TN_ERR_FORMAT, "the graph has no outputs");
    return find_opset(im);
}

/* ---- Operators ---------------------------------------------------------------------------- */

static const tn_op *find_op(const TnOnnx__NodeProto *node) {
    if (!tn_names_default_domain(node->domain) || !node->op_type) return NULL;
    return tn_op_find_onnx(node->op_type);
}

static tn_status check_operators(const importer *im) {
    char name[TN_NODE_NAME_TEXT];
    for (size_t i = 0; i < im->file->n_node; i++) {
        const TnOnnx__NodeProto *node = im->file->node[i];
        const char *type = node->op_type;
        if (!type || !*type)
            return tn_fail(im->error, TN_ERR_FORMAT, "node \"%s\" has no operator",
                           tn_names_node(im->file, i, name));
        if (find_op(node) || tn_names_is_constant_node(node)) continue;
        if (!tn_names_default_domain(node->domain))
            return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                           "node \"%s\" (%s, domain %s): operator not supported",
                           tn_names_node(im->file, i, name), type, node->domain);
        return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                       "node \"%s\" (%s, opset %d): operator not supported",
                       tn_names_node(im->file, i, name), type, im->opset);
    }
    return TN_OK;
}

typedef struct named_node {
    const char *name;
    size_t index;
} named_node;

static int compare_named(const void *a, const void *b) {
    const named_node *p = a, *q = b;
    int order = strcmp(p->name, q->name);
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

/* ONNX lets nodes share a name, or have none. */
static tn_status find_node_names(importer *im) {
    size_t n = 0;
    named_node *nodes = calloc(im->file->n_node + 1, sizeof *nodes);
    if (!nodes) return tn_fail_memory(im->error);
    for (size_t i = 0; i < im->file->n_node; i++) {
        const char *name = im->file->node[i]->name;
        if (name && *name && tn_text_is_utf8(name)) nodes[n++] = (named_node){name, i};
    }
    qsort(nodes, n, sizeof *nodes, compare_named);
    for (size_t i = 0; i < n; i++)
        im->has_name[nodes[i].index] = i == 0 || strcmp(nodes[i - 1].name, nodes[i].name) != 0;
    free(nodes);
    return TN_OK;
}

/* ---- Values ------------------------------------------------------------------------------- */

/* Names of initializers that our own export marks as not to be trained. */
static tn_status mark_constants(importer *im) {
    const char *text = tn_metadata_find(im->model, TN_METADATA_CONSTANTS);
    if (!text) return TN_OK;
    json_t *list = json_loads(text, 0, NULL), *item;
    size_t i;
    if (!tn_metadata_is_texts(list)) {
        json_decref(list);
        return tn_fail(im->error, TN_ERR_FORMAT, "metadata \"%s\" is no list of names",
                       TN_METADATA_CONSTANTS);
    }
    json_array_foreach(list, i, item) {
        tn_name *name = tn_names_find(&im->names, json_string_value(item));
        if (name) name->constant = true;
    }
    json_decref(list);
    return TN_OK;
}

static void mark_used(importer *im) {
    for (size_t i = 0; i < im->file->n_node; i++) {
        const TnOnnx__NodeProto *node = im->file->node[i];
        if (tn_names_is_tensor_node(&im->names, node)) continue;
        const tn_upgrade *upgrade = tn_upgrade_find(node->op_type, im->opset);
        size_t n = tn_upgrade_value_inputs(upgrade, node->n_input);
        for (size_t j = 0; j < n; j++) {
            tn_name *name = *node->input[j] ? tn_names_find(&im->names, node->input[j]) : NULL;
            if (name) name->used = true;
        }
    }
}

/* dims of a declared input; a first dimension without a number counts the samples of a batch. */
static tn_status input_shape(const TnOnnx__TensorShapeProto *from, tn_shape *shape,
                             tn_error *error) {
    if (from->n_dim > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "%zu dimensions (at most %d)", from->n_dim,
                       TN_MAX_RANK);
    *shape = (tn_shape){.rank = (int)from->n_dim};
    for (int i = 0; i < shape->rank; i++) {
        const TnOnnx__TensorShapeProto__Dimension *dim = from->dim[i];
        bool fixed = dim->value_case == TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        bool named = dim->value_case == TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (fixed && dim->dim_value < 1)
            return tn_fail(error, TN_ERR_FORMAT, "dimension %d is %lld", i,
                           (long long)dim->dim_value);
        if (!fixed && i > 0)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "dimension %d (\"%s\") has no fixed size, which only the first may lack",
                           i, named && dim->dim_param ? dim->dim_param : "?");
        shape->dims[i] = fixed ? dim->dim_value : 1;
    }
    shape->batched =
        shape->rank > 0; /* a fixed first dimension is taken for a batch all the same */
    return TN_OK;
}

static tn_status add_input(importer *im, const TnOnnx__ValueInfoProto *input, tn_name *name) {
    const TnOnnx__TypeProto__Tensor *type = input->type ? input->type->tensor_type : NULL;
    tn_dtype dtype;
    tn_shape shape;
    if (!type || !type->shape)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "it is no tensor of known shape");
    TN_TRY(tn_wire_dtype(type->elem_type, &dtype, im->error));
    TN_TRY(input_shape(type->shape, &shape, im->error));
    return tn_graph_add_value(im->graph, TN_VALUE_INPUT, name->name, dtype, &shape, NULL,
                              &name->value, im->error);
}

static tn_status add_inputs(importer *im) {
    for (size_t i = 0; i < im->file->n_input; i++) {
        const TnOnnx__ValueInfoProto *input = im->file->input[i];
        tn_name *name = tn_names_find(&im->names, input->name);
        if (name->kind != TN_NAME_INPUT) continue;
        tn_status status = add_input(im, input, name);
        if (status != TN_OK) return tn_fail_within(im->error, status, "input \"%s\"", name->name);
    }
    return TN_OK;
}

/* Numbers of type float are weights to be trained, unless marked as constants. */
static tn_status add_tensor(importer *im, tn_name *name) {
    tn_onnx_tensor tensor;
    if (!name->used) return TN_OK;
    TN_TRY(tn_names_tensor(im->file, name, &tensor, im->error));
    bool trained =
        name->kind == TN_NAME_INITIALIZER && tensor.dtype == TN_FLOAT32 && !name->constant;
    tn_status status =
        tn_graph_add_value(im->graph, trained ? TN_VALUE_PARAMETER : TN_VALUE_CONSTANT, name->name,
                           tensor.dtype, &tensor.shape, tensor.data, &name->value, im->error);
    free(tensor.data);
    return status;
}

/* In the order of the file, which is the canonical order of parameters. */
static tn_status add_tensors(importer *im) {
    for (size_t i = 0; i < im->file->n_initializer; i++)
        TN_TRY(add_tensor(im, tn_names_find(&im->names, im->file->initializer[i]->name)));
    for (size_t i = 0; i < im->file->n_node; i++) {
        const TnOnnx__NodeProto *node = im->file->node[i];
        if (!tn_names_is_tensor_node(&im->names, node)) continue;
        for (size_t j = 0; j < node->n_output; j++)
            if (*node->output[j])
                TN_TRY(add_tensor(im, tn_names_find(&im->names, node->output[j])));
    }
    return TN_OK;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

/* What a constant input is as an attribute: one number, or a list of them. */
static tn_status set_attr(const tn_onnx_tensor *tensor, const char *input, const tn_attr *attr,
                          void *attrs, tn_error *error) {
    int64_t n = tn_shape_elements(&tensor->shape);
    if (attr->type == TN_ATTR_INTS) {
        tn_ints *ints = (tn_ints *)((char *)attrs + attr->offset);
        if (tensor->dtype != TN_INT64 || tensor->shape.rank > 1)
            return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be a list of int64", input);
        if (n > TN_ATTR_INTS_MAX)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" has %lld numbers (at most %d)",
                           input, (long long)n, TN_ATTR_INTS_MAX);
        ints->n = (int)n;
        memcpy(ints->v, tensor->data, (size_t)n * sizeof *ints->v);
        return TN_OK;
    }
    if (attr->type == TN_ATTR_FLOATS) {
        tn_floats *floats = (tn_floats *)(void *)((char *)attrs + attr->offset);
        if (tensor->dtype != TN_FLOAT32 || tensor->shape.rank > 1 || n > TN_ATTR_INTS_MAX)
            return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be a list of float32", input);
        floats->n = (int)n;
        memcpy(floats->v, tensor->data, (size_t)n * sizeof *floats->v);
        return TN_OK;
    }
    if (attr->type == TN_ATTR_INT && tensor->dtype == TN_INT64 && n == 1) {
        *(int64_t *)(void *)((char *)attrs + attr->offset) = *(const int64_t *)tensor->data;
        return TN_OK;
    }
    if (tensor->dtype != TN_FLOAT32 || n != 1)
        return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" must be one number", input);
    tn_attr_set_number(attr, attrs, (double)*(const float *)tensor->data);
    return TN_OK;
}

/* An input that is an attribute in canonical form; attr is NULL if it is dropped. */
static tn_status import_constant(importer *im, const char *input, const tn_attr *attr,
                                 void *attrs) {
    tn_onnx_tensor tensor;
    const tn_name *name = tn_names_find(&im->names, input);
    if (name->kind != TN_NAME_INITIALIZER && name->kind != TN_NAME_CONSTANT)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "input \"%s\" must be a constant", input);
    if (!attr) return TN_OK;
    TN_TRY(tn_names_tensor(im->file, name, &tensor, im->error));
    tn_status status = set_attr(&tensor, input, attr, attrs, im->error);
    free(tensor.data);
    return status;
}

static tn_status import_constants(importer *im, const TnOnnx__NodeProto *node, const tn_op *op,
                                  const tn_upgrade *upgrade, void *attrs) {
    size_t n_values = tn_upgrade_value_inputs(upgrade, node->n_input), known = n_values;
    for (int k = 0; upgrade && k < TN_UPGRADE_NAMES && upgrade->input_attrs[k]; k++) {
        size_t i = (size_t)upgrade->n_inputs + (size_t)k;
        const tn_attr *attr = tn_attr_find(op, upgrade->input_attrs[k]);
        known = i + 1;
        if (i < node->n_input && *node->input[i])
            TN_TRY(import_constant(im, node->input[i], attr, attrs));
        else if (attr && attr->required)
            return tn_fail(im->error, TN_ERR_FORMAT, "input %zu (%s) is missing", i, attr->name);
    }
    if (node->n_input > n_values && node->n_input > known)
        return tn_fail(im->error, TN_ERR_FORMAT, "%zu inputs", node->n_input);
    return TN_OK;
}

static tn_status find_inputs(importer *im, const TnOnnx__NodeProto *node, size_t n_given,
                             tn_value *inputs[TN_MAX_INPUTS], int *n_inputs) {
    *n_inputs = 0;
    if (n_given > TN_MAX_INPUTS)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "%zu inputs (at most %d)", n_given,
                       TN_MAX_INPUTS);
    for (size_t i = 0; i < n_given; i++) {
        inputs[i] = *node->input[i] ? tn_names_find(&im->names, node->input[i])->value : NULL;
        if (inputs[i]) *n_inputs = (int)i + 1;
    }
    return TN_OK;
}

/* Outputs that the operator has not are an error only if something uses them. */
static tn_status name_outputs(importer *im, const TnOnnx__NodeProto *from, tn_node *node) {
    for (size_t i = 0; i < from->n_output; i++) {
        tn_name *name = *from->output[i] ? tn_names_find(&im->names, from->output[i]) : NULL;
        if (!name) continue;
        if (i < (size_t)node->n_outputs) {
            name->value = node->outputs[i];
            name->value->name = tn_arena_strdup(&im->graph->arena, name->name);
            if (!name->value->name) return tn_fail_memory(im->error);
        } else if (name->used || name->is_output) {
            return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                           "its output %zu (\"%s\") is not supported", i, name->name);
        }
    }
    if (from->n_output == 0 || !*from->output[0])
        return tn_fail(im->error, TN_ERR_FORMAT, "it has no output");
    return TN_OK;
}

static int count_same(const tn_graph *graph, const tn_op *op) {
    int n = 0;
    for (int i = 0; i < graph->n_nodes; i++) n += graph->nodes[i]->op == op;
    return n;
}

/* Outputs up to the last that something uses. */
static int count_used(const importer *im, const TnOnnx__NodeProto *from) {
    int n = 0;
    for (size_t i = 0; i < from->n_output; i++) {
        const tn_name *name = *from->output[i] ? tn_names_find(&im->names, from->output[i]) : NULL;
        if (name && (name->used || name->is_output)) n = (int)i + 1;
    }
    return n;
}

static tn_status add_node_with(importer *im, size_t index, const tn_op *op, void *attrs) {
    const TnOnnx__NodeProto *from = im->file->node[index];
    const tn_upgrade *upgrade = tn_upgrade_find(from->op_type, im->opset);
    tn_value *inputs[TN_MAX_INPUTS];
    tn_node *node;
    char made_up[TN_NODE_NAME_TEXT];
    int n_inputs;
    TN_TRY(tn_attrs_import(from, op, upgrade, attrs, im->error));
    TN_TRY(import_constants(im, from, op, upgrade, attrs));
    TN_TRY(
        find_inputs(im, from, tn_upgrade_value_inputs(upgrade, from->n_input), inputs, &n_inputs));
    if (upgrade && upgrade->import) {
        const tn_upgrade_node n = {attrs,
                                   (const tn_value *const *)inputs,
                                   n_inputs,
                                   count_same(im->graph, op),
                                   (int)from->n_output,
                                   count_used(im, from)};
        TN_TRY(upgrade->import(&n, im->error));
    }
    snprintf(made_up, sizeof made_up, "%s_%zu", op->name, index);
    TN_TRY(tn_graph_add_node(im->graph, op, im->has_name[index] ? from->name : made_up, attrs,
                             inputs, n_inputs, &node, im->error));
    return name_outputs(im, from, node);
}

static tn_status add_node(importer *im, size_t index) {
    const tn_op *op = find_op(im->file->node[index]);
    char label[TN_NODE_LABEL_TEXT];
    void *attrs = calloc(1, op->attrs_bytes + 1);
    if (!attrs) return tn_fail_memory(im->error);
    tn_status status = add_node_with(im, index, op, attrs);
    free(attrs);
    if (status == TN_OK) return TN_OK;
    return tn_fail_within(im->error, status, "%s", tn_names_node_label(im->file, index, label));
}

static tn_status add_nodes(importer *im) {
    for (size_t i = 0; i < im->file->n_node; i++) {
        size_t index = im->order[i];
        if (!tn_names_is_tensor_node(&im->names, im->file->node[index]))
            TN_TRY(add_node(im, index));
    }
    return TN_OK;
}

/* ---- Outputs ------------------------------------------------------------------------------ */

static tn_status find_outputs(importer *im) {
    for (size_t i = 0; i < im->file->n_output; i++) {
        const char *text = im->file->output[i]->name;
        tn_name *name = tn_names_find(&im->names, text ? text : "");
        if (!name || name->kind != TN_NAME_OUTPUT)
            return tn_fail(im->error, name ? TN_ERR_UNSUPPORTED : TN_ERR_FORMAT,
                           "output \"%s\" is computed by no node", text ? text : "");
        if (name->is_output)
            return tn_fail(im->error, TN_ERR_FORMAT, "output \"%s\" is given twice", text);
        name->is_output = true;
    }
    return TN_OK;
}

/* What the file says about an output must be what comes out. */
static tn_status check_output(const TnOnnx__ValueInfoProto *output, const tn_value *value,
                              tn_error *error) {
    const TnOnnx__TypeProto__Tensor *type = output->type ? output->type->tensor_type : NULL;
    const tn_shape *shape = &value->shape;
    char text[TN_SHAPE_TEXT];
    if (!type) return TN_OK;
    if (type->has_elem_type && type->elem_type != 0 &&
        type->elem_type != tn_wire_data_type(value->dtype))
        return tn_fail(error, TN_ERR_FORMAT, "output \"%s\" is declared as %s but is %s",
                       output->name, tn_wire_type_name(type->elem_type),
                       tn_dtype_name(value->dtype));
    if (!type->shape) return TN_OK;
    bool fits = type->shape->n_dim == (size_t)shape->rank;
    for (int i = shape->batched ? 1 : 0; i < shape->rank && fits; i++) {
        const TnOnnx__TensorShapeProto__Dimension *dim = type->shape->dim[i];
        fits = dim->value_case != TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ||
               dim->dim_value == shape->dims[i];
    }
    if (fits) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "output \"%s\" is %s, not of the shape declared for it",
                   output->name, tn_shape_text(shape, text));
}

static tn_status add_outputs(importer *im) {
    for (size_t i = 0; i < im->file->n_output; i++) {
        tn_value *value = tn_names_find(&im->names, im->file->output[i]->name)->value;
        TN_TRY(check_output(im->file->output[i], value, im->error));
        TN_TRY(tn_graph_mark_output(im->graph, value, im->error));
    }
    return TN_OK;
}

/* ---- Model -------------------------------------------------------------------------------- */

static tn_status build_graph(importer *im) {
    TN_TRY(check_header(im));
    TN_TRY(check_operators(im));
    TN_TRY(tn_names_collect(im->file, &im->names, im->error));
    im->order = calloc(im->file->n_node + 1, sizeof *im->order);
    im->has_name = calloc(im->file->n_node + 1, sizeof *im->has_name);
    if (!im->order || !im->has_name) return tn_fail_memory(im->error);
    TN_TRY(tn_names_sort_nodes(im->file, &im->names, im->order, im->error));
    TN_TRY(find_node_names(im));
    TN_TRY(mark_constants(im));
    TN_TRY(find_outputs(im));
    tn_names_copy_tensors(im->file, &im->names, im->order);
    mark_used(im);
    TN_TRY(tn_graph_create(&im->graph, im->error));
    TN_TRY(add_inputs(im));
    TN_TRY(add_tensors(im));
    TN_TRY(add_nodes(im));
    TN_TRY(add_outputs(im));
    return tn_graph_set_batch(im->graph, 1, im->error);
}

/* Class names as our export writes them. The key is not ours alone: what another program means by
 * it is not worth failing for. */
static tn_status read_classes(const importer *im, json_t **list) {
    const char *text = tn_metadata_find(im->model, TN_METADATA_CLASS_NAMES);
    const tn_shape *scores = &im->graph->outputs[0]->shape;
    const char *producer = im->model->producer_name ? im->model->producer_name : "";
    *list = text ? json_loads(text, 0, NULL) : NULL;
    if (!text) return TN_OK;
    size_t n = json_array_size(*list);
    if (tn_metadata_is_texts(*list) && n > 0 && n <= MAX_CLASSES && scores->rank == 2 &&
        (size_t)scores->dims[1] == n)
        return TN_OK;
    json_decref(*list);
    *list = NULL;
    if (strcmp(producer, TN_METADATA_PRODUCER) != 0) return TN_OK;
    return tn_fail(im->error, TN_ERR_FORMAT, "metadata \"%s\" is no list of a name per class",
                   TN_METADATA_CLASS_NAMES);
}

/* What follows the last slash of a path. */
static const char *file_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static tn_status build_model(importer *im, const char *name, tn_model **model) {
    json_t *list;
    TN_TRY(read_classes(im, &list));
    size_t n = json_array_size(list);
    const char **classes = calloc(n + 1, sizeof *classes);
    if (!classes) {
        json_decref(list);
        return tn_fail_memory(im->error);
    }
    for (size_t i = 0; i < n; i++) classes[i] = json_string_value(json_array_get(list, i));
    const char *own = im->file->name && *im->file->name && tn_text_is_utf8(im->file->name)
                          ? im->file->name
                      : name ? file_part(name)
                             : "model";
    tn_graph *graph = im->graph;
    im->graph = NULL; /* tn_model_create takes it over, on failure too */
    tn_status status =
        tn_model_create(graph, own, (int)n, n ? classes : NULL, im->opset, model, im->error);
    free(classes);
    json_decref(list);
    return status;
}

tn_status tn_onnx_import(const void *bytes, size_t n_bytes, const char *name, tn_model **model,
                         tn_error *error) {
    ProtobufCMessage *message = NULL;
    importer im = {.error = error};
    tn_status status =
        tn_wire_parse(&tn_onnx__model_proto__descriptor, bytes, n_bytes, &message, error);
    im.model = (const TnOnnx__ModelProto *)message;
    if (status == TN_OK) status = build_graph(&im);
    if (status == TN_OK) status = build_model(&im, name, model);
    tn_graph_free(im.graph);
    free(im.names.items);
    free(im.order);
    free(im.has_name);
    tn_wire_free(message);
    if (status == TN_OK || !name) return status;
    return tn_fail_within(error, status, "%s", name);
}
