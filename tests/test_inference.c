/* SPDX-License-Identifier: Apache-2.0 */
/* test_inference.c: networks put together by chance from what exporters write, in mode fp32 against
 * the reference: equal but for rounding, and the same bits on any number of threads, in any tiles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/philox.h"
#include "graph/model.h"
#include "passes/passes.h"

enum { NETWORKS = 400, BATCH = 5, CLASSES = 10, MOST_BLOCKS = 5 };

/* Of what fp32 and reference differ by, as a share of the largest output: weights are rounded once
 * more, and Winograd's algorithm may take other weights (docs/numerics.md). */
static const double tolerance = 2e-5;

static tn_error error;

/* ---- Networks -------------------------------------------------------------------------------- */

typedef struct maker {
    tn_builder *b;
    tn_random random;
    int n_parameters;
} maker;

static int64_t pick(maker *m, int64_t low, int64_t high) {
    return low + (int64_t)tn_random_below(&m->random, (uint32_t)(high - low + 1));
}

static bool chance(maker *m, int one_in) { return pick(m, 1, one_in) == 1; }

static tn_value *number(maker *m, int rank, const int64_t *dims, double low, double high) {
    char name[32];
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    float *data = malloc((size_t)n * sizeof *data);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(low + (high - low) * tn_random_uniform(&m->random));
    snprintf(name, sizeof name, "p%d", m->n_parameters++);
    tn_value *v = tn_build_parameter(m->b, name, rank, dims, data);
    free(data);
    return v;
}

static tn_value *scalar(maker *m, double x) { return number(m, 0, NULL, x, x); }

static tn_value *op(maker *m, const char *type, const char *attributes, tn_value *a, tn_value *b) {
    tn_value *in[] = {a, b};
    return tn_build_op(m->b, type, attributes, in, b ? 2 : 1);
}

static tn_value *conv(maker *m, tn_value *x) {
    char attributes[160];
    int64_t c = tn_build_dim(x, 1), k = pick(m, 0, 2) * 2 + 1, s = pick(m, 1, chance(m, 3) ? 2 : 1);
    int64_t group = chance(m, 4) ? c : c % 2 == 0 && chance(m, 5) ? 2 : 1;
    int64_t o = group * (group == c ? pick(m, 1, 2) : pick(m, 1, 12));
    if (chance(m, 2) && group != c) o = c; /* a shortcut fits */
    int64_t pad = chance(m, 4) ? 0 : k / 2, bigger = pad ? pad + chance(m, 5) : 0;
    if (tn_build_dim(x, 2) + 2 * pad < k || tn_build_dim(x, 3) + 2 * pad < k) return x;
    bool apart = pad > 0 && chance(m, 6); /* the padding is a node of its own */
    snprintf(attributes, sizeof attributes, "pads=0,0,%d,%d,0,0,%d,%d", (int)pad, (int)bigger,
             (int)pad, (int)pad);
    if (apart) x = op(m, "Pad", attributes, x, NULL);
    snprintf(attributes, sizeof attributes,
             "kernel_shape=%d,%d strides=%d,%d group=%d pads=%d,%d,%d,%d", (int)k, (int)k, (int)s,
             (int)s, (int)group, apart ? 0 : (int)pad, apart ? 0 : (int)bigger,
             apart ? 0 : (int)pad, apart ? 0 : (int)pad);
    const int64_t w[] = {o, c / group, k, k};
    double size = 1.5 / sqrt((double)(k * k * c / group));
    tn_value *in[] = {x, number(m, 4, w, -size, size), number(m, 1, &o, -0.5, 0.5)};
    return tn_build_op(m->b, "Conv", attributes, in, chance(m, 2) ? 3 : 2);
}

static tn_value *norm(maker *m, tn_value *x) {
    const int64_t c = tn_build_dim(x, 1);
    tn_value *in[] = {x, number(m, 1, &c, 0.5, 1.5), number(m, 1, &c, -0.5, 0.5),
                      number(m, 1, &c, -0.5, 0.5), number(m, 1, &c, 0.5, 2)};
    return tn_build_op(m->b, "BatchNormalization", "", in, 5);
}

