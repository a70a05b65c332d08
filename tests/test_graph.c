/* SPDX-License-Identifier: Apache-2.0 */
/* test_graph.c: building, copying and differentiating graphs; what infer_shape refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "models/models.h"
#include "ops/ops.h"

static tn_error error;

static tn_graph *new_graph(void) {
    tn_graph *graph;
    assert_int_equal(tn_graph_create(&graph, &error), TN_OK);
    return graph;
}

static tn_value *add(tn_graph *graph, tn_value_kind kind, const char *name, tn_shape shape) {
    tn_value *v;
    static const float zeros[4096];
    assert_true(kind == TN_VALUE_INPUT || tn_shape_elements(&shape) <= 4096);
    assert_int_equal(tn_graph_add_value(graph, kind, name, TN_FLOAT32, &shape,
                                        kind == TN_VALUE_INPUT ? NULL : zeros, &v, &error),
                     TN_OK);
    return v;
}

#define IMAGE(c, h, w) ((tn_shape){.rank = 4, .dims = {1, c, h, w}, .batched = true})
#define SHAPE(r, ...) ((tn_shape){.rank = r, .dims = {__VA_ARGS__}})

static void names_are_unique(void **state) {
    (void)state;
    tn_graph *graph = new_graph();
    tn_value *a = add(graph, TN_VALUE_INPUT, "x", IMAGE(1, 2, 2));
    tn_value *b = add(graph, TN_VALUE_INPUT, "x", IMAGE(1, 2, 2));
    assert_string_equal(a->name, "x");
    assert_string_not_equal(a->name, b->name);
    assert_ptr_equal(tn_graph_find_value(graph, "x"), a);
    assert_null(tn_graph_find_value(graph, "y"));
    tn_graph_free(graph);
}

static void impossible_shapes_are_refused(void **state) {
    (void)state;
    tn_graph *graph = new_graph();
    tn_shape negative = SHAPE(2, 3, -1), huge = SHAPE(3, 1 << 30, 1 << 30, 1 << 30);
    tn_shape deep = {.rank = 9};
    tn_value *v;
    assert_int_equal(
        tn_graph_add_value(graph, TN_VALUE_INPUT, "a", TN_FLOAT32, &negative, NULL, &v, &error),
        TN_ERR_FORMAT);
    assert_int_equal(
        tn_graph_add_value(graph, TN_VALUE_INPUT, "b", TN_FLOAT32, &huge, NULL, &v, &error),
        TN_ERR_FORMAT);
    assert_int_equal(
        tn_graph_add_value(graph, TN_VALUE_INPUT, "c", TN_FLOAT32, &deep, NULL, &v, &error),
        TN_ERR_UNSUPPORTED);
    tn_graph_free(graph);
}

/* Applies op to x and w and expects a failure whose message holds `text`. */
static void refuse(const tn_op *op, const void *attrs, tn_shape x, tn_shape w, const char *text) {
    tn_graph *graph = new_graph();
    tn_value *in[] = {add(graph, TN_VALUE_INPUT, "x", x), add(graph, TN_VALUE_PARAMETER, "w", w)};
    tn_value *y;
    error.message[0] = '\0';
    assert_int_not_equal(
        tn_graph_apply(graph, op, attrs, in, op->max_inputs > 1 ? 2 : 1, &y, &error), TN_OK);
    if (!strstr(error.message, text)) fail_msg("\"%s\" lacks \"%s\"", error.message, text);
    tn_graph_free(graph);
}

static tn_conv_attrs conv_attrs(void) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return a;
}

static void bad_convolutions_are_refused(void **state) {
    (void)state;
    tn_conv_attrs a = conv_attrs();
    const tn_shape x = IMAGE(4, 8, 8), w = SHAPE(4, 6, 4, 3, 3);
    refuse(&tn_op_conv, &a, x, SHAPE(3, 6, 4, 3), "weight has 3 dimensions but input \"x\" has 4");
    refuse(&tn_op_conv, &a, x, SHAPE(4, 6, 3, 3, 3), "takes 3 channels");
    refuse(&tn_op_conv, &a, x, SHAPE(4, 6, 4, 9, 3), "does not fit");
    a.strides = (tn_ints){2, {0, 1}};
    refuse(&tn_op_conv, &a, x, w, "strides holds 0");
    a = conv_attrs();
    a.dilations = (tn_ints){2, {1, -1}};
    refuse(&tn_op_conv, &a, x, w, "dilations holds -1");
    a = conv_attrs();
    a.group = 0;
    refuse(&tn_op_conv, &a, x, w, "group 0");
    a.group = 3;
    refuse(&tn_op_conv, &a, x, w, "in each of 3 groups");
    a = conv_attrs();
    a.pads = (tn_ints){4, {0, -2, 0, 0}};
    refuse(&tn_op_conv, &a, x, w, "pads holds -2");
    a = conv_attrs();
    a.pads = (tn_ints){2, {0, 0}};
    refuse(&tn_op_conv, &a, x, w, "pads has 2 numbers, not 4");
    a = conv_attrs();
    a.kernel_shape = (tn_ints){2, {5, 5}};
    refuse(&tn_op_conv, &a, x, w, "kernel_shape holds 5 but the weight 3 along axis 2");
    a = conv_attrs();
    strcpy(a.auto_pad, "SAME");
    refuse(&tn_op_conv, &a, x, w, "auto_pad is \"SAME\"");
}

