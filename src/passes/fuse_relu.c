/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_relu.c: the register tile of Conv and Gemm ends with the maximum of Relu. */
#include "ops/ops.h"
#include "passes/rewrite.h"

void tn_pass_fuse_relu(tn_rewrite *rewrite) {
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *relu = rewrite->graph->nodes[i];
        if (relu->op != &tn_op_relu) continue;
        tn_value *x = relu->inputs[0];
        bool conv = x->producer && x->producer->op == &tn_op_conv;
        bool gemm = x->producer && x->producer->op == &tn_op_gemm;
        if ((!conv && !gemm) || !tn_rewrite_used(rewrite, x, 1)) continue;
        x->producer->op = conv ? &tn_op_conv_relu : &tn_op_gemm_relu;
        tn_rewrite_set_output(x->producer, relu->outputs[0]);
        tn_rewrite_remove(rewrite, relu);
    }
}
