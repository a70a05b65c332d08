/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_end.c: an activation, and for inference the addition of a shortcut before it, become the end
 * of the sums of the product whose output they take. */
#include <math.h>

#include "ops/ops.h"
#include "passes/rewrite.h"

/* Whether node is one of the activations that sums may end with, and which. */
static bool activation_of(const tn_node *node, tn_activation *a) {
    *a = (tn_activation){TN_ACTIVATION_NONE, 0, (real)INFINITY};
    if (node->op == &tn_op_relu) {
        a->kind = TN_ACTIVATION_CLIP;
    } else if (node->op == &tn_op_clip) {
        const tn_clip_attrs *clip = node->attrs;
        *a = (tn_activation){TN_ACTIVATION_CLIP, (real)clip->min, (real)clip->max};
    } else if (node->op == &tn_op_leaky_relu) {
        a->kind = TN_ACTIVATION_LEAKY_RELU;
        a->low = (real)((const tn_alpha_attrs *)node->attrs)->alpha;
    } else if (node->op == &tn_op_hard_swish) {
        a->kind = TN_ACTIVATION_HARD_SWISH;
    } else if (node->op == &tn_op_sigmoid) {
        a->kind = TN_ACTIVATION_SIGMOID;
    } else if (node->op == &tn_op_silu) {
        a->kind = TN_ACTIVATION_SILU;
    }
    return a->kind != TN_ACTIVATION_NONE;
}

/* A product whose output is used only once, and by nothing that has become part of it. */
static tn_node *product_of(const tn_rewrite *r, const tn_value *v) {
    tn_node *product = v->producer;
    bool fits = product && product->op->ends && product->outputs[0] == v &&
                product->activation.kind == TN_ACTIVATION_NONE && tn_rewrite_used(r, v, 1);
    return fits ? product : NULL;
}

static void end_with_activation(tn_rewrite *r, tn_node *node) {
    tn_activation a;
    if (!activation_of(node, &a)) return;
    tn_node *product = product_of(r, node->inputs[0]);
    if (!product) return;
    product->activation = a;
    tn_rewrite_set_output(product, node->outputs[0]);
    tn_rewrite_remove(r, node);
}

/* Of two products the one that is computed later is chosen: the other is there when it ends. */
static tn_node *summand(const tn_rewrite *r, const tn_node *add, int *k) {
    tn_node *found = NULL;
    for (int i = 0; i < 2; i++) {
        tn_node *product = product_of(r, add->inputs[i]);
        if (product && product->more == 0 && (!found || product->id > found->id)) {
            found = product;
            *k = i;
        }
    }
    return found;
}

/* The sum takes the place of the addition: the other summand may be computed after the product. */
static void end_with_addition(tn_rewrite *r, tn_node *add) {
    int k = 0;
    tn_node *product = summand(r, add, &k);
    if (!product) return;
    tn_value *other = add->inputs[1 - k], *y = add->inputs[k];
    int place = product->op->max_inputs;
    if (other == y || !tn_shape_equal(&other->shape, &y->shape) || !y->shape.batched ||
        other->dtype != y->dtype || place >= TN_MAX_INPUTS)
        return;
    while (product->n_inputs <= place) product->inputs[product->n_inputs++] = NULL;
    product->inputs[place] = other;
    product->more = place;
    tn_rewrite_set_output(product, add->outputs[0]);
    tn_rewrite_exchange(r, product, add);
    tn_rewrite_remove(r, add);
}

void tn_pass_fuse_end(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (!node) continue;
        if (r->inference && node->op == &tn_op_add)
            end_with_addition(r, node);
        else
            end_with_activation(r, node);
    }
}
