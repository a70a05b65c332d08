/* SPDX-License-Identifier: Apache-2.0 */
/* global_max_pool.c: the maximum of each channel of an image. ONNX GlobalMaxPool. */
#include <string.h>

#include "ops/pool_window.h"

/* y[n,c] = max over pixels of x[n,c,...]; a NaN wins over numbers. */
static void run_any(const tn_run *run) {
    const tn_shape *shape = &run->node->inputs[0]->shape;
    int64_t c = shape->dims[1], pixels = tn_pool_pixels(shape);
    const real *x = run->in[0];
    real *y = run->out[0];
    for (int64_t n = 0; n < run->n; n++, y += c) {
        memcpy(y, x, (size_t)c * sizeof(real));
        x += c;
        for (int64_t i = 1; i < pixels; i++, x += c)
            for (int64_t k = 0; k < c; k++) y[k] = x[k] > y[k] || x[k] != x[k] ? x[k] : y[k];
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* A NaN is there only if it is the maximum. */
static bool is_maximum(real x, real y) { return x == y || x != x; }

/* dx gets dy at the first maximum of each channel, in scan order, as PyTorch does. Inputs dy, x, y.
 */
static void run_gradient(const tn_run *run) {
    const tn_shape *shape = &run->node->inputs[1]->shape;
    int64_t c = shape->dims[1], pixels = tn_pool_pixels(shape);
    const real *dy = run->in[0], *x = run->in[1], *y = run->in[2];
    real *dx = run->out[0];
    memset(dx, 0, (size_t)(run->n * c * pixels) * sizeof(real));
    for (int64_t n = 0; n < run->n; n++, x += c * pixels, dx += c * pixels, y += c, dy += c)
        for (int64_t k = 0; k < c; k++) {
            int64_t i = 0;
            while (i + 1 < pixels && !is_maximum(x[i * c + k], y[k])) i++;
            dx[i * c + k] = dy[k];
        }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

static const tn_op global_max_pool_grad = {.name = "GlobalMaxPoolGrad",
                                           .attrs_bytes = sizeof(tn_pool_grad_attrs),
                                           .min_inputs = 3,
                                           .max_inputs = 3,
                                           .n_outputs = 1,
                                           .layout = TN_LAYOUT_CHANNELS_LAST,
                                           .infer_shape = tn_pool_infer_gradient,
                                           .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_grad_attrs a = tn_pool_grad_attrs_make(node);
    tn_value *y = node->outputs[0], *in[] = {tn_gradient_of(graph, y), node->inputs[0], y}, *dx;
    TN_TRY(tn_graph_apply(graph, &global_max_pool_grad, &a, in, 3, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_global_max_pool = {.name = "GlobalMaxPool",
                                     .onnx_type = "GlobalMaxPool",
                                     .min_inputs = 1,
                                     .max_inputs = 1,
                                     .n_outputs = 1,
                                     .layout = TN_LAYOUT_CHANNELS_LAST,
                                     .infer_shape = tn_pool_infer_global,
                                     .differentiate = differentiate,
                                     .implementations = implementations};