static void bad_pools_are_refused(void **state) {
    (void)state;
    tn_pool_attrs a;
    const tn_shape x = IMAGE(4, 8, 8), w = SHAPE(1, 1);
    tn_attrs_init(&tn_op_max_pool, &a);
    refuse(&tn_op_max_pool, &a, x, w, "kernel_shape holds 0");
    a.kernel_shape = (tn_ints){2, {2, 9}};
    refuse(&tn_op_max_pool, &a, x, w, "does not fit");
    a.kernel_shape = (tn_ints){2, {2, 2}};
    a.pads = (tn_ints){4, {0, 2, 0, 0}};
    refuse(&tn_op_max_pool, &a, x, w, "padding is not smaller than the window");
    a.pads.n = 0;
    a.kernel_shape = (tn_ints){2, {16, 16}};
    a.indices = 1;
    refuse(&tn_op_max_pool, &a, IMAGE(1, 32, 32), w, "at most 255");
}

static void bad_average_pools_are_refused(void **state) {
    (void)state;
    tn_pool_attrs a;
    const tn_shape x = IMAGE(4, 8, 8), w = SHAPE(1, 1);
    tn_attrs_init(&tn_op_average_pool, &a);
    refuse(&tn_op_average_pool, &a, x, w, "kernel_shape holds 0");
    a.kernel_shape = (tn_ints){2, {2, 9}};
    refuse(&tn_op_average_pool, &a, x, w, "does not fit");
    a.kernel_shape = (tn_ints){2, {2, 2}};
    a.pads = (tn_ints){4, {0, 0, 0, 2}}; /* the mean of no pixels */
    refuse(&tn_op_average_pool, &a, x, w, "padding is not smaller than the window");
    a.pads.n = 0;
    a.strides = (tn_ints){2, {1, -1}};
    refuse(&tn_op_average_pool, &a, x, w, "strides holds -1");
    refuse(&tn_op_global_average_pool, NULL, SHAPE(3, 1, 4, 8), w, "is no batch");
    refuse(&tn_op_global_max_pool, NULL, SHAPE(4, 1, 4, 8, 8), w, "is no batch");
    refuse(&tn_op_global_average_pool, NULL, IMAGE(4, 0, 8), w, "an image without pixels");
}

static void bad_means_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(4, 8, 8), w = SHAPE(1, 1);
    const tn_reduce_attrs all = {.keepdims = 1}, samples = {{2, {1, -4}}, 1, 0};
    const tn_reduce_attrs deep = {{1, {4}}, 1, 0}, low = {{1, {-5}}, 1, 0};
    const tn_reduce_attrs twice = {{2, {1, -3}}, 1, 0};
    refuse(&tn_op_reduce_mean, &all, x, w, "mixes samples");
    refuse(&tn_op_reduce_mean, &samples, x, w, "mixes samples");
    refuse(&tn_op_reduce_mean, &deep, x, w, "axis 4 of 4 dimensions");
    refuse(&tn_op_reduce_mean, &low, x, w, "axis -5 of 4 dimensions");
    refuse(&tn_op_reduce_mean, &twice, x, w, "axis 1 is listed twice");
    const tn_reduce_attrs height = {{1, {2}}, 1, 0};
    refuse(&tn_op_reduce_mean, &height, IMAGE(4, 0, 8), w, "which has no elements");
}

static void bad_elementwise_operators_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(4, 8, 8), w = SHAPE(1, 4, 8, 8);
    refuse(&tn_op_celu, &(const tn_unary_attrs){.alpha = 0}, x, w, "alpha is 0");
    refuse(&tn_op_selu, &(const tn_unary_attrs){.gamma = NAN}, x, w, "gamma is nan");
    refuse(&tn_op_gelu, &(const tn_unary_attrs){.approximate = "x"}, x, w, "none or tanh");
    refuse(&tn_op_and, NULL, x, w, "is float32, not bool");
    refuse(&tn_op_not, NULL, x, w, "is float32, not bool");
    refuse(&tn_op_equal, NULL, x, SHAPE(1, 5), "do not broadcast");
    refuse(&tn_op_max, NULL, x, SHAPE(4, 3, 1, 1, 1), "the batch must be the first dimension");
    refuse(&tn_op_mod, &(const int64_t){0}, x, w, "fmod must be 1");
}

static void bad_normalisations_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(4, 8, 8), w = SHAPE(1, 4);
    const struct {
        int64_t size;
        double alpha, beta, bias;
    } no_size = {0, 1, 1, 1}, endless = {3, INFINITY, 1, 1};
    refuse(&tn_op_lrn, &no_size, x, w, "size is 0");
    refuse(&tn_op_lrn, &endless, x, w, "alpha is inf");
    const struct { int64_t axis, p; } cubes = {1, 3}, samples = {0, 2};
    refuse(&tn_op_lp_normalization, &cubes, x, w, "p is 3");
    refuse(&tn_op_lp_normalization, &samples, x, w, "mixes samples");
    const struct {
        int64_t axis, stash_type;
        double epsilon;
    } all = {0, 1, 1}, half = {-1, 10, 1}, negative = {-1, 1, -1}, pixels = {2, 1, 1};
    refuse(&tn_op_layer_normalization, &all, x, w, "mixes samples");
    refuse(&tn_op_layer_normalization, &half, x, w, "stash_type is 10");
    refuse(&tn_op_layer_normalization, &negative, x, w, "epsilon is -1");
    refuse(&tn_op_layer_normalization, &pixels, x, w, "must be like the axes");
    refuse(&tn_op_mean_variance_normalization, &(const tn_axes_attrs){0}, x, w, "mixes samples");
    const int64_t first[] = {0, 1, 0}, none[] = {2, 1, 0};
    refuse(&tn_op_arg_max, first, x, w, "mixes samples");
    refuse(&tn_op_arg_max, none, IMAGE(4, 0, 8), w, "axis 2 has no elements");
}

