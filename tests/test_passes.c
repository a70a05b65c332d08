/* SPDX-License-Identifier: Apache-2.0 */
/* Where passes rewrite a graph, and where they must not. That results stay the same is shown by
 * test_random_graphs.c and test_train.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/batch_norm.h"
#include "ops/ops.h"
#include "ops/pool_window.h"
#include "passes/passes.h"

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

/* x -> Conv -> Relu -> MaxPool -> Flatten -> Gemm -> Relu, with gradients unless frozen. */
typedef struct net {
    tn_graph *graph;
    tn_value *conv, *relu, *pool, *gemm, *last;
    tn_value **gradients;
} net;

static tn_value *weight(tn_graph *g, int rank, const int64_t *dims) {
    tn_shape shape = {.rank = rank};
    tn_value *v;
    memcpy(shape.dims, dims, (size_t)rank * sizeof *dims);
    float *data = calloc((size_t)tn_shape_elements(&shape), sizeof *data);
    check(tn_graph_add_value(g, TN_VALUE_PARAMETER, NULL, TN_FLOAT32, &shape, data, &v, &error));
    free(data);
    return v;
}

static tn_value *apply(tn_graph *g, const tn_op *op, const void *attrs, tn_value *a, tn_value *b) {
    tn_value *in[] = {a, b}, *y;
    check(tn_graph_apply(g, op, attrs, in, b ? 2 : 1, &y, &error));
    return y;
}

/* The pool's windows are of 2x2, or of 3x3 and overlap. */
static net net_new(bool overlap) {
    net n = {0};
    tn_value *x;
    const tn_shape shape = {.rank = 4, .dims = {2, 3, 8, 8}, .batched = true};
    tn_conv_attrs conv;
    tn_pool_attrs pool;
    tn_gemm_attrs gemm;
    const tn_axis_attrs flat = {1};
    check(tn_graph_create(&n.graph, &error));
    tn_attrs_init(&tn_op_conv, &conv);
    tn_attrs_init(&tn_op_max_pool, &pool);
    tn_attrs_init(&tn_op_gemm, &gemm);
    pool.kernel_shape = pool.strides = (tn_ints){2, {2, 2}};
    if (overlap) pool.kernel_shape = (tn_ints){2, {3, 3}};
    if (overlap) pool.pads = (tn_ints){4, {1, 1, 0, 0}};
    check(tn_graph_add_value(n.graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &shape, NULL, &x, &error));
    n.conv = apply(n.graph, &tn_op_conv, &conv, x, weight(n.graph, 4, (int64_t[]){4, 3, 3, 3}));
    n.relu = apply(n.graph, &tn_op_relu, NULL, n.conv, NULL);
    n.pool = apply(n.graph, &tn_op_max_pool, &pool, n.relu, NULL);
    n.gemm = apply(n.graph, &tn_op_gemm, &gemm, apply(n.graph, &tn_op_flatten, &flat, n.pool, NULL),
                   weight(n.graph, 2, (int64_t[]){36, 5}));
    n.last = apply(n.graph, &tn_op_relu, NULL, n.gemm, NULL);
    check(tn_graph_mark_output(n.graph, n.last, &error));
    return n;
}

static void net_differentiate(net *n) {
    tn_value *dy;
    check(tn_graph_add_value(n->graph, TN_VALUE_INPUT, "dy", TN_FLOAT32, &n->last->shape, NULL, &dy,
                             &error));
    tn_value **all = calloc((size_t)n->graph->n_values, sizeof *all);
    check(tn_graph_differentiate(n->graph, n->last, dy, NULL, 0, all, &error));
    n->gradients = calloc((size_t)n->graph->n_parameters, sizeof *n->gradients);
    for (int i = 0; i < n->graph->n_parameters; i++)
        n->gradients[i] = all[n->graph->parameters[i]->id];
    free(all);
}

static void net_free(net *n) {
    free(n->gradients);
    tn_graph_free(n->graph);
}

