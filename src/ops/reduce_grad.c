/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_grad.c: gradients of reduce.c, by existing operators but for that of sums. In what follows
 * dy and y stand for themselves repeated along the axes reduced. */
#include "ops/broadcast.h"
#include "ops/reduce.h"

/* ---- Sum and mean: every element gets an equal part of dy ------------------------------------ */

typedef struct spread_attrs {
    tn_reduce_attrs reduce;
    tn_shape x; /* the batch is dy's */
    bool mean;
} spread_attrs;

static tn_status infer_spread(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const spread_attrs *a = node->attrs;
    tn_shape dx = a->x;
    if (dx.batched) dx.dims[0] = node->inputs[0]->shape.dims[0];
    node->outputs[0]->shape = dx;
    return TN_OK;
}

/* n elements of dx with the steps of a walk over dx. */
static void spread_row(const tn_kernels *kernels, int64_t n, const real *dy, int64_t step,
                       real scale, real *dx) {
    if (step == 1)
        kernels->mul_scalar(n, dy, scale, dx);
    else
        for (int64_t i = 0; i < n; i++) dx[i] = dy[i * step] * scale;
}

static void run_spread(const tn_run *run) {
    const spread_attrs *a = run->node->attrs;
    const tn_shape *x = &run->node->outputs[0]->shape, kept = tn_reduce_kept(&a->reduce, x);
    const real *dy = run->in[0];
    real scale = a->mean ? (real)1 / (real)tn_reduce_count(&a->reduce, x) : 1;
    tn_walk w = tn_walk_of(run->node->outputs[0], run->n, x, &kept);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        spread_row(run->kernels, r.n, dy + r.from[1], r.step[1], scale,
                   (real *)run->out[0] + r.first);
}

static const tn_implementation any = {.name = "any", .stored = TN_STORED_ANYHOW, .run = run_spread};
static const tn_implementation *const implementations[] = {&any, NULL};

static const tn_op reduce_sum_grad = {.name = "ReduceSumGrad",
                                      .attrs_bytes = sizeof(spread_attrs),
                                      .min_inputs = 1,
                                      .max_inputs = 1,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_ANY,
                                      .infer_shape = infer_spread,
                                      .implementations = implementations};

