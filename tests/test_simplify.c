/* SPDX-License-Identifier: Apache-2.0 */
/* test_simplify.c: where the passes for inference rewrite a graph, and where they must not. That
 * results stay the same is shown by test_inference.c and test_random_graphs.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/model.h"
#include "ops/ops.h"
#include "passes/passes.h"

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

/* ---- Graphs: one input, [n][4][6][6] or rows of 6 ---------------------------------------------
 */

static tn_graph *begin(int rank, tn_value **x) {
    tn_graph *g;
    const tn_shape images = {.rank = 4, .dims = {1, 4, 6, 6}, .batched = true};
    const tn_shape rows = {.rank = 2, .dims = {1, 6}, .batched = true};
    check(tn_graph_create(&g, &error));
    check(tn_graph_add_value(g, TN_VALUE_INPUT, "x", TN_FLOAT32, rank == 4 ? &images : &rows, NULL,
                             x, &error));
    return g;
}

static tn_value *numbers(tn_graph *g, int rank, const int64_t *dims, float each) {
    tn_shape shape = {.rank = rank};
    tn_value *v;
    if (rank > 0) memcpy(shape.dims, dims, (size_t)rank * sizeof *dims);
    int64_t n = tn_shape_elements(&shape);
    float *data = malloc((size_t)n * sizeof *data);
    for (int64_t i = 0; i < n; i++) data[i] = each;
    check(tn_graph_add_value(g, TN_VALUE_PARAMETER, NULL, TN_FLOAT32, &shape, data, &v, &error));
    free(data);
    return v;
}

static tn_value *apply(tn_graph *g, const tn_op *op, const char *attributes, tn_value *a,
                       tn_value *b) {
    _Alignas(16) char attrs[1024];
    tn_value *in[] = {a, b}, *y;
    assert_true(op->attrs_bytes <= sizeof attrs);
    check(tn_attrs_parse(op, attributes, attrs, &error));
    check(tn_graph_apply(g, op, attrs, in, b ? 2 : 1, &y, &error));
    return y;
}

static tn_value *conv(tn_graph *g, tn_value *x, int64_t k, const char *attributes) {
    const int64_t dims[] = {4, 4, k, k};
    return apply(g, &tn_op_conv, attributes, x, numbers(g, 4, dims, 0.5f));
}

static tn_value *by_channel(tn_graph *g, float each) {
    return numbers(g, 3, (const int64_t[]){4, 1, 1}, each);
}

static tn_value *norm(tn_graph *g, tn_value *x) {
    const int64_t c = 4;
    tn_batch_norm_attrs a;
    tn_attrs_init(&tn_op_batch_norm, &a);
    tn_value *in[] = {x, numbers(g, 1, &c, 2), numbers(g, 1, &c, 0.25f), numbers(g, 1, &c, 0.5f),
                      numbers(g, 1, &c, 4)};
    tn_value *y;
    check(tn_graph_apply(g, &tn_op_batch_norm, &a, in, 5, &y, &error));
    return y;
}

/* The output is y, named so whatever becomes of it. */
static void output(tn_graph *g, tn_value *y) { check(tn_graph_mark_output(g, y, &error)); }

static int count(const tn_graph *g, const tn_op *op) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += g->nodes[i]->op == op;
    return n;
}

/* Simplifies a graph whose output is y and expects so many nodes; twice, the second time for
 * nothing. */
static void expect(tn_graph *g, tn_value *y, int n_nodes) {
    output(g, y);
    for (int i = 0; i < 2; i++) {
        check(tn_passes_simplify(g, &error));
        assert_int_equal(g->n_nodes, n_nodes);
        assert_ptr_equal(g->outputs[0], y);
        for (int k = 0; k < g->n_values; k++) assert_int_equal(g->values[k]->id, k);
    }
}

/* ---- Identities ------------------------------------------------------------------------------ */

