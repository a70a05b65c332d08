/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <math.h>

#include "base/file.h"
#include "graph/model.h"
#include "models/models.h"
#include "onnx/onnx.h"
#include "onnx/tensor_pb.h"
#include "onnx_builder.h"
#include "ops/ops.h"
#include "scratch.h"

enum { CHECKER_MISSING = 77 };

/* ---- Helpers ---- */

static tn_status import_built(const builder *b, tn_model **model, tn_error *error) {
    size_t n;
    void *bytes = builder_pack(b, &n);
    tn_status status = tn_onnx_import(bytes, n, "test.onnx", model, error);
    free(bytes);
    return status;
}

/* Imports, expecting success; ends the builder. */
static tn_model *import_good(builder *b) {
    tn_error error = {""};
    tn_model *model = NULL;
    if (import_built(b, &model, &error) != TN_OK) fail_msg("%s", error.message);
    builder_end(b);
    return model;
}

/* Imports, expecting this status and a message that names the file and holds text; ends the
 * builder. */
static void expect_failure(builder *b, tn_status expected, const char *text) {
    tn_error error = {""};
    tn_model *model = NULL;
    tn_status status = import_built(b, &model, &error);
    builder_end(b);
    assert_null(model);
    if (status != expected || !strstr(error.message, text))
        fail_msg("status %s, message \"%s\", expected %s, \"%s\"", tn_status_name(status),
                 error.message, tn_status_name(expected), text);
    assert_ptr_equal(strstr(error.message, "test.onnx: "), error.message);
}

static tn_model *build(const tn_builtin *builtin) {
    tn_model *model = NULL;
    tn_error error = {""};
    tn_model_options options = TN_INIT(tn_model_options);
    assert_non_null(builtin);
    if (tn_model_build(builtin->name, &options, &model, &error) != TN_OK)
        fail_msg("%s", error.message);
    return model;
}

static void *export_good(const tn_model *model, size_t *n) {
    void *bytes = NULL;
    tn_error error = {""};
    if (tn_onnx_export(model, &bytes, n, &error) != TN_OK) fail_msg("%s", error.message);
    return bytes;
}

static tn_model *import_bytes(const void *bytes, size_t n) {
    tn_model *model = NULL;
    tn_error error = {""};
    if (tn_onnx_import(bytes, n, NULL, &model, &error) != TN_OK) fail_msg("%s", error.message);
    return model;
}

static void assert_same_value(const tn_value *a, const tn_value *b) {
    assert_int_equal(a != NULL, b != NULL);
    if (!a) return;
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->dtype, b->dtype);
    assert_true(tn_shape_equal(&a->shape, &b->shape));
    assert_int_equal(a->data != NULL, b->data != NULL);
    if (a->data)
        assert_memory_equal(a->data, b->data,
                            (size_t)tn_shape_elements(&a->shape) * tn_dtype_file_bytes(a->dtype));
}

static void assert_same_attrs(const tn_node *a, const tn_node *b) {
    for (const tn_attr *t = a->op->attrs; t && t->name; t++) {
        const void *p = (const char *)a->attrs + t->offset, *q = (const char *)b->attrs + t->offset;
        const tn_ints *ints_p = p, *ints_q = q;
        switch (t->type) {
        case TN_ATTR_INT: assert_int_equal(*(const int64_t *)p, *(const int64_t *)q); break;
        case TN_ATTR_FLOAT: assert_memory_equal(p, q, sizeof(double)); break;
        case TN_ATTR_STRING: assert_string_equal(p, q); break;
        case TN_ATTR_INTS:
            assert_int_equal(ints_p->n, ints_q->n);
            assert_memory_equal(ints_p->v, ints_q->v, (size_t)ints_p->n * sizeof *ints_p->v);
            break;
        }
    }
}

static void assert_same_model(const tn_model *a, const tn_model *b) {
    char sha_a[65], sha_b[65];
    tn_model_weights_sha256(a, sha_a);
    tn_model_weights_sha256(b, sha_b);
    assert_string_equal(sha_a, sha_b);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->n_classes, b->n_classes);
    for (int i = 0; i < a->n_classes; i++)
        assert_string_equal(a->class_names[i], b->class_names[i]);
    const tn_graph *g = a->graph, *h = b->graph;
    assert_int_equal(g->n_inputs, h->n_inputs);
    for (int i = 0; i < g->n_inputs; i++) assert_same_value(g->inputs[i], h->inputs[i]);
    assert_int_equal(g->n_outputs, h->n_outputs);
    for (int i = 0; i < g->n_outputs; i++) assert_same_value(g->outputs[i], h->outputs[i]);
    assert_int_equal(g->n_parameters, h->n_parameters);
    for (int i = 0; i < g->n_parameters; i++) assert_same_value(g->parameters[i], h->parameters[i]);
    assert_int_equal(g->n_nodes, h->n_nodes);
    for (int i = 0; i < g->n_nodes; i++) {
        const tn_node *m = g->nodes[i], *n = h->nodes[i];
        assert_string_equal(m->name, n->name);
        assert_ptr_equal(m->op, n->op);
        assert_same_attrs(m, n);
        assert_int_equal(m->n_inputs, n->n_inputs);
        for (int j = 0; j < m->n_inputs; j++) assert_same_value(m->inputs[j], n->inputs[j]);
        assert_int_equal(m->n_outputs, n->n_outputs);
        for (int j = 0; j < m->n_outputs; j++) assert_same_value(m->outputs[j], n->outputs[j]);
    }
}

