/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool.c: maximum over windows. ONNX MaxPool. */
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
    {"storage_order", TN_ATTR_INT, offsetof(tn_pool_attrs, storage_order), false, 0, NULL},
    {"auto_pad", TN_ATTR_STRING, offsetof(tn_pool_attrs, auto_pad), false, 0, "NOTSET"},
    {0}};

/* A position in the window is kept in a byte. */
enum { MAX_TAPS = 255 };

/* Whether each window along an axis has a tap inside the image. One that begins inside has; none
 * begins behind it, as padding is smaller than the window. */
static bool taps_inside(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                        int64_t output) {
    for (int64_t p = 0; p < output && p * stride < pad; p++) {
        int64_t tap = (pad - p * stride + dilation - 1) / dilation; /* the first not before it */
        if (tap >= kernel || p * stride + tap * dilation - pad >= size) return false;
    }
    return true;
}

/* y[n,c,p,q] = max over taps of x[n, c, stride·p + dilation·r - pad, ...]; padding never wins. The
 * second output, present in training, is the winning tap. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_pool_attrs *a = node->attrs;
    const int64_t *x = node->inputs[0]->shape.dims, *y = node->outputs[0]->shape.dims;
    TN_TRY(tn_pool_infer(node, error));
    if (a->kernel_shape.v[0] * a->kernel_shape.v[1] > MAX_TAPS)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "a window of %lldx%lld (at most %d pixels)",
                       (long long)a->kernel_shape.v[0], (long long)a->kernel_shape.v[1], MAX_TAPS);
    for (int i = 0; i < 2; i++)
        if (!taps_inside(x[2 + i], a->kernel_shape.v[i], a->strides.v[i], a->dilations.v[i],
                         a->pads.v[i], y[2 + i]))
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "a window over padding alone, which has no maximum");
    if (node->n_outputs > 1) node->outputs[1]->shape = tn_max_pool_arg_shape(node);
    return TN_OK;
}

typedef struct window {
    int n;                /* taps inside the image */
    int64_t at[MAX_TAPS]; /* their offsets in an image */
} window;

/* The taps of output pixel (p, q) that lie inside an image of dims [n][c][h][w]. */
static void window_at(const tn_pool_attrs *a, const int64_t *dims, int64_t p, int64_t q,
                      window *win) {
    win->n = 0;
    for (int64_t r = 0; r < a->kernel_shape.v[0]; r++) {
        int64_t row = p * a->strides.v[0] + r * a->dilations.v[0] - a->pads.v[0];
        if (row < 0 || row >= dims[2]) continue;
        for (int64_t s = 0; s < a->kernel_shape.v[1]; s++) {
            int64_t column = q * a->strides.v[1] + s * a->dilations.v[1] - a->pads.v[1];
            if (column < 0 || column >= dims[3]) continue;
            win->at[win->n++] = (row * dims[3] + column) * dims[1];
        }
    }
}

static void run_any(const tn_run *run) {
    const int64_t *in = run->node->inputs[0]->shape.dims, *out = run->node->outputs[0]->shape.dims;
    int64_t c = in[1], x_each = c * in[2] * in[3], y_each = c * out[2] * out[3];
    window win;
    const real *taps[MAX_TAPS];
    const real *images = tn_run_in_image(run, 0);
    real *y = tn_run_out_image(run, 0);
    uint8_t *arg = run->out[1] ? tn_run_out_image(run, 1) : NULL;
    for (int64_t i = run->rows.begin * out[3]; i < run->rows.end * out[3]; i++) {
        window_at(run->node->attrs, in, i / out[3], i % out[3], &win);
        for (int64_t n = 0; n < run->n; n++) {
            const real *x = images + n * x_each;
            int64_t at = n * y_each + i * c;
            for (int t = 0; t < win.n; t++) taps[t] = x + win.at[t];
            run->kernels->max_pool(win.n, taps, c, y + at, arg ? arg + at : NULL);
        }
    }
}