static int count(const tn_graph *g, const tn_op *op) {
    int found = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        assert_int_equal(g->nodes[i]->id, i);
        found += g->nodes[i]->op == op;
    }
    return found;
}

static bool ends_with_relu(const tn_node *node, const tn_op *op) {
    return node->op == op && tn_is_relu(&node->activation);
}

static void a_relu_goes_behind_the_pool(void **state) {
    net n = net_new(true);
    (void)state;
    net_differentiate(&n);
    check(tn_passes_run(n.graph, n.gradients, &error));
    const tn_node *relu = n.pool->producer;
    assert_ptr_equal(relu->op, &tn_op_relu);
    assert_ptr_equal(relu->inputs[0]->producer->op, &tn_op_max_pool);
    assert_ptr_equal(relu->inputs[0]->producer->inputs[0], n.conv);
    assert_true(tn_shape_equal(&relu->inputs[0]->shape, &n.pool->shape));
    for (int i = 0; i < n.graph->n_nodes; i++) { /* no gradient needs the image before the pool */
        const tn_node *node = n.graph->nodes[i];
        if (node->op == &tn_op_relu_grad && tn_shape_equal(&node->inputs[1]->shape, &n.pool->shape))
            assert_ptr_equal(node->inputs[1], n.pool);
    }
    net_free(&n);
}

static void a_relu_joins_a_pool_of_2x2(void **state) {
    net n = net_new(false);
    (void)state;
    net_differentiate(&n);
    check(tn_passes_run(n.graph, n.gradients, &error));
    const tn_node *pool = n.pool->producer;
    assert_ptr_equal(pool->op, &tn_op_max_pool_relu);
    assert_ptr_equal(pool->inputs[0], n.conv);
    assert_int_equal(pool->outputs[1]->shape.dims[1], 3); /* bytes for up to 8 channels */
    assert_int_equal(count(n.graph, &tn_op_max_pool_relu_grad), 1);
    assert_int_equal(count(n.graph, &tn_op_relu_grad), 1); /* that behind Gemm */
    net_free(&n);
    n = net_new(false);
    check(tn_passes_run(n.graph, NULL, &error));
    assert_ptr_equal(n.pool->producer->op, &tn_op_max_pool_relu);
    net_free(&n);
}

/* relu(pool(p x)), with gradients, one value of which is used elsewhere. */
static void expect_pool_alone(bool mark_pool, bool mark_gradient) {
    net n = {0};
    tn_value *x;
    tn_pool_attrs a;
    const tn_shape shape = {.rank = 4, .dims = {2, 3, 8, 8}, .batched = true};
    check(tn_graph_create(&n.graph, &error));
    tn_attrs_init(&tn_op_max_pool, &a);
    a.kernel_shape = a.strides = (tn_ints){2, {2, 2}};
    check(tn_graph_add_value(n.graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &shape, NULL, &x, &error));
    x = apply(n.graph, &tn_op_mul, NULL, x, weight(n.graph, 3, (int64_t[]){3, 1, 1}));
    n.pool = apply(n.graph, &tn_op_max_pool, &a, x, NULL);
    n.last = apply(n.graph, &tn_op_relu, NULL, n.pool, NULL);
    check(tn_graph_mark_output(n.graph, n.last, &error));
    if (mark_pool) check(tn_graph_mark_output(n.graph, n.pool, &error));
    net_differentiate(&n);
    for (int i = 0; i < n.graph->n_nodes && mark_gradient; i++)
        if (n.graph->nodes[i]->op == &tn_op_relu_grad)
            check(tn_graph_mark_output(n.graph, n.graph->nodes[i]->outputs[0], &error));
    check(tn_passes_run(n.graph, n.gradients, &error));
    bool alone = mark_pool || mark_gradient;
    assert_ptr_equal(n.last->producer->op, alone ? &tn_op_relu : &tn_op_max_pool_relu);
    assert_int_equal(count(n.graph, &tn_op_max_pool_grad), alone);
    assert_int_equal(count(n.graph, &tn_op_relu_grad), alone);
    net_free(&n);
}

