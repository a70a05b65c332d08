/* SPDX-License-Identifier: Apache-2.0 */
/* The public model builder, and the built-in models, which are made with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "models/models.h"
#include "ops/ops.h"

static tn_error error;

static tn_builder *begin(void) {
    tn_builder *b = NULL;
    if (tn_builder_create("test", NULL, &b, &error) != TN_OK) fail_msg("%s", error.message);
    return b;
}

static tn_model *finish(tn_builder *b, tn_value *scores) {
    tn_model *model = NULL;
    if (tn_builder_finish(b, scores, &model, &error) != TN_OK) fail_msg("%s", error.message);
    return model;
}

/* The builder must have failed with this status and a message that holds text. */
static void finish_badly(tn_builder *b, tn_value *scores, tn_status expected, const char *text) {
    tn_model *model = NULL;
    error.message[0] = '\0';
    tn_status status = tn_builder_finish(b, scores, &model, &error);
    assert_null(model);
    if (status != expected || !strstr(error.message, text))
        fail_msg("%s: \"%s\", expected %s: \"%s\"", tn_status_name(status), error.message,
                 tn_status_name(expected), text);
}

static void assert_shape(const tn_value *x, int rank, const int64_t *dims) {
    for (int i = 0; i < rank; i++) assert_int_equal(tn_build_dim(x, i), dims[i]);
    assert_int_equal(tn_build_dim(x, rank), 0);
}

static tn_value *classify(tn_builder *b, tn_value *x) {
    return tn_build_linear(b, tn_build_flatten(b, x), 10);
}

/* ---- What is built -------------------------------------------------------------------------- */

static void layers_have_the_shapes_they_should(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_value *x = tn_build_images(b);
    assert_ptr_equal(tn_build_images(b), x);
    assert_shape(x, 4, (int64_t[]){1, 1, 28, 28});
    x = tn_build_relu(b, tn_build_conv(b, x, 8, 5, 2, 1, true));
    assert_shape(x, 4, (int64_t[]){1, 8, 13, 13});
    x = tn_build_batch_norm(b, tn_build_conv(b, x, 4, 3, 1, 1, false));
    assert_shape(x, 4, (int64_t[]){1, 4, 13, 13});
    assert_shape(tn_build_max_pool(b, x, 3, 2), 4, (int64_t[]){1, 4, 6, 6});
    assert_shape(tn_build_average_pool(b, x, 2, 2), 4, (int64_t[]){1, 4, 6, 6});
    assert_shape(tn_build_global_average_pool(b, x), 4, (int64_t[]){1, 4, 1, 1});
    assert_shape(tn_build_concat(b, (tn_value *[]){x, x, x}, 3), 4, (int64_t[]){1, 12, 13, 13});
    assert_shape(tn_build_concat(b, &x, 1), 4, (int64_t[]){1, 4, 13, 13});
    x = tn_build_dropout(b, tn_build_add(b, x, tn_build_relu(b, x)), 0.25);
    assert_shape(x, 4, (int64_t[]){1, 4, 13, 13});
    x = tn_build_flatten(b, x);
    assert_shape(x, 2, (int64_t[]){1, 676});
    tn_model *model = finish(b, tn_build_linear(b, x, 10));
    assert_string_equal(model->graph->outputs[0]->name, "scores");
    assert_string_equal(model->graph->inputs[0]->name, "images");
    assert_int_equal(model->n_classes, 10);
    tn_model_free(model);
}

static void parameters_are_named_after_layers(void **state) {
    static const char *const expected[] = {"conv1.weight",    "conv1.bias", "conv2.weight",
                                           "bn1.weight",      "bn1.bias",   "bn1.running_mean",
                                           "bn1.running_var", "fc1.weight", "fc1.bias"};
    (void)state;
    tn_builder *b = begin();
    tn_value *x = tn_build_conv(b, tn_build_images(b), 4, 3, 1, 0, true);
    x = tn_build_batch_norm(b, tn_build_conv(b, x, 4, 3, 1, 0, false));
    tn_model *model = finish(b, classify(b, x));
    assert_int_equal(model->graph->n_parameters, 9);
    for (int i = 0; i < 9; i++) assert_string_equal(model->graph->parameters[i]->name, expected[i]);
    tn_model_free(model);
}

