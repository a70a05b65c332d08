/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_norm.c: Relu, and the addition before it, in one pass over memory with the normalisation by
 * the statistics of a batch; its gradient in one with that of the normalisation. */
#include "ops/batch_norm.h"
#include "passes/rewrite.h"

static tn_node *norm_of(const tn_value *v) {
    return v->producer && v->producer->op == &tn_op_norm ? v->producer : NULL;
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* Relu of Add of what a normalisation gives and another image. */
static bool fuse_sum(tn_rewrite *rewrite, tn_node *relu) {
    const tn_value *sum = relu->inputs[0];
    tn_node *add = sum->producer;
    if (!add || add->op != &tn_op_add || !tn_rewrite_used(rewrite, sum, 1)) return false;
    for (int i = 0; i < 2; i++) {
        tn_value *image = add->inputs[i], *other = add->inputs[1 - i];
        tn_node *norm = norm_of(image);
        if (!norm || !tn_rewrite_used(rewrite, image, 1) || other == image ||
            !tn_shape_equal(&image->shape, &other->shape))
            continue;
        norm->op = &tn_op_norm_relu;
        norm->inputs[norm->n_inputs++] = other;
        tn_rewrite_set_output(norm, relu->outputs[0]);
        tn_rewrite_exchange(rewrite, norm, relu); /* other may be computed after norm */
        tn_rewrite_remove(rewrite, relu);
        tn_rewrite_remove(rewrite, add);
        return true;
    }
    return false;
}

static void fuse_forward(tn_rewrite *rewrite, tn_node *relu) {
    tn_node *norm = norm_of(relu->inputs[0]);
    if (!norm) {
        fuse_sum(rewrite, relu);
        return;
    }
    if (!tn_rewrite_used(rewrite, relu->inputs[0], 1)) return;
    norm->op = &tn_op_norm_relu;
    tn_rewrite_set_output(norm, relu->outputs[0]);
    tn_rewrite_remove(rewrite, relu);
}

/* ---- Gradient -------------------------------------------------------------------------------- */

static bool is_of(const tn_node *gradient, const tn_node *norm) {
    return gradient && gradient->inputs[1] == norm->inputs[0] &&
           gradient->inputs[2] == norm->inputs[1];
}

/* The gradient of a Relu right behind a normalisation, if only that of the normalisation uses it.
 */
static void fuse_gradient(tn_rewrite *rewrite, tn_node *relu) {
    const tn_node *norm = norm_of(relu->inputs[0]);
    tn_node *relu_grad = tn_rewrite_user(rewrite, relu->outputs[0], &tn_op_relu_grad, 1);
    if (!norm || !relu_grad) return;
    const tn_value *g = relu_grad->outputs[0];
    tn_node *sums = tn_rewrite_user(rewrite, g, &tn_op_norm_grad_sums, 0);
    tn_node *grad = tn_rewrite_user(rewrite, g, &tn_op_norm_grad, 0);
    if (!is_of(sums, norm) || (grad && !is_of(grad, norm)) ||
        !tn_rewrite_used(rewrite, g, grad ? 2 : 1))
        return;
    sums->op = &tn_op_norm_relu_grad_sums;
    sums->inputs[0] = relu_grad->inputs[0];
    if (grad) {
        grad->op = &tn_op_norm_relu_grad;
        grad->inputs[0] = relu_grad->inputs[0];
    }
    tn_rewrite_remove(rewrite, relu_grad);
}

void tn_pass_fuse_norm(tn_rewrite *rewrite) {
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *node = rewrite->graph->nodes[i];
        if (!node || node->op != &tn_op_relu) continue;
        fuse_gradient(rewrite, node);
        fuse_forward(rewrite, node);
    }
}
