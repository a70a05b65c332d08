/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx_import.c: what importing computes: constants folded, the batch found or given up,
 * inputs known while loading, nodes of old opsets, tensors in other files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx_fixture.h"
#include "ops/ops.h"

/* ---- Building and running ---- */

static void set_int64(builder *b, TnOnnx__TensorProto *tensor, int n, const int64_t *v) {
    tensor->data_type = TN_ONNX_INT64;
    tensor->raw_data.len = (size_t)n * sizeof *v;
    tensor->raw_data.data = builder_alloc(b, (size_t)n * sizeof *v + 1);
    memcpy(tensor->raw_data.data, v, (size_t)n * sizeof *v);
}

static void add_list(builder *b, const char *name, int n, const int64_t *v) {
    set_int64(b, builder_tensor(b, name, DIMS(n)), n, v);
}

static void add_scalar(builder *b, const char *name, int64_t v) {
    set_int64(b, builder_tensor(b, name, 0, NULL), 1, &v);
}

static void begin(builder *b, int64_t opset) {
    builder_begin(b);
    b->model.opset_import[0]->version = opset;
}

/* Runs on the numbers 0, 1, 2, ... of this shape; returns output 0, of n numbers, for free(). */
static float *run(const tn_model *model, int rank, const int64_t *dims, size_t n) {
    tn_session_options options = TN_INIT(tn_session_options);
    tn_session *session;
    tn_error error;
    tn_tensor x = {.rank = rank}, y;
    int64_t count;
    assert_true(tn_size_product(dims, rank, &count));
    memcpy(x.dims, dims, (size_t)rank * sizeof *dims);
    x.bytes = (size_t)count * sizeof(float);
    float *numbers = x.data = malloc(x.bytes);
    for (int64_t i = 0; i < count; i++) numbers[i] = (float)i;
    options.n_threads = 1;
    if (tn_session_create(model, &options, &session, &error) != TN_OK ||
        tn_session_output(session, 0, dims[0], &y, &error) != TN_OK)
        fail_msg("%s", error.message);
    assert_int_equal(y.bytes, n * sizeof(float));
    float *result = y.data = malloc(y.bytes);
    if (tn_session_run(session, &x, 1, &y, 1, &error) != TN_OK) fail_msg("%s", error.message);
    tn_session_free(session);
    free(numbers);
    return result;
}

static tn_status import_knowing(builder *b, const tn_tensor *inputs, int n, tn_model **model,
                                tn_error *error) {
    size_t bytes;
    void *file = builder_pack(b, &bytes);
    const tn_onnx_options options = {.name = "test.onnx", .inputs = inputs, .n_inputs = n};
    tn_status status = tn_onnx_import(file, bytes, &options, model, error);
    free(file);
    builder_end(b);
    return status;
}

/* ---- Folding ---- */

/* As PyTorch's older exporter writes x.view(x.size(0), -1) */
static void build_view(builder *b, int64_t channels) {
    begin(b, 17);
    builder_input(b, "x", DIMS(0, 2, 3));
    builder_output(b, "y", DIMS(0, 6));
    add_scalar(b, "zero", 0);
    add_list(b, "axes", DIMS(0));
    add_list(b, "rest", DIMS(channels));
    builder_node(b, "Shape", "", "x", "s");
    builder_node(b, "Gather", "", "s,zero", "g");
    builder_node(b, "Unsqueeze", "", "g,axes", "u");
    builder_int(b, builder_node(b, "Concat", "", "u,rest", "c"), "axis", 0);
    builder_node(b, "Reshape", "", "x,c", "y");
}

static void a_view_of_the_batch_is_one_reshape(void **state) {
    (void)state;
    builder b;
    build_view(&b, -1);
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_nodes, 1);
    assert_int_equal(model->graph->n_values, 2);
    float *y = run(model, DIMS(3, 2, 3), 18);
    for (int i = 0; i < 18; i++) assert_true(y[i] == (float)i);
    free(y);
    tn_model_free(model);
}

