/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool.c: maximum over windows of images of one to three dimensions. ONNX MaxPool. */
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

/* The place of the winners that a gradient needs, if they are there. */
static int arg_of(const tn_node *node) {
    return ((const tn_pool_attrs *)node->attrs)->indices ? 2 : 1;
}

/* Indices, if the model has them, and winners. */
static tn_status infer_more(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_attrs *a = node->attrs;
    const tn_shape *y = &node->outputs[0]->shape;
    if (a->indices && node->n_outputs == 1)
        TN_TRY(tn_graph_add_output(graph, node, TN_INT64, y, NULL, error));
    if (node->n_outputs > arg_of(node))
        node->outputs[arg_of(node)]->shape = tn_max_pool_arg_shape(node);
    return TN_OK;
}

/* y[n,c,p,q] = max over taps of x[n, c, stride·p + dilation·r - pad, ...]; padding never wins. The
 * last output, present in training, is the winning tap; ONNX's second, the place of the winner in
 * the input, is another. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_attrs *a = node->attrs;
    const int64_t *x = node->inputs[0]->shape.dims, *y = node->outputs[0]->shape.dims;
    int64_t taps = 1;
    TN_TRY(tn_pool_infer(node, error));
    for (int i = 0; i < a->kernel_shape.n; i++) {
        if (!tn_size_mul(taps, a->kernel_shape.v[i], &taps) || (a->indices && taps > MAX_TAPS))
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "a window of %lld pixels (with indices, at most %d)", (long long)taps,
                           MAX_TAPS);
        if (!taps_inside(x[2 + i], a->kernel_shape.v[i], a->strides.v[i], a->dilations.v[i],
                         a->pads.v[i], y[2 + i]))
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "a window over padding alone, which has no maximum");
    }
    return infer_more(graph, node, error);
}

typedef struct window {
    int n;                /* taps inside the image */
    int64_t at[MAX_TAPS]; /* their offsets in an image */
} window;

/* The taps of output pixel i that lie inside an image of c channels. */
static void window_at(const tn_window *w, int64_t i, int64_t c, window *win) {
    const int64_t at[3] = {i / (w->out[1] * w->out[2]), i / w->out[2] % w->out[1], i % w->out[2]};
    int64_t first[3];
    for (int k = 0; k < 3; k++) first[k] = at[k] * w->stride[k] - w->pad[k];
    win->n = 0;
    for (int64_t t = 0; t < w->kernel[0]; t++) {
        int64_t slice = first[0] + t * w->dilation[0];
        if (slice < 0 || slice >= w->in[0]) continue;
        for (int64_t r = 0; r < w->kernel[1]; r++) {
            int64_t row = first[1] + r * w->dilation[1];
            if (row < 0 || row >= w->in[1]) continue;
            for (int64_t s = 0; s < w->kernel[2]; s++) {
                int64_t column = first[2] + s * w->dilation[2];
                if (column < 0 || column >= w->in[2]) continue;
                win->at[win->n++] = ((slice * w->in[1] + row) * w->in[2] + column) * c;
            }
        }
    }
}

/* Pixels of an image. */
static int64_t pixels_of(const int64_t size[3]) { return size[0] * size[1] * size[2]; }

/* What indices count: the place of a winner in the input as a plain array, of which order says
 * whether the last axis moves fastest or the first. */
static int64_t index_of(const tn_window *w, int64_t order, int64_t pixel) {
    int64_t column = pixel % w->in[2], row = pixel / w->in[2] % w->in[1];
    int64_t slice = pixel / (w->in[1] * w->in[2]);
    return order ? (column * w->in[1] + row) * w->in[0] + slice : pixel;
}

static int64_t any_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return arg_of(node) == 2 ? node->inputs[0]->shape.dims[1] : 0;
}

/* Of the channels of one output pixel, from the winning taps; plane is the place of the sample. */
static void write_indices(const tn_window *w, int64_t order, const window *win, int64_t c,
                          int64_t plane, const uint8_t *arg, int64_t *indices) {
    for (int64_t k = 0; k < c; k++)
        indices[k] = (plane * c + k) * pixels_of(w->in) + index_of(w, order, win->at[arg[k]] / c);
}

