/* SPDX-License-Identifier: Apache-2.0 */
/* pool_window.h: what operators that pool images share. */
#ifndef TN_OPS_POOL_WINDOW_H
#define TN_OPS_POOL_WINDOW_H

#include "graph/images.h"
#include "ops/conv_geometry.h"

/* infer_shape of pooling by windows: fills in the attributes left out (of tn_pool_attrs; pads then
 * say what auto_pad said), checks them, and sets the shapes of all outputs. A window without
 * dilation has at least one pixel inside the image. */
tn_status tn_pool_infer(tn_node *node, tn_error *error);
/* infer_shape of pooling over the whole of each channel: [n][c][h][w] -> [n][c][1][1], and
 * likewise with one spatial dimension or three. */
tn_status tn_pool_infer_global(tn_graph *graph, tn_node *node, tn_error *error);

/* rows_in of pooling by windows. */
bool tn_pool_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in);

/* A window, and images pooled by it, as volumes: along depth, height and width, 1 where they have
 * fewer dimensions. */
typedef struct tn_window {
    int64_t kernel[3], stride[3], dilation[3], pad[3], pad_after[3];
    int64_t in[3], out[3];
} tn_window;
tn_window tn_window_make(const tn_pool_attrs *attrs, const tn_shape *in, const tn_shape *out);
/* Output pixels of a sample that a call computes. */
void tn_window_pixels(const tn_window *window, const tn_run *run, int64_t *begin, int64_t *end);
/* Pixels of an image. */
int64_t tn_pool_pixels(const tn_shape *image);
/* What is for images of two dimensions alone. */
bool tn_pool_of_images(const tn_node *node);

/* Attributes of the gradient operators: those of the pooling (zero if it has none), and the shape
 * of its input. */
typedef struct tn_pool_grad_attrs {
    tn_pool_attrs pool;
    tn_shape x;
} tn_pool_grad_attrs;

/* For the gradient of node, which pools. */
tn_pool_grad_attrs tn_pool_grad_attrs_make(const tn_node *node);
/* infer_shape of a gradient operator whose input 0 is dy. */
tn_status tn_pool_infer_gradient(tn_graph *graph, tn_node *node, tn_error *error);

/* ---- Average pooling (average_pool.c) -------------------------------------------------------- */

/* What the sum over the window of output pixel (p, q) of an image is divided by. */
int64_t tn_average_pool_count(const tn_pool_attrs *attrs, const tn_window *window, int64_t p,
                              int64_t q);

/* ---- Max pooling over windows of more than 255 taps (max_pool_large.c) ------------------------
 */

extern const tn_implementation tn_max_pool_large;
bool tn_max_pool_is_large(const tn_node *node);

/* ---- Max pooling over windows of 2x2, side by side (max_pool_2x2.c) -------------------------- */

/* MaxPool of such windows with a Relu behind, and the gradient of both: what passes make. */
extern const tn_op tn_op_max_pool_relu, tn_op_max_pool_relu_grad;
extern const tn_implementation tn_max_pool_2x2, tn_max_pool_2x2_grad;
extern const tn_implementation tn_max_pool_2x2_lanes, tn_max_pool_2x2_grad_lanes;

/* Whether node, a MaxPool, has only whole windows of 2x2 that do not overlap. Its winners are then
 * stored as bits (tn_max_pool_2x2_fn), else as a byte each. */
bool tn_max_pool_is_2x2(const tn_node *node);
/* The shape of its winners. */
tn_shape tn_max_pool_arg_shape(const tn_node *node);

#endif