static void statistics_are_not_counted_as_trainable(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_model *model = finish(b, classify(b, tn_build_batch_norm(b, tn_build_images(b))));
    tn_model_info info = TN_INIT(tn_model_info);
    tn_node_info norm = TN_INIT(tn_node_info);
    tn_model_describe(model, &info);
    tn_model_describe_node(model, 2, &norm);
    assert_int_equal(info.parameters, 2 + 784 * 10 + 10);
    assert_int_equal(norm.parameters, 2);
    assert_int_equal(info.n_parameter_tensors, 6);
    const tn_value *mean = tn_graph_find_value(model->graph, "bn1.running_mean");
    const tn_value *variance = tn_graph_find_value(model->graph, "bn1.running_var");
    assert_true(mean->statistic && variance->statistic);
    assert_true(((const float *)mean->data)[0] == 0 && ((const float *)variance->data)[0] == 1);
    tn_model_free(model);
}

static void uniform_weights_keep_within_their_bound(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_model *model = finish(b, classify(b, tn_build_images(b)));
    const tn_value *w = model->graph->parameters[0], *bias = model->graph->parameters[1];
    float least = 1, most = -1, bound = 1.0F / 28;
    for (int i = 0; i < 7840; i++) {
        float x = ((const float *)w->data)[i];
        least = fminf(least, x);
        most = fmaxf(most, x);
    }
    assert_true(least >= -bound && most <= bound && least < -0.99F * bound && most > 0.99F * bound);
    assert_true(((const float *)bias->data)[0] != 0);
    tn_model_free(model);
}

/* Of 7,840 normal numbers the variance is known to a standard deviation of 1.6 %, and about 18 lie
 * beyond three deviations. */
static void weights_after_he_are_normal(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_builder_set_weights(b, TN_WEIGHTS_HE);
    tn_model *model = finish(b, classify(b, tn_build_images(b)));
    const float *w = model->graph->parameters[0]->data, *bias = model->graph->parameters[1]->data;
    double sum = 0, squares = 0, expected = 2.0 / 784;
    int far = 0;
    for (int i = 0; i < 7840; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
        far += fabs((double)w[i]) > 3 * sqrt(expected);
    }
    assert_true(fabs(sum / 7840) < 4 * sqrt(expected / 7840));
    assert_true(fabs(squares / 7840 / expected - 1) < 0.07);
    assert_in_range(far, 5, 45);
    for (int i = 0; i < 10; i++) assert_true(bias[i] == 0);
    tn_model_free(model);
}

static void any_operator_is_had_by_its_onnx_name(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_value *x = tn_build_images(b);
    x = tn_build_op(b, "MaxPool", " kernel_shape=3,2  strides=2,1 ceil_mode=1", &x, 1);
    assert_shape(x, 4, (int64_t[]){1, 1, 14, 27});
    x = tn_build_flatten(b, x);
    const float data[] = {0.5F};
    tn_value *in[] = {x, tn_build_parameter(b, "gain", 1, (int64_t[]){1}, data)};
    x = tn_build_op(b, "Mul", NULL, in, 2);
    tn_model *model = finish(b, tn_build_linear(b, x, 10));
    const tn_value *gain = tn_graph_find_value(model->graph, "gain");
    assert_int_equal(gain->kind, TN_VALUE_PARAMETER);
    assert_true(((const float *)gain->data)[0] == 0.5F);
    tn_model_free(model);
}

static void each_dropout_draws_for_itself(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_value *x = tn_build_dropout(b, tn_build_images(b), 0.5);
    x = tn_build_op(b, "Dropout", "ratio=0.25", &x, 1);
    tn_model *model = finish(b, classify(b, x));
    const tn_dropout_attrs *first = model->graph->nodes[2]->attrs;
    const tn_dropout_attrs *second = model->graph->nodes[3]->attrs;
    assert_true(first->ratio == 0.5 && second->ratio == 0.25);
    assert_int_not_equal(first->layer, second->layer);
    tn_model_free(model);
}

static void class_names_are_copied(void **state) {
    (void)state;
    char bad[] = "bad", good[] = "good";
    const char *names[] = {bad, good};
    tn_model_options options = TN_INIT(tn_model_options);
    tn_builder *b;
    options.n_classes = 2;
    options.class_names = names;
    assert_int_equal(tn_builder_create("judge", &options, &b, &error), TN_OK);
    memset(bad, '?', 3);
    names[1] = NULL;
    tn_model *model = finish(b, tn_build_linear(b, tn_build_flatten(b, tn_build_images(b)), 2));
    assert_string_equal(model->class_names[0], "bad");
    assert_string_equal(model->class_names[1], "good");
    assert_string_equal(model->name, "judge");
    tn_model_free(model);
}

