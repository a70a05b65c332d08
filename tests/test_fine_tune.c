/* SPDX-License-Identifier: Apache-2.0 */
/* test_fine_tune.c: training what is there further: frozen parameters, new heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"
#include "onnx_builder.h"
#include "ops/ops.h"
#include "train/training_graph.h"
#include "train_fixture.h"

static tn_error error;

#define FREEZE(options, ...)                                                                       \
    do {                                                                                           \
        static const char *const patterns_[] = {__VA_ARGS__};                                      \
        (options).freeze = patterns_;                                                              \
        (options).n_freeze = (int)(sizeof patterns_ / sizeof *patterns_);                          \
    } while (0)

static tn_model *trained_from(const tn_model *model, const tn_dataset *data,
                              const tn_train_options *o) {
    tn_model *trained = NULL;
    tn_status status = tn_train(model, data, o, &trained, NULL, &error);
    if (status != TN_OK && status != TN_STOPPED) fail_msg("%s", error.message);
    return trained;
}

/* Whether a parameter has the same bits in both. */
static bool same(const tn_model *a, const tn_model *b, const char *name) {
    const tn_value *x = tn_graph_find_value(a->graph, name);
    const tn_value *y = tn_graph_find_value(b->graph, name);
    assert_true(x && y && tn_shape_equal(&x->shape, &y->shape));
    return memcmp(x->data, y->data, (size_t)tn_shape_elements(&x->shape) * sizeof(float)) == 0;
}

/* conv, norm, relu, conv, norm, mean, fc. */
static tn_model *small_net(void) {
    tn_builder *b;
    tn_model *model;
    tn_model_options options = TN_INIT(tn_model_options);
    options.seed = 3;
    assert_int_equal(tn_builder_create("small-net", &options, &b, &error), TN_OK);
    tn_value *x = tn_build_conv(b, tn_build_images(b), 4, 3, 2, 1, false);
    x = tn_build_relu(b, tn_build_batch_norm(b, x));
    x = tn_build_batch_norm(b, tn_build_conv(b, x, 6, 3, 2, 1, false));
    x = tn_build_linear(b, tn_build_flatten(b, tn_build_global_average_pool(b, x)), 10);
    assert_int_equal(tn_builder_finish(b, x, &model, &error), TN_OK);
    return model;
}

/* ---- Freezing -------------------------------------------------------------------------------- */

static void frozen_parameters_stay(void **state) {
    fixture *f = *state;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.ema = 0.9;
    FREEZE(o, "conv1.*", "fc?.bias");
    tn_model *trained = trained_from(f->lenet, f->small, &o);
    static const char *const frozen[] = {"conv1.weight", "conv1.bias", "fc1.bias", "fc2.bias"};
    static const char *const moved[] = {"conv2.weight", "conv2.bias", "fc1.weight", "fc2.weight"};
    for (int i = 0; i < 4; i++) {
        assert_true(same(f->lenet, trained, frozen[i]));
        assert_false(same(f->lenet, trained, moved[i]));
    }
    tn_model_free(trained);
}

/* What is trained gets the gradient that it would have got anyhow. */
static void a_step_of_the_rest_is_the_same(void **state) {
    fixture *f = *state;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.max_steps = 1;
    tn_model *all = trained_from(f->lenet, f->small, &o);
    FREEZE(o, "conv*");
    tn_model *rest = trained_from(f->lenet, f->small, &o);
    assert_true(same(all, rest, "fc1.weight") && same(all, rest, "fc2.bias"));
    assert_false(same(all, rest, "conv2.weight"));
    tn_model_free(all);
    tn_model_free(rest);
}

/* Nothing is computed for what nobody wants. */
static void backward_stops_at_the_first_trained_layer(void **state) {
    fixture *f = *state;
    tn_value *gradients[16];
    bool frozen[16];
    tn_graph *graph;
    int n = f->lenet->graph->n_parameters;
    assert_true(n <= 16);
    for (int i = 0; i < n; i++)
        frozen[i] = strncmp(f->lenet->graph->parameters[i]->name, "conv", 4) == 0;
    for (int freeze = 0; freeze < 2; freeze++) {
        const tn_training_graph_options o = {.n_groups = 1, .frozen = freeze ? frozen : NULL};
        assert_int_equal(tn_training_graph_build(f->lenet, &o, gradients, &graph, &error), TN_OK);
        int of_convolutions = 0, of_layers = 0;
        for (int i = 0; i < graph->n_nodes; i++) {
            of_convolutions += strncmp(graph->nodes[i]->op->name, "ConvGrad", 8) == 0;
            of_layers += strncmp(graph->nodes[i]->op->name, "GemmGrad", 8) == 0;
        }
        assert_int_equal(of_convolutions, freeze ? 0 : 3);
        assert_int_equal(of_layers, freeze ? 3 : 4);
        for (int i = 0; i < n; i++) assert_true((gradients[i] == NULL) == (freeze && frozen[i]));
        tn_graph_free(graph);
    }
}

