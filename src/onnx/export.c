/* SPDX-License-Identifier: Apache-2.0 */
/* export.c: from a model to an ONNX file. The message points at the model's own data wherever it
 * can; everything else of it lies in one arena. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "graph/model.h"
#include "onnx/attributes.h"
#include "onnx/metadata.h"
#include "onnx/onnx.h"
#include "onnx/upgrade.h"

#define BATCH_NAME "N"

typedef struct exporter {
    const tn_model *model;
    const tn_graph *graph;
    int opset;
    tn_arena arena;
    TnOnnx__GraphProto *out;
    json_t *constants;
    tn_error *error;
} exporter;

static void *alloc(exporter *ex, size_t n, size_t bytes) {
    return tn_arena_alloc(&ex->arena, n * bytes);
}

/* ---- Types -------------------------------------------------------------------------------- */

static tn_status export_shape(exporter *ex, const tn_shape *shape, TnOnnx__TensorShapeProto *out) {
    out->n_dim = (size_t)shape->rank;
    out->dim = alloc(ex, out->n_dim, sizeof *out->dim);
    TnOnnx__TensorShapeProto__Dimension *dims = alloc(ex, out->n_dim, sizeof *dims);
    if (!out->dim || !dims) return tn_fail_memory(ex->error);
    for (int i = 0; i < shape->rank; i++) {
        TnOnnx__TensorShapeProto__Dimension *dim = out->dim[i] = &dims[i];
        tn_onnx__tensor_shape_proto__dimension__init(dim);
        if (i == 0 && shape->batched) {
            dim->value_case = TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = BATCH_NAME;
        } else {
            dim->value_case = TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = shape->dims[i];
        }
    }
    return TN_OK;
}

static tn_status export_value(exporter *ex, const tn_value *value, TnOnnx__ValueInfoProto **info) {
    struct {
        TnOnnx__ValueInfoProto info;
        TnOnnx__TypeProto type;
        TnOnnx__TypeProto__Tensor tensor;
        TnOnnx__TensorShapeProto shape;
    } *out = alloc(ex, 1, sizeof *out);
    if (!out) return tn_fail_memory(ex->error);
    tn_onnx__value_info_proto__init(&out->info);
    tn_onnx__type_proto__init(&out->type);
    tn_onnx__type_proto__tensor__init(&out->tensor);
    tn_onnx__tensor_shape_proto__init(&out->shape);
    out->info.name = value->name;
    out->info.type = &out->type;
    out->type.tensor_type = &out->tensor;
    out->tensor.has_elem_type = true;
    out->tensor.elem_type = tn_wire_data_type(value->dtype);
    out->tensor.shape = &out->shape;
    *info = &out->info;
    return export_shape(ex, &value->shape, &out->shape);
}

static tn_status export_values(exporter *ex, tn_value *const *values, int n,
                               TnOnnx__ValueInfoProto ***infos, size_t *n_infos) {
    *infos = alloc(ex, (size_t)n, sizeof **infos);
    if (!*infos) return tn_fail_memory(ex->error);
    for (int i = 0; i < n; i++) TN_TRY(export_value(ex, values[i], &(*infos)[i]));
    *n_infos = (size_t)n;
    return TN_OK;
}

/* ---- Tensors ------------------------------------------------------------------------------ */

static tn_status export_tensor(exporter *ex, const char *name, tn_dtype dtype,
                               const tn_shape *shape, const void *data) {
    TnOnnx__TensorProto *tensor = alloc(ex, 1, sizeof *tensor);
    if (!tensor) return tn_fail_memory(ex->error);
    size_t bytes = (size_t)tn_shape_elements(shape) * tn_dtype_file_bytes(dtype);
    tn_onnx_tensor_encode(name, dtype, shape->rank, shape->dims, data, bytes, tensor);
    ex->out->initializer[ex->out->n_initializer++] = tensor;
    return TN_OK;
}