/* By numbers of channels, on either side of x. */
static tn_value *scale(maker *m, tn_value *x) {
    static const char *const types[] = {"Add", "Sub", "Mul", "Div"};
    const int64_t dims[] = {tn_build_dim(x, 1), 1, 1};
    tn_value *c = chance(m, 4) ? scalar(m, 0.75) : number(m, 3, dims, 0.5, 1.5);
    const char *type = types[pick(m, 0, 3)];
    return chance(m, 5) ? op(m, type, "", c, op(m, "Clip", "min=0.5 max=2", x, NULL))
                        : op(m, type, "", x, c);
}

static tn_value *clipped_sum(maker *m, tn_value *x) {
    return op(m, "Clip", "min=0 max=6", op(m, "Add", "", x, scalar(m, 3)), NULL);
}

/* Twice that of Gelu. */
static tn_value *normal_share(maker *m, tn_value *x) {
    x = op(m, "Erf", "", op(m, "Div", "", x, scalar(m, sqrt(2))), NULL);
    return op(m, "Add", "", x, scalar(m, 1));
}

static tn_value *activation(maker *m, tn_value *x) {
    switch (pick(m, 0, 13)) {
    case 0: return op(m, "Clip", "min=0 max=1.5", x, NULL);
    case 1: return op(m, "LeakyRelu", "alpha=0.125", x, NULL);
    case 2: return op(m, "HardSwish", "", x, NULL);
    case 3: return op(m, "Sigmoid", "", x, NULL);
    case 4: return op(m, "Mul", "", x, op(m, "Sigmoid", "", x, NULL));
    case 5: return op(m, "Mul", "", op(m, "Sigmoid", "", x, NULL), x);
    case 6: return op(m, "Elu", "", x, NULL);
    case 7: return x;
    case 8: return op(m, "Mul", "", op(m, "Div", "", clipped_sum(m, x), scalar(m, 6)), x);
    case 9: return op(m, "Div", "", op(m, "Mul", "", x, clipped_sum(m, x)), scalar(m, 6));
    case 10: return op(m, "Mul", "", op(m, "Mul", "", x, normal_share(m, x)), scalar(m, 0.5));
    default: return op(m, "Relu", "", x, NULL);
    }
}

/* Nodes that do nothing, or together nothing. */
static tn_value *idle(maker *m, tn_value *x) {
    char attributes[96];
    switch (pick(m, 0, 5)) {
    case 0: return op(m, "Identity", "", x, NULL);
    case 1: return op(m, "Dropout", "ratio=0.25", x, NULL);
    case 2: return op(m, "Pad", "pads=0,0,0,0,0,0,0,0", x, NULL);
    case 3:
        x = op(m, "Transpose", "perm=0,2,3,1", x, NULL);
        return op(m, "Transpose", "perm=0,3,1,2", x, NULL);
    case 4:
        snprintf(attributes, sizeof attributes, "shape=0,%d,%d,%d", (int)tn_build_dim(x, 1),
                 (int)tn_build_dim(x, 2), (int)tn_build_dim(x, 3));
        x = op(m, "Reshape", "shape=0,-1", x, NULL);
        return op(m, "Reshape", attributes, x, NULL);
    default: return op(m, "Clip", "", x, NULL);
    }
}

/* Twice as large. */
static tn_value *conv_transpose(maker *m, tn_value *x) {
    int64_t c = tn_build_dim(x, 1), group = c % 2 == 0 && chance(m, 2) ? 2 : 1;
    const int64_t w[] = {c, pick(m, 1, 6), 2, 2}, o = w[1] * group;
    tn_value *in[] = {x, number(m, 4, w, -0.5, 0.5), number(m, 1, &o, -0.5, 0.5)};
    return tn_build_op(m->b, "ConvTranspose", group == 2 ? "strides=2,2 group=2" : "strides=2,2",
                       in, chance(m, 2) ? 3 : 2);
}