static void bad_products_are_refused(void **state) {
    (void)state;
    tn_gemm_attrs a;
    tn_attrs_init(&tn_op_gemm, &a);
    const tn_shape rows = {.rank = 2, .dims = {1, 5}, .batched = true};
    refuse(&tn_op_gemm, &a, rows, SHAPE(2, 6, 3), "takes 6 numbers but input \"x\" has 5");
    refuse(&tn_op_gemm, &a, rows, SHAPE(1, 5), "2 and 1 dimensions");
    refuse(&tn_op_gemm, &a, IMAGE(1, 5, 5), SHAPE(2, 5, 3), "4 and 2 dimensions");
    refuse(&tn_op_add, NULL, rows, SHAPE(1, 4), "do not broadcast");
    refuse(&tn_op_mul, NULL, rows, SHAPE(3, 2, 1, 5), "batch must be the first");
}

static void other_bad_attributes_are_refused(void **state) {
    (void)state;
    const tn_dropout_attrs all = {.ratio = 1};
    const tn_axis_attrs deep = {7}, samples = {2};
    refuse(&tn_op_dropout, &all, IMAGE(1, 2, 2), SHAPE(1, 1), "ratio is 1");
    refuse(&tn_op_flatten, &deep, IMAGE(1, 2, 2), SHAPE(1, 1), "axis 7");
    refuse(&tn_op_flatten, &samples, IMAGE(1, 2, 2), SHAPE(1, 1), "mixes samples");
    refuse(&tn_op_log_softmax, &(const tn_axis_attrs){0}, IMAGE(1, 2, 2), SHAPE(1, 1),
           "mixes samples");
}

static void bad_activations_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(3, 4, 5), w = SHAPE(3, 3, 1, 1);
    const tn_alpha_attrs infinite = {INFINITY}, beyond = {1e39};
    const tn_hard_sigmoid_attrs alpha = {NAN, 0}, beta = {1, -INFINITY};
    const tn_clip_attrs low = {NAN, 1}, high = {0, NAN};
    refuse(&tn_op_leaky_relu, &infinite, x, w, "alpha is inf (must be finite)");
    refuse(&tn_op_elu, &beyond, x, w, "alpha is 1e+39 (must be finite)");
    refuse(&tn_op_hard_sigmoid, &alpha, x, w, "alpha is nan");
    refuse(&tn_op_hard_sigmoid, &beta, x, w, "beta is -inf");
    refuse(&tn_op_clip, &low, x, w, "min is nan");
    refuse(&tn_op_clip, &high, x, w, "max is nan");
    /* A slope may be repeated, the input may not. */
    refuse(&tn_op_prelu, NULL, x, SHAPE(3, 4, 1, 1), "do not broadcast");
    refuse(&tn_op_prelu, NULL, x, SHAPE(4, 2, 3, 1, 1), "batch must be the first");
    refuse(&tn_op_prelu, NULL, IMAGE(1, 4, 5), w, "slope 3x1x1 is more than input \"x\", 1x1x4x5");
    refuse(&tn_op_sub, NULL, x, SHAPE(1, 4), "do not broadcast");
    refuse(&tn_op_div, NULL, x, SHAPE(1, 4), "do not broadcast");
}

/* Applies op to these values and expects a failure whose message holds `text`; frees the graph. */
static void refuse_values(tn_graph *graph, const tn_op *op, const void *attrs, tn_value *const *in,
                          int n, const char *text) {
    tn_value *y;
    error.message[0] = '\0';
    assert_int_not_equal(tn_graph_apply(graph, op, attrs, in, n, &y, &error), TN_OK);
    if (!strstr(error.message, text)) fail_msg("\"%s\" lacks \"%s\"", error.message, text);
    tn_graph_free(graph);
}

static tn_reshape_attrs to_shape(tn_ints shape) { return (tn_reshape_attrs){.shape = shape}; }

static void bad_shapes_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(3, 4, 5), w = SHAPE(1, 1);
    static const struct {
        tn_ints shape;
        const char *text;
    } bad[] = {
        {{3, {0, -1, -1}}, "shape holds -1 twice"},
        {{3, {0, -2, 3}}, "shape holds -2"},
        {{5, {0, 3, 4, 5, 0}}, "shape holds 0 in place 4, but the input has 4 dimensions"},
        {{2, {0, 61}}, "the elements of 1x3x4x5 do not make shape [0,61]"},
        {{3, {0, 7, -1}}, "do not make shape [0,7,-1]"},
        {{3, {1LL << 62, 1LL << 62, 4}}, "do not make shape"},
        {{2, {-1, 0}}, "shape [-1,0] mixes samples of the batch 1x3x4x5"},
        {{2, {2, 30}}, "mixes samples"},
        {{2, {-1, 30}}, "mixes samples"},
        {{1, {-1}}, "mixes samples"},
        {{9, {0, 3, 4, 5, 1, 1, 1, 1, 1}}, "a shape of 9 dimensions (at most 8)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const tn_reshape_attrs a = to_shape(bad[i].shape);
        refuse(&tn_op_reshape, &a, x, w, bad[i].text);
    }
    tn_reshape_attrs a = to_shape((tn_ints){2, {0, 5}});
    a.allow_zero = 1;
    refuse(&tn_op_reshape, &a, x, w, "allowzero");
    a = to_shape((tn_ints){0}); /* a scalar */
    refuse(&tn_op_reshape, &a, (tn_shape){.rank = 1, .dims = {1}, .batched = true}, w,
           "mixes samples");
}