/* The size of the batch may only stand where samples are counted. */
static void the_batch_is_no_number(void **state) {
    (void)state;
    builder b;
    build_view(&b, -1);
    b.graph.node[3]->input[0] = builder_text(&b, "rest");
    b.graph.node[3]->input[1] = builder_text(&b, "u");
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"c\" depends on the size of the batch");

    begin(&b, 17);
    builder_input(&b, "x", DIMS(0, 2));
    builder_output(&b, "y", DIMS(0, 2));
    add_scalar(&b, "zero", 0);
    builder_node(&b, "Shape", "", "x", "s");
    builder_node(&b, "Gather", "", "s,zero", "g");
    builder_int(&b, builder_node(&b, "Cast", "", "g", "n"), "to", TN_ONNX_FLOAT);
    builder_node(&b, "Div", "", "x,n", "y");
    expect_failure(&b, TN_ERR_UNSUPPORTED, "its input \"n\" depends on the size of the batch");
}

/* With all sizes known the same models are what they are. */
static void sizes_that_are_known_are_numbers(void **state) {
    (void)state;
    builder b;
    begin(&b, 17);
    builder_input(&b, "x", DIMS(4, 2));
    builder_output(&b, "y", DIMS(4, 2));
    add_scalar(&b, "zero", 0);
    builder_node(&b, "Shape", "", "x", "s");
    builder_node(&b, "Gather", "", "s,zero", "g");
    builder_int(&b, builder_node(&b, "Cast", "", "g", "n"), "to", TN_ONNX_FLOAT);
    builder_node(&b, "Div", "", "x,n", "y");
    tn_model *model = import_good(&b);
    assert_false(model->graph->inputs[0]->shape.batched);
    float *y = run(model, DIMS(4, 2), 8);
    for (int i = 0; i < 8; i++) assert_true(y[i] == (float)i / 4);
    free(y);
    tn_model_free(model);
}

static void samples_that_mix_need_all_sizes(void **state) {
    (void)state;
    for (int64_t n = 0; n <= 3; n += 3) {
        builder b;
        begin(&b, 17);
        builder_input(&b, "x", DIMS(n, 2));
        builder_output(&b, "y", DIMS(2, n));
        builder_ints(&b, builder_node(&b, "Transpose", "", "x", "y"), "perm", DIMS(1, 0));
        if (n == 0) {
            expect_failure(&b, TN_ERR_UNSUPPORTED, "(Transpose)");
            continue;
        }
        tn_model *model = import_good(&b);
        float *y = run(model, DIMS(3, 2), 6);
        assert_true(y[0] == 0 && y[1] == 2 && y[2] == 4 && y[3] == 1);
        free(y);
        tn_model_free(model);
    }
}

/* What costs more than folding ever should stays a node. */
static void folding_has_a_limit(void **state) {
    (void)state;
    builder b;
    begin(&b, 17);
    builder_input(&b, "x", DIMS(0, 1));
    builder_output(&b, "y", DIMS(0, 1));
    builder_output(&b, "z", DIMS(1 << 14, 1 << 14));
    builder_tensor(&b, "one", 0, NULL);
    add_list(&b, "large", DIMS(1 << 14, 1 << 14));
    builder_node(&b, "Relu", "", "x", "y");
    builder_node(&b, "Expand", "", "one,large", "z");
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_nodes, 2);
    tn_model_free(model);
}

/* ---- Constants and outputs ---- */

static void single_numbers_of_others_are_no_weights(void **state) {
    (void)state;
    builder b;
    begin(&b, 17);
    builder_input(&b, "x", DIMS(0, 3));
    builder_output(&b, "y", DIMS(0, 3));
    builder_tensor(&b, "factor", 0, NULL);
    builder_tensor(&b, "weights", DIMS(3));
    builder_node(&b, "Mul", "", "x,factor", "m");
    builder_node(&b, "Mul", "", "m,weights", "y");
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_parameters, 1);
    assert_string_equal(model->graph->parameters[0]->name, "weights");
    tn_model_free(model);
}