static void what_does_nothing_goes(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_relu, "", x, NULL);
    y = apply(g, &tn_op_identity, "", y, NULL);
    y = apply(g, &tn_op_dropout, "ratio=0.5", y, NULL);
    y = apply(g, &tn_op_pad, "pads=0,0,0,0,0,0,0,0", y, NULL);
    y = apply(g, &tn_op_clip, "", y, NULL);
    y = apply(g, &tn_op_cast, "to=1", y, NULL);
    y = apply(g, &tn_op_concat, "axis=1", y, NULL);
    y = apply(g, &tn_op_slice, "starts=0 ends=99 axes=2 steps=1", y, NULL);
    y = apply(g, &tn_op_reshape, "shape=0,4,6,6", y, NULL);
    y = apply(g, &tn_op_transpose, "perm=0,1,2,3", y, NULL);
    expect(g, y, 1);
    assert_ptr_equal(g->nodes[0]->op, &tn_op_relu);
    tn_graph_free(g);
}

static void what_does_something_stays(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_pad, "pads=0,0,0,1,0,0,0,0", x, NULL);
    y = apply(g, &tn_op_clip, "max=3", y, NULL);
    y = apply(g, &tn_op_reshape, "shape=0,6,4,7", y, NULL);
    y = apply(g, &tn_op_transpose, "perm=0,1,3,2", y, NULL);
    y = apply(g, &tn_op_slice, "starts=-1 ends=-99 axes=2 steps=-1", y, NULL);
    expect(g, y, 5);
    tn_graph_free(g);
}

/* An input that is an output, too, needs the node between its names. */
static void an_output_keeps_its_name(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    expect(g, apply(g, &tn_op_identity, "", x, NULL), 1);
    tn_graph_free(g);
    g = begin(4, &x);
    tn_value *relu = apply(g, &tn_op_relu, "", x, NULL);
    tn_value *y = apply(g, &tn_op_identity, "", relu, NULL);
    output(g, relu);
    output(g, y);
    check(tn_passes_simplify(g, &error));
    assert_int_equal(g->n_nodes, 2);
    tn_graph_free(g);
}

static void consecutive_changes_of_shape_are_one(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_reshape, "shape=0,2,-1", x, NULL);
    y = apply(g, &tn_op_unsqueeze, "axes=1", y, NULL);
    y = apply(g, &tn_op_reshape, "shape=0,12,12", y, NULL);
    expect(g, y, 1);
    assert_ptr_equal(y->producer->inputs[0], x);
    tn_graph_free(g);
    g = begin(4, &x);
    y = apply(g, &tn_op_transpose, "perm=0,2,3,1", x, NULL);
    y = apply(g, &tn_op_transpose, "perm=0,2,1,3", y, NULL);
    expect(g, y, 1);
    const tn_transpose_attrs *a = y->producer->attrs;
    const int64_t both[] = {0, 3, 2, 1};
    assert_memory_equal(a->perm.v, both, sizeof both);
    tn_graph_free(g);
    g = begin(4, &x);
    y = apply(g, &tn_op_transpose, "perm=0,2,3,1", apply(g, &tn_op_relu, "", x, NULL), NULL);
    expect(g, apply(g, &tn_op_transpose, "perm=0,3,1,2", y, NULL), 1);
    tn_graph_free(g);
}

/* ---- Repeated and dead nodes ----------------------------------------------------------------- */

static void equal_nodes_are_one(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *a = apply(g, &tn_op_leaky_relu, "alpha=0.25", x, NULL);
    tn_value *b = apply(g, &tn_op_leaky_relu, "alpha=0.25", x, NULL);
    tn_value *c = apply(g, &tn_op_leaky_relu, "alpha=0.5", x, NULL);
    expect(g, apply(g, &tn_op_mul, "", apply(g, &tn_op_add, "", a, b), c), 4);
    assert_int_equal(count(g, &tn_op_leaky_relu), 2);
    tn_graph_free(g);
}

static void both_outputs_stay(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    output(g, apply(g, &tn_op_relu, "", x, NULL));
    output(g, apply(g, &tn_op_relu, "", x, NULL));
    check(tn_passes_simplify(g, &error));
    assert_int_equal(g->n_nodes, 2);
    tn_graph_free(g);
}

static void what_nothing_needs_goes(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    conv(g, x, 3, "");
    numbers(g, 0, NULL, 1);
    tn_value *y = conv(g, x, 1, "");
    expect(g, y, 1);
    assert_int_equal(g->n_parameters, 1);
    assert_int_equal(g->n_values, 3);
    tn_graph_free(g);
}

