/* SPDX-License-Identifier: Apache-2.0 */
#include "case_words.h"

/* cmocka wants these first */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/isa.h"
#include "passes/passes.h"

/* ---- Words for building ---------------------------------------------------------------------- */

void check(tn_status status, const tn_error *error) {
    if (status != TN_OK) fail_msg("%s", error->message);
}

tn_value *value(tn_graph *g, tn_value_kind kind, tn_dtype dtype, bool batched, int rank,
                const int64_t *dims) {
    tn_error error;
    tn_value *v;
    tn_shape shape = {.rank = rank, .batched = batched};
    memcpy(shape.dims, dims, (size_t)rank * sizeof *dims);
    check(tn_graph_add_value(g, kind, NULL, dtype, &shape, NULL, &v, &error), &error);
    if (kind == TN_VALUE_PARAMETER || kind == TN_VALUE_CONSTANT) { /* filled by op_run_create */
        v->data = tn_arena_alloc(&g->arena, (size_t)tn_shape_elements(&shape) * 4);
        assert_non_null(v->data);
    }
    return v;
}

tn_value *apply(tn_graph *g, const tn_op *op, const void *attrs, tn_value *a, tn_value *b,
                tn_value *c) {
    tn_error error;
    tn_value *in[] = {a, b, c}, *y;
    check(tn_graph_apply(g, op, attrs, in, c ? 3 : b ? 2 : 1, &y, &error), &error);
    return y;
}

void output(tn_graph *g, tn_value *v) {
    tn_error error;
    check(tn_graph_mark_output(g, v, &error), &error);
}

static const char exact[] = "exact";

tn_value *exactly(tn_graph *g, double number) {
    const float x = (float)number;
    tn_error error;
    tn_value *v;
    check(tn_graph_add_constant(g, exact, 0, NULL, &x, &v, &error), &error);
    return v;
}

tn_value *image_by_conv(tn_graph *g) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, INPUT(2, 6, 8), PARAMETER(5, 2, 3, 3), NULL);
}

typedef struct conv_setting {
    int64_t c, h, w, o, r, s, stride, dilation, group;
    tn_ints pads;
    const char *auto_pad;
    bool no_bias;
} conv_setting;

static tn_value *conv_of(tn_graph *g, tn_value *x, conv_setting s) {
    tn_conv_attrs a;
    int64_t group = s.group ? s.group : 1;
    tn_attrs_init(&tn_op_conv, &a);
    a.group = group;
    if (s.stride) a.strides = (tn_ints){2, {s.stride, s.stride}};
    if (s.dilation) a.dilations = (tn_ints){2, {s.dilation, s.dilation}};
    a.pads = s.pads;
    if (s.auto_pad) strcpy(a.auto_pad, s.auto_pad);
    tn_value *w = PARAMETER(s.o, s.c / group, s.r, s.s);
    return apply(g, &tn_op_conv, &a, x, w, s.no_bias ? NULL : PARAMETER(s.o));
}

static void conv(tn_graph *g, conv_setting s) { output(g, conv_of(g, INPUT(s.c, s.h, s.w), s)); }

/* ---- Conv ------------------------------------------------------------------------------------ */

static void conv_plain(tn_graph *g) { conv(g, (conv_setting){3, 7, 6, 5, 3, 3}); }
static void conv_first_layer(tn_graph *g) { conv(g, (conv_setting){1, 9, 9, 16, 3, 3}); }
static void conv_wide(tn_graph *g) { conv(g, (conv_setting){20, 5, 5, 40, 3, 2}); }
static void conv_1x1(tn_graph *g) { conv(g, (conv_setting){6, 4, 5, 7, 1, 1}); }
static void conv_no_bias(tn_graph *g) {
    conv(g, (conv_setting){2, 5, 5, 3, 3, 2, .no_bias = true});
}
static void conv_pads(tn_graph *g) {
    conv(g, (conv_setting){2, 5, 4, 3, 3, 3, .pads = {4, {1, 2, 0, 1}}});
}
static void conv_stride(tn_graph *g) {
    conv(g, (conv_setting){3, 8, 9, 4, 3, 3, .stride = 2, .pads = {4, {1, 1, 1, 1}}});
}
static void conv_stride_gap(tn_graph *g) { conv(g, (conv_setting){2, 9, 8, 3, 2, 2, .stride = 3}); }
/* As the stride takes only one window, its size must not matter, to the time it takes either. */
static void conv_stride_beyond(tn_graph *g) {
    conv(g, (conv_setting){2, 5, 4, 3, 2, 3, .stride = 1 << 20, .pads = {4, {1, 0, 0, 1}}});
}
static void conv_dilation(tn_graph *g) {
    conv(g, (conv_setting){2, 9, 8, 3, 3, 3, .dilation = 2, .pads = {4, {2, 1, 1, 2}}});
}
static void conv_stride_dilation(tn_graph *g) {
    conv(g,
         (conv_setting){2, 11, 10, 3, 3, 3, .stride = 2, .dilation = 3, .pads = {4, {3, 3, 3, 3}}});
}
static void conv_groups(tn_graph *g) {
    conv(g, (conv_setting){6, 5, 5, 4, 3, 3, .group = 2, .pads = {4, {1, 1, 1, 1}}});
}
static void conv_depthwise(tn_graph *g) {
    conv(g, (conv_setting){5, 6, 6, 10, 3, 3, .group = 5, .stride = 2});
}
static void conv_same_upper(tn_graph *g) {
    conv(g, (conv_setting){2, 7, 8, 3, 4, 3, .stride = 2, .auto_pad = "SAME_UPPER"});
}
static void conv_same_lower(tn_graph *g) {
    conv(g, (conv_setting){2, 7, 8, 3, 2, 3, .auto_pad = "SAME_LOWER"});
}