/* import(export(m)) is m, and export(import(export(m))) the same bytes again. Frees m. */
static void round_trip(tn_model *model) {
    size_t n, n_again;
    void *bytes = export_good(model, &n);
    tn_model *copy = import_bytes(bytes, n);
    assert_same_model(model, copy);
    void *again = export_good(copy, &n_again);
    assert_int_equal(n, n_again);
    assert_memory_equal(bytes, again, n);
    free(again);
    free(bytes);
    tn_model_free(copy);
    tn_model_free(model);
}

/* What ONNX's own checker says of the model. Frees it. */
static void check_with_onnx(tn_model *model) {
    size_t n;
    char command[1024];
    void *bytes = export_good(model, &n);
    const char *path = scratch_write("model.onnx", bytes, n), *source = getenv("TENON_SOURCE");
    free(bytes);
    tn_model_free(model);
    snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/onnx_checker.py %s",
             source ? source : ".", path);
    int result = system(command);
    if (WIFEXITED(result) && WEXITSTATUS(result) == CHECKER_MISSING) skip();
    assert_int_equal(result, 0);
}

static tn_model *build_tiny(void) {
    builder b;
    builder_tiny(&b);
    return import_good(&b);
}

/* x [N,2,8,8] pooled in each way. */
static tn_model *build_pools(void) {
    builder b;
    builder_begin(&b);
    builder_input(&b, "x", DIMS(0, 2, 8, 8));
    builder_output(&b, "y", DIMS(0, 2, 1, 1));
    builder_output(&b, "z", DIMS(0, 1, 4));
    builder_output(&b, "m", DIMS(0, 2, 1, 1));
    TnOnnx__NodeProto *pool = builder_node(&b, "AveragePool", "pool", "x", "p");
    builder_ints(&b, pool, "kernel_shape", DIMS(3, 2));
    builder_ints(&b, pool, "strides", DIMS(2, 2));
    builder_ints(&b, pool, "pads", DIMS(1, 0, 1, 0));
    builder_int(&b, pool, "ceil_mode", 1);
    builder_int(&b, pool, "count_include_pad", 1);
    builder_node(&b, "GlobalAveragePool", "all", "p", "y");
    builder_node(&b, "GlobalMaxPool", "most", "p", "m");
    TnOnnx__NodeProto *mean = builder_node(&b, "ReduceMean", "mean", "p", "r");
    builder_ints(&b, mean, "axes", DIMS(2));
    builder_int(&b, mean, "keepdims", 0);
    builder_ints(&b, builder_node(&b, "ReduceMean", "channels", "r", "z"), "axes", DIMS(-2));
    return import_good(&b);
}

/* ---- Whole models ---- */

static void mnist_cnn_survives_a_round_trip(void **state) {
    (void)state;
    round_trip(build(&tn_builtin_mnist_cnn));
}

static void lenet_survives_a_round_trip(void **state) {
    (void)state;
    round_trip(build(&tn_builtin_lenet));
}

static void an_imported_model_survives_a_round_trip(void **state) {
    (void)state;
    round_trip(build_tiny());
}

static void pooling_survives_a_round_trip(void **state) {
    (void)state;
    round_trip(build_pools());
}

static void onnx_accepts_mnist_cnn(void **state) {
    (void)state;
    check_with_onnx(build(&tn_builtin_mnist_cnn));
}

static void onnx_accepts_lenet(void **state) {
    (void)state;
    check_with_onnx(build(&tn_builtin_lenet));
}

static void onnx_accepts_an_imported_model(void **state) {
    (void)state;
    check_with_onnx(build_tiny());
}

static void onnx_accepts_pooling(void **state) {
    (void)state;
    check_with_onnx(build_pools());
}

static void class_names_and_image_travel(void **state) {
    (void)state;
    static const char *const names[] = {"zero, \"quoted\"", "één", "two"};
    builder b;
    builder_tiny(&b);
    b.model.producer_name = builder_text(&b, "tenon");
    builder_metadata(&b, "class_names", "[\"zero, \\\"quoted\\\"\", \"één\", \"two\"]");
    tn_model *model = import_good(&b);
    assert_int_equal(model->n_classes, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(model->class_names[i], names[i]);
    size_t n;
    void *bytes = export_good(model, &n);
    static const char image[] = "{\"channels\":1,\"height\":6,\"width\":6,\"scale\":\"0..1\","
                                "\"color\":\"gray\"}";
    assert_non_null(memmem(bytes, n, image, strlen(image)));
    free(bytes);
    round_trip(model);
}

static void class_names_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"[\"a\", \"b\"]", "[1, 2, 3]", "{}", "[\"a\",", ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        builder b;
        builder_tiny(&b);
        b.model.producer_name = builder_text(&b, "tenon");
        builder_metadata(&b, "class_names", texts[i]);
        expect_failure(&b, TN_ERR_FORMAT, "class_names");
    }
}

static void class_names_of_another_program_are_not_ours(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_metadata(&b, "class_names", "{0: 'cat', 1: 'dog'}");
    tn_model *model = import_good(&b);
    assert_string_equal(model->class_names[0], "0");
    tn_model_free(model);
}

/* ---- What becomes what ---- */

static void floats_are_weights_unless_marked(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_metadata(&b, "tenon.constants", "[\"conv.b\", \"absent\"]");
    tn_model *model = import_good(&b);
    static const char *const weights[] = {"conv.w", "fc.w", "fc.b"};
    assert_int_equal(model->graph->n_parameters, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(model->graph->parameters[i]->name, weights[i]);
    assert_int_equal(tn_graph_find_value(model->graph, "conv.b")->kind, TN_VALUE_CONSTANT);
    assert_null(tn_graph_find_value(model->graph, "ratio"));
    round_trip(model);
}

static void constants_that_are_no_list_are_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_metadata(&b, "tenon.constants", "\"conv.b\"");
    expect_failure(&b, TN_ERR_FORMAT, "tenon.constants");
}