static void outputs_may_be_tensors_and_inputs(void **state) {
    (void)state;
    builder b;
    begin(&b, 17);
    builder_input(&b, "x", DIMS(0, 3));
    builder_output(&b, "y", DIMS(0, 3));
    builder_output(&b, "x", DIMS(0, 3));
    builder_output(&b, "w", DIMS(2));
    builder_tensor(&b, "w", DIMS(2));
    builder_node(&b, "Relu", "", "x", "y");
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_outputs, 3);
    assert_string_equal(model->graph->outputs[2]->name, "w");
    for (int i = 0; i < 3; i++) assert_int_equal(model->graph->outputs[i]->kind, TN_VALUE_COMPUTED);
    float *y = run(model, DIMS(2, 3), 6);
    free(y);
    tn_model_free(model);
}

/* ---- What is known while loading ---- */

static void build_reshape_by_input(builder *b) {
    begin(b, 17);
    builder_input(b, "x", DIMS(0, 6));
    builder_input(b, "shape", DIMS(3))->type->tensor_type->elem_type = TN_ONNX_INT64;
    builder_output(b, "y", DIMS(0, 2, 3));
    builder_node(b, "Reshape", "", "x,shape", "y");
}

static void an_input_that_is_an_attribute_must_be_known(void **state) {
    (void)state;
    builder b;
    tn_model *model = NULL;
    tn_error error;
    int64_t shape[] = {-1, 2, 3};
    tn_tensor given = {.name = "shape",
                       .dtype = TN_INT64,
                       .rank = 1,
                       .dims = {3},
                       .data = shape,
                       .bytes = sizeof shape};
    build_reshape_by_input(&b);
    expect_failure(&b, TN_ERR_UNSUPPORTED, "depends on the model's input \"shape\"");
    build_reshape_by_input(&b);
    if (import_knowing(&b, &given, 1, &model, &error) != TN_OK) fail_msg("%s", error.message);
    assert_int_equal(model->graph->n_inputs, 1);
    assert_true(model->graph->inputs[0]->shape.batched);
    float *y = run(model, DIMS(4, 6), 24);
    free(y);
    tn_model_free(model);
    given.data = NULL;
    build_reshape_by_input(&b);
    assert_int_equal(import_knowing(&b, &given, 1, &model, &error), TN_ERR_UNSUPPORTED);
}

static void open_sizes_must_be_given(void **state) {
    (void)state;
    static const struct {
        tn_tensor given;
        tn_status status;
        const char *message;
    } cases[] = {
        {{.name = "x", .rank = 3, .dims = {1, 2, 5}}, TN_OK, ""},
        {{.rank = 3, .dims = {7, 2, 5}}, TN_OK, ""},
        {{.name = "z", .rank = 3, .dims = {1, 2, 5}},
         TN_ERR_MISMATCH,
         "it has no input \"z\" (it has \"x\")"},
        {{.name = "x", .rank = 2, .dims = {1, 2}},
         TN_ERR_MISMATCH,
         "input \"x\": it has 3 dimensions in the model, but 2 are given"},
        {{.name = "x", .rank = 3, .dims = {1, 4, 5}},
         TN_ERR_MISMATCH,
         "input \"x\": dimension 1 is 2 in the model, but 4 is given"},
        {{.name = "x", .rank = 3, .dims = {1, 2, INT64_MAX}},
         TN_ERR_ARGUMENT,
         "an impossible shape is given for input \"x\""},
        {{.name = "x", .rank = 9}, TN_ERR_ARGUMENT, "an impossible shape"},
    };
    for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
        builder b;
        tn_model *model = NULL;
        tn_error error = {""};
        begin(&b, 17);
        builder_input(&b, "x", DIMS(0, 2, 0));
        builder_output(&b, "y", DIMS(0, 2, 0));
        builder_node(&b, "Relu", "", "x", "y");
        if (i == sizeof cases / sizeof *cases) {
            expect_failure(&b, TN_ERR_UNSUPPORTED, "dimension 2 (\"M\") has no fixed size");
            return;
        }
        assert_int_equal(import_knowing(&b, &cases[i].given, 1, &model, &error), cases[i].status);
        if (!strstr(error.message, cases[i].message)) fail_msg("%s", error.message);
        if (!model) continue;
        assert_int_equal(model->graph->outputs[0]->shape.dims[2], 5);
        tn_model_free(model);
    }
}

