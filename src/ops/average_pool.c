/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool.c: means over windows. ONNX AveragePool. */
#include <string.h>

#include "base/size.h"
#include "ops/lanes.h"
#include "ops/pool_window.h"

static const tn_attr attrs[] = {
    {"kernel_shape", TN_ATTR_INTS, offsetof(tn_pool_attrs, kernel_shape), true, 0, NULL},
    {"strides", TN_ATTR_INTS, offsetof(tn_pool_attrs, strides), false, 0, NULL},
    {"pads", TN_ATTR_INTS, offsetof(tn_pool_attrs, pads), false, 0, NULL},
    {"ceil_mode", TN_ATTR_INT, offsetof(tn_pool_attrs, ceil_mode), false, 0, NULL},
    {"count_include_pad", TN_ATTR_INT, offsetof(tn_pool_attrs, count_include_pad), false, 0, NULL},
    {"auto_pad", TN_ATTR_STRING, offsetof(tn_pool_attrs, auto_pad), false, 0, "NOTSET"},
    {0}};

/* y[n,c,p,q] = 1/count · Σ over the window's pixels inside the image of x[n, c, stride·p + r - pad,
 * ...]; count is the number of those pixels, with count_include_pad of those in the padding, too.
 */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    return tn_pool_infer(node, error);
}

/* The part of a window that lies inside the image, and one over its count. */
typedef struct window {
    int64_t top, bottom, left, right; /* bottom and right are no longer inside */
    real scale;
} window;

/* Along one axis; returns what this axis contributes to the count. As in PyTorch, what ceil_mode
 * lets a window reach beyond the padding never counts. */
static int64_t clip(const tn_pool_attrs *a, int axis, int64_t size, int64_t i, int64_t *begin,
                    int64_t *end) {
    int64_t first = i * a->strides.v[axis] - a->pads.v[axis];
    int64_t last = first + a->kernel_shape.v[axis];
    *begin = tn_max_i64(first, 0);
    *end = tn_min_i64(last, size);
    if (!a->count_include_pad) return *end - *begin;
    return tn_min_i64(last, size + a->pads.v[2 + axis]) - first;
}

int64_t tn_average_pool_count(const tn_pool_attrs *a, const int64_t *dims, int64_t p, int64_t q) {
    int64_t unused[2];
    return clip(a, 0, dims[2], p, &unused[0], &unused[1]) *
           clip(a, 1, dims[3], q, &unused[0], &unused[1]);
}

/* Of output pixel (p, q); the image has dims [n][c][h][w]. */
static window window_at(const tn_pool_attrs *a, const int64_t *dims, int64_t p, int64_t q) {
    window win;
    int64_t rows = clip(a, 0, dims[2], p, &win.top, &win.bottom);
    int64_t columns = clip(a, 1, dims[3], q, &win.left, &win.right);
    win.scale = (real)1 / (real)(rows * columns);
    return win;
}

static void run_any(const tn_run *run) {
    const int64_t *in = run->node->inputs[0]->shape.dims, *out = run->node->outputs[0]->shape.dims;
    int64_t c = in[1];
    const real *x = tn_run_in_image(run, 0);
    real *y = run->out[0];
    for (int64_t n = 0; n < run->n; n++, x += c * in[2] * in[3])
        for (int64_t i = run->rows.begin * out[3]; i < run->rows.end * out[3]; i++, y += c) {
            window win = window_at(run->node->attrs, in, i / out[3], i % out[3]);
            memset(y, 0, (size_t)c * sizeof(real));
            for (int64_t row = win.top; row < win.bottom; row++)
                for (int64_t column = win.left; column < win.right; column++)
                    run->kernels->add(c, y, x + (row * in[3] + column) * c, y);
            run->kernels->mul_scalar(c, y, win.scale, y);
        }
}

static const tn_implementation any = {.name = "any", .rows_in = tn_pool_rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {&any, &tn_average_pool_lanes, NULL};

/* ---- Gradient: each pixel of a window gets an equal part of dy --------------------------------
 */

/* One pixel's channels. */
static int64_t gradient_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return node->inputs[0]->shape.dims[1] * (int64_t)sizeof(real);
}

static void run_gradient(const tn_run *run) {
    const tn_pool_grad_attrs *a = run->node->attrs;
    const int64_t *in = run->node->outputs[0]->shape.dims, *out = run->node->inputs[0]->shape.dims;
    int64_t c = in[1], dx_each = c * in[2] * in[3];
    const real *dy = run->in[0];
    real *dx = run->out[0], *part = run->workspace;
    memset(dx, 0, (size_t)(run->n * dx_each) * sizeof(real));
    for (int64_t n = 0; n < run->n; n++, dx += dx_each)
        for (int64_t i = 0; i < out[2] * out[3]; i++, dy += c) {
            window win = window_at(&a->pool, in, i / out[3], i % out[3]);
            run->kernels->mul_scalar(c, dy, win.scale, part);
            for (int64_t row = win.top; row < win.bottom; row++)
                for (int64_t column = win.left; column < win.right; column++) {
                    real *to = dx + (row * in[3] + column) * c;
                    run->kernels->add(c, to, part, to);
                }
        }
}

static const tn_implementation gradient = {
    .name = "any", .workspace_bytes = gradient_workspace, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {
    &gradient, &tn_average_pool_grad_lanes, NULL};

static const tn_op average_pool_grad = {.name = "AveragePoolGrad",
                                        .attrs_bytes = sizeof(tn_pool_grad_attrs),
                                        .min_inputs = 1,
                                        .max_inputs = 1,
                                        .n_outputs = 1,
                                        .layout = TN_LAYOUT_IMAGE,
                                        .infer_shape = tn_pool_infer_gradient,
                                        .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_grad_attrs a = tn_pool_grad_attrs_make(node);
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &average_pool_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_average_pool = {.name = "AveragePool",
                                  .onnx_type = "AveragePool",
                                  .attrs = attrs,
                                  .attrs_bytes = sizeof(tn_pool_attrs),
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .n_outputs = 1,
                                  .layout = TN_LAYOUT_IMAGE,
                                  .infer_shape = infer_shape,
                                  .differentiate = differentiate,
                                  .implementations = implementations};
