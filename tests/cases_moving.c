/* SPDX-License-Identifier: Apache-2.0 */
/* cases_moving.c: cases of operators that cut tensors into parts, repeat them, or pick from them.
 */
#include "case_words.h"

#include <string.h>

/* A convolution of 1x1 onto 4 channels. */
static tn_value *conv(tn_graph *g, tn_value *x) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, x, PARAMETER(4, x->shape.dims[1], 1, 1), NULL);
}

static tn_value *scaled(tn_graph *g, tn_value *x) { return apply(g, &tn_op_mul, NULL, x, x, NULL); }

/* ---- Slice, Split ---------------------------------------------------------------------------- */

static tn_value *sliced(tn_graph *g, tn_value *x, tn_ints axes, tn_ints starts, tn_ints ends,
                        tn_ints steps) {
    const tn_slice_attrs a = {starts, ends, axes, steps};
    return apply(g, &tn_op_slice, &a, x, NULL, NULL);
}

static void slice(tn_graph *g) {
    output(g, sliced(g, INPUT(5, 7), INTS(1, 2), INTS(1, -100), INTS(4, -2), (tn_ints){0}));
}
static void slice_steps(tn_graph *g) {
    output(g, sliced(g, INPUT(5, 7), INTS(-1, 1), INTS(-1, 4), INTS(INT64_MIN, 0), INTS(-2, -3)));
}
static void slice_channels(tn_graph *g) {
    output(g, conv(g, sliced(g, image_by_conv(g), INTS(1), INTS(1), INTS(4), INTS(2))));
}
static void slice_image(tn_graph *g) {
    output(g, conv(g, sliced(g, image_by_conv(g), INTS(0, 2, 3), INTS(0, 1, 1),
                             INTS(INT64_MAX, 9, 6), INTS(1, 1, 2))));
}
/* A step beyond the end takes one place; an end before the start takes none. */
static void slice_little(tn_graph *g) {
    tn_value *x = INPUT(5, 7);
    output(g, sliced(g, x, INTS(1), INTS(2), INTS(5), INTS(INT64_MAX)));
    output(g, sliced(g, x, INTS(1), INTS(3), INTS(3), INTS(1)));
}
static void slice_parameter(tn_graph *g) {
    tn_value *p = sliced(g, PARAMETER(6, 5), INTS(0, 1), INTS(5, 1), INTS(0, 4), INTS(-2, 1));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 3), p, NULL));
}

static tn_value *split_of(tn_graph *g, tn_value *x, int64_t axis, tn_ints sizes, int64_t n) {
    const tn_split_attrs a = {axis, sizes, n};
    return apply(g, &tn_op_split, &a, x, NULL, NULL);
}

static void split(tn_graph *g) {
    tn_value *x = split_of(g, INPUT(7, 2), 1, INTS(3, 0, 4), 0);
    for (int i = 0; i < 3; i++) output(g, x->producer->outputs[i]);
}
/* All pieces have a gradient, or only some. */
static void split_channels(tn_graph *g) {
    tn_value *x = split_of(g, image_by_conv(g), 1, (tn_ints){0}, 3);
    tn_value *const *y = x->producer->outputs;
    output(g, conv(g, apply(g, &tn_op_add, NULL, y[0], y[1], NULL)));
    output(g, y[2]);
}
static void split_some(tn_graph *g) {
    tn_value *x = split_of(g, scaled(g, image_by_conv(g)), -1, INTS(1, 2, 3), 0);
    output(g, x->producer->outputs[1]);
}
/* As ShuffleNetV2 does it. */
static void split_and_concat(tn_graph *g) {
    const tn_axis_attrs channels = {1};
    tn_value *x = split_of(g, conv(g, image_by_conv(g)), 1, (tn_ints){0}, 2);
    tn_value *const *y = x->producer->outputs;
    x = apply(g, &tn_op_concat, &channels, y[0], conv(g, y[1]), NULL);
    output(g, conv(g, x));
}
static void split_parameter(tn_graph *g) {
    tn_value *p = split_of(g, PARAMETER(5, 3), 0, INTS(2, 3), 0);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2, 3), p, NULL));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 3), p->producer->outputs[1], NULL));
}

/* ---- Expand, Tile ---------------------------------------------------------------------------- */

static tn_value *expanded(tn_graph *g, tn_value *x, tn_ints shape) {
    const tn_expand_attrs a = {shape};
    return apply(g, &tn_op_expand, &a, x, NULL, NULL);
}

static void expand(tn_graph *g) {
    output(g, expanded(g, INPUT(1, 5, 1), INTS(1, 3, 5, 2)));
    output(g, expanded(g, INPUT(4, 1), INTS(1, 6)));
}
static void expand_image(tn_graph *g) {
    tn_value *x = apply(g, &tn_op_global_average_pool, NULL, image_by_conv(g), NULL, NULL);
    output(g, conv(g, expanded(g, x, INTS(1, 1, 3, 4))));
}
static void expand_parameter(tn_graph *g) {
    tn_value *p = expanded(g, PARAMETER(3, 1), INTS(2, 3, 5));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2, 3, 5), p, NULL));
}

