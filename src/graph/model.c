/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

tn_recipe tn_recipe_general(void) {
    return (tn_recipe){.epochs = 10,
                       .batch_size = 64,
                       .optimizer = TN_OPTIMIZER_ADAM,
                       .schedule = TN_SCHEDULE_ONE_CYCLE,
                       .lr = 1e-3,
                       .n_shards = 16};
}

/* Whether the graph takes images [n][c][h][w] with few enough channels to be pixels, and gives
 * scores [n][classes]. */
static void find_out(tn_model *model) {
    const tn_graph *graph = model->graph;
    const tn_shape *x = graph->n_inputs > 0 ? &graph->inputs[0]->shape : NULL;
    const tn_shape *y = graph->n_outputs > 0 ? &graph->outputs[0]->shape : NULL;
    if (x && x->rank == 4 && graph->inputs[0]->dtype == TN_FLOAT32 && x->dims[1] <= 4) {
        model->channels = x->dims[1];
        model->height = x->dims[2];
        model->width = x->dims[3];
    }
    if (y && y->rank == 2 && y->batched && y->dims[1] <= TN_MAX_CLASSES)
        model->n_classes = (int)y->dims[1];
}

/* Class names as given if they are as many as the scores, else numbers. */
static tn_status name_classes(tn_model *model, int n, const char *const *names, tn_error *error) {
    tn_arena *arena = &model->graph->arena;
    if (model->n_classes == 0) return TN_OK;
    model->class_names = tn_arena_alloc(arena, (size_t)model->n_classes * sizeof(char *));
    if (!model->class_names) return tn_fail_memory(error);
    for (int i = 0; i < model->n_classes; i++) {
        model->class_names[i] = names && n == model->n_classes ? tn_arena_strdup(arena, names[i])
                                                               : tn_arena_printf(arena, "%d", i);
        if (!model->class_names[i]) return tn_fail_memory(error);
    }
    return TN_OK;
}

tn_status tn_model_create(tn_graph *graph, const char *name, int n_classes,
                          const char *const *class_names, int opset, tn_model **model,
                          tn_error *error) {
    tn_model *m = calloc(1, sizeof *m);
    if (!m) {
        tn_graph_free(graph);
        return tn_fail_memory(error);
    }
    m->graph = graph;
    m->opset = opset;
    m->recipe = tn_recipe_general();
    m->name = tn_arena_strdup(&graph->arena, name ? name : "model");
    find_out(m);
    tn_status status =
        m->name ? name_classes(m, n_classes, class_names, error) : tn_fail_memory(error);
    if (status != TN_OK) {
        tn_model_free(m);
        return status;
    }
    *model = m;
    return TN_OK;
}

void tn_model_free(tn_model *model) {
    if (!model) return;
    tn_graph_free(model->graph);
    free(model);
}

void tn_model_weights_sha256(const tn_model *model, char hex[65]) {
    tn_sha256 sha;
    tn_sha256_begin(&sha);
    for (int i = 0; i < model->graph->n_parameters; i++) {
        const tn_value *p = model->graph->parameters[i];
        tn_sha256_add(&sha, p->data, (size_t)tn_shape_elements(&p->shape) * sizeof(float));
    }
    tn_sha256_end(&sha, hex);
}
