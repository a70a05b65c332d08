/* SPDX-License-Identifier: Apache-2.0 */
/* import_nodes.c: the nodes of a file's graph, each brought to its canonical form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/fold.h"
#include "onnx/attributes.h"
#include "onnx/importer.h"
#include "onnx/operand.h"
#include "ops/ops.h"

/* ---- Appending ------------------------------------------------------------------------------ */

/* Constants that say how large the batch is serve as attributes only, where import_operand knows
 * what it means: a node that computes with them would mix samples. */
static tn_status refuse_batch(const tn_node *node, tn_error *error) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->probe)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "its input \"%s\" depends on the size of the batch",
                           node->inputs[i]->name);
    return TN_OK;
}

tn_status tn_import_append(tn_importer *im, const tn_op *op, const char *name, const void *attrs,
                           tn_value *const *inputs, int n_inputs, tn_node **node) {
    tn_node *added;
    TN_TRY(tn_graph_add_node(im->graph, op, name, attrs, inputs, n_inputs, &added, im->error));
    *node = added;
    if (!tn_fold_applies(added, false, &im->fold_budget)) return refuse_batch(added, im->error);
    im->graph->n_nodes--;
    return tn_fold(im->graph, added, im->error);
}

/* ---- Inputs that are attributes ------------------------------------------------------------- */

/* Marks in `wanted` [n_values] the values that one depends on. */
static void mark_sources(const tn_graph *graph, const tn_value *value, bool *wanted) {
    wanted[value->id] = true;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const tn_node *node = graph->nodes[i];
        bool used = false;
        for (int k = 0; k < node->n_outputs; k++) used |= wanted[node->outputs[k]->id];
        for (int k = 0; k < node->n_inputs && used; k++)
            if (node->inputs[k]) wanted[node->inputs[k]->id] = true;
    }
}

/* Fixes the inputs that are wanted if the values of all are known; *source names one of them. */
static bool fix_sources(tn_importer *im, const bool *wanted, const char **source) {
    bool known = true;
    for (int pass = 0; pass < 2 && known; pass++)
        for (size_t i = 0; i < im->file->n_input; i++) {
            const tn_name *name = tn_names_find(&im->names, im->file->input[i]->name);
            if (name->kind != TN_NAME_INPUT || !wanted[name->value->id]) continue;
            *source = name->name;
            known &= im->examples[i] && im->examples[i]->data;
            if (pass == 1) im->fixed[i] = true;
        }
    return known && *source;
}

/* Fails; but if the value follows from inputs whose values were given, the next attempt at building
 * the graph will have it as a constant. */
static tn_status want_constant(tn_importer *im, const tn_value *value) {
    const char *source = NULL;
    bool *wanted = calloc((size_t)im->graph->n_values + 1, sizeof *wanted);
    if (!wanted) return tn_fail_memory(im->error);
    mark_sources(im->graph, value, wanted);
    im->again = fix_sources(im, wanted, &source);
    free(wanted);
    if (!source)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "input \"%s\" must be a constant",
                       value->name);
    return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                   "input \"%s\" must be a constant, but depends on the model's input \"%s\" (give "
                   "that a value while loading)",
                   value->name, source);
}

/* An input that is an attribute in canonical form; attr is NULL if it is dropped. */
static tn_status import_operand(tn_importer *im, const TnOnnx__NodeProto *node, const char *input,
                                const tn_upgrade *upgrade, const tn_attr *attr, void *attrs) {
    const tn_value *value = tn_names_find(&im->names, input)->value;
    const tn_name *first = tn_names_find(&im->names, node->input[0]);
    if (!attr) return TN_OK;
    if (value->kind != TN_VALUE_CONSTANT && value->kind != TN_VALUE_PARAMETER)
        return want_constant(im, value);
    bool batch = upgrade->batch_attr && strcmp(upgrade->batch_attr, attr->name) == 0 && first &&
                 first->value->shape.batched;
    return tn_operand_set(value, batch, attr, attrs, im->error);
}

static tn_status import_operands(tn_importer *im, const TnOnnx__NodeProto *node, const tn_op *op,
                                 const tn_upgrade *upgrade, void *attrs) {
    size_t n_values = tn_upgrade_value_inputs(upgrade, node->n_input), known = n_values;
    for (int k = 0; upgrade && k < TN_UPGRADE_NAMES && upgrade->input_attrs[k]; k++) {
        size_t i = (size_t)upgrade->n_inputs + (size_t)k;
        const tn_attr *attr = tn_attr_find(op, upgrade->input_attrs[k]);
        known = i + 1;
        bool given = i < node->n_input && *node->input[i];
        if (given && !attr && *upgrade->input_attrs[k])
            return tn_fail(im->error, TN_ERR_UNSUPPORTED, "input %zu (%s) is not supported", i,
                           upgrade->input_attrs[k]);
        if (given)
            TN_TRY(import_operand(im, node, node->input[i], upgrade, attr, attrs));
        else if (attr && attr->required)
            return tn_fail(im->error, TN_ERR_FORMAT, "input %zu (%s) is missing", i, attr->name);
    }
    if (node->n_input > n_values && node->n_input > known)
        return tn_fail(im->error, TN_ERR_FORMAT, "%zu inputs", node->n_input);
    return TN_OK;
}

