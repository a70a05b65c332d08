/* SPDX-License-Identifier: Apache-2.0 */
/* ops.h: the list of operators. */
#ifndef TN_OPS_OPS_H
#define TN_OPS_OPS_H

#include "graph/op.h"

/* All operators, NULL-terminated. */
extern const tn_op *const tn_ops[];
/* By ONNX type, or NULL. */
const tn_op *tn_op_find_onnx(const char *onnx_type);

extern const tn_op tn_op_conv, tn_op_max_pool, tn_op_relu, tn_op_dropout, tn_op_flatten, tn_op_gemm,
    tn_op_relu_grad, tn_op_max_pool_grad, tn_op_mul, tn_op_batch_norm, tn_op_log_softmax,
    tn_op_softmax_cross_entropy, tn_op_softmax_cross_entropy_grad, tn_op_softmax_cross_entropy_both,
    tn_op_load_pixels;
extern const tn_op tn_op_average_pool, tn_op_global_average_pool, tn_op_global_max_pool,
    tn_op_reduce_l1, tn_op_reduce_l2, tn_op_reduce_log_sum, tn_op_reduce_log_sum_exp,
    tn_op_reduce_max, tn_op_reduce_mean, tn_op_reduce_min, tn_op_reduce_prod, tn_op_reduce_sum,
    tn_op_reduce_sum_square;
extern const tn_op tn_op_reshape, tn_op_squeeze, tn_op_unsqueeze, tn_op_transpose, tn_op_concat,
    tn_op_pad, tn_op_mat_mul, tn_op_softmax;
extern const tn_op tn_op_clip, tn_op_div, tn_op_elu, tn_op_hard_sigmoid, tn_op_hard_swish,
    tn_op_identity, tn_op_leaky_relu, tn_op_prelu, tn_op_sigmoid, tn_op_silu, tn_op_sub, tn_op_tanh;
extern const tn_op tn_op_abs, tn_op_acos, tn_op_acosh, tn_op_asin, tn_op_asinh, tn_op_atan,
    tn_op_atanh, tn_op_ceil, tn_op_celu, tn_op_cos, tn_op_cosh, tn_op_erf, tn_op_exp, tn_op_floor,
    tn_op_gelu, tn_op_log, tn_op_mish, tn_op_neg, tn_op_reciprocal, tn_op_round, tn_op_selu,
    tn_op_shrink, tn_op_sign, tn_op_sin, tn_op_sinh, tn_op_softplus, tn_op_softsign, tn_op_sqrt,
    tn_op_tan, tn_op_thresholded_relu;
extern const tn_op tn_op_and, tn_op_equal, tn_op_greater, tn_op_greater_or_equal, tn_op_is_inf,
    tn_op_is_nan, tn_op_less, tn_op_less_or_equal, tn_op_max, tn_op_mean, tn_op_min, tn_op_mod,
    tn_op_not, tn_op_or, tn_op_pow, tn_op_sum, tn_op_where, tn_op_xor;
extern const tn_op tn_op_arg_max, tn_op_arg_min, tn_op_hardmax, tn_op_instance_normalization,
    tn_op_layer_normalization, tn_op_lp_normalization, tn_op_lrn, tn_op_mean_variance_normalization,
    tn_op_nll_loss, tn_op_softmax_cross_entropy_loss;

extern const tn_op tn_op_slice, tn_op_split, tn_op_expand, tn_op_tile, tn_op_depth_to_space,
    tn_op_space_to_depth, tn_op_gather, tn_op_gather_elements, tn_op_gather_nd, tn_op_trilu,
    tn_op_cum_sum, tn_op_cast, tn_op_cast_like, tn_op_eye_like, tn_op_conv_transpose, tn_op_resize,
    tn_op_shape, tn_op_size, tn_op_constant_of_shape, tn_op_range, tn_op_one_hot;

/* Attributes that other folders set. */
typedef struct tn_conv_attrs {
    tn_ints kernel_shape, strides, pads, dilations; /* height, width; pads: top left bottom right */
    int64_t group;
    char auto_pad[TN_ATTR_STRING_MAX];
} tn_conv_attrs;

/* Of MaxPool and AveragePool; what an operator does not have is not in its table, and zero. */
typedef struct tn_pool_attrs {
    tn_ints kernel_shape, strides, pads, dilations;
    int64_t ceil_mode, storage_order, count_include_pad;
    int64_t indices; /* of MaxPool: it has a second output, ONNX's Indices */
    char auto_pad[TN_ATTR_STRING_MAX];
} tn_pool_attrs;

typedef struct tn_dropout_attrs {
    double ratio;  /* an input in ONNX: the upgrade table of onnx/ moves it */
    int64_t layer; /* draws its own random numbers; the n-th dropout of a model has n */
} tn_dropout_attrs;

typedef struct tn_gemm_attrs {
    double alpha, beta;
    int64_t trans_a, trans_b;
} tn_gemm_attrs;

typedef struct tn_alpha_attrs {
    double alpha; /* of LeakyRelu and Elu */
} tn_alpha_attrs;