/* Two convolutions in a row, and their sum with a third: gradients add up. */
static void conv_chain(tn_graph *g) {
    tn_value *x = INPUT(3, 8, 8);
    tn_value *a = conv_of(g, x, (conv_setting){3, 8, 8, 4, 3, 3});
    tn_value *b = conv_of(g, a, (conv_setting){4, 6, 6, 5, 3, 3});
    tn_value *c = conv_of(g, x, (conv_setting){3, 8, 8, 5, 5, 5});
    output(g, apply(g, &tn_op_add, NULL, b, c, NULL));
}

/* ---- MaxPool --------------------------------------------------------------------------------- */

static tn_value *pool_of(tn_graph *g, tn_value *x, int64_t kernel, int64_t stride, int64_t pad,
                         int64_t dilation, bool ceil_mode) {
    tn_pool_attrs a;
    tn_attrs_init(&tn_op_max_pool, &a);
    a.kernel_shape = (tn_ints){2, {kernel, kernel}};
    a.strides = (tn_ints){2, {stride, stride}};
    a.dilations = (tn_ints){2, {dilation, dilation}};
    a.pads = (tn_ints){4, {pad, pad, pad, pad}};
    a.ceil_mode = ceil_mode;
    return apply(g, &tn_op_max_pool, &a, x, NULL, NULL);
}

static void pool_2x2(tn_graph *g) { output(g, pool_of(g, INPUT(3, 6, 8), 2, 2, 0, 1, false)); }
/* A Relu on either side, an image with a row and a column in no window, channels that fill no
 * vector.
 */
static void pool_relu(tn_graph *g) {
    tn_value *x = apply(g, &tn_op_relu, NULL, INPUT(10, 7, 5), NULL, NULL);
    x = pool_of(g, x, 2, 2, 0, 1, false);
    output(g, apply(g, &tn_op_elu, &(const tn_alpha_attrs){1}, x, NULL, NULL));
    x = pool_of(g, INPUT(17, 4, 4), 2, 2, 0, 1, false);
    output(g, apply(g, &tn_op_relu, NULL, x, NULL, NULL));
}

static void pool_odd(tn_graph *g) { output(g, pool_of(g, INPUT(9, 7, 7), 2, 2, 0, 1, false)); }
static void pool_overlap(tn_graph *g) { output(g, pool_of(g, INPUT(2, 7, 6), 3, 2, 1, 1, false)); }
static void pool_ceil(tn_graph *g) { output(g, pool_of(g, INPUT(2, 7, 6), 3, 2, 1, 1, true)); }
static void pool_dilated(tn_graph *g) { output(g, pool_of(g, INPUT(2, 9, 8), 2, 1, 0, 3, false)); }

/* By Winograd's algorithm, forward and backward (conv_winograd.c): tiles inside, at the edges and
 * beyond; channels that fill no vector and no panel. */
static void conv_winograd(tn_graph *g) {
    tn_value *x = conv_of(g, INPUT(9, 8, 9), (conv_setting){9, 8, 9, 17, 3, 3});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, conv_of(g, x, (conv_setting){17, 6, 7, 8, 3, 3, .pads = {4, {2, 0, 1, 2}}}));
}

