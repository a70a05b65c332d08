/* SPDX-License-Identifier: Apache-2.0 */
/* log_softmax.c: y = x - log Σ exp x along an axis. ONNX LogSoftmax. */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/log_softmax.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, -1, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_axis_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    int axis;
    TN_TRY(tn_axis_resolve(a->axis, x->rank, &axis, error));
    if (x->batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 mixes samples of the batch");
    return tn_infer_same(graph, node, error);
}

static tn_axis_view view_of(const tn_run *run) {
    const tn_axis_attrs *a = run->node->attrs;
    return tn_axis_view_of(&run->node->outputs[0]->shape, run->n, a->axis, false);
}

/* dx = dy - exp(y) · Σ dy of n numbers, `step` apart. */
static void gradient_along(int64_t n, int64_t step, const real *dy, const real *y, real *dx) {
    real sum = 0;
    for (int64_t j = 0; j < n; j++) sum += dy[j * step];
    for (int64_t j = 0; j < n; j++) dx[j * step] = dy[j * step] - tn_exp(y[j * step]) * sum;
}

static void run_gradient(const tn_run *run) {
    tn_axis_view v = view_of(run);
    const real *dy = run->in[0], *y = run->in[1];
    real *dx = run->out[0];
    if (v.n == 0) return;
    if (v.inner == 1) {
        run->kernels->log_softmax_grad(v.outer, v.n, y, dy, dx);
        return;
    }
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++) {
            int64_t at = o * v.n * v.inner + i;
            gradient_along(v.n, v.inner, dy + at, y + at, dx + at);
        }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dy, y. */
static const tn_op log_softmax_grad = {.name = "LogSoftmaxGrad",
                                       .attrs_bytes = sizeof(tn_axis_attrs),
                                       .min_inputs = 2,
                                       .max_inputs = 2,
                                       .n_outputs = 1,
                                       .layout = TN_LAYOUT_PLAIN,
                                       .in_place = true,
                                       .infer_shape = tn_infer_same,
                                       .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *y = node->outputs[0], *in[] = {tn_gradient_of(graph, y), y}, *dx;
    TN_TRY(tn_graph_apply(graph, &log_softmax_grad, node->attrs, in, 2, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

/* n numbers at x, `step` apart, the maximum subtracted first; y may be x. */
static void along(int64_t n, int64_t step, const real *x, real *y) {
    real max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) max = x[j * step] > max ? x[j * step] : max;
    for (int64_t j = 0; j < n; j++) sum += tn_exp(x[j * step] - max);
    real log_sum = tn_log(sum);
    for (int64_t j = 0; j < n; j++) y[j * step] = x[j * step] - max - log_sum;
}

void tn_log_softmax_along(const tn_kernels *kernels, tn_axis_view v, const real *x, real *y) {
    if (v.n == 0) return;
    if (v.inner == 1) {
        kernels->log_softmax(v.outer, v.n, x, y);
        return;
    }
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++) {
            int64_t at = o * v.n * v.inner + i;
            along(v.n, v.inner, x + at, y + at);
        }
}

static void run_any(const tn_run *run) {
    tn_log_softmax_along(run->kernels, view_of(run), run->in[0], run->out[0]);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_log_softmax = {.name = "LogSoftmax",
                                 .onnx_type = "LogSoftmax",
                                 .attrs = attrs,
                                 .attrs_bytes = sizeof(tn_axis_attrs),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_PLAIN,
                                 .in_place = true,
                                 .infer_shape = infer_shape,
                                 .differentiate = differentiate,
                                 .implementations = implementations};
