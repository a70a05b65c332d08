/* SPDX-License-Identifier: Apache-2.0 */
/* replace_head.c: other classes for a trained model: the layer that makes its scores, made anew. */
#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "graph/model.h"
#include "ops/ops.h"

/* The layer, and the axes of its weight: how many outputs, and what is not summed over. */
typedef struct head {
    tn_graph *graph;
    tn_value *weight, *bias; /* bias may be NULL */
    int axis;                /* of the weight that counts the outputs */
} head;

static bool is_stored(const tn_value *v) { return v && v->kind != TN_VALUE_COMPUTED; }

/* Whatever has but one computed input leads on to what that is made from. */
static tn_node *node_before(const tn_node *node) {
    tn_node *before = NULL;
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *v = node->inputs[i];
        if (!v) continue;
        if (before || v->kind != TN_VALUE_COMPUTED) return NULL;
        before = v->producer;
    }
    return before;
}

/* Sets *h to the layer that node is, if it is one; an Add of a product counts as that product. */
static bool take_layer(const tn_node *node, head *h) {
    h->bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
    if (node->op == &tn_op_add) {
        bool second = is_stored(node->inputs[1]);
        const tn_value *product = node->inputs[second ? 0 : 1];
        h->bias = node->inputs[second ? 1 : 0];
        if (!is_stored(h->bias) || is_stored(product)) return false;
        node = product->producer;
        if (node->op != &tn_op_mat_mul) return false;
    }
    h->weight = node->n_inputs > 1 ? node->inputs[1] : NULL;
    if (node->op == &tn_op_gemm)
        h->axis = ((const tn_gemm_attrs *)node->attrs)->trans_b ? 0 : 1;
    else if (node->op == &tn_op_mat_mul)
        h->axis = h->weight->shape.rank - 1;
    else if (node->op == &tn_op_conv && ((const tn_conv_attrs *)node->attrs)->group == 1)
        h->axis = 0;
    else
        return false;
    return h->weight->shape.rank >= 2;
}

static int count_uses(const tn_graph *graph, const tn_value *v) {
    int n = 0;
    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i]->n_inputs; k++) n += graph->nodes[i]->inputs[k] == v;
    return n;
}

/* A layer's own parameter, and not a number that the file computes or shares. */
static tn_status check_own(const head *h, const tn_value *v, tn_error *error) {
    if (v && (v->kind != TN_VALUE_PARAMETER || count_uses(h->graph, v) > 1))
        return tn_fail(
            error, TN_ERR_UNSUPPORTED, "\"%s\" of the layer that makes the scores is %s", v->name,
            v->kind == TN_VALUE_PARAMETER ? "used by other layers, too" : "no trainable parameter");
    return TN_OK;
}

/* A file may say how many scores there are once more, where it only gives them another shape. */
static void adapt(tn_node *node, int64_t before, int64_t n_classes) {
    if (node->op != &tn_op_reshape) return;
    tn_ints *shape = &((tn_reshape_attrs *)node->attrs)->shape;
    for (int i = 1; i < shape->n; i++)
        if (shape->v[i] == before) shape->v[i] = n_classes;
}

/* Walks from the scores back to the layer. */
static tn_status find_head(tn_graph *graph, int64_t n_classes, head *h, tn_error *error) {
    const tn_value *scores = graph->outputs[0];
    tn_node *node = scores->producer;
    while (node && !take_layer(node, h)) {
        tn_node *before = node_before(node);
        if (!before)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "the scores come from node \"%s\" (%s), not from a fully connected "
                           "layer or a convolution",
                           node->name, node->op->name);
        adapt(node, scores->shape.dims[1], n_classes);
        node = before;
    }
    if (!node) return tn_fail(error, TN_ERR_UNSUPPORTED, "nothing computes its scores");
    if (h->weight->shape.dims[h->axis] != scores->shape.dims[1])
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "node \"%s\" (%s) does not make one number for each class", node->name,
                       node->op->name);
    TN_TRY(check_own(h, h->weight, error));
    return check_own(h, h->bias, error);
}

/* New numbers within ±size for v, whose `axis` becomes n. */
static tn_status renew(tn_graph *graph, tn_value *v, int axis, int64_t n, double size,
                       tn_random random, tn_error *error) {
    v->shape.dims[axis] = n;
    int64_t elements = tn_shape_elements(&v->shape);
    float *data = tn_arena_alloc(&graph->arena, (size_t)elements * sizeof *data);
    if (!data) return tn_fail_memory(error);
    for (int64_t i = 0; i < elements; i++)
        data[i] = (float)((2 * tn_random_uniform(&random) - 1) * size);
    v->data = data;
    return TN_OK;
}

/* Within 1/sqrt(fan-in), as PyTorch begins a layer. */
static tn_status renew_head(const head *h, int64_t n_classes, uint64_t seed, tn_error *error) {
    int64_t before = h->weight->shape.dims[h->axis];
    double size = 1 / sqrt((double)(tn_shape_elements(&h->weight->shape) / before));
    TN_TRY(renew(h->graph, h->weight, h->axis, n_classes, size,
                 tn_random_begin(seed, TN_PURPOSE_WEIGHTS, 0), error));
    int last = h->bias ? h->bias->shape.rank - 1 : -1;
    if (last < 0 || h->bias->shape.dims[last] != before) return TN_OK;
    return renew(h->graph, h->bias, last, n_classes, size,
                 tn_random_begin(seed, TN_PURPOSE_WEIGHTS, 1), error);
}

static tn_status replace(tn_graph *graph, const tn_head_options *o, tn_error *error) {
    head h = {.graph = graph};
    TN_TRY(find_head(graph, o->n_classes, &h, error));
    TN_TRY(renew_head(&h, o->n_classes, o->seed, error));
    TN_TRY(tn_graph_set_batch(graph, 1, error));
    const tn_shape *scores = &graph->outputs[0]->shape;
    char text[TN_SHAPE_TEXT];
    if (scores->rank == 2 && scores->dims[1] == o->n_classes) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED, "with %d classes its output would have shape %s",
                   o->n_classes, tn_shape_text(scores, text));
}

tn_status tn_model_replace_head(const tn_model *model, const tn_head_options *options,
                                tn_model **replaced, tn_error *error) {
    tn_head_options o = TN_INIT(tn_head_options);
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.n_classes < 1 || o.n_classes > TN_MAX_CLASSES)
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot replace the head of %s: %d classes (1 to %d)", model->name,
                       o.n_classes, TN_MAX_CLASSES);
    if (model->n_classes == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot replace the head of %s: its first output is not one score per class",
                       model->name);
    tn_graph *graph;
    TN_TRY(tn_graph_clone(model->graph, &graph, error));
    tn_status status = replace(graph, &o, error);
    if (status != TN_OK) {
        tn_graph_free(graph);
        return tn_fail_within(error, status, "cannot replace the head of %s", model->name);
    }
    TN_TRY(tn_model_create(graph, model->name, o.n_classes, o.class_names, model->opset, replaced,
                           error));
    tn_model_inherit(*replaced, model);
    return TN_OK;
}