/* ---- Opsets of old ---- */

static void second_inputs_were_aligned_by_axis(void **state) {
    (void)state;
    builder b;
    begin(&b, 6);
    builder_input(&b, "x", DIMS(0, 2, 3));
    builder_output(&b, "y", DIMS(0, 2, 3));
    builder_tensor(&b, "w", DIMS(2)); /* 0 and 1/8 */
    TnOnnx__NodeProto *node = builder_node(&b, "Add", "add", "x,w", "y");
    builder_int(&b, node, "broadcast", 1);
    builder_int(&b, node, "axis", 1);
    tn_model *model = import_good(&b);
    float *y = run(model, DIMS(1, 2, 3), 6);
    for (int i = 0; i < 6; i++) assert_true(y[i] == (float)i + (i < 3 ? 0 : 0.125f));
    free(y);
    tn_model_free(model);

    begin(&b, 6);
    builder_input(&b, "x", DIMS(0, 2, 3));
    builder_output(&b, "y", DIMS(0, 2, 3));
    builder_tensor(&b, "w", DIMS(2));
    builder_int(&b, builder_node(&b, "Add", "add", "x,w", "y"), "axis", 3);
    expect_failure(&b, TN_ERR_FORMAT, "axis 3 for 1 of 3 dimensions");
}

static void softmax_took_axes_together(void **state) {
    (void)state;
    builder b;
    begin(&b, 12);
    builder_input(&b, "x", DIMS(0, 2, 2));
    builder_output(&b, "y", DIMS(0, 2, 2));
    builder_node(&b, "Softmax", "", "x", "y");
    tn_model *model = import_good(&b);
    float *y = run(model, DIMS(3, 2, 2), 12);
    for (int i = 0; i < 12; i += 4) {
        float sum = y[i] + y[i + 1] + y[i + 2] + y[i + 3];
        assert_true(sum > 0.99999f && sum < 1.00001f);
    }
    free(y);
    tn_model_free(model);
}

static void opset_5_has_what_never_changed(void **state) {
    (void)state;
    for (int known = 0; known < 2; known++) {
        builder b;
        begin(&b, 5);
        builder_input(&b, "x", DIMS(0, 2));
        builder_output(&b, "y", DIMS(0, 2));
        builder_node(&b, known ? "Softplus" : "Relu", "act", "x", "y");
        if (known)
            tn_model_free(import_good(&b));
        else
            expect_failure(&b, TN_ERR_UNSUPPORTED, "node \"act\" (Relu): opset 5 is not supported");
    }
}

static void masks_are_true_without_training(void **state) {
    (void)state;
    builder b;
    begin(&b, 13);
    builder_input(&b, "x", DIMS(0, 2));
    builder_output(&b, "y", DIMS(0, 2));
    builder_output(&b, "z", DIMS(0, 2));
    b.graph.output[1]->type->tensor_type->elem_type = TN_ONNX_FLOAT;
    builder_node(&b, "Dropout", "", "x", "y,mask");
    builder_int(&b, builder_node(&b, "Cast", "", "mask", "z"), "to", TN_ONNX_FLOAT);
    b.graph.output[0] = b.graph.output[1];
    b.graph.n_output = 1;
    tn_model *model = import_good(&b);
    float *z = run(model, DIMS(2, 2), 4);
    for (int i = 0; i < 4; i++) assert_true(z[i] == 1);
    free(z);
    tn_model_free(model);
}

