/* SPDX-License-Identifier: Apache-2.0 */
/* cases_norm.c: cases of normalisation. */
#include "case_words.h"

/* ---- Batch normalisation --------------------------------------------------------------------- */

static tn_value *statistic(tn_graph *g, int64_t n) {
    tn_value *v = PARAMETER(n);
    v->statistic = true;
    return v;
}

/* With the running statistics, or as a training graph has it, by those of n_groups of samples. */
static tn_value *batch_norm_of(tn_graph *g, tn_value *x, int n_groups) {
    tn_error error;
    tn_batch_norm_attrs a;
    int64_t n = x->shape.dims[1];
    tn_value *in[] = {x, PARAMETER(n), PARAMETER(n), statistic(g, n), statistic(g, n)}, *y;
    tn_node *node;
    tn_attrs_init(&tn_op_batch_norm, &a);
    a.epsilon = 1e-2; /* else two samples make gradients too steep to be checked */
    if (n_groups == 0) {
        check(tn_graph_apply(g, &tn_op_batch_norm, &a, in, 5, &y, &error), &error);
        return y;
    }
    /* stands in for a node that is not there */
    node = &(tn_node){.op = &tn_op_batch_norm, .attrs = &a};
    check(tn_op_batch_norm.train(g, node, in, n_groups, &y, &error), &error);
    return y;
}

static void running_image(tn_graph *g) { output(g, batch_norm_of(g, INPUT(5, 3, 4), 0)); }
static void running_row(tn_graph *g) { output(g, batch_norm_of(g, INPUT(7), 0)); }
static void running_plain(tn_graph *g) { output(g, batch_norm_of(g, INPUT(3, 6), 0)); }

static void constant_statistics(tn_graph *g) {
    tn_error error;
    tn_batch_norm_attrs a;
    tn_value *x = INPUT(3, 2, 2), *y;
    tn_value *in[] = {x, PARAMETER(3), PARAMETER(3), CONSTANT(3), CONSTANT(3)};
    tn_attrs_init(&tn_op_batch_norm, &a);
    a.epsilon = 5; /* constants may be below 0 */
    check(tn_graph_apply(g, &tn_op_batch_norm, &a, in, 5, &y, &error), &error);
    output(g, y);
}

/* A scale that is computed cannot be packed before running. */
static void computed_scale(tn_graph *g) {
    tn_error error;
    tn_batch_norm_attrs a;
    tn_value *scale = apply(g, &tn_op_relu, NULL, PARAMETER(3), NULL, NULL), *y;
    tn_value *in[] = {INPUT(3, 2, 2), scale, PARAMETER(3), statistic(g, 3), statistic(g, 3)};
    tn_attrs_init(&tn_op_batch_norm, &a);
    check(tn_graph_apply(g, &tn_op_batch_norm, &a, in, 5, &y, &error), &error);
    output(g, y);
}

static void batch_image(tn_graph *g) { output(g, batch_norm_of(g, INPUT(5, 3, 4), 1)); }
static void batch_row(tn_graph *g) { output(g, batch_norm_of(g, INPUT(7), 1)); }
static void batch_plain(tn_graph *g) { output(g, batch_norm_of(g, INPUT(3, 6), 1)); }
static void batch_volume(tn_graph *g) { output(g, batch_norm_of(g, INPUT(2, 2, 3, 2), 1)); }
static void batch_wide(tn_graph *g) { output(g, batch_norm_of(g, INPUT(43, 2, 2), 1)); }
static void two_groups(tn_graph *g) { output(g, batch_norm_of(g, INPUT(5, 3, 4), 2)); }
static void four_groups(tn_graph *g) { output(g, batch_norm_of(g, INPUT(3, 5), 4)); }

static tn_value *relu_of(tn_graph *g, tn_value *x) {
    return apply(g, &tn_op_relu, NULL, x, NULL, NULL);
}

