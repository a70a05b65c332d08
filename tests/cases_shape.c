/* SPDX-License-Identifier: Apache-2.0 */
/* cases_shape.c: cases of operators that move elements, MatMul and Softmax. */
#include "case_words.h"

#include <string.h>

/* A convolution of 3x3 onto 3 channels. */
static tn_value *conv(tn_graph *g, tn_value *x) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, x, PARAMETER(3, x->shape.dims[1], 3, 3), NULL);
}

static tn_value *gemm(tn_graph *g, tn_value *x, int64_t n_out) {
    tn_gemm_attrs a;
    tn_attrs_init(&tn_op_gemm, &a);
    return apply(g, &tn_op_gemm, &a, x, PARAMETER(x->shape.dims[1], n_out), NULL);
}

static tn_value *scaled(tn_graph *g, tn_value *x) { return apply(g, &tn_op_mul, NULL, x, x, NULL); }

/* ---- Reshape, Squeeze, Unsqueeze ------------------------------------------------------------- */

static tn_value *reshaped(tn_graph *g, tn_value *x, tn_ints shape) {
    const tn_reshape_attrs a = {.shape = shape};
    return apply(g, &tn_op_reshape, &a, x, NULL, NULL);
}

static void reshape(tn_graph *g) { output(g, reshaped(g, INPUT(3, 4, 5), INTS(0, 10, -1))); }
static void reshape_traced(tn_graph *g) { output(g, reshaped(g, INPUT(3, 4), INTS(1, 2, 6))); }
static void reshape_rest(tn_graph *g) { output(g, reshaped(g, INPUT(3, 4), INTS(-1, 12))); }
static void reshape_flattens(tn_graph *g) {
    output(g, gemm(g, reshaped(g, image_by_conv(g), INTS(1, -1)), 7));
}
/* From one image to another of other channels, into a convolution and out again. */
static void reshape_images(tn_graph *g) {
    tn_value *x = reshaped(g, image_by_conv(g), INTS(0, 6, 5, 4));
    x = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    x = conv(g, apply(g, &tn_op_add, NULL, x, INPUT(6, 5, 4), NULL));
    output(g, reshaped(g, x, INTS(0, 2, -1)));
}
static void reshape_parameter(tn_graph *g) {
    tn_value *p = reshaped(g, PARAMETER(3, 4), INTS(2, -1, 2));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2, 3, 2), reshaped(g, p, INTS(-1, 3, 2)), NULL));
    output(g, p);
}

static tn_value *with_axes(tn_graph *g, const tn_op *op, tn_value *x, tn_ints axes) {
    const tn_axes_attrs a = {axes};
    return apply(g, op, &a, x, NULL, NULL);
}

static void squeeze(tn_graph *g) {
    output(g, with_axes(g, &tn_op_squeeze, INPUT(1, 4, 1, 3), INTS(1, -2)));
}
static void squeeze_all(tn_graph *g) {
    output(g, with_axes(g, &tn_op_squeeze, INPUT(1, 4, 1, 3), (tn_ints){0}));
}
static void squeeze_parameter(tn_graph *g) {
    tn_value *p = with_axes(g, &tn_op_squeeze, scaled(g, PARAMETER(1, 4, 1)), INTS(0));
    output(g, apply(g, &tn_op_add, NULL, INPUT(4, 3), p, NULL));
}
static void unsqueeze(tn_graph *g) {
    output(g, with_axes(g, &tn_op_unsqueeze, INPUT(4, 3), INTS(1, -1)));
}
static void unsqueeze_image(tn_graph *g) {
    tn_value *x = with_axes(g, &tn_op_unsqueeze, scaled(g, image_by_conv(g)), INTS(2));
    output(g, with_axes(g, &tn_op_squeeze, scaled(g, x), INTS(2)));
}
static void unsqueeze_parameter(tn_graph *g) {
    tn_value *p = with_axes(g, &tn_op_unsqueeze, PARAMETER(4), INTS(0, 2, 3));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(4, 2, 3), p, NULL));
}