static void a_model_named_as_a_built_in_one_is_trained_as_that(void **state) {
    (void)state;
    tn_builder *b;
    assert_int_equal(tn_builder_create("lenet", NULL, &b, &error), TN_OK);
    tn_model *model = finish(b, classify(b, tn_build_images(b)));
    assert_true(model->recipe.lr == tn_builtin_lenet.recipe.lr);
    tn_model_free(model);
}

/* ---- What fails ----------------------------------------------------------------------------- */

static void the_first_failure_is_the_one_reported(void **state) {
    (void)state;
    tn_builder *b = begin();
    tn_value *x = tn_build_conv(b, tn_build_images(b), 8, 29, 1, 0, true);
    assert_null(x);
    const int64_t one = 1;
    const float data = 1;
    assert_null(tn_build_images(b));
    assert_null(tn_build_conv(b, x, -1, 3, 1, 0, true));
    assert_null(tn_build_linear(b, x, 5));
    assert_null(tn_build_batch_norm(b, x));
    assert_null(tn_build_relu(b, x));
    assert_null(tn_build_max_pool(b, x, 2, 2));
    assert_null(tn_build_average_pool(b, x, 2, 2));
    assert_null(tn_build_global_average_pool(b, x));
    assert_null(tn_build_dropout(b, x, 2));
    assert_null(tn_build_flatten(b, x));
    assert_null(tn_build_add(b, x, x));
    assert_null(tn_build_concat(b, &x, 1));
    assert_null(tn_build_parameter(b, "p", 1, &one, &data));
    assert_null(tn_build_op(b, "Nonsense", "a", &x, 1));
    assert_int_equal(tn_build_dim(x, 1), 0);
    tn_builder_set_weights(b, (tn_weights)9);
    finish_badly(b, x, TN_ERR_ARGUMENT, "conv1: a window of 29 does not fit");
}

static void without_a_builder_nothing_is_built(void **state) {
    (void)state;
    tn_value *x = tn_build_images(NULL);
    assert_null(x);
    assert_null(tn_build_conv(NULL, x, 8, 3, 1, 1, true));
    assert_null(tn_build_add(NULL, x, x));
    assert_null(tn_build_op(NULL, "Relu", "", &x, 1));
    tn_builder_set_weights(NULL, TN_WEIGHTS_HE);
    tn_builder_free(NULL);
    finish_badly(NULL, x, TN_ERR_ARGUMENT, "no builder");
}