static tn_value *branch(maker *m, tn_value *x) {
    if (chance(m, 8)) x = scale(m, x);
    bool small = tn_build_dim(x, 2) < 8 && tn_build_dim(x, 3) < 8;
    x = small && chance(m, 8) ? conv_transpose(m, x) : conv(m, x);
    if (chance(m, 6)) x = idle(m, x);
    if (chance(m, 2)) x = norm(m, x);
    if (chance(m, 4)) x = scale(m, x);
    return x;
}

static bool same_shape(const tn_value *a, const tn_value *b) {
    return tn_shape_equal(&a->shape, &b->shape);
}

static tn_value *block(maker *m, tn_value *x) {
    tn_value *y = activation(m, branch(m, x));
    if (chance(m, 2)) y = branch(m, y);
    if (chance(m, 4)) x = branch(m, x);
    if (chance(m, 3)) x = op(m, "Relu", "", x, NULL); /* perhaps twice the same */
    if (same_shape(x, y)) y = chance(m, 2) ? tn_build_add(m->b, x, y) : tn_build_add(m->b, y, x);
    y = activation(m, y);
    if (tn_build_dim(y, 2) >= 4 && tn_build_dim(y, 3) >= 4 && chance(m, 3))
        y = tn_build_max_pool(m->b, y, 2, 2);
    return y;
}

/* A fully connected layer, as Gemm or as exporters write it. */
static tn_value *dense(maker *m, tn_value *x, int64_t n_out) {
    const int64_t dims[] = {tn_build_dim(x, 1), n_out};
    double size = 1.5 / sqrt((double)dims[0]);
    if (chance(m, 2)) return tn_build_linear(m->b, x, n_out);
    tn_value *y = op(m, "MatMul", "", x, number(m, 2, dims, -size, size));
    tn_value *bias = number(m, 1, &n_out, -0.5, 0.5);
    return chance(m, 2) ? op(m, "Add", "", y, bias) : op(m, "Add", "", bias, y);
}

static tn_model *make_network(uint64_t seed) {
    maker m = {.random = tn_random_begin(21, TN_PURPOSE_TEST, seed)};
    tn_model_options o = TN_INIT(tn_model_options);
    tn_model *model;
    o.channels = pick(&m, 1, 3);
    o.height = pick(&m, 5, 14);
    o.width = pick(&m, 5, 14);
    o.seed = seed;
    assert_int_equal(tn_builder_create("network", &o, &m.b, &error), TN_OK);
    tn_value *x = tn_build_images(m.b);
    for (int64_t i = pick(&m, 1, MOST_BLOCKS); i > 0; i--) x = block(&m, x);
    x = tn_build_flatten(m.b, x);
    tn_value *y = activation(&m, dense(&m, x, pick(&m, 1, 40)));
    if (chance(&m, 2)) y = activation(&m, tn_build_add(m.b, dense(&m, y, tn_build_dim(y, 1)), y));
    if (tn_builder_finish(m.b, dense(&m, y, CLASSES), &model, &error) != TN_OK)
        fail_msg("network %d: %s", (int)seed, error.message);
    return model;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* Scores of BATCH random images; by way of pixels, or of tensors. */
static void run(const tn_model *model, tn_session_options options, bool pixels, float *scores) {
    const int64_t each = model->channels * model->height * model->width;
    tn_random random = tn_random_begin(22, TN_PURPOSE_TEST, 0);
    uint8_t *bytes = malloc((size_t)(BATCH * each));
    float *x = malloc((size_t)(BATCH * each) * sizeof *x);
    for (int64_t i = 0; i < BATCH * each; i++) {
        bytes[i] = (uint8_t)tn_random_below(&random, 256);
        x[i] = (float)bytes[i] / 255;
    }
    tn_session *session;
    if (tn_session_create(model, &options, &session, &error) != TN_OK)
        fail_msg("%s", error.message);
    const tn_tensor in = {.rank = 4,
                          .dims = {BATCH, model->channels, model->height, model->width},
                          .data = x,
                          .bytes = (size_t)(BATCH * each) * sizeof *x};
    const tn_tensor out = {.rank = 2,
                           .dims = {BATCH, CLASSES},
                           .data = scores,
                           .bytes = BATCH * CLASSES * sizeof *scores};
    tn_status status = pixels ? tn_session_classify(session, bytes, BATCH, scores, &error)
                              : tn_session_run(session, &in, 1, &out, 1, &error);
    if (status != TN_OK) fail_msg("%s", error.message);
    tn_session_free(session);
    free(bytes);
    free(x);
}

static void compare(int seed, const char *what, const float *a, const float *b, double bound) {
    double largest = 0.1;
    for (int i = 0; i < BATCH * CLASSES; i++) largest = fmax(largest, fabs((double)a[i]));
    for (int i = 0; i < BATCH * CLASSES; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= bound * largest))
            fail_msg("network %d, %s: [%d] is %.9g, not %.9g", seed, what, i, (double)b[i],
                     (double)a[i]);
}

