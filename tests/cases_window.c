/* SPDX-License-Identifier: Apache-2.0 */
/* cases_window.c: cases of convolution and pooling over one dimension and three, and what else
 * windows can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "case_words.h"

/* ---- Conv ------------------------------------------------------------------------------------ */

typedef struct setting {
    tn_ints strides, pads, dilations;
    int64_t group;
} setting;

static tn_value *conv(tn_graph *g, tn_value *x, tn_value *w, tn_value *bias, setting s) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    a.strides = s.strides;
    a.pads = s.pads;
    a.dilations = s.dilations;
    if (s.group) a.group = s.group;
    return apply(g, &tn_op_conv, &a, x, w, bias);
}

static void conv_1d(tn_graph *g) {
    tn_value *x = conv(g, INPUT(3, 17), PARAMETER(9, 3, 3), PARAMETER(9), (setting){0});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    setting s = {.strides = INTS(2), .pads = INTS(2, 1), .dilations = INTS(2)};
    output(g, conv(g, x, PARAMETER(5, 9, 4), NULL, s));
}
static void conv_1d_groups(tn_graph *g) {
    tn_value *x = INPUT(6, 9);
    setting s = {.pads = INTS(1, 1), .group = 6};
    x = conv(g, x, PARAMETER(6, 1, 3), PARAMETER(6), s);
    output(g, conv(g, x, PARAMETER(4, 3, 2), NULL, (setting){.group = 2}));
}
static void conv_3d(tn_graph *g) {
    tn_value *x = conv(g, INPUT(2, 4, 5, 6), PARAMETER(5, 2, 2, 3, 2), PARAMETER(5), (setting){0});
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    setting s = {.strides = INTS(2, 1, 2), .pads = INTS(1, 0, 1, 2, 1, 0)};
    output(g, conv(g, x, PARAMETER(4, 5, 3, 2, 2), PARAMETER(4), s));
}
/* Slices of the output that meet padding alone, and groups. */
static void conv_3d_padding(tn_graph *g) {
    setting s = {.pads = INTS(3, 1, 0, 3, 0, 1), .dilations = INTS(2, 1, 2), .group = 2};
    output(g, conv(g, INPUT(4, 2, 3, 4), PARAMETER(6, 2, 2, 2, 2), PARAMETER(6), s));
}

/* ---- Pools ----------------------------------------------------------------------------------- */

static tn_value *pool(tn_graph *g, const tn_op *op, tn_value *x, tn_pool_attrs a) {
    tn_pool_attrs all;
    tn_attrs_init(op, &all);
    strcpy(a.auto_pad, all.auto_pad);
    return apply(g, op, &a, x, NULL, NULL);
}

static void max_pool_1d(tn_graph *g) {
    tn_pool_attrs a = {.kernel_shape = INTS(3), .strides = INTS(2), .pads = INTS(1, 0)};
    output(g, pool(g, &tn_op_max_pool, INPUT(9, 11), a));
    a = (tn_pool_attrs){.kernel_shape = INTS(2), .strides = INTS(2)};
    tn_value *x = conv(g, INPUT(3, 18), PARAMETER(8, 3, 3), NULL, (setting){0});
    output(g, pool(g, &tn_op_max_pool, x, a));
}
static void max_pool_3d(tn_graph *g) {
    tn_pool_attrs a = {.kernel_shape = INTS(2, 3, 2),
                       .strides = INTS(2, 1, 3),
                       .pads = INTS(0, 1, 1, 1, 1, 0),
                       .dilations = INTS(1, 2, 1),
                       .ceil_mode = 1};
    output(g, pool(g, &tn_op_max_pool, INPUT(3, 5, 6, 7), a));
}
static void average_pool_1d(tn_graph *g) {
    tn_pool_attrs a = {.kernel_shape = INTS(3), .strides = INTS(2), .pads = INTS(1, 2)};
    output(g, pool(g, &tn_op_average_pool, INPUT(5, 9), a));
    a.count_include_pad = 1;
    output(g, pool(g, &tn_op_average_pool, INPUT(5, 9), a));
}
static void average_pool_dilated(tn_graph *g) {
    tn_pool_attrs a = {
        .kernel_shape = INTS(3, 2), .pads = INTS(2, 1, 1, 1), .dilations = INTS(2, 3)};
    output(g, pool(g, &tn_op_average_pool, INPUT(3, 7, 8), a));
    a.count_include_pad = a.ceil_mode = 1;
    a.strides = INTS(2, 3);
    output(g, pool(g, &tn_op_average_pool, INPUT(3, 7, 8), a));
}
static void average_pool_3d(tn_graph *g) {
    tn_pool_attrs a = {.kernel_shape = INTS(2, 3, 2),
                       .strides = INTS(2, 1, 2),
                       .pads = INTS(1, 1, 0, 0, 1, 1),
                       .ceil_mode = 1};
    output(g, pool(g, &tn_op_average_pool, INPUT(3, 4, 5, 5), a));
}
static void global_pools(tn_graph *g) {
    output(g, apply(g, &tn_op_global_average_pool, NULL, INPUT(3, 7), NULL, NULL));
    output(g, apply(g, &tn_op_global_average_pool, NULL, INPUT(3, 2, 4, 3), NULL, NULL));
    output(g, apply(g, &tn_op_global_max_pool, NULL, INPUT(3, 7), NULL, NULL));
    output(g, apply(g, &tn_op_global_max_pool, NULL, INPUT(3, 2, 4, 3), NULL, NULL));
}