/* Images smaller than a tile, or hardly larger. */
static void conv_tiny(tn_graph *g) {
    const tn_ints around = {4, {1, 1, 1, 1}};
    tn_value *x = conv_of(g, INPUT(8, 5, 1), (conv_setting){8, 5, 1, 9, 3, 3, .pads = around});
    x = conv_of(g, x, (conv_setting){9, 5, 1, 8, 3, 3, .pads = {4, {0, 1, 0, 2}}});
    output(g, conv_of(g, x, (conv_setting){8, 3, 2, 8, 3, 3, .pads = around}));
}

/* A convolution whose gradient is mostly zero, by rows of numbers (conv_sparse.c): one band and
 * several, padding, kernels that are no squares, x a parameter's product so that dx is wanted. */
static void conv_before_pool(tn_graph *g) {
    tn_value *x = conv_of(g, INPUT(8, 13, 9), (conv_setting){8, 13, 9, 16, 4, 3});
    output(g, pool_of(g, x, 2, 2, 0, 1, false));
}
static void conv_before_pool_pads(tn_graph *g) {
    tn_value *x = INPUT(16, 10, 7);
    x = conv_of(g, x, (conv_setting){16, 10, 7, 5, 5, 3, .pads = {4, {2, 0, 1, 1}}});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, pool_of(g, x, 2, 2, 0, 1, false));
}
static void conv_before_pool_wide(tn_graph *g) {
    tn_value *x = conv_of(g, INPUT(40, 6, 6), (conv_setting){40, 6, 6, 9, 3, 3});
    output(g, pool_of(g, x, 3, 3, 1, 1, false));
}

/* ---- Elementwise ----------------------------------------------------------------------------- */

static void relu(tn_graph *g) {
    output(g, apply(g, &tn_op_relu, NULL, INPUT(3, 5, 5), NULL, NULL));
}

/* Between convolutions, where it may run in place. */
static void relu_in_place(tn_graph *g) {
    tn_value *x = conv_of(g, INPUT(2, 6, 6), (conv_setting){2, 6, 6, 4, 3, 3});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, conv_of(g, x, (conv_setting){4, 4, 4, 3, 3, 3}));
}

static void dropout(tn_graph *g) {
    const tn_dropout_attrs a = {.ratio = 0.25, .layer = 3};
    output(g, apply(g, &tn_op_dropout, &a, INPUT(37), NULL, NULL));
}

static void dropout_image(tn_graph *g) {
    const tn_dropout_attrs a = {.ratio = 0.5};
    tn_value *x = conv_of(g, INPUT(2, 6, 6), (conv_setting){2, 6, 6, 4, 3, 3});
    output(g, apply(g, &tn_op_dropout, &a, x, NULL, NULL));
}

static void dropout_flat(tn_graph *g) {
    const tn_dropout_attrs a = {.ratio = 0.5};
    const tn_axis_attrs axis = {1};
    tn_value *x = conv_of(g, INPUT(2, 6, 6), (conv_setting){2, 6, 6, 4, 3, 3});
    x = apply(g, &tn_op_flatten, &axis, x, NULL, NULL);
    output(g, apply(g, &tn_op_dropout, &a, x, NULL, NULL));
}

static void binary(tn_graph *g, tn_value *a, tn_value *b) {
    output(g, apply(g, &tn_op_add, NULL, a, b, NULL));
    output(g, apply(g, &tn_op_mul, NULL, a, b, NULL));
}

static void binary_same(tn_graph *g) { binary(g, INPUT(3, 4, 5), INPUT(3, 4, 5)); }
static void binary_scalar(tn_graph *g) { binary(g, INPUT(3, 4, 5), PARAMETER(1)); }
static void binary_channel(tn_graph *g) { binary(g, PARAMETER(1, 3, 1, 1), INPUT(3, 4, 5)); }
static void binary_row(tn_graph *g) { binary(g, INPUT(3, 4, 5), PARAMETER(5)); }
static void binary_column(tn_graph *g) { binary(g, INPUT(3, 4, 5), PARAMETER(4, 1)); }
static void binary_sample(tn_graph *g) { binary(g, INPUT(3, 4, 5), PARAMETER(3, 4, 5)); }
static void binary_outer(tn_graph *g) { binary(g, INPUT(3, 1, 5), PARAMETER(1, 4, 1)); }
static void binary_batched_narrow(tn_graph *g) { binary(g, INPUT(3, 4, 5), INPUT(3, 1, 1)); }
static void binary_constant(tn_graph *g) { binary(g, INPUT(6), CONSTANT(6)); }
static void binary_self(tn_graph *g) {
    tn_value *x = INPUT(7);
    binary(g, x, x);
}
/* Channels last against each kind of operand. */
static void binary_image(tn_graph *g) {
    tn_value *x = conv_of(g, INPUT(2, 6, 6), (conv_setting){2, 6, 6, 5, 3, 3});
    binary(g, x, PARAMETER(5, 1, 1));
    binary(g, x, PARAMETER(4, 4));
    binary(g, x, INPUT(5, 4, 4));
    binary(g, x, INPUT(1, 4, 4));
}

