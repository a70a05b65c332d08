/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_silu.c: x · Sigmoid(x), which ONNX has no operator for before opset 24, as one node. */
#include "ops/ops.h"
#include "passes/rewrite.h"

static void fuse(tn_rewrite *r, tn_node *mul) {
    for (int k = 0; k < 2; k++) {
        const tn_value *s = mul->inputs[k];
        tn_value *x = mul->inputs[1 - k];
        tn_node *sigmoid = s->producer;
        if (!sigmoid || sigmoid->op != &tn_op_sigmoid || sigmoid->inputs[0] != x ||
            !tn_rewrite_used(r, s, 1))
            continue;
        mul->op = &tn_op_silu;
        mul->inputs[0] = x;
        mul->n_inputs = 1;
        tn_rewrite_remove(r, sigmoid);
        return;
    }
}

void tn_pass_fuse_silu(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (node && node->op == &tn_op_mul) fuse(r, node);
    }
}
