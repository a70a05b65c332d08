/* SPDX-License-Identifier: Apache-2.0 */
/* test_lanes.c: samples in lanes: the products and their gradients on every level, which networks
 * run so, and that it makes no difference but rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/philox.h"
#include "cpu/isa.h"
#include "graph/lanes.h"
#include "graph/plan_parts.h"
#include "models/models.h"
#include "train/training_graph.h"

enum { MAX_LEVELS = 8, CLASSES = 10 };

static tn_error error;

static int levels_here(tn_kernels tables[MAX_LEVELS]) {
    int n = 0;
    for (const char *const *level = tn_kernel_levels(); *level != NULL; level++)
        if (tn_kernels_init(&tables[n], *level, tn_isa_detect())) n++;
    return n;
}

/* Small integers, whose sums are exact, or any numbers. */
static void fill(tn_random *random, bool integers, float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] = integers ? (float)tn_random_below(random, 9) - 4
                        : (float)(2 * tn_random_uniform(random) - 1);
}

static void expect(const char *what, const tn_kernels *k, float got, double sum, double magnitude,
                   bool exactly) {
    double bound = exactly ? 0 : 0x1p-18 * magnitude;
    if (!(fabs((double)got - sum) <= bound))
        fail_msg("%s, %s: %.9g, not %.9g", k->level, what, (double)got, sum);
}

/* ---- Products -------------------------------------------------------------------------------- */

enum { ROWS = 2, COLUMNS = 7, OUTPUTS = 14, DEPTH = 7, PLANE = 24, GAP = 3 };

typedef struct product_data {
    float x[4 * PLANE * TN_LANES], w[OUTPUTS * (DEPTH + GAP)], bias[OUTPUTS];
    float y[ROWS * COLUMNS * (OUTPUTS + 1) * TN_LANES], before[ROWS * COLUMNS * (OUTPUTS + 1) * 8];
    int64_t offset[DEPTH];
} product_data;

static product_data *product_data_new(bool integers, uint64_t seed) {
    tn_random random = tn_random_begin(seed, TN_PURPOSE_TEST, 0);
    product_data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    fill(&random, integers, d->x, sizeof d->x / sizeof(float));
    fill(&random, integers, d->w, sizeof d->w / sizeof(float));
    fill(&random, integers, d->bias, OUTPUTS);
    fill(&random, integers, d->y, sizeof d->y / sizeof(float));
    memcpy(d->before, d->y, sizeof d->y);
    for (int t = 0; t < DEPTH; t++)
        d->offset[t] = (int64_t)tn_random_below(&random, 2 * PLANE) * TN_LANES;
    return d;
}

static void expect_product(const tn_kernels *k, const product_data *d, const tn_lanes_product *p,
                           int64_t at, int64_t x_at, int64_t j, int l, bool exactly) {
    double sum = p->add ? d->before[at] : p->bias ? p->bias[j] : 0, magnitude = fabs(sum);
    for (int64_t t = 0; t < p->depth; t++) {
        double part = (double)p->x[x_at + p->offset[t] + l] * p->w[t * p->w_step + j * p->w_output];
        sum += part;
        magnitude += fabs(part);
    }
    if (p->relu && sum < 0) sum = 0;
    expect("product", k, d->y[at], sum, magnitude, exactly);
}

/* Rows are 2 · COLUMNS points of x and COLUMNS of y. The points of a row are neighbours, or every
 * second of x, and outputs lie between those of y. */