/* ---- Transpose ------------------------------------------------------------------------------- */

static tn_value *transposed(tn_graph *g, tn_value *x, tn_ints perm) {
    const tn_transpose_attrs a = {perm};
    return apply(g, &tn_op_transpose, &a, x, NULL, NULL);
}

static void transpose(tn_graph *g) { output(g, transposed(g, INPUT(3, 4, 5), INTS(0, 3, 1, 2))); }
static void transpose_rows(tn_graph *g) {
    output(g, transposed(g, INPUT(3, 4, 1, 5), INTS(0, 2, 3, 1, 4)));
}
static void transpose_deep(tn_graph *g) {
    output(g, transposed(g, INPUT(2, 3, 2, 4, 3), INTS(0, 5, 3, 1, 4, 2)));
}
static void transpose_nothing(tn_graph *g) {
    output(g, transposed(g, scaled(g, INPUT(3, 4)), INTS(0, 1, 2)));
}
static void transpose_ones(tn_graph *g) {
    output(g, transposed(g, scaled(g, INPUT(1, 1)), INTS(0, 2, 1)));
}
/* ShuffleNet's shuffle of channels. */
static void transpose_shuffle(tn_graph *g) {
    tn_value *x = reshaped(g, conv(g, image_by_conv(g)), INTS(0, 3, 2, 4));
    output(g, reshaped(g, transposed(g, x, INTS(0, 2, 1, 3)), INTS(0, 6, 2, 2)));
}
static void transpose_parameter(tn_graph *g) {
    tn_value *p = transposed(g, PARAMETER(3, 5, 2), (tn_ints){0});
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2, 5, 3), transposed(g, p, INTS(0, 1, 2)), NULL));
}

/* ---- Concat ---------------------------------------------------------------------------------- */

static tn_value *joined(tn_graph *g, int64_t axis, tn_value *a, tn_value *b, tn_value *c) {
    const tn_axis_attrs attrs = {axis};
    return apply(g, &tn_op_concat, &attrs, a, b, c);
}

static void concat(tn_graph *g) { output(g, joined(g, 1, INPUT(2, 5), INPUT(4, 5), INPUT(1, 5))); }
static void concat_last(tn_graph *g) { output(g, joined(g, -1, INPUT(3, 2), INPUT(3, 4), NULL)); }
static void concat_one(tn_graph *g) { output(g, joined(g, 1, INPUT(3), NULL, NULL)); }
/* Channels, between convolutions; one tensor twice. */
static void concat_images(tn_graph *g) {
    tn_value *x = image_by_conv(g);
    tn_value *y = apply(g, &tn_op_relu, NULL, x, NULL, NULL);
    output(g, conv(g, joined(g, 1, x, y, x)));
}
static void concat_one_channel(tn_graph *g) {
    tn_value *x = joined(g, 1, INPUT(1, 4, 6), image_by_conv(g), INPUT(2, 4, 6));
    output(g, conv(g, x));
}
static void concat_columns(tn_graph *g) {
    output(g, joined(g, 3, image_by_conv(g), INPUT(5, 4, 2), image_by_conv(g)));
}
static void concat_parameters(tn_graph *g) {
    tn_value *p = joined(g, 0, PARAMETER(2, 3), PARAMETER(1, 3), PARAMETER(3, 3));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(6, 3), p, NULL));
}

/* ---- Pad ------------------------------------------------------------------------------------- */

static tn_value *padded(tn_graph *g, tn_value *x, const char *mode, double value, tn_ints pads) {
    tn_pad_attrs a;
    tn_attrs_init(&tn_op_pad, &a);
    strcpy(a.mode, mode);
    a.pads = pads;
    a.value = value;
    return apply(g, &tn_op_pad, &a, x, NULL, NULL);
}

