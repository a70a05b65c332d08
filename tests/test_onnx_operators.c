/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx_operators.c: operators as the versions of ONNX write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "onnx_fixture.h"
#include "ops/ops.h"

/* ---- Versions ---- */

static void dropouts_are_numbered_and_get_their_ratio(void **state) {
    (void)state;
    for (int old = 0; old < 2; old++) {
        builder b;
        builder_begin(&b);
        b.model.opset_import[0]->version = old ? 11 : 12;
        builder_input(&b, "x", DIMS(0, 4));
        builder_output(&b, "z", DIMS(0, 4));
        TnOnnx__NodeProto *one = builder_node(&b, "Dropout", "one", old ? "x" : "x,r", "y,mask");
        *(float *)(void *)builder_tensor(&b, "r", 0, NULL)->raw_data.data = 0.125f;
        if (old)
            builder_float(&b, one, "ratio", 0.125f);
        else
            builder_int(&b, one, "seed", 42);
        builder_node(&b, "Dropout", "two", "y", "z");
        tn_model *model = import_good(&b);
        const tn_dropout_attrs *p = model->graph->nodes[0]->attrs;
        const tn_dropout_attrs *q = model->graph->nodes[1]->attrs;
        assert_true(p->ratio == 0.125 && q->ratio == 0.5);
        assert_int_equal(q->layer, p->layer + 1);
        round_trip(model);
    }
}

static void training_mode_may_be_given(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    size_t n = 0;
    TnOnnx__TensorProto *mode = builder_tensor(&b, "mode", 0, NULL);
    mode->data_type = 9; /* bool */
    mode->raw_data.len = 1;
    b.graph.node[4]->input = builder_split(&b, "f,ratio,mode", &n);
    b.graph.node[4]->n_input = n;
    tn_model_free(import_good(&b));
}

static void a_ratio_that_is_computed_is_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.node[4]->input[1] = builder_text(&b, "c");
    expect_failure(&b, TN_ERR_UNSUPPORTED,
                   "node \"drop\" (Dropout): input \"c\" must be a constant");
}

static void a_ratio_of_1_is_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    *(float *)(void *)b.graph.initializer[4]->raw_data.data = 1;
    expect_failure(&b, TN_ERR_FORMAT, "node \"drop\" (Dropout): ratio is 1");
}

static void our_own_attributes_are_not_onnx(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_int(&b, b.graph.node[4], "layer", 3);
    expect_failure(&b, TN_ERR_UNSUPPORTED, "attribute \"layer\" is not known");
    builder_tiny(&b);
    builder_float(&b, b.graph.node[4], "ratio", 0.5f);
    expect_failure(&b, TN_ERR_UNSUPPORTED, "attribute \"ratio\" is not known");
}

static void log_softmax_meant_something_else_before_13(void **state) {
    (void)state;
    builder b;
    builder_begin(&b);
    b.model.opset_import[0]->version = 12;
    builder_input(&b, "x", DIMS(0, 4));
    builder_output(&b, "y", DIMS(0, 4));
    builder_node(&b, "LogSoftmax", "log", "x", "y");
    tn_model *model = import_good(&b);
    assert_int_equal(((const tn_axis_attrs *)model->graph->nodes[0]->attrs)->axis, 1);
    tn_model_free(model);

    builder_begin(&b);
    b.model.opset_import[0]->version = 12;
    builder_input(&b, "x", DIMS(0, 4, 5));
    builder_output(&b, "y", DIMS(0, 4, 5));
    builder_node(&b, "LogSoftmax", "log", "x", "y");
    model = import_good(&b);
    const tn_node *const *nodes = (const tn_node *const *)model->graph->nodes;
    assert_int_equal(model->graph->n_nodes, 3);
    assert_ptr_equal(nodes[0]->op, &tn_op_flatten);
    assert_ptr_equal(nodes[1]->op, &tn_op_log_softmax);
    assert_int_equal(((const tn_axis_attrs *)nodes[1]->attrs)->axis, -1);
    assert_ptr_equal(nodes[2]->op, &tn_op_reshape);
    assert_string_equal(model->graph->outputs[0]->name, "y");
    assert_int_equal(model->graph->outputs[0]->shape.dims[2], 5);
    tn_model_free(model);
}