static void check_product(const tn_kernels *k, int64_t columns, int64_t outputs, int64_t depth,
                          int variant, bool exactly) {
    product_data *d = product_data_new(exactly, 3);
    bool dense = variant / 16 % 2;
    const tn_lanes_product p = {.rows = ROWS,
                                .columns = columns,
                                .x_row = (2 * COLUMNS + 1) * TN_LANES,
                                .x_column = (dense ? 1 : 2) * TN_LANES,
                                .y_row = COLUMNS * (OUTPUTS + 1) * TN_LANES,
                                .y_column = (dense ? 1 : OUTPUTS + 1) * TN_LANES,
                                .outputs = outputs,
                                .y_output = (dense ? COLUMNS : 1) * TN_LANES,
                                .depth = depth,
                                .w_step = variant % 2 ? 1 : outputs,
                                .w_output = variant % 2 ? depth + GAP : 1,
                                .offset = d->offset,
                                .x = d->x,
                                .w = d->w,
                                .bias = variant / 2 % 2 ? d->bias : NULL,
                                .y = d->y,
                                .add = variant / 4 % 2,
                                .relu = variant / 8 % 2};
    k->lanes_product(&p);
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t c = 0; c < COLUMNS; c++)
            for (int64_t j = 0; j <= OUTPUTS; j++)
                for (int l = 0; l < TN_LANES; l++) {
                    int64_t at = r * p.y_row + c * p.y_column + j * p.y_output + l;
                    if (c < columns && j < outputs)
                        expect_product(k, d, &p, at, r * p.x_row + c * p.x_column, j, l, exactly);
                    else
                        assert_true(d->y[at] == d->before[at]);
                }
    free(d);
}

static void products_are_sums(void **state) {
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int level = 0; level < n_levels; level++)
        for (int variant = 0; variant < 32; variant++)
            for (int64_t columns = 0; columns <= COLUMNS; columns++)
                for (int64_t outputs = 1; outputs <= OUTPUTS; outputs++)
                    for (int64_t depth = 0; depth <= DEPTH; depth += 1 + variant % 3)
                        for (int exactly = 0; exactly < 2; exactly++)
                            check_product(&tables[level], columns, outputs, depth, variant,
                                          exactly);
}

/* ---- Gradients of weights -------------------------------------------------------------------- */

enum { W_DEPTH = 70, W_OUTPUTS = 9, W_ROWS = 6, W_COLUMNS = 12, W_PLANE = 400 };

typedef struct weight_data {
    float x[W_PLANE * TN_LANES], dy[W_OUTPUTS * W_ROWS * W_COLUMNS * TN_LANES];
    float dw[W_DEPTH * (W_OUTPUTS + 1)], before[W_DEPTH * (W_OUTPUTS + 1)];
    int64_t offset[W_DEPTH], w_offset[W_DEPTH];
} weight_data;

/* What is in the lanes that do not count is not even a number. */
static void spoil_lanes(int lanes, float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (i % TN_LANES >= lanes) x[i] = NAN;
}

static weight_data *weight_data_new(bool integers, int lanes) {
    tn_random random = tn_random_begin(4, TN_PURPOSE_TEST, (uint64_t)lanes);
    weight_data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    fill(&random, integers, d->x, sizeof d->x / sizeof(float));
    fill(&random, integers, d->dy, sizeof d->dy / sizeof(float));
    fill(&random, integers, d->dw, sizeof d->dw / sizeof(float));
    memcpy(d->before, d->dw, sizeof d->dw);
    spoil_lanes(lanes, d->x, sizeof d->x / sizeof(float));
    spoil_lanes(lanes, d->dy, sizeof d->dy / sizeof(float));
    for (int t = 0; t < W_DEPTH; t++) {
        d->offset[t] = (int64_t)tn_random_below(&random, 200) * TN_LANES;
        d->w_offset[t] = (W_DEPTH - 1 - t) * (W_OUTPUTS + 1);
    }
    return d;
}

static void expect_weight(const tn_kernels *k, const weight_data *d, const tn_lanes_weight *w,
                          int64_t t, int64_t j, bool exactly) {
    int64_t at = w->w_offset[t] + j;
    double sum = d->before[at], magnitude = fabs(sum);
    for (int64_t r = 0; r < w->rows; r++)
        for (int64_t c = 0; c < w->columns; c++)
            for (int l = 0; l < w->lanes; l++) {
                int64_t x_at = r * w->x_row + c * w->x_column + w->offset[t] + l;
                int64_t dy_at = r * w->y_row + c * w->y_column + j * w->y_output + l;
                sum += (double)d->x[x_at] * d->dy[dy_at];
                magnitude += fabs((double)d->x[x_at] * d->dy[dy_at]);
            }
    expect("weight", k, d->dw[at], sum, magnitude, exactly);
}