static void pad(tn_graph *g) {
    output(g, padded(g, INPUT(3, 4), "constant", 2, INTS(0, 1, 0, 0, 2, 3)));
}
static void pad_image(tn_graph *g) {
    output(g, conv(g, padded(g, image_by_conv(g), "constant", 0, INTS(0, 0, 1, 2, 0, 0, 3, 1))));
}
static void pad_channels(tn_graph *g) {
    output(g, padded(g, image_by_conv(g), "constant", -1, INTS(0, 2, 0, 0, 0, 1, 1, 0)));
}
static void pad_cuts(tn_graph *g) {
    output(g, padded(g, image_by_conv(g), "constant", 3, INTS(0, -1, 2, -3, 0, 0, -1, 1)));
}
/* All that is left of the first axis is padding. */
static void pad_cuts_all(tn_graph *g) {
    tn_value *x = INPUT(3, 2);
    output(g, padded(g, x, "constant", 3, INTS(0, -5, 0, 0, 4, 1)));
    output(g, padded(g, x, "constant", 3, INTS(0, 5, 0, 0, -6, 0)));
}
static void pad_nothing(tn_graph *g) {
    output(g, padded(g, scaled(g, INPUT(3, 2)), "reflect", 0, INTS(0, 0, 0, 0, 0, 0)));
}
static void pad_reflect(tn_graph *g) {
    output(g, padded(g, INPUT(4, 3), "reflect", 0, INTS(0, 3, 1, 0, 2, 2)));
}
static void pad_reflect_image(tn_graph *g) {
    output(g, conv(g, padded(g, image_by_conv(g), "reflect", 0, INTS(0, 0, 2, 3, 0, 0, 3, 1))));
}
static void pad_edge(tn_graph *g) {
    output(g, padded(g, INPUT(1, 3), "edge", 0, INTS(0, 3, 1, 0, 2, 4)));
}
static void pad_edge_image(tn_graph *g) {
    output(g, padded(g, image_by_conv(g), "edge", 0, INTS(0, 1, 0, 3, 0, 0, 2, 1)));
}
static void pad_parameter(tn_graph *g) {
    tn_value *p = padded(g, PARAMETER(2, 3), "constant", 1, INTS(1, 0, 1, 2));
    tn_value *q = padded(g, PARAMETER(2, 3), "edge", 1, INTS(1, 0, 1, 2));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(4, 5), p, NULL));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(4, 5), q, NULL));
}

/* ---- MatMul ---------------------------------------------------------------------------------- */

static void multiply(tn_graph *g, tn_value *a, tn_value *b) {
    output(g, apply(g, &tn_op_mat_mul, NULL, a, b, NULL));
}

