/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_mean.c: means over some axes. ONNX ReduceMean. */
#include <string.h>

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axes", TN_ATTR_INTS, offsetof(tn_reduce_attrs, axes), false, 0, NULL},
    {"keepdims", TN_ATTR_INT, offsetof(tn_reduce_attrs, keepdims), false, 1, NULL},
    {0}};

/* Makes axes ascending numbers from 0 of x, none being all, and marks them. */
static tn_status resolve_axes(tn_ints *axes, const tn_shape *x, bool reduced[TN_MAX_RANK],
                              tn_error *error) {
    bool all = axes->n == 0;
    TN_TRY(tn_axes_mark(axes, x->rank, reduced, error));
    axes->n = 0;
    for (int i = 0; i < x->rank; i++) {
        reduced[i] = reduced[i] || all;
        if (reduced[i]) axes->v[axes->n++] = i;
    }
    return TN_OK;
}

/* The means with x's rank. */
static tn_shape kept_shape(const tn_reduce_attrs *a, const tn_shape *x) {
    tn_shape kept = *x;
    for (int i = 0; i < a->axes.n; i++) kept.dims[a->axes.v[i]] = 1;
    return kept;
}

/* One over the number of elements that a mean is taken of. */
static real scale_of(const tn_reduce_attrs *a, const tn_shape *x) {
    int64_t count = 1;
    for (int i = 0; i < a->axes.n; i++) count *= x->dims[a->axes.v[i]];
    return (real)1 / (real)count;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_reduce_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    bool reduced[TN_MAX_RANK];
    TN_TRY(tn_infer_same(graph, node, error));
    TN_TRY(resolve_axes(&a->axes, x, reduced, error));
    if (x->batched && reduced[0])
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "a mean over axis 0 mixes samples of the batch (give other axes)");
    for (int i = 0; i < a->axes.n; i++)
        if (x->dims[a->axes.v[i]] == 0)
            return tn_fail(error, TN_ERR_FORMAT, "a mean over axis %lld, which has no elements",
                           (long long)a->axes.v[i]);
    tn_shape kept = kept_shape(a, x), y = {.batched = x->batched};
    for (int i = 0; i < x->rank; i++)
        if (a->keepdims || !reduced[i]) y.dims[y.rank++] = kept.dims[i];
    node->outputs[0]->shape = y;
    return TN_OK;
}

/* y[...] = 1/count · Σ x over the axes, in the order in which x is stored. */
static void run_any(const tn_run *run) {
    const tn_reduce_attrs *a = run->node->attrs;
    const tn_shape *x = &run->node->inputs[0]->shape, kept = kept_shape(a, x);
    int64_t n = tn_run_elements(run);
    real *y = run->out[0];
    tn_walk walk = tn_walk_of(run->node->inputs[0], run->n, x, &kept);
    memset(y, 0, (size_t)n * sizeof(real));
    tn_walk_sum(&walk, run->kernels, run->in[0], y);
    run->kernels->mul_scalar(n, y, scale_of(a, x), y);
}

static const tn_implementation any = {.name = "any", .stored = TN_STORED_ANYHOW, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* ---- Gradient: every element gets an equal part of dy -----------------------------------------
 */

typedef struct reduce_mean_grad_attrs {
    tn_reduce_attrs reduce;
    tn_shape x; /* the batch is dy's */
} reduce_mean_grad_attrs;

static tn_status infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const reduce_mean_grad_attrs *a = node->attrs;
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

static void run_gradient(const tn_run *run) {
    const reduce_mean_grad_attrs *a = run->node->attrs;
    const tn_shape *x = &run->node->outputs[0]->shape, kept = kept_shape(&a->reduce, x);
    tn_walk w = tn_walk_of(run->node->outputs[0], run->n, x, &kept);
    real *dx = run->out[0], scale = scale_of(&a->reduce, x);
    int inner = w.rank - 1;
    int64_t at[TN_WALK_RANK] = {0}, rows = 1, n = w.dims[inner];
    for (int i = 0; i < inner; i++) rows *= w.dims[i];
    for (int64_t row = 0; row < rows; row++, dx += n) {
        const real *dy = run->in[0];
        for (int i = 0; i < inner; i++) dy += at[i] * w.step[1][i];
        spread_row(run->kernels, n, dy, w.step[1][inner], scale, dx);
        for (int i = inner - 1; i >= 0 && ++at[i] == w.dims[i]; i--) at[i] = 0;
    }
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

static const tn_op reduce_mean_grad = {.name = "ReduceMeanGrad",
                                       .attrs_bytes = sizeof(reduce_mean_grad_attrs),
                                       .min_inputs = 1,
                                       .max_inputs = 1,
                                       .n_outputs = 1,
                                       .layout = TN_LAYOUT_ANY,
                                       .infer_shape = infer_gradient,
                                       .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const reduce_mean_grad_attrs a = {*(const tn_reduce_attrs *)node->attrs,
                                      node->inputs[0]->shape};
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &reduce_mean_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_reduce_mean = {.name = "ReduceMean",
                                 .onnx_type = "ReduceMean",
                                 .attrs = attrs,
                                 .attrs_bytes = sizeof(tn_reduce_attrs),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_ANY,
                                 .infer_shape = infer_shape,
                                 .differentiate = differentiate,
                                 .implementations = implementations};