static void check_weight(const tn_kernels *k, int64_t outputs, int64_t depth, int lanes,
                         bool exactly) {
    weight_data *d = weight_data_new(exactly, lanes);
    const tn_lanes_weight w = {.rows = W_ROWS,
                               .columns = W_COLUMNS,
                               .x_row = 2 * W_COLUMNS * TN_LANES,
                               .x_column = 2 * TN_LANES,
                               .y_row = W_COLUMNS * TN_LANES,
                               .y_column = TN_LANES,
                               .outputs = outputs,
                               .y_output = W_ROWS * W_COLUMNS * TN_LANES,
                               .depth = depth,
                               .offset = d->offset,
                               .w_offset = d->w_offset,
                               .x = d->x,
                               .dy = d->dy,
                               .dw = d->dw,
                               .lanes = lanes};
    k->lanes_weight(&w);
    for (int64_t t = 0; t < W_DEPTH; t++)
        for (int64_t j = 0; j <= W_OUTPUTS; j++) {
            if (t < depth && j < outputs)
                expect_weight(k, d, &w, t, j, exactly);
            else
                assert_true(d->dw[d->w_offset[t] + j] == d->before[d->w_offset[t] + j]);
        }
    free(d);
}

static void weights_are_sums_over_lanes(void **state) {
    static const int64_t depths[] = {0, 1, 2, 3, 25, 30, 31, 70};
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int level = 0; level < n_levels; level++)
        for (int lanes = 1; lanes <= TN_LANES; lanes++)
            for (int i = 0; i < 8; i++)
                for (int exactly = 0; exactly < 2; exactly++)
                    check_weight(&tables[level], 1 + (lanes + i) % W_OUTPUTS, depths[i], lanes,
                                 exactly);
}

/* The order in which lanes are added can be seen where numbers differ in size. */
static void lanes_are_added_in_a_tree(void **state) {
    const float x[TN_LANES] = {0x1p24f, 1, -0x1p24f, 1, 3, 0x1p25f, 1, -0x1p25f};
    const float expected = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
    const float ones[TN_LANES] = {1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t zero = 0;
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int level = 0; level < n_levels; level++) {
        float dw = 0, sum = 0;
        const tn_lanes_weight w = {.rows = 1,
                                   .columns = 1,
                                   .outputs = 1,
                                   .depth = 1,
                                   .offset = &zero,
                                   .w_offset = &zero,
                                   .x = x,
                                   .dy = ones,
                                   .dw = &dw,
                                   .lanes = TN_LANES};
        tables[level].lanes_weight(&w);
        tables[level].lanes_sum(1, 1, TN_LANES, x, &sum);
        assert_true(dw == expected && sum == expected);
        sum = 0;
        tables[level].lanes_sum(1, 1, 6, x, &sum);
        assert_true(sum == ((x[0] + x[1]) + (x[2] + x[3])) + (x[4] + x[5]));
    }
}

static void outer_products_are_sums_over_samples(void **state) {
    enum { K = 5, MOST = 70 };
    tn_kernels tables[MAX_LEVELS];
    float x[K * TN_LANES], dy[MOST * TN_LANES], dw[K * MOST + 1], before[K * MOST + 1];
    (void)state;
    int n_levels = levels_here(tables);
    for (int level = 0; level < n_levels; level++)
        for (int64_t outputs = 1; outputs <= MOST; outputs++)
            for (int lanes = 1; lanes <= TN_LANES; lanes += 1 + (int)outputs % 3) {
                tn_random random = tn_random_begin(5, TN_PURPOSE_TEST, (uint64_t)outputs);
                fill(&random, true, x, K * TN_LANES);
                fill(&random, true, dy, MOST * TN_LANES);
                fill(&random, true, dw, K * MOST + 1);
                memcpy(before, dw, sizeof dw);
                spoil_lanes(lanes, x, K * TN_LANES);
                spoil_lanes(lanes, dy, MOST * TN_LANES);
                tables[level].lanes_outer(K, outputs, lanes, x, dy, dw);
                for (int64_t k = 0; k < K; k++)
                    for (int64_t j = 0; j < outputs; j++) {
                        float sum = before[k * outputs + j];
                        for (int l = 0; l < lanes; l++)
                            sum += x[k * TN_LANES + l] * dy[j * TN_LANES + l];
                        assert_true(dw[k * outputs + j] == sum);
                    }
                assert_true(dw[K * outputs] == before[K * outputs]);
            }
}