/* ---- Activations ----------------------------------------------------------------------------- */

/* min(max(x + shift, 0), 6) */
static tn_value *clipped(tn_graph *g, tn_value *x, float shift) {
    return apply(g, &tn_op_clip, "min=0 max=6",
                 apply(g, &tn_op_add, "", x, numbers(g, 0, NULL, shift)), NULL);
}

static void activations_are_recognised(void **state) {
    tn_value *x, *six;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *gate = apply(g, &tn_op_div, "", clipped(g, x, 3), numbers(g, 0, NULL, 6));
    expect(g, gate, 1);
    assert_ptr_equal(g->nodes[0]->op, &tn_op_hard_sigmoid);
    tn_graph_free(g);
    g = begin(4, &x);
    gate = apply(g, &tn_op_mul, "", numbers(g, 0, NULL, 1.0f / 6), clipped(g, x, 3));
    expect(g, apply(g, &tn_op_mul, "", x, gate), 1);
    assert_ptr_equal(g->nodes[0]->op, &tn_op_hard_swish);
    tn_graph_free(g);
    g = begin(4, &x);
    six = numbers(g, 0, NULL, 6);
    expect(g, apply(g, &tn_op_div, "", apply(g, &tn_op_mul, "", clipped(g, x, 3), x), six), 1);
    assert_ptr_equal(g->nodes[0]->op, &tn_op_hard_swish);
    tn_graph_free(g);
}

static void what_looks_like_an_activation_stays(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x); /* divided by another number */
    (void)state;
    expect(g, apply(g, &tn_op_div, "", clipped(g, x, 3), numbers(g, 0, NULL, 5)), 3);
    tn_graph_free(g);
    g = begin(4, &x); /* of something else */
    tn_value *y = apply(g, &tn_op_relu, "", x, NULL);
    tn_value *gate = apply(g, &tn_op_div, "", clipped(g, x, 3), numbers(g, 0, NULL, 6));
    expect(g, apply(g, &tn_op_mul, "", y, gate), 3);
    assert_int_equal(count(g, &tn_op_hard_swish), 0);
    tn_graph_free(g);
    g = begin(4, &x); /* shifted otherwise: a HardSigmoid, but no HardSwish */
    gate = apply(g, &tn_op_div, "", clipped(g, x, 2), numbers(g, 0, NULL, 6));
    expect(g, apply(g, &tn_op_mul, "", x, gate), 2);
    assert_int_equal(count(g, &tn_op_hard_swish), 0);
    tn_graph_free(g);
}

/* ---- Constants ------------------------------------------------------------------------------- */

/* A weight that is computed from others, as weight normalisation does, is one itself. */
static void what_weights_make_is_a_weight(void **state) {
    static const int64_t dims[] = {6, 6};
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *w = numbers(g, 2, dims, 0.5f);
    w = apply(g, &tn_op_relu, "", apply(g, &tn_op_mul, "", w, numbers(g, 0, NULL, 4)), NULL);
    tn_value *y = apply(g, &tn_op_abs, "", x, NULL);
    y = apply(g, &tn_op_mul, "", y, apply(g, &tn_op_add, "", w, w));
    expect(g, y, 2);
    assert_int_equal(g->n_parameters, 1);
    assert_float_equal(((const float *)g->parameters[0]->data)[15], 4, 0);
    tn_graph_free(g);
}

static void what_an_input_makes_stays(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_abs, "", x, NULL);
    expect(g, apply(g, &tn_op_mul, "", y, apply(g, &tn_op_exp, "", x, NULL)), 3);
    tn_graph_free(g);
    g = begin(4, &x);
    expect(g, apply(g, &tn_op_abs, "", numbers(g, 0, NULL, -2), NULL), 1); /* a name to keep */
    tn_graph_free(g);
}

/* ---- Factors of channels --------------------------------------------------------------------- */