/* How often what passes are for came about, over all networks. */
typedef struct tally {
    int activations[TN_ACTIVATION_SILU + 1], additions, nodes_before, nodes_after;
} tally;

static void count(const tn_model *model, tally *t) {
    tn_graph *graph;
    assert_int_equal(tn_graph_clone(model->graph, &graph, &error), TN_OK);
    assert_int_equal(tn_passes_optimise(graph, &error), TN_OK);
    for (int i = 0; i < graph->n_nodes; i++) {
        t->activations[graph->nodes[i]->activation.kind]++;
        t->additions += graph->nodes[i]->more > 0;
    }
    t->nodes_before += model->graph->n_nodes;
    t->nodes_after += graph->n_nodes;
    tn_graph_free(graph);
}

static void test_network(int seed, tally *t) {
    tn_model *model = make_network((uint64_t)seed), *converted;
    float reference[2][BATCH * CLASSES], fp32[2][BATCH * CLASSES], again[BATCH * CLASSES];
    count(model, t);
    for (int pixels = 0; pixels < 2; pixels++) {
        run(model,
            (tn_session_options){
                .size = sizeof(tn_session_options), .mode = TN_MODE_REFERENCE, .n_threads = 1},
            pixels, reference[pixels]);
        run(model, (tn_session_options){.size = sizeof(tn_session_options), .n_threads = 1}, pixels,
            fp32[pixels]);
        compare(seed, pixels ? "pixels" : "tensors", reference[pixels], fp32[pixels], tolerance);
    }
    run(model,
        (tn_session_options){.size = sizeof(tn_session_options), .n_threads = 3, .max_batch = 40},
        false, again);
    compare(seed, "threads", fp32[0], again, 0);
    run(model,
        (tn_session_options){
            .size = sizeof(tn_session_options), .n_threads = 2, .tile = 1 + seed % 3},
        false, again);
    compare(seed, "tiles", fp32[0], again, 0);
    run(model,
        (tn_session_options){
            .size = sizeof(tn_session_options), .n_threads = 2, .tile_rows = 1 + seed % 4},
        false, again);
    compare(seed, "rows", fp32[0], again, 0);
    assert_int_equal(tn_model_convert(model, NULL, &converted, &error), TN_OK);
    run(converted,
        (tn_session_options){
            .size = sizeof(tn_session_options), .mode = TN_MODE_REFERENCE, .n_threads = 1},
        false, again);
    compare(seed, "converted", reference[0], again, tolerance);
    tn_model_free(converted);
    tn_model_free(model);
}

static void networks_by_chance_agree_with_the_reference(void **state) {
    (void)state;
    tally t = {0};
    for (int seed = 0; seed < NETWORKS; seed++) test_network(seed, &t);
    for (int kind = TN_ACTIVATION_CLIP; kind <= TN_ACTIVATION_SILU; kind++)
        assert_true(t.activations[kind] > NETWORKS / 10); /* it does test what it is for */
    assert_true(t.additions > NETWORKS / 4);
    assert_true(t.nodes_after * 2 < t.nodes_before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_by_chance_agree_with_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