/* Its statistics are among what stays, and it normalises by them. */
static void frozen_normalisation_keeps_its_statistics(void **state) {
    fixture *f = *state;
    tn_model *model = small_net();
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    FREEZE(o, "bn1.*");
    tn_model *by_all = trained_from(model, f->small, &o);
    FREEZE(o, "bn1.weight", "bn1.bias");
    tn_model *by_factors = trained_from(model, f->small, &o);
    FREEZE(o, "bn1.running_*");
    tn_model *by_statistics = trained_from(model, f->small, &o);
    for (int i = 0; i < 3; i++) {
        const tn_model *trained = i == 0 ? by_all : i == 1 ? by_factors : by_statistics;
        assert_true(same(model, trained, "bn1.running_mean"));
        assert_true(same(model, trained, "bn1.running_var"));
        assert_false(same(model, trained, "bn2.running_mean"));
        assert_false(same(model, trained, "conv1.weight"));
    }
    assert_true(same(by_all, by_factors, "fc1.weight"));
    assert_true(same(model, by_all, "bn1.weight"));
    assert_false(same(model, by_statistics, "bn1.weight"));
    tn_model_free(by_all);
    tn_model_free(by_factors);
    tn_model_free(by_statistics);
    tn_model_free(model);
}

/* A single factor is no reason to keep the statistics. */
static void half_frozen_normalisation_moves_them(void **state) {
    fixture *f = *state;
    tn_model *model = small_net();
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    FREEZE(o, "bn1.weight");
    tn_model *trained = trained_from(model, f->small, &o);
    assert_true(same(model, trained, "bn1.weight"));
    assert_false(same(model, trained, "bn1.running_mean"));
    tn_model_free(trained);
    tn_model_free(model);
}

static void interrupted_fine_tuning_ends_in_the_same_bits(void **state) {
    fixture *f = *state;
    const int64_t stops[] = {3, 14};
    tn_train_options o = options_of(TN_OPTIMIZER_ADAM);
    FREEZE(o, "conv*", "fc1.bias");
    check_interrupted(f, o, stops, 2);
}

static void what_is_frozen_is_part_of_a_checkpoint(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 2;
    FREEZE(o, "conv1.*");
    train(f, &o, TN_STOPPED, &r, hex);
    o.resume = true;
    FREEZE(o, "conv1.weight");
    refuse(f->lenet, f->small, &o, TN_ERR_MISMATCH, "frozen 2 of 8 parameters");
    FREEZE(o, "conv2.*"); /* as many, but others */
    refuse(f->lenet, f->small, &o, TN_ERR_MISMATCH, "freeze what was frozen then");
    o.n_freeze = 0;
    refuse(f->lenet, f->small, &o, TN_ERR_MISMATCH, "but this run has none");
    o.max_steps = 3;
    FREEZE(o, "conv1.bias", "conv1.w*"); /* the same, said otherwise */
    train(f, &o, TN_STOPPED, &r, hex);
    assert_true(r.resumed);
}

static void what_cannot_be_frozen_is_refused(void **state) {
    fixture *f = *state;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    FREEZE(o, "conv1.*", "layer4.*");
    refuse(f->lenet, f->small, &o, TN_ERR_ARGUMENT,
           "\"layer4.*\": no parameter has such a name (conv1.weight, ");
    FREEZE(o, "*");
    refuse(f->lenet, f->small, &o, TN_ERR_UNSUPPORTED, "no parameter that is not frozen");
    o.n_freeze = -1;
    refuse(f->lenet, f->small, &o, TN_ERR_ARGUMENT, "-1 patterns");
}

/* ---- Heads ----------------------------------------------------------------------------------- */

static tn_head_options head_of(int n_classes) {
    tn_head_options o = TN_INIT(tn_head_options);
    o.n_classes = n_classes;
    o.seed = 11;
    return o;
}

static tn_model *with_head(const tn_model *model, int n_classes) {
    tn_model *replaced = NULL;
    const tn_head_options o = head_of(n_classes);
    tn_status status = tn_model_replace_head(model, &o, &replaced, &error);
    if (status != TN_OK) fail_msg("%s", error.message);
    return replaced;
}