static void a_pool_that_others_use_stays(void **state) {
    (void)state;
    expect_pool_alone(false, false);
    expect_pool_alone(true, false);
    expect_pool_alone(false, true);
}

static void relu_ends_gemm_and_conv(void **state) {
    net n = net_new(true);
    (void)state;
    check(tn_passes_run(n.graph, NULL, &error));
    assert_true(ends_with_relu(n.last->producer, &tn_op_gemm));
    assert_int_equal(count(n.graph, &tn_op_relu), 1); /* that of the pool */
    net_free(&n);
}

static void what_others_use_stays(void **state) {
    net n = net_new(true);
    (void)state;
    check(tn_graph_mark_output(n.graph, n.relu, &error));
    check(tn_graph_mark_output(n.graph, n.gemm, &error));
    check(tn_passes_run(n.graph, NULL, &error));
    assert_ptr_equal(n.pool->producer->op, &tn_op_max_pool);
    assert_true(ends_with_relu(n.relu->producer, &tn_op_conv)); /* its output is the relu's */
    assert_ptr_equal(n.last->producer->op, &tn_op_relu);
    assert_ptr_equal(n.gemm->producer->op, &tn_op_gemm);
    net_free(&n);
    n = net_new(true);
    apply(n.graph, &tn_op_sigmoid, NULL, n.relu, NULL);
    apply(n.graph, &tn_op_sigmoid, NULL, n.conv, NULL);
    check(tn_passes_run(n.graph, NULL, &error));
    assert_ptr_equal(n.pool->producer->op, &tn_op_max_pool);
    assert_ptr_equal(n.relu->producer->op, &tn_op_relu);
    net_free(&n);
}

/* ---- Normalisation -----------------------------------------------------------------------------
 */

/* An image of 3 channels, normalised by the batch as in a training graph. */
static tn_value *new_norm(tn_graph *g, tn_value *x) {
    tn_batch_norm_attrs a;
    tn_attrs_init(&tn_op_batch_norm, &a);
    tn_value *in[5] = {x}, *y;
    for (int i = 1; i < 5; i++) {
        in[i] = weight(g, 1, (int64_t[]){3});
        in[i]->statistic = i >= 3;
    }
    const tn_node node = {.op = &tn_op_batch_norm, .attrs = &a};
    check(tn_op_batch_norm.train(g, &node, in, 1, &y, &error));
    return y;
}

/* What a test may do to the graph before passes. */
typedef enum twist { NO_TWIST, MARK_NORM, MARK_SUM, BROADCAST, SAME_TWICE } twist;

/* relu(norm(x) + sigmoid(norm(x))), gradients included; the sigmoid is computed after the norm. */
static net sum_net(twist t) {
    net n = {0};
    tn_value *x, *norm, *other;
    const tn_shape shape = {.rank = 4, .dims = {2, 3, 4, 4}, .batched = true};
    check(tn_graph_create(&n.graph, &error));
    check(tn_graph_add_value(n.graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &shape, NULL, &x, &error));
    tn_value *image = new_norm(n.graph, x);
    norm = new_norm(n.graph, image);
    other = apply(n.graph, &tn_op_sigmoid, NULL, image, NULL);
    if (t == BROADCAST) other = weight(n.graph, 3, (int64_t[]){3, 1, 1});
    if (t == SAME_TWICE) other = norm;
    tn_value *sum = apply(n.graph, &tn_op_add, NULL, norm, other);
    if (t == MARK_NORM) check(tn_graph_mark_output(n.graph, norm, &error));
    if (t == MARK_SUM) check(tn_graph_mark_output(n.graph, sum, &error));
    n.last = apply(n.graph, &tn_op_relu, NULL, sum, NULL);
    check(tn_graph_mark_output(n.graph, n.last, &error));
    net_differentiate(&n);
    check(tn_passes_run(n.graph, n.gradients, &error));
    return n;
}