/* Values that no sample takes part in, computed once for the batch. */
static void binary_parameters(tn_graph *g) {
    tn_value *p = apply(g, &tn_op_add, NULL, PARAMETER(3, 5), PARAMETER(5), NULL);
    tn_value *q = apply(g, &tn_op_relu, NULL, p, NULL, NULL);
    p = apply(g, &tn_op_mul, NULL, p, PARAMETER(3, 1), NULL);
    binary(g, INPUT(3, 5), apply(g, &tn_op_add, NULL, p, q, NULL));
}

/* ---- Flatten, Gemm --------------------------------------------------------------------------- */

static tn_value *gemm_of(tn_graph *g, tn_value *x, int64_t k, int64_t o, bool trans_b,
                         tn_value *c) {
    tn_gemm_attrs a;
    tn_attrs_init(&tn_op_gemm, &a);
    a.trans_b = trans_b;
    return apply(g, &tn_op_gemm, &a, x, trans_b ? PARAMETER(o, k) : PARAMETER(k, o), c);
}

static void gemm(tn_graph *g) { output(g, gemm_of(g, INPUT(7), 7, 5, true, PARAMETER(5))); }
static void gemm_not_transposed(tn_graph *g) {
    output(g, gemm_of(g, INPUT(7), 7, 20, false, PARAMETER(1, 20)));
}
static void gemm_no_bias(tn_graph *g) { output(g, gemm_of(g, INPUT(9), 9, 33, true, NULL)); }
static void gemm_scalar_bias(tn_graph *g) {
    output(g, gemm_of(g, INPUT(6), 6, 4, true, PARAMETER(1)));
}
static void gemm_large(tn_graph *g) {
    output(g, gemm_of(g, INPUT(300), 300, 250, true, PARAMETER(250)));
}
static void gemm_large_not_transposed(tn_graph *g) {
    output(g, gemm_of(g, INPUT(700), 700, 100, false, PARAMETER(100)));
}

/* Behind Relu and Dropout the gradient is mostly zero (gemm_sparse.c). */
static void before_dropout(tn_graph *g, int64_t k, int64_t o) {
    const tn_dropout_attrs drop = {.ratio = 0.5};
    tn_value *x = apply(g, &tn_op_mul, NULL, INPUT(k), PARAMETER(k), NULL);
    x = gemm_of(g, x, k, o, true, PARAMETER(o));
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, apply(g, &tn_op_dropout, &drop, x, NULL, NULL));
}
static void gemm_before_dropout(tn_graph *g) { before_dropout(g, 300, 256); }
static void gemm_before_dropout_odd(tn_graph *g) { before_dropout(g, 700, 100); }

static tn_value *flatten_of(tn_graph *g, tn_value *x) {
    const tn_axis_attrs a = {1};
    return apply(g, &tn_op_flatten, &a, x, NULL, NULL);
}

static void flatten(tn_graph *g) { output(g, flatten_of(g, INPUT(3, 4, 5))); }

