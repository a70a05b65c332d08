/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/model.h"

#include <math.h>
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

static tn_preprocessing preprocessing_none(void) {
    return (tn_preprocessing){.size = sizeof(tn_preprocessing), .scale = 1, .std = {1, 1, 1, 1}};
}

bool tn_preprocessing_is_none(const tn_preprocessing *p) {
    bool none = p->scale == 1 && !p->bgr;
    for (int k = 0; k < 4; k++) none &= p->mean[k] == 0 && p->std[k] == 1;
    return none;
}

void tn_model_inherit(tn_model *model, const tn_model *from) {
    model->recipe = from->recipe;
    model->preprocessing = from->preprocessing;
}

void tn_model_get_preprocessing(const tn_model *model, tn_preprocessing *p) {
    size_t size = p->size;
    memcpy(p, &model->preprocessing, size < sizeof *p ? size : sizeof *p);
    p->size = size;
}

static bool is_usable(const tn_preprocessing *p) {
    bool usable = (p->scale == 1 || p->scale == 255) && p->resize_shorter >= 0 &&
                  p->resize_shorter <= 1 << 14;
    for (int k = 0; k < 4; k++)
        usable &= isfinite(p->mean[k]) && isfinite(p->std[k]) && p->std[k] >= 1e-6 &&
                  p->std[k] <= 1e6 && fabs(p->mean[k]) <= 1e6;
    return usable;
}

tn_status tn_model_set_preprocessing(tn_model *model, const tn_preprocessing *preprocessing,
                                     tn_error *error) {
    tn_preprocessing p = {0};
    memcpy(&p, preprocessing, preprocessing->size < sizeof p ? preprocessing->size : sizeof p);
    p.size = sizeof p;
    if (p.scale == 0) p.scale = 1;
    for (int k = 0; k < 4; k++)
        if (p.std[k] == 0) p.std[k] = 1;
    if (!is_usable(&p))
        return tn_fail(
            error, TN_ERR_ARGUMENT,
            "cannot prepare pixels like that: scale must be 1 or 255, std above 0, all numbers "
            "finite, the shorter side at most 16384");
    if (model->channels == 0)
        return tn_fail(error, TN_ERR_MISMATCH, "%s does not take images", model->name);
    if (p.bgr && model->channels != 3)
        return tn_fail(error, TN_ERR_MISMATCH,
                       "the channels of %s cannot be blue, green and red: there are %lld",
                       model->name, (long long)model->channels);
    if (p.resize_shorter > 0 &&
        (p.resize_shorter < model->height || p.resize_shorter < model->width))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "%s takes images of %lldx%lld, which cannot be cut out of pictures whose "
                       "shorter side is %lld",
                       model->name, (long long)model->height, (long long)model->width,
                       (long long)p.resize_shorter);
    model->preprocessing = p;
    return TN_OK;
}

tn_status tn_model_name_classes(tn_model *model, int n, const char *const *names, tn_error *error) {
    if (n != model->n_classes || n == 0)
        return tn_fail(error, TN_ERR_MISMATCH, "%d names for the %d classes of %s", n,
                       model->n_classes, model->name);
    return name_classes(model, n, names, error);
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
    m->preprocessing = preprocessing_none();
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