/* Outputs that only training_mode has must be in the file that is written, too. */
static void moved_statistics_survive_a_round_trip(void **state) {
    (void)state;
    builder b;
    size_t n;
    begin(&b, 15);
    builder_input(&b, "x", DIMS(4, 2));
    builder_output(&b, "y", DIMS(4, 2));
    builder_output(&b, "m", DIMS(2));
    for (int i = 0; i < 4; i++)
        builder_tensor(&b, (const char *[]){"s", "b", "u", "v"}[i], DIMS(2));
    TnOnnx__NodeProto *node = builder_node(&b, "BatchNormalization", "", "x,s,b,u,v", "y,m,r");
    builder_int(&b, node, "training_mode", 1);
    tn_model *model = import_good(&b);
    void *bytes = export_good(model, &n);
    tn_model *again = import_bytes(bytes, n);
    assert_string_equal(again->graph->outputs[1]->name, "m");
    tn_model_free(again);
    tn_model_free(model);
    free(bytes);
}

/* What a model is written as: `type`, beside a ReduceMean whose axes opset 18 made an input. */
static int opset_written(const char *type, int64_t opset, const char *ints, int n,
                         const int64_t *values) {
    builder b;
    size_t n_bytes;
    begin(&b, opset);
    builder_input(&b, "x", DIMS(0, 2, 6, 6));
    builder_output(&b, "y", DIMS(0, 2, 1, 1));
    TnOnnx__NodeProto *node = builder_node(&b, type, "", "x", "h");
    if (strcmp(type, "AveragePool") == 0) builder_ints(&b, node, "kernel_shape", DIMS(2, 2));
    if (ints) builder_ints(&b, node, ints, n, values);
    if (opset >= 18) {
        add_list(&b, "axes", DIMS(2, 3));
        builder_node(&b, "ReduceMean", "", "h,axes", "y");
    } else {
        builder_ints(&b, builder_node(&b, "ReduceMean", "", "h", "y"), "axes", DIMS(2, 3));
    }
    tn_model *model = import_good(&b);
    void *bytes = export_good(model, &n_bytes);
    tn_model *again = import_bytes(bytes, n_bytes);
    int written = again->opset;
    assert_string_equal(again->graph->nodes[0]->op->onnx_type, type);
    assert_int_equal(again->graph->n_nodes, 2);
    tn_model_free(again);
    tn_model_free(model);
    free(bytes);
    return written;
}

static void what_is_newer_is_written_in_its_opset(void **state) {
    (void)state;
    assert_int_equal(opset_written("Relu", 20, NULL, 0, NULL), 17);
    assert_int_equal(opset_written("Relu", 13, NULL, 0, NULL), 17);
    assert_int_equal(opset_written("Mish", 18, NULL, 0, NULL), 18);
    assert_int_equal(opset_written("Gelu", 20, NULL, 0, NULL), 20);
    assert_int_equal(opset_written("AveragePool", 19, "dilations", DIMS(1, 1)), 17);
    assert_int_equal(opset_written("AveragePool", 19, "dilations", DIMS(2, 1)), 19);
}

/* ---- Names ---- */

/* What an import makes up never takes the name of a value in the file. */
static void names_of_the_file_come_first(void **state) {
    (void)state;
    builder b;
    begin(&b, 12);
    builder_input(&b, "x", DIMS(0, 2, 2));
    builder_output(&b, "Flatten", DIMS(0, 2, 2));
    builder_node(&b, "Softmax", "Softmax", "x", "Softmax_1");
    builder_node(&b, "Relu", "", "Softmax_1", "Reshape");
    builder_node(&b, "Relu", "", "Reshape", "Flatten");
    tn_model *model = import_good(&b);
    const tn_graph *g = model->graph;
    assert_string_equal(g->outputs[0]->name, "Flatten");
    for (int i = 0; i < g->n_values; i++)
        assert_ptr_equal(tn_graph_find_value(g, g->values[i]->name), g->values[i]);
    tn_model_free(model);
}