static void flatten_took_no_negative_axis_before_11(void **state) {
    (void)state;
    for (int64_t opset = 10; opset <= 11; opset++) {
        builder b;
        builder_begin(&b);
        b.model.opset_import[0]->version = opset;
        builder_input(&b, "x", DIMS(0, 4, 5));
        builder_output(&b, "y", DIMS(0, 20));
        builder_int(&b, builder_node(&b, "Flatten", "flat", "x", "y"), "axis", -2);
        if (opset == 10)
            expect_failure(&b, TN_ERR_FORMAT, "axis -2 is negative");
        else
            tn_model_free(import_good(&b));
    }
}

static tn_status import_mean(int64_t opset, int64_t axis, const char *attr, tn_model **model,
                             tn_error *error) {
    builder b;
    builder_begin(&b);
    b.model.opset_import[0]->version = opset;
    builder_input(&b, "x", DIMS(0, 4, 5));
    builder_output(&b, "y", DIMS(0, 4, 1));
    TnOnnx__NodeProto *mean = builder_node(&b, "ReduceMean", "mean", "x", "y");
    builder_ints(&b, mean, "axes", 1, &axis);
    if (attr) builder_int(&b, mean, attr, 0);
    tn_status status = import_built(&b, model, error);
    builder_end(&b);
    return status;
}

/* The standard allows negative axes from opset 11 on, but exporters always wrote them. */
static void a_mean_takes_negative_axes(void **state) {
    (void)state;
    for (int64_t opset = 7; opset <= 17; opset += 5) {
        tn_error error = {""};
        tn_model *model = NULL;
        if (import_mean(opset, -1, NULL, &model, &error) != TN_OK) fail_msg("%s", error.message);
        const tn_reduce_attrs *a = model->graph->nodes[0]->attrs;
        assert_int_equal(a->axes.n, 1);
        assert_int_equal(a->axes.v[0], 2);
        assert_int_equal(a->keepdims, 1);
        tn_model_free(model);
    }
}

static void a_mean_over_the_batch_is_refused(void **state) {
    (void)state;
    tn_error error = {""};
    tn_model *model = NULL;
    assert_int_equal(import_mean(17, 0, NULL, &model, &error), TN_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "node \"mean\" (ReduceMean)"));
    assert_non_null(strstr(error.message, "mixes samples of the batch"));
}

/* Opset 18 brings it, and axes as an input. */
static void attributes_of_later_opsets_are_refused(void **state) {
    (void)state;
    tn_error error = {""};
    tn_model *model = NULL;
    assert_int_equal(import_mean(17, 2, "noop_with_empty_axes", &model, &error),
                     TN_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "\"noop_with_empty_axes\" is not known"));
}

/* An initializer of int64. */
static void add_list(builder *b, const char *name, int n, const int64_t *v) {
    TnOnnx__TensorProto *tensor = builder_tensor(b, name, DIMS(n));
    tensor->data_type = TN_ONNX_INT64;
    tensor->raw_data.len = (size_t)n * sizeof *v;
    tensor->raw_data.data = builder_alloc(b, (size_t)n * sizeof *v + 1);
    memcpy(tensor->raw_data.data, v, (size_t)n * sizeof *v);
}

/* x [N,2,3] through one node with the input list `v` or the attribute of that name. */
static void build_listed(builder *b, int64_t opset, const char *type, const char *attr, int n,
                         const int64_t *v, bool as_input) {
    builder_begin(b);
    b->model.opset_import[0]->version = opset;
    builder_input(b, "x", DIMS(0, 1, 3));
    builder_type(b, builder_output(b, "y", DIMS(0)), "y", DIMS(0));
    b->graph.output[0]->type = NULL;
    TnOnnx__NodeProto *node = builder_node(b, type, "node", as_input ? "x,list" : "x", "y");
    if (as_input)
        add_list(b, "list", n, v);
    else
        builder_ints(b, node, attr, n, v);
}