/* ---- Dropout --------------------------------------------------------------------------------- */

/* Each lane is what the other kernel draws for that sample, channels last. */
static void lanes_drop_what_samples_drop(void **state) {
    enum { CHANNELS = 3, POINTS = 7, N = CHANNELS * POINTS };
    static const uint32_t key[2] = {1, 2}, thresholds[] = {0, 1, 20000, 65535, 65536, 0xffffffffu};
    tn_kernels tables[MAX_LEVELS];
    float x[N * TN_LANES], y[N * TN_LANES], of_sample[N], expected[N];
    (void)state;
    int n_levels = levels_here(tables);
    for (int i = 0; i < N * TN_LANES; i++) x[i] = (float)(i + 1);
    for (int level = 0; level < n_levels; level++)
        for (int t = 0; t < 6; t++) {
            const uint32_t first[4] = {0, 0xfffffffcu, 5, 6}; /* samples beyond 32 bits, too */
            tables[level].lanes_dropout(CHANNELS, POINTS, key, first, thresholds[t], 1.5f, x, y);
            for (uint32_t l = 0; l < TN_LANES; l++) {
                const uint32_t counter[4] = {0, first[1] + l, 5, 6};
                for (int e = 0; e < N; e++)
                    of_sample[e] = x[(e % CHANNELS * POINTS + e / CHANNELS) * TN_LANES + (int)l];
                tables[0].dropout(N, key, counter, 0, thresholds[t], 1.5f, of_sample, expected);
                for (int e = 0; e < N; e++)
                    assert_true(y[(e % CHANNELS * POINTS + e / CHANNELS) * TN_LANES + (int)l] ==
                                expected[e]);
            }
        }
}

/* ---- Which networks -------------------------------------------------------------------------- */

/* A training graph of a built-in model, planned. */
typedef struct planned {
    tn_model *model;
    tn_graph *graph;
    tn_value *gradients[256];
    tn_kernels kernels;
    tn_plan *plan;
} planned;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

/* In the manner of LeCun et al. 1998: pooling by means, tanh. */
static tn_value *build_lenet5(tn_builder *b) {
    tn_value *x = tn_build_conv(b, tn_build_images(b), 6, 5, 1, 2, true);
    x = tn_build_op(b, "Tanh", NULL, &x, 1);
    x = tn_build_conv(b, tn_build_average_pool(b, x, 2, 2), 16, 5, 1, 0, true);
    x = tn_build_op(b, "Tanh", NULL, &x, 1);
    x = tn_build_flatten(b, tn_build_average_pool(b, x, 2, 2));
    x = tn_build_linear(b, x, 40);
    x = tn_build_op(b, "Tanh", NULL, &x, 1);
    return tn_build_linear(b, x, CLASSES);
}