static void thousands_of_nodes_share_a_name(void **state) {
    (void)state;
    enum { N = 3000 };
    tn_graph *g;
    const tn_shape shape = {.rank = 2, .dims = {1, 2}, .batched = true};
    tn_value *v;
    assert_int_equal(tn_graph_create(&g, NULL), TN_OK);
    assert_int_equal(
        tn_graph_add_value(g, TN_VALUE_INPUT, "same", TN_FLOAT32, &shape, NULL, &v, NULL), TN_OK);
    for (int i = 0; i < N; i++) {
        tn_node *node;
        assert_int_equal(tn_graph_add_node(g, &tn_op_relu, "same", NULL, &v, 1, &node, NULL),
                         TN_OK);
        v = node->outputs[0];
    }
    for (int i = 0; i < g->n_values; i++)
        assert_ptr_equal(tn_graph_find_value(g, g->values[i]->name), g->values[i]);
    assert_int_equal(tn_graph_rename_value(g, v, "same", NULL), TN_OK);
    assert_ptr_equal(tn_graph_find_value(g, "same"), v);
    assert_ptr_equal(tn_graph_find_value(g, g->inputs[0]->name), g->inputs[0]);
    tn_graph_free(g);
}

/* ---- Tensors in other files ---- */

static TnOnnx__StringStringEntryProto *add_entry(builder *b, TnOnnx__TensorProto *tensor,
                                                 const char *key, const char *value) {
    TnOnnx__StringStringEntryProto *entry =
        BUILDER_ADD(b, tensor->external_data, tensor->n_external_data,
                    TnOnnx__StringStringEntryProto, tn_onnx__string_string_entry_proto__init);
    entry->key = builder_text(b, key);
    entry->value = builder_text(b, value);
    return entry;
}

/* y = x · w, w [3] in the file `location`; loads it as a user does. */
static tn_status load_external(const char *location, const char *offset, const char *length,
                               tn_model **model, tn_error *error) {
    builder b;
    size_t n;
    begin(&b, 17);
    builder_input(&b, "x", DIMS(0, 3));
    builder_output(&b, "y", DIMS(0, 3));
    TnOnnx__TensorProto *w = builder_tensor(&b, "w", DIMS(3));
    w->has_raw_data = false;
    w->has_data_location = true;
    w->data_location = 1;
    if (location) add_entry(&b, w, "location", location);
    if (offset) add_entry(&b, w, "offset", offset);
    if (length) add_entry(&b, w, "length", length);
    builder_node(&b, "Mul", "", "x,w", "y");
    void *bytes = builder_pack(&b, &n);
    const char *path = scratch_write("external.onnx", bytes, n);
    free(bytes);
    builder_end(&b);
    *model = NULL;
    error->message[0] = '\0';
    return tn_model_load(path, model, error);
}

static void tensors_in_other_files_are_read(void **state) {
    (void)state;
    static const float numbers[] = {9, 1, 2, 3};
    static const char *const locations[] = {"w.data", "./w.data", "part/w.data"};
    tn_model *model;
    tn_error error;
    scratch_subdirectory("part");
    scratch_write("w.data", numbers, sizeof numbers);
    scratch_write("part/w.data", numbers, sizeof numbers);
    for (int i = 0; i < 3; i++) {
        if (load_external(locations[i], "4", i == 0 ? "12" : NULL, &model, &error) != TN_OK)
            fail_msg("%s", error.message);
        float *y = run(model, DIMS(1, 3), 3);
        assert_true(y[0] == 0 && y[1] == 2 && y[2] == 6);
        free(y);
        tn_model_free(model);
    }
}

