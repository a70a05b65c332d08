/* SPDX-License-Identifier: Apache-2.0 */
/* conv_geometry.h: the numbers of a convolution of one to three dimensions, shared by its three
 * passes. One of one dimension has images of one row, those below three have a depth of one. */
#ifndef TN_OPS_CONV_GEOMETRY_H
#define TN_OPS_CONV_GEOMETRY_H

#include "ops/ops.h"

/* y[n,o,p,q] = bias[o] + Σ over c, r, s of x[n, c, stride·p + dilation·r - pad, ...] · w[o,c,r,s]
 */
typedef struct conv_geometry {
    int64_t c, d, h, w; /* input */
    int64_t o, u, p, q; /* output */
    int64_t t, r, s;    /* kernel */
    int64_t stride_d, stride_h, stride_w, dilation_d, dilation_h, dilation_w;
    int64_t pad_front, pad_back, pad_top, pad_left, pad_bottom, pad_right;
    int64_t groups, cg, og; /* channels and outputs of a group */
    bool volume;            /* of three dimensions */
} conv_geometry;

/* Attributes of the gradient operators: those of the convolution and the image size. */
typedef struct conv_grad_attrs {
    tn_conv_attrs conv;
    int64_t size[3]; /* depth, height, width */
} conv_grad_attrs;

/* Fills in the defaults of attributes left out and checks them: so many spatial dimensions,
 * positive strides and dilations, non-negative pads. */
tn_status tn_window_resolve(int dims, tn_ints *kernel, tn_ints *strides, tn_ints *dilations,
                            tn_ints *pads, tn_error *error);
/* Fails unless x is a batch of float32 images of one to three dimensions. */
tn_status tn_window_check_images(const tn_value *x, tn_error *error);
/* Output size of a window over `size` pixels along one axis, padding according to auto_pad
 * ("", NOTSET, VALID, SAME_UPPER, SAME_LOWER), which it writes to pads. */
tn_status tn_window_output(const char *auto_pad, bool ceil_mode, int64_t size, int64_t kernel,
                           int64_t stride, int64_t dilation, int64_t *pad_begin, int64_t *pad_end,
                           int64_t *output, tn_error *error);

/* Depth, height and width of images [n][c]..., 1 where they have fewer dimensions. */
void tn_window_sizes(const tn_shape *x, int64_t size[3]);
/* Of a checked convolution, from those of its input and the dimensions of the weight. */
conv_geometry conv_geometry_make(const tn_conv_attrs *attrs, const int64_t size[3],
                                 const int64_t *weight_dims);

/* The product of an output element i of a sample with a tap k (of t, r, s and the group's
 * channels), for plain loops: the places of its factors in the stored image and weight. False in
 * the padding.
 */
bool conv_product(const conv_geometry *g, int64_t i, int64_t k, int64_t *x, int64_t *w);
/* Plain loops are for the reference level, and for the gradients of volumes. */
bool conv_naive_applies(const tn_node *node, const tn_kernels *kernels);
/* What is for images alone. */
bool conv_images_applies(const tn_node *node, const tn_kernels *kernels);

/* Of the nodes Conv, ConvGradInput and ConvGradWeight. */
conv_geometry conv_geometry_of(const tn_node *node);
conv_geometry conv_grad_input_geometry(const tn_node *node);
conv_geometry conv_grad_weight_geometry(const tn_node *node);

/* rows_in of Conv and of ConvGradInput. */
bool conv_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in);
bool conv_grad_input_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in);

bool conv_is_padded(const conv_geometry *g);
int64_t conv_padded_h(const conv_geometry *g);
int64_t conv_padded_w(const conv_geometry *g);

/* Of volumes, slice by slice (conv_volume.c). */
extern const tn_implementation tn_conv_volume;

/* Implementations for a group per channel of one output each (conv_depthwise.c). */
extern const tn_implementation tn_conv_depthwise, tn_conv_grad_input_depthwise,
    tn_conv_grad_weight_depthwise;

/* Implementations with fewer products, of 3×3 (conv_winograd.c, conv_winograd_weight.c). */
extern const tn_implementation tn_conv_winograd, tn_conv_grad_input_winograd,
    tn_conv_grad_weight_winograd, tn_conv_winograd_2x2, tn_conv_grad_input_winograd_2x2,
    tn_conv_grad_weight_winograd_2x2;

/* Implementations for a gradient of y that is mostly zero (conv_sparse.c). */
extern const tn_implementation tn_conv_grad_input_sparse, tn_conv_grad_weight_sparse;
/* Whether dy of such a node is known to be as sparse as they want it. */
bool conv_grad_input_is_sparse(const tn_node *node);
bool conv_grad_weight_is_sparse(const tn_node *node, const tn_kernels *kernels);

/* Of ConvGradInput (conv_grad.c): for anything, and for images. A third input is a bias. */
extern const tn_implementation tn_conv_grad_input_naive, tn_conv_grad_input_tiled;

/* Gradient operators (conv_grad.c). */
extern const tn_op tn_op_conv_grad_input, tn_op_conv_grad_weight;
/* Weights [o][c/g][r][s] are stored [g][r][s][c/g][o/g]. */
tn_arrangement conv_arrange_weight(const tn_shape *weight, int64_t groups);

/* Copies an image [h][w][c] into the middle of zeros. */
void conv_pad_image(const real *x, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left,
                    int64_t bottom, int64_t right, real *padded);

#endif