/* One wrong call each. */
static tn_value *null_input(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_relu(b, NULL);
}
static tn_value *null_second(tn_builder *b, tn_value *x) { return tn_build_add(b, x, NULL); }
static tn_value *null_in_list(tn_builder *b, tn_value *x) {
    tn_value *in[] = {x, NULL};
    return tn_build_concat(b, in, 2);
}
static tn_value *null_list(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_concat(b, NULL, 2);
}
static tn_value *required_input_left_out(tn_builder *b, tn_value *x) {
    tn_value *in[] = {x, NULL};
    return tn_build_op(b, "Mul", "", in, 2);
}
static tn_value *concat_of_sizes_that_differ(tn_builder *b, tn_value *x) {
    tn_value *in[] = {x, tn_build_max_pool(b, x, 2, 2)};
    return tn_build_concat(b, in, 2);
}
static tn_value *too_many_inputs(tn_builder *b, tn_value *x) {
    tn_value *in[TN_MAX_INPUTS + 1];
    for (int i = 0; i <= TN_MAX_INPUTS; i++) in[i] = x;
    return tn_build_concat(b, in, TN_MAX_INPUTS + 1);
}
static tn_value *inputs_beyond_the_operator(tn_builder *b, tn_value *x) {
    tn_value *in[] = {x, x};
    return tn_build_op(b, "Relu", "", in, 2);
}
static tn_value *no_filters(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, 0, 3, 1, 1, true);
}
static tn_value *negative_filters(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, -8, 3, 1, 1, true);
}
static tn_value *huge_filters(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, INT64_MAX, 3, 1, 1, true);
}
static tn_value *huge_kernel(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, 1, INT64_C(1) << 62, 1, 1, false);
}
static tn_value *negative_kernel(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, 1, -3, 1, 1, false);
}
static tn_value *no_stride(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, 1, 3, 0, 1, true);
}
static tn_value *negative_padding(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, 1, 3, 1, -1, true);
}
static tn_value *huge_padding(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, x, 1, 3, 1, INT64_MAX, true);
}
static tn_value *pool_of_nothing(tn_builder *b, tn_value *x) {
    return tn_build_max_pool(b, x, 0, 1);
}
static tn_value *pool_of_less(tn_builder *b, tn_value *x) {
    return tn_build_average_pool(b, x, 2, INT64_MIN);
}
static tn_value *drop_all(tn_builder *b, tn_value *x) { return tn_build_dropout(b, x, 1); }
static tn_value *drop_nan(tn_builder *b, tn_value *x) {
    return tn_build_dropout(b, x, (double)NAN);
}
static tn_value *linear_of_images(tn_builder *b, tn_value *x) { return tn_build_linear(b, x, 10); }
static tn_value *linear_to_nothing(tn_builder *b, tn_value *x) {
    return tn_build_linear(b, tn_build_flatten(b, x), 0);
}
static tn_value *huge_linear(tn_builder *b, tn_value *x) {
    return tn_build_linear(b, tn_build_flatten(b, x), INT64_MAX / 2);
}
static tn_value *conv_of_features(tn_builder *b, tn_value *x) {
    return tn_build_conv(b, tn_build_flatten(b, x), 8, 3, 1, 1, true);
}
static tn_value *shapes_that_do_not_meet(tn_builder *b, tn_value *x) {
    return tn_build_add(b, x, tn_build_max_pool(b, x, 2, 2));
}
static tn_value *parameter_without_name(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "", 0, NULL, &(float){1});
}
static tn_value *parameter_without_data(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "p", 0, NULL, NULL);
}
static tn_value *parameter_twice(tn_builder *b, tn_value *x) {
    (void)x;
    tn_build_parameter(b, "p", 0, NULL, &(float){1});
    return tn_build_parameter(b, "p", 0, NULL, &(float){1});
}
static tn_value *parameter_called_scores(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "scores", 0, NULL, &(float){1});
}
static tn_value *parameter_of_high_rank(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "p", 9, (int64_t[9]){1, 1, 1, 1, 1, 1, 1, 1, 1}, &(float){1});
}
static tn_value *parameter_of_negative_rank(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "p", -1, NULL, &(float){1});
}
static tn_value *huge_parameter(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "p", 3, (int64_t[]){1 << 30, 1 << 30, 1 << 30}, &(float){1});
}
static tn_value *empty_parameter(tn_builder *b, tn_value *x) {
    (void)x;
    return tn_build_parameter(b, "p", 1, (int64_t[]){0}, &(float){1});
}
static tn_value *unknown_operator(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "Konv", "", &x, 1);
}
static tn_value *operator_without_name(tn_builder *b, tn_value *x) {
    return tn_build_op(b, NULL, "", &x, 1);
}
static tn_value *unknown_attribute(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel=2,2", &x, 1);
}
static tn_value *attribute_of_an_operator_without(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "Relu", "slope=1", &x, 1);
}
static tn_value *attribute_without_value(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape", &x, 1);
}
static tn_value *attribute_twice(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape=2,2 kernel_shape=2,2", &x, 1);
}
static tn_value *required_attribute_left_out(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "strides=2,2", &x, 1);
}
static tn_value *ints_that_are_none(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape=2,two", &x, 1);
}
static tn_value *ints_that_end_in_a_comma(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape=2,", &x, 1);
}
static tn_value *ints_beyond_64_bits(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape=99999999999999999999,2", &x, 1);
}
static tn_value *too_many_ints(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", &x, 1);
}
static tn_value *int_that_is_none(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "Flatten", "axis=1.5", &x, 1);
}
static tn_value *float_that_is_none(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "Dropout", "ratio=", &x, 1);
}
static tn_value *float_that_is_infinite(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "Dropout", "ratio=-inf", &x, 1);
}
static tn_value *long_text(tn_builder *b, tn_value *x) {
    return tn_build_op(b, "MaxPool", "kernel_shape=2,2 auto_pad=0123456789012345678901234567890123",
                       &x, 1);
}
static tn_value *long_word(tn_builder *b, tn_value *x) {
    char text[1024];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return tn_build_op(b, "MaxPool", text, &x, 1);
}
static tn_value *unknown_rule(tn_builder *b, tn_value *x) {
    tn_builder_set_weights(b, (tn_weights)2);
    return x;
}

typedef struct wrong_call {
    const char *name;
    tn_value *(*call)(tn_builder *b, tn_value *images);
    const char *message;
} wrong_call;