/* Inputs that must be stored, but are the model's, may have known values. */
static tn_status store_inputs(tn_importer *im, const tn_op *op, tn_value *const *inputs,
                              int n_inputs) {
    for (int i = 0; i < n_inputs; i++)
        if (op->stored >> i & 1 && inputs[i] && inputs[i]->kind != TN_VALUE_CONSTANT &&
            inputs[i]->kind != TN_VALUE_PARAMETER)
            TN_TRY(want_constant(im, inputs[i]));
    return TN_OK;
}

/* ---- Inputs and outputs --------------------------------------------------------------------- */

static tn_status find_inputs(tn_importer *im, const TnOnnx__NodeProto *node, size_t n_given,
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

/* How many outputs are asked for: what lies behind the last that is used is not. */
static int wanted_outputs(const tn_importer *im, const TnOnnx__NodeProto *node) {
    int n = 0;
    for (size_t i = 0; i < node->n_output && i < TN_MAX_OUTPUTS; i++) {
        const tn_name *name = *node->output[i] ? tn_names_find(&im->names, node->output[i]) : NULL;
        if (name && (name->used || name->is_output)) n = (int)i + 1;
    }
    return n;
}

/* Outputs that the operator has not are an error only if something uses them. */
static tn_status name_outputs(tn_importer *im, const TnOnnx__NodeProto *from,
                              tn_value *const *outputs, int n_outputs) {
    for (size_t i = 0; i < from->n_output; i++) {
        tn_name *name = *from->output[i] ? tn_names_find(&im->names, from->output[i]) : NULL;
        if (!name) continue;
        if (i < (size_t)n_outputs) {
            name->value = outputs[i];
            TN_TRY(tn_graph_rename_value(im->graph, outputs[i], name->name, im->error));
        } else if (name->used || name->is_output) {
            return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                           "its output %zu (\"%s\") is not supported", i, name->name);
        }
    }
    if (from->n_output == 0 || !*from->output[0])
        return tn_fail(im->error, TN_ERR_FORMAT, "it has no output");
    return TN_OK;
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

const tn_op *tn_import_find_op(const tn_importer *im, const TnOnnx__NodeProto *node,
                               const tn_upgrade **upgrade) {
    *upgrade = NULL;
    if (!tn_names_default_domain(node->domain) || !node->op_type) return NULL;
    *upgrade = tn_upgrade_find(node->op_type, im->opset);
    return tn_op_find_onnx(*upgrade && (*upgrade)->op_type ? (*upgrade)->op_type : node->op_type);
}

static tn_status add_node_with(tn_importer *im, size_t index, const tn_op *op,
                               const tn_upgrade *upgrade, void *attrs) {
    const TnOnnx__NodeProto *from = im->file->node[index];
    tn_value *inputs[TN_MAX_INPUTS];
    tn_upgrade_node n = {.importer = im, .file = from, .op = op, .attrs = attrs, .inputs = inputs};
    tn_node *node;
    char made_up[TN_NODE_NAME_TEXT];
    TN_TRY(tn_attrs_import(from, op, upgrade, attrs, im->error));
    TN_TRY(import_operands(im, from, op, upgrade, attrs));
    TN_TRY(find_inputs(im, from, tn_upgrade_value_inputs(upgrade, from->n_input), inputs,
                       &n.n_inputs));
    TN_TRY(store_inputs(im, op, inputs, n.n_inputs));
    n.n_outputs = wanted_outputs(im, from);
    if (upgrade && upgrade->import) TN_TRY(upgrade->import(&n, im->error));
    if (n.n_instead > 0) return name_outputs(im, from, n.instead, n.n_instead);
    snprintf(made_up, sizeof made_up, "%s_%zu", op->name, index);
    TN_TRY(tn_import_append(im, op, im->has_name[index] ? from->name : made_up, attrs, inputs,
                            n.n_inputs, &node));
    return name_outputs(im, from, node->outputs, node->n_outputs);
}

/* Whether a node copies a tensor of the file that is to be trained. */
static bool is_copy(const tn_importer *im, const TnOnnx__NodeProto *node) {
    if (strcmp(node->op_type, "Identity") != 0 || node->n_input != 1 || node->n_output != 1 ||
        !*node->input[0] || !*node->output[0])
        return false;
    return tn_names_find(&im->names, node->input[0])->value->kind == TN_VALUE_PARAMETER &&
           !tn_names_find(&im->names, node->output[0])->is_output;
}

static tn_status add_node(tn_importer *im, size_t index) {
    const TnOnnx__NodeProto *node = im->file->node[index];
    const tn_upgrade *upgrade;
    if (tn_names_is_constant_node(node)) return tn_import_constant_node(im, node);
    if (is_copy(im, node)) return tn_import_copy(im, node);
    const tn_op *op = tn_import_find_op(im, node, &upgrade);
    void *attrs = calloc(1, op->attrs_bytes + 1);
    if (!attrs) return tn_fail_memory(im->error);
    tn_status status = add_node_with(im, index, op, upgrade, attrs);
    free(attrs);
    return status;
}

tn_status tn_import_nodes(tn_importer *im) {
    char label[TN_NODE_LABEL_TEXT];
    for (size_t i = 0; i < im->file->n_node; i++) {
        tn_status status = add_node(im, im->order[i]);
        if (status != TN_OK)
            return tn_fail_within(im->error, status, "%s",
                                  tn_names_node_label(im->file, im->order[i], label));
    }
    return TN_OK;
}