/* Of unary.h's operators, each of which has some of them. */
typedef struct tn_unary_attrs {
    double alpha, gamma; /* of Shrink, lambd and bias */
    char approximate[TN_ATTR_STRING_MAX];
} tn_unary_attrs;

typedef struct tn_hard_sigmoid_attrs {
    double alpha, beta;
} tn_hard_sigmoid_attrs;

typedef struct tn_clip_attrs {
    double min, max; /* inputs in ONNX since opset 11; infinite: no bound */
} tn_clip_attrs;

typedef struct tn_axis_attrs {
    int64_t axis; /* of Flatten (default 1), Concat, LogSoftmax and Softmax (default -1) */
} tn_axis_attrs;

typedef struct tn_batch_norm_attrs {
    double epsilon, momentum; /* momentum is that of the running statistics, as ONNX has it */
    int64_t training_mode;    /* 0: whoever trains decides */
} tn_batch_norm_attrs;

typedef struct tn_reduce_attrs {
    tn_ints axes; /* ascending once inferred; none: all, or with noop_with_empty_axes none; an input
                     in newer ONNX */
    int64_t keepdims, noop_with_empty_axes;
} tn_reduce_attrs;

typedef struct tn_axes_attrs {
    tn_ints axes; /* of Squeeze (default all of 1) and Unsqueeze; an input in newer ONNX */
} tn_axes_attrs;

typedef struct tn_reshape_attrs {
    tn_ints shape; /* an input in ONNX; 0 copies, -1 is what remains */
    int64_t allow_zero;
} tn_reshape_attrs;

typedef struct tn_transpose_attrs {
    tn_ints perm; /* axis i of the output is axis perm[i] of the input */
} tn_transpose_attrs;

typedef struct tn_pad_attrs {
    char mode[TN_ATTR_STRING_MAX];
    tn_ints pads; /* before each axis, then after each; negative cuts off; an input in newer ONNX */
    tn_ints axes; /* that pads is for, likewise; none: all */
    double value; /* likewise */
} tn_pad_attrs;

typedef struct tn_slice_attrs {
    tn_ints starts, ends, axes, steps; /* one for each axis cut; inputs in newer ONNX */
} tn_slice_attrs;

typedef struct tn_split_attrs {
    int64_t axis;
    tn_ints split;       /* places of each piece, filled in if left out; an input in newer ONNX */
    int64_t num_outputs; /* pieces of the same size, if split is left out */
} tn_split_attrs;

typedef struct tn_expand_attrs {
    tn_ints shape; /* an input in ONNX */
} tn_expand_attrs;

typedef struct tn_tile_attrs {
    tn_ints repeats; /* an input in ONNX */
} tn_tile_attrs;

typedef struct tn_depth_to_space_attrs {
    int64_t block_size;
    char mode[TN_ATTR_STRING_MAX];
} tn_depth_to_space_attrs;

typedef struct tn_gather_nd_attrs {
    int64_t batch_dims;
} tn_gather_nd_attrs;

typedef struct tn_trilu_attrs {
    int64_t upper, k; /* k is an input in ONNX */
} tn_trilu_attrs;

typedef struct tn_cum_sum_attrs {
    int64_t axis, exclusive, reverse; /* axis is an input in ONNX */
} tn_cum_sum_attrs;

typedef struct tn_cast_attrs {
    int64_t to; /* the number that ONNX has for a type */
} tn_cast_attrs;

typedef struct tn_eye_like_attrs {
    int64_t dtype, k; /* dtype as in Cast, 0 for that of the input */
} tn_eye_like_attrs;

typedef struct tn_shape_attrs {
    int64_t start, end; /* of the axes; negative from the end */
} tn_shape_attrs;

typedef struct tn_constant_of_shape_attrs {
    tn_ints shape; /* an input in ONNX */
    tn_dtype dtype;
    char element[8]; /* as files hold it */
} tn_constant_of_shape_attrs;

typedef struct tn_resize_attrs {
    char mode[TN_ATTR_STRING_MAX], coordinate_mode[TN_ATTR_STRING_MAX];
    char nearest_mode[TN_ATTR_STRING_MAX], policy[TN_ATTR_STRING_MAX];
    double cubic_coeff_a, extrapolation_value;
    int64_t exclude_outside, antialias;
    tn_ints axes;          /* that the lists below are for; none: all */
    tn_floats roi, scales; /* inputs in ONNX; one of scales and sizes is empty */
    tn_ints sizes;
} tn_resize_attrs;

/* SoftmaxCrossEntropy: scores [n][k], labels int32 [n] -> loss [n] in nats, with the target
 * (1 - label_smoothing) · one-hot + label_smoothing / k. With labels2 int32 [n] and weights2 [n] it
 * is (1 - weights2) · loss of labels + weights2 · loss of labels2. */
typedef struct tn_softmax_cross_entropy_attrs {
    double label_smoothing;
} tn_softmax_cross_entropy_attrs;

/* LoadPixels: uint8 images [n][h][w][c] -> real [n][c][h][w] in 0..1. */

#endif