static void run_any(const tn_run *run) {
    const tn_pool_attrs *a = run->node->attrs;
    const tn_window w =
        tn_window_make(a, &run->node->inputs[0]->shape, &run->node->outputs[0]->shape);
    int64_t c = run->node->inputs[0]->shape.dims[1], begin, end;
    int64_t x_each = c * pixels_of(w.in), y_each = c * pixels_of(w.out);
    window win;
    const real *taps[MAX_TAPS];
    const real *images = tn_run_in_image(run, 0);
    real *y = tn_run_out_image(run, 0);
    int place = arg_of(run->node);
    uint8_t *arg = run->out[place] ? tn_run_out_image(run, place) : NULL;
    int64_t *indices = a->indices && run->out[1] ? tn_run_out_image(run, 1) : NULL;
    tn_window_pixels(&w, run, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        window_at(&w, i, c, &win);
        for (int64_t n = 0; n < run->n; n++) {
            const real *x = images + n * x_each;
            int64_t at = n * y_each + i * c;
            uint8_t *winners = arg ? arg + at : indices ? run->workspace : NULL;
            for (int t = 0; t < win.n; t++) taps[t] = x + win.at[t];
            run->kernels->max_pool(win.n, taps, c, y + at, winners);
            if (indices)
                write_indices(&w, a->storage_order, &win, c, run->first + n, winners, indices + at);
        }
    }
}

static const tn_implementation any = {
    .name = "any", .workspace_bytes = any_workspace, .rows_in = tn_pool_rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {
    &tn_max_pool_2x2, &tn_max_pool_large, &any, &tn_max_pool_2x2_lanes, &tn_max_pool_lanes, NULL};

/* ---- Gradient: dx gets dy at the first maximum of each window, in scan order ----------------- */

static void run_gradient(const tn_run *run) {
    const tn_pool_grad_attrs *a = run->node->attrs;
    const tn_window w =
        tn_window_make(&a->pool, &run->node->outputs[0]->shape, &run->node->inputs[0]->shape);
    int64_t c = run->node->inputs[0]->shape.dims[1];
    int64_t x_each = c * pixels_of(w.in), y_each = c * pixels_of(w.out);
    window win;
    real *taps[MAX_TAPS];
    memset(run->out[0], 0, (size_t)(run->n * x_each) * sizeof(real));
    for (int64_t i = 0; i < pixels_of(w.out); i++) {
        window_at(&w, i, c, &win);
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
                                   .layout = TN_LAYOUT_CHANNELS_LAST,
                                   .infer_shape = tn_pool_infer_gradient,
                                   .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_pool_grad_attrs a = tn_pool_grad_attrs_make(node);
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    const tn_shape arg = tn_max_pool_arg_shape(node);
    int place = arg_of(node);
    if (!dy) return TN_OK; /* indices have no gradient */
    if (tn_max_pool_is_large(node))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "a window of more than %d pixels has no gradient (cannot train it)",
                       MAX_TAPS);
    if (node->n_outputs == place)
        TN_TRY(tn_graph_add_output(graph, node, TN_UINT8, &arg, NULL, error));
    tn_value *in[] = {dy, node->outputs[place]};
    TN_TRY(tn_graph_apply(graph, &tn_op_max_pool_grad, &a, in, 2, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

static int onnx_outputs(const tn_node *node) { return arg_of(node); }

const tn_op tn_op_max_pool = {.name = "MaxPool",
                              .onnx_type = "MaxPool",
                              .attrs = attrs,
                              .attrs_bytes = sizeof(tn_pool_attrs),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .n_outputs = 1,
                              .layout = TN_LAYOUT_CHANNELS_LAST,
                              .onnx_outputs = onnx_outputs,
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
                                   .layout = TN_LAYOUT_CHANNELS_LAST,
                                   .infer_shape = infer_shape,
                                   .implementations = relu_implementations};

/* Inputs dy, of the output of the Relu, and the winners. */
const tn_op tn_op_max_pool_relu_grad = {.name = "MaxPoolReluGrad",
                                        .attrs_bytes = sizeof(tn_pool_grad_attrs),
                                        .min_inputs = 2,
                                        .max_inputs = 2,
                                        .n_outputs = 1,
                                        .layout = TN_LAYOUT_CHANNELS_LAST,
                                        .infer_shape = tn_pool_infer_gradient,
                                        .implementations = relu_grad_implementations};