static void mat_mul(tn_graph *g) { multiply(g, INPUT(7), PARAMETER(7, 20)); }
static void mat_mul_constant(tn_graph *g) { multiply(g, INPUT(7), CONSTANT(7, 3)); }
static void mat_mul_large(tn_graph *g) { multiply(g, INPUT(700), PARAMETER(700, 100)); }
static void mat_mul_of_image(tn_graph *g) {
    multiply(g, reshaped(g, image_by_conv(g), INTS(0, -1)), PARAMETER(120, 9));
}
static void mat_mul_computed(tn_graph *g) {
    tn_value *x = reshaped(g, image_by_conv(g), INTS(0, -1));
    multiply(g, x, transposed(g, PARAMETER(9, 120), INTS(1, 0)));
}
/* A fully connected layer at each place of a sequence, which is an image. */
static void mat_mul_sequence(tn_graph *g) {
    tn_value *x = reshaped(g, image_by_conv(g), INTS(0, 5, 24));
    multiply(g, x, PARAMETER(24, 17));
}
static void mat_mul_deep(tn_graph *g) { multiply(g, INPUT(3, 4, 6), PARAMETER(6, 5)); }
static void mat_mul_samples(tn_graph *g) { multiply(g, INPUT(4, 6), INPUT(6, 5)); }
static void mat_mul_self(tn_graph *g) {
    tn_value *x = INPUT(4, 4);
    multiply(g, x, x);
}
static void mat_mul_broadcast(tn_graph *g) { multiply(g, INPUT(3, 1, 2, 4), INPUT(1, 2, 4, 3)); }
static void mat_mul_stack(tn_graph *g) { multiply(g, INPUT(3, 2, 4), PARAMETER(3, 4, 5)); }
static void mat_mul_one_stack(tn_graph *g) { multiply(g, INPUT(1, 2, 4), PARAMETER(1, 3, 4, 5)); }
static void mat_mul_from_left(tn_graph *g) { multiply(g, PARAMETER(4, 6), INPUT(6, 5)); }
static void mat_mul_stack_left(tn_graph *g) { multiply(g, PARAMETER(3, 1, 6), INPUT(3, 6, 5)); }
static void mat_mul_vectors(tn_graph *g) {
    multiply(g, INPUT(6), PARAMETER(6));
    multiply(g, INPUT(3, 6), PARAMETER(6));
    multiply(g, PARAMETER(6), INPUT(6, 3));
}
static void mat_mul_parameters(tn_graph *g) {
    tn_value *p = apply(g, &tn_op_mat_mul, NULL, PARAMETER(2, 3, 4), PARAMETER(4, 5), NULL);
    tn_value *dot = apply(g, &tn_op_mat_mul, NULL, PARAMETER(3), PARAMETER(3), NULL);
    p = apply(g, &tn_op_mul, NULL, p, dot, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2, 3, 5), p, NULL));
}
/* One weight, used by a Gemm and a MatMul. */
static void mat_mul_shared(tn_graph *g) {
    tn_gemm_attrs a;
    tn_attrs_init(&tn_op_gemm, &a);
    tn_value *w = PARAMETER(6, 6);
    multiply(g, apply(g, &tn_op_gemm, &a, INPUT(6), w, NULL), w);
}
/* Attention, as in Vaswani et al. 2017. */
static void mat_mul_attention(tn_graph *g) {
    const tn_axis_attrs last = {-1};
    tn_value *x = INPUT(5, 4);
    tn_value *q = apply(g, &tn_op_mat_mul, NULL, x, PARAMETER(4, 3), NULL);
    tn_value *k = apply(g, &tn_op_mat_mul, NULL, x, PARAMETER(4, 3), NULL);
    tn_value *v = apply(g, &tn_op_mat_mul, NULL, x, PARAMETER(4, 3), NULL);
    k = transposed(g, k, INTS(0, 2, 1));
    tn_value *s = apply(g, &tn_op_mat_mul, NULL, q, k, NULL);
    multiply(g, apply(g, &tn_op_softmax, &last, s, NULL, NULL), v);
}

/* ---- Softmax --------------------------------------------------------------------------------- */

static tn_value *softmax_of(tn_graph *g, tn_value *x, int64_t axis) {
    const tn_axis_attrs a = {axis};
    return apply(g, &tn_op_softmax, &a, x, NULL, NULL);
}

static void softmax(tn_graph *g) { output(g, softmax_of(g, INPUT(10), -1)); }
static void softmax_middle(tn_graph *g) { output(g, softmax_of(g, INPUT(3, 4, 2, 2), 2)); }
static void softmax_image(tn_graph *g) { output(g, softmax_of(g, scaled(g, image_by_conv(g)), 1)); }
static void softmax_columns(tn_graph *g) { output(g, softmax_of(g, image_by_conv(g), 3)); }
static void softmax_parameter(tn_graph *g) {
    tn_value *p = softmax_of(g, PARAMETER(4, 3), 0);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(4, 3), p, NULL));
}

