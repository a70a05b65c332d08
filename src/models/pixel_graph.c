/* SPDX-License-Identifier: Apache-2.0 */
#include "models/pixel_graph.h"

#include <stdlib.h>

#include "ops/ops.h"

typedef struct copying {
    const tn_graph *from;
    tn_graph *to;
    tn_value **map;     /* by id in `from` */
    int n_groups;       /* of samples that share statistics; 0 if not for training */
    const bool *frozen; /* by parameter; NULL for none */
} copying;

static tn_status copy_data(copying *c, tn_error *error) {
    for (int i = 0; i < c->from->n_values; i++) {
        const tn_value *v = c->from->values[i];
        if (v->kind == TN_VALUE_PARAMETER || v->kind == TN_VALUE_CONSTANT) {
            TN_TRY(tn_graph_add_value(c->to, v->kind, v->name, v->dtype, &v->shape, NULL,
                                      &c->map[v->id], error));
            c->map[v->id]->data = v->data;
            c->map[v->id]->statistic = v->statistic;
        }
    }
    for (int i = 0; c->frozen && i < c->to->n_parameters; i++)
        c->to->parameters[i]->frozen = c->frozen[i];
    return TN_OK;
}

static tn_status apply_to(copying *c, const tn_op *op, const void *attrs, int rank,
                          const int64_t *dims, const float *numbers, tn_value **x,
                          tn_error *error) {
    tn_value *in[] = {*x, NULL};
    TN_TRY(tn_graph_add_constant(c->to, NULL, rank, dims, numbers, &in[1], error));
    return tn_graph_apply(c->to, op, attrs, in, 2, x, error);
}

/* Exact: each product but one is by 0. */
static tn_status reverse_channels(copying *c, tn_value **x, tn_error *error) {
    static const float swapped[9] = {0, 0, 1, 0, 1, 0, 1, 0, 0};
    tn_conv_attrs attrs;
    tn_attrs_init(&tn_op_conv, &attrs);
    return apply_to(c, &tn_op_conv, &attrs, 4, (const int64_t[]){3, 3, 1, 1}, swapped, x, error);
}

/* Pixels in 0..1 as the model wants them. */
static tn_status preprocess(copying *c, const tn_model *model, tn_value **x, tn_error *error) {
    const tn_preprocessing *p = &model->preprocessing;
    const int64_t dims[] = {1, model->channels, 1, 1};
    float scale[4], offset[4];
    if (tn_preprocessing_is_none(p)) return TN_OK;
    for (int k = 0; k < 4; k++) {
        scale[k] = (float)(p->scale / p->std[k]);
        offset[k] = (float)(-p->mean[k] / p->std[k]);
    }
    if (p->bgr) TN_TRY(reverse_channels(c, x, error));
    TN_TRY(apply_to(c, &tn_op_mul, NULL, 4, dims, scale, x, error));
    return apply_to(c, &tn_op_add, NULL, 4, dims, offset, x, error);
}

static tn_status add_pixels(copying *c, const tn_model *model, tn_error *error) {
    const tn_shape shape = {
        .rank = 4, .dims = {1, model->height, model->width, model->channels}, .batched = true};
    tn_value *pixels;
    TN_TRY(tn_graph_add_value(c->to, TN_VALUE_INPUT, "pixels", TN_UINT8, &shape, NULL, &pixels,
                              error));
    tn_value **x = &c->map[c->from->inputs[0]->id];
    TN_TRY(tn_graph_apply(c->to, &tn_op_load_pixels, NULL, &pixels, 1, x, error));
    return preprocess(c, model, x, error);
}

static tn_status copy_nodes(copying *c, tn_error *error) {
    for (int i = 0; i < c->from->n_nodes; i++) {
        const tn_node *node = c->from->nodes[i];
        tn_value *inputs[TN_MAX_INPUTS] = {0};
        for (int k = 0; k < node->n_inputs; k++)
            if (node->inputs[k]) inputs[k] = c->map[node->inputs[k]->id];
        tn_value *outputs[TN_MAX_OUTPUTS];
        tn_node *copy;
        if (c->n_groups > 0 && node->op->train) {
            TN_TRY(node->op->train(c->to, node, inputs, c->n_groups, outputs, error));
            for (int k = 0; k < node->n_outputs; k++) c->map[node->outputs[k]->id] = outputs[k];
            continue;
        }
        TN_TRY(tn_graph_add_node(c->to, node->op, node->name, node->attrs, inputs, node->n_inputs,
                                 &copy, error));
        for (int k = 0; k < node->n_outputs; k++) c->map[node->outputs[k]->id] = copy->outputs[k];
    }
    return TN_OK;
}

tn_status tn_pixel_graph_build(const tn_model *model, int n_groups, const bool *frozen,
                               tn_graph **graph, tn_value **scores, tn_error *error) {
    copying c = {.from = model->graph, .n_groups = n_groups, .frozen = frozen};
    if (model->channels > 0 && !c.from->inputs[0]->shape.batched)
        return tn_fail(
            error, TN_ERR_MISMATCH,
            "%s runs whole batches of %lld images only (try tenon run, or export it with a "
            "batch of any size)",
            model->name, (long long)c.from->inputs[0]->shape.dims[0]);
    if (model->channels == 0 || model->n_classes == 0 || c.from->n_inputs != 1)
        return tn_fail(error, TN_ERR_MISMATCH, "%s does not classify images", model->name);
    TN_TRY(tn_graph_create(&c.to, error));
    c.map = calloc((size_t)c.from->n_values + 1, sizeof *c.map);
    tn_status status = c.map ? copy_data(&c, error) : tn_fail_memory(error);
    if (status == TN_OK) status = add_pixels(&c, model, error);
    if (status == TN_OK) status = copy_nodes(&c, error);
    if (status == TN_OK) *scores = c.map[c.from->outputs[0]->id];
    free(c.map);
    if (status != TN_OK) {
        tn_graph_free(c.to);
        return status;
    }
    *graph = c.to;
    return TN_OK;
}
