/* SPDX-License-Identifier: Apache-2.0 */
/* test_onnx_hostile.c: ONNX files that are broken, beyond what is supported, or made to do harm. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "onnx_fixture.h"

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

static void outputs_of_an_operator_that_we_lack_are_refused_if_used(void **state) {
    (void)state;
    for (int used = 0; used < 2; used++) {
        builder b;
        builder_tiny(&b);
        size_t n = 0;
        b.graph.node[1]->output = builder_split(&b, "r,indices", &n);
        b.graph.node[1]->n_output = n;
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
    expect_failure(&b, TN_ERR_FORMAT, "node \"relu\" (Relu): 12 inputs");
    char *many[TN_MAX_INPUTS + 1];
    builder_tiny(&b);
    for (int i = 0; i <= TN_MAX_INPUTS; i++) many[i] = b.graph.node[0]->output[0];
    b.graph.node[1]->input = many;
    b.graph.node[1]->n_input = TN_MAX_INPUTS + 1;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "node \"relu\" (Relu): 65 inputs (at most 64)");
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
    enum { TOO_MANY = 50001 };
    static TnOnnx__NodeProto *list[TOO_MANY];
    builder b;
    builder_tiny(&b);
    for (int i = 0; i < TOO_MANY; i++) list[i] = b.graph.node[0];
    b.graph.node = list;
    b.graph.n_node = TOO_MANY;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "the graph has 50001 nodes (at most 50000)");
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
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\": it has no known shape");
    builder_tiny(&b);
    b.graph.input[0]->type->tensor_type->elem_type = TN_ONNX_STRING;
    expect_failure(&b, TN_ERR_UNSUPPORTED, "input \"x\": data type string (8)");
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
    begin_weight(&b)->data_type = 14;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "data type complex64 (14) is not supported");
    begin_weight(&b)->data_type = TN_ONNX_STRING;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "data type string (8) is not supported");
    begin_weight(&b)->data_type = -1;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "data type unknown (-1) is not supported");
}

/* Weights of a type that can be stored, but not computed with. */
static void weights_that_are_not_float32_are_refused(void **state) {
    (void)state;
    static const struct {
        int32_t type;
        size_t bytes;
    } types[] = {
        {TN_ONNX_FLOAT16, 2}, {TN_ONNX_BFLOAT16, 2}, {TN_ONNX_DOUBLE, 8}, {TN_ONNX_INT64, 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        builder b;
        static uint8_t zeros[24 * 8];
        TnOnnx__TensorProto *w = begin_weight(&b);
        w->data_type = types[i].type;
        w->raw_data.data = zeros;
        w->raw_data.len = 24 * types[i].bytes;
        expect_failure(&b, TN_ERR_UNSUPPORTED, "node \"fc\" (Gemm)");
    }
}

static TnOnnx__TensorProto *begin_external(builder *b) {
    TnOnnx__TensorProto *w = begin_weight(b);
    TnOnnx__StringStringEntryProto *entry =
        BUILDER_ADD(b, w->external_data, w->n_external_data, TnOnnx__StringStringEntryProto,
                    tn_onnx__string_string_entry_proto__init);
    entry->key = builder_text(b, "location");
    entry->value = builder_text(b, "../../etc/passwd");
    w->has_data_location = true;
    w->data_location = 1;
    return w;
}

static void external_data_is_refused(void **state) {
    (void)state;
    builder b;
    (void)begin_external(&b);
    expect_bad_weight(&b, TN_ERR_FORMAT, "has data both here and in another file");
    begin_external(&b)->has_raw_data = false;
    expect_bad_weight(&b, TN_ERR_UNSUPPORTED, "its data is in another file");
    begin_weight(&b)->has_data_location = true;
    b.graph.initializer[2]->data_location = 1;
    b.graph.initializer[2]->has_raw_data = false;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cycle_is_found),
        cmocka_unit_test(a_missing_value_is_named),
        cmocka_unit_test(a_value_computed_twice_is_named),
        cmocka_unit_test(nameless_and_unreadable_names_are_refused),
        cmocka_unit_test(an_unsupported_operator_is_named),
        cmocka_unit_test(a_graph_without_outputs_is_refused),
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
        cmocka_unit_test(weights_that_are_not_float32_are_refused),
        cmocka_unit_test(external_data_is_refused),
        cmocka_unit_test(sparse_and_segmented_tensors_are_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_changed_byte_does_no_harm),
        cmocka_unit_test(bytes_that_are_no_model_are_refused),
        cmocka_unit_test(repeated_graphs_stay_cheap),
        cmocka_unit_test(the_fuzzer_s_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