/* What a file says of the batch that it was traced with holds for every batch. */
static void a_traced_batch_becomes_any_batch(void **state) {
    (void)state;
    const tn_shape x = {.rank = 3, .dims = {4, 3, 5}, .batched = true};
    static const tn_ints shapes[] = {
        {2, {4, 15}}, {2, {0, 15}}, {2, {-1, 15}}, {2, {4, -1}}, {2, {0, -1}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const tn_reshape_attrs a = to_shape(shapes[i]);
        tn_graph *graph = new_graph();
        tn_value *v = add(graph, TN_VALUE_INPUT, "x", x), *y;
        assert_int_equal(tn_graph_apply(graph, &tn_op_reshape, &a, &v, 1, &y, &error), TN_OK);
        assert_int_equal(tn_graph_set_batch(graph, 7, &error), TN_OK);
        assert_true(y->shape.batched && y->shape.rank == 2);
        assert_int_equal(y->shape.dims[0], 7);
        assert_int_equal(y->shape.dims[1], 15);
        tn_graph_free(graph);
    }
}

static void bad_moves_are_refused(void **state) {
    (void)state;
    const tn_shape x = {.rank = 3, .dims = {1, 6, 5}, .batched = true}, w = SHAPE(1, 1);
    tn_slice_attrs cut = {.starts = {1, {0}}, .ends = {1, {1}}, .axes = {1, {0}}};
    refuse(&tn_op_slice, &cut, x, w, "axis 0 takes some samples of the batch");
    cut.axes = (tn_ints){1, {1}};
    cut.steps = (tn_ints){1, {0}};
    refuse(&tn_op_slice, &cut, x, w, "steps holds 0");
    cut.steps.n = 2;
    refuse(&tn_op_slice, &cut, x, w, "1 starts, 1 ends, 1 axes and 2 steps");
    cut = (tn_slice_attrs){{2, {0, 0}}, {2, {1, 1}}, {2, {1, -2}}, {0}};
    refuse(&tn_op_slice, &cut, x, w, "axis 1 is listed twice");
    tn_split_attrs parts = {.axis = 1, .split = {2, {3, 4}}};
    refuse(&tn_op_split, &parts, x, w, "split makes 7 of the 6 elements of axis 1");
    parts.split = (tn_ints){2, {7, -1}};
    refuse(&tn_op_split, &parts, x, w, "split holds -1");
    parts = (tn_split_attrs){.axis = 1};
    refuse(&tn_op_split, &parts, x, w, "0 outputs");
    parts.axis = 0;
    refuse(&tn_op_split, &parts, x, w, "parts the samples");
    const tn_expand_attrs batch = {{3, {4, 6, 5}}}, misfit = {{3, {1, 4, 5}}};
    refuse(&tn_op_expand, &batch, x, w, "shape says what the batch is");
    refuse(&tn_op_expand, &misfit, x, w, "cannot become 4");
    const tn_tile_attrs twice = {{3, {2, 1, 1}}}, far = {{3, {1, INT64_MAX, 1}}};
    refuse(&tn_op_tile, &twice, x, w, "axis 0 repeats the samples");
    refuse(&tn_op_tile, &far, x, w, "repeats holds 9223372036854775807");
    const tn_axis_attrs second = {1};
    refuse(&tn_op_gather, &second, x, w, "indices are float32");
    const tn_depth_to_space_attrs blocks = {.block_size = 4};
    refuse(&tn_op_depth_to_space, &blocks, IMAGE(8, 2, 2), w, "8 channels make no blocks of 4x4");
    refuse(&tn_op_space_to_depth, &blocks, IMAGE(8, 2, 4), w, "2x4 pixels make no blocks");
}

static void bad_resizes_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(2, 4, 4), w = SHAPE(1, 1);
    static const struct {
        const char *attrs, *message;
    } bad[] = {
        {"scales=1,1,2", "3 scales and 0 sizes for 4 axes"},
        {"scales=1,1,2,2 sizes=1,2,8,8", "4 scales and 4 sizes"},
        {"scales=1,1,2,0", "scales holds 0"},
        {"scales=1,1,2,1e30", "scales holds 1e+30"},
        {"scales=2,1,2,2", "change axis 0, the batch"},
        {"sizes=1,2,8,-1", "sizes holds -1"},
        {"sizes=1,2,1000000,1000000", "too large"},
        {"scales=1,1,2,2 mode=area", "mode \"area\""},
        {"scales=1,1,2,2 nearest_mode=up", "nearest_mode \"up\""},
        {"scales=1,1,2,2 coordinate_transformation_mode=x", "coordinate_transformation_mode"},
        {"scales=1,1,0.5,2 antialias=1 mode=linear", "antialias is not supported"},
        {"scales=2,2 axes=2,2", "listed twice"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_resize_attrs a;
        assert_int_equal(tn_attrs_parse(&tn_op_resize, bad[i].attrs, &a, &error), TN_OK);
        refuse(&tn_op_resize, &a, x, w, bad[i].message);
    }
}

static void bad_axes_are_refused(void **state) {
    (void)state;
    const tn_shape x = {.rank = 3, .dims = {1, 1, 5}, .batched = true}, w = SHAPE(1, 1);
    const tn_axes_attrs deep = {{1, {3}}}, twice = {{2, {1, -2}}}, batch = {{1, {-3}}};
    const tn_axes_attrs wide = {{1, {2}}}, many = {{7, {1, 2, 3, 4, 5, 6, 7}}}, first = {{1, {0}}};
    refuse(&tn_op_squeeze, &deep, x, w, "axis 3 of 3 dimensions");
    refuse(&tn_op_squeeze, &twice, x, w, "axis 1 is listed twice");
    refuse(&tn_op_squeeze, &batch, x, w, "axis 0 is the batch");
    refuse(&tn_op_squeeze, &wide, x, w, "axis 2 cannot be left out: it has 5 elements");
    const tn_axes_attrs beyond = {{1, {-5}}}, again = {{2, {1, 1}}};
    refuse(&tn_op_unsqueeze, &beyond, x, w, "axis -5 of 4 dimensions");
    refuse(&tn_op_unsqueeze, &again, x, w, "axis 1 is listed twice");
    refuse(&tn_op_unsqueeze, &first, x, w, "axis 0 is the batch");
    refuse(&tn_op_unsqueeze, &many, x, w, "10 dimensions (at most 8)");
    const tn_axis_attrs samples = {0}, below = {-4};
    refuse(&tn_op_softmax, &samples, x, w, "mixes samples");
    refuse(&tn_op_softmax, &below, x, w, "axis -4 of 3 dimensions");
}

/* Squeeze without axes leaves a batch of 1 what it is. */
static void a_batch_of_one_is_not_squeezed(void **state) {
    (void)state;
    const tn_axes_attrs all = {0};
    tn_graph *graph = new_graph();
    tn_value *x = add(graph, TN_VALUE_INPUT, "x", IMAGE(1, 5, 1)), *y;
    assert_int_equal(tn_graph_apply(graph, &tn_op_squeeze, &all, &x, 1, &y, &error), TN_OK);
    assert_int_equal(y->shape.rank, 2);
    assert_true(y->shape.batched);
    assert_int_equal(tn_graph_set_batch(graph, 3, &error), TN_OK);
    assert_int_equal(y->shape.dims[0], 3);
    assert_int_equal(y->shape.dims[1], 5);
    tn_graph_free(graph);
}

static void bad_permutations_are_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(3, 4, 5), w = SHAPE(1, 1);
    const tn_transpose_attrs few = {{3, {0, 2, 1}}}, twice = {{4, {0, 2, 2, 1}}};
    const tn_transpose_attrs beyond = {{4, {0, 1, 2, 4}}}, negative = {{4, {0, 1, 2, -1}}};
    const tn_transpose_attrs moved = {{4, {1, 0, 2, 3}}}, reverse = {{0}};
    refuse(&tn_op_transpose, &few, x, w, "perm has 3 numbers for 4 dimensions");
    refuse(&tn_op_transpose, &twice, x, w, "axis 2 is listed twice");
    refuse(&tn_op_transpose, &beyond, x, w, "axis 4 of 4 dimensions");
    refuse(&tn_op_transpose, &negative, x, w, "perm holds -1");
    refuse(&tn_op_transpose, &moved, x, w, "perm moves the batch");
    refuse(&tn_op_transpose, &reverse, x, w, "perm moves the batch");
}