/* What comes out for a batch of 1, and the same after a round trip. */
static void expect_dims(builder *b, int rank, const int64_t *dims) {
    tn_model *model = import_good(b);
    const tn_shape *y = &model->graph->outputs[0]->shape;
    assert_true(y->batched);
    assert_int_equal(y->rank, rank);
    assert_memory_equal(y->dims, dims, (size_t)rank * sizeof *dims);
    assert_null(tn_graph_find_value(model->graph, "list"));
    round_trip(model);
}

static void a_reshape_keeps_its_shape(void **state) {
    (void)state;
    static const int64_t opsets[] = {7, 13, 14, 17};
    for (size_t i = 0; i < sizeof opsets / sizeof *opsets; i++) {
        builder b;
        build_listed(&b, opsets[i], "Reshape", "shape", DIMS(1, -1), true);
        expect_dims(&b, DIMS(1, 3));
        build_listed(&b, opsets[i], "Reshape", "shape", DIMS(-1, 3, 1, 1), true);
        expect_dims(&b, DIMS(1, 3, 1, 1));
    }
    builder b;
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, -1), true);
    builder_int(&b, b.graph.node[0], "allowzero", 1);
    expect_dims(&b, DIMS(1, 3));
}

/* PyTorch's new exporter makes biases of 0 so. */
static void a_constant_cast_to_the_type_of_an_input_is_one(void **state) {
    (void)state;
    static const int64_t opsets[] = {15, 19, 22};
    for (size_t i = 0; i < sizeof opsets / sizeof *opsets; i++) {
        builder b;
        builder_begin(&b);
        b.model.opset_import[0]->version = opsets[i];
        builder_input(&b, "x", DIMS(0, 1, 3));
        builder_output(&b, "y", DIMS(0, 1, 3));
        add_list(&b, "list", DIMS(1, 2, 3));
        builder_node(&b, "CastLike", "cast", "list,x", "c");
        builder_node(&b, "Add", "add", "x,c", "y");
        tn_model *model = import_good(&b);
        assert_int_equal(model->graph->n_nodes, 1);
        const tn_value *c = model->graph->nodes[0]->inputs[1];
        assert_int_equal(c->kind, TN_VALUE_CONSTANT);
        assert_int_equal(c->dtype, TN_FLOAT32);
        tn_model_free(model);
    }
}

static void axes_became_an_input_in_13(void **state) {
    (void)state;
    static const int64_t opsets[] = {7, 11, 12, 13, 17};
    for (size_t i = 0; i < sizeof opsets / sizeof *opsets; i++) {
        builder b;
        bool input = opsets[i] >= 13;
        build_listed(&b, opsets[i], "Squeeze", "axes", DIMS(1), input);
        expect_dims(&b, DIMS(1, 3));
        build_listed(&b, opsets[i], "Unsqueeze", "axes", DIMS(1, 4), input);
        expect_dims(&b, DIMS(1, 1, 1, 3, 1));
        build_listed(&b, opsets[i], "Squeeze", "axes", DIMS(1), !input);
        if (input)
            expect_failure(&b, TN_ERR_UNSUPPORTED, "attribute \"axes\" is not known");
        else
            expect_failure(&b, TN_ERR_FORMAT, "2 inputs, but Squeeze takes 1 to 1");
        build_listed(&b, opsets[i], "Squeeze", "axes", DIMS(-2), input);
        if (opsets[i] < 11)
            expect_failure(&b, TN_ERR_FORMAT, "axis -2 is negative");
        else
            expect_dims(&b, DIMS(1, 3));
    }
}

