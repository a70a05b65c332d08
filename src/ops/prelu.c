/* SPDX-License-Identifier: Apache-2.0 */
/* prelu.c: y = x where x > 0, else slope · x (He et al. 2015); the slope is broadcast to x. ONNX
 * PRelu. */
#include <math.h>

#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_value *x = node->inputs[0], *slope = node->inputs[1], *y = node->outputs[0];
    char text[2][TN_SHAPE_TEXT];
    TN_TRY(tn_infer_broadcast(graph, node, error));
    if (tn_shape_equal(&x->shape, &y->shape)) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "slope %s is more than input \"%s\", %s",
                   tn_shape_text(&slope->shape, text[0]), x->name,
                   tn_shape_text(&x->shape, text[1]));
}

/* A row of dx[i] = x[i] > 0 ? dy[i] : slope[i · step] · dy[i]. */
static void gradient_row(const tn_kernels *kernels, int64_t n, const real *dy, const real *x,
                         const real *slope, int64_t step, real *dx) {
    if (step == 0) {
        kernels->leaky_relu_grad(n, x, dy, *slope, dx);
        return;
    }
    for (int64_t i = 0; i < n; i++) dx[i] = x[i] > 0 ? dy[i] : slope[i * step] * dy[i];
}

static void run_gradient(const tn_run *run) {
    const tn_value *y = run->node->outputs[0];
    const real *dy = run->in[0], *x = run->in[1], *slope = run->in[2];
    real *dx = run->out[0];
    tn_walk w = tn_walk_of(y, run->n, &y->shape, &run->node->inputs[2]->shape);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        gradient_row(run->kernels, r.n, dy + r.first, x + r.first, slope + r.from[1], r.step[1],
                     dx + r.first);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = dy where x > 0, else slope · dy; inputs dy, x, slope. */
static const tn_op prelu_grad = {.name = "PReluGrad",
                                 .min_inputs = 3,
                                 .max_inputs = 3,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_ANY,
                                 .in_place = true,
                                 .infer_shape = tn_infer_same,
                                 .implementations = gradient_implementations};

/* dslope = Σ dy · min(x, 0) over the axes along which the slope was repeated. */
static tn_status differentiate_slope(tn_graph *graph, tn_node *node, tn_error *error) {
    static const tn_clip_attrs below_zero = {-INFINITY, 0};
    tn_value *slope = node->inputs[1], *in[] = {tn_gradient_of(graph, node->outputs[0]), NULL}, *d;
    TN_TRY(tn_graph_apply(graph, &tn_op_clip, &below_zero, &node->inputs[0], 1, &in[1], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
    TN_TRY(tn_sum_to_shape(graph, d, &slope->shape, &d, error));
    return tn_gradient_add(graph, slope, d, error);
}

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *x = node->inputs[0], *dx;
    tn_value *in[] = {tn_gradient_of(graph, node->outputs[0]), x, node->inputs[1]};
    if (tn_gradient_wanted(graph, node->inputs[1])) TN_TRY(differentiate_slope(graph, node, error));
    if (!tn_gradient_wanted(graph, x)) return TN_OK;
    TN_TRY(tn_graph_apply(graph, &prelu_grad, NULL, in, 3, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

static void run_any(const tn_run *run) {
    tn_broadcast_run(run, run->kernels->prelu, run->kernels->leaky_relu, NULL);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_broadcast_rows, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_prelu = {.name = "PRelu",
                           .onnx_type = "PRelu",
                           .min_inputs = 2,
                           .max_inputs = 2,
                           .n_outputs = 1,
                           .layout = TN_LAYOUT_ANY,
                           .in_place = true,
                           .infer_shape = infer_shape,
                           .differentiate = differentiate,
                           .implementations = implementations};