/* Windows that overlap and meet padding, a slope for each channel, means of whole channels. */
static tn_value *build_means(tn_builder *b) {
    static const float slopes[] = {0.5f, -0.25f, 0.125f, 2, 0};
    tn_value *x = tn_build_conv(b, tn_build_images(b), 5, 3, 1, 0, true);
    tn_value *in[] = {x, tn_build_parameter(b, "slopes", 3, (const int64_t[]){5, 1, 1}, slopes)};
    x = tn_build_op(b, "PRelu", NULL, in, 2);
    x = tn_build_op(b, "AveragePool", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1", &x, 1);
    x = tn_build_op(b, "Identity", NULL, &x, 1);
    x = tn_build_conv(b, x, 7, 3, 1, 0, true);
    x = tn_build_op(b, "Sigmoid", NULL, &x, 1);
    tn_value *rows = tn_build_op(b, "ReduceMean", "axes=3", &x, 1);
    rows = tn_build_linear(b, tn_build_flatten(b, rows), CLASSES);
    x = tn_build_flatten(b, tn_build_global_average_pool(b, x));
    return tn_build_add(b, rows, tn_build_linear(b, x, CLASSES));
}

/* For inference: training takes the statistics of the whole batch, so not in one segment. */
static tn_value *build_norms(tn_builder *b) {
    tn_value *x = tn_build_conv(b, tn_build_images(b), 5, 3, 2, 0, false);
    x = tn_build_batch_norm(b, x);
    x = tn_build_linear(b, tn_build_flatten(b, tn_build_max_pool(b, x, 2, 2)), 30);
    return tn_build_linear(b, tn_build_relu(b, tn_build_batch_norm(b, x)), CLASSES);
}

static const struct own_model {
    const char *name;
    tn_value *(*build)(tn_builder *builder);
    bool inference;
} own_models[] = {
    {"lenet-5", build_lenet5, false}, {"means", build_means, false}, {"norms", build_norms, true}};

/* NULL for a built-in one. */
static const struct own_model *find_own(const char *name) {
    for (int i = 0; i < 3; i++)
        if (strcmp(own_models[i].name, name) == 0) return &own_models[i];
    return NULL;
}

/* Statistics do not stay what they are in a new model, and scales and biases do not, either. */
static void train_norms(tn_model *model) {
    tn_random random = tn_random_begin(6, TN_PURPOSE_TEST, 0);
    for (int i = 0; i < model->graph->n_parameters; i++) {
        tn_value *v = model->graph->parameters[i];
        size_t bytes = (size_t)tn_shape_elements(&v->shape) * sizeof(float);
        float *data = tn_arena_copy(&model->graph->arena, v->data, bytes);
        assert_non_null(data);
        for (int64_t k = 0; v->shape.rank == 1 && k < v->shape.dims[0]; k++)
            data[k] += 0.5f * (float)tn_random_uniform(&random);
        v->data = data;
    }
}

static tn_model *make_model(const char *name) {
    const struct own_model *own = find_own(name);
    tn_model *model;
    tn_builder *b;
    if (!own) {
        check(tn_model_build(name, NULL, &model, &error));
        return model;
    }
    check(tn_builder_create(name, NULL, &b, &error));
    check(tn_builder_finish(b, own->build(b), &model, &error));
    train_norms(model);
    return model;
}

static planned *plan_training(const char *name, const char *level, int64_t batch,
                              tn_lanes_choice lanes) {
    planned *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->model = make_model(name);
    bool inference = find_own(name) && find_own(name)->inference;
    tn_value **gradients = inference ? NULL : p->gradients;
    const tn_training_graph_options training = {.label_smoothing = 0.1, .n_groups = 1};
    check(tn_training_graph_build(p->model, &training, gradients, &p->graph, &error));
    assert_true(tn_kernels_init(&p->kernels, level, tn_isa_detect()));
    const tn_plan_options options = {
        .max_batch = batch, .n_shards = 16, .n_threads = 2, .kernels = &p->kernels, .lanes = lanes};
    check(tn_plan_build(p->graph, gradients, &options, &p->plan, &error));
    return p;
}

static void planned_free(planned *p) {
    tn_plan_free(p->plan);
    tn_graph_free(p->graph);
    tn_model_free(p->model);
    free(p);
}

static bool chooses_lanes(const char *name, int64_t batch) {
    planned *p = plan_training(name, "ref", batch, TN_LANES_AUTO);
    bool lanes = p->plan->lanes;
    planned_free(p);
    return lanes;
}

static void very_small_networks_run_in_lanes(void **state) {
    (void)state;
    assert_true(chooses_lanes("lenet", 64));
    assert_true(chooses_lanes("lenet", 32));
    assert_true(chooses_lanes("lenet-5", 64));
    assert_true(chooses_lanes("tiny-cnn", 32));
    assert_false(chooses_lanes("lenet", 1));
    assert_false(chooses_lanes("lenet", 2));
    assert_false(chooses_lanes("mlp", 64));
    assert_false(chooses_lanes("mnist-cnn", 64));
    assert_false(chooses_lanes("resnet20", 64));
    assert_false(chooses_lanes("vgg-small", 64));
}

/* But the loss, and what brings its values to it. */
static void all_nodes_run_in_lanes(void **state) {
    static const char *const names[] = {"lenet", "lenet-5", "means", "norms"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        planned *p = plan_training(names[i], "ref", 64, TN_LANES_ALWAYS);
        int reorders = 0, by_sample = 0;
        for (int k = 0; k < p->plan->n_steps; k++) {
            const tn_node *node = p->plan->steps[k].node;
            reorders += node->op == &tn_op_reorder;
            by_sample += !tn_node_in_lanes(node);
        }
        if (reorders > 2 || by_sample > 2)
            fail_msg("%s: %d nodes by sample, %d Reorders", names[i], by_sample, reorders);
        planned_free(p);
    }
}

/* Values in lanes are in tiles of whole groups, which one segment takes through all nodes. */
static void lanes_are_one_segment(void **state) {
    (void)state;
    planned *p = plan_training("lenet", "ref", 64, TN_LANES_AUTO);
    int n_in_lanes = 0;
    assert_int_equal(p->plan->n_segments, 1);
    assert_int_equal(p->plan->segments[0].tile % TN_LANES, 0);
    for (int i = 0; i < p->plan->n_steps; i++) {
        const tn_plan_step *step = &p->plan->steps[i];
        for (int k = 0; k < step->node->n_outputs; k++) {
            if (!step->node->outputs[k]->lanes) continue;
            assert_int_equal(step->out[k].kind, TN_PLACE_TILE);
            n_in_lanes++;
        }
    }
    assert_true(n_in_lanes > 20);
    planned_free(p);
}

static void shards_fill_groups(void **state) {
    (void)state;
    assert_int_equal(tn_shards_of(16, false, 64), 16);
    assert_int_equal(tn_shards_of(16, true, 64), 8);
    assert_int_equal(tn_shards_of(16, true, 128), 16);
    assert_int_equal(tn_shards_of(16, true, 63), 4);
    assert_int_equal(tn_shards_of(16, true, 7), 1);
    assert_int_equal(tn_shards_of(1, true, 7), 1);
}

/* ---- The same network both ways -------------------------------------------------------------- */

enum { MOST_BATCH = 41, PIXELS = 28 * 28 };

typedef struct result {
    float loss[MOST_BATCH], scores[MOST_BATCH * CLASSES];
    float *gradients; /* canonical, one parameter after the other */
    int64_t n;
} result;

static void unarrange_gradients(const planned *p, const real *flat, result *r) {
    for (int i = 0; i < p->graph->n_parameters; i++) {
        int64_t n = tn_shape_elements(&p->graph->parameters[i]->shape);
        r->gradients = realloc(r->gradients, (size_t)(r->n + n) * sizeof(float));
        assert_non_null(r->gradients);
        tn_plan_unarrange(p->plan, i, flat, r->gradients + r->n);
        r->n += n;
    }
}

static void run_model(const char *name, const char *level, int64_t batch, int n_threads,
                      tn_lanes_choice lanes, result *r) {
    static uint8_t pixels[MOST_BATCH * PIXELS];
    static int32_t labels[MOST_BATCH];
    static real dloss[MOST_BATCH];
    planned *p = plan_training(name, level, batch, lanes);
    size_t bytes = (size_t)tn_plan_parameters_size(p->plan) * sizeof(real);
    real *weights = calloc(1, bytes), *gradients = calloc(1, bytes);
    tn_random random = tn_random_begin(8, TN_PURPOSE_TEST, 0);
    tn_pool *pool;
    tn_execution *execution;
    assert_int_equal(p->plan->lanes, lanes == TN_LANES_ALWAYS);
    for (int64_t i = 0; i < MOST_BATCH * PIXELS; i++)
        pixels[i] = (uint8_t)tn_random_below(&random, 256);
    for (int i = 0; i < MOST_BATCH; i++) labels[i] = i % CLASSES, dloss[i] = 1;
    for (int i = 0; i < p->graph->n_parameters; i++)
        tn_plan_arrange(p->plan, i, p->graph->parameters[i]->data, weights);
    check(tn_pool_create(n_threads, &pool, &error));
    check(tn_execution_create(p->plan, pool, &execution, &error));
    const tn_step step = {.training = true, .seed = 5, .number = 2, .place = 9, .batch = batch};
    const tn_bindings bindings = {.inputs = (const void *[]){pixels, labels, dloss},
                                  .outputs = (void *[]){r->loss, r->scores},
                                  .parameters = weights,
                                  .gradients = gradients,
                                  .parameters_changed = true};
    tn_execution_run(execution, &bindings, &step);
    *r = (result){.gradients = NULL};
    tn_execution_run(execution, &bindings, &step);
    unarrange_gradients(p, gradients, r);
    tn_execution_free(execution);
    tn_pool_free(pool);
    free(weights);
    free(gradients);
    planned_free(p);
}

static void compare(const char *what, const float *a, const float *b, int64_t n, bool exactly) {
    double largest = 0;
    for (int64_t i = 0; i < n; i++) /* gcc 12 for ARM fails on fmax here */
        if (fabs((double)a[i]) > largest) largest = fabs((double)a[i]);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= (exactly ? 0 : 1e-5 * largest)))
            fail_msg("%s[%d]: %.9g against %.9g", what, (int)i, (double)a[i], (double)b[i]);
}