static void bad_pads_are_refused(void **state) {
    (void)state;
    const tn_shape x = {.rank = 2, .dims = {1, 4}, .batched = true}, w = SHAPE(1, 1);
    static const struct {
        const char *mode;
        tn_ints pads;
        const char *text;
    } bad[] = {
        {"constant", {2, {0, 1}}, "pads has 2 numbers for 2 dimensions"},
        {"constant", {4, {0, 1, 1, 0}}, "axis 0, which is the batch"},
        {"constant", {4, {0, -2, 0, -3}}, "pads cut off more than the 4 elements of axis 1"},
        {"constant", {4, {0, INT64_MAX, 0, 1}}, "pads holds 9223372036854775807"},
        {"constant", {4, {0, INT64_MIN, 0, 1}}, "pads holds -9223372036854775808"},
        {"constant", {4, {0, 1LL << 40, 0, 1}}, "impossible shape"},
        {"reflect", {4, {0, 4, 0, 0}}, "too few elements for a padding of 4"},
        {"edge", {4, {0, -1, 0, 0}}, "negative ones need mode constant"},
        {"wrap", {4, {0, 1, 0, 0}}, "mode \"wrap\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_pad_attrs a = {.pads = bad[i].pads};
        strcpy(a.mode, bad[i].mode);
        refuse(&tn_op_pad, &a, x, w, bad[i].text);
    }
}

static void what_does_not_join_is_refused(void **state) {
    (void)state;
    const tn_shape x = IMAGE(3, 4, 5);
    const tn_axis_attrs channels = {1}, deep = {4}, samples = {-4};
    refuse(&tn_op_concat, &channels, x, SHAPE(3, 1, 3, 4), "shapes 1x3x4x5 and 1x3x4 differ");
    refuse(&tn_op_concat, &channels, x, SHAPE(4, 1, 2, 4, 6), "differ beside axis 1");
    refuse(&tn_op_concat, &channels, x, SHAPE(4, 1, 2, 4, 5), "input \"w\" is no batch");
    refuse(&tn_op_concat, &deep, x, SHAPE(4, 1, 3, 4, 5), "axis 4 of 4 dimensions");
    refuse(&tn_op_concat, &samples, x, SHAPE(4, 1, 3, 4, 5), "mixes samples");
}

static void matrices_that_do_not_fit_are_refused(void **state) {
    (void)state;
    const tn_shape rows = {.rank = 2, .dims = {1, 5}, .batched = true};
    const tn_shape stack = {.rank = 3, .dims = {1, 4, 5}, .batched = true};
    const tn_shape numbers = {.rank = 1, .dims = {1}, .batched = true}, scalar = {0};
    refuse(&tn_op_mat_mul, NULL, rows, SHAPE(2, 6, 3), "shapes 1x5 and 6x3 do not multiply");
    refuse(&tn_op_mat_mul, NULL, stack, SHAPE(3, 2, 4, 3), "do not multiply");
    refuse(&tn_op_mat_mul, NULL, rows, scalar, "a scalar is no matrix");
    refuse(&tn_op_mat_mul, NULL, numbers, SHAPE(1, 1), "a sum over the samples");
    refuse(&tn_op_mat_mul, NULL, rows, SHAPE(3, 2, 5, 3), "mixes samples");
    refuse(&tn_op_mat_mul, NULL, stack, SHAPE(3, 2, 5, 3), "mixes samples");
    refuse(&tn_op_mat_mul, NULL, stack, SHAPE(4, 1, 1, 5, 3), "mixes samples");

    tn_graph *graph = new_graph();
    tn_value *in[] = {add(graph, TN_VALUE_PARAMETER, "w", SHAPE(2, 3, 1)),
                      add(graph, TN_VALUE_INPUT, "x", rows)};
    refuse_values(graph, &tn_op_mat_mul, NULL, in, 2, "a sum over the samples");
}

/* Images are batches, in the layout of the plan; weights and biases belong to the model. */
static void images_and_weights_are_not_exchanged(void **state) {
    (void)state;
    const tn_conv_attrs a = conv_attrs();
    const tn_shape w = SHAPE(4, 6, 4, 3, 3), stored = SHAPE(4, 1, 4, 8, 8);
    tn_pool_attrs pool;
    tn_attrs_init(&tn_op_max_pool, &pool);
    pool.kernel_shape = (tn_ints){2, {2, 2}};
    tn_graph *graph = new_graph();
    tn_value *in[3] = {add(graph, TN_VALUE_CONSTANT, "x", stored),
                       add(graph, TN_VALUE_PARAMETER, "w", w)};
    refuse_values(graph, &tn_op_conv, &a, in, 2, "input \"x\" is no batch");

    graph = new_graph();
    in[0] = add(graph, TN_VALUE_CONSTANT, "x", stored);
    refuse_values(graph, &tn_op_max_pool, &pool, in, 1, "input \"x\" is no batch");

    graph = new_graph();
    in[0] = add(graph, TN_VALUE_INPUT, "x", IMAGE(4, 8, 8));
    in[1] = add(graph, TN_VALUE_INPUT, "w", IMAGE(4, 3, 3));
    refuse_values(graph, &tn_op_conv, &a, in, 2, "weight \"w\" is computed");

    graph = new_graph();
    tn_value *terms[] = {add(graph, TN_VALUE_PARAMETER, "u", w),
                         add(graph, TN_VALUE_PARAMETER, "v", w)};
    in[0] = add(graph, TN_VALUE_INPUT, "x", IMAGE(4, 8, 8));
    assert_int_equal(tn_graph_apply(graph, &tn_op_add, NULL, terms, 2, &in[1], &error), TN_OK);
    refuse_values(graph, &tn_op_conv, &a, in, 2, "is computed");
}

/* Only Identity takes what is no float. */
static void functions_are_of_floats(void **state) {
    (void)state;
    static const tn_op *const ops[] = {&tn_op_leaky_relu, &tn_op_elu,          &tn_op_sigmoid,
                                       &tn_op_tanh,       &tn_op_hard_sigmoid, &tn_op_hard_swish,
                                       &tn_op_clip};
    const tn_shape shape = {.rank = 2, .dims = {1, 3}, .batched = true};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        static const double attrs[4];
        tn_graph *graph = new_graph();
        tn_value *x;
        assert_int_equal(
            tn_graph_add_value(graph, TN_VALUE_INPUT, "x", TN_INT64, &shape, NULL, &x, &error),
            TN_OK);
        refuse_values(graph, ops[i], attrs, &x, 1, "input \"x\" is int64, not float32");
    }
    tn_graph *graph = new_graph();
    tn_value *x, *y;
    assert_int_equal(
        tn_graph_add_value(graph, TN_VALUE_INPUT, "x", TN_INT64, &shape, NULL, &x, &error), TN_OK);
    assert_int_equal(tn_graph_apply(graph, &tn_op_identity, NULL, &x, 1, &y, &error), TN_OK);
    assert_int_equal(y->dtype, TN_INT64);
    assert_true(tn_shape_equal(&y->shape, &shape));
    tn_graph_free(graph);
}