/* An image that is flattened while channels are last: as output, into small and large weights. */
static tn_value *image_4x5x6(tn_graph *g) {
    return conv_of(g, INPUT(2, 7, 8), (conv_setting){2, 7, 8, 4, 3, 3});
}
static void flatten_image(tn_graph *g) { output(g, flatten_of(g, image_4x5x6(g))); }
static void flatten_gemm(tn_graph *g) {
    output(g, gemm_of(g, flatten_of(g, image_4x5x6(g)), 120, 9, true, PARAMETER(9)));
}
static void flatten_gemm_large(tn_graph *g) {
    output(g, gemm_of(g, flatten_of(g, image_4x5x6(g)), 120, 600, true, PARAMETER(600)));
}
static void flatten_gemm_not_transposed(tn_graph *g) {
    output(g, gemm_of(g, flatten_of(g, image_4x5x6(g)), 120, 9, false, PARAMETER(9)));
}
static void flatten_add(tn_graph *g) { binary(g, flatten_of(g, image_4x5x6(g)), PARAMETER(120)); }
/* Two images of as many numbers but other channels meet: 4x5x6 and 6x4x5. */
static void flatten_two(tn_graph *g) {
    tn_value *a = apply(g, &tn_op_relu, NULL, image_4x5x6(g), NULL, NULL);
    tn_value *b = conv_of(g, INPUT(2, 6, 7), (conv_setting){2, 6, 7, 6, 3, 3});
    b = apply(g, &tn_op_relu, NULL, b, NULL, NULL);
    b = apply(g, &tn_op_mul, NULL, b, PARAMETER(6, 1, 1), NULL);
    a = apply(g, &tn_op_add, NULL, flatten_of(g, a), flatten_of(g, b), NULL);
    output(g, gemm_of(g, a, 120, 9, true, PARAMETER(9)));
}
/* A small weight between two large ones: tiled and whole segments alternate. */
static void gemm_segments(tn_graph *g) {
    tn_value *x = gemm_of(g, INPUT(280), 280, 240, true, PARAMETER(240));
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    x = gemm_of(g, x, 240, 5, true, PARAMETER(5));
    output(g, gemm_of(g, x, 5, 3, true, PARAMETER(3)));
}

/* ---- Softmax --------------------------------------------------------------------------------- */

static void log_softmax(tn_graph *g) {
    const tn_axis_attrs a = {-1};
    output(g, apply(g, &tn_op_log_softmax, &a, INPUT(10), NULL, NULL));
    output(g, apply(g, &tn_op_log_softmax, &a, INPUT(2, 3), NULL, NULL));
}

static void cross_entropy(tn_graph *g, double smoothing) {
    const tn_softmax_cross_entropy_attrs a = {smoothing};
    tn_value *labels = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1));
    output(g, apply(g, &tn_op_softmax_cross_entropy, &a, INPUT(10), labels, NULL));
}
static void cross_entropy_plain(tn_graph *g) { cross_entropy(g, 0); }
static void cross_entropy_smooth(tn_graph *g) { cross_entropy(g, 0.1); }
/* Weights that no gradient is wanted of: losses, themselves those of pixels. They may exceed 1. */
static void cross_entropy_mixed(tn_graph *g) {
    const tn_softmax_cross_entropy_attrs a = {0.1};
    tn_error error;
    tn_value *x = INPUT(10), *y;
    tn_value *labels = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1));
    tn_value *labels2 = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1));
    tn_value *pixels = value(g, TN_VALUE_INPUT, TN_UINT8, true, DIMS(1, 1, 1, 10));
    pixels = flatten_of(g, apply(g, &tn_op_load_pixels, NULL, pixels, NULL, NULL));
    tn_value *weights = apply(g, &tn_op_softmax_cross_entropy, &a, pixels, labels2, NULL);
    tn_value *in[] = {x, labels, labels2, weights};
    check(tn_graph_apply(g, &tn_op_softmax_cross_entropy, &a, in, 4, &y, &error), &error);
    output(g, y);
}

static void load_pixels(tn_graph *g) {
    tn_value *pixels = value(g, TN_VALUE_INPUT, TN_UINT8, true, DIMS(1, 5, 6, 3));
    tn_value *x = apply(g, &tn_op_load_pixels, NULL, pixels, NULL, NULL);
    output(g, x);
    output(g, conv_of(g, x, (conv_setting){3, 5, 6, 4, 3, 3}));
}

/* Each channel by numbers of its own; what passes make of it rounds as these nodes do. */
static void load_normalised(tn_graph *g) {
    tn_value *pixels = value(g, TN_VALUE_INPUT, TN_UINT8, true, DIMS(1, 5, 6, 3));
    tn_value *x = apply(g, &tn_op_load_pixels, NULL, pixels, NULL, NULL);
    x = apply(g, &tn_op_mul, NULL, x, CONSTANT(3, 1, 1), NULL);
    x = apply(g, &tn_op_add, NULL, CONSTANT(1, 3, 1, 1), x, NULL);
    output(g, x);
    output(g, conv_of(g, x, (conv_setting){3, 5, 6, 4, 3, 3}));
}

/* ---- A whole network ------------------------------------------------------------------------- */