static void refuse_head(const tn_model *model, int n_classes, tn_status expected,
                        const char *text) {
    tn_model *replaced = NULL;
    const tn_head_options o = head_of(n_classes);
    assert_int_equal(tn_model_replace_head(model, &o, &replaced, &error), expected);
    assert_null(replaced);
    if (!strstr(error.message, text)) fail_msg("\"%s\" is not in: %s", text, error.message);
}

static void check_dims(const tn_model *model, const char *name, int64_t first, int64_t second) {
    const tn_value *v = tn_graph_find_value(model->graph, name);
    assert_non_null(v);
    assert_int_equal(v->shape.dims[0], first);
    if (second > 0) assert_int_equal(v->shape.dims[1], second);
}

static void a_new_head_has_the_classes_asked_for(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"cat", "dog", "newt"};
    tn_head_options o = head_of(3);
    tn_model *model, *again, *other;
    tn_model_info info = TN_INIT(tn_model_info);
    o.class_names = names;
    assert_int_equal(tn_model_replace_head(f->lenet, &o, &model, &error), TN_OK);
    again = with_head(f->lenet, 3);
    o.seed++;
    assert_int_equal(tn_model_replace_head(f->lenet, &o, &other, &error), TN_OK);
    tn_model_describe(model, &info);
    assert_int_equal(info.n_classes, 3);
    assert_string_equal(info.class_names[2], "newt");
    check_dims(model, "fc2.weight", 3, 50);
    check_dims(model, "fc2.bias", 3, 0);
    assert_true(same(f->lenet, model, "conv1.weight") && same(f->lenet, model, "fc1.bias"));
    assert_true(same(model, again, "fc2.weight") && same(model, again, "fc2.bias"));
    assert_false(same(model, other, "fc2.weight"));
    const float *weight = tn_graph_find_value(model->graph, "fc2.weight")->data;
    double sum = 0, most = 0;
    for (int i = 0; i < 150; i++) {
        double size = weight[i] < 0 ? -(double)weight[i] : (double)weight[i];
        sum += size;
        most = size > most ? size : most;
    }
    assert_true(most <= 0.1415 && most > 0.12 && sum / 150 > 0.055 && sum / 150 < 0.085);
    tn_model_free(model);
    tn_model_free(again);
    tn_model_free(other);
}

/* More classes than before, trained with everything else frozen, saved and loaded. */
static void a_new_head_can_be_trained_alone(void **state) {
    fixture *f = *state;
    tn_model *model = with_head(f->lenet, 12), *loaded;
    tn_train_options o = options_of(TN_OPTIMIZER_ADAM);
    char path[PATH + 16], dir[PATH];
    snprintf(path, sizeof path, "%s.onnx", fresh_directory(f, dir));
    FREEZE(o, "conv*", "fc1*");
    tn_model *trained = trained_from(model, f->small, &o);
    assert_true(same(model, trained, "fc1.weight"));
    assert_false(same(model, trained, "fc2.weight"));
    assert_int_equal(tn_model_save(trained, path, &error), TN_OK);
    assert_int_equal(tn_model_load(path, &loaded, &error), TN_OK);
    assert_int_equal(loaded->n_classes, 12);
    assert_true(same(loaded, trained, "fc2.weight"));
    tn_model_free(loaded);
    tn_model_free(trained);
    tn_model_free(model);
}

/* x [N,1,4,4] -> a layer of the file -> "y" [N,6]. */
static tn_model *load(builder *b) {
    size_t n;
    tn_model *model = NULL;
    void *bytes = builder_pack(b, &n);
    builder_end(b);
    if (tn_model_load_memory(bytes, n, &model, &error) != TN_OK) fail_msg("%s", error.message);
    free(bytes);
    return model;
}

static void begin(builder *b) {
    builder_begin(b);
    builder_input(b, "x", DIMS(0, 1, 4, 4));
    builder_output(b, "y", DIMS(0, 6));
}

static void a_product_and_a_sum_are_a_head(void **state) {
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        builder b;
        begin(&b);
        builder_tensor(&b, "w", DIMS(16, 6));
        builder_tensor(&b, "b", DIMS(6));
        builder_node(&b, "Flatten", "", "x", "flat");
        builder_node(&b, "MatMul", "", "flat,w", "product");
        builder_node(&b, "Add", "", swapped ? "b,product" : "product,b", "sum");
        builder_node(&b, "Softmax", "", "sum", "y");
        tn_model *model = load(&b), *replaced = with_head(model, 9);
        check_dims(replaced, "w", 16, 9);
        check_dims(replaced, "b", 9, 0);
        assert_int_equal(replaced->n_classes, 9);
        tn_model_free(replaced);
        tn_model_free(model);
    }
}