static void a_bias_is_one_number_for_each_output(void **state) {
    (void)state;
    const tn_conv_attrs a = conv_attrs();
    const tn_shape one_each = SHAPE(1, 6);
    static const int64_t zeros[6];
    tn_graph *graph = new_graph();
    tn_value *in[3] = {add(graph, TN_VALUE_INPUT, "x", IMAGE(4, 8, 8)),
                       add(graph, TN_VALUE_PARAMETER, "w", SHAPE(4, 6, 4, 3, 3))};
    assert_int_equal(tn_graph_add_value(graph, TN_VALUE_CONSTANT, "b", TN_INT64, &one_each, zeros,
                                        &in[2], &error),
                     TN_OK);
    refuse_values(graph, &tn_op_conv, &a, in, 3, "bias must be one float32");

    graph = new_graph();
    in[0] = add(graph, TN_VALUE_INPUT, "x", IMAGE(4, 8, 8));
    in[1] = add(graph, TN_VALUE_PARAMETER, "w", SHAPE(4, 1, 4, 3, 3));
    in[2] = add(graph, TN_VALUE_INPUT, "b", (tn_shape){.rank = 1, .dims = {1}, .batched = true});
    refuse_values(graph, &tn_op_conv, &a, in, 3, "bias must be one float32");

    /* Numbers of the samples are no bias of the columns, whatever the batch is. */
    tn_gemm_attrs gemm;
    tn_attrs_init(&tn_op_gemm, &gemm);
    graph = new_graph();
    in[0] = add(graph, TN_VALUE_INPUT, "x", (tn_shape){2, {1, 5}, true});
    in[1] = add(graph, TN_VALUE_PARAMETER, "w", SHAPE(2, 5, 64));
    in[2] = add(graph, TN_VALUE_INPUT, "c", (tn_shape){.rank = 1, .dims = {1}, .batched = true});
    refuse_values(graph, &tn_op_gemm, &gemm, in, 3, "input \"c\" does not broadcast");
}

