/* SPDX-License-Identifier: Apache-2.0 */
#include "train/training_graph.h"

#include <stdlib.h>

#include "ops/ops.h"

typedef struct copying {
    const tn_graph *from;
    tn_graph *to;
    tn_value **map; /* by id in `from` */
} copying;

static tn_status copy_value(copying *c, const tn_value *v, tn_error *error) {
    return tn_graph_add_value(c->to, v->kind, v->name, v->dtype, &v->shape, v->data, &c->map[v->id],
                              error);
}

static tn_status copy_data(copying *c, tn_error *error) {
    for (int i = 0; i < c->from->n_parameters; i++)
        TN_TRY(copy_value(c, c->from->parameters[i], error));
    for (int i = 0; i < c->from->n_values; i++)
        if (c->from->values[i]->kind == TN_VALUE_CONSTANT)
            TN_TRY(copy_value(c, c->from->values[i], error));
    return TN_OK;
}

static tn_status copy_nodes(copying *c, tn_error *error) {
    for (int i = 0; i < c->from->n_nodes; i++) {
        const tn_node *node = c->from->nodes[i];
        tn_value *inputs[TN_MAX_INPUTS] = {0};
        for (int k = 0; k < node->n_inputs; k++)
            if (node->inputs[k]) inputs[k] = c->map[node->inputs[k]->id];
        tn_node *copy;
        TN_TRY(tn_graph_add_node(c->to, node->op, node->name, node->attrs, inputs, node->n_inputs,
                                 &copy, error));
        for (int k = 0; k < node->n_outputs; k++) c->map[node->outputs[k]->id] = copy->outputs[k];
    }
    return TN_OK;
}

static tn_status add_pixels(const tn_model *model, tn_graph *graph, tn_value **image,
                            tn_error *error) {
    const tn_shape shape = {
        .rank = 4, .dims = {1, model->height, model->width, model->channels}, .batched = true};
    tn_value *pixels;
    TN_TRY(tn_graph_add_value(graph, TN_VALUE_INPUT, "pixels", TN_UINT8, &shape, NULL, &pixels,
                              error));
    return tn_graph_apply(graph, &tn_op_load_pixels, NULL, &pixels, 1, image, error);
}

static tn_status add_loss(tn_graph *graph, tn_value *scores, double label_smoothing,
                          tn_value **loss, tn_error *error) {
    const tn_shape shape = {.rank = 1, .dims = {1}, .batched = true};
    const tn_softmax_cross_entropy_attrs attrs = {.label_smoothing = label_smoothing};
    tn_value *labels;
    TN_TRY(tn_graph_add_value(graph, TN_VALUE_INPUT, "labels", TN_INT32, &shape, NULL, &labels,
                              error));
    TN_TRY(tn_graph_apply(graph, &tn_op_softmax_cross_entropy, &attrs,
                          (tn_value *[]){scores, labels}, 2, loss, error));
    TN_TRY(tn_graph_mark_output(graph, *loss, error));
    return tn_graph_mark_output(graph, scores, error);
}

static tn_status add_gradients(tn_graph *graph, tn_value *loss, tn_value **gradients,
                               tn_error *error) {
    tn_value *loss_gradient;
    TN_TRY(tn_graph_add_value(graph, TN_VALUE_INPUT, "loss_gradient", TN_FLOAT32, &loss->shape,
                              NULL, &loss_gradient, error));
    tn_value **all = calloc((size_t)graph->n_values, sizeof(tn_value *));
    if (!all) return tn_fail_memory(error);
    tn_status status = tn_graph_differentiate(graph, loss, loss_gradient, NULL, 0, all, error);
    if (status == TN_OK)
        for (int i = 0; i < graph->n_parameters; i++) gradients[i] = all[graph->parameters[i]->id];
    free(all);
    return status;
}

static tn_status build(copying *c, const tn_model *model, double label_smoothing,
                       tn_value **gradients, tn_error *error) {
    tn_value *loss;
    TN_TRY(copy_data(c, error));
    TN_TRY(add_pixels(model, c->to, &c->map[c->from->inputs[0]->id], error));
    TN_TRY(copy_nodes(c, error));
    TN_TRY(add_loss(c->to, c->map[c->from->outputs[0]->id], label_smoothing, &loss, error));
    return gradients ? add_gradients(c->to, loss, gradients, error) : TN_OK;
}

tn_status tn_training_graph_build(const tn_model *model, double label_smoothing,
                                  tn_value **gradients, tn_graph **graph, tn_error *error) {
    copying c = {.from = model->graph};
    TN_TRY(tn_graph_create(&c.to, error));
    c.map = calloc((size_t)c.from->n_values + 1, sizeof *c.map);
    tn_status status =
        c.map ? build(&c, model, label_smoothing, gradients, error) : tn_fail_memory(error);
    free(c.map);
    if (status != TN_OK) {
        tn_graph_free(c.to);
        return tn_fail_within(error, status, "cannot train %s", model->name);
    }
    *graph = c.to;
    return TN_OK;
}
