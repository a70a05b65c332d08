/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/density.h"

#include "ops/ops.h"
#include "ops/pool_window.h"

static double left_by_pooling(const tn_node *node) {
    const tn_pool_grad_attrs *a = node->attrs;
    const int64_t *window = a->pool.kernel_shape.v, *stride = a->pool.strides.v;
    double taps = 1;
    for (int i = 0; i < a->pool.kernel_shape.n; i++) {
        if (window[i] > stride[i]) return 1;
        taps *= (double)window[i];
    }
    return 1 / taps;
}

double tn_density(const tn_value *gradient) {
    double density = 1;
    for (const tn_node *node = gradient->producer; node; node = node->inputs[0]->producer) {
        if (node->op == &tn_op_max_pool_grad) return density * left_by_pooling(node);
        if (node->op == &tn_op_max_pool_relu_grad) return density / 2 * left_by_pooling(node);
        if (node->op == &tn_op_relu_grad)
            density /= 2;
        else if (node->op == &tn_op_dropout)
            density *= 1 - ((const tn_dropout_attrs *)node->attrs)->ratio;
        else
            break;
    }
    return density;
}
