/* SPDX-License-Identifier: Apache-2.0 */
#include "train/training_graph.h"

#include <stdlib.h>

#include "models/pixel_graph.h"
#include "ops/ops.h"

/* Each sample has one number of the input. */
static tn_status add_input(tn_graph *graph, const char *name, tn_dtype dtype, tn_value **input,
                           tn_error *error) {
    const tn_shape shape = {.rank = 1, .dims = {1}, .batched = true};
    return tn_graph_add_value(graph, TN_VALUE_INPUT, name, dtype, &shape, NULL, input, error);
}

/* The inputs in the order of their places. *loss_gradient stays as it is without gradients. */
static tn_status add_loss(tn_graph *graph, tn_value *scores, double label_smoothing, bool gradients,
                          bool mixup, tn_value **loss, tn_value **loss_gradient, tn_error *error) {
    const tn_softmax_cross_entropy_attrs attrs = {.label_smoothing = label_smoothing};
    tn_value *in[4] = {scores};
    TN_TRY(add_input(graph, "labels", TN_INT32, &in[1], error));
    if (gradients) TN_TRY(add_input(graph, "loss_gradient", TN_FLOAT32, loss_gradient, error));
    if (mixup) {
        TN_TRY(add_input(graph, "labels2", TN_INT32, &in[2], error));
        TN_TRY(add_input(graph, "weights2", TN_FLOAT32, &in[3], error));
    }
    TN_TRY(tn_graph_apply(graph, &tn_op_softmax_cross_entropy, &attrs, in, mixup ? 4 : 2, loss,
                          error));
    TN_TRY(tn_graph_mark_output(graph, *loss, error));
    return tn_graph_mark_output(graph, scores, error);
}

static tn_status add_gradients(tn_graph *graph, tn_value *loss, tn_value *loss_gradient,
                               tn_value **gradients, tn_error *error) {
    tn_value **all = calloc((size_t)graph->n_values, sizeof(tn_value *));
    if (!all) return tn_fail_memory(error);
    tn_status status = tn_graph_differentiate(graph, loss, loss_gradient, NULL, 0, all, error);
    if (status == TN_OK)
        for (int i = 0; i < graph->n_parameters; i++) gradients[i] = all[graph->parameters[i]->id];
    for (int u = 0; u < graph->n_updates && status == TN_OK; u++)
        for (int i = 0; i < graph->n_parameters; i++)
            if (graph->parameters[i] == graph->updates[u]->parameter)
                gradients[i] = graph->updates[u]->value;
    free(all);
    return status;
}

static tn_status append(const tn_model *model, const tn_training_graph_options *o, tn_graph *graph,
                        tn_value *scores, tn_value **gradients, tn_error *error) {
    tn_value *loss, *loss_gradient = NULL;
    TN_TRY(add_loss(graph, scores, o->label_smoothing, gradients != NULL, o->mixup, &loss,
                    &loss_gradient, error));
    if (!gradients) return TN_OK;
    tn_status status = add_gradients(graph, loss, loss_gradient, gradients, error);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot train %s", model->name);
}

tn_status tn_training_graph_build(const tn_model *model, const tn_training_graph_options *options,
                                  tn_value **gradients, tn_graph **graph, tn_error *error) {
    tn_graph *g;
    tn_value *scores;
    TN_TRY(tn_pixel_graph_build(model, gradients ? options->n_groups : 0, options->frozen, &g,
                                &scores, error));
    tn_status status = append(model, options, g, scores, gradients, error);
    if (status != TN_OK) {
        tn_graph_free(g);
        return status;
    }
    *graph = g;
    return TN_OK;
}
