/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_gelu.c: x · (1 + Erf(x / sqrt 2)) · 0.5, in any order of the factors, as one node. ONNX has
 * Gelu since opset 20. */
#include <math.h>

#include "ops/ops.h"
#include "passes/patterns.h"

enum { FACTORS = 3 };

/* The factors of a product of two, one of which is such a product itself. */
static bool factors_of(const tn_rewrite *r, const tn_node *mul, tn_value *factors[FACTORS]) {
    for (int k = 0; k < 2; k++) {
        const tn_node *inner = tn_pattern_made_by(r, mul->inputs[k], &tn_op_mul);
        if (!inner) continue;
        factors[0] = mul->inputs[1 - k];
        factors[1] = inner->inputs[0];
        factors[2] = inner->inputs[1];
        return true;
    }
    return false;
}

/* x, if v is 1 + Erf(x / sqrt 2). */
static tn_value *argument_of(const tn_rewrite *r, const tn_value *v) {
    double one = 0, root = 0;
    const tn_node *add = tn_pattern_made_by(r, v, &tn_op_add);
    const tn_value *sum = add ? tn_pattern_without_number(r, add, &one) : NULL;
    const tn_node *erf = sum && one == 1 ? tn_pattern_made_by(r, sum, &tn_op_erf) : NULL;
    const tn_value *share = erf ? erf->inputs[0] : NULL;
    if (!share || !share->producer || !tn_rewrite_used(r, share, 1)) return NULL;
    if (share->producer->op == &tn_op_add) return NULL;
    tn_value *x = tn_pattern_without_number(r, share->producer, &root);
    return x && tn_pattern_near(root, sqrt(2)) ? x : NULL;
}

static void fuse(tn_rewrite *r, tn_node *mul) {
    tn_value *factors[FACTORS];
    tn_unary_attrs attrs;
    double half = 0;
    if (!factors_of(r, mul, factors)) return;
    for (int share = 0; share < FACTORS; share++) {
        tn_value *x = argument_of(r, factors[share]);
        tn_value *a = factors[(share + 1) % FACTORS], *b = factors[(share + 2) % FACTORS];
        const tn_value *number = a == x ? b : a;
        if (!x || (a != x && b != x) || !tn_pattern_number(r, number, &half) || half != 0.5 ||
            !tn_shape_equal(&mul->outputs[0]->shape, &x->shape))
            continue;
        tn_attrs_init(&tn_op_gelu, &attrs);
        tn_pattern_become(r, mul, &tn_op_gelu, &attrs, x);
        return;
    }
}

void tn_pass_fuse_gelu(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (node && node->op == &tn_op_mul) fuse(r, node);
    }
}