static void addition_and_relu_join_the_norm(void **state) {
    (void)state;
    net n = sum_net(NO_TWIST);
    const tn_node *norm = n.last->producer;
    assert_ptr_equal(norm->op, &tn_op_norm_relu);
    assert_int_equal(norm->n_inputs, 5);
    assert_ptr_equal(norm->inputs[4]->producer->op, &tn_op_sigmoid);
    assert_true(norm->inputs[4]->producer->id < norm->id);
    assert_int_equal(count(n.graph, &tn_op_relu), 0);
    /* its gradient goes two ways, and stays a node */
    assert_int_equal(count(n.graph, &tn_op_relu_grad), 1);
    assert_int_equal(count(n.graph, &tn_op_norm_relu_grad), 0);
    net_free(&n);
}

static void other_sums_stay_apart_from_the_norm(void **state) {
    (void)state;
    for (twist t = MARK_NORM; t <= SAME_TWICE; t++) {
        net n = sum_net(t);
        assert_int_equal(count(n.graph, &tn_op_norm_relu), 0);
        assert_ptr_equal(n.last->producer->op, &tn_op_relu);
        net_free(&n);
    }
}

/* relu(norm(norm(x))): the first norm wants a gradient, so that there is one of the second's input.
 */
static net relu_net(bool mark_norm, bool mark_gradient) {
    net n = {0};
    tn_value *x, *norm;
    const tn_shape shape = {.rank = 4, .dims = {2, 3, 4, 4}, .batched = true};
    check(tn_graph_create(&n.graph, &error));
    check(tn_graph_add_value(n.graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &shape, NULL, &x, &error));
    norm = new_norm(n.graph, new_norm(n.graph, x));
    if (mark_norm) check(tn_graph_mark_output(n.graph, norm, &error));
    n.last = apply(n.graph, &tn_op_relu, NULL, norm, NULL);
    check(tn_graph_mark_output(n.graph, n.last, &error));
    net_differentiate(&n);
    for (int i = 0; i < n.graph->n_nodes && mark_gradient; i++)
        if (n.graph->nodes[i]->op == &tn_op_relu_grad)
            check(tn_graph_mark_output(n.graph, n.graph->nodes[i]->outputs[0], &error));
    check(tn_passes_run(n.graph, n.gradients, &error));
    return n;
}

static void relu_joins_the_norm_and_its_gradient(void **state) {
    (void)state;
    net n = relu_net(false, false);
    assert_ptr_equal(n.last->producer->op, &tn_op_norm_relu);
    assert_int_equal(count(n.graph, &tn_op_relu_grad), 0);
    assert_int_equal(count(n.graph, &tn_op_norm_relu_grad_sums), 1);
    assert_int_equal(count(n.graph, &tn_op_norm_relu_grad), 1);
    net_free(&n);
}

static void the_gradient_joins_even_if_the_norm_is_used(void **state) {
    (void)state;
    net n = relu_net(true, false);
    assert_ptr_equal(n.last->producer->op, &tn_op_relu);
    assert_int_equal(count(n.graph, &tn_op_norm_relu_grad), 1);
    net_free(&n);
}

static void a_gradient_that_others_use_stays(void **state) {
    (void)state;
    net n = relu_net(false, true);
    assert_ptr_equal(n.last->producer->op, &tn_op_norm_relu);
    assert_int_equal(count(n.graph, &tn_op_relu_grad), 1);
    assert_int_equal(count(n.graph, &tn_op_norm_relu_grad), 0);
    net_free(&n);
}

/* ---- Pixels ------------------------------------------------------------------------------------
 */

static tn_value *constant(tn_graph *g, int rank, const int64_t *dims, const float *data) {
    tn_value *v;
    check(tn_graph_add_constant(g, NULL, rank, dims, data, &v, &error));
    return v;
}