static void unused_initializers_are_left_out(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_tensor(&b, "nobody's", DIMS(5));
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_parameters, 4);
    assert_null(tn_graph_find_value(model->graph, "nobody's"));
    tn_model_free(model);
}

static void initializers_listed_as_inputs_are_no_inputs(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.model.ir_version = 3;
    builder_input(&b, "fc.w", DIMS(3, 8));
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_inputs, 1);
    assert_int_equal(model->graph->n_parameters, 4);
    tn_model_free(model);
}

static void constant_nodes_become_constants(void **state) {
    (void)state;
    builder b;
    builder_begin(&b);
    builder_input(&b, "x", DIMS(0, 3));
    builder_output(&b, "y", DIMS(0, 3));
    TnOnnx__NodeProto *floats = builder_node(&b, "Constant", "", "", "k");
    TnOnnx__AttributeProto *a = builder_attr(&b, floats, "value_floats", TN_ONNX_ATTR_FLOATS);
    float three[] = {1, 2, 3};
    a->n_floats = 3;
    a->floats = three;
    builder_float(&b, builder_node(&b, "Constant", "", "", "s"), "value_float", 0.5f);
    builder_node(&b, "Mul", "", "x,k", "m");
    builder_node(&b, "Add", "", "m,s", "y");
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_nodes, 2);
    assert_int_equal(model->graph->n_parameters, 0);
    const tn_value *k = tn_graph_find_value(model->graph, "k");
    assert_int_equal(k->kind, TN_VALUE_CONSTANT);
    assert_memory_equal(k->data, three, sizeof three);
    assert_int_equal(tn_graph_find_value(model->graph, "s")->shape.rank, 0);
    assert_string_equal(model->graph->nodes[0]->name, "Mul_2");
    round_trip(model);
}

static void the_first_dimension_is_the_batch(void **state) {
    (void)state;
    for (int64_t n = 0; n < 3; n++) {
        builder b;
        builder_begin(&b);
        builder_input(&b, "x", DIMS(n, 4));
        builder_output(&b, "y", DIMS(n, 4));
        builder_node(&b, "Relu", "relu", "x", "y");
        tn_model *model = import_good(&b);
        const tn_shape *shape = &model->graph->inputs[0]->shape;
        assert_true(shape->batched);
        assert_int_equal(shape->dims[0], 1);
        assert_true(model->graph->outputs[0]->shape.batched);
        tn_model_free(model);
    }
}

static void typed_data_and_double_are_read(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    float bias[] = {1, 2};
    double fc[] = {0.5, 0.25, -8};
    TnOnnx__TensorProto *conv_b = b.graph.initializer[1], *fc_b = b.graph.initializer[3];
    conv_b->has_raw_data = false;
    conv_b->n_float_data = 2;
    conv_b->float_data = bias;
    fc_b->has_raw_data = false;
    fc_b->data_type = TN_ONNX_DOUBLE;
    fc_b->n_double_data = 3;
    fc_b->double_data = fc;
    tn_model *model = import_good(&b);
    assert_memory_equal(tn_graph_find_value(model->graph, "conv.b")->data, bias, sizeof bias);
    const float *values = tn_graph_find_value(model->graph, "fc.b")->data;
    for (int i = 0; i < 3; i++) assert_true(values[i] == (float)fc[i]);
    tn_model_free(model);
}

static void nodes_in_any_order_are_sorted(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    TnOnnx__NodeProto *first = b.graph.node[0];
    memmove(b.graph.node, b.graph.node + 1, 6 * sizeof *b.graph.node);
    b.graph.node[6] = first;
    tn_model *model = import_good(&b), *sorted = build_tiny();
    assert_same_model(model, sorted);
    tn_model_free(sorted);
    tn_model_free(model);
}

static void nodes_may_share_a_name_or_have_none(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.node[0]->name = builder_text(&b, "same");
    b.graph.node[1]->name = builder_text(&b, "same");
    b.graph.node[2]->name = NULL;
    tn_model *model = import_good(&b);
    assert_string_equal(model->graph->nodes[0]->name, "same");
    assert_string_equal(model->graph->nodes[1]->name, "Relu_1");
    assert_string_equal(model->graph->nodes[2]->name, "MaxPool_2");
    round_trip(model);
}

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
    expect_failure(&b, TN_ERR_UNSUPPORTED, "axis 1 of 3 dimensions (before opset 13");
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
    b.graph.initializer[0]->data_type = TN_ONNX_INT32;
    b.graph.initializer[0]->raw_data.len = 8;
    expect_failure(&b, TN_ERR_FORMAT, "input \"list\" must be a list of int64");
    build_listed(&b, 17, "Reshape", "shape", DIMS(1, -1), true);
    b.graph.initializer[0]->n_dims = 2;
    b.graph.initializer[0]->dims = (int64_t[]){2, 1};
    expect_failure(&b, TN_ERR_FORMAT, "input \"list\" must be a list of int64");
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
        if (opset == 12)
            expect_failure(&b, TN_ERR_UNSUPPORTED, "axis 1 of 3 dimensions (before opset 13");
        else
            expect_dims(&b, DIMS(1, 1, 3));
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
    static const int64_t versions[] = {-1, 0, 6, 18, INT64_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        builder b;
        char text[64];
        builder_tiny(&b);
        b.model.opset_import[0]->version = versions[i];
        snprintf(text, sizeof text, "opset %lld is not supported", (long long)versions[i]);
        expect_failure(&b, TN_ERR_UNSUPPORTED, text);
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
    b.model.ir_version = 11;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "IR version 11");
    builder_tiny(&b);
    b.model.has_ir_version = false;
    expect_failure(&b, TN_ERR_FORMAT, "IR version");
}

