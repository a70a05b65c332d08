/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph/op.h"
#include "ops/ops.h"
#include "train_fixture.h"

int train_set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    strcpy(f->root, "/tmp/tenon-train-XXXXXX");
    if (!mkdtemp(f->root)) return -1;
    tn_error error;
    if (tn_dataset_open("mnist", TN_TRAIN, NULL, &f->mnist, &error) != TN_OK) {
        print_error("%s\n", error.message);
        return -1;
    }
    if (tn_dataset_create("small", N_IMAGES, 28, 28, 1, 10, tn_dataset_images(f->mnist),
                          tn_dataset_labels(f->mnist), &f->small, &error) != TN_OK)
        return -1;
    tn_model_options options = TN_INIT(tn_model_options);
    options.seed = 5;
    return tn_model_build("lenet", &options, &f->lenet, &error) == TN_OK ? 0 : -1;
}

int train_tear_down(void **state) {
    fixture *f = *state;
    char command[PATH];
    snprintf(command, sizeof command, "rm -rf '%s'", f->root);
    int result = system(command);
    tn_dataset_free(f->mnist);
    tn_dataset_free(f->small);
    tn_model_free(f->lenet);
    free(f);
    return result;
}

const char *fresh_directory(fixture *f, char path[PATH]) {
    snprintf(path, PATH, "%s/%d", f->root, f->n_dirs++);
    return path;
}

tn_train_options options_of(tn_optimizer optimizer) {
    tn_train_options o = TN_INIT(tn_train_options);
    o.epochs = EPOCHS;
    o.batch_size = BATCH;
    o.optimizer = optimizer;
    o.schedule = TN_SCHEDULE_ONE_CYCLE;
    o.lr = optimizer == TN_OPTIMIZER_ADAM ? 0.002 : 0.02;
    o.label_smoothing = 0.1;
    o.weight_decay = 1e-4;
    o.seed = 42;
    o.n_threads = 1;
    return o;
}

void train(fixture *f, const tn_train_options *o, tn_status expected, tn_train_result *result,
           char hex[65]) {
    tn_model *trained = NULL;
    tn_error error = {{0}};
    tn_status status = tn_train(f->lenet, f->small, o, &trained, result, &error);
    if (status != expected) fail_msg("status %s: %s", tn_status_name(status), error.message);
    tn_model_weights_sha256(trained, hex);
    tn_model_free(trained);
}

void refuse(const tn_model *model, const tn_dataset *dataset, const tn_train_options *o,
            tn_status expected, const char *text) {
    tn_model *trained = NULL;
    tn_error error = {{0}};
    tn_status status = tn_train(model, dataset, o, &trained, NULL, &error);
    assert_null(trained);
    if (status != expected || !strstr(error.message, text))
        fail_msg("status %s: \"%s\", not \"%s\"", tn_status_name(status), error.message, text);
}

void check_interrupted(fixture *f, tn_train_options o, const int64_t *stops, int n) {
    char straight[65], resumed[65], dir[PATH];
    tn_train_result r1 = TN_INIT(tn_train_result), r = TN_INIT(tn_train_result);
    train(f, &o, TN_OK, &r1, straight);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.resume = true;
    for (int i = 0; i < n; i++) {
        o.max_steps = stops[i];
        o.n_threads = 1 + i % 3;
        train(f, &o, TN_STOPPED, &r, resumed);
        assert_int_equal(r.steps, stops[i]);
        assert_true(r.stopped);
        assert_int_equal(r.resumed, i > 0);
        assert_string_not_equal(resumed, straight);
        assert_int_equal(access(r.checkpoint, R_OK), 0);
    }
    o.max_steps = 0;
    train(f, &o, TN_OK, &r, resumed);
    assert_string_equal(resumed, straight);
    assert_true(r.resumed && !r.stopped);
    assert_int_equal(r.steps, r1.steps);
    assert_int_equal(r.epochs, EPOCHS);
    assert_true(r.loss == r1.loss && r.accuracy == r1.accuracy);
    if (o.held_out > 0)
        assert_true(r.held_out_loss == r1.held_out_loss &&
                    r.held_out_accuracy == r1.held_out_accuracy);
    /* A run that is over just hands out its model. */
    train(f, &o, TN_OK, &r, resumed);
    assert_string_equal(resumed, straight);
    assert_int_equal(r.images, 0);
    assert_true(r.loss == r1.loss && r.accuracy == r1.accuracy);
}

tn_model *make_linear_model(void) {
    tn_graph *graph;
    tn_value *image, *flat, *weight, *bias, *scores;
    float *zeros = calloc(7840, sizeof *zeros);
    const tn_shape images = {.rank = 4, .dims = {1, 1, 28, 28}, .batched = true};
    const tn_shape matrix = {.rank = 2, .dims = {10, 784}}, vector = {.rank = 1, .dims = {10}};
    tn_axis_attrs flatten;
    tn_gemm_attrs gemm;
    tn_attrs_init(&tn_op_flatten, &flatten);
    tn_attrs_init(&tn_op_gemm, &gemm);
    gemm.trans_b = 1;
    tn_status status = tn_graph_create(&graph, NULL);
    status |=
        tn_graph_add_value(graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &images, NULL, &image, NULL);
    status |= tn_graph_add_value(graph, TN_VALUE_PARAMETER, "w", TN_FLOAT32, &matrix, zeros,
                                 &weight, NULL);
    status |=
        tn_graph_add_value(graph, TN_VALUE_PARAMETER, "b", TN_FLOAT32, &vector, zeros, &bias, NULL);
    status |= tn_graph_apply(graph, &tn_op_flatten, &flatten, &image, 1, &flat, NULL);
    status |= tn_graph_apply(graph, &tn_op_gemm, &gemm, (tn_value *[]){flat, weight, bias}, 3,
                             &scores, NULL);
    status |= tn_graph_mark_output(graph, scores, NULL);
    tn_model *model;
    status |= tn_model_create(graph, "linear", 10, NULL, 17, &model, NULL);
    assert_int_equal(status, TN_OK);
    free(zeros);
    return model;
}