/* 2·(0.5·x·... - 0.5)/√(4 + ε) + 0.25 behind weights of 0.5. */
static void a_norm_becomes_part_of_a_conv(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = norm(g, conv(g, x, 1, ""));
    expect(g, y, 1);
    const tn_node *node = g->nodes[0];
    assert_ptr_equal(node->op, &tn_op_conv);
    assert_int_equal(node->n_inputs, 3);
    assert_float_equal(((const float *)node->inputs[1]->data)[15], 0.5f, 1e-5);
    assert_float_equal(((const float *)node->inputs[2]->data)[3], 0.25f - 0.5f, 1e-5);
    assert_int_equal(g->n_parameters, 2);
    tn_graph_free(g);
}

/* By outputs and, as there are no zeros to be right about, an offset of inputs stays. */
static void a_norm_becomes_part_of_a_conv_transpose(void **state) {
    static const int64_t dims[] = {4, 2, 2, 2};
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_mul, "", x, by_channel(g, 2));
    y = apply(g, &tn_op_conv_transpose, "group=2 strides=2,2", y, numbers(g, 4, dims, 0.5f));
    expect(g, norm(g, y), 1);
    assert_float_equal(((const float *)g->nodes[0]->inputs[1]->data)[31], 1, 1e-5);
    assert_float_equal(((const float *)g->nodes[0]->inputs[2]->data)[3], 0.25f - 0.5f, 1e-5);
    tn_graph_free(g);
    g = begin(4, &x);
    y = apply(g, &tn_op_add, "", x, by_channel(g, 2));
    expect(g, apply(g, &tn_op_conv_transpose, "group=2", y, numbers(g, 4, dims, 0.5f)), 2);
    tn_graph_free(g);
}

static void factors_become_part_of_a_gemm(void **state) {
    static const int64_t dims[] = {6, 5};
    const int64_t five = 5;
    tn_value *x;
    tn_graph *g = begin(2, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_mul, "", x, numbers(g, 1, dims, 4));
    y = apply(g, &tn_op_mat_mul, "", y, numbers(g, 2, dims, 0.5f));
    y = apply(g, &tn_op_add, "", numbers(g, 1, &five, 1), y);
    y = apply(g, &tn_op_div, "", y, numbers(g, 0, NULL, 8));
    expect(g, y, 1);
    assert_ptr_equal(g->nodes[0]->op, &tn_op_gemm);
    assert_float_equal(((const float *)g->nodes[0]->inputs[1]->data)[29], 0.25f, 0);
    assert_float_equal(((const float *)g->nodes[0]->inputs[2]->data)[4], 0.125f, 0);
    tn_graph_free(g);
}

/* What a convolution adds is not in its padding; a factor is, as the padding is 0. */
static void an_offset_is_not_in_the_padding(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_sub, "", x, by_channel(g, 0.5f));
    y = apply(g, &tn_op_div, "", y, by_channel(g, 0.25f));
    expect(g, conv(g, y, 3, ""), 1);
    tn_graph_free(g);
    g = begin(4, &x);
    y = apply(g, &tn_op_sub, "", x, by_channel(g, 0.5f));
    y = apply(g, &tn_op_div, "", y, by_channel(g, 0.25f));
    expect(g, conv(g, y, 3, "pads=1,1,1,1"), 2);
    assert_int_equal(count(g, &tn_op_sub), 1);
    tn_graph_free(g);
}

static void what_is_no_factor_of_channels_stays(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = conv(g, x, 1, ""); /* by columns */
    expect(g, apply(g, &tn_op_mul, "", y, numbers(g, 1, (const int64_t[]){6}, 2)), 2);
    tn_graph_free(g);
    g = begin(4, &x);
    y = conv(g, x, 1, ""); /* used elsewhere, too */
    expect(g, apply(g, &tn_op_mul, "", norm(g, y), apply(g, &tn_op_relu, "", y, NULL)), 4);
    tn_graph_free(g);
    g = begin(4, &x);
    y = conv(g, x, 1, ""); /* beyond what float32 holds */
    expect(g,
           apply(g, &tn_op_mul, "", apply(g, &tn_op_mul, "", y, numbers(g, 0, NULL, 1e30f)),
                 numbers(g, 0, NULL, 1e30f)),
           2);
    tn_graph_free(g);
    g = begin(4, &x);
    y = conv(g, x, 1, ""); /* the constant is divided by it */
    expect(g, apply(g, &tn_op_div, "", numbers(g, 0, NULL, 1), y), 2);
    tn_graph_free(g);
}

