/* SPDX-License-Identifier: Apache-2.0 */
/* recognise.c: activations that exporters write as several nodes.
 *     min(max(x + s, 0), h) / h   HardSigmoid of x/h + s/h
 *     x · HardSigmoid(x)          HardSwish, as are the forms that divide last */
#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/rewrite.h"

/* Whether v is one number that is known. */
static bool is_number(const tn_rewrite *r, const tn_value *v, double *number) {
    const float *data = tn_rewrite_numbers(r, v);
    if (!data || tn_shape_elements(&v->shape) != 1) return false;
    *number = (double)data[0];
    return true;
}

/* The other input of a node that adds or multiplies a number, or divides by it; else NULL. A
 * product is returned as a divisor. */
static tn_value *without_number(const tn_rewrite *r, const tn_node *node, double *number) {
    bool commutes = node->op == &tn_op_add || node->op == &tn_op_mul;
    if (!commutes && node->op != &tn_op_div) return NULL;
    for (int k = 0; k < (commutes ? 2 : 1); k++) {
        tn_value *x = node->inputs[k];
        if (!is_number(r, node->inputs[1 - k], number)) continue;
        if (!tn_shape_equal(&x->shape, &node->outputs[0]->shape)) continue;
        if (node->op == &tn_op_mul) *number = 1 / *number;
        return x;
    }
    return NULL;
}

/* The producer of a value that only one node uses, if it is of this operator. */
static tn_node *made_by(const tn_rewrite *r, const tn_value *v, const tn_op *op) {
    tn_node *node = v->producer;
    return node && node->op == op && tn_rewrite_used(r, v, 1) ? node : NULL;
}

/* x, if v is min(max(x + shift, 0), high). */
static tn_value *clipped_sum(const tn_rewrite *r, const tn_value *v, double *shift, double *high) {
    const tn_node *clip = made_by(r, v, &tn_op_clip);
    if (!clip) return NULL;
    const tn_clip_attrs *a = clip->attrs;
    const tn_node *add = made_by(r, clip->inputs[0], &tn_op_add);
    if (!add || a->min != 0 || !(a->max > 0) || isinf(a->max)) return NULL;
    *high = a->max;
    return without_number(r, add, shift);
}

static bool near(double a, double b) { return fabs(a - b) <= 1e-6 * fabs(b); }

static void become(tn_rewrite *r, tn_node *node, const tn_op *op, const void *attrs, tn_value *x) {
    void *copy = tn_arena_alloc(&r->graph->arena, op->attrs_bytes + 1);
    if (!copy) return;
    if (attrs) memcpy(copy, attrs, op->attrs_bytes);
    node->op = op;
    node->attrs = copy;
    node->inputs[0] = x;
    node->n_inputs = 1;
}

/* The factor of x·gate, if it is HardSwish's: HardSigmoid(x), or six times that. */
static bool is_gate(const tn_rewrite *r, const tn_value *gate, const tn_value *x, bool times_six) {
    double shift, high;
    if (times_six) return clipped_sum(r, gate, &shift, &high) == x && shift == 3 && high == 6;
    const tn_node *node = gate->producer;
    if (!node || node->op != &tn_op_hard_sigmoid || node->inputs[0] != x) return false;
    const tn_hard_sigmoid_attrs *a = node->attrs;
    return near(a->alpha, 1.0 / 6) && near(a->beta, 0.5);
}

/* x, if node is a product of x and such a gate. */
static tn_value *gated(const tn_rewrite *r, const tn_node *node, bool times_six) {
    if (!node || node->op != &tn_op_mul) return NULL;
    for (int k = 0; k < 2; k++)
        if (is_gate(r, node->inputs[1 - k], node->inputs[k], times_six)) return node->inputs[k];
    return NULL;
}

static void recognise(tn_rewrite *r, tn_node *node) {
    double divisor, shift, high;
    tn_value *x = gated(r, node, false);
    if (x) {
        become(r, node, &tn_op_hard_swish, NULL, x);
        return;
    }
    tn_value *v = node->op == &tn_op_add ? NULL : without_number(r, node, &divisor);
    if (!v || !tn_rewrite_used(r, v, 1)) return;
    x = near(divisor, 6) ? gated(r, v->producer, true) : NULL;
    if (x) {
        become(r, node, &tn_op_hard_swish, NULL, x);
        return;
    }
    x = clipped_sum(r, v, &shift, &high);
    if (!x || !near(divisor, high)) return;
    const tn_hard_sigmoid_attrs a = {(double)(float)(1 / divisor),
                                     (double)(float)(shift / divisor)};
    become(r, node, &tn_op_hard_sigmoid, &a, x);
}

void tn_pass_recognise(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        tn_rewrite_settle(r, node);
        recognise(r, node);
    }
}