static tn_value *tiled(tn_graph *g, tn_value *x, tn_ints repeats) {
    const tn_tile_attrs a = {repeats};
    return apply(g, &tn_op_tile, &a, x, NULL, NULL);
}

static void tile(tn_graph *g) { output(g, tiled(g, INPUT(3, 2, 4), INTS(1, 2, 1, 3))); }
static void tile_image(tn_graph *g) {
    output(g, conv(g, tiled(g, image_by_conv(g), INTS(1, 2, 3, 2))));
}
static void tile_parameter(tn_graph *g) {
    tn_value *p = tiled(g, PARAMETER(2, 3), INTS(3, 1));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(6, 3), p, NULL));
}

/* ---- DepthToSpace, SpaceToDepth -------------------------------------------------------------- */

static tn_value *blocks(tn_graph *g, const tn_op *op, tn_value *x, const char *mode) {
    tn_depth_to_space_attrs a = {.block_size = 2};
    strcpy(a.mode, mode);
    return apply(g, op, &a, x, NULL, NULL);
}

static void depth_to_space(tn_graph *g) {
    output(g, blocks(g, &tn_op_depth_to_space, INPUT(12, 2, 3), "DCR"));
    output(g, blocks(g, &tn_op_depth_to_space, INPUT(12, 2, 3), "CRD"));
}
static void depth_to_space_image(tn_graph *g) {
    tn_value *x = conv(g, image_by_conv(g));
    x = conv(g, blocks(g, &tn_op_depth_to_space, x, "CRD"));
    output(g, conv(g, blocks(g, &tn_op_depth_to_space, x, "DCR")));
}
static void space_to_depth(tn_graph *g) {
    output(g, blocks(g, &tn_op_space_to_depth, INPUT(3, 4, 6), ""));
}
static void space_to_depth_image(tn_graph *g) {
    output(g, conv(g, blocks(g, &tn_op_space_to_depth, image_by_conv(g), "")));
}

/* ---- Gather ---------------------------------------------------------------------------------- */

static tn_value *gathered(tn_graph *g, tn_value *x, tn_value *indices, int64_t axis) {
    const tn_axis_attrs a = {axis};
    return apply(g, &tn_op_gather, &a, x, indices, NULL);
}

static tn_value *indices_of(tn_graph *g, int rank, const int64_t *dims, const int64_t *data) {
    tn_shape shape = {.rank = rank};
    tn_value *v;
    tn_error error;
    for (int i = 0; i < rank; i++) shape.dims[i] = dims[i];
    check(tn_graph_add_value(g, TN_VALUE_CONSTANT, NULL, TN_INT64, &shape, data, &v, &error),
          &error);
    return v;
}

static void gather(tn_graph *g) {
    tn_value *i = indices_of(g, 2, (int64_t[]){2, 2}, (int64_t[]){3, -1, 0, 3});
    output(g, gathered(g, INPUT(3, 4, 2), i, 2));
    output(g, gathered(g, image_by_conv(g), indices_of(g, 0, NULL, (int64_t[]){-5}), 1));
}
/* Words of a batch, each a row of a table. */
static void gather_embedding(tn_graph *g) {
    tn_value *words = value(g, TN_VALUE_INPUT, TN_INT32, true, 2, (int64_t[]){1, 3});
    output(g, gathered(g, PARAMETER(10, 4), words, 0));
}
static void gather_parameter(tn_graph *g) {
    tn_value *i = indices_of(g, 1, (int64_t[]){3}, (int64_t[]){2, 0, 2});
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 5), gathered(g, PARAMETER(4, 5), i, 0), NULL));
}

/* ---- Trilu, CumSum, Cast --------------------------------------------------------------------- */

static void trilu(tn_graph *g) {
    static const tn_trilu_attrs a[] = {{1, 0}, {0, 1}, {1, -2}, {0, -100}, {1, INT64_MIN}};
    for (int i = 0; i < 5; i++) output(g, apply(g, &tn_op_trilu, &a[i], INPUT(4, 3), NULL, NULL));
}
static void cum_sum(tn_graph *g) {
    static const tn_cum_sum_attrs a[] = {{1, 0, 0}, {-1, 1, 0}, {2, 0, 1}, {1, 1, 1}};
    for (int i = 0; i < 4; i++)
        output(g, apply(g, &tn_op_cum_sum, &a[i], INPUT(4, 3, 2), NULL, NULL));
}
static void cast_same(tn_graph *g) {
    const tn_cast_attrs to_float = {1};
    output(g, apply(g, &tn_op_cast, &to_float, scaled(g, image_by_conv(g)), NULL, NULL));
    output(g, apply(g, &tn_op_cast_like, NULL, scaled(g, INPUT(7)), CONSTANT(1), NULL));
}

