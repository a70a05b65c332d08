/* SPDX-License-Identifier: Apache-2.0 */
/* drop_identities.c: nodes that give what they get; and of two changes of shape, or two of the
 * order of axes, one behind the other, the first. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/rewrite.h"

static bool same_type(const tn_value *a, const tn_value *b) {
    return a->dtype == b->dtype && a->shape.batched == b->shape.batched &&
           tn_shape_equal(&a->shape, &b->shape);
}

/* Whether y holds the elements of x in their order. */
static bool keeps_order(const tn_op *op) {
    return op == &tn_op_reshape || op == &tn_op_flatten || op == &tn_op_squeeze ||
           op == &tn_op_unsqueeze;
}

static bool is_identity_order(const tn_transpose_attrs *a) {
    for (int i = 0; i < a->perm.n; i++)
        if (a->perm.v[i] != i) return false;
    return a->perm.n > 0;
}

static bool pads_nothing(const tn_pad_attrs *a) {
    for (int i = 0; i < a->pads.n; i++)
        if (a->pads.v[i] != 0) return false;
    return true;
}

static bool clips_nothing(const tn_clip_attrs *a) {
    return a->min == -INFINITY && a->max == INFINITY;
}

/* Of one whose output has the shape of its input. */
static bool cuts_nothing(const tn_slice_attrs *a) {
    for (int i = 0; i < a->steps.n; i++)
        if (a->steps.v[i] < 0) return false;
    return true;
}

/* Operators of any number of inputs that are nothing with one. */
static bool is_of_many(const tn_op *op) {
    return op == &tn_op_concat || op == &tn_op_sum || op == &tn_op_mean || op == &tn_op_min ||
           op == &tn_op_max;
}

/* Whether it does nothing where input and output have one shape. */
static bool repeats(const tn_op *op) {
    return op == &tn_op_identity || op == &tn_op_dropout || op == &tn_op_cast ||
           op == &tn_op_expand || op == &tn_op_tile || op == &tn_op_split || keeps_order(op);
}

/* While nobody trains. */
static bool is_identity(const tn_node *node) {
    const tn_op *op = node->op;
    if (node->n_outputs != 1 || !same_type(node->inputs[0], node->outputs[0])) return false;
    return repeats(op) || (op == &tn_op_transpose && is_identity_order(node->attrs)) ||
           (op == &tn_op_pad && pads_nothing(node->attrs)) ||
           (op == &tn_op_clip && clips_nothing(node->attrs)) ||
           (op == &tn_op_slice && cuts_nothing(node->attrs)) ||
           (is_of_many(op) && node->n_inputs == 1);
}

/* Makes node one operator that gives its output from any value with these elements. */
static bool take_shape_of_output(tn_rewrite *r, tn_node *node) {
    const tn_shape *y = &node->outputs[0]->shape;
    tn_reshape_attrs a = {.shape = {.n = y->rank}};
    if (y->batched && y->rank == 2) {
        const tn_axis_attrs flat = {1};
        void *attrs = tn_arena_copy(&r->graph->arena, &flat, sizeof flat);
        if (!attrs) return false;
        node->op = &tn_op_flatten;
        node->attrs = attrs;
        return true;
    }
    for (int i = 0; i < y->rank; i++) {
        if (y->dims[i] == 0) return false;
        a.shape.v[i] = i == 0 && y->batched ? 0 : y->dims[i];
    }
    void *attrs = tn_arena_copy(&r->graph->arena, &a, sizeof a);
    if (!attrs) return false;
    node->op = &tn_op_reshape;
    node->attrs = attrs;
    return true;
}

/* Node takes what its producer takes, if that changes no more than it does itself. */
static void skip_producer(tn_rewrite *r, tn_node *node) {
    tn_node *before = node->inputs[0]->producer;
    if (!before) return;
    bool shapes = keeps_order(node->op) && keeps_order(before->op);
    bool orders = node->op == &tn_op_transpose && before->op == &tn_op_transpose;
    if (orders) {
        const tn_transpose_attrs *first = before->attrs, *second = node->attrs;
        tn_transpose_attrs both = *second;
        if (first->perm.n != second->perm.n) return;
        for (int i = 0; i < both.perm.n; i++) both.perm.v[i] = first->perm.v[second->perm.v[i]];
        void *attrs = tn_arena_copy(&r->graph->arena, &both, sizeof both);
        if (!attrs) return;
        node->attrs = attrs;
    } else if (!shapes || !take_shape_of_output(r, node)) {
        return;
    }
    tn_value *v = node->inputs[0], *x = before->inputs[0];
    node->inputs[0] = x;
    if (v->id < r->n_values) r->uses[v->id]--;
    if (x->id < r->n_values) r->uses[x->id]++;
}

void tn_pass_drop_identities(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (!node) continue;
        tn_rewrite_settle(r, node);
        skip_producer(r, node);
        if (is_identity(node)) tn_rewrite_bypass(r, node, node->inputs[0]);
    }
}
