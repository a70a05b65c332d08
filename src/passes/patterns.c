/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/patterns.h"

#include <math.h>
#include <string.h>

#include "ops/ops.h"

bool tn_pattern_number(const tn_rewrite *r, const tn_value *v, double *number) {
    const float *data = tn_rewrite_numbers(r, v);
    if (!data || tn_shape_elements(&v->shape) != 1) return false;
    *number = (double)data[0];
    return true;
}

tn_value *tn_pattern_without_number(const tn_rewrite *r, const tn_node *node, double *number) {
    bool commutes = node->op == &tn_op_add || node->op == &tn_op_mul;
    if (!commutes && node->op != &tn_op_div) return NULL;
    for (int k = 0; k < (commutes ? 2 : 1); k++) {
        tn_value *x = node->inputs[k];
        if (!tn_pattern_number(r, node->inputs[1 - k], number)) continue;
        if (!tn_shape_equal(&x->shape, &node->outputs[0]->shape)) continue;
        if (node->op == &tn_op_mul) *number = 1 / *number;
        return x;
    }
    return NULL;
}

tn_node *tn_pattern_made_by(const tn_rewrite *r, const tn_value *v, const tn_op *op) {
    tn_node *node = v->producer;
    return node && node->op == op && tn_rewrite_used(r, v, 1) ? node : NULL;
}

bool tn_pattern_near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

void tn_pattern_become(tn_rewrite *r, tn_node *node, const tn_op *op, const void *attrs,
                       tn_value *x) {
    void *copy = tn_arena_alloc(&r->graph->arena, op->attrs_bytes + 1);
    if (!copy) return;
    if (attrs) memcpy(copy, attrs, op->attrs_bytes);
    node->op = op;
    node->attrs = copy;
    node->inputs[0] = x;
    node->n_inputs = 1;
}