/* ---- ConvTranspose --------------------------------------------------------------------------- */

static tn_value *transposed(tn_graph *g, tn_value *x, tn_value *w, tn_value *bias,
                            const char *attrs) {
    char memory[4096]; /* the structure is the operator's own */
    tn_error error;
    assert_true(tn_op_conv_transpose.attrs_bytes <= sizeof memory);
    check(tn_attrs_parse(&tn_op_conv_transpose, attrs, memory, &error), &error);
    return apply(g, &tn_op_conv_transpose, memory, x, w, bias);
}

static void conv_transpose(tn_graph *g) {
    tn_value *x = transposed(g, INPUT(3, 4, 5), PARAMETER(3, 9, 3, 2), PARAMETER(9), "");
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, transposed(g, x, PARAMETER(9, 4, 4, 4), NULL, "strides=2,2 pads=1,1,1,1"));
}
static void conv_transpose_pads(tn_graph *g) {
    output(g, transposed(g, INPUT(2, 4, 3), PARAMETER(2, 5, 3, 3), PARAMETER(5),
                         "strides=2,3 pads=1,0,2,1 output_padding=1,2"));
}
static void conv_transpose_dilations(tn_graph *g) {
    output(g, transposed(g, INPUT(4, 3, 4), PARAMETER(4, 3, 2, 3), PARAMETER(6),
                         "dilations=2,3 group=2 strides=1,2"));
}
static void conv_transpose_shapes(tn_graph *g) {
    output(g, transposed(g, INPUT(2, 3, 3), PARAMETER(2, 3, 3, 3), NULL,
                         "strides=3,2 output_shape=10,8"));
    output(g, transposed(g, INPUT(2, 3, 3), PARAMETER(2, 3, 4, 3), PARAMETER(3),
                         "strides=2,2 auto_pad=SAME_UPPER"));
    output(g, transposed(g, INPUT(2, 3, 3), PARAMETER(2, 3, 4, 3), PARAMETER(3),
                         "strides=2,2 output_shape=5,6 auto_pad=SAME_LOWER"));
}
static void conv_transpose_1d(tn_graph *g) {
    output(g, transposed(g, INPUT(3, 6), PARAMETER(3, 5, 4), PARAMETER(5), "strides=3 pads=1,0"));
}
static void conv_transpose_3d(tn_graph *g) {
    output(g, transposed(g, INPUT(2, 2, 3, 2), PARAMETER(2, 3, 2, 3, 2), PARAMETER(3),
                         "strides=2,1,2 pads=0,1,0,1,0,0"));
}

/* ---- Resize ---------------------------------------------------------------------------------- */

static tn_value *resized(tn_graph *g, tn_value *x, const char *attrs) {
    tn_resize_attrs a;
    tn_error error;
    check(tn_attrs_parse(&tn_op_resize, attrs, &a, &error), &error);
    return apply(g, &tn_op_resize, &a, x, NULL, NULL);
}

