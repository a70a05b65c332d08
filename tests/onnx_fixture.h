/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_fixture.h: what the tests of ONNX files share: importing what onnx_builder.h makes,
 * exporting, and comparing. Failures end the test case. Include after cmocka.h. */
#ifndef TN_TESTS_ONNX_FIXTURE_H
#define TN_TESTS_ONNX_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "graph/model.h"
#include "graph/op.h"
#include "onnx/onnx.h"
#include "onnx_builder.h"
#include "scratch.h"

enum { CHECKER_MISSING = 77 };

static inline tn_status import_built(const builder *b, tn_model **model, tn_error *error) {
    size_t n;
    void *bytes = builder_pack(b, &n);
    tn_status status =
        tn_onnx_import(bytes, n, &(tn_onnx_options){.name = "test.onnx"}, model, error);
    free(bytes);
    return status;
}

/* Imports, expecting success; ends the builder. The caller frees the model. */
static inline tn_model *import_good(builder *b) {
    tn_error error = {""};
    tn_model *model = NULL;
    if (import_built(b, &model, &error) != TN_OK) fail_msg("%s", error.message);
    builder_end(b);
    return model;
}

/* Imports, expecting this status and a message that names the file and holds text; ends the
 * builder. */
static inline void expect_failure(builder *b, tn_status expected, const char *text) {
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

/* The file, n bytes for the caller to free. */
static inline void *export_good(const tn_model *model, size_t *n) {
    void *bytes = NULL;
    tn_error error = {""};
    if (tn_onnx_export(model, &bytes, n, &error) != TN_OK) fail_msg("%s", error.message);
    return bytes;
}

static inline tn_model *import_bytes(const void *bytes, size_t n) {
    tn_model *model = NULL;
    tn_error error = {""};
    if (tn_onnx_import(bytes, n, NULL, &model, &error) != TN_OK) fail_msg("%s", error.message);
    return model;
}

static inline void assert_same_value(const tn_value *a, const tn_value *b) {
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

static inline void assert_same_attrs(const tn_node *a, const tn_node *b) {
    for (const tn_attr *t = a->op->attrs; t && t->name; t++) {
        const void *p = (const char *)a->attrs + t->offset, *q = (const char *)b->attrs + t->offset;
        const tn_ints *ints_p = p, *ints_q = q;
        const tn_floats *floats_p = p, *floats_q = q;
        switch (t->type) {
        case TN_ATTR_INT: assert_int_equal(*(const int64_t *)p, *(const int64_t *)q); break;
        case TN_ATTR_FLOAT: assert_memory_equal(p, q, sizeof(double)); break;
        case TN_ATTR_STRING: assert_string_equal(p, q); break;
        case TN_ATTR_FLOATS:
            assert_int_equal(floats_p->n, floats_q->n);
            assert_memory_equal(floats_p->v, floats_q->v,
                                (size_t)floats_p->n * sizeof *floats_p->v);
            break;
        case TN_ATTR_INTS:
            assert_int_equal(ints_p->n, ints_q->n);
            assert_memory_equal(ints_p->v, ints_q->v, (size_t)ints_p->n * sizeof *ints_p->v);
            break;
        }
    }
}

static inline void assert_same_model(const tn_model *a, const tn_model *b) {
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
static inline void round_trip(tn_model *model) {
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

/* What ONNX's own checker says of the model; skips the case where there is none. Frees it. */
static inline void check_with_onnx(tn_model *model) {
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

#endif