#define ROW(call) #call, call
static const wrong_call wrong_calls[] = {
    {ROW(null_input), "Relu: its input is NULL"},
    {ROW(null_second), "Add: its input is NULL"},
    {ROW(null_in_list), "Concat: its input is NULL"},
    {ROW(null_list), "Concat: 2 inputs"},
    {ROW(required_input_left_out), "Mul of \"Add\": input 1 is missing"},
    {ROW(concat_of_sizes_that_differ), "Concat of \"Add\": "},
    {ROW(too_many_inputs), "Concat: 65 inputs"},
    {ROW(inputs_beyond_the_operator), "2 inputs, but Relu takes 1 to 1"},
    {ROW(no_filters), "conv1: a size is below 1"},
    {ROW(negative_filters), "conv1: a size is below 1"},
    {ROW(huge_filters), "conv1: a size is below 1"},
    {ROW(huge_kernel), "conv1: a size is below 1"},
    {ROW(negative_kernel), "conv1: a size is below 1"},
    {ROW(no_stride), "conv1: strides holds 0"},
    {ROW(negative_padding), "conv1: pads holds -1"},
    {ROW(huge_padding), "conv1: pads holds 9223372036854775807"},
    {ROW(pool_of_nothing), "MaxPool of \"Add\": kernel_shape holds 0"},
    {ROW(pool_of_less), "AveragePool of \"Add\": strides holds -9223372036854775808"},
    {ROW(drop_all), "ratio is 1"},
    {ROW(drop_nan), "attribute \"ratio\" is "},
    {ROW(linear_of_images), "fc1: its input \"Add\" has shape 1x1x28x28, not [n][features]"},
    {ROW(linear_to_nothing), "fc1: a size is below 1"},
    {ROW(huge_linear), "fc1: a size is below 1"},
    {ROW(conv_of_features), "conv1: its input \"Flatten\" has shape 1x784"},
    {ROW(shapes_that_do_not_meet), "Add of \"Add\": "},
    {ROW(parameter_without_name), "a parameter needs a name"},
    {ROW(parameter_without_data), "a parameter needs a name, dimensions and data"},
    {ROW(parameter_twice), "parameter \"p\": something else has this name"},
    {ROW(parameter_called_scores), "parameter \"scores\": something else has this name"},
    {ROW(parameter_of_high_rank), "p: a size is below 1"},
    {ROW(parameter_of_negative_rank), "p: a size is below 1"},
    {ROW(huge_parameter), "p: a size is below 1 or beyond any memory"},
    {ROW(empty_parameter), "p: a size is below 1"},
    {ROW(operator_without_name), "no operator"},
    {ROW(unknown_attribute), "no attribute \"kernel\" (there are kernel_shape, "},
    {ROW(attribute_of_an_operator_without), "no attribute \"slope\" (there are none)"},
    {ROW(attribute_without_value), "\"kernel_shape\" is no attribute (write name=value)"},
    {ROW(attribute_twice), "attribute \"kernel_shape\" is given twice"},
    {ROW(required_attribute_left_out), "attribute \"kernel_shape\" is missing"},
    {ROW(ints_that_are_none), "\"2,two\", not whole numbers separated by commas"},
    {ROW(ints_that_end_in_a_comma), "\"2,\", not whole numbers separated by commas"},
    {ROW(ints_beyond_64_bits), "\"99999999999999999999,2\", not whole numbers"},
    {ROW(too_many_ints), "not whole numbers"},
    {ROW(int_that_is_none), "attribute \"axis\" is \"1.5\", not a whole number"},
    {ROW(float_that_is_none), "attribute \"ratio\" is \"\", not a number"},
    {ROW(float_that_is_infinite), "attribute \"ratio\" is \"-inf\", not a number"},
    {ROW(long_text), "not a short text"},
    {ROW(long_word), "an attribute of 1023 characters"},
    {ROW(unknown_rule), "no weights begin by rule 2"},
};

static void a_wrong_call_is_reported(void **state) {
    const wrong_call *c = *state;
    tn_builder *b = begin();
    tn_value *x = c->call(b, tn_build_images(b));
    finish_badly(b, x, TN_ERR_ARGUMENT, c->message);
}

static void an_unknown_operator_is_unsupported(void **state) {
    (void)state;
    tn_builder *b = begin();
    finish_badly(b, unknown_operator(b, tn_build_images(b)), TN_ERR_UNSUPPORTED,
                 "no operator \"Konv\"");
}

static void values_of_another_model_are_refused(void **state) {
    (void)state;
    tn_builder *a = begin(), *b = begin();
    tn_value *x = tn_build_relu(a, tn_build_images(a));
    tn_build_images(b);
    assert_null(tn_build_relu(b, x));
    finish_badly(b, NULL, TN_ERR_ARGUMENT, "Relu: its input is of another model");
    tn_builder_free(a);
}

