/* SPDX-License-Identifier: Apache-2.0 */
/* mean_variance_normalization.c: y = (x - mean) / (√variance + 1e-9) over some axes. ONNX
 * MeanVarianceNormalization. */
#include <math.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

static const float epsilon = 1e-9f;

/* The axes that an image's channels leave over, unless others are given. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_axes_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    bool marked[TN_MAX_RANK];
    if (a->axes.n == 0) a->axes = (tn_ints){3, {0, 2, 3}};
    TN_TRY(tn_axes_mark(&a->axes, x->rank, marked, error));
    if (x->batched && marked[0])
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 mixes samples of the batch");
    a->axes.n = 0;
    for (int i = 0; i < x->rank; i++)
        if (marked[i]) a->axes.v[a->axes.n++] = i;
    return tn_infer_same(graph, node, error);
}

static const tn_attr attrs[] = {
    {"axes", TN_ATTR_INTS, offsetof(tn_axes_attrs, axes), false, 0, NULL}, {0}};

static int64_t workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    const tn_axes_attrs *a = node->attrs;
    const tn_reduce_attrs reduce = {.axes = a->axes};
    tn_shape kept = tn_reduce_kept(&reduce, &node->inputs[0]->shape);
    (void)kernels;
    return 2 * tn_shape_sample_elements(&kept) * (kept.batched ? tn_round_up(n, TN_LANES) : 1) *
           (int64_t)sizeof(double);
}

static void run_any(const tn_run *run) {
    const tn_axes_attrs *a = run->node->attrs;
    const tn_value *value = run->node->inputs[0];
    const tn_reduce_attrs reduce = {.axes = a->axes};
    tn_shape kept = tn_reduce_kept(&reduce, &value->shape);
    int64_t n = tn_shape_sample_elements(&kept), count = tn_reduce_count(&reduce, &value->shape);
    if (kept.batched) n *= value->lanes ? tn_round_up(run->n, TN_LANES) : run->n;
    double *mean = run->workspace, *deviation = mean + n;
    const real *x = run->in[0];
    real *y = run->out[0];
    tn_walk w = tn_walk_of(value, run->n, &value->shape, &kept);
    for (int64_t k = 0; k < 2 * n; k++) mean[k] = 0;
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) mean[r.from[1] + i * r.step[1]] += (double)x[r.first + i];
    for (int64_t k = 0; k < n; k++) mean[k] /= (double)count;
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t k = r.from[1] + i * r.step[1];
            double d = (double)x[r.first + i] - mean[k];
            deviation[k] += d * d;
        }
    for (int64_t k = 0; k < n; k++)
        deviation[k] = sqrt(deviation[k] / (double)count) + (double)epsilon;
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        for (int64_t i = 0; i < r.n; i++) {
            int64_t k = r.from[1] + i * r.step[1];
            y[r.first + i] = (real)(((double)x[r.first + i] - mean[k]) / deviation[k]);
        }
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .workspace_bytes = workspace_bytes, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

static tn_status apply2(tn_graph *graph, const tn_op *op, tn_value *a, tn_value *b, tn_value **y,
                        tn_error *error) {
    tn_value *in[] = {a, b};
    return tn_graph_apply(graph, op, NULL, in, 2, y, error);
}

/* dx = (dy - mean dy - y · mean(dy · y)) / (√variance + 1e-9), where the small number's part in the
 * derivative of the root is left out. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_reduce_attrs a = {.axes = ((const tn_axes_attrs *)node->attrs)->axes, .keepdims = 1};
    const tn_op *mean = &tn_op_reduce_mean;
    tn_value *x = node->inputs[0], *y = node->outputs[0], *dy = tn_gradient_of(graph, y);
    tn_value *mean_x, *deviation, *mean_dy, *dot, *d, *small;
    TN_TRY(tn_graph_apply(graph, mean, &a, &x, 1, &mean_x, error));
    TN_TRY(apply2(graph, &tn_op_sub, x, mean_x, &d, error));
    TN_TRY(apply2(graph, &tn_op_mul, d, d, &d, error));
    TN_TRY(tn_graph_apply(graph, mean, &a, &d, 1, &d, error));
    TN_TRY(tn_graph_apply(graph, &tn_op_sqrt, NULL, &d, 1, &d, error));
    TN_TRY(tn_graph_add_constant(graph, NULL, 0, NULL, &epsilon, &small, error));
    TN_TRY(apply2(graph, &tn_op_add, d, small, &deviation, error));
    TN_TRY(tn_graph_apply(graph, mean, &a, &dy, 1, &mean_dy, error));
    TN_TRY(apply2(graph, &tn_op_mul, dy, y, &dot, error));
    TN_TRY(tn_graph_apply(graph, mean, &a, &dot, 1, &dot, error));
    TN_TRY(apply2(graph, &tn_op_mul, y, dot, &dot, error));
    TN_TRY(apply2(graph, &tn_op_sub, dy, mean_dy, &d, error));
    TN_TRY(apply2(graph, &tn_op_sub, d, dot, &d, error));
    TN_TRY(apply2(graph, &tn_op_div, d, deviation, &d, error));
    return tn_gradient_add(graph, x, d, error);
}

const tn_op tn_op_mean_variance_normalization = {.name = "MeanVarianceNormalization",
                                                 .onnx_type = "MeanVarianceNormalization",
                                                 .attrs = attrs,
                                                 .attrs_bytes = sizeof(tn_axes_attrs),
                                                 .min_inputs = 1,
                                                 .max_inputs = 1,
                                                 .n_outputs = 1,
                                                 .layout = TN_LAYOUT_ANY,
                                                 .infer_shape = infer_shape,
                                                 .differentiate = differentiate,
                                                 .implementations = implementations};