static void compare_results(const result *a, const result *b, int64_t batch, bool exactly) {
    compare("loss", a->loss, b->loss, batch, exactly);
    compare("score", a->scores, b->scores, batch * CLASSES, exactly);
    assert_int_equal(a->n, b->n);
    compare("gradient", a->gradients, b->gradients, a->n, exactly);
}

static void check_model(const char *name, const int64_t *batches, int n_batches) {
    for (const char *const *level = tn_kernel_levels(); *level; level++) {
        tn_kernels kernels;
        if (!tn_kernels_init(&kernels, *level, tn_isa_detect())) continue;
        for (int i = 0; i < n_batches; i++) {
            result plain, lanes, threads;
            run_model(name, *level, batches[i], 1, TN_LANES_NEVER, &plain);
            run_model(name, *level, batches[i], 1, TN_LANES_ALWAYS, &lanes);
            run_model(name, *level, batches[i], 3, TN_LANES_ALWAYS, &threads);
            compare_results(&plain, &lanes, batches[i], false);
            compare_results(&lanes, &threads, batches[i], true);
            free(plain.gradients);
            free(lanes.gradients);
            free(threads.gradients);
        }
    }
}

static void lenet_is_the_same_in_lanes(void **state) {
    static const int64_t batches[] = {1, 8, 13, 32, 41};
    (void)state;
    check_model("lenet", batches, 5);
}

static void means_are_the_same_in_lanes(void **state) {
    static const int64_t batches[] = {3, 21};
    (void)state;
    check_model("lenet-5", batches, 2);
    check_model("means", batches, 2);
    check_model("norms", batches, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_are_sums),
                                       cmocka_unit_test(weights_are_sums_over_lanes),
                                       cmocka_unit_test(lanes_are_added_in_a_tree),
                                       cmocka_unit_test(outer_products_are_sums_over_samples),
                                       cmocka_unit_test(lanes_drop_what_samples_drop),
                                       cmocka_unit_test(very_small_networks_run_in_lanes),
                                       cmocka_unit_test(all_nodes_run_in_lanes),
                                       cmocka_unit_test(lanes_are_one_segment),
                                       cmocka_unit_test(shards_fill_groups),
                                       cmocka_unit_test(lenet_is_the_same_in_lanes),
                                       cmocka_unit_test(means_are_the_same_in_lanes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