static void scores_must_be_scores(void **state) {
    (void)state;
    tn_builder *b = begin();
    finish_badly(b, tn_build_images(b), TN_ERR_ARGUMENT, "scores of shape 1x1x28x28, not 1x10");
    b = begin();
    tn_value *x = tn_build_linear(b, tn_build_flatten(b, tn_build_images(b)), 5);
    finish_badly(b, x, TN_ERR_ARGUMENT, "scores of shape 1x5, not 1x10");
    b = begin();
    x = tn_build_parameter(b, "p", 2, (int64_t[]){1, 10}, (float[10]){0});
    finish_badly(b, x, TN_ERR_ARGUMENT, "scores of shape 1x10");
    b = begin();
    finish_badly(b, NULL, TN_ERR_ARGUMENT, "scores: its input is NULL");
}

static void options_are_checked(void **state) {
    (void)state;
    static const struct {
        tn_model_options options;
        const char *message;
    } bad[] = {{{.channels = -1}, "for -1x28x28 images"},
               {{.height = -5}, "for 1x-5x28 images"},
               {{.width = INT64_MIN}, "x-9223372036854775808 images"},
               {{.n_classes = 1}, "a model of 1 classes"},
               {{.n_classes = -3}, "a model of -3 classes"},
               {{.n_classes = 1 << 20}, "a model of 1048576 classes"},
               {{.mean = NAN, .std = 1}, "mean nan"},
               {{.std = -1}, "deviation -1"},
               {{.std = INFINITY}, "deviation inf"},
               {{.std = NAN}, "deviation nan"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_model_options options = bad[i].options;
        tn_builder *b = NULL;
        options.size = sizeof options;
        assert_int_equal(tn_builder_create("test", &options, &b, &error), TN_ERR_ARGUMENT);
        assert_null(b);
        if (!strstr(error.message, bad[i].message)) fail_msg("%s", error.message);
    }
}

/* They could not be written to a file. */
static void names_that_are_not_utf8_are_refused(void **state) {
    (void)state;
    const char *const names[] = {"ship", "caf\xe9"};
    tn_model_options options = TN_INIT(tn_model_options);
    tn_builder *b;
    options.n_classes = 2;
    options.class_names = names;
    assert_int_equal(tn_builder_create("net", &options, &b, &error), TN_ERR_ARGUMENT);
    assert_string_equal(error.message, "the name of class 1 is not UTF-8");
    options.class_names = NULL;
    assert_int_equal(tn_builder_create("\xff", &options, &b, &error), TN_ERR_ARGUMENT);
    assert_string_equal(error.message, "the name of the model is not UTF-8");
}

static void images_beyond_any_memory_are_refused(void **state) {
    (void)state;
    tn_model_options options = TN_INIT(tn_model_options);
    tn_builder *b;
    options.height = options.width = INT64_C(1) << 40;
    assert_int_equal(tn_builder_create("test", &options, &b, &error), TN_OK);
    finish_badly(b, tn_build_images(b), TN_ERR_ARGUMENT, "impossible shape");
}

/* ---- Attributes as text --------------------------------------------------------------------- */

static void printed_attributes_are_parsed_back(void **state) {
    (void)state;
    tn_pool_attrs a, b;
    char text[256];
    tn_attrs_init(&tn_op_max_pool, &a);
    memset(&b, 0x55, sizeof b);
    a.kernel_shape = (tn_ints){.n = 2, .v = {3, 5}};
    a.pads = (tn_ints){.n = 4, .v = {1, 0, 2, 0}};
    a.ceil_mode = 1;
    strcpy(a.auto_pad, "VALID");
    tn_attrs_print(&tn_op_max_pool, &a, text, sizeof text);
    assert_int_equal(tn_attrs_parse(&tn_op_max_pool, text, &b, &error), TN_OK);
    assert_memory_equal(&a, &b, sizeof a);
}

/* Without text an operator has its defaults, or misses what it requires. */
static void no_text_is_the_defaults(void **state) {
    (void)state;
    for (const tn_op *const *op = tn_ops; *op; op++) {
        char defaults[1024], parsed[1024];
        bool required = false;
        assert_true((*op)->attrs_bytes <= sizeof parsed);
        memset(defaults, 0, sizeof defaults);
        memset(parsed, 0, sizeof parsed);
        tn_attrs_init(*op, defaults);
        for (const tn_attr *a = (*op)->attrs; a && a->name; a++) required |= a->required;
        assert_int_equal(tn_attrs_parse(*op, "", parsed, &error),
                         required ? TN_ERR_ARGUMENT : TN_OK);
        assert_memory_equal(defaults, parsed, sizeof parsed);
    }
}

/* All attributes of op, each number or list of n numbers being `number`. */
static void attributes_of(const tn_op *op, const char *number, int n, char *text, size_t bytes) {
    text[0] = '\0';
    for (const tn_attr *a = op->attrs; a && a->name; a++) {
        int count = a->type == TN_ATTR_INTS ? n : 1;
        for (int i = 0; i < count; i++) {
            size_t used = strlen(text);
            snprintf(text + used, bytes - used, "%s%s%s", i ? "," : a->name, i ? "" : "=",
                     a->type == TN_ATTR_STRING ? "" : number);
        }
        strcat(text, " ");
    }
}

/* Whatever an operator is given, it refuses or takes it, and whatever it makes can be described. */
static void try_operator(const tn_op *op, const char *attributes, bool image) {
    tn_builder *b = begin();
    tn_value *x = tn_build_images(b), *in[TN_MAX_INPUTS];
    const int64_t dims[] = {3};
    const float data[] = {1, 2, 3};
    in[0] = x;
    for (int i = 1; i < TN_MAX_INPUTS; i++)
        in[i] = image ? x : i > 1 ? in[1] : tn_build_parameter(b, "p", 1, dims, data);
    assert_non_null(x);
    for (int n = op->min_inputs; n <= op->max_inputs; n++) {
        tn_value *y = tn_build_op(b, op->onnx_type, attributes, in, n);
        for (int axis = 0; axis < TN_MAX_RANK; axis++) assert_true(tn_build_dim(y, axis) >= 0);
    }
    tn_builder_free(b);
}

static void operators_take_anything(void **state) {
    static const char *const numbers[] = {
        "1", "0", "-1", "7", "9223372036854775807", "-9223372036854775808", "4611686018427387904"};
    static const int counts[] = {1, 2, 3, 4, 8, 16};
    (void)state;
    for (const tn_op *const *op = tn_ops; *op; op++) {
        if (!(*op)->onnx_type) continue;
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
                char text[8192];
                attributes_of(*op, numbers[i], counts[k], text, sizeof text);
                try_operator(*op, text, false);
                try_operator(*op, text, true);
            }
        try_operator(*op, "", false);
    }
}

