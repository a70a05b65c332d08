/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx.c: models and tensors to ONNX files and back, and what becomes what on the way.
 * test_onnx_operators.c has the operators, test_onnx_hostile.c what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "models/models.h"
#include "onnx/tensor_pb.h"
#include "onnx_fixture.h"
#include "ops/ops.h"

static tn_model *build(const tn_builtin *builtin) {
    tn_model *model = NULL;
    tn_error error = {""};
    tn_model_options options = TN_INIT(tn_model_options);
    assert_non_null(builtin);
    if (tn_model_build(builtin->name, &options, &model, &error) != TN_OK)
        fail_msg("%s", error.message);
    return model;
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

/* PyTorch's exporter writes tensors that are equal by chance once, and Identity for the others. */
static void copies_of_weights_are_weights_of_their_own(void **state) {
    (void)state;
    builder b;
    builder_begin(&b);
    builder_input(&b, "x", DIMS(0, 3));
    builder_output(&b, "y", DIMS(0, 3));
    builder_tensor(&b, "ones", DIMS(3));
    builder_tensor(&b, "zeros", DIMS(3));
    builder_node(&b, "Identity", "", "ones", "scale");
    builder_node(&b, "Identity", "", "scale", "variance");
    builder_node(&b, "Identity", "", "zeros", "mean");
    builder_node(&b, "BatchNormalization", "norm", "x,scale,zeros,mean,variance", "y");
    tn_model *model = import_good(&b);
    assert_int_equal(model->graph->n_nodes, 1);
    assert_int_equal(model->graph->n_parameters, 4); /* "ones" itself is not used */
    const tn_value *bias = tn_graph_find_value(model->graph, "zeros");
    const tn_value *mean = tn_graph_find_value(model->graph, "mean");
    const tn_value *variance = tn_graph_find_value(model->graph, "variance");
    assert_true(mean->statistic && variance->statistic && !bias->statistic);
    assert_memory_equal(mean->data, bias->data, 3 * sizeof(float));
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

static void typed_data_is_read(void **state) {
    (void)state;
    builder b;
    builder_tiny(&b);
    float bias[] = {1, 2};
    TnOnnx__TensorProto *conv_b = b.graph.initializer[1];
    conv_b->has_raw_data = false;
    conv_b->n_float_data = 2;
    conv_b->float_data = bias;
    tn_model *model = import_good(&b);
    assert_memory_equal(tn_graph_find_value(model->graph, "conv.b")->data, bias, sizeof bias);
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

/* ---- Tensor files ---- */

static void tensors_survive_a_pb_file(void **state) {
    (void)state;
    static uint8_t data[8 * 6];
    for (int i = 0; i < TN_N_DTYPES; i++) {
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = (uint8_t)(i == TN_BOOL ? k % 2 : k * 37 + 1);
        size_t bytes = 6 * tn_dtype_file_bytes((tn_dtype)i);
        tn_tensor out = {.name = i ? "scores" : NULL,
                         .dtype = (tn_dtype)i,
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
        assert_int_equal(in.dtype, i);
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
    uint64_t large[] = {0, 7, UINT32_MAX};
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
    proto.data_type = TN_ONNX_BOOL;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_ERR_FORMAT);
    assert_string_equal(error.message, "holds 256, which is no bool");
    proto.data_type = TN_ONNX_INT8;
    small[1] = -128;
    small[2] = 127;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_OK);
    assert_memory_equal(tensor.data, ((int8_t[]){0, -128, 127}), 3);
    free(tensor.data);
    proto.data_type = TN_ONNX_FLOAT16;
    small[1] = 0x3c00;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_OK);
    assert_memory_equal(tensor.data, ((uint16_t[]){0, 0x3c00, 127}), 6);
    free(tensor.data);
    proto.n_int32_data = 0;
    proto.data_type = TN_ONNX_UINT32;
    proto.n_uint64_data = 3;
    proto.uint64_data = large;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_OK);
    assert_memory_equal(tensor.data, ((uint32_t[]){0, 7, UINT32_MAX}), 12);
    free(tensor.data);
    large[2]++;
    assert_int_equal(load_proto(&proto, &tensor, &error), TN_ERR_FORMAT);
    assert_string_equal(error.message, "holds 4294967296, which is no uint32");
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
    tensor.dims[0] = 0;
    tensor.dtype = (tn_dtype)TN_N_DTYPES;
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
        cmocka_unit_test(copies_of_weights_are_weights_of_their_own),
        cmocka_unit_test(the_first_dimension_is_the_batch),
        cmocka_unit_test(typed_data_is_read),
        cmocka_unit_test(nodes_in_any_order_are_sorted),
        cmocka_unit_test(nodes_may_share_a_name_or_have_none),
        cmocka_unit_test(tensors_survive_a_pb_file),
        cmocka_unit_test(typed_fields_of_a_pb_file_are_read),
        cmocka_unit_test(pb_files_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