/* Without gradients: of constants. */
static void pick_constants(tn_graph *g) {
    const tn_axis_attrs rows = {0};
    const tn_gather_nd_attrs one = {1};
    const tn_eye_like_attrs eye = {.k = -1};
    tn_value *i = indices_of(g, 2, (int64_t[]){3, 2}, (int64_t[]){1, -1, 0, 2, -4, 3});
    tn_value *c = apply(g, &tn_op_gather_elements, &rows, CONSTANT(4, 3), i, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 2), c, NULL));
    c = apply(g, &tn_op_gather_nd, &one, CONSTANT(3, 4, 4, 5), i, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 5), c, NULL));
    c = apply(g, &tn_op_eye_like, &eye, CONSTANT(3, 4), NULL, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 4), c, NULL));
}

/* Made of constants and shapes. */
static void make_constants(tn_graph *g) {
    const tn_axis_attrs rows = {0};
    const tn_cast_attrs to_float = {1};
    const tn_shape_attrs last = {-2, INT32_MAX};
    const float half = 0.5f;
    tn_constant_of_shape_attrs a = {.shape = {2, {3, 2}}};
    memcpy(a.element, &half, sizeof half);
    tn_error error;
    tn_value *in[3], *y;
    check(tn_graph_apply(g, &tn_op_constant_of_shape, &a, NULL, 0, &y, &error), &error);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 2), y, NULL));
    in[0] = indices_of(g, 2, (int64_t[]){2, 2}, (int64_t[]){1, -1, 7, 0});
    in[1] = indices_of(g, 0, NULL, (int64_t[]){3});
    in[2] = CONSTANT(2);
    y = apply(g, &tn_op_one_hot, &rows, in[0], in[1], in[2]);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 2, 2), y, NULL));
    in[0] = indices_of(g, 0, NULL, (int64_t[]){2});
    in[1] = indices_of(g, 0, NULL, (int64_t[]){-7});
    in[2] = indices_of(g, 0, NULL, (int64_t[]){-3});
    y = apply(g, &tn_op_range, NULL, in[0], in[1], in[2]);
    y = apply(g, &tn_op_cast, &to_float, y, NULL, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(5, 3), y, NULL));
    y = apply(g, &tn_op_shape, &last, CONSTANT(4, 5, 6), NULL, NULL);
    y = apply(g, &tn_op_cast, &to_float, y, NULL, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2), y, NULL));
    y = apply(g, &tn_op_size, NULL, CONSTANT(4, 5, 6), NULL, NULL);
    y = apply(g, &tn_op_cast, &to_float, y, NULL, NULL);
    output(g, apply(g, &tn_op_mul, NULL, INPUT(2), y, NULL));
}

const op_case moving_cases[] = {
    {"Slice", &tn_op_slice, slice},
    {"Slice, steps", &tn_op_slice, slice_steps},
    {"Slice, channels", &tn_op_slice, slice_channels},
    {"Slice, image", &tn_op_slice, slice_image},
    {"Slice, little", &tn_op_slice, slice_little},
    {"Slice, parameter", &tn_op_slice, slice_parameter},
    {"Split", &tn_op_split, split},
    {"Split, channels", &tn_op_split, split_channels},
    {"Split, some used", &tn_op_split, split_some},
    {"Split, Concat", &tn_op_split, split_and_concat},
    {"Split, parameter", &tn_op_split, split_parameter},
    {"Expand", &tn_op_expand, expand},
    {"Expand, image", &tn_op_expand, expand_image, .inexact = true},
    {"Expand, parameter", &tn_op_expand, expand_parameter},
    {"Tile", &tn_op_tile, tile},
    {"Tile, image", &tn_op_tile, tile_image},
    {"Tile, parameter", &tn_op_tile, tile_parameter},
    {"DepthToSpace", &tn_op_depth_to_space, depth_to_space},
    {"DepthToSpace, image", &tn_op_depth_to_space, depth_to_space_image},
    {"SpaceToDepth", &tn_op_space_to_depth, space_to_depth},
    {"SpaceToDepth, image", &tn_op_space_to_depth, space_to_depth_image},
    {"Gather", &tn_op_gather, gather},
    {"Gather, embedding", &tn_op_gather, gather_embedding},
    {"Gather, parameter", &tn_op_gather, gather_parameter},
    {"GatherElements", &tn_op_gather_elements, pick_constants},
    {"GatherND", &tn_op_gather_nd, pick_constants},
    {"EyeLike", &tn_op_eye_like, pick_constants},
    {"ConstantOfShape", &tn_op_constant_of_shape, make_constants},
    {"OneHot", &tn_op_one_hot, make_constants},
    {"Range", &tn_op_range, make_constants},
    {"Shape", &tn_op_shape, make_constants},
    {"Size", &tn_op_size, make_constants},
    {"Trilu", &tn_op_trilu, trilu},
    {"CumSum", &tn_op_cum_sum, cum_sum},
    {"Cast", &tn_op_cast, cast_same},
    {"CastLike", &tn_op_cast_like, cast_same},
    {0}};