/* uint8 images of 3 channels as numbers in 0..1 */
static tn_value *new_pixels(tn_graph **g) {
    const tn_shape shape = {.rank = 4, .dims = {2, 4, 5, 3}, .batched = true};
    tn_value *pixels;
    check(tn_graph_create(g, &error));
    check(tn_graph_add_value(*g, TN_VALUE_INPUT, "x", TN_UINT8, &shape, NULL, &pixels, &error));
    return apply(*g, &tn_op_load_pixels, NULL, pixels, NULL);
}

static void pixels_are_normalised_as_they_are_loaded(void **state) {
    (void)state;
    tn_graph *g;
    tn_value *x = new_pixels(&g);
    const float mean[] = {0.5f, 0.25f, 0.75f}, std[] = {0.5f, 0.25f, 2}, twice = 2;
    x = apply(g, &tn_op_sub, NULL, x, constant(g, 4, (int64_t[]){1, 3, 1, 1}, mean));
    x = apply(g, &tn_op_div, NULL, x, constant(g, 3, (int64_t[]){3, 1, 1}, std));
    x = apply(g, &tn_op_mul, NULL, constant(g, 0, NULL, &twice), x);
    check(tn_graph_mark_output(g, x, &error));
    check(tn_passes_run(g, NULL, &error));
    const tn_node *load = x->producer;
    assert_ptr_equal(load->op, &tn_op_load_pixels);
    assert_int_equal(g->n_nodes, 1);
    const float *scale = load->inputs[1]->data, *offset = load->inputs[2]->data;
    const float scales[] = {4, 8, 1}, offsets[] = {-2, -2, -0.75f};
    for (int k = 0; k < 3; k++) {
        assert_true(scale[k] == scales[k]);
        assert_true(offset[k] == offsets[k]);
    }
    tn_graph_free(g);
}

/* The nodes that stay of LoadPixels and one more. */
static int nodes_left(const tn_op *op, bool constant_first, int rank, const int64_t *dims,
                      const float *data, bool mark) {
    tn_graph *g;
    tn_value *x = new_pixels(&g), *c = constant(g, rank, dims, data);
    tn_value *y = apply(g, op, NULL, constant_first ? c : x, constant_first ? x : c);
    if (mark) check(tn_graph_mark_output(g, x, &error));
    check(tn_graph_mark_output(g, y, &error));
    check(tn_passes_run(g, NULL, &error));
    int n = g->n_nodes;
    tn_graph_free(g);
    return n;
}

static void what_is_no_normalisation_stays(void **state) {
    (void)state;
    static const float numbers[2 * 3 * 4 * 5] = {1, 2, 3, 4, 5}; /* further ones are 0 */
    const int64_t channels[] = {3, 1, 1}, row[] = {5}, image[] = {3, 4, 5};
    assert_int_equal(nodes_left(&tn_op_mul, false, 3, channels, numbers, false), 1);
    assert_int_equal(nodes_left(&tn_op_mul, true, 3, channels, numbers, false), 1);
    assert_int_equal(nodes_left(&tn_op_mul, false, 3, channels, numbers, true), 2);
    assert_int_equal(nodes_left(&tn_op_sub, true, 3, channels, numbers, false), 2); /* c - x */
    assert_int_equal(nodes_left(&tn_op_mul, false, 1, row, numbers, false), 2);
    assert_int_equal(nodes_left(&tn_op_mul, false, 3, image, numbers, false), 2);
    assert_int_equal(nodes_left(&tn_op_div, false, 3, channels, numbers + 3, false), 2); /* by 0 */
    assert_int_equal(nodes_left(&tn_op_prelu, false, 3, channels, numbers, false), 2);
}