/* ---- Hostile graphs ---- */

static void a_cycle_is_found(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.node[0]->input[0] = builder_text(&b, "p");
    expect_failure(&b, TN_ERR_FORMAT, "the graph has a cycle through node \"");
    builder_tiny(&b);
    b.graph.node[1]->input[0] = builder_text(&b, "r");
    expect_failure(&b, TN_ERR_FORMAT, "the graph has a cycle through node \"relu\" (Relu)");
}

static void a_missing_value_is_named(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.node[1]->input[0] = builder_text(&b, "lost");
    expect_failure(&b, TN_ERR_FORMAT, "node \"relu\" (Relu): nothing computes its input \"lost\"");
    builder_tiny(&b);
    b.graph.node[1]->input[0] = builder_text(&b, "");
    expect_failure(&b, TN_ERR_FORMAT, "node \"relu\" (Relu): ");
    builder_tiny(&b);
    b.graph.output[0]->name = builder_text(&b, "lost");
    expect_failure(&b, TN_ERR_FORMAT, "output \"lost\" is computed by no node");
}

static void a_value_computed_twice_is_named(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.node[1]->output[0] = builder_text(&b, "c");
    expect_failure(&b, TN_ERR_FORMAT, "two values are called \"c\"");
    builder_tiny(&b);
    b.graph.initializer[3]->name = builder_text(&b, "fc.w");
    expect_failure(&b, TN_ERR_FORMAT, "two values are called \"fc.w\"");
    builder_tiny(&b);
    b.graph.node[6]->output[0] = builder_text(&b, "x");
    expect_failure(&b, TN_ERR_FORMAT, "two values are called \"x\"");
    builder_tiny(&b);
    builder_output(&b, "y", DIMS(0, 3));
    expect_failure(&b, TN_ERR_FORMAT, "output \"y\" is given twice");
}

static void nameless_and_unreadable_names_are_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.input[0]->name = NULL;
    expect_failure(&b, TN_ERR_FORMAT, "input 0 has no name");
    builder_tiny(&b);
    b.graph.node[0]->output[0] = builder_text(&b, "\xff\xfe");
    expect_failure(&b, TN_ERR_FORMAT, "the name of node 0 is not UTF-8");
}

static void an_unsupported_operator_is_named(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.model.opset_import[0]->version = 13;
    b.graph.node[1]->op_type = builder_text(&b, "Einsum");
    expect_failure(&b, TN_ERR_UNSUPPORTED,
                   "node \"relu\" (Einsum, opset 13): operator not supported");
    builder_tiny(&b);
    b.graph.node[1]->domain = builder_text(&b, "com.microsoft");
    expect_failure(&b, TN_ERR_UNSUPPORTED,
                   "node \"relu\" (Relu, domain com.microsoft): operator not supported");
    builder_tiny(&b);
    b.graph.node[1]->op_type = NULL;
    expect_failure(&b, TN_ERR_FORMAT, "node \"relu\" has no operator");
}

static void a_graph_without_outputs_is_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    b.graph.n_output = 0;
    expect_failure(&b, TN_ERR_FORMAT, "the graph has no outputs");
    builder_tiny(&b);
    b.graph.node[6]->n_output = 0;
    expect_failure(&b, TN_ERR_FORMAT, "output \"y\" is computed by no node");
    builder_tiny(&b);
    b.model.graph = NULL;
    expect_failure(&b, TN_ERR_FORMAT, "it has no graph");
}

static void an_output_that_is_not_computed_is_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_output(&b, "x", DIMS(0, 1, 6, 6));
    expect_failure(&b, TN_ERR_UNSUPPORTED, "output \"x\" is computed by no node");
}

static void outputs_of_an_operator_that_we_lack_are_refused_if_used(void **state) {
    (void)state;
    for (int used = 0; used < 2; used++) {
        builder b;
        builder_tiny(&b);
        size_t n = 0;
        b.graph.node[2]->output = builder_split(&b, "p,indices", &n);
        b.graph.node[2]->n_output = n;
        if (used) builder_output(&b, "indices", DIMS(0, 2, 2, 2));
        if (used)
            expect_failure(&b, TN_ERR_UNSUPPORTED, "output 1 (\"indices\") is not supported");
        else
            tn_model_free(import_good(&b));
    }
}

static void too_many_inputs_are_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    size_t n = 0;
    b.graph.node[1]->input = builder_split(&b, "c,c,c,c,c,c,c,c,c,c,c,c", &n);
    b.graph.node[1]->n_input = n;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "node \"relu\" (Relu): 12 inputs");
    builder_tiny(&b);
    n = 0;
    b.graph.node[4]->input = builder_split(&b, "f,ratio,ratio,ratio", &n);
    b.graph.node[4]->n_input = n;
    expect_failure(&b, TN_ERR_FORMAT, "node \"drop\" (Dropout): 4 inputs");
}

static void a_long_chain_is_no_recursion(void **state) {
    (void)state;
    enum { LENGTH = 2000 };
    static TnOnnx__NodeProto nodes[LENGTH], *list[LENGTH];
    static char names[LENGTH + 1][16], *inputs[LENGTH], *outputs[LENGTH];
    builder b;
    builder_begin(&b);
    for (int i = 0; i <= LENGTH; i++) snprintf(names[i], sizeof names[i], "v%d", i);
    for (int i = 0; i < LENGTH; i++) {
        inputs[i] = names[i];
        outputs[i] = names[i + 1];
        tn_onnx__node_proto__init(&nodes[i]);
        nodes[i].op_type = builder_text(&b, "Relu");
        nodes[i].n_input = nodes[i].n_output = 1;
        nodes[i].input = &inputs[i];
        nodes[i].output = &outputs[i];
        list[LENGTH - 1 - i] = &nodes[i]; /* backwards: the sorting goes to the full depth */
    }
    b.graph.node = list;
    b.graph.n_node = LENGTH;
    builder_input(&b, names[0], DIMS(0, 4));
    builder_output(&b, names[LENGTH], DIMS(0, 4));
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_nodes, LENGTH);
    tn_model_free(model);
}