/* Parameters in canonical order, then constants. */
static tn_status export_tensors(exporter *ex) {
    const tn_graph *g = ex->graph;
    size_t room = (size_t)g->n_values + (size_t)g->n_nodes * TN_UPGRADE_NAMES;
    ex->out->initializer = alloc(ex, room, sizeof *ex->out->initializer);
    if (!ex->out->initializer) return tn_fail_memory(ex->error);
    for (int i = 0; i < g->n_parameters; i++) {
        const tn_value *p = g->parameters[i];
        TN_TRY(export_tensor(ex, p->name, p->dtype, &p->shape, p->data));
    }
    for (int i = 0; i < g->n_values; i++) {
        const tn_value *v = g->values[i];
        if (v->kind != TN_VALUE_CONSTANT) continue;
        TN_TRY(export_tensor(ex, v->name, v->dtype, &v->shape, v->data));
        if (v->dtype == TN_FLOAT32 && json_array_append_new(ex->constants, json_string(v->name)))
            return tn_fail_memory(ex->error);
    }
    return TN_OK;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

/* An attribute that ONNX has as an input: an initializer of one number, or of a list. */
static tn_status export_constant(exporter *ex, const tn_node *node, const tn_attr *attr,
                                 char **name) {
    *name = tn_arena_printf(&ex->arena, "%s.%s", node->name, attr->name);
    for (int i = 1; *name && tn_graph_find_value(ex->graph, *name); i++)
        *name = tn_arena_printf(&ex->arena, "%s.%s_%d", node->name, attr->name, i);
    float *number = alloc(ex, 1, sizeof *number);
    tn_shape *shape = alloc(ex, 1, sizeof *shape); /* the message points into it */
    if (!number || !shape || !*name) return tn_fail_memory(ex->error);
    if (attr->type == TN_ATTR_INTS) {
        const tn_ints *ints =
            (const tn_ints *)(const void *)((const char *)node->attrs + attr->offset);
        *shape = (tn_shape){.rank = 1, .dims = {ints->n}};
        return export_tensor(ex, *name, TN_INT64, shape, ints->v);
    }
    if (attr->type == TN_ATTR_FLOATS) {
        const tn_floats *floats =
            (const tn_floats *)(const void *)((const char *)node->attrs + attr->offset);
        *shape = (tn_shape){.rank = 1, .dims = {floats->n}};
        return export_tensor(ex, *name, TN_FLOAT32, shape, floats->v);
    }
    *shape = (tn_shape){0};
    *number = (float)tn_attr_number(attr, node->attrs);
    return export_tensor(ex, *name, TN_FLOAT32, shape, number);
}

/* Defaults are left out where they may be: an empty list, or a number, "no bound" being one. */
static bool left_out(const tn_node *node, const tn_attr *attr) {
    const void *field = (const char *)node->attrs + attr->offset;
    if (attr->required) return false;
    if (attr->type == TN_ATTR_INTS) return ((const tn_ints *)field)->n == 0;
    if (attr->type == TN_ATTR_FLOATS) return ((const tn_floats *)field)->n == 0;
    return tn_attr_number(attr, node->attrs) == attr->number;
}

static tn_status export_inputs(exporter *ex, const tn_node *node, const tn_upgrade *upgrade,
                               TnOnnx__NodeProto *out) {
    out->input = alloc(ex, TN_MAX_INPUTS + TN_UPGRADE_NAMES, sizeof *out->input);
    if (!out->input) return tn_fail_memory(ex->error);
    for (int i = 0; i < node->n_inputs; i++)
        out->input[out->n_input++] = node->inputs[i] ? node->inputs[i]->name : (char *)"";
    for (int i = 0; upgrade && i < TN_UPGRADE_NAMES && upgrade->input_attrs[i]; i++) {
        const tn_attr *attr = tn_attr_find(node->op, upgrade->input_attrs[i]);
        if (!attr) continue;
        out->input[out->n_input++] = (char *)"";
        if (!left_out(node, attr))
            TN_TRY(export_constant(ex, node, attr, &out->input[out->n_input - 1]));
    }
    while (out->n_input > 0 && !*out->input[out->n_input - 1]) out->n_input--;
    return TN_OK;
}

/* Outputs beyond those of the operator are for training alone. */
static tn_status export_outputs(exporter *ex, const tn_node *node, TnOnnx__NodeProto *out) {
    out->output = alloc(ex, TN_MAX_OUTPUTS, sizeof *out->output);
    if (!out->output) return tn_fail_memory(ex->error);
    int n = node->op->onnx_outputs ? node->op->onnx_outputs(node) : node->op->n_outputs;
    for (int i = 0; i < n; i++) out->output[out->n_output++] = node->outputs[i]->name;
    return TN_OK;
}

static tn_status export_node(exporter *ex, const tn_node *node, TnOnnx__NodeProto *out) {
    if (!node->op->onnx_type)
        return tn_fail(ex->error, TN_ERR_UNSUPPORTED, "node \"%s\" (%s): ONNX has no such operator",
                       node->name, node->op->name);
    const tn_upgrade *upgrade = tn_upgrade_find(node->op->onnx_type, ex->opset);
    tn_onnx__node_proto__init(out);
    out->name = node->name;
    out->op_type = (char *)(uintptr_t)node->op->onnx_type;
    TN_TRY(export_inputs(ex, node, upgrade, out));
    TN_TRY(export_outputs(ex, node, out));
    return tn_attrs_export(node, upgrade, &ex->arena, out, ex->error);
}

static tn_status export_nodes(exporter *ex) {
    size_t n = (size_t)ex->graph->n_nodes;
    TnOnnx__NodeProto *nodes = alloc(ex, n, sizeof *nodes);
    ex->out->node = alloc(ex, n, sizeof *ex->out->node);
    if (!nodes || !ex->out->node) return tn_fail_memory(ex->error);
    for (size_t i = 0; i < n; i++) {
        ex->out->node[i] = &nodes[i];
        TN_TRY(export_node(ex, ex->graph->nodes[i], &nodes[i]));
    }
    ex->out->n_node = n;
    return TN_OK;
}

/* ---- Metadata ----------------------------------------------------------------------------- */

/* Takes over json, which may be NULL for out of memory. */
static tn_status add_metadata(exporter *ex, TnOnnx__ModelProto *out, const char *key,
                              json_t *json) {
    TnOnnx__StringStringEntryProto *entry = alloc(ex, 1, sizeof *entry);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    char *copy = text ? tn_arena_strdup(&ex->arena, text) : NULL;
    free(text);
    if (!entry || !copy) return tn_fail_memory(ex->error);
    tn_onnx__string_string_entry_proto__init(entry);
    entry->key = (char *)(uintptr_t)key;
    entry->value = copy;
    out->metadata_props[out->n_metadata_props++] = entry;
    return TN_OK;
}

static json_t *class_names(const tn_model *model) {
    json_t *list = json_array();
    for (int i = 0; i < model->n_classes && list; i++)
        if (json_array_append_new(list, json_string(model->class_names[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *image(const tn_model *model) {
    json_t *object =
        json_pack("{s:I, s:I, s:I, s:s}", "channels", (json_int_t)model->channels, "height",
                  (json_int_t)model->height, "width", (json_int_t)model->width, "scale", "0..1");
    if (object && (model->channels == 1 || model->channels == 3))
        json_object_set_new(object, "color", json_string(model->channels == 1 ? "gray" : "rgb"));
    if (object &&
        !tn_metadata_write_preprocessing(&model->preprocessing, model->channels, object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static tn_status export_metadata(exporter *ex, TnOnnx__ModelProto *out) {
    enum { MAX_ENTRIES = 3 };
    out->metadata_props = alloc(ex, MAX_ENTRIES, sizeof *out->metadata_props);
    if (!out->metadata_props) return tn_fail_memory(ex->error);
    if (json_array_size(ex->constants) > 0)
        TN_TRY(add_metadata(ex, out, TN_METADATA_CONSTANTS, json_incref(ex->constants)));
    if (ex->model->n_classes > 0)
        TN_TRY(add_metadata(ex, out, TN_METADATA_CLASS_NAMES, class_names(ex->model)));
    if (ex->model->channels > 0) TN_TRY(add_metadata(ex, out, TN_METADATA_IMAGE, image(ex->model)));
    return TN_OK;
}

/* ---- Model -------------------------------------------------------------------------------- */

static tn_status export_graph(exporter *ex) {
    tn_onnx__graph_proto__init(ex->out);
    ex->out->name = ex->model->name;
    TN_TRY(export_tensors(ex));
    TN_TRY(export_nodes(ex));
    TN_TRY(export_values(ex, ex->graph->inputs, ex->graph->n_inputs, &ex->out->input,
                         &ex->out->n_input));
    return export_values(ex, ex->graph->outputs, ex->graph->n_outputs, &ex->out->output,
                         &ex->out->n_output);
}

static tn_status serialise(const TnOnnx__ModelProto *message, void **bytes, size_t *n_bytes,
                           tn_error *error) {
    size_t n = tn_onnx__model_proto__get_packed_size(message);
    if (n > INT32_MAX)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "the model needs %zu bytes, an ONNX file holds at most 2 GiB", n);
    void *buffer = malloc(n);
    if (!buffer) return tn_fail_memory(error);
    tn_onnx__model_proto__pack(message, buffer);
    *bytes = buffer;
    *n_bytes = n;
    return TN_OK;
}

static int opset_of(const tn_graph *graph) {
    int opset = TN_OPSET_WRITTEN;
    for (int i = 0; i < graph->n_nodes; i++) {
        int needed = tn_upgrade_written(graph->nodes[i]);
        if (needed > opset) opset = needed;
    }
    return opset;
}

/* The IR version that ONNX released together with an opset. */
static int64_t ir_version_of(int opset) { return opset > 18 ? 9 : 8; }

tn_status tn_onnx_export(const tn_model *model, void **bytes, size_t *n_bytes, tn_error *error) {
    TnOnnx__ModelProto out = TN_ONNX__MODEL_PROTO__INIT;
    TnOnnx__GraphProto graph;
    TnOnnx__OperatorSetIdProto opset = TN_ONNX__OPERATOR_SET_ID_PROTO__INIT;
    TnOnnx__OperatorSetIdProto *opsets[] = {&opset};
    exporter ex = {.model = model,
                   .graph = model->graph,
                   .opset = opset_of(model->graph),
                   .out = &graph,
                   .error = error,
                   .constants = json_array()};
    out.has_ir_version = true;
    out.ir_version = ir_version_of(ex.opset);
    out.producer_name = (char *)(uintptr_t)TN_METADATA_PRODUCER;
    out.producer_version = (char *)(uintptr_t)TN_VERSION;
    out.graph = &graph;
    out.opset_import = opsets;
    out.n_opset_import = 1;
    opset.domain = (char *)"";
    opset.has_version = true;
    opset.version = ex.opset;
    tn_status status = ex.constants ? export_graph(&ex) : tn_fail_memory(error);
    if (status == TN_OK) status = export_metadata(&ex, &out);
    if (status == TN_OK) status = serialise(&out, bytes, n_bytes, error);
    json_decref(ex.constants);
    tn_arena_free(&ex.arena);
    return status;
}