/* Left out they are all of 1, which a model that is written names. */
static void axes_may_be_left_out_of_squeeze_only(void **state) {
    (void)state;
    builder b;
    build_listed(&b, 17, "Squeeze", "axes", DIMS(1), true);
    b.graph.node[0]->n_input = 1;
    expect_dims(&b, DIMS(1, 3));
    build_listed(&b, 17, "Squeeze", "axes", DIMS(1), true);
    b.graph.node[0]->input[1] = builder_text(&b, "");
    expect_dims(&b, DIMS(1, 3));
    static const char *const types[] = {"Unsqueeze", "Reshape", "Pad"};
    static const char *const texts[] = {"input 1 (axes) is missing", "input 1 (shape) is missing",
                                        "input 1 (pads) is missing"};
    for (int i = 0; i < 3; i++) {
        build_listed(&b, 17, types[i], "", DIMS(1), true);
        b.graph.node[0]->n_input = 1;
        expect_failure(&b, TN_ERR_FORMAT, texts[i]);
    }
    build_listed(&b, 12, "Unsqueeze", "", DIMS(1), false);
    b.graph.node[0]->n_attribute = 0;
    expect_failure(&b, TN_ERR_FORMAT, "attribute \"axes\" is missing");
}

/* Nothing is left to squeeze: the list stays empty, and is not written. */
static void an_empty_list_survives_a_round_trip(void **state) {
    (void)state;
    builder b;
    build_listed(&b, 17, "Squeeze", "axes", DIMS(1), true);
    builder_node(&b, "Squeeze", "again", "y", "z");
    b.graph.output[0]->name = builder_text(&b, "z");
    expect_dims(&b, DIMS(1, 3));
}

static void lists_are_checked(void **state) {
    (void)state;
    const int64_t zeros[17] = {0};
    builder b;
    build_listed(&b, 17, "Reshape", "shape", 17, zeros, true);
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"list\" has 17 numbers (at most 16)");
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, -1), true);
    b.graph.initializer[0]->data_type = TN_ONNX_FLOAT;
    b.graph.initializer[0]->raw_data.len = 8;
    expect_failure(&b, TN_ERR_FORMAT, "input \"list\" must be a list of int64");
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, -1), true);
    b.graph.initializer[0]->n_dims = 2;
    b.graph.initializer[0]->dims = (int64_t[]){2, 1};
    expect_failure(&b, TN_ERR_FORMAT, "input \"list\" must be a list of numbers");
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, -1), true);
    b.graph.node[0]->input[1] = builder_text(&b, "x");
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\" must be a constant");
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, 2), true);
    expect_failure(&b, TN_ERR_FORMAT, "node \"node\" (Reshape): the elements of 1x1x3");
    build_listed(&b, 17, "Reshape", "shape", DIMS(3, 1), true);
    expect_failure(&b, TN_ERR_UNSUPPORTED, "mixes samples");
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, 3), true);
    size_t n = 0;
    b.graph.node[0]->input = builder_split(&b, "x,list,list", &n);
    b.graph.node[0]->n_input = n;
    expect_failure(&b, TN_ERR_FORMAT, "3 inputs");
}

static void pads_became_inputs_in_11(void **state) {
    (void)state;
    for (int64_t opset = 10; opset <= 17; opset += 7) {
        builder b;
        build_listed(&b, opset, "Pad", "pads", DIMS(0, 2, 1, 0, 0, -2), opset > 10);
        if (opset == 10) {
            builder_float(&b, b.graph.node[0], "value", 0.5f);
        } else {
            size_t n = 0;
            *(float *)(void *)builder_tensor(&b, "v", 0, NULL)->raw_data.data = 0.5f;
            b.graph.node[0]->input = builder_split(&b, "x,list,v", &n);
            b.graph.node[0]->n_input = n;
        }
        tn_model *model = import_good(&b);
        const tn_pad_attrs *a = model->graph->nodes[0]->attrs;
        assert_string_equal(a->mode, "constant");
        assert_true(a->value == 0.5);
        assert_int_equal(a->pads.v[5], -2);
        assert_int_equal(model->graph->outputs[0]->shape.dims[1], 3);
        assert_int_equal(model->graph->outputs[0]->shape.dims[2], 2);
        round_trip(model);
    }
}