static void network(tn_graph *g) {
    const tn_dropout_attrs drop = {.ratio = 0.25};
    const tn_softmax_cross_entropy_attrs loss = {0.05};
    tn_value *x = conv_of(g, INPUT(1, 12, 12), (conv_setting){1, 12, 12, 6, 3, 3});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    x = conv_of(g, x, (conv_setting){6, 10, 10, 20, 3, 3});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    x = pool_of(g, x, 2, 2, 0, 1, false);
    x = flatten_of(g, apply(g, &tn_op_dropout, &drop, x, NULL, NULL));
    x = gemm_of(g, x, 320, 210, true, PARAMETER(210));
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    x = gemm_of(g, x, 210, 10, true, PARAMETER(10));
    tn_value *labels = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1));
    output(g, apply(g, &tn_op_softmax_cross_entropy, &loss, x, labels, NULL));
    output(g, x);
}

static const op_case first_cases[] = {
    {"Conv", &tn_op_conv, conv_plain},
    {"Conv, first layer", &tn_op_conv, conv_first_layer},
    {"Conv, wide", &tn_op_conv, conv_wide},
    {"Conv, 1x1", &tn_op_conv, conv_1x1},
    {"Conv, no bias", &tn_op_conv, conv_no_bias},
    {"Conv, pads", &tn_op_conv, conv_pads},
    {"Conv, stride", &tn_op_conv, conv_stride},
    {"Conv, stride beyond the window", &tn_op_conv, conv_stride_gap},
    {"Conv, stride beyond the image", &tn_op_conv, conv_stride_beyond},
    {"Conv, dilation", &tn_op_conv, conv_dilation},
    {"Conv, stride and dilation", &tn_op_conv, conv_stride_dilation},
    {"Conv, groups", &tn_op_conv, conv_groups},
    {"Conv, depthwise", &tn_op_conv, conv_depthwise},
    {"Conv, SAME_UPPER", &tn_op_conv, conv_same_upper},
    {"Conv, SAME_LOWER", &tn_op_conv, conv_same_lower},
    {"Conv, chain", &tn_op_conv, conv_chain},
    {"Conv, Winograd", &tn_op_conv, conv_winograd},
    {"Conv, tiny", &tn_op_conv, conv_tiny},
    {"Conv before MaxPool", &tn_op_conv, conv_before_pool},
    {"Conv before MaxPool, pads", &tn_op_conv, conv_before_pool_pads},
    {"Conv before MaxPool, wide", &tn_op_conv, conv_before_pool_wide},
    {"MaxPool 2x2", &tn_op_max_pool, pool_2x2},
    {"MaxPool 2x2, Relu", &tn_op_max_pool, pool_relu},
    {"MaxPool, odd size", &tn_op_max_pool, pool_odd},
    {"MaxPool, overlap", &tn_op_max_pool, pool_overlap},
    {"MaxPool, ceil", &tn_op_max_pool, pool_ceil},
    {"MaxPool, dilated", &tn_op_max_pool, pool_dilated},
    {"Relu", &tn_op_relu, relu},
    {"Relu in place", &tn_op_relu, relu_in_place},
    {"Dropout", &tn_op_dropout, dropout},
    {"Dropout of an image", &tn_op_dropout, dropout_image},
    {"Dropout of a flattened image", &tn_op_dropout, dropout_flat},
    {"Add and Mul", &tn_op_add, binary_same},
    {"Add and Mul, scalar", &tn_op_mul, binary_scalar},
    {"Add and Mul, channel", &tn_op_mul, binary_channel},
    {"Add and Mul, row", &tn_op_mul, binary_row},
    {"Add and Mul, column", &tn_op_mul, binary_column},
    {"Add and Mul, sample", &tn_op_mul, binary_sample},
    {"Add and Mul, outer", &tn_op_mul, binary_outer},
    {"Add and Mul, batched narrow", &tn_op_mul, binary_batched_narrow},
    {"Add and Mul, constant", &tn_op_mul, binary_constant},
    {"Add and Mul, self", &tn_op_mul, binary_self},
    {"Add and Mul, channels last", &tn_op_add, binary_image},
    {"Add and Mul, parameters", &tn_op_add, binary_parameters},
    {"Flatten", &tn_op_flatten, flatten},
    {"Flatten, channels last", &tn_op_flatten, flatten_image},
    {"Flatten, Gemm", &tn_op_flatten, flatten_gemm},
    {"Flatten, large Gemm", &tn_op_flatten, flatten_gemm_large},
    {"Flatten, Gemm not transposed", &tn_op_flatten, flatten_gemm_not_transposed},
    {"Flatten, Add", &tn_op_flatten, flatten_add},
    {"Flatten, two channel counts", &tn_op_flatten, flatten_two},
    {"Gemm", &tn_op_gemm, gemm},
    {"Gemm, not transposed", &tn_op_gemm, gemm_not_transposed},
    {"Gemm, no bias", &tn_op_gemm, gemm_no_bias},
    {"Gemm, scalar bias", &tn_op_gemm, gemm_scalar_bias},
    {"Gemm, large", &tn_op_gemm, gemm_large},
    {"Gemm, large, not transposed", &tn_op_gemm, gemm_large_not_transposed},
    {"Gemm, large, before Dropout", &tn_op_gemm, gemm_before_dropout},
    {"Gemm, large, odd, before Dropout", &tn_op_gemm, gemm_before_dropout_odd},
    {"Gemm, segments", &tn_op_gemm, gemm_segments},
    {"LogSoftmax", &tn_op_log_softmax, log_softmax},
    {"SoftmaxCrossEntropy", &tn_op_softmax_cross_entropy, cross_entropy_plain},
    {"SoftmaxCrossEntropy, smoothing", &tn_op_softmax_cross_entropy, cross_entropy_smooth},
    {"SoftmaxCrossEntropy, two labels", &tn_op_softmax_cross_entropy, cross_entropy_mixed},
    {"LoadPixels", &tn_op_load_pixels, load_pixels},
    {"LoadPixels, normalised", &tn_op_load_pixels, load_normalised},
    {"a network", &tn_op_conv, network},
    {0}};