static void resize_nearest(tn_graph *g) {
    tn_value *x = conv(g, INPUT(2, 4, 5), PARAMETER(9, 2, 1, 1), NULL, (setting){0});
    output(g, resized(g, x, "scales=1,1,2,3"));
    output(g, resized(g, x,
                      "sizes=1,9,3,7 nearest_mode=ceil "
                      "coordinate_transformation_mode=asymmetric"));
    output(g, resized(g, INPUT(2, 4, 5), "sizes=1,3,5,4 nearest_mode=floor"));
}
static void resize_linear(tn_graph *g) {
    tn_value *x = conv(g, INPUT(2, 4, 5), PARAMETER(9, 2, 1, 1), NULL, (setting){0});
    output(g, resized(g, x, "mode=linear scales=1,1,2,2"));
    output(g, resized(g, x,
                      "mode=linear sizes=1,9,3,7 "
                      "coordinate_transformation_mode=align_corners"));
    output(g, resized(g, INPUT(2, 6),
                      "mode=linear axes=2 scales=0.6 "
                      "coordinate_transformation_mode=pytorch_half_pixel"));
    output(g, resized(g, INPUT(2, 3, 2, 4),
                      "mode=linear scales=1,1,2,1.5,0.5 "
                      "coordinate_transformation_mode=half_pixel_symmetric"));
}
static void resize_cubic(tn_graph *g) {
    output(g, resized(g, INPUT(3, 4, 5), "mode=cubic scales=1,1,1.5,0.8 cubic_coeff_a=-0.5"));
    output(g, resized(g, INPUT(3, 4, 5), "mode=cubic scales=1,1,2,0.8 exclude_outside=1"));
}
static void resize_crop(tn_graph *g) {
    output(g, resized(g, INPUT(3, 4, 5),
                      "mode=linear axes=2,3 sizes=3,4 roi=-0.2,0.1,0.9,1.3 extrapolation_value=7 "
                      "coordinate_transformation_mode=tf_crop_and_resize"));
}
static void resize_aspect(tn_graph *g) {
    output(g, resized(g, INPUT(3, 4, 6),
                      "axes=3,2 sizes=9,7 "
                      "keep_aspect_ratio_policy=not_larger mode=linear"));
    output(g,
           resized(g, INPUT(3, 4, 6), "axes=3,2 sizes=9,7 keep_aspect_ratio_policy=not_smaller"));
}
static void resize_parameter(tn_graph *g) {
    tn_value *p = resized(g, PARAMETER(3, 4), "mode=linear scales=2,0.5");
    output(g, apply(g, &tn_op_mul, NULL, INPUT(6, 2), p, NULL));
}

const op_case window_cases[] = {
    {"Conv, 1-D", &tn_op_conv, conv_1d},
    {"Conv, 1-D, groups", &tn_op_conv, conv_1d_groups},
    {"Conv, 3-D", &tn_op_conv, conv_3d},
    {"Conv, 3-D, padding", &tn_op_conv, conv_3d_padding},
    {"MaxPool, 1-D", &tn_op_max_pool, max_pool_1d},
    {"MaxPool, 3-D", &tn_op_max_pool, max_pool_3d},
    {"AveragePool, 1-D", &tn_op_average_pool, average_pool_1d, .inexact = true},
    {"AveragePool, dilations", &tn_op_average_pool, average_pool_dilated, .inexact = true},
    {"AveragePool, 3-D", &tn_op_average_pool, average_pool_3d, .inexact = true},
    {"ConvTranspose", &tn_op_conv_transpose, conv_transpose},
    {"ConvTranspose, pads", &tn_op_conv_transpose, conv_transpose_pads},
    {"ConvTranspose, dilations", &tn_op_conv_transpose, conv_transpose_dilations},
    {"ConvTranspose, shapes", &tn_op_conv_transpose, conv_transpose_shapes},
    {"ConvTranspose, 1-D", &tn_op_conv_transpose, conv_transpose_1d},
    {"ConvTranspose, 3-D", &tn_op_conv_transpose, conv_transpose_3d},
    {"Resize, nearest", &tn_op_resize, resize_nearest},
    {"Resize, linear", &tn_op_resize, resize_linear, .inexact = true},
    {"Resize, cubic", &tn_op_resize, resize_cubic, .inexact = true},
    {"Resize, crop", &tn_op_resize, resize_crop, .inexact = true},
    {"Resize, aspect", &tn_op_resize, resize_aspect, .inexact = true},
    {"Resize, parameter", &tn_op_resize, resize_parameter, .inexact = true},
    {"global pools, 1-D and 3-D", &tn_op_global_average_pool, global_pools, .inexact = true},
    {0}};
