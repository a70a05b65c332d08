/* SPDX-License-Identifier: Apache-2.0 */
/* pool_first.c: max pooling of max(x, 0) is max(max pooling of x, 0), in value and gradient: where
 * no element of a window is positive, the gradient is 0 whichever element would get it. */
#include "ops/ops.h"
#include "passes/rewrite.h"

/* Relu x -> r, MaxPool r -> p; and, if there is a gradient, MaxPoolGrad dp -> dr, ReluGrad dr,
 * r -> dx. */
typedef struct match {
    tn_node *relu, *pool, *pool_grad, *relu_grad;
} match;

static bool find(const tn_rewrite *rewrite, tn_node *relu, match *m) {
    const tn_value *r = relu->outputs[0];
    *m = (match){.relu = relu, .pool = tn_rewrite_user(rewrite, r, &tn_op_max_pool, 0)};
    if (!m->pool) return false;
    m->relu_grad = tn_rewrite_user(rewrite, r, &tn_op_relu_grad, 1);
    if (!m->relu_grad) return tn_rewrite_used(rewrite, r, 1);
    const tn_value *dr = m->relu_grad->inputs[0];
    m->pool_grad = dr->producer;
    return tn_rewrite_used(rewrite, r, 2) && tn_rewrite_used(rewrite, dr, 1) && m->pool_grad &&
           m->pool_grad->op == &tn_op_max_pool_grad && m->pool->n_outputs == 2 &&
           m->pool_grad->inputs[1] == m->pool->outputs[1];
}

/* Node `first`, then `second` in the order of execution become `second`, then `first`; the value
 * between them is now an image that is pooled. */
static void exchange(tn_rewrite *rewrite, tn_node *first, tn_node *second, const tn_shape *pooled) {
    tn_value *x = first->inputs[0], *between = first->outputs[0], *y = second->outputs[0];
    tn_rewrite_exchange(rewrite, first, second);
    second->inputs[0] = x;
    first->inputs[0] = between;
    between->shape = *pooled;
    tn_rewrite_set_output(second, between);
    tn_rewrite_set_output(first, y);
}

void tn_pass_pool_first(tn_rewrite *rewrite) {
    match m;
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *node = rewrite->graph->nodes[i];
        if (node->op != &tn_op_relu || !find(rewrite, node, &m)) continue;
        const tn_shape pooled = m.pool->outputs[0]->shape;
        exchange(rewrite, m.relu, m.pool, &pooled);
        if (!m.pool_grad) continue;
        exchange(rewrite, m.pool_grad, m.relu_grad, &pooled);
        m.relu_grad->inputs[1] = m.relu->outputs[0];
    }
}
