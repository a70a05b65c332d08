/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/affine.h"

#include <math.h>
#include <stdlib.h>

#include "ops/ops.h"

bool tn_affine_begin(tn_affine *a, int64_t channels) {
    a->channels = channels;
    a->scale = malloc(2 * (size_t)channels * sizeof *a->scale + 1);
    if (!a->scale) return false;
    a->offset = a->scale + channels;
    for (int64_t k = 0; k < channels; k++) {
        a->scale[k] = 1;
        a->offset[k] = 0;
    }
    return true;
}

/* What a node does to channel k: y = x · scale + offset. */
typedef struct step {
    double scale, offset;
} step;

/* Whether c has one number, or one for each channel of x, and so has y the shape of x. */
static bool is_by_channel(const tn_value *c, const tn_value *x, const tn_value *y) {
    if (!tn_shape_equal(&y->shape, &x->shape)) return false;
    for (int i = 0; i < c->shape.rank; i++)
        if (c->shape.dims[i] != 1 && i + x->shape.rank - c->shape.rank != 1) return false;
    return true;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

typedef struct numbers {
    const tn_op *op;
    const float *c[4]; /* of BatchNormalization: scale, bias, mean, variance */
    bool single;
    double epsilon;
} numbers;

static bool is_arithmetic(const tn_op *op) {
    return op == &tn_op_add || op == &tn_op_sub || op == &tn_op_mul || op == &tn_op_div;
}

static bool read_arithmetic(const tn_rewrite *r, const tn_node *node, const tn_value *v,
                            numbers *n) {
    bool first = node->inputs[0] == v, commutes = node->op == &tn_op_add || node->op == &tn_op_mul;
    const tn_value *c = node->inputs[first ? 1 : 0];
    if (c == v || (!first && !commutes) || v->shape.rank < 2) return false;
    n->c[0] = tn_rewrite_numbers(r, c);
    if (!n->c[0] || !is_by_channel(c, v, node->outputs[0])) return false;
    n->single = tn_shape_elements(&c->shape) == 1;
    return true;
}

static bool read_norm(const tn_rewrite *r, const tn_node *node, const tn_value *v, numbers *n) {
    const tn_batch_norm_attrs *a = node->attrs;
    if (node->inputs[0] != v || node->n_outputs != 1 || a->training_mode != 0) return false;
    for (int i = 0; i < 4; i++) {
        n->c[i] = tn_rewrite_numbers(r, node->inputs[1 + i]);
        if (!n->c[i]) return false;
    }
    n->epsilon = a->epsilon;
    return true;
}

static bool read(const tn_rewrite *r, const tn_node *node, const tn_value *v, numbers *n) {
    *n = (numbers){.op = node->op};
    if (is_arithmetic(node->op)) return read_arithmetic(r, node, v, n);
    return node->op == &tn_op_batch_norm && read_norm(r, node, v, n);
}

static step step_of(const numbers *n, int64_t k) {
    double c = (double)n->c[0][n->single ? 0 : k];
    if (n->op == &tn_op_add) return (step){1, c};
    if (n->op == &tn_op_sub) return (step){1, -c};
    if (n->op == &tn_op_mul) return (step){c, 0};
    if (n->op == &tn_op_div) return (step){1 / c, 0};
    double factor = c / sqrt((double)n->c[3][k] + n->epsilon);
    return (step){factor, (double)n->c[1][k] - (double)n->c[2][k] * factor};
}

/* ---- Composing ------------------------------------------------------------------------------- */

bool tn_affine_compose(const tn_rewrite *r, tn_affine *a, const tn_node *node, const tn_value *v) {
    numbers n;
    if (!read(r, node, v, &n)) return false;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t k = 0; k < a->channels; k++) {
            const step s = step_of(&n, k);
            double scale = a->scale[k] * s.scale, offset = a->offset[k] * s.scale + s.offset;
            if (!isfinite((float)scale) || !isfinite((float)offset)) return false;
            if (pass == 0) continue;
            a->scale[k] = scale;
            a->offset[k] = offset;
        }
    return true;
}