/* Taps may be so far apart that all of a window's lie in padding, on one side or on both. */
static void a_window_of_padding_alone_has_no_maximum(void **state) {
    (void)state;
    tn_pool_attrs a;
    tn_value *y;
    tn_attrs_init(&tn_op_max_pool, &a);
    a.kernel_shape = (tn_ints){2, {2, 2}};
    a.dilations = (tn_ints){2, {5, 1}};
    a.pads = (tn_ints){4, {2, 0, 1, 0}};
    refuse(&tn_op_max_pool, &a, IMAGE(1, 3, 8), SHAPE(1, 1), "padding alone");
    a.pads = (tn_ints){4, {2, 0, 2, 0}}; /* the second window would do */
    refuse(&tn_op_max_pool, &a, IMAGE(1, 3, 8), SHAPE(1, 1), "padding alone");
    a.strides = (tn_ints){2, {2, 1}};
    a.dilations.v[0] = 3;
    a.pads.v[0] = 3;
    tn_graph *graph = new_graph();
    tn_value *x = add(graph, TN_VALUE_INPUT, "x", IMAGE(1, 3, 8));
    assert_int_equal(tn_graph_apply(graph, &tn_op_max_pool, &a, &x, 1, &y, &error), TN_OK);
    tn_graph_free(graph);
}

/* What is worked on may be larger than input, weight and output. */
static void a_padded_image_may_not_be_impossible(void **state) {
    (void)state;
    tn_conv_attrs a = conv_attrs();
    const int64_t pad = 1 << 20;
    a.pads = (tn_ints){4, {pad - 1, pad - 1, pad - 1, pad - 1}};
    a.strides = (tn_ints){2, {pad, pad}};
    a.group = 2048;
    refuse(&tn_op_conv, &a, IMAGE(2048, 2, 2), SHAPE(4, 2048, 1, 1, 1), "too much padding");
    a = conv_attrs();
    strcpy(a.auto_pad, "SAME_UPPER");
    a.dilations = (tn_ints){2, {pad, pad}};
    refuse(&tn_op_conv, &a, IMAGE(4, 8, 8), SHAPE(4, 6, 4, 9, 9), "auto_pad makes");
}

static void no_size_overflows_behind_a_zero(void **state) {
    (void)state;
    const int64_t large = (int64_t)1 << 40;
    const tn_shape empty = {.rank = 3, .dims = {0, large, large}};
    tn_graph *graph = new_graph();
    tn_value *v;
    assert_int_equal(
        tn_graph_add_value(graph, TN_VALUE_CONSTANT, "a", TN_FLOAT32, &empty, NULL, &v, &error),
        TN_ERR_FORMAT);
    tn_graph_free(graph);
}

static tn_model *mnist_cnn(void) {
    tn_model *model;
    assert_int_equal(tn_model_build("mnist-cnn", NULL, &model, &error), TN_OK);
    return model;
}

/* Parameters and operations that anybody can work out by hand. */
static void mnist_cnn_is_what_it_should_be(void **state) {
    (void)state;
    tn_model *model = mnist_cnn();
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    assert_int_equal(info.parameters,
                     32 * 9 + 32 + 64 * 32 * 9 + 64 + 9216 * 128 + 128 + 128 * 10 + 10);
    assert_int_equal(info.macs, 26 * 26 * 32 * 9 + 24 * 24 * 64 * 288 + 9216 * 128 + 128 * 10);
    assert_int_equal(info.n_classes, 10);
    assert_string_equal(model->graph->outputs[0]->name, "scores");
    tn_model_free(model);
}

static void weights_depend_on_the_seed_only(void **state) {
    (void)state;
    char hash[3][65];
    for (int i = 0; i < 3; i++) {
        tn_model_options options = TN_INIT(tn_model_options);
        tn_model *model;
        options.seed = i == 2 ? 1 : 0;
        assert_int_equal(tn_model_build("lenet", &options, &model, &error), TN_OK);
        tn_model_weights_sha256(model, hash[i]);
        tn_model_free(model);
    }
    assert_string_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
}

static void a_model_says_which_images_it_cannot_take(void **state) {
    (void)state;
    tn_model_options options = TN_INIT(tn_model_options);
    tn_model *model;
    options.height = options.width = 5;
    assert_int_equal(tn_model_build("mnist-cnn", &options, &model, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "mnist-cnn cannot take images of 5x5"));
    assert_int_equal(tn_model_build("alexnet", NULL, &model, &error), TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "mnist-cnn, lenet, mlp, resnet20, vgg-small, tiny-cnn"));
}

static void a_clone_is_the_same_graph(void **state) {
    (void)state;
    tn_model *model = mnist_cnn();
    tn_graph *copy;
    assert_int_equal(tn_graph_clone(model->graph, &copy, &error), TN_OK);
    assert_int_equal(copy->n_values, model->graph->n_values);
    assert_int_equal(copy->n_nodes, model->graph->n_nodes);
    assert_int_equal(copy->n_parameters, model->graph->n_parameters);
    for (int i = 0; i < copy->n_nodes; i++) {
        assert_ptr_equal(copy->nodes[i]->op, model->graph->nodes[i]->op);
        assert_ptr_equal(copy->nodes[i]->outputs[0]->producer, copy->nodes[i]);
        assert_string_equal(copy->nodes[i]->name, model->graph->nodes[i]->name);
    }
    tn_model_free(model);
    assert_int_equal(tn_graph_set_batch(copy, 17, &error), TN_OK); /* it owns all it needs */
    assert_int_equal(copy->outputs[0]->shape.dims[0], 17);
    assert_int_equal(copy->outputs[0]->shape.dims[1], 10);
    tn_graph_free(copy);
}