static const tn_implementation any = {.name = "any", .rows_in = tn_pool_rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {
    &tn_max_pool_2x2, &any, &tn_max_pool_2x2_lanes, &tn_max_pool_lanes, NULL};

/* ---- Gradient: dx gets dy at the first maximum of each window, in scan order ----------------- */

static void run_gradient(const tn_run *run) {
    const tn_pool_grad_attrs *a = run->node->attrs;
    const int64_t *in = run->node->outputs[0]->shape.dims, *out = run->node->inputs[0]->shape.dims;
    int64_t c = in[1], x_each = c * in[2] * in[3], y_each = c * out[2] * out[3];
    window win;
    real *taps[MAX_TAPS];
    memset(run->out[0], 0, (size_t)(run->n * x_each) * sizeof(real));
    for (int64_t i = 0; i < out[2] * out[3]; i++) {
        window_at(&a->pool, in, i / out[3], i % out[3], &win);
        for (int64_t n = 0; n < run->n; n++) {
            int64_t at = n * y_each + i * c;
            for (int t = 0; t < win.n; t++) taps[t] = (real *)run->out[0] + n * x_each + win.at[t];
            run->kernels->max_pool_grad((const uint8_t *)run->in[1] + at,
                                        (const real *)run->in[0] + at, c, taps);
        }
    }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {
    &tn_max_pool_2x2_grad, &gradient, &tn_max_pool_2x2_grad_lanes, &tn_max_pool_grad_lanes, NULL};

const tn_op tn_op_max_pool_grad = {.name = "MaxPoolGrad",
                                   .attrs_bytes = sizeof(tn_pool_grad_attrs),
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .n_outputs = 1,
                                   .layout = TN_LAYOUT_IMAGE,
                                   .infer_shape = tn_pool_infer_gradient,
                                   .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_grad_attrs a = tn_pool_grad_attrs_make(node);
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    const tn_shape arg = tn_max_pool_arg_shape(node);
    if (node->n_outputs == 1) TN_TRY(tn_graph_add_output(graph, node, TN_UINT8, &arg, NULL, error));
    tn_value *in[] = {dy, node->outputs[1]};
    TN_TRY(tn_graph_apply(graph, &tn_op_max_pool_grad, &a, in, 2, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_max_pool = {.name = "MaxPool",
                              .onnx_type = "MaxPool",
                              .attrs = attrs,
                              .attrs_bytes = sizeof(tn_pool_attrs),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .n_outputs = 1,
                              .layout = TN_LAYOUT_IMAGE,
                              .infer_shape = infer_shape,
                              .differentiate = differentiate,
                              .implementations = implementations};

/* ---- With a Relu behind ---------------------------------------------------------------------- */

static const tn_implementation *const relu_implementations[] = {&tn_max_pool_2x2,
                                                                &tn_max_pool_2x2_lanes, NULL};
static const tn_implementation *const relu_grad_implementations[] = {
    &tn_max_pool_2x2_grad, &tn_max_pool_2x2_grad_lanes, NULL};

const tn_op tn_op_max_pool_relu = {.name = "MaxPoolRelu",
                                   .attrs_bytes = sizeof(tn_pool_attrs),
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .n_outputs = 1,
                                   .layout = TN_LAYOUT_IMAGE,
                                   .infer_shape = infer_shape,
                                   .implementations = relu_implementations};

/* Inputs dy, of the output of the Relu, and the winners. */
const tn_op tn_op_max_pool_relu_grad = {.name = "MaxPoolReluGrad",
                                        .attrs_bytes = sizeof(tn_pool_grad_attrs),
                                        .min_inputs = 2,
                                        .max_inputs = 2,
                                        .n_outputs = 1,
                                        .layout = TN_LAYOUT_IMAGE,
                                        .infer_shape = tn_pool_infer_gradient,
                                        .implementations = relu_grad_implementations};
