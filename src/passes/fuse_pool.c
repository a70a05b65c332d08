/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_pool.c: a Relu behind a MaxPool of 2x2 becomes part of it. Whether the Relu lets its
 * gradient through is a third bit beside the two that name the winner, so y need not be kept for
 * it. */
#include "ops/ops.h"
#include "ops/pool_window.h"
#include "passes/rewrite.h"

/* MaxPool x -> p, Relu p -> y; and, if there is a gradient, ReluGrad dy, y -> dp, MaxPoolGrad dp.
 */
typedef struct match {
    tn_node *pool, *relu, *relu_grad, *pool_grad;
} match;

static bool find(const tn_rewrite *rewrite, tn_node *relu, match *m) {
    const tn_value *p = relu->inputs[0];
    *m = (match){.pool = p->producer, .relu = relu};
    if (!m->pool || m->pool->op != &tn_op_max_pool || !tn_rewrite_used(rewrite, p, 1) ||
        !tn_max_pool_is_2x2(m->pool))
        return false;
    if (m->pool->n_outputs == 1) return true;
    m->relu_grad = tn_rewrite_user(rewrite, relu->outputs[0], &tn_op_relu_grad, 1);
    if (!m->relu_grad) return false;
    const tn_value *dp = m->relu_grad->outputs[0], *arg = m->pool->outputs[1];
    m->pool_grad = tn_rewrite_user(rewrite, dp, &tn_op_max_pool_grad, 0);
    return m->pool_grad && m->pool_grad->inputs[1] == arg && tn_rewrite_used(rewrite, dp, 1) &&
           tn_rewrite_used(rewrite, arg, 1);
}

void tn_pass_fuse_pool(tn_rewrite *rewrite) {
    match m;
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *node = rewrite->graph->nodes[i];
        if (!node || node->op != &tn_op_relu || !find(rewrite, node, &m)) continue;
        m.pool->op = &tn_op_max_pool_relu;
        tn_rewrite_set_output(m.pool, m.relu->outputs[0]);
        tn_rewrite_remove(rewrite, m.relu);
        if (!m.pool_grad) continue;
        m.pool->outputs[1]->shape = tn_max_pool_arg_shape(m.pool);
        m.pool_grad->op = &tn_op_max_pool_relu_grad;
        m.pool_grad->inputs[0] = m.relu_grad->inputs[0];
        tn_rewrite_remove(rewrite, m.relu_grad);
    }
}