static void a_parameter_is_no_normalisation(void **state) {
    (void)state;
    tn_graph *g;
    tn_value *x = new_pixels(&g);
    x = apply(g, &tn_op_mul, NULL, x, weight(g, 3, (int64_t[]){3, 1, 1}));
    check(tn_graph_mark_output(g, x, &error));
    check(tn_passes_run(g, NULL, &error));
    assert_int_equal(g->n_nodes, 2);
    tn_graph_free(g);
}

/* ---- The loss ----------------------------------------------------------------------------------
 */

typedef enum loss_twist { LOSS_ALONE, MARK_LOG_P, COMPUTED_GRADIENT } loss_twist;

/* The loss of scores p x, whose gradient is an input or computed. Returns how many nodes are loss
 * and gradient at once. */
static int losses_fused(loss_twist t) {
    tn_graph *g;
    tn_value *x, *labels, *dy;
    tn_node *loss;
    const tn_shape rows = {.rank = 2, .dims = {2, 5}, .batched = true};
    const tn_shape row = {.rank = 1, .dims = {2}, .batched = true};
    const tn_softmax_cross_entropy_attrs a = {0};
    check(tn_graph_create(&g, &error));
    check(tn_graph_add_value(g, TN_VALUE_INPUT, "x", TN_FLOAT32, &rows, NULL, &x, &error));
    check(tn_graph_add_value(g, TN_VALUE_INPUT, "t", TN_INT32, &row, NULL, &labels, &error));
    check(tn_graph_add_value(g, TN_VALUE_INPUT, "dy", TN_FLOAT32, &row, NULL, &dy, &error));
    x = apply(g, &tn_op_mul, NULL, x, weight(g, 1, (int64_t[]){5}));
    tn_value *in[] = {x, labels}, *last = NULL, *all[64] = {NULL};
    check(tn_graph_add_node(g, &tn_op_softmax_cross_entropy, NULL, &a, in, 2, &loss, &error));
    last = loss->outputs[0];
    if (t == COMPUTED_GRADIENT) last = apply(g, &tn_op_sigmoid, NULL, last, NULL);
    check(tn_graph_mark_output(g, last, &error));
    if (t == MARK_LOG_P) check(tn_graph_mark_output(g, loss->outputs[1], &error));
    assert_true(g->n_values < 64);
    check(tn_graph_differentiate(g, last, dy, NULL, 0, all, &error));
    tn_value *gradient = all[g->parameters[0]->id];
    check(tn_passes_run(g, &gradient, &error));
    int fused = count(g, &tn_op_softmax_cross_entropy_both);
    assert_int_equal(count(g, &tn_op_softmax_cross_entropy), 1 - fused);
    assert_int_equal(count(g, &tn_op_softmax_cross_entropy_grad), 1 - fused);
    tn_graph_free(g);
    return fused;
}

static void the_loss_comes_with_its_gradient(void **state) {
    (void)state;
    assert_int_equal(losses_fused(LOSS_ALONE), 1);
    assert_int_equal(losses_fused(MARK_LOG_P), 0);
    assert_int_equal(losses_fused(COMPUTED_GRADIENT), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relu_goes_behind_the_pool),
        cmocka_unit_test(a_relu_joins_a_pool_of_2x2),
        cmocka_unit_test(a_pool_that_others_use_stays),
        cmocka_unit_test(relu_ends_gemm_and_conv),
        cmocka_unit_test(what_others_use_stays),
        cmocka_unit_test(pixels_are_normalised_as_they_are_loaded),
        cmocka_unit_test(what_is_no_normalisation_stays),
        cmocka_unit_test(a_parameter_is_no_normalisation),
        cmocka_unit_test(addition_and_relu_join_the_norm),
        cmocka_unit_test(other_sums_stay_apart_from_the_norm),
        cmocka_unit_test(relu_joins_the_norm_and_its_gradient),
        cmocka_unit_test(the_gradient_joins_even_if_the_norm_is_used),
        cmocka_unit_test(a_gradient_that_others_use_stays),
        cmocka_unit_test(the_loss_comes_with_its_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