static void a_convolution_is_a_head(void **state) {
    (void)state;
    builder b;
    begin(&b);
    builder_tensor(&b, "w", DIMS(6, 1, 1, 1));
    builder_tensor(&b, "b", DIMS(6));
    builder_node(&b, "Conv", "", "x,w,b", "map");
    builder_node(&b, "Relu", "", "map", "positive");
    builder_node(&b, "GlobalAveragePool", "", "positive", "mean");
    builder_node(&b, "Flatten", "", "mean", "y");
    tn_model *model = load(&b), *replaced = with_head(model, 2);
    check_dims(replaced, "w", 2, 1);
    check_dims(replaced, "b", 2, 0);
    assert_int_equal(replaced->n_classes, 2);
    tn_model_free(replaced);
    tn_model_free(model);
}

/* y = x·w, then [-1,6] once more. */
static void a_shape_that_counts_the_classes_follows(void **state) {
    (void)state;
    builder b;
    static int64_t shape[] = {-1, 6};
    begin(&b);
    builder_tensor(&b, "w", DIMS(16, 6));
    TnOnnx__TensorProto *target = builder_tensor(&b, "shape", DIMS(2));
    target->data_type = TN_ONNX_INT64;
    target->n_float_data = 0;
    target->has_raw_data = true;
    target->raw_data = (ProtobufCBinaryData){sizeof shape, (uint8_t *)shape};
    builder_node(&b, "Flatten", "", "x", "flat");
    builder_node(&b, "Gemm", "", "flat,w", "scores");
    builder_node(&b, "Reshape", "", "scores,shape", "y");
    tn_model *model = load(&b), *replaced = with_head(model, 4);
    assert_int_equal(replaced->n_classes, 4);
    check_dims(replaced, "w", 16, 4);
    tn_model_free(replaced);
    tn_model_free(model);
}

static void what_is_no_head_is_refused(void **state) {
    fixture *f = *state;
    builder b;
    begin(&b);
    builder_tensor(&b, "w", DIMS(16, 6));
    builder_tensor(&b, "v", DIMS(6));
    builder_node(&b, "Flatten", "", "x", "flat");
    builder_node(&b, "Gemm", "", "flat,w", "scores");
    builder_node(&b, "Mul", "scaled", "scores,v", "y");
    tn_model *scaled = load(&b);
    refuse_head(scaled, 3, TN_ERR_UNSUPPORTED, "the scores come from node \"scaled\" (Mul)");
    begin(&b);
    builder_tensor(&b, "w", DIMS(16, 6));
    builder_node(&b, "Flatten", "", "x", "flat");
    builder_node(&b, "Gemm", "", "flat,w", "y");
    builder_output(&b, "z", DIMS(0, 6));
    builder_node(&b, "MatMul", "", "flat,w", "z");
    tn_model *shared = load(&b);
    refuse_head(shared, 3, TN_ERR_UNSUPPORTED, "\"w\" of the layer that makes the scores is used");
    refuse_head(f->lenet, 0, TN_ERR_ARGUMENT, "0 classes");
    refuse_head(f->lenet, 1 << 20, TN_ERR_ARGUMENT, "1048576 classes");
    tn_model_free(scaled);
    tn_model_free(shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_parameters_stay),
        cmocka_unit_test(a_step_of_the_rest_is_the_same),
        cmocka_unit_test(backward_stops_at_the_first_trained_layer),
        cmocka_unit_test(frozen_normalisation_keeps_its_statistics),
        cmocka_unit_test(half_frozen_normalisation_moves_them),
        cmocka_unit_test(interrupted_fine_tuning_ends_in_the_same_bits),
        cmocka_unit_test(what_is_frozen_is_part_of_a_checkpoint),
        cmocka_unit_test(what_cannot_be_frozen_is_refused),
        cmocka_unit_test(a_new_head_has_the_classes_asked_for),
        cmocka_unit_test(a_new_head_can_be_trained_alone),
        cmocka_unit_test(a_product_and_a_sum_are_a_head),
        cmocka_unit_test(a_convolution_is_a_head),
        cmocka_unit_test(a_shape_that_counts_the_classes_follows),
        cmocka_unit_test(what_is_no_head_is_refused),
    };
    return cmocka_run_group_tests(tests, train_set_up, train_tear_down);
}