static void too_many_nodes_are_refused(void **state) {
    (void)state;
    enum { TOO_MANY = 10001 };
    static TnOnnx__NodeProto *list[TOO_MANY];
    builder b;
    builder_tiny(&b);
    for (int i = 0; i < TOO_MANY; i++) list[i] = b.graph.node[0];
    b.graph.node = list;
    b.graph.n_node = TOO_MANY;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "the graph has 10001 nodes (at most 10000)");
}

/* ---- Hostile shapes and attributes ---- */

static void shapes_that_do_not_fit_name_the_node(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_dims(&b, b.graph.initializer[0], DIMS(2, 9));
    expect_failure(&b, TN_ERR_FORMAT,
                   "node \"conv\" (Conv): weight has 2 dimensions but input \"x\" has 4");
    builder_tiny(&b);
    builder_dims(&b, b.graph.initializer[2], DIMS(4, 6));
    expect_failure(&b, TN_ERR_FORMAT, "node \"fc\" (Gemm): ");
    builder_tiny(&b);
    builder_dims(&b, b.graph.initializer[0], DIMS(1, 2, 3, 3));
    expect_failure(&b, TN_ERR_FORMAT, "node \"conv\" (Conv): ");
}

static void declared_outputs_are_checked(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_type(&b, b.graph.output[0], "y", DIMS(0, 4));
    expect_failure(&b, TN_ERR_FORMAT, "output \"y\" is 1x3, not of the shape declared");
    builder_tiny(&b);
    b.graph.output[0]->type->tensor_type->elem_type = TN_ONNX_INT64;
    expect_failure(&b, TN_ERR_FORMAT, "output \"y\" is declared as int64 but is float32");
}

static void inputs_are_checked(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_type(&b, b.graph.input[0], "x", DIMS(0, 1, 0, 6));
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\": dimension 2 (\"M\") has no fixed size");
    builder_tiny(&b);
    builder_type(&b, b.graph.input[0], "x", DIMS(0, -1, 6, 6));
    expect_failure(&b, TN_ERR_FORMAT, "input \"x\": dimension 1 is -1");
    builder_tiny(&b);
    builder_type(&b, b.graph.input[0], "x", DIMS(0, 1, 1, 1, 1, 1, 1, 1, 1));
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\": 9 dimensions");
    builder_tiny(&b);
    builder_type(&b, b.graph.input[0], "x", DIMS(0, INT64_MAX, INT64_MAX, 6));
    expect_failure(&b, TN_ERR_FORMAT, "input \"x\": impossible shape");
    builder_tiny(&b);
    b.graph.input[0]->type->tensor_type->shape = NULL;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\": it is no tensor of known shape");
    builder_tiny(&b);
    b.graph.input[0]->type->tensor_type->elem_type = 10;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\": data type float16 (10)");
}

static void strides_groups_and_dilations_of_zero_are_refused(void **state) {
    (void)state;
    static const char *const lists[] = {"strides", "dilations", "kernel_shape"};
    for (size_t i = 0; i < 3; i++) {
        builder b;
        builder_tiny(&b);
        builder_ints(&b, b.graph.node[0], lists[i], DIMS(0, 0));
        expect_failure(&b, TN_ERR_FORMAT, "node \"conv\" (Conv): ");
        builder_tiny(&b);
        builder_ints(&b, b.graph.node[0], lists[i], DIMS(INT64_MAX, INT64_MAX));
        expect_failure(&b, TN_ERR_FORMAT, "node \"conv\" (Conv): ");
    }
    builder b;
    builder_tiny(&b);
    builder_int(&b, b.graph.node[0], "group", 0);
    expect_failure(&b, TN_ERR_FORMAT, "node \"conv\" (Conv): ");
    builder_tiny(&b);
    builder_ints(&b, b.graph.node[0], "pads", DIMS(-1, 0, 0, 0));
    expect_failure(&b, TN_ERR_FORMAT, "node \"conv\" (Conv): pads holds -1");
}

static void a_kernel_larger_than_the_image_is_refused(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_type(&b, b.graph.input[0], "x", DIMS(0, 1, 2, 6));
    expect_failure(&b, TN_ERR_FORMAT, "node \"conv\" (Conv): ");
}