/* Each of two nodes that share a weight gets its own. */
static void a_shared_weight_is_not_changed(void **state) {
    static const int64_t dims[] = {4, 4, 1, 1};
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *w = numbers(g, 4, dims, 0.5f);
    tn_value *a = apply(g, &tn_op_conv, "", x, w);
    tn_value *b = apply(g, &tn_op_conv, "", apply(g, &tn_op_relu, "", a, NULL), w);
    expect(g, apply(g, &tn_op_mul, "", b, numbers(g, 0, NULL, 2)), 3);
    assert_float_equal(((const float *)w->data)[0], 0.5f, 0);
    assert_float_equal(((const float *)g->nodes[2]->inputs[1]->data)[0], 1, 0);
    tn_graph_free(g);
}

/* ---- Padding --------------------------------------------------------------------------------- */

static void a_border_of_zeros_becomes_padding(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_pad, "pads=0,0,1,2,0,0,3,0", x, NULL);
    y = conv(g, y, 3, "pads=1,0,0,0");
    const tn_shape shape = y->shape;
    expect(g, y, 1);
    check(tn_graph_set_batch(g, 1, &error));
    assert_true(tn_shape_equal(&y->shape, &shape));
    const tn_conv_attrs *a = g->nodes[0]->attrs;
    const int64_t pads[] = {2, 2, 3, 0};
    assert_memory_equal(a->pads.v, pads, sizeof pads);
    tn_graph_free(g);
}

static void another_border_stays(void **state) {
    static const char *const pads[] = {"pads=0,0,1,1,0,0,1,1 value=1",
                                       "pads=0,0,1,1,0,0,1,1 mode=edge", "pads=0,0,-1,0,0,0,0,0"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        tn_value *x;
        tn_graph *g = begin(4, &x);
        expect(g, conv(g, apply(g, &tn_op_pad, pads[i], x, NULL), 3, ""), 2);
        tn_graph_free(g);
    }
}

/* ---- Ends of sums ---------------------------------------------------------------------------- */

static tn_graph *optimised(tn_graph *g, tn_value *y) {
    output(g, y);
    check(tn_passes_optimise(g, &error));
    return g;
}

static void a_block_with_a_shortcut_is_two_nodes(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *y = apply(g, &tn_op_relu, "", norm(g, conv(g, x, 3, "pads=1,1,1,1")), NULL);
    y = norm(g, conv(g, y, 3, "pads=1,1,1,1"));
    optimised(g, apply(g, &tn_op_relu, "", apply(g, &tn_op_add, "", y, x), NULL));
    assert_int_equal(g->n_nodes, 2);
    const tn_node *last = g->nodes[1];
    assert_true(tn_is_relu(&g->nodes[0]->activation) && tn_is_relu(&last->activation));
    assert_ptr_equal(last->inputs[last->more], x);
    tn_graph_free(g);
}

/* The one that is computed last takes the other. */
static void of_two_products_the_later_adds(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    tn_value *a = conv(g, x, 1, ""), *b = conv(g, x, 3, "pads=1,1,1,1");
    optimised(g, apply(g, &tn_op_add, "", b, a));
    assert_int_equal(g->n_nodes, 2);
    assert_ptr_equal(g->nodes[1]->inputs[g->nodes[1]->more], a);
    assert_int_equal(g->nodes[0]->more, 0);
    tn_graph_free(g);
}

static void what_a_sum_cannot_take_stays(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x); /* of another shape */
    (void)state;
    tn_value *mean = apply(g, &tn_op_global_average_pool, "", x, NULL);
    optimised(g, apply(g, &tn_op_add, "", conv(g, x, 1, ""), mean));
    assert_int_equal(count(g, &tn_op_add), 1);
    tn_graph_free(g);
    g = begin(4, &x); /* twice the same */
    tn_value *y = conv(g, x, 1, "");
    optimised(g, apply(g, &tn_op_add, "", y, y));
    assert_int_equal(count(g, &tn_op_add), 1);
    tn_graph_free(g);
    g = begin(4, &x); /* seen outside */
    y = conv(g, x, 1, "");
    output(g, y);
    optimised(g, apply(g, &tn_op_relu, "", y, NULL));
    assert_int_equal(count(g, &tn_op_relu), 1);
    tn_graph_free(g);
    g = begin(4, &x); /* a second activation */
    y = apply(g, &tn_op_relu, "", conv(g, x, 1, ""), NULL);
    optimised(g, apply(g, &tn_op_sigmoid, "", y, NULL));
    assert_int_equal(count(g, &tn_op_sigmoid), 1);
    tn_graph_free(g);
}