const op_case shape_cases[] = {{"Reshape", &tn_op_reshape, reshape},
                               {"Reshape, traced batch", &tn_op_reshape, reshape_traced},
                               {"Reshape, rest", &tn_op_reshape, reshape_rest},
                               {"Reshape, Gemm", &tn_op_reshape, reshape_flattens},
                               {"Reshape, images", &tn_op_reshape, reshape_images},
                               {"Reshape, parameter", &tn_op_reshape, reshape_parameter},
                               {"Squeeze", &tn_op_squeeze, squeeze},
                               {"Squeeze, all", &tn_op_squeeze, squeeze_all},
                               {"Squeeze, parameter", &tn_op_squeeze, squeeze_parameter},
                               {"Unsqueeze", &tn_op_unsqueeze, unsqueeze},
                               {"Unsqueeze, channels last", &tn_op_unsqueeze, unsqueeze_image},
                               {"Unsqueeze, parameter", &tn_op_unsqueeze, unsqueeze_parameter},
                               {"Transpose", &tn_op_transpose, transpose},
                               {"Transpose, rows", &tn_op_transpose, transpose_rows},
                               {"Transpose, deep", &tn_op_transpose, transpose_deep},
                               {"Transpose, nothing", &tn_op_transpose, transpose_nothing},
                               {"Transpose, ones", &tn_op_transpose, transpose_ones},
                               {"Transpose, shuffle", &tn_op_transpose, transpose_shuffle},
                               {"Transpose, parameter", &tn_op_transpose, transpose_parameter},
                               {"Concat", &tn_op_concat, concat},
                               {"Concat, last axis", &tn_op_concat, concat_last},
                               {"Concat, one", &tn_op_concat, concat_one},
                               {"Concat, images", &tn_op_concat, concat_images},
                               {"Concat, one channel", &tn_op_concat, concat_one_channel},
                               {"Concat, columns", &tn_op_concat, concat_columns},
                               {"Concat, parameters", &tn_op_concat, concat_parameters},
                               {"Pad", &tn_op_pad, pad},
                               {"Pad, image", &tn_op_pad, pad_image},
                               {"Pad, channels", &tn_op_pad, pad_channels},
                               {"Pad, cuts", &tn_op_pad, pad_cuts},
                               {"Pad, cuts all", &tn_op_pad, pad_cuts_all},
                               {"Pad, nothing", &tn_op_pad, pad_nothing},
                               {"Pad, reflect", &tn_op_pad, pad_reflect},
                               {"Pad, reflect, image", &tn_op_pad, pad_reflect_image},
                               {"Pad, edge", &tn_op_pad, pad_edge},
                               {"Pad, edge, image", &tn_op_pad, pad_edge_image},
                               {"Pad, parameter", &tn_op_pad, pad_parameter},
                               {"MatMul", &tn_op_mat_mul, mat_mul},
                               {"MatMul, constant", &tn_op_mat_mul, mat_mul_constant},
                               {"MatMul, large", &tn_op_mat_mul, mat_mul_large},
                               {"MatMul, image", &tn_op_mat_mul, mat_mul_of_image},
                               {"MatMul, computed weight", &tn_op_mat_mul, mat_mul_computed},
                               {"MatMul, sequence", &tn_op_mat_mul, mat_mul_sequence},
                               {"MatMul, deep", &tn_op_mat_mul, mat_mul_deep},
                               {"MatMul, samples", &tn_op_mat_mul, mat_mul_samples},
                               {"MatMul, self", &tn_op_mat_mul, mat_mul_self},
                               {"MatMul, broadcast", &tn_op_mat_mul, mat_mul_broadcast},
                               {"MatMul, stack", &tn_op_mat_mul, mat_mul_stack},
                               {"MatMul, one stack", &tn_op_mat_mul, mat_mul_one_stack},
                               {"MatMul, from the left", &tn_op_mat_mul, mat_mul_from_left},
                               {"MatMul, stack on the left", &tn_op_mat_mul, mat_mul_stack_left},
                               {"MatMul, vectors", &tn_op_mat_mul, mat_mul_vectors},
                               {"MatMul, parameters", &tn_op_mat_mul, mat_mul_parameters},
                               {"MatMul, shared weight", &tn_op_mat_mul, mat_mul_shared},
                               {"MatMul, attention", &tn_op_softmax, mat_mul_attention},
                               {"Softmax", &tn_op_softmax, softmax},
                               {"Softmax, middle axis", &tn_op_softmax, softmax_middle},
                               {"Softmax, channels", &tn_op_softmax, softmax_image},
                               {"Softmax, columns", &tn_op_softmax, softmax_columns},
                               {"Softmax, parameter", &tn_op_softmax, softmax_parameter},
                               {0}};