static void attributes_are_checked(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    builder_string(&b, b.graph.node[0], "group", "1");
    expect_failure(&b, TN_ERR_FORMAT,
                   "node \"conv\" (Conv): attribute \"group\" has type string, not int");
    builder_tiny(&b);
    builder_int(&b, b.graph.node[0], "colour", 1);
    expect_failure(&b, TN_ERR_UNSUPPORTED,
                   "node \"conv\" (Conv): attribute \"colour\" is not known");
    builder_tiny(&b);
    builder_int(&b, b.graph.node[0], "group", 1);
    builder_int(&b, b.graph.node[0], "group", 1);
    expect_failure(&b, TN_ERR_FORMAT, "attribute \"group\" is given twice");
    builder_tiny(&b);
    b.graph.node[2]->n_attribute = 0;
    expect_failure(&b, TN_ERR_FORMAT,
                   "node \"pool\" (MaxPool): attribute \"kernel_shape\" is missing");
    builder_tiny(&b);
    builder_attr(&b, b.graph.node[0], "group", 5); /* a graph */
    expect_failure(&b, TN_ERR_FORMAT, "attribute \"group\" has type graph, not int");
    builder_tiny(&b);
    builder_string(&b, b.graph.node[0], "auto_pad", "A VALUE FAR LONGER THAN ANY THAT ONNX KNOWS");
    expect_failure(&b, TN_ERR_FORMAT, "attribute \"auto_pad\" has an impossible value");
    builder_tiny(&b);
    builder_ints(&b, b.graph.node[0], "pads", 17, (int64_t[17]){0});
    expect_failure(&b, TN_ERR_UNSUPPORTED, "attribute \"pads\" has 17 numbers");
}

/* ---- Hostile tensors ---- */

static void expect_bad_weight(builder *b, tn_status status, const char *why) {
    char text[256];
    snprintf(text, sizeof text, "tensor \"fc.w\": %s", why);
    expect_failure(b, status, text);
}

static TnOnnx__TensorProto *begin_weight(builder *b) {
    builder_tiny(b);
    return b->graph.initializer[2];
}

static void dims_that_lie_are_refused(void **state) {
    (void)state;
    builder b;
    builder_dims(&b, begin_weight(&b), DIMS(-3, -8));
    expect_bad_weight(&b, TN_ERR_FORMAT, "dimension 0 is -3");
    /* The product overflows to 0, to a small number, or fits while its size in bytes does not. */
    builder_dims(&b, begin_weight(&b), DIMS((int64_t)1 << 32, (int64_t)1 << 32));
    expect_bad_weight(&b, TN_ERR_FORMAT, "its dimensions multiply to an impossible size");
    builder_dims(&b, begin_weight(&b), DIMS(INT64_MAX, 2));
    expect_bad_weight(&b, TN_ERR_FORMAT, "its dimensions multiply to an impossible size");
    builder_dims(&b, begin_weight(&b), DIMS((int64_t)1 << 62));
    expect_bad_weight(&b, TN_ERR_FORMAT, "its dimensions multiply to an impossible size");
    builder_dims(&b, begin_weight(&b), DIMS(0, INT64_MAX, INT64_MAX));
    expect_bad_weight(&b, TN_ERR_FORMAT, "its dimensions multiply to an impossible size");
    builder_dims(&b, begin_weight(&b), DIMS(1, 1, 1, 1, 1, 1, 1, 1, 24));
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "9 dimensions (at most 8)");
    builder_dims(&b, begin_weight(&b), DIMS(3, (int64_t)1 << 40));
    expect_bad_weight(&b, TN_ERR_FORMAT, "its shape needs");
    builder_dims(&b, begin_weight(&b), DIMS(3, 0));
    expect_bad_weight(&b, TN_ERR_FORMAT, "its shape needs 0 bytes of data, not 96");
}

static void data_of_another_size_is_refused(void **state) {
    (void)state;
    builder b;
    float numbers[24] = {0};
    begin_weight(&b)->raw_data.len--;
    expect_bad_weight(&b, TN_ERR_FORMAT, "its shape needs 96 bytes of data, not 95");
    TnOnnx__TensorProto *w = begin_weight(&b);
    w->n_float_data = 24;
    w->float_data = numbers;
    expect_bad_weight(&b, TN_ERR_FORMAT, "has both raw and typed data");
    w = begin_weight(&b);
    w->has_raw_data = false;
    w->n_float_data = 23;
    w->float_data = numbers;
    expect_bad_weight(&b, TN_ERR_FORMAT, "its shape needs 24 values, not 23");
    begin_weight(&b)->has_raw_data = false;
    expect_bad_weight(&b, TN_ERR_FORMAT, "its shape needs 24 values, not 0");
    int32_t ints[24] = {0};
    w = begin_weight(&b);
    w->has_raw_data = false;
    w->n_int32_data = 24;
    w->int32_data = ints;
    expect_bad_weight(&b, TN_ERR_FORMAT, "has data of another type than float32");
}

static void data_types_are_checked(void **state) {
    (void)state;
    builder b;
    begin_weight(&b)->data_type = 10;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "data type float16 (10) is not supported");
    begin_weight(&b)->data_type = TN_ONNX_STRING;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "data type string (8) is not supported");
    begin_weight(&b)->data_type = -1;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "data type unknown (-1) is not supported");
    double huge[3] = {1, 2, 1e300};
    builder_tiny(&b);
    b.graph.initializer[3]->data_type = TN_ONNX_DOUBLE;
    b.graph.initializer[3]->raw_data.data = (uint8_t *)huge;
    b.graph.initializer[3]->raw_data.len = sizeof huge;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "tensor \"fc.b\": holds 1e+300, too large for float32");
}

static void external_data_is_refused(void **state) {
    (void)state;
    builder b;
    TnOnnx__TensorProto *w = begin_weight(&b);
    TnOnnx__StringStringEntryProto *entry =
        BUILDER_ADD(&b, w->external_data, w->n_external_data, TnOnnx__StringStringEntryProto,
                    tn_onnx__string_string_entry_proto__init);
    entry->key = builder_text(&b, "location");
    entry->value = builder_text(&b, "../../etc/passwd");
    w->has_data_location = true;
    w->data_location = 1;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "its data is in another file");
    begin_weight(&b)->has_data_location = true;
    b.graph.initializer[2]->data_location = 1;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "its data is in another file");
}