static void silu_is_one_node(void **state) {
    tn_value *x;
    tn_graph *g = begin(4, &x);
    (void)state;
    optimised(g, apply(g, &tn_op_mul, "", apply(g, &tn_op_sigmoid, "", x, NULL), x));
    assert_int_equal(g->n_nodes, 1);
    assert_ptr_equal(g->nodes[0]->op, &tn_op_silu);
    tn_graph_free(g);
    g = begin(4, &x);
    tn_value *y = apply(g, &tn_op_relu, "", x, NULL);
    optimised(g, apply(g, &tn_op_mul, "", apply(g, &tn_op_sigmoid, "", x, NULL), y));
    assert_int_equal(count(g, &tn_op_silu), 0);
    tn_graph_free(g);
}

/* x · (1 + erf(x / divisor)) · 0.5 in one of its orders. */
static tn_value *gelu(tn_graph *g, tn_value *x, float divisor, int order) {
    tn_value *half = numbers(g, 0, NULL, 0.5f);
    tn_value *y = apply(g, &tn_op_div, "", x, numbers(g, 0, NULL, divisor));
    y = apply(g, &tn_op_erf, "", y, NULL);
    y = apply(g, &tn_op_add, "", y, numbers(g, 0, NULL, 1));
    if (order == 0) return apply(g, &tn_op_mul, "", apply(g, &tn_op_mul, "", x, y), half);
    if (order == 1) return apply(g, &tn_op_mul, "", apply(g, &tn_op_mul, "", half, x), y);
    return apply(g, &tn_op_mul, "", x, apply(g, &tn_op_mul, "", y, half));
}

static void gelu_is_one_node(void **state) {
    (void)state;
    for (int order = 0; order < 4; order++) {
        tn_value *x;
        tn_graph *g = begin(4, &x);
        tn_value *y = gelu(g, x, order < 3 ? 1.41421356f : 1.5f, order % 3);
        optimised(g, y);
        assert_int_equal(count(g, &tn_op_gelu), order < 3);
        assert_int_equal(g->n_nodes == 1, order < 3);
        tn_graph_free(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_nothing_goes),
        cmocka_unit_test(what_does_something_stays),
        cmocka_unit_test(an_output_keeps_its_name),
        cmocka_unit_test(consecutive_changes_of_shape_are_one),
        cmocka_unit_test(equal_nodes_are_one),
        cmocka_unit_test(both_outputs_stay),
        cmocka_unit_test(what_nothing_needs_goes),
        cmocka_unit_test(activations_are_recognised),
        cmocka_unit_test(what_looks_like_an_activation_stays),
        cmocka_unit_test(what_weights_make_is_a_weight),
        cmocka_unit_test(what_an_input_makes_stays),
        cmocka_unit_test(a_norm_becomes_part_of_a_conv),
        cmocka_unit_test(a_norm_becomes_part_of_a_conv_transpose),
        cmocka_unit_test(factors_become_part_of_a_gemm),
        cmocka_unit_test(an_offset_is_not_in_the_padding),
        cmocka_unit_test(what_is_no_factor_of_channels_stays),
        cmocka_unit_test(a_shared_weight_is_not_changed),
        cmocka_unit_test(a_border_of_zeros_becomes_padding),
        cmocka_unit_test(another_border_stays),
        cmocka_unit_test(a_block_with_a_shortcut_is_two_nodes),
        cmocka_unit_test(of_two_products_the_later_adds),
        cmocka_unit_test(what_a_sum_cannot_take_stays),
        cmocka_unit_test(silu_is_one_node),
        cmocka_unit_test(gelu_is_one_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