/* Both halves of what passes make of it: with and without an addition. */
static void norm_relu(tn_graph *g, tn_value *x, int n_groups) {
    tn_value *y = relu_of(g, batch_norm_of(g, relu_of(g, batch_norm_of(g, x, n_groups)), n_groups));
    y = apply(g, &tn_op_add, NULL, x, batch_norm_of(g, y, n_groups), NULL);
    output(g, relu_of(g, y));
}

static void relu_plain(tn_graph *g) { norm_relu(g, INPUT(3, 6), 2); }
static void relu_wide(tn_graph *g) { norm_relu(g, INPUT(43, 2, 2), 1); }

/* y = relu(bn(conv(relu(bn(conv(x)))))) + x: sums before and behind other sums. */
static void residual_block(tn_graph *g) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    a.pads = (tn_ints){4, {1, 1, 1, 1}};
    tn_value *x = INPUT(4, 5, 5), *y = x;
    for (int i = 0; i < 2; i++) {
        y = apply(g, &tn_op_conv, &a, y, PARAMETER(4, 4, 3, 3), NULL);
        y = batch_norm_of(g, y, 2);
        if (i == 0) y = apply(g, &tn_op_relu, NULL, y, NULL, NULL);
    }
    output(g, apply(g, &tn_op_relu, NULL, apply(g, &tn_op_add, NULL, y, x, NULL), NULL, NULL));
}

/* ---- Whole networks -------------------------------------------------------------------------- */

static tn_value *conv_norm(tn_graph *g, tn_value *x, int64_t filters, int64_t kernel,
                           int64_t stride) {
    int64_t pad = kernel / 2;
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    a.strides = (tn_ints){2, {stride, stride}};
    a.pads = (tn_ints){4, {pad, pad, pad, pad}};
    x = apply(g, &tn_op_conv, &a, x, PARAMETER(filters, x->shape.dims[1], kernel, kernel), NULL);
    return batch_norm_of(g, x, 1);
}

static tn_value *conv_norm_relu(tn_graph *g, tn_value *x, int64_t filters, int64_t stride) {
    return apply(g, &tn_op_relu, NULL, conv_norm(g, x, filters, 3, stride), NULL, NULL);
}

/* The loss of ten scores that are made of the channels of x. */
static void classify(tn_graph *g, tn_value *x) {
    const tn_softmax_cross_entropy_attrs loss = {0.05};
    tn_axis_attrs flatten;
    tn_gemm_attrs gemm;
    tn_attrs_init(&tn_op_flatten, &flatten);
    tn_attrs_init(&tn_op_gemm, &gemm);
    x = apply(g, &tn_op_global_average_pool, NULL, x, NULL, NULL);
    x = apply(g, &tn_op_flatten, &flatten, x, NULL, NULL);
    x = apply(g, &tn_op_gemm, &gemm, x, PARAMETER(x->shape.dims[1], 10), PARAMETER(10));
    tn_value *labels = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1));
    output(g, apply(g, &tn_op_softmax_cross_entropy, &loss, x, labels, NULL));
}

/* As resnet20: a block, and one that halves the image and projects its shortcut. */
static void residual_network(tn_graph *g) {
    tn_value *x = conv_norm_relu(g, INPUT(1, 8, 7), 4, 1);
    for (int64_t stride = 1; stride <= 2; stride++) {
        tn_value *y = conv_norm(g, conv_norm_relu(g, x, 4 * stride, stride), 4 * stride, 3, 1);
        if (stride > 1) x = conv_norm(g, x, 4 * stride, 1, stride);
        x = apply(g, &tn_op_relu, NULL, apply(g, &tn_op_add, NULL, y, x, NULL), NULL, NULL);
    }
    classify(g, x);
}

/* As vgg-small. */
static void vgg_network(tn_graph *g) {
    tn_pool_attrs pool;
    tn_attrs_init(&tn_op_max_pool, &pool);
    pool.kernel_shape = pool.strides = (tn_ints){2, {2, 2}};
    tn_value *x = conv_norm_relu(g, conv_norm_relu(g, INPUT(3, 6, 6), 4, 1), 4, 1);
    x = apply(g, &tn_op_max_pool, &pool, x, NULL, NULL);
    classify(g, conv_norm_relu(g, conv_norm_relu(g, x, 8, 1), 8, 1));
}