static const op_case *const lists[] = {first_cases,  activation_cases, elementwise_cases,
                                       shape_cases,  reduction_cases,  norm_cases,
                                       moving_cases, window_cases,     NULL};

const op_case *op_case_at(int i) {
    for (const op_case *const *list = lists; *list; list++)
        for (const op_case *c = *list; c->name; c++)
            if (i-- == 0) return c;
    return NULL;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* Deterministic test data: distinct, away from zero and from each other, so that kinks are not
 * within a finite difference of any value; or small sparse integers. */
static double number(tn_random *random, bool integers) {
    if (integers) return (double)tn_random_below(random, 7) - 3;
    double x = 2 * tn_random_uniform(random) - 1;
    return x + (x < 0 ? -0.05 : 0.05);
}

static void *random_input(const tn_value *v, int64_t batch, bool integers) {
    tn_random random = tn_random_begin(7, TN_PURPOSE_TEST, (uint64_t)v->id);
    int64_t n = tn_shape_sample_elements(&v->shape) * batch;
    char *data = tn_aligned_alloc((size_t)n * tn_dtype_bytes(v->dtype));
    assert_non_null(data);
    for (int64_t i = 0; i < n; i++) {
        if (v->dtype == TN_UINT8) ((uint8_t *)data)[i] = (uint8_t)tn_random_below(&random, 256);
        if (v->dtype == TN_INT32)
            ((int32_t *)(void *)data)[i] = (int32_t)tn_random_below(&random, 10);
        if (v->dtype == TN_FLOAT32) ((real *)(void *)data)[i] = (real)number(&random, integers);
    }
    return data;
}

static void fill_stored(tn_graph *g, bool integers) {
    for (int i = 0; i < g->n_values; i++) {
        const tn_value *v = g->values[i];
        if (!v->data || v->dtype != TN_FLOAT32) continue;
        if (strncmp(v->name, exact, strlen(exact)) == 0) continue;
        tn_random random = tn_random_begin(8, TN_PURPOSE_TEST, (uint64_t)i);
        for (int64_t k = 0; k < tn_shape_elements(&v->shape); k++) {
            double x = number(&random, integers);
            if (v->statistic) x = fabs(x) + 0.5; /* may be a variance */
            ((float *)(uintptr_t)v->data)[k] = (float)x;
        }
    }
}

/* Appends Σ r·y's gradient: every output gets an input r, and dy = r. */
static void append_gradient(op_run *run, tn_value **parameter_gradients) {
    tn_graph *g = run->graph;
    tn_error error;
    tn_value *also[16], *gradients[512], *sum[512] = {0}, *r[16];
    int n_also = 0;
    for (int i = 0; i < run->n_own_inputs; i++)
        if (g->inputs[i]->dtype == TN_FLOAT32) {
            run->gradient_input[n_also] = i;
            also[n_also++] = g->inputs[i];
        }
    for (int i = 0; i < run->n_own_outputs; i++) {
        const tn_shape *s = &g->outputs[i]->shape;
        r[i] = value(g, TN_VALUE_INPUT, TN_FLOAT32, s->batched, s->rank, s->dims);
    }
    int n_values = g->n_values;
    assert_true(n_values < 512);
    for (int i = 0; i < run->n_own_outputs; i++) {
        check(tn_graph_differentiate(g, g->outputs[i], r[i], also, n_also, gradients, &error),
              &error);
        for (int k = 0; k < n_values; k++) {
            if (gradients[k] && sum[k])
                sum[k] = apply(g, &tn_op_add, NULL, sum[k], gradients[k], NULL);
            else if (gradients[k])
                sum[k] = gradients[k];
        }
        assert_true(g->n_values < 512);
    }
    run->n_gradient_inputs = n_also;
    for (int i = 0; i < n_also; i++) {
        tn_value *d = sum[also[i]->id];
        assert_non_null(d);
        output(g, d);
    }
    for (int i = 0; i < g->n_parameters; i++) parameter_gradients[i] = sum[g->parameters[i]->id];
}

void op_run_create(const op_case *c, const op_setting *setting, op_run *run) {
    tn_error error;
    tn_value *gradients[64];
    memset(run, 0, sizeof *run);
    run->setting = *setting;
    check(tn_graph_create(&run->graph, &error), &error);
    c->build(run->graph);
    run->n_own_inputs = run->graph->n_inputs;
    run->n_own_outputs = run->graph->n_outputs;
    fill_stored(run->graph, setting->integers);
    if (c->op != &tn_op_load_pixels) append_gradient(run, gradients);
    assert_true(tn_kernels_init(&run->kernels, setting->level, tn_isa_detect()));
    run->kernels.direct = setting->integers;
    const tn_plan_options options = {.max_batch = setting->max_batch,
                                     .n_shards = setting->n_shards,
                                     .n_threads = setting->n_threads,
                                     .kernels = &run->kernels,
                                     .tile = setting->tile,
                                     .tile_rows = setting->tile_rows,
                                     .lanes = setting->lanes,
                                     .tuning = setting->tuning};
    tn_value **all = c->op != &tn_op_load_pixels ? gradients : NULL;
    int n_nodes = run->graph->n_nodes;
    if (setting->passes) check(tn_passes_run(run->graph, all, &error), &error);
    run->fused = run->graph->n_nodes < n_nodes;
    check(tn_plan_build(run->graph, all, &options, &run->plan, &error), &error);
    check(tn_pool_create(setting->n_threads, &run->pool, &error), &error);
    check(tn_execution_create(run->plan, run->pool, &run->execution, &error), &error);
    const tn_graph *g = run->graph;
    size_t flat = (size_t)tn_plan_parameters_size(run->plan) * sizeof(real);
    run->parameters = tn_aligned_alloc(flat);
    run->gradients = tn_aligned_alloc(flat);
    memset(run->parameters, 0, flat);
    memset(run->gradients, 0, flat);
    for (int i = 0; i < g->n_parameters; i++)
        tn_plan_arrange(run->plan, i, g->parameters[i]->data, run->parameters);
    for (int i = 0; i < g->n_inputs; i++)
        run->inputs[i] = random_input(g->inputs[i], setting->batch, setting->integers);
    for (int i = 0; i < g->n_outputs; i++) {
        const tn_shape *s = &g->outputs[i]->shape;
        run->output_elements[i] = tn_shape_sample_elements(s) * (s->batched ? setting->batch : 1);
        run->outputs[i] = tn_aligned_alloc((size_t)run->output_elements[i] * sizeof(real));
    }
}

void op_run_execute(op_run *run) {
    const tn_step step = {.training = true, .seed = 5, .number = 11, .batch = run->setting.batch};
    const tn_bindings bindings = {.inputs = (const void *const *)run->inputs,
                                  .outputs = run->outputs,
                                  .parameters = run->parameters,
                                  .gradients = run->gradients,
                                  .parameters_changed = true};
    tn_execution_run(run->execution, &bindings, &step);
}

double op_run_objective(const op_run *run) {
    double sum = 0;
    for (int i = 0; i < run->n_own_outputs; i++) {
        const real *y = run->outputs[i], *r = run->inputs[run->n_own_inputs + i];
        for (int64_t k = 0; k < run->output_elements[i]; k++) sum += (double)y[k] * (double)r[k];
    }
    return sum;
}

void op_run_free(op_run *run) {
    for (int i = 0; i < 16; i++) {
        free(run->inputs[i]);
        free(run->outputs[i]);
    }
    free(run->parameters);
    free(run->gradients);
    tn_execution_free(run->execution);
    tn_pool_free(run->pool);
    tn_plan_free(run->plan);
    tn_graph_free(run->graph);
}
