/* SPDX-License-Identifier: Apache-2.0 */
/* model.c: the public face of models. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "graph/op.h"
#include "models/models.h"
#include "onnx/onnx.h"

/* Beyond it protobuf itself gives up. */
static const int64_t file_limit = INT32_MAX;

tn_status tn_model_build(const char *name, const tn_model_options *options, tn_model **model,
                         tn_error *error) {
    const tn_builtin *builtin = tn_builtin_find(name);
    const tn_model_options o = tn_model_options_resolve(options);
    tn_builder *builder;
    if (!builtin) {
        char names[256] = "";
        for (const char *const *n = tn_model_builtin_names(); *n; n++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     names[0] ? ", " : "", *n);
        return tn_fail(error, TN_ERR_NOT_FOUND, "no built-in model \"%s\" (there are %s)", name,
                       names);
    }
    TN_TRY(tn_builder_create(name, &o, &builder, error));
    tn_status status =
        tn_builder_finish(builder, builtin->build(builder, o.n_classes), model, error);
    if (status != TN_ERR_ARGUMENT) return status;
    return tn_fail_within(error, status, "%s cannot take images of %lldx%lld", name,
                          (long long)o.height, (long long)o.width);
}

/* A model that carries the name of a built-in one is trained as that. */
static void adopt_recipe(tn_model *model) {
    const tn_builtin *builtin = tn_builtin_find(model->name);
    if (builtin) model->recipe = builtin->recipe;
}

tn_status tn_model_load_memory(const void *bytes, size_t n_bytes, tn_model **model,
                               tn_error *error) {
    TN_TRY(tn_onnx_import(bytes, n_bytes, NULL, model, error));
    adopt_recipe(*model);
    return TN_OK;
}

/* The directory of a file, malloc'ed; NULL when out of memory. */
static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

tn_status tn_model_load_with(const char *path, const tn_model_load_options *options,
                             tn_model **model, tn_error *error) {
    void *bytes;
    int64_t n;
    tn_model_load_options o = TN_INIT(tn_model_load_options);
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    TN_TRY(tn_file_read(path, file_limit, &bytes, &n, error));
    char *directory = directory_of(path);
    const tn_onnx_options how = {path, directory, o.inputs, o.n_inputs};
    tn_status status =
        directory ? tn_onnx_import(bytes, (size_t)n, &how, model, error) : tn_fail_memory(error);
    free(directory);
    free(bytes);
    if (status == TN_OK) adopt_recipe(*model);
    return status;
}

tn_status tn_model_load(const char *path, tn_model **model, tn_error *error) {
    return tn_model_load_with(path, NULL, model, error);
}

tn_status tn_model_save(const tn_model *model, const char *path, tn_error *error) {
    void *bytes;
    size_t n;
    TN_TRY(tn_onnx_export(model, &bytes, &n, error));
    tn_status status = tn_file_replace(path, bytes, n, error);
    free(bytes);
    return status;
}

/* ---- Descriptions ---------------------------------------------------------------------------- */

static int64_t node_macs(const tn_node *node) { return node->op->macs ? node->op->macs(node) : 0; }

/* Numbers in v that training changes by their gradient. */
static int64_t trainable(const tn_value *v) {
    return v && v->kind == TN_VALUE_PARAMETER && !v->statistic ? tn_shape_elements(&v->shape) : 0;
}

void tn_model_describe(const tn_model *model, tn_model_info *info) {
    const tn_graph *graph = model->graph;
    tn_model_info i = {.size = sizeof i,
                       .name = model->name,
                       .n_inputs = graph->n_inputs,
                       .n_outputs = graph->n_outputs,
                       .n_nodes = graph->n_nodes,
                       .n_parameter_tensors = graph->n_parameters,
                       .channels = model->channels,
                       .height = model->height,
                       .width = model->width,
                       .n_classes = model->n_classes,
                       .class_names = (const char *const *)model->class_names,
                       .opset = model->opset};
    for (int k = 0; k < graph->n_parameters; k++) i.parameters += trainable(graph->parameters[k]);
    for (int k = 0; k < graph->n_nodes; k++)
        if (!tn_size_add(i.macs, node_macs(graph->nodes[k]), &i.macs)) i.macs = INT64_MAX;
    size_t size = info->size < sizeof i ? info->size : sizeof i;
    i.size = info->size;
    memcpy(info, &i, size);
}

static void describe_value(const tn_value *v, tn_tensor *tensor) {
    *tensor = (tn_tensor){.name = v->name, .dtype = v->dtype, .rank = v->shape.rank};
    memcpy(tensor->dims, v->shape.dims, sizeof tensor->dims);
    tensor->bytes = (size_t)tn_shape_elements(&v->shape) * tn_dtype_file_bytes(v->dtype);
}

void tn_model_describe_input(const tn_model *model, int i, tn_tensor *tensor) {
    describe_value(model->graph->inputs[i], tensor);
}

void tn_model_describe_output(const tn_model *model, int i, tn_tensor *tensor) {
    describe_value(model->graph->outputs[i], tensor);
}

void tn_model_describe_parameter(const tn_model *model, int i, tn_tensor *tensor) {
    describe_value(model->graph->parameters[i], tensor);
}

void tn_model_describe_node(const tn_model *model, int i, tn_node_info *info) {
    const tn_node *node = model->graph->nodes[i];
    tn_node_info n = {.size = info->size, .name = node->name, .op = node->op->name};
    describe_value(node->outputs[0], &n.output);
    tn_attrs_print(node->op, node->attrs, n.attributes, sizeof n.attributes);
    for (int k = 0; k < node->n_inputs; k++) n.parameters += trainable(node->inputs[k]);
    n.macs = node_macs(node);
    memcpy(info, &n, info->size < sizeof n ? info->size : sizeof n);
}