/* ---- The built-in models -------------------------------------------------------------------- */

static tn_model *build_for(const char *name, int64_t channels, int64_t side, uint64_t seed) {
    tn_model_options options = TN_INIT(tn_model_options);
    tn_model *model = NULL;
    options.channels = channels;
    options.height = options.width = side;
    options.seed = seed;
    if (tn_model_build(name, &options, &model, &error) != TN_OK) fail_msg("%s", error.message);
    return model;
}

/* What initial weights a seed gives must never change: they are where every recorded run begins. */
static void weights_of_a_seed_never_change(void **state) {
    static const struct {
        const char *name;
        int64_t channels, side;
        uint64_t seed;
        const char *sha256;
    } expected[] = {
        {"mnist-cnn", 1, 28, 0, "e95903523f6402d5ffae48f7f4efd9d9154a9f5d1df3d14a96a00f67401e5ccf"},
        {"mnist-cnn", 3, 32, 7, "a899cf031de8ce18eb77ba9cf844ab68677ca23f4a5818da4617d40ab331d7dd"},
        {"lenet", 1, 28, 0, "6c5e5270d0dbcd803f5b1d4ca2c8b5391e36ea59d061d2846f21b1c677ebe20f"},
        {"lenet", 3, 32, 7, "703d6df02a6d839b6f57121392cef8b3b361cfd6d0f61ac17d17ffe506013797"},
        {"mlp", 1, 28, 0, "2e20886a1f977ec58891e292b00e78f9e8f1341fb8b35a0761071d4651b773e6"},
        {"resnet20", 1, 28, 0, "b51c1a586050991e6d8d079b91c7bf076e550d6fc6587fd810061627d9729c38"},
        {"vgg-small", 1, 28, 0, "57177e42512d3c116f594568aba33cabebda0686e11c067a7fc7ca344a2e625b"},
        {"tiny-cnn", 1, 28, 0, "d5fa99c1d00830bb6bb4a0afd46c3e88fdc820919644ab585143850f86016ab8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char hex[65];
        tn_model *model =
            build_for(expected[i].name, expected[i].channels, expected[i].side, expected[i].seed);
        tn_model_weights_sha256(model, hex);
        tn_model_free(model);
        assert_string_equal(hex, expected[i].sha256);
    }
}

static void every_model_takes_usual_images(void **state) {
    (void)state;
    for (const char *const *name = tn_model_builtin_names(); *name; name++)
        for (int64_t channels = 1; channels <= 3; channels += 2)
            for (int64_t side = 28; side <= 32; side += 4) {
                tn_model *model = build_for(*name, channels, side, 0);
                const tn_builtin *builtin = tn_builtin_find(*name);
                assert_non_null(builtin);
                assert_string_equal(model->name, *name);
                assert_int_equal(model->channels, channels);
                assert_int_equal(model->height, side);
                assert_int_equal(model->n_classes, 10);
                assert_memory_equal(&model->recipe, &builtin->recipe, sizeof model->recipe);
                tn_model_free(model);
            }
}

static void small_images_are_enough(void **state) {
    (void)state;
    for (int64_t side = 8; side <= 40; side += 3) {
        tn_model_free(build_for("resnet20", 3, side, 0));
        tn_model_free(build_for("vgg-small", 3, side, 0));
    }
}

static int64_t parameters_of(tn_model *model) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    tn_model_free(model);
    return info.parameters;
}

