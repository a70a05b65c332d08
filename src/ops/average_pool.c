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
    {"dilations", TN_ATTR_INTS, offsetof(tn_pool_attrs, dilations), false, 0, NULL},
    {"ceil_mode", TN_ATTR_INT, offsetof(tn_pool_attrs, ceil_mode), false, 0, NULL},
    {"count_include_pad", TN_ATTR_INT, offsetof(tn_pool_attrs, count_include_pad), false, 0, NULL},
    {"auto_pad", TN_ATTR_STRING, offsetof(tn_pool_attrs, auto_pad), false, 0, "NOTSET"},
    {0}};

/* y[n,c,p,q] = 1/count · Σ over the window's pixels inside the image of x[n, c, stride·p + r - pad,
 * ...]; count is the number of those pixels, with count_include_pad of those in the padding, too.
 */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_pool_attrs *a = node->attrs;
    TN_TRY(tn_pool_infer(node, error));
    bool dense = true;
    for (int i = 0; i < a->dilations.n; i++) dense = dense && a->dilations.v[i] == 1;
    if (dense) a->dilations.n = 0; /* which not all versions of ONNX have */
    return TN_OK;
}

/* The taps of a window that lie inside the image, and one over its count. */
typedef struct window {
    int64_t first[3];         /* where tap 0 is, inside or not */
    int64_t begin[3], end[3]; /* taps */
    real scale;
} window;

/* Along one axis; returns what this axis contributes to the count. As in PyTorch, what ceil_mode
 * lets a window reach beyond the padding never counts. */
static int64_t clip(const tn_pool_attrs *a, const tn_window *w, int axis, int64_t i, window *win) {
    int64_t d = w->dilation[axis], size = w->in[axis], taps = w->kernel[axis];
    int64_t first = i * w->stride[axis] - w->pad[axis];
    int64_t begin = first < 0 ? (-first + d - 1) / d : 0;
    win->first[axis] = first;
    win->begin[axis] = tn_min_i64(begin, taps);
    win->end[axis] = tn_max_i64(win->begin[axis], tn_min_i64(taps, (size - first + d - 1) / d));
    if (!a->count_include_pad) return win->end[axis] - win->begin[axis];
    return tn_min_i64(taps, (size + w->pad_after[axis] - first + d - 1) / d);
}

int64_t tn_average_pool_count(const tn_pool_attrs *a, const tn_window *w, int64_t p, int64_t q) {
    window unused;
    return clip(a, w, 1, p, &unused) * clip(a, w, 2, q, &unused);
}

/* Of output pixel i. */
static window window_at(const tn_pool_attrs *a, const tn_window *w, int64_t i) {
    window win;
    int64_t count = clip(a, w, 0, i / (w->out[1] * w->out[2]), &win);
    count *= clip(a, w, 1, i / w->out[2] % w->out[1], &win);
    count *= clip(a, w, 2, i % w->out[2], &win);
    win.scale = (real)1 / (real)count;
    return win;
}

/* to[k] += from[k] for the channels of each pixel in a window, whose images one of both is. */
static void add_pixels(const tn_kernels *kernels, const tn_window *w, const window *win, int64_t c,
                       const real *image, real *sum, real *grad, const real *part) {
    for (int64_t t = win->begin[0]; t < win->end[0]; t++)
        for (int64_t r = win->begin[1]; r < win->end[1]; r++)
            for (int64_t s = win->begin[2]; s < win->end[2]; s++) {
                int64_t slice = win->first[0] + t * w->dilation[0];
                int64_t row = win->first[1] + r * w->dilation[1];
                int64_t column = win->first[2] + s * w->dilation[2];
                int64_t at = ((slice * w->in[1] + row) * w->in[2] + column) * c;
                if (image)
                    kernels->add(c, sum, image + at, sum);
                else
                    kernels->add(c, grad + at, part, grad + at);
            }
}

static void run_any(const tn_run *run) {
    const tn_window w = tn_window_make(run->node->attrs, &run->node->inputs[0]->shape,
                                       &run->node->outputs[0]->shape);
    int64_t c = run->node->inputs[0]->shape.dims[1], begin, end;
    const real *x = tn_run_in_image(run, 0);
    real *y = run->out[0];
    tn_window_pixels(&w, run, &begin, &end);
    for (int64_t n = 0; n < run->n; n++, x += c * w.in[0] * w.in[1] * w.in[2])
        for (int64_t i = begin; i < end; i++, y += c) {
            window win = window_at(run->node->attrs, &w, i);
            memset(y, 0, (size_t)c * sizeof(real));
            add_pixels(run->kernels, &w, &win, c, x, y, NULL, NULL);
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
    const tn_window w =
        tn_window_make(&a->pool, &run->node->outputs[0]->shape, &run->node->inputs[0]->shape);
    int64_t c = run->node->inputs[0]->shape.dims[1], dx_each = c * w.in[0] * w.in[1] * w.in[2];
    const real *dy = run->in[0];
    real *dx = run->out[0], *part = run->workspace;
    memset(dx, 0, (size_t)(run->n * dx_each) * sizeof(real));
    for (int64_t n = 0; n < run->n; n++, dx += dx_each)
        for (int64_t i = 0; i < w.out[0] * w.out[1] * w.out[2]; i++, dy += c) {
            window win = window_at(&a->pool, &w, i);
            run->kernels->mul_scalar(c, dy, win.scale, part);
            add_pixels(run->kernels, &w, &win, c, NULL, NULL, dx, part);
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
                                        .layout = TN_LAYOUT_CHANNELS_LAST,
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
                                  .layout = TN_LAYOUT_CHANNELS_LAST,
                                  .infer_shape = infer_shape,
                                  .differentiate = differentiate,
                                  .implementations = implementations};
