/* SPDX-License-Identifier: Apache-2.0 */
/* recognise.c: activations that exporters write as several nodes.
 *     min(max(x + s, 0), h) / h   HardSigmoid of x/h + s/h
 *     x · HardSigmoid(x)          HardSwish, as are the forms that divide last */
#include <math.h>

#include "ops/ops.h"
#include "passes/patterns.h"

/* x, if v is min(max(x + shift, 0), high). */
static tn_value *clipped_sum(const tn_rewrite *r, const tn_value *v, double *shift, double *high) {
    const tn_node *clip = tn_pattern_made_by(r, v, &tn_op_clip);
    if (!clip) return NULL;
    const tn_clip_attrs *a = clip->attrs;
    const tn_node *add = tn_pattern_made_by(r, clip->inputs[0], &tn_op_add);
    if (!add || a->min != 0 || !(a->max > 0) || isinf(a->max)) return NULL;
    *high = a->max;
    return tn_pattern_without_number(r, add, shift);
}

/* The factor of x·gate, if it is HardSwish's: HardSigmoid(x), or six times that. */
static bool is_gate(const tn_rewrite *r, const tn_value *gate, const tn_value *x, bool times_six) {
    double shift = 0, high = 0;
    if (times_six) return clipped_sum(r, gate, &shift, &high) == x && shift == 3 && high == 6;
    const tn_node *node = gate->producer;
    if (!node || node->op != &tn_op_hard_sigmoid || node->inputs[0] != x) return false;
    const tn_hard_sigmoid_attrs *a = node->attrs;
    return tn_pattern_near(a->alpha, 1.0 / 6) && tn_pattern_near(a->beta, 0.5);
}

/* x, if node is a product of x and such a gate. */
static tn_value *gated(const tn_rewrite *r, const tn_node *node, bool times_six) {
    if (!node || node->op != &tn_op_mul) return NULL;
    for (int k = 0; k < 2; k++)
        if (is_gate(r, node->inputs[1 - k], node->inputs[k], times_six)) return node->inputs[k];
    return NULL;
}

static void recognise(tn_rewrite *r, tn_node *node) {
    double divisor, shift = 0, high = 0;
    tn_value *x = gated(r, node, false);
    if (x) {
        tn_pattern_become(r, node, &tn_op_hard_swish, NULL, x);
        return;
    }
    tn_value *v = node->op == &tn_op_add ? NULL : tn_pattern_without_number(r, node, &divisor);
    if (!v || !tn_rewrite_used(r, v, 1)) return;
    x = tn_pattern_near(divisor, 6) ? gated(r, v->producer, true) : NULL;
    if (x) {
        tn_pattern_become(r, node, &tn_op_hard_swish, NULL, x);
        return;
    }
    x = clipped_sum(r, v, &shift, &high);
    if (!x || !tn_pattern_near(divisor, high)) return;
    const tn_hard_sigmoid_attrs a = {(double)(float)(1 / divisor),
                                     (double)(float)(shift / divisor)};
    tn_pattern_become(r, node, &tn_op_hard_sigmoid, &a, x);
}

void tn_pass_recognise(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        tn_rewrite_settle(r, node);
        recognise(r, node);
    }
}