static void sparse_and_segmented_tensors_are_refused(void **state) {
    (void)state;
    builder b;
    TnOnnx__TensorProto__Segment segment = TN_ONNX__TENSOR_PROTO__SEGMENT__INIT;
    begin_weight(&b)->segment = &segment;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "is a segment of a larger tensor");
    ProtobufCBinaryData sparse = {0, NULL};
    builder_tiny(&b);
    b.graph.n_sparse_initializer = 1;
    b.graph.sparse_initializer = &sparse;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "sparse tensors are not supported");
}

/* ---- Hostile bytes ---- */

/* Imports an exact copy, so that a sanitizer sees reads beyond the end; the result may be either.
 */
static tn_status import_copy(const void *bytes, size_t n) {
    tn_error error = {""};
    tn_model *model = NULL;
    void *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n) memcpy(copy, bytes, n);
    tn_status status = tn_onnx_import(copy, n, NULL, &model, &error);
    free(copy);
    if (status != TN_OK) assert_true(error.message[0] != '\0');
    tn_model_free(model);
    return status;
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    builder b;
    size_t n;
    builder_tiny(&b);
    void *bytes = builder_pack(&b, &n);
    builder_end(&b);
    assert_int_equal(import_copy(bytes, n), TN_OK);
    for (size_t i = 0; i < n; i++) assert_int_not_equal(import_copy(bytes, i), TN_OK);
    free(bytes);
}

static void a_changed_byte_does_no_harm(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x02, 0x08, 0x80, 0xff};
    builder b;
    size_t n, failed = 0;
    builder_tiny(&b);
    uint8_t *bytes = builder_pack(&b, &n);
    builder_end(&b);
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            bytes[i] ^= flips[f];
            failed += import_copy(bytes, n) != TN_OK;
            bytes[i] ^= flips[f];
        }
    free(bytes);
    assert_true(failed > n);
}

static void bytes_that_are_no_model_are_refused(void **state) {
    (void)state;
    static const uint8_t long_varint[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t long_length[] = {0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00};
    assert_int_equal(import_copy("", 0), TN_ERR_FORMAT);
    assert_int_equal(import_copy("\x89PNG\r\n\x1a\n", 8), TN_ERR_FORMAT);
    assert_int_equal(import_copy("hello, world", 12), TN_ERR_FORMAT);
    assert_int_equal(import_copy(long_varint, sizeof long_varint), TN_ERR_FORMAT);
    assert_int_equal(import_copy(long_length, sizeof long_length), TN_ERR_FORMAT);
}

/* A file that says "graph" again and again: merging them all would take quadratic time. */
static void repeated_graphs_stay_cheap(void **state) {
    (void)state;
    enum { BYTES = 1 << 20, NODES = 1 << 17 };
    uint8_t *bytes = malloc(BYTES);
    tn_error error = {""};
    tn_model *model = NULL;
    size_t n = 0;
    assert_non_null(bytes);
    const uint8_t head[] = {0x3a, 0x80, 0x80, 0x10}; /* graph, 2 · NODES bytes long */
    memcpy(bytes, head, sizeof head);
    for (n = sizeof head; n < sizeof head + 2 * NODES; n += 2) memcpy(bytes + n, "\x0a\x00", 2);
    for (; n + 2 <= BYTES; n += 2) memcpy(bytes + n, "\x3a\x00", 2);
    assert_int_equal(tn_onnx_import(bytes, n, NULL, &model, &error), TN_ERR_FORMAT);
    assert_non_null(strstr(error.message, "unpacks to more than"));
    free(bytes);
}

static void the_fuzzer_s_files_do_no_harm(void **state) {
    (void)state;
    char folder[512], path[1024];
    const char *source = getenv("TENON_SOURCE");
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/onnx", source ? source : ".");
    DIR *entries = opendir(folder);
    int n_files = 0, n_good = 0;
    assert_non_null(entries);
    for (struct dirent *e; (e = readdir(entries));) {
        void *bytes;
        int64_t n;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        assert_int_equal(tn_file_read(path, 1 << 20, &bytes, &n, NULL), TN_OK);
        n_good += import_copy(bytes, (size_t)n) == TN_OK;
        n_files++;
        free(bytes);
    }
    closedir(entries);
    assert_true(n_files >= 4 && n_good >= 3);
}

/* ---- Tensor files ---- */

static void tensors_survive_a_pb_file(void **state) {
    (void)state;
    static const tn_dtype types[] = {TN_FLOAT32, TN_UINT8, TN_INT32, TN_INT64};
    static uint8_t data[8 * 6];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 37 + 1);
    for (int i = 0; i < 4; i++) {
        size_t bytes = 6 * tn_dtype_file_bytes(types[i]);
        tn_tensor out = {.name = i ? "scores" : NULL,
                         .dtype = types[i],
                         .rank = 2,
                         .dims = {2, 3},
                         .data = data,
                         .bytes = bytes},
                  in;
        const char *path = scratch_path("tensor.pb");
        void *file;
        int64_t n;
        assert_int_equal(tn_tensor_save_pb(path, &out, NULL), TN_OK);
        assert_int_equal(tn_file_read(path, 1 << 20, &file, &n, NULL), TN_OK);
        assert_int_equal(tn_tensor_load_pb(file, (size_t)n, &in, NULL), TN_OK);
        free(file);
        if (i)
            assert_string_equal(in.name, "scores");
        else
            assert_null(in.name);
        assert_int_equal(in.dtype, types[i]);
        assert_int_equal(in.rank, 2);
        assert_int_equal(in.dims[0], 2);
        assert_int_equal(in.dims[1], 3);
        assert_int_equal(in.bytes, bytes);
        assert_memory_equal(in.data, data, bytes);
        free(in.data);
        free((char *)(uintptr_t)in.name);
    }
}

