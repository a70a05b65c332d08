/* SPDX-License-Identifier: Apache-2.0 */
/* fold_constants.c: nodes that compute from weights and constants alone are computed once. What
 * comes of weights can be trained on, as weights can. */
#include "graph/fold.h"
#include "passes/rewrite.h"

static bool is_from_weights(const tn_node *node) {
    for (int k = 0; k < node->n_inputs; k++)
        if (node->inputs[k] && node->inputs[k]->kind == TN_VALUE_PARAMETER) return true;
    return false;
}

/* A weight in the place of a constant; that stays without memory. */
static void make_weight(tn_rewrite *r, tn_value *v) {
    tn_value *weight;
    if (v->dtype != TN_FLOAT32 ||
        tn_graph_add_value(r->graph, TN_VALUE_PARAMETER, v->name, v->dtype, &v->shape, NULL,
                           &weight, NULL) != TN_OK)
        return;
    weight->data = v->data;
    tn_rewrite_replace(r, v, weight);
}

/* Whether the node computes one value, which no one outside knows by name, and nothing of it is
 * about a batch, whose size is not known here. */
static bool suits(const tn_rewrite *r, const tn_node *node) {
    for (int k = 0; k < node->n_inputs; k++)
        if (node->inputs[k] && node->inputs[k]->shape.batched) return false;
    return node->n_outputs == 1 && tn_rewrite_is_inside(r, node->outputs[0]) &&
           !node->outputs[0]->shape.batched;
}

void tn_pass_fold_constants(tn_rewrite *r) {
    int64_t budget = TN_FOLD_BUDGET;
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        tn_rewrite_settle(r, node);
        bool weights = is_from_weights(node);
        if (!suits(r, node) || !tn_fold_applies(node, true, &budget) ||
            tn_fold(r->graph, node, NULL) != TN_OK)
            continue;
        if (weights) make_weight(r, node->outputs[0]);
        tn_rewrite_remove(r, node);
    }
}