/* ---- LRN, and by sample -----------------------------------------------------------------------
 */

static tn_value *conv(tn_graph *g, tn_value *x, int64_t filters) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    return apply(g, &tn_op_conv, &a, x, PARAMETER(filters, x->shape.dims[1], 1, 1), NULL);
}

static void lrn_of(tn_graph *g, tn_value *x, int64_t size, double alpha, double beta, double bias) {
    const struct {
        int64_t size;
        double alpha, beta, bias;
    } a = {size, alpha, beta, bias};
    output(g, apply(g, &tn_op_lrn, &a, x, NULL, NULL));
}
static void lrn(tn_graph *g) {
    tn_value *x = conv(g, INPUT(2, 4, 3), 7);
    lrn_of(g, x, 5, 0.5, 0.75, 1);
    lrn_of(g, x, 4, 0.25, 0.4, 2); /* one more behind than before */
    lrn_of(g, x, 1, 0.5, 0.75, 1);
    lrn_of(g, x, 99, 0.5, 1.5, 1);
    lrn_of(g, INPUT(6, 5), 3, 0.5, 0.75, 1);
    lrn_of(g, INPUT(9), 3, 0.5, 0.75, 1);
}

static void instance_norm(tn_graph *g) {
    static const struct { double epsilon; } a = {0.01};
    tn_value *x = conv(g, INPUT(2, 4, 3), 5);
    output(g, apply(g, &tn_op_instance_normalization, &a, x, PARAMETER(5), PARAMETER(5)));
    output(g, apply(g, &tn_op_instance_normalization, &a, INPUT(3, 6), PARAMETER(3), PARAMETER(3)));
}

static void layer_norm_of(tn_graph *g, tn_value *x, int64_t axis, tn_value *scale, tn_value *bias) {
    const struct {
        int64_t axis, stash_type;
        double epsilon;
    } a = {axis, 1, 0.01};
    output(g, apply(g, &tn_op_layer_normalization, &a, x, scale, bias));
}
static void layer_norm(tn_graph *g) {
    tn_value *x = INPUT(3, 4, 5);
    layer_norm_of(g, x, -1, PARAMETER(5), PARAMETER(5));
    layer_norm_of(g, x, 2, PARAMETER(4, 5), NULL);
    layer_norm_of(g, conv(g, INPUT(2, 4, 3), 5), 1, PARAMETER(5, 4, 3), PARAMETER(1, 5, 4, 3));
    tn_value *p = apply(g, &tn_op_mul, NULL, PARAMETER(3, 4), PARAMETER(4), NULL);
    const struct {
        int64_t axis, stash_type;
        double epsilon;
    } whole = {0, 1, 0.01};
    p = apply(g, &tn_op_layer_normalization, &whole, p, PARAMETER(3, 4), PARAMETER(3, 4));
    output(g, apply(g, &tn_op_mul, NULL, INPUT(3, 4), p, NULL));
}

static void mean_variance(tn_graph *g) {
    const tn_axes_attrs pixels = {{2, {2, 3}}}, channels = {{1, {1}}};
    tn_value *x = conv(g, INPUT(2, 4, 3), 5);
    output(g, apply(g, &tn_op_mean_variance_normalization, &pixels, x, NULL, NULL));
    output(g, apply(g, &tn_op_mean_variance_normalization, &channels, x, NULL, NULL));
}

static void lp_norm(tn_graph *g) {
    tn_value *x = INPUT(3, 4), *pixels = conv(g, INPUT(2, 4, 3), 5);
    for (int64_t p = 1; p <= 2; p++) {
        const struct { int64_t axis, p; } last = {-1, p}, first = {1, p};
        output(g, apply(g, &tn_op_lp_normalization, &last, x, NULL, NULL));
        output(g, apply(g, &tn_op_lp_normalization, &first, pixels, NULL, NULL));
    }
}