static tn_status load_proto(const TnOnnx__TensorProto *proto, tn_tensor *tensor, tn_error *error) {
    size_t n = tn_onnx__tensor_proto__get_packed_size(proto);
    void *bytes = malloc(n ? n : 1);
    assert_non_null(bytes);
    tn_onnx__tensor_proto__pack(proto, bytes);
    tn_status status = tn_tensor_load_pb(bytes, n, tensor, error);
    free(bytes);
    return status;
}

static void typed_fields_of_a_pb_file_are_read(void **state) {
    (void)state;
    TnOnnx__TensorProto proto = TN_ONNX__TENSOR_PROTO__INIT;
    int64_t dims[] = {3};
    int32_t small[] = {0, 7, 255};
    tn_tensor tensor;
    tn_error error;
    proto.n_dims = 1;
    proto.dims = dims;
    proto.has_data_type = true;
    proto.data_type = TN_ONNX_UINT8;
    proto.n_int32_data = 3;
    proto.int32_data = small;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_OK);
    assert_int_equal(tensor.dtype, TN_UINT8);
    assert_memory_equal(tensor.data, ((uint8_t[]){0, 7, 255}), 3);
    free(tensor.data);
    small[1] = 256;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_ERR_FORMAT);
    assert_string_equal(error.message, "holds 256, which is no uint8");
    dims[0] = 4;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_ERR_FORMAT);
    assert_string_equal(error.message, "its shape needs 4 values, not 3");
}

static void pb_files_that_lie_are_refused(void **state) {
    (void)state;
    tn_tensor tensor;
    tn_error error;
    assert_int_equal(tn_tensor_load_pb("", 0, &tensor, &error), TN_ERR_UNSUPPORTED);
    assert_int_equal(tn_tensor_load_pb("\x08", 1, &tensor, &error), TN_ERR_FORMAT);
    float data[6] = {0};
    tensor = (tn_tensor){.rank = 2, .dims = {2, 4}, .data = data, .bytes = sizeof data};
    assert_int_equal(tn_tensor_save_pb(scratch_path("no.pb"), &tensor, &error), TN_ERR_ARGUMENT);
    tensor.dims[0] = INT64_MAX;
    assert_int_equal(tn_tensor_save_pb(scratch_path("no.pb"), &tensor, &error), TN_ERR_ARGUMENT);
    assert_int_not_equal(access(scratch_path("no.pb"), F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mnist_cnn_survives_a_round_trip),
        cmocka_unit_test(lenet_survives_a_round_trip),
        cmocka_unit_test(an_imported_model_survives_a_round_trip),
        cmocka_unit_test(pooling_survives_a_round_trip),
        cmocka_unit_test(onnx_accepts_mnist_cnn),
        cmocka_unit_test(onnx_accepts_lenet),
        cmocka_unit_test(onnx_accepts_an_imported_model),
        cmocka_unit_test(onnx_accepts_pooling),
        cmocka_unit_test(class_names_and_image_travel),
        cmocka_unit_test(class_names_that_do_not_fit_are_refused),
        cmocka_unit_test(class_names_of_another_program_are_not_ours),
        cmocka_unit_test(floats_are_weights_unless_marked),
        cmocka_unit_test(constants_that_are_no_list_are_refused),
        cmocka_unit_test(unused_initializers_are_left_out),
        cmocka_unit_test(initializers_listed_as_inputs_are_no_inputs),
        cmocka_unit_test(constant_nodes_become_constants),
        cmocka_unit_test(the_first_dimension_is_the_batch),
        cmocka_unit_test(typed_data_and_double_are_read),
        cmocka_unit_test(nodes_in_any_order_are_sorted),
        cmocka_unit_test(nodes_may_share_a_name_or_have_none),
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
        cmocka_unit_test(ir_versions_beyond_the_range_are_refused),
        cmocka_unit_test(a_cycle_is_found),
        cmocka_unit_test(a_missing_value_is_named),
        cmocka_unit_test(a_value_computed_twice_is_named),
        cmocka_unit_test(nameless_and_unreadable_names_are_refused),
        cmocka_unit_test(an_unsupported_operator_is_named),
        cmocka_unit_test(a_graph_without_outputs_is_refused),
        cmocka_unit_test(an_output_that_is_not_computed_is_refused),
        cmocka_unit_test(outputs_of_an_operator_that_we_lack_are_refused_if_used),
        cmocka_unit_test(too_many_inputs_are_refused),
        cmocka_unit_test(a_long_chain_is_no_recursion),
        cmocka_unit_test(too_many_nodes_are_refused),
        cmocka_unit_test(shapes_that_do_not_fit_name_the_node),
        cmocka_unit_test(declared_outputs_are_checked),
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(strides_groups_and_dilations_of_zero_are_refused),
        cmocka_unit_test(a_kernel_larger_than_the_image_is_refused),
        cmocka_unit_test(attributes_are_checked),
        cmocka_unit_test(dims_that_lie_are_refused),
        cmocka_unit_test(data_of_another_size_is_refused),
        cmocka_unit_test(data_types_are_checked),
        cmocka_unit_test(external_data_is_refused),
        cmocka_unit_test(sparse_and_segmented_tensors_are_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_changed_byte_does_no_harm),
        cmocka_unit_test(bytes_that_are_no_model_are_refused),
        cmocka_unit_test(repeated_graphs_stay_cheap),
        cmocka_unit_test(the_fuzzer_s_files_do_no_harm),
        cmocka_unit_test(tensors_survive_a_pb_file),
        cmocka_unit_test(typed_fields_of_a_pb_file_are_read),
        cmocka_unit_test(pb_files_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
