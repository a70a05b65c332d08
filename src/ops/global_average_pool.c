/* SPDX-License-Identifier: Apache-2.0 */
/* global_average_pool.c: the mean of each channel of an image. ONNX GlobalAveragePool. */
#include <string.h>

#include "ops/lanes.h"
#include "ops/pool_window.h"

/* y[n,c] = 1/(h·w) · Σ over pixels of x[n,c,...] */
static void run_any(const tn_run *run) {
    const tn_shape *shape = &run->node->inputs[0]->shape;
    int64_t c = shape->dims[1], pixels = tn_pool_pixels(shape);
    const real *x = run->in[0];
    real *y = run->out[0];
    for (int64_t n = 0; n < run->n; n++, y += c) {
        memcpy(y, x, (size_t)c * sizeof(real));
        run->kernels->sum_rows(pixels - 1, c, x + c, y);
        x += pixels * c;
        run->kernels->mul_scalar(c, y, (real)1 / (real)pixels, y);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, &tn_global_average_pool_lanes,
                                                           NULL};

/* dx[n,c,...] = dy[n,c] / (h·w) */
static void run_gradient(const tn_run *run) {
    const tn_pool_grad_attrs *a = run->node->attrs;
    int64_t c = run->node->inputs[0]->shape.dims[1], pixels = tn_pool_pixels(&a->x);
    const real *dy = run->in[0];
    real *dx = run->out[0];
    for (int64_t n = 0; n < run->n; n++, dy += c) {
        const real *first = dx;
        run->kernels->mul_scalar(c, dy, (real)1 / (real)pixels, dx);
        dx += c;
        for (int64_t i = 1; i < pixels; i++, dx += c) memcpy(dx, first, (size_t)c * sizeof(real));
    }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {
    &gradient, &tn_global_average_pool_grad_lanes, NULL};

static const tn_op global_average_pool_grad = {.name = "GlobalAveragePoolGrad",
                                               .attrs_bytes = sizeof(tn_pool_grad_attrs),
                                               .min_inputs = 1,
                                               .max_inputs = 1,
                                               .n_outputs = 1,
                                               .layout = TN_LAYOUT_CHANNELS_LAST,
                                               .infer_shape = tn_pool_infer_gradient,
                                               .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_grad_attrs a = tn_pool_grad_attrs_make(node);
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &global_average_pool_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_global_average_pool = {.name = "GlobalAveragePool",
                                         .onnx_type = "GlobalAveragePool",
                                         .min_inputs = 1,
                                         .max_inputs = 1,
                                         .n_outputs = 1,
                                         .layout = TN_LAYOUT_CHANNELS_LAST,
                                         .infer_shape = tn_pool_infer_global,
                                         .differentiate = differentiate,
                                         .implementations = implementations};