/* ---- Losses of ONNX -------------------------------------------------------------------------- */

typedef struct loss_setting {
    int64_t ignore_index;
    char reduction[TN_ATTR_STRING_MAX];
} loss_setting;

/* Of each sample, and of parameters as a whole; the label 3 counts for nothing. */
static void losses(tn_graph *g, const tn_op *op) {
    static const loss_setting each = {3, "none"}, none = {-1, "none"};
    static const loss_setting reduced[] = {{3, "sum"}, {3, "mean"}};
    tn_value *labels = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1));
    tn_value *pixels = value(g, TN_VALUE_INPUT, TN_INT32, true, DIMS(1, 2, 3));
    tn_value *weight = apply(g, &tn_op_sigmoid, NULL, CONSTANT(10), NULL, NULL);
    output(g, apply(g, op, &none, INPUT(10), labels, NULL));
    output(g, apply(g, op, &each, INPUT(10, 2, 3), pixels, weight));
    tn_value *few = value(g, TN_VALUE_INPUT, TN_INT32, false, DIMS(7));
    tn_value *p = apply(g, &tn_op_mul, NULL, PARAMETER(7, 10), PARAMETER(10), NULL);
    for (int i = 0; i < 2; i++) {
        tn_value *loss = apply(g, op, &reduced[i], p, few, i ? weight : NULL);
        output(g, apply(g, &tn_op_mul, NULL, INPUT(2), loss, NULL));
    }
}
static void nll_loss(tn_graph *g) { losses(g, &tn_op_nll_loss); }
static void softmax_loss(tn_graph *g) { losses(g, &tn_op_softmax_cross_entropy_loss); }

const op_case norm_cases[] = {
    {"BatchNormalization", &tn_op_batch_norm, running_image, true, false},
    {"BatchNormalization, no pixels", &tn_op_batch_norm, running_row, true, false},
    {"BatchNormalization, plain", &tn_op_batch_norm, running_plain, true, false},
    {"BatchNormalization, constant statistics", &tn_op_batch_norm, constant_statistics, true,
     false},
    {"BatchNormalization, computed scale", &tn_op_batch_norm, computed_scale, true, false},
    {"BatchNormalization by batch", &tn_op_batch_norm, batch_image, true, true},
    {"BatchNormalization by batch, no pixels", &tn_op_batch_norm, batch_row, true, true},
    {"BatchNormalization by batch, plain", &tn_op_batch_norm, batch_plain, true, true},
    {"BatchNormalization by batch, volume", &tn_op_batch_norm, batch_volume, true, true},
    {"BatchNormalization by batch, many channels", &tn_op_batch_norm, batch_wide, true, true},
    {"BatchNormalization by batch, two groups", &tn_op_batch_norm, two_groups, true, true},
    {"BatchNormalization by batch, four groups", &tn_op_batch_norm, four_groups, true, true},
    {"BatchNormalization by batch, Relu, plain", &tn_op_batch_norm, relu_plain, true, true},
    {"BatchNormalization by batch, Relu, many channels", &tn_op_batch_norm, relu_wide, true, true},
    {"a residual block", &tn_op_batch_norm, residual_block, true, true},
    {"a residual network", &tn_op_batch_norm, residual_network, true, true},
    {"a network like VGG", &tn_op_batch_norm, vgg_network, true, true},
    {"LRN", &tn_op_lrn, lrn, .inexact = true},
    {"InstanceNormalization", &tn_op_instance_normalization, instance_norm, .inexact = true},
    {"LayerNormalization", &tn_op_layer_normalization, layer_norm, .inexact = true},
    {"MeanVarianceNormalization", &tn_op_mean_variance_normalization, mean_variance,
     .inexact = true},
    {"LpNormalization", &tn_op_lp_normalization, lp_norm, .inexact = true},
    {"NegativeLogLikelihoodLoss", &tn_op_nll_loss, nll_loss, .inexact = true},
    {"SoftmaxCrossEntropyLoss", &tn_op_softmax_cross_entropy_loss, softmax_loss, .inexact = true},
    {0}};