static void softmax_meant_something_else_before_13(void **state) {
    (void)state;
    for (int64_t opset = 12; opset <= 13; opset++) {
        builder b;
        build_listed(&b, opset, "Softmax", "", DIMS(1), true);
        b.graph.node[0]->n_input = 1;
        tn_model *model = import_good(&b);
        assert_int_equal(model->graph->n_nodes, opset == 12 ? 3 : 1);
        assert_int_equal(model->graph->outputs[0]->shape.rank, 3);
        tn_model_free(model);
    }
}

/* Every operator that moves elements, as a file with all that ONNX has as inputs. */
static tn_model *build_moving(void) {
    builder b;
    builder_begin(&b);
    builder_input(&b, "x", DIMS(0, 2, 6));
    builder_output(&b, "y", DIMS(0, 4, 5));
    builder_tensor(&b, "w", DIMS(6, 5));
    add_list(&b, "shape", DIMS(1, 2, 3, -1));
    add_list(&b, "pads", DIMS(0, 0, 1, 0, 0, 0, 1, 1));
    add_list(&b, "back", DIMS(-1, 2, 15));
    add_list(&b, "two", DIMS(2));
    builder_node(&b, "Reshape", "reshape", "x,shape", "r");
    builder_string(&b, builder_node(&b, "Pad", "pad", "r,pads", "p"), "mode", "edge");
    builder_ints(&b, builder_node(&b, "Transpose", "transpose", "p", "t"), "perm",
                 DIMS(0, 1, 3, 2));
    builder_node(&b, "Reshape", "back", "t,back", "k");
    builder_node(&b, "Unsqueeze", "unsqueeze", "k,two", "u");
    builder_node(&b, "Squeeze", "squeeze", "u,two", "s");
    builder_int(&b, builder_node(&b, "Concat", "concat", "s,s", "c"), "axis", -2);
    builder_tensor(&b, "v", DIMS(15, 6));
    builder_node(&b, "MatMul", "first", "c,v", "m");
    builder_int(&b, builder_node(&b, "Softmax", "softmax", "m", "n"), "axis", 1);
    builder_node(&b, "MatMul", "second", "n,w", "y");
    return import_good(&b);
}

static void a_model_that_moves_survives_a_round_trip(void **state) {
    (void)state;
    round_trip(build_moving());
}

static void onnx_accepts_a_model_that_moves(void **state) {
    (void)state;
    check_with_onnx(build_moving());
}

/* ---- Functions of single numbers ---- */

static void add_number(builder *b, const char *name, float number) {
    *(float *)(void *)builder_tensor(b, name, 0, NULL)->raw_data.data = number;
}

/* Every one of them, attributes given and left out. */
static tn_model *build_activations(void) {
    builder b;
    builder_begin(&b);
    builder_input(&b, "x", DIMS(0, 3, 4));
    builder_output(&b, "y", DIMS(0, 3, 4));
    builder_tensor(&b, "slope", DIMS(3, 1));
    add_number(&b, "low", -0.3f);
    add_number(&b, "high", 0.7f);
    builder_tensor(&b, "row", DIMS(4));
    builder_float(&b, builder_node(&b, "LeakyRelu", "leaky", "x", "a"), "alpha", 0.3f);
    builder_node(&b, "LeakyRelu", "leaky default", "a", "b");
    builder_node(&b, "PRelu", "prelu", "b,slope", "c");
    builder_float(&b, builder_node(&b, "Elu", "elu", "c", "d"), "alpha", 0.3f);
    builder_node(&b, "Elu", "elu default", "d", "e");
    TnOnnx__NodeProto *hard = builder_node(&b, "HardSigmoid", "hard", "e", "f");
    builder_float(&b, hard, "alpha", 0.3f);
    builder_float(&b, hard, "beta", 0.1f);
    builder_node(&b, "HardSigmoid", "hard default", "f", "g");
    builder_node(&b, "HardSwish", "swish", "g", "h");
    builder_node(&b, "Clip", "clip", "h,low,high", "i");
    builder_node(&b, "Clip", "clip above", "i,,high", "j");
    builder_node(&b, "Clip", "clip below", "j,low", "k");
    builder_node(&b, "Clip", "clip nothing", "k", "l");
    builder_node(&b, "Sigmoid", "sigmoid", "l", "m");
    builder_node(&b, "Tanh", "tanh", "m", "n");
    builder_node(&b, "Sub", "sub", "n,row", "o");
    builder_node(&b, "Div", "div", "row,o", "p");
    builder_node(&b, "Identity", "identity", "p", "y");
    return import_good(&b);
}