static tn_status spread(tn_graph *graph, tn_node *node, tn_value *dy, bool mean, tn_error *error) {
    const spread_attrs a = {*(const tn_reduce_attrs *)node->attrs, node->inputs[0]->shape, mean};
    tn_value *dx;
    TN_TRY(tn_graph_apply(graph, &reduce_sum_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

tn_status tn_reduce_sum_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return spread(graph, node, tn_gradient_of(graph, node->outputs[0]), false, error);
}

tn_status tn_reduce_mean_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return spread(graph, node, tn_gradient_of(graph, node->outputs[0]), true, error);
}

/* ---- The others ------------------------------------------------------------------------------ */

static tn_status apply2(tn_graph *graph, const tn_op *op, tn_value *a, tn_value *b, tn_value **y,
                        tn_error *error) {
    tn_value *in[] = {a, b};
    return tn_graph_apply(graph, op, NULL, in, 2, y, error);
}

static tn_status number(tn_graph *graph, float x, tn_value **v, tn_error *error) {
    return tn_graph_add_constant(graph, NULL, 0, NULL, &x, v, error);
}

/* y, or dy, with the axes that keepdims 0 left out. */
static tn_status kept(tn_graph *graph, const tn_node *node, tn_value *y, tn_value **with_axes,
                      tn_error *error) {
    const tn_reduce_attrs *a = node->attrs;
    const tn_axes_attrs axes = {a->axes};
    *with_axes = y;
    if (a->keepdims || a->axes.n == 0) return TN_OK;
    return tn_graph_apply(graph, &tn_op_unsqueeze, &axes, &y, 1, with_axes, error);
}

/* dx = dy · slope */
static tn_status multiplied(tn_graph *graph, tn_node *node, tn_value *slope, tn_error *error) {
    tn_value *dy, *dx;
    TN_TRY(kept(graph, node, tn_gradient_of(graph, node->outputs[0]), &dy, error));
    TN_TRY(apply2(graph, &tn_op_mul, slope, dy, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

/* The reduction `op` over the axes of node, which it keeps. */
static tn_status reduced(tn_graph *graph, const tn_node *node, const tn_op *op, tn_value *x,
                         tn_value **y, tn_error *error) {
    tn_reduce_attrs a = *(const tn_reduce_attrs *)node->attrs;
    a.keepdims = 1;
    a.noop_with_empty_axes = 1;
    return tn_graph_apply(graph, op, &a, &x, 1, y, error);
}

/* mask ? 1 : 0 */
static tn_status counted(tn_graph *graph, tn_value *mask, tn_value **y, tn_error *error) {
    tn_value *in[3] = {mask};
    TN_TRY(number(graph, 1, &in[1], error));
    TN_TRY(number(graph, 0, &in[2], error));
    return tn_graph_apply(graph, &tn_op_where, NULL, in, 3, y, error);
}

/* Elements that attain the extreme share dy evenly, as with PyTorch's amax. */
tn_status tn_reduce_extreme_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *y, *mask, *count;
    TN_TRY(kept(graph, node, node->outputs[0], &y, error));
    TN_TRY(apply2(graph, &tn_op_equal, node->inputs[0], y, &mask, error));
    TN_TRY(counted(graph, mask, &mask, error));
    TN_TRY(reduced(graph, node, &tn_op_reduce_sum, mask, &count, error));
    TN_TRY(apply2(graph, &tn_op_div, mask, count, &mask, error));
    return multiplied(graph, node, mask, error);
}

/* The product of the others: that of all that are not 0, divided by x unless x is 0, if no other is
 * 0: if the zeros in all are as many as x itself is. */
tn_status tn_reduce_prod_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *x = node->inputs[0], *zero, *one, *is_zero, *product, *own, *all, *slope;
    TN_TRY(number(graph, 0, &zero, error));
    TN_TRY(number(graph, 1, &one, error));
    TN_TRY(apply2(graph, &tn_op_equal, x, zero, &is_zero, error));
    tn_value *divisor_in[] = {is_zero, one, x}, *divisor;
    TN_TRY(tn_graph_apply(graph, &tn_op_where, NULL, divisor_in, 3, &divisor, error));
    TN_TRY(reduced(graph, node, &tn_op_reduce_prod, divisor, &product, error));
    TN_TRY(apply2(graph, &tn_op_div, product, divisor, &slope, error));
    TN_TRY(counted(graph, is_zero, &own, error));
    TN_TRY(reduced(graph, node, &tn_op_reduce_sum, own, &all, error));
    tn_value *in[] = {NULL, slope, zero};
    TN_TRY(apply2(graph, &tn_op_equal, own, all, &in[0], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_where, NULL, in, 3, &slope, error));
    return multiplied(graph, node, slope, error);
}

/* The sign of x. */
tn_status tn_reduce_l1_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *sign;
    TN_TRY(tn_graph_apply(graph, &tn_op_sign, NULL, node->inputs, 1, &sign, error));
    return multiplied(graph, node, sign, error);
}

/* x / y, 0 where y is 0. */
tn_status tn_reduce_l2_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *y, *zero, *one, *in[3], *slope;
    TN_TRY(kept(graph, node, node->outputs[0], &y, error));
    TN_TRY(number(graph, 0, &zero, error));
    TN_TRY(number(graph, 1, &one, error));
    in[1] = one, in[2] = y;
    TN_TRY(apply2(graph, &tn_op_equal, y, zero, &in[0], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_where, NULL, in, 3, &y, error));
    TN_TRY(apply2(graph, &tn_op_div, node->inputs[0], y, &slope, error));
    return multiplied(graph, node, slope, error);
}

/* 2x */
tn_status tn_reduce_sum_square_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *slope;
    TN_TRY(apply2(graph, &tn_op_add, node->inputs[0], node->inputs[0], &slope, error));
    return multiplied(graph, node, slope, error);
}

/* exp(-y), the same for all. */
tn_status tn_reduce_log_sum_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *slope;
    TN_TRY(tn_graph_apply(graph, &tn_op_neg, NULL, node->outputs, 1, &slope, error));
    TN_TRY(tn_graph_apply(graph, &tn_op_exp, NULL, &slope, 1, &slope, error));
    TN_TRY(
        apply2(graph, &tn_op_mul, slope, tn_gradient_of(graph, node->outputs[0]), &slope, error));
    return spread(graph, node, slope, false, error);
}

/* exp(x - y) */
tn_status tn_reduce_log_sum_exp_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *y, *slope;
    TN_TRY(kept(graph, node, node->outputs[0], &y, error));
    TN_TRY(apply2(graph, &tn_op_sub, node->inputs[0], y, &slope, error));
    TN_TRY(tn_graph_apply(graph, &tn_op_exp, NULL, &slope, 1, &slope, error));
    return multiplied(graph, node, slope, error);
}