/* He et al. 2015, table 6: 0.27 million. Worked out by hand: convolutions without bias, two
 * numbers per channel for each normalisation, two projections. */
static void resnet20_is_as_large_as_published(void **state) {
    (void)state;
    int64_t stem = 9 * 3 * 16 + 32;
    int64_t stage1 = 6 * (9 * 16 * 16 + 32);
    int64_t stage2 = 9 * 16 * 32 + 5 * 9 * 32 * 32 + 6 * 64 + 16 * 32 + 64;
    int64_t stage3 = 9 * 32 * 64 + 5 * 9 * 64 * 64 + 6 * 128 + 32 * 64 + 128;
    int64_t parameters = parameters_of(build_for("resnet20", 3, 32, 0));
    assert_int_equal(parameters, stem + stage1 + stage2 + stage3 + 64 * 10 + 10);
    assert_int_equal(llround((double)parameters / 10000), 27);
}

static void mlp_is_as_large_as_it_should_be(void **state) {
    (void)state;
    assert_int_equal(parameters_of(build_for("mlp", 1, 28, 0)),
                     784 * 256 + 256 + 256 * 256 + 256 + 2560 + 10);
}

int main(void) {
    enum { N_WRONG = sizeof wrong_calls / sizeof *wrong_calls, MOST = N_WRONG + 64 };
    static struct CMUnitTest tests[MOST];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(layers_have_the_shapes_they_should),
        cmocka_unit_test(parameters_are_named_after_layers),
        cmocka_unit_test(statistics_are_not_counted_as_trainable),
        cmocka_unit_test(uniform_weights_keep_within_their_bound),
        cmocka_unit_test(weights_after_he_are_normal),
        cmocka_unit_test(any_operator_is_had_by_its_onnx_name),
        cmocka_unit_test(each_dropout_draws_for_itself),
        cmocka_unit_test(class_names_are_copied),
        cmocka_unit_test(a_model_named_as_a_built_in_one_is_trained_as_that),
        cmocka_unit_test(the_first_failure_is_the_one_reported),
        cmocka_unit_test(without_a_builder_nothing_is_built),
        cmocka_unit_test(an_unknown_operator_is_unsupported),
        cmocka_unit_test(values_of_another_model_are_refused),
        cmocka_unit_test(scores_must_be_scores),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(names_that_are_not_utf8_are_refused),
        cmocka_unit_test(images_beyond_any_memory_are_refused),
        cmocka_unit_test(printed_attributes_are_parsed_back),
        cmocka_unit_test(no_text_is_the_defaults),
        cmocka_unit_test(operators_take_anything),
        cmocka_unit_test(weights_of_a_seed_never_change),
        cmocka_unit_test(every_model_takes_usual_images),
        cmocka_unit_test(small_images_are_enough),
        cmocka_unit_test(resnet20_is_as_large_as_published),
        cmocka_unit_test(mlp_is_as_large_as_it_should_be),
    };
    enum { N_OTHERS = sizeof others / sizeof *others };
    memcpy(tests, others, sizeof others);
    for (int i = 0; i < N_WRONG; i++)
        tests[N_OTHERS + i] = (struct CMUnitTest){wrong_calls[i].name, a_wrong_call_is_reported,
                                                  NULL, NULL, (void *)(uintptr_t)&wrong_calls[i]};
    return _cmocka_run_group_tests("builder", tests, N_OTHERS + N_WRONG, NULL, NULL);
}
