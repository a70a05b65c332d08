/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/plan.h"

/* ---- What is folded ------------------------------------------------------------------------- */

static bool has_data(const tn_value *v, bool parameters) {
    return v->kind == TN_VALUE_CONSTANT || (parameters && v->kind == TN_VALUE_PARAMETER);
}

static bool take(int64_t amount, int64_t *budget) {
    if (amount > *budget) return false;
    *budget -= amount;
    return true;
}

bool tn_fold_applies(const tn_node *node, bool parameters, int64_t *budget) {
    int64_t left = *budget;
    bool from_shapes = node->op->value_of_shape != NULL;
    for (int i = 0; i < node->n_inputs && !from_shapes; i++) {
        const tn_value *x = node->inputs[i];
        if (x && (!has_data(x, parameters) || !take(tn_shape_elements(&x->shape), &left)))
            return false;
    }
    for (int i = 0; i < node->n_outputs; i++)
        if (!take(1 + tn_shape_elements(&node->outputs[i]->shape), &left)) return false;
    if (!from_shapes && node->op->macs && !take(node->op->macs(node), &left)) return false;
    *budget = left;
    return true;
}

/* ---- Computing ------------------------------------------------------------------------------ */

/* A graph of nothing but the node, its inputs constants: their data, or what the probe makes it. */
static tn_status isolate(const tn_node *node, bool probe, tn_graph *alone, tn_error *error) {
    tn_value *inputs[TN_MAX_INPUTS] = {NULL};
    tn_node *copy;
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *x = node->inputs[i];
        if (!x) continue;
        TN_TRY(tn_graph_add_value(alone, TN_VALUE_CONSTANT, x->name, x->dtype, &x->shape, NULL,
                                  &inputs[i], error));
        inputs[i]->data = probe && x->probe ? x->probe : x->data;
    }
    TN_TRY(tn_graph_add_node(alone, node->op, node->name, node->attrs, inputs, node->n_inputs,
                             &copy, error));
    for (int i = 0; i < node->n_outputs; i++) {
        if (i >= copy->n_outputs ||
            !tn_shape_equal(&copy->outputs[i]->shape, &node->outputs[i]->shape))
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "the shape of its output depends on the size of the batch");
        TN_TRY(tn_graph_mark_output(alone, copy->outputs[i], error));
    }
    return TN_OK;
}

/* data [n_outputs] as while executing. */
static tn_status run(tn_graph *alone, void *const *data, tn_error *error) {
    tn_kernels kernels;
    tn_plan *plan = NULL;
    tn_execution *execution = NULL;
    const tn_plan_options options = {
        .max_batch = 1, .n_shards = 1, .n_threads = 1, .kernels = &kernels};
    const tn_bindings bindings = {.outputs = data, .parameters_changed = true};
    const tn_step step = {.batch = 1};
    tn_kernels_init(&kernels, "ref", 0);
    tn_status status = tn_plan_build(alone, NULL, &options, &plan, error);
    if (status == TN_OK) status = tn_execution_create(plan, NULL, &execution, error);
    if (status == TN_OK) tn_execution_run(execution, &bindings, &step);
    tn_execution_free(execution);
    tn_plan_free(plan);
    return status;
}

/* Memory of the graph for the outputs, in elements as while executing, and what data is stored as:
 * the same but in the build in double precision. */
static tn_status allocate(tn_graph *graph, const tn_node *node, void **data, tn_error *error) {
    for (int i = 0; i < node->n_outputs; i++) {
        const tn_value *y = node->outputs[i];
        size_t bytes = (size_t)tn_shape_elements(&y->shape) * tn_dtype_bytes(y->dtype);
        data[i] = tn_arena_alloc(&graph->arena, bytes + 1);
        if (!data[i]) return tn_fail_memory(error);
    }
    return TN_OK;
}

static void narrow(const tn_node *node, void *const *data) {
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]->dtype != TN_FLOAT32 || sizeof(real) == sizeof(float)) continue;
        int64_t n = tn_shape_elements(&node->outputs[i]->shape);
        for (int64_t k = 0; k < n; k++) ((float *)data[i])[k] = (float)((const real *)data[i])[k];
    }
}

static tn_status compute(const tn_node *node, bool probe, void *const *data, tn_error *error) {
    tn_graph *alone;
    TN_TRY(tn_graph_create(&alone, error));
    tn_status status = isolate(node, probe, alone, error);
    if (status == TN_OK) status = run(alone, data, error);
    if (status == TN_OK) narrow(node, data);
    tn_graph_free(alone);
    return status;
}

/* ---- Constants ------------------------------------------------------------------------------ */

static bool has_probe(const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *x = node->inputs[i];
        if (x && (x->probe || (node->op->value_of_shape && x->shape.batched))) return true;
    }
    return false;
}

/* What the outputs hold if the batch is of the size of the probe. */
static tn_status compute_probe(const tn_node *node, void *const *data, tn_error *error) {
    int64_t batch[TN_MAX_INPUTS];
    if (!node->op->value_of_shape) return compute(node, true, data, error);
    for (int i = 0; i < node->n_inputs; i++) {
        tn_shape *x = node->inputs[i] ? &node->inputs[i]->shape : NULL;
        if (!x || !x->batched) continue;
        batch[i] = x->dims[0];
        x->dims[0] = TN_PROBE_BATCH;
    }
    node->op->value_of_shape(node, data);
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->shape.batched)
            node->inputs[i]->shape.dims[0] = batch[i];
    return TN_OK;
}

tn_status tn_fold(tn_graph *graph, tn_node *node, tn_error *error) {
    void *data[TN_MAX_OUTPUTS] = {NULL}, *probe[TN_MAX_OUTPUTS] = {NULL};
    bool probed = has_probe(node);
    TN_TRY(allocate(graph, node, data, error));
    if (probed) {
        TN_TRY(allocate(graph, node, probe, error));
        TN_TRY(compute_probe(node, probe, error));
    }
    if (node->op->value_of_shape)
        node->op->value_of_shape(node, data);
    else
        TN_TRY(compute(node, false, data, error));
    for (int i = 0; i < node->n_outputs; i++) {
        tn_value *y = node->outputs[i];
        size_t bytes = (size_t)tn_shape_elements(&y->shape) * tn_dtype_file_bytes(y->dtype);
        y->kind = TN_VALUE_CONSTANT;
        y->producer = NULL;
        y->data = data[i];
        if (probed && memcmp(data[i], probe[i], bytes) != 0) y->probe = probe[i];
    }
    return TN_OK;
}
