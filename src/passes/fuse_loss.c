/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_loss.c: softmax cross-entropy and its gradient at once. */
#include "ops/ops.h"
#include "passes/rewrite.h"

/* The gradient of the loss must be there when the loss is computed: an input. */
static void fuse(tn_rewrite *rewrite, tn_node *loss) {
    const tn_value *log_p = loss->outputs[1];
    tn_node *grad = tn_rewrite_user(rewrite, log_p, &tn_op_softmax_cross_entropy_grad, 0);
    if (!grad || !tn_rewrite_used(rewrite, log_p, 1) || grad->inputs[2]->producer) return;
    grad->inputs[0] = loss->inputs[0];
    for (int i = 0; i < grad->n_inputs; i++) loss->inputs[i] = grad->inputs[i];
    loss->n_inputs = grad->n_inputs;
    loss->op = &tn_op_softmax_cross_entropy_both;
    loss->outputs[1] = grad->outputs[0];
    loss->outputs[1]->producer = loss;
    tn_rewrite_remove(rewrite, grad);
}

void tn_pass_fuse_loss(tn_rewrite *rewrite) {
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *node = rewrite->graph->nodes[i];
        if (node && node->op == &tn_op_softmax_cross_entropy) fuse(rewrite, node);
    }
}