/* The images are data: no node may compute their gradient. */
static void gradients_stop_at_the_first_layer(void **state) {
    (void)state;
    tn_model *model = mnist_cnn();
    tn_graph *graph = model->graph;
    int n_values = graph->n_values, n_nodes = graph->n_nodes, input_gradients = 0;
    tn_value **gradients = test_calloc((size_t)n_values + 1, sizeof *gradients), *dy;
    assert_int_equal(tn_graph_add_value(graph, TN_VALUE_INPUT, "dy", TN_FLOAT32,
                                        &graph->outputs[0]->shape, NULL, &dy, &error),
                     TN_OK);
    gradients = test_realloc(gradients, (size_t)graph->n_values * sizeof *gradients);
    assert_int_equal(
        tn_graph_differentiate(graph, graph->outputs[0], dy, NULL, 0, gradients, &error), TN_OK);
    for (int i = n_nodes; i < graph->n_nodes; i++)
        input_gradients += strcmp(graph->nodes[i]->op->name, "ConvGradInput") == 0;
    assert_int_equal(input_gradients, 1); /* of conv2, not of conv1 */
    for (int i = 0; i < graph->n_parameters; i++) {
        tn_value *d = gradients[graph->parameters[i]->id];
        assert_non_null(d);
        assert_true(tn_shape_equal(&d->shape, &graph->parameters[i]->shape));
    }
    test_free(gradients);
    tn_model_free(model);
}

/* Files hold floats: another default would not come back from one. */
static void default_numbers_are_floats(void **state) {
    (void)state;
    for (const tn_op *const *op = tn_ops; *op; op++)
        for (const tn_attr *a = (*op)->attrs; a && a->name; a++)
            if (a->type == TN_ATTR_FLOAT && a->number != (double)(float)a->number)
                fail_msg("%s: %s is %.17g", (*op)->name, a->name, a->number);
}

static void a_statistic_has_one_update(void **state) {
    (void)state;
    tn_graph *graph;
    tn_value *mean, *value;
    const tn_shape shape = {.rank = 1, .dims = {2}};
    const float numbers[] = {1, 2};
    assert_int_equal(tn_graph_create(&graph, &error), TN_OK);
    assert_int_equal(tn_graph_add_value(graph, TN_VALUE_PARAMETER, "mean", TN_FLOAT32, &shape,
                                        numbers, &mean, &error),
                     TN_OK);
    assert_int_equal(tn_graph_apply(graph, &tn_op_relu, NULL, &mean, 1, &value, &error), TN_OK);
    assert_int_equal(tn_graph_add_update(graph, mean, value, 0.9, &error), TN_OK);
    assert_int_equal(tn_graph_add_update(graph, mean, value, 0.9, &error), TN_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "\"mean\" is shared"));
    assert_int_equal(graph->n_updates, 1);
    tn_graph_free(graph);
}

static void attributes_are_printed(void **state) {
    (void)state;
    tn_model *model = mnist_cnn();
    tn_node_info info = TN_INIT(tn_node_info);
    for (int i = 0; i < model->graph->n_nodes; i++) {
        tn_model_describe_node(model, i, &info);
        if (strcmp(info.op, "MaxPool") == 0)
            assert_non_null(strstr(info.attributes, "kernel_shape=2,2 strides=2,2"));
    }
    tn_model_free(model);
}

/* Files hold float32: a model that is saved and loaded must go on with the same numbers. */
static void attributes_are_numbers_that_files_hold(void **state) {
    (void)state;
    double alpha;
    assert_int_equal(tn_attrs_parse(&tn_op_leaky_relu, "alpha=0.3", &alpha, &error), TN_OK);
    assert_true(alpha == (double)0.3f);
    assert_int_equal(tn_attrs_parse(&tn_op_leaky_relu, "alpha=1e39", &alpha, &error),
                     TN_ERR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_unique),
                                       cmocka_unit_test(impossible_shapes_are_refused),
                                       cmocka_unit_test(bad_convolutions_are_refused),
                                       cmocka_unit_test(bad_pools_are_refused),
                                       cmocka_unit_test(bad_average_pools_are_refused),
                                       cmocka_unit_test(bad_means_are_refused),
                                       cmocka_unit_test(bad_elementwise_operators_are_refused),
                                       cmocka_unit_test(bad_normalisations_are_refused),
                                       cmocka_unit_test(bad_products_are_refused),
                                       cmocka_unit_test(other_bad_attributes_are_refused),
                                       cmocka_unit_test(bad_activations_are_refused),
                                       cmocka_unit_test(bad_shapes_are_refused),
                                       cmocka_unit_test(a_traced_batch_becomes_any_batch),
                                       cmocka_unit_test(bad_moves_are_refused),
                                       cmocka_unit_test(bad_resizes_are_refused),
                                       cmocka_unit_test(bad_axes_are_refused),
                                       cmocka_unit_test(a_batch_of_one_is_not_squeezed),
                                       cmocka_unit_test(bad_permutations_are_refused),
                                       cmocka_unit_test(bad_pads_are_refused),
                                       cmocka_unit_test(what_does_not_join_is_refused),
                                       cmocka_unit_test(matrices_that_do_not_fit_are_refused),
                                       cmocka_unit_test(images_and_weights_are_not_exchanged),
                                       cmocka_unit_test(functions_are_of_floats),
                                       cmocka_unit_test(a_bias_is_one_number_for_each_output),
                                       cmocka_unit_test(a_window_of_padding_alone_has_no_maximum),
                                       cmocka_unit_test(a_padded_image_may_not_be_impossible),
                                       cmocka_unit_test(no_size_overflows_behind_a_zero),
                                       cmocka_unit_test(mnist_cnn_is_what_it_should_be),
                                       cmocka_unit_test(weights_depend_on_the_seed_only),
                                       cmocka_unit_test(a_model_says_which_images_it_cannot_take),
                                       cmocka_unit_test(a_clone_is_the_same_graph),
                                       cmocka_unit_test(gradients_stop_at_the_first_layer),
                                       cmocka_unit_test(default_numbers_are_floats),
                                       cmocka_unit_test(a_statistic_has_one_update),
                                       cmocka_unit_test(attributes_are_printed),
                                       cmocka_unit_test(attributes_are_numbers_that_files_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