static void activations_survive_a_round_trip(void **state) {
    (void)state;
    round_trip(build_activations());
}

static void onnx_accepts_activations(void **state) {
    (void)state;
    check_with_onnx(build_activations());
}

static void build_clip(builder *b, int64_t opset, const char *inputs) {
    builder_begin(b);
    b->model.opset_import[0]->version = opset;
    builder_input(b, "x", DIMS(0, 4));
    builder_output(b, "y", DIMS(0, 4));
    add_number(b, "low", -0.25f);
    add_number(b, "high", 0.75f);
    builder_node(b, "Clip", "clip", inputs, "y");
}

/* A bound that is missing is none, and none is written. */
static void expect_bounds(builder *b, double min, double max) {
    size_t n;
    tn_model *model = import_good(b);
    const tn_clip_attrs *a = model->graph->nodes[0]->attrs;
    assert_true(a->min == min && a->max == max);
    void *bytes = export_good(model, &n);
    assert_int_equal(memmem(bytes, n, "clip.min", 8) != NULL, min > -INFINITY);
    assert_int_equal(memmem(bytes, n, "clip.max", 8) != NULL, max < INFINITY);
    free(bytes);
    round_trip(model);
}

static void bounds_became_inputs_in_11(void **state) {
    (void)state;
    builder b;
    for (int64_t opset = 7; opset <= 10; opset += 3) {
        build_clip(&b, opset, "x");
        expect_bounds(&b, -INFINITY, INFINITY);
        build_clip(&b, opset, "x");
        builder_float(&b, b.graph.node[0], "max", 6);
        builder_float(&b, b.graph.node[0], "min", 0);
        expect_bounds(&b, 0, 6);
        build_clip(&b, opset, "x,low");
        expect_failure(&b, TN_ERR_FORMAT, "2 inputs, but Clip takes 1 to 1");
    }
    for (int64_t opset = 11; opset <= 17; opset += 3) {
        build_clip(&b, opset, "x");
        expect_bounds(&b, -INFINITY, INFINITY);
        build_clip(&b, opset, "x,low");
        expect_bounds(&b, -0.25, INFINITY);
        build_clip(&b, opset, "x,,high");
        expect_bounds(&b, -INFINITY, 0.75);
        build_clip(&b, opset, "x,low,high");
        expect_bounds(&b, -0.25, 0.75);
        build_clip(&b, opset, "x");
        builder_float(&b, b.graph.node[0], "max", 6);
        expect_failure(&b, TN_ERR_UNSUPPORTED, "attribute \"max\" is not known");
    }
}

static void bounds_are_checked(void **state) {
    (void)state;
    builder b;
    build_clip(&b, 17, "x,x");
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\" must be a constant");
    build_clip(&b, 17, "x,low,high,low");
    expect_failure(&b, TN_ERR_FORMAT, "4 inputs");
    build_clip(&b, 17, "x,low,high");
    *(float *)(void *)b.graph.initializer[1]->raw_data.data = NAN;
    expect_failure(&b, TN_ERR_FORMAT, "node \"clip\" (Clip): max is nan");
    build_clip(&b, 17, "x,low,list");
    builder_tensor(&b, "list", DIMS(2));
    expect_failure(&b, TN_ERR_FORMAT, "input \"list\" must be one number");
}