static void tensors_elsewhere_are_refused(void **state) {
    (void)state;
    static const float numbers[] = {1, 2, 3};
    static const struct {
        const char *location, *offset, *length;
        tn_status status;
        const char *message;
    } cases[] = {
        {NULL, NULL, NULL, TN_ERR_FORMAT, "no file is named for its data"},
        {"", NULL, NULL, TN_ERR_FORMAT, "which is empty"},
        {"/etc/passwd", NULL, NULL, TN_ERR_FORMAT, "which is an absolute path"},
        {"../x.data", NULL, NULL, TN_ERR_FORMAT, "which leads out of the model's directory"},
        {"sub/../../x.data", NULL, NULL, TN_ERR_FORMAT, "leads out of the model's directory"},
        {"sub//x.data", NULL, NULL, TN_ERR_FORMAT, "which has an empty part"},
        {"link.data", NULL, NULL, TN_ERR_FORMAT, "\"link.data\", a symbolic link"},
        {"linked/w2.data", NULL, NULL, TN_ERR_IO, "cannot be opened"},
        {"sub", NULL, NULL, TN_ERR_FORMAT, "which is no regular file"},
        {"pipe.data", NULL, NULL, TN_ERR_FORMAT, "which is no regular file"},
        {"missing.data", NULL, NULL, TN_ERR_NOT_FOUND, "belongs beside the model's file"},
        {"w2.data", "4", NULL, TN_ERR_FORMAT, "12 bytes from 4 on in \"w2.data\", which holds 12"},
        {"w2.data", "9223372036854775807", NULL, TN_ERR_FORMAT, "which holds 12"},
        {"w2.data", "9223372036854775808", NULL, TN_ERR_FORMAT, "is no number"},
        {"w2.data", "-4", NULL, TN_ERR_FORMAT, "the offset of its data, \"-4\", is no number"},
        {"w2.data", NULL, "8", TN_ERR_FORMAT, "needs 12 bytes of data, not 8"},
        {"w2.data", NULL, "x", TN_ERR_FORMAT, "the length of its data, \"x\", is no number"},
    };
    char target[512];
    scratch_subdirectory("sub");
    snprintf(target, sizeof target, "%s", scratch_write("w2.data", numbers, sizeof numbers));
    assert_int_equal(symlink(target, scratch_path("link.data")), 0);
    assert_int_equal(symlink(".", scratch_path("linked")), 0);
    assert_int_equal(mkfifo(scratch_path("pipe.data"), 0600), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_model *model;
        tn_error error;
        tn_status status =
            load_external(cases[i].location, cases[i].offset, cases[i].length, &model, &error);
        if (status != cases[i].status || !strstr(error.message, cases[i].message))
            fail_msg("case %zu: %s, \"%s\"", i, tn_status_name(status), error.message);
        assert_non_null(strstr(error.message, "tensor \"w\": "));
        assert_null(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_of_the_batch_is_one_reshape),
        cmocka_unit_test(the_batch_is_no_number),
        cmocka_unit_test(sizes_that_are_known_are_numbers),
        cmocka_unit_test(samples_that_mix_need_all_sizes),
        cmocka_unit_test(folding_has_a_limit),
        cmocka_unit_test(single_numbers_of_others_are_no_weights),
        cmocka_unit_test(outputs_may_be_tensors_and_inputs),
        cmocka_unit_test(an_input_that_is_an_attribute_must_be_known),
        cmocka_unit_test(open_sizes_must_be_given),
        cmocka_unit_test(second_inputs_were_aligned_by_axis),
        cmocka_unit_test(softmax_took_axes_together),
        cmocka_unit_test(opset_5_has_what_never_changed),
        cmocka_unit_test(masks_are_true_without_training),
        cmocka_unit_test(moved_statistics_survive_a_round_trip),
        cmocka_unit_test(what_is_newer_is_written_in_its_opset),
        cmocka_unit_test(names_of_the_file_come_first),
        cmocka_unit_test(thousands_of_nodes_share_a_name),
        cmocka_unit_test(tensors_in_other_files_are_read),
        cmocka_unit_test(tensors_elsewhere_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
