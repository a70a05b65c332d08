/* SPDX-License-Identifier: Apache-2.0 */
/* test_recompute.c: what is computed again, that it saves memory, and that no bit changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "graph/model.h"
#include "graph/plan_parts.h"
#include "ops/ops.h"
#include "train/pass.h"

enum { SIDE = 28, CLASSES = 10, MOST_BATCH = 64 };

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

static tn_pass create(const tn_model *model, int64_t batch, bool keep_values) {
    tn_kernels kernels;
    tn_pass pass;
    check(tn_kernels_select(&kernels, &error));
    const tn_pass_options options = {.max_batch = batch,
                                     .keep_values = keep_values,
                                     .n_shards = model->recipe.n_shards,
                                     .n_groups = 1,
                                     .gradients = true,
                                     .kernels = &kernels};
    check(tn_pass_create(model, &options, &pass, &error));
    return pass;
}

static bool is_conv(const tn_node *node) { return node->op == &tn_op_conv; }

static int count_convs(const tn_plan *plan) {
    int n = 0;
    for (int i = 0; i < plan->n_steps; i++) n += is_conv(plan->steps[i].node);
    return n;
}

/* Of convolutions that the last segment does again, the channels that they read. */
static int64_t repeated_channels(const tn_plan *plan) {
    const tn_segment *last = &plan->segments[plan->n_segments - 1];
    int64_t channels = 0;
    for (int i = last->first_step; i < last->first_step + last->n_steps; i++) {
        const tn_node *node = plan->steps[i].node;
        if (!is_conv(node)) continue;
        assert_true(plan->steps[i].again);
        channels += node->inputs[0]->shape.dims[1];
    }
    return channels;
}

/* The first convolution of mnist-cnn has nine MACs for a number of 4 bytes, the second 288. */
static void a_cheap_convolution_is_done_again(void **state) {
    (void)state;
    tn_model *model;
    check(tn_model_build("mnist-cnn", NULL, &model, &error));
    tn_pass keep = create(model, 64, true), again = create(model, 64, false);
    const int64_t first_relu = 64 * 26 * 26 * 32 * (int64_t)sizeof(real);
    assert_int_equal(repeated_channels(keep.plan), 0);
    assert_int_equal(repeated_channels(again.plan), 1);
    assert_int_equal(count_convs(keep.plan), 2);
    assert_int_equal(count_convs(again.plan), 3);
    assert_true(again.plan->batch_bytes <= keep.plan->batch_bytes - first_relu);
    tn_pass_free(&keep);
    tn_pass_free(&again);
    tn_model_free(model);
}

/* The first convolution of three colours has 27 MACs for a number: what stays in the third-level
 * cache is kept, and made again if it would go to memory. */
static void values_of_a_small_batch_are_kept(void **state) {
    (void)state;
    tn_model *model;
    const tn_model_options colours = {
        .size = sizeof colours, .channels = 3, .height = 32, .width = 32};
    check(tn_model_build("vgg-small", &colours, &model, &error));
    tn_pass keep = create(model, 2, true), again = create(model, 2, false);
    tn_pass large = create(model, 64, false);
    assert_int_equal(count_convs(again.plan), count_convs(keep.plan));
    assert_true(count_convs(large.plan) > count_convs(keep.plan));
    assert_true(again.plan->batch_bytes <= keep.plan->batch_bytes);
    tn_pass_free(&keep);
    tn_pass_free(&again);
    tn_pass_free(&large);
    tn_model_free(model);
}

static tn_dataset *draw_dataset(void) {
    static uint8_t pixels[MOST_BATCH * SIDE * SIDE];
    static int32_t labels[MOST_BATCH];
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, 0);
    tn_dataset *dataset;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)tn_random_below(&random, 256);
    for (int i = 0; i < MOST_BATCH; i++) labels[i] = i % CLASSES;
    check(tn_dataset_create("noise", MOST_BATCH, SIDE, SIDE, 1, CLASSES, pixels, labels, &dataset,
                            &error));
    return dataset;
}

static real *gradients_of(const tn_model *model, const tn_dataset *dataset, bool keep_values,
                          double *loss, int64_t *n, int64_t *batch_bytes) {
    tn_pass pass = create(model, MOST_BATCH, keep_values);
    real *weights = tn_pass_vector(&pass), *gradients = tn_pass_vector(&pass);
    const tn_step step = {.training = true, .seed = 4};
    uint32_t which[MOST_BATCH];
    assert_true(weights && gradients);
    for (int i = 0; i < model->graph->n_parameters; i++)
        tn_plan_arrange(pass.plan, i, model->graph->parameters[i]->data, weights);
    for (uint32_t i = 0; i < MOST_BATCH; i++) which[i] = i;
    /* The last run is not full. */
    for (int64_t batch = MOST_BATCH; batch >= MOST_BATCH - 27; batch -= 27)
        *loss = tn_pass_run(&pass, dataset, which, batch, batch, &step, weights, gradients).loss;
    *n = tn_plan_parameters_size(pass.plan);
    *batch_bytes = pass.plan->batch_bytes;
    free(weights);
    tn_pass_free(&pass);
    return gradients;
}

static void no_bit_changes(void **state) {
    (void)state;
    static const char *const names[] = {"mnist-cnn", "resnet20", "vgg-small"};
    tn_dataset *dataset = draw_dataset();
    for (int i = 0; i < 3; i++) {
        tn_model *model;
        double loss[2];
        int64_t n[2], bytes[2];
        check(tn_model_build(names[i], NULL, &model, &error));
        real *keep = gradients_of(model, dataset, true, &loss[0], &n[0], &bytes[0]);
        real *again = gradients_of(model, dataset, false, &loss[1], &n[1], &bytes[1]);
        assert_int_equal(n[0], n[1]);
        assert_true(loss[0] == loss[1]);
        assert_memory_equal(keep, again, (size_t)n[0] * sizeof *keep);
        assert_true(bytes[1] < bytes[0]);
        free(keep);
        free(again);
        tn_model_free(model);
    }
    tn_dataset_free(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_cheap_convolution_is_done_again),
                                       cmocka_unit_test(values_of_a_small_batch_are_kept),
                                       cmocka_unit_test(no_bit_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