static void hard_swish_came_with_14(void **state) {
    (void)state;
    for (int64_t opset = 13; opset <= 14; opset++) {
        builder b;
        builder_begin(&b);
        b.model.opset_import[0]->version = opset;
        builder_input(&b, "x", DIMS(0, 4));
        builder_output(&b, "y", DIMS(0, 4));
        builder_node(&b, "HardSwish", "swish", "x", "y");
        if (opset == 13)
            expect_failure(&b, TN_ERR_FORMAT, "(HardSwish): operator not known before opset 14");
        else
            round_trip(import_good(&b));
    }
}

static void opsets_beyond_the_range_are_refused(void **state) {
    (void)state;
    static const int64_t versions[] = {-1, 0, 5, 23, INT64_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        builder b;
        char text[64];
        builder_tiny(&b);
        b.model.opset_import[0]->version = versions[i];
        snprintf(text, sizeof text, "opset %lld is not supported", (long long)versions[i]);
        expect_failure(&b, TN_ERR_UNSUPPORTED, text);
    }
}

/* Softplus is what it was in the first opset; Relu could say which inputs it consumed. */
static void operators_that_never_changed_may_be_older(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        builder b;
        builder_begin(&b);
        b.model.opset_import[0]->version = 1;
        builder_input(&b, "x", DIMS(0, 4));
        builder_output(&b, "y", DIMS(0, 4));
        builder_node(&b, i ? "Relu" : "Softplus", "node", "x", "y");
        if (i)
            expect_failure(&b, TN_ERR_UNSUPPORTED, "opset 1 is not supported");
        else
            round_trip(import_good(&b));
    }
}

static void a_missing_opset_is_an_error(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.model.n_opset_import = 0;
    expect_failure(&b, TN_ERR_FORMAT, "no opset is given");
    builder_tiny(&b);
    b.model.opset_import[0]->domain = builder_text(&b, "com.microsoft");
    expect_failure(&b, TN_ERR_FORMAT, "no opset is given");
}

static void ir_versions_beyond_the_range_are_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.model.ir_version = 2;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "IR version 2");
    builder_tiny(&b);
    b.model.ir_version = 12;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "IR version 12");
    builder_tiny(&b);
    b.model.has_ir_version = false;
    expect_failure(&b, TN_ERR_FORMAT, "IR version");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropouts_are_numbered_and_get_their_ratio),
        cmocka_unit_test(training_mode_may_be_given),
        cmocka_unit_test(a_ratio_that_is_computed_is_refused),
        cmocka_unit_test(a_ratio_of_1_is_refused),
        cmocka_unit_test(our_own_attributes_are_not_onnx),
        cmocka_unit_test(log_softmax_meant_something_else_before_13),
        cmocka_unit_test(flatten_took_no_negative_axis_before_11),
        cmocka_unit_test(a_mean_takes_negative_axes),
        cmocka_unit_test(a_mean_over_the_batch_is_refused),
        cmocka_unit_test(attributes_of_later_opsets_are_refused),
        cmocka_unit_test(a_reshape_keeps_its_shape),
        cmocka_unit_test(a_constant_cast_to_the_type_of_an_input_is_one),
        cmocka_unit_test(axes_became_an_input_in_13),
        cmocka_unit_test(axes_may_be_left_out_of_squeeze_only),
        cmocka_unit_test(an_empty_list_survives_a_round_trip),
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(pads_became_inputs_in_11),
        cmocka_unit_test(softmax_meant_something_else_before_13),
        cmocka_unit_test(a_model_that_moves_survives_a_round_trip),
        cmocka_unit_test(onnx_accepts_a_model_that_moves),
        cmocka_unit_test(activations_survive_a_round_trip),
        cmocka_unit_test(onnx_accepts_activations),
        cmocka_unit_test(bounds_became_inputs_in_11),
        cmocka_unit_test(bounds_are_checked),
        cmocka_unit_test(hard_swish_came_with_14),
        cmocka_unit_test(opsets_beyond_the_range_are_refused),
        cmocka_unit_test(a_missing_opset_is_an_error),
        cmocka_unit_test(operators_that_never_changed_may_be_older),
        cmocka_unit_test(ir_versions_beyond_the_range_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
