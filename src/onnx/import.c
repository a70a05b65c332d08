/* SPDX-License-Identifier: Apache-2.0 */
/* import.c: from an ONNX file to a model. Nothing of the file is believed: names, order, types and
 * sizes are checked before they are used, and operators check their own inputs and attributes.
 *
 * The graph is built by trying. First dimension 0 of every input counts the samples of a batch; if
 * some operator would mix samples, once more with values that are what they are, where all sizes
 * are known. Inputs that turn out to be needed as constants, and whose values were given, are
 * constants in the next attempt. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "graph/fold.h"
#include "onnx/importer.h"
#include "onnx/metadata.h"
#include "onnx/wire.h"

enum { IR_OLDEST = 3, IR_NEWEST = 11, MAX_CLASSES = 1000000 };

/* Far above any network of images. */
enum { MAX_NODES = 50000 };

/* ---- The file as a whole ------------------------------------------------------------------ */

static tn_status find_opset(tn_importer *im) {
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
    if (found->version < 1 || found->version > TN_OPSET_NEWEST)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                       "opset %lld is not supported (export the model with opset %d to %d)",
                       (long long)found->version, TN_OPSET_OLDEST, TN_OPSET_NEWEST);
    im->opset = (int)found->version;
    return TN_OK;
}

static tn_status check_header(tn_importer *im) {
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

static tn_status check_operators(const tn_importer *im) {
    char name[TN_NODE_NAME_TEXT];
    const tn_upgrade *upgrade;
    for (size_t i = 0; i < im->file->n_node; i++) {
        const TnOnnx__NodeProto *node = im->file->node[i];
        const char *type = node->op_type;
        if (!type || !*type)
            return tn_fail(im->error, TN_ERR_FORMAT, "node \"%s\" has no operator",
                           tn_names_node(im->file, i, name));
        bool found = tn_import_find_op(im, node, &upgrade) || tn_names_is_constant_node(node);
        if (found && tn_upgrade_knows(type, im->opset)) continue;
        if (found)
            return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                           "node \"%s\" (%s): opset %d is not supported (export the model with "
                           "opset %d to %d)",
                           tn_names_node(im->file, i, name), type, im->opset, TN_OPSET_OLDEST,
                           TN_OPSET_NEWEST);
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
static tn_status find_node_names(tn_importer *im) {
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
static tn_status mark_constants(tn_importer *im) {
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

/* ---- The graph ---------------------------------------------------------------------------- */

/* Drops what was there for computing constants and attributes, or is used by nothing. */
static tn_status drop_unused(tn_graph *graph, tn_error *error) {
    bool *needed = calloc((size_t)graph->n_values + 1, sizeof *needed);
    if (!needed) return tn_fail_memory(error);
    for (int i = 0; i < graph->n_inputs; i++) needed[graph->inputs[i]->id] = true;
    for (int i = 0; i < graph->n_nodes; i++) {
        const tn_node *node = graph->nodes[i];
        for (int k = 0; k < node->n_inputs; k++)
            if (node->inputs[k]) needed[node->inputs[k]->id] = true;
        for (int k = 0; k < node->n_outputs; k++) needed[node->outputs[k]->id] = true;
    }
    tn_graph_drop_values(graph, needed);
    free(needed);
    return TN_OK;
}

static tn_status build_graph(tn_importer *im) {
    tn_graph_free(im->graph);
    im->graph = NULL;
    im->again = false;
    im->fold_budget = TN_FOLD_BUDGET;
    im->n_dropouts = 0;
    for (size_t i = 0; i < im->names.n; i++) im->names.items[i].value = NULL;
    TN_TRY(tn_graph_create(&im->graph, im->error));
    TN_TRY(tn_import_inputs(im));
    TN_TRY(tn_import_initializers(im));
    TN_TRY(tn_import_nodes(im));
    TN_TRY(tn_import_outputs(im));
    TN_TRY(drop_unused(im->graph, im->error));
    return tn_graph_set_batch(im->graph, 1, im->error);
}

/* As often as inputs become fixed. */
static tn_status build_fixing(tn_importer *im, bool whole) {
    tn_status status;
    do {
        im->whole = whole || !tn_import_has_batch(im);
        status = build_graph(im);
    } while (status != TN_OK && im->again);
    return status;
}

/* If it works neither way, the message is that of the first. Shapes that a file was traced with may
 * not fit at all where a batch of 1 stands for its own. */
static tn_status build(tn_importer *im) {
    tn_error first = {""}, *given = im->error;
    im->error = &first;
    tn_status status = build_fixing(im, false);
    im->error = given;
    bool refused = status == TN_ERR_UNSUPPORTED || status == TN_ERR_FORMAT;
    if (refused && !im->whole && tn_import_has_sizes(im) && build_fixing(im, true) == TN_OK)
        return TN_OK;
    return status == TN_OK ? TN_OK : tn_fail(given, status, "%s", first.message);
}

static tn_status prepare(tn_importer *im) {
    const char *producer = im->model->producer_name;
    TN_TRY(check_header(im));
    TN_TRY(check_operators(im));
    TN_TRY(tn_names_collect(im->file, &im->names, im->error));
    im->own = producer && strcmp(producer, TN_METADATA_PRODUCER) == 0;
    im->order = calloc(im->file->n_node + 1, sizeof *im->order);
    im->has_name = calloc(im->file->n_node + 1, sizeof *im->has_name);
    im->examples = calloc(im->file->n_input + 1, sizeof *im->examples);
    im->fixed = calloc(im->file->n_input + 1, sizeof *im->fixed);
    if (!im->order || !im->has_name || !im->examples || !im->fixed)
        return tn_fail_memory(im->error);
    TN_TRY(tn_names_sort_nodes(im->file, &im->names, im->order, im->error));
    TN_TRY(find_node_names(im));
    TN_TRY(mark_constants(im));
    TN_TRY(tn_import_find_outputs(im));
    return tn_import_examples(im);
}

/* ---- Model -------------------------------------------------------------------------------- */

/* Class names as our export writes them. The key is not ours alone: what another program means by
 * it is not worth failing for. */
static tn_status read_classes(const tn_importer *im, json_t **list) {
    const char *text = tn_metadata_find(im->model, TN_METADATA_CLASS_NAMES);
    const tn_shape *scores = &im->graph->outputs[0]->shape;
    *list = text ? json_loads(text, 0, NULL) : NULL;
    if (!text) return TN_OK;
    size_t n = json_array_size(*list);
    if (tn_metadata_is_texts(*list) && n > 0 && n <= MAX_CLASSES && scores->rank == 2 &&
        (size_t)scores->dims[1] == n)
        return TN_OK;
    json_decref(*list);
    *list = NULL;
    if (!im->own) return TN_OK;
    return tn_fail(im->error, TN_ERR_FORMAT, "metadata \"%s\" is no list of a name per class",
                   TN_METADATA_CLASS_NAMES);
}

/* What follows the last slash of a path. */
static const char *file_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What makes no sense was meant for another program. */
static void adopt_preprocessing(const tn_importer *im, tn_model *model) {
    tn_preprocessing p = model->preprocessing;
    tn_metadata_read_preprocessing(im->model, &p);
    if (model->channels > 0) (void)tn_model_set_preprocessing(model, &p, NULL);
}

static tn_status build_model(tn_importer *im, const char *name, tn_model **model) {
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
    if (status == TN_OK) adopt_preprocessing(im, *model);
    free(classes);
    json_decref(list);
    return status;
}

tn_status tn_onnx_import(const void *bytes, size_t n_bytes, const tn_onnx_options *options,
                         tn_model **model, tn_error *error) {
    ProtobufCMessage *message = NULL;
    tn_importer im = {.options = options, .error = error};
    const char *name = options ? options->name : NULL;
    im.external.directory = options ? options->directory : NULL;
    tn_status status =
        tn_wire_parse(&tn_onnx__model_proto__descriptor, bytes, n_bytes, &message, error);
    im.model = (const TnOnnx__ModelProto *)message;
    if (status == TN_OK) status = prepare(&im);
    if (status == TN_OK) status = build(&im);
    if (status == TN_OK) status = build_model(&im, name, model);
    tn_graph_free(im.graph);
    tn_external_close(&im.external);
    free(im.names.items);
    free(im.order);
    free(im.has_name);
    free((void *)im.examples);
    free(im.fixed);
    tn_wire_free(message);
    if (status == TN_OK || !name) return status;
    return tn_fail_within(error, status, "%s", name);
}
