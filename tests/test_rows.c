/* SPDX-License-Identifier: Apache-2.0 */
/* test_rows.c: images that go through several nodes by rows, on any number of threads: the same
 * bits, in less memory; and what operators say of the rows that they need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/philox.h"
#include "base/size.h"
#include "cpu/isa.h"
#include "graph/images.h"
#include "op_cases.h"

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

/* ---- Networks -------------------------------------------------------------------------------- */

static tn_value *new_value(tn_graph *g, tn_value_kind kind, tn_shape shape) {
    tn_random random = tn_random_begin(2, TN_PURPOSE_TEST, (uint64_t)g->n_values);
    int64_t n = tn_shape_elements(&shape);
    float *data = malloc((size_t)n * sizeof *data);
    tn_value *v;
    for (int64_t i = 0; i < n; i++) data[i] = (float)tn_random_uniform(&random) - 0.5f;
    check(tn_graph_add_value(g, kind, NULL, TN_FLOAT32, &shape,
                             kind == TN_VALUE_INPUT ? NULL : data, &v, &error));
    free(data);
    return v;
}

static tn_value *input(tn_graph *g, int64_t channels, int64_t height, int64_t width) {
    return new_value(g, TN_VALUE_INPUT, (tn_shape){4, {1, channels, height, width}, true});
}

static tn_value *apply(tn_graph *g, const tn_op *op, const void *attrs, tn_value *a, tn_value *b) {
    tn_value *in[] = {a, b}, *y;
    check(tn_graph_apply(g, op, attrs, in, b ? 2 : 1, &y, &error));
    return y;
}

static tn_value *relu(tn_graph *g, tn_value *x) { return apply(g, &tn_op_relu, NULL, x, NULL); }

typedef struct window {
    int64_t kernel, stride, dilation, pad[4]; /* top, left, bottom, right */
} window;

static tn_value *conv_in_groups(tn_graph *g, tn_value *x, int64_t outputs, int64_t group,
                                window w) {
    tn_conv_attrs a;
    tn_attrs_init(&tn_op_conv, &a);
    a.group = group;
    a.strides = (tn_ints){2, {w.stride, w.stride}};
    a.dilations = (tn_ints){2, {w.dilation, w.dilation}};
    a.pads = (tn_ints){4, {w.pad[0], w.pad[1], w.pad[2], w.pad[3]}};
    tn_shape shape = {4, {outputs, x->shape.dims[1] / group, w.kernel, w.kernel}, false};
    return apply(g, &tn_op_conv, &a, x, new_value(g, TN_VALUE_PARAMETER, shape));
}

static tn_value *conv(tn_graph *g, tn_value *x, int64_t outputs, window w) {
    return conv_in_groups(g, x, outputs, 1, w);
}

static tn_value *pool(tn_graph *g, const tn_op *op, tn_value *x, window w) {
    tn_pool_attrs a;
    tn_attrs_init(op, &a);
    a.kernel_shape = (tn_ints){2, {w.kernel, w.kernel}};
    a.strides = (tn_ints){2, {w.stride, w.stride}};
    a.pads = (tn_ints){4, {w.pad[0], w.pad[1], w.pad[2], w.pad[3]}};
    return apply(g, op, &a, x, NULL);
}

static const window one = {1, 1, 1, {0}}, same = {3, 1, 1, {1, 1, 1, 1}};
static const window halved = {3, 2, 1, {1, 1, 1, 1}}, halved_at_end = {3, 2, 1, {0, 0, 1, 1}};

/* Pads, strides and dilations of all kinds, one after the other. */
static tn_value *windows(tn_graph *g) {
    tn_value *x = input(g, 3, 29, 13);
    x = relu(g, conv(g, x, 8, (window){5, 1, 1, {2, 2, 2, 2}}));
    x = relu(g, conv(g, x, 6, (window){3, 1, 2, {0, 2, 3, 1}}));
    x = conv(g, x, 17, (window){3, 2, 1, {1, 0, 0, 1}});
    x = relu(g, conv(g, x, 5, (window){4, 1, 1, {3, 1, 1, 2}}));
    return conv(g, x, 4, (window){2, 3, 1, {0, 0, 0, 0}});
}

/* Two ways of different reach meet again: rows of the shorter one wait. */
static tn_value *shortcuts(tn_graph *g) {
    tn_value *x = relu(g, conv(g, input(g, 2, 23, 9), 8, same));
    tn_value *far = conv(g, relu(g, conv(g, relu(g, conv(g, x, 8, same)), 8, same)), 8, same);
    tn_value *y = relu(g, apply(g, &tn_op_add, NULL, x, far));
    tn_value *down = conv(g, relu(g, conv(g, y, 4, halved)), 16, one);
    tn_value *across = conv(g, y, 16, (window){1, 2, 1, {0}});
    return relu(g, apply(g, &tn_op_add, NULL, down, across));
}

static tn_value *pools(tn_graph *g) {
    tn_value *x = relu(g, conv(g, input(g, 1, 37, 17), 9, same));
    x = pool(g, &tn_op_max_pool, x, (window){3, 2, 1, {1, 1, 1, 1}});
    x = pool(g, &tn_op_average_pool, conv(g, x, 8, same), (window){3, 1, 1, {1, 0, 1, 1}});
    x = pool(g, &tn_op_max_pool, relu(g, x), (window){2, 2, 1, {0}});
    return pool(g, &tn_op_average_pool, conv(g, x, 3, one), (window){2, 2, 1, {0}});
}

static tn_value *depthwise(tn_graph *g) {
    tn_value *x = relu(g, conv(g, input(g, 3, 26, 11), 8, halved_at_end));
    tn_value *wide = relu(g, conv(g, x, 20, one));
    wide = relu(g, conv_in_groups(g, wide, 20, 20, same));
    x = apply(g, &tn_op_add, NULL, x, conv(g, wide, 8, one));
    wide = relu(g, conv(g, x, 12, one));
    return conv(g, relu(g, conv_in_groups(g, wide, 12, 12, halved)), 5, one);
}

/* Joined by channels, which goes by rows; then by height, which does not. */
static tn_value *joined(tn_graph *g) {
    static const tn_axis_attrs by_channels = {1}, by_rows = {2};
    tn_value *x = input(g, 4, 15, 8);
    tn_value *y = apply(g, &tn_op_concat, &by_channels, conv(g, x, 3, same), conv(g, x, 5, one));
    y = apply(g, &tn_op_concat, &by_rows, relu(g, y), conv(g, y, 8, same));
    return conv(g, apply(g, &tn_op_sigmoid, NULL, y, NULL), 4, same);
}

/* Numbers of a channel, of a sample's channel, and random ones; and a value that is an output in
 * the middle. */
static tn_value *elements(tn_graph *g) {
    static const tn_clip_attrs clip = {-0.25, 0.5};
    static const tn_dropout_attrs drop = {.ratio = 0.5};
    tn_value *x = conv(g, input(g, 3, 19, 7), 6, same), *in[5] = {x}, *y;
    tn_batch_norm_attrs norm;
    tn_attrs_init(&tn_op_batch_norm, &norm);
    norm.epsilon = 0.75;
    for (int i = 1; i < 5; i++) in[i] = new_value(g, TN_VALUE_CONSTANT, (tn_shape){1, {6}, false});
    check(tn_graph_apply(g, &tn_op_batch_norm, &norm, in, 5, &y, &error));
    y = apply(g, &tn_op_mul, NULL, y, new_value(g, TN_VALUE_CONSTANT, (tn_shape){3, {6, 1, 1}}));
    y = apply(g, &tn_op_dropout, &drop, apply(g, &tn_op_clip, &clip, y, NULL), NULL);
    check(tn_graph_mark_output(g, y, &error));
    tn_value *gate =
        apply(g, &tn_op_sigmoid, NULL, apply(g, &tn_op_global_average_pool, NULL, y, NULL), NULL);
    return conv(g, apply(g, &tn_op_mul, NULL, y, gate), 5, same);
}

typedef tn_value *network(tn_graph *graph);

static tn_graph *build(network *make) {
    tn_graph *g;
    check(tn_graph_create(&g, &error));
    check(tn_graph_mark_output(g, make(g), &error));
    return g;
}

/* ---- The same bits --------------------------------------------------------------------------- */

typedef struct setting {
    const char *level;
    int n_threads;
    int64_t batch, tile, tile_rows;
} setting;

/* All outputs, one after the other. n_rolls and n_bands, if not NULL, are those of the plan. */
static float *run(network *make, const setting *s, int64_t *n, int *n_rolls, int *n_bands) {
    tn_graph *g = build(make);
    tn_kernels kernels;
    tn_plan *plan;
    tn_pool *pool;
    tn_execution *execution;
    void *outputs[4];
    assert_true(tn_kernels_init(&kernels, s->level, tn_isa_detect()));
    const tn_plan_options options = {.max_batch = s->batch,
                                     .n_shards = 1,
                                     .n_threads = s->n_threads,
                                     .kernels = &kernels,
                                     .tile = s->tile,
                                     .tile_rows = s->tile_rows,
                                     .lanes = TN_LANES_NEVER};
    check(tn_plan_build(g, NULL, &options, &plan, &error));
    check(tn_pool_create(s->n_threads, &pool, &error));
    check(tn_execution_create(plan, pool, &execution, &error));
    size_t flat = (size_t)tn_plan_parameters_size(plan) * sizeof(real);
    real *parameters = tn_aligned_alloc(flat);
    memset(parameters, 0, flat);
    for (int i = 0; i < g->n_parameters; i++)
        tn_plan_arrange(plan, i, g->parameters[i]->data, parameters);
    int64_t n_in = tn_shape_elements(&g->inputs[0]->shape);
    float *in = malloc((size_t)n_in * sizeof *in), *out;
    tn_random random = tn_random_begin(3, TN_PURPOSE_TEST, 0);
    for (int64_t i = 0; i < n_in; i++) in[i] = (float)tn_random_uniform(&random) - 0.5f;
    *n = 0;
    for (int i = 0; i < g->n_outputs; i++) *n += tn_shape_elements(&g->outputs[i]->shape);
    out = malloc((size_t)*n * sizeof *out);
    float *at = out;
    for (int i = 0; i < g->n_outputs; i++) {
        outputs[i] = at;
        at += tn_shape_elements(&g->outputs[i]->shape);
    }
    const tn_step step = {.training = true, .seed = 4, .batch = s->batch};
    const tn_bindings bindings = {(const void *const[]){in}, outputs, parameters, NULL, true};
    for (int i = 0; i < 2; i++) tn_execution_run(execution, &bindings, &step);
    if (n_rolls) *n_rolls = plan->n_rolls;
    for (int i = 0; i < plan->n_rolls && n_bands; i++)
        *n_bands = (int)tn_max_i64(*n_bands, plan->rolls[i].n_bands);
    tn_execution_free(execution);
    tn_pool_free(pool);
    tn_plan_free(plan);
    tn_graph_free(g);
    free(parameters);
    free(in);
    return out;
}

static void expect_same(network *make, const setting *s, const float *expected, int64_t n,
                        int *n_bands) {
    int64_t found_n;
    int n_rolls;
    float *found = run(make, s, &found_n, &n_rolls, n_bands);
    assert_int_equal(n, found_n);
    if (s->tile_rows > 0) assert_true(n_rolls > 0);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&found[i], &expected[i], sizeof *found) != 0)
            fail_msg("%s, %d threads, %d samples in tiles of %d, %d rows: [%lld] is %.9g, not %.9g",
                     s->level, s->n_threads, (int)s->batch, (int)s->tile, (int)s->tile_rows,
                     (long long)i, (double)found[i], (double)expected[i]);
    free(found);
}

/* Whatever the rows of a block, and the bands that threads take where samples are few. */
static void expect_same_bits(network *make, bool bands) {
    static const int64_t rows[] = {1, 2, 3, 5, 7, 100};
    const char *levels[] = {"ref", tn_kernels_best(tn_isa_detect())};
    int n_bands = 0;
    for (int l = 0; l < 2; l++)
        for (int64_t batch = 1; batch <= 3; batch += 2) {
            int64_t n;
            float *expected = run(make, &(setting){levels[l], 1, batch, 0, 0}, &n, NULL, NULL);
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                for (int threads = 1; threads <= 7; threads += 1 + l) {
                    const setting s = {levels[l], threads, batch, threads % 3, rows[r]};
                    expect_same(make, &s, expected, n, &n_bands);
                }
            free(expected);
        }
    if (bands) assert_true(n_bands > 1);
}

static void windows_give_the_same_bits(void **state) {
    (void)state;
    expect_same_bits(windows, true);
}

static void shortcuts_give_the_same_bits(void **state) {
    (void)state;
    expect_same_bits(shortcuts, true);
}

static void pools_give_the_same_bits(void **state) {
    (void)state;
    expect_same_bits(pools, true);
}

static void depthwise_gives_the_same_bits(void **state) {
    (void)state;
    expect_same_bits(depthwise, true);
}

static void joined_images_give_the_same_bits(void **state) {
    (void)state;
    expect_same_bits(joined, true);
}

static void elements_give_the_same_bits(void **state) {
    (void)state;
    expect_same_bits(elements, true);
}

/* ---- The choice ------------------------------------------------------------------------------ */

static tn_value *large(tn_graph *g) {
    tn_value *x = relu(g, conv(g, input(g, 3, 300, 300), 16, same));
    x = relu(g, conv_in_groups(g, x, 16, 16, same));
    x = relu(g, conv(g, x, 32, one));
    return pool(g, &tn_op_max_pool, x, (window){2, 2, 1, {0}});
}

static tn_value *small(tn_graph *g) {
    tn_value *x = relu(g, conv(g, input(g, 3, 16, 16), 16, same));
    return pool(g, &tn_op_max_pool, x, (window){2, 2, 1, {0}});
}

static tn_plan *plan_of(network *make, int64_t batch, int n_threads, tn_graph **g) {
    tn_kernels kernels;
    tn_plan *plan;
    assert_true(tn_kernels_init(&kernels, tn_kernels_best(tn_isa_detect()), tn_isa_detect()));
    const tn_plan_options options = {.max_batch = batch,
                                     .n_shards = 1,
                                     .n_threads = n_threads,
                                     .kernels = &kernels,
                                     .lanes = TN_LANES_NEVER};
    *g = build(make);
    check(tn_plan_build(*g, NULL, &options, &plan, &error));
    return plan;
}

static void plan_free(tn_plan *plan, tn_graph *g) {
    tn_plan_free(plan);
    tn_graph_free(g);
}

/* A sample of its values is 6 or 12 MB, of the input 1, of the output 3. */
static void large_images_take_the_memory_of_some_rows(void **state) {
    (void)state;
    tn_graph *g;
    tn_plan *plan = plan_of(large, 2, 1, &g);
    assert_true(plan->n_rolls >= 1);
    assert_true(plan->tile_bytes < 5000000);
    for (int i = 0; i < plan->n_rolls; i++) assert_int_equal(plan->rolls[i].n_bands, 1);
    plan_free(plan, g);
}

static void small_images_stay_whole(void **state) {
    (void)state;
    tn_graph *g;
    tn_plan *plan = plan_of(small, 2, 1, &g);
    assert_int_equal(plan->n_rolls, 0);
    plan_free(plan, g);
}

/* The threads share the one sample, and need not agree on anything but its border rows. */
static void few_large_images_are_divided_among_threads(void **state) {
    (void)state;
    tn_graph *g;
    tn_plan *plan = plan_of(large, 1, 4, &g);
    int64_t n;
    assert_true(plan->n_rolls >= 1);
    assert_int_equal(plan->rolls[0].n_bands, 4);
    plan_free(plan, g);
    const char *best = tn_kernels_best(tn_isa_detect());
    float *expected = run(large, &(setting){best, 1, 1, 0, 1000}, &n, NULL, NULL);
    for (int threads = 1; threads <= 5; threads++)
        expect_same(large, &(setting){best, threads, 1, 0, 0}, expected, n, NULL);
    free(expected);
}

/* Small images of many channels, of both forms of Winograd, with panels that are not full and in
 * groups. */
static tn_value *heavy(tn_graph *g) {
    tn_value *x = relu(g, conv(g, input(g, 256, 7, 6), 314, same));
    x = relu(g, conv(g, x, 256, one));
    x = conv_in_groups(g, x, 256, 256, (window){5, 1, 1, {2, 2, 2, 2}});
    x = conv_in_groups(g, x, 384, 4, halved);
    x = relu(g, conv(g, x, 400, (window){1, 1, 1, {2, 1, 2, 3}}));
    return conv(g, x, 256, same);
}

static int count_by_channels(const tn_plan *plan) {
    int n = 0;
    for (int i = 0; i < plan->n_rolls; i++) n += plan->rolls[i].by_channels;
    return n;
}

/* Where weights are more than pixels, threads share the channels of the one sample. */
static void channels_are_divided_among_threads(void **state) {
    (void)state;
    const char *best = tn_kernels_best(tn_isa_detect());
    tn_graph *g;
    int64_t n;
    float *expected = run(heavy, &(setting){best, 1, 1, 0, 0}, &n, NULL, NULL);
    for (int threads = 2; threads <= 4; threads++) {
        tn_plan *plan = plan_of(heavy, 1, threads, &g);
        if (count_by_channels(plan) < 4)
            fail_msg("%d steps share channels on %d threads", count_by_channels(plan), threads);
        plan_free(plan, g);
        expect_same(heavy, &(setting){best, threads, 1, 0, 0}, expected, n, NULL);
    }
    free(expected);
}

/* ---- What operators say ---------------------------------------------------------------------- */

/* A step of a case, with memory of its own for its values. */
typedef struct lone_step {
    const tn_plan_step *step;
    tn_run run;
    void *in[TN_MAX_INPUTS], *out[TN_MAX_OUTPUTS];
    size_t in_bytes[TN_MAX_INPUTS], out_bytes[TN_MAX_OUTPUTS]; /* of a sample */
} lone_step;

static size_t sample_bytes(const tn_value *v) {
    return (size_t)tn_shape_sample_elements(&v->shape) * tn_dtype_bytes(v->dtype);
}

static void fill(const tn_value *v, void *data, uint64_t stream) {
    tn_random random = tn_random_begin(6, TN_PURPOSE_TEST, stream);
    int64_t n = tn_shape_sample_elements(&v->shape);
    for (int64_t i = 0; i < n; i++)
        if (v->dtype == TN_FLOAT32)
            ((real *)data)[i] = (real)(tn_random_uniform(&random) - 0.5);
        else
            ((char *)data)[i * (int64_t)tn_dtype_bytes(v->dtype)] =
                (char)tn_random_below(&random, 256);
}

static const void *stored(const op_run *run, tn_place place) {
    if (place.kind == TN_PLACE_CONSTANT) return run->plan->constants + place.offset;
    return (const char *)run->parameters + place.offset;
}

static void lone_step_create(const op_run *owner, const tn_plan_step *step, const tn_step *when,
                             lone_step *s) {
    const tn_node *node = step->node;
    *s = (lone_step){.step = step};
    s->run = (tn_run){
        .node = node, .kernels = &owner->kernels, .step = when, .n = 1, .begin = 0, .end = 1};
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *x = node->inputs[i];
        if (!x) continue;
        s->run.in_channels[i] = x->channels;
        bool is_stored = x->kind == TN_VALUE_PARAMETER || x->kind == TN_VALUE_CONSTANT;
        s->in_bytes[i] = x->shape.batched ? sample_bytes(x)
                                          : (size_t)tn_shape_elements(&x->shape) * sizeof(real);
        s->in[i] = malloc(s->in_bytes[i] + 1);
        if (x->shape.batched)
            fill(x, s->in[i], (uint64_t)i);
        else if (is_stored)
            memcpy(s->in[i], stored(owner, step->in[i]), s->in_bytes[i]);
        else
            memset(s->in[i], 0, s->in_bytes[i]);
        s->run.in[i] = s->in[i];
    }
    for (int i = 0; i < node->n_outputs; i++) {
        s->run.out_channels[i] = node->outputs[i]->channels;
        s->out_bytes[i] = sample_bytes(node->outputs[i]);
        s->run.out[i] = s->out[i] = malloc(s->out_bytes[i] + 1);
    }
    const tn_implementation *chosen = step->implementation;
    if (chosen->packed_bytes) {
        void *packed = tn_aligned_alloc((size_t)chosen->packed_bytes(node, &owner->kernels));
        chosen->pack(&s->run, packed);
        s->run.packed = packed;
    }
    if (chosen->workspace_bytes)
        s->run.workspace =
            tn_aligned_alloc((size_t)chosen->workspace_bytes(node, &owner->kernels, 1));
}

static void lone_step_free(lone_step *s) {
    for (int i = 0; i < TN_MAX_INPUTS; i++) free(s->in[i]);
    for (int i = 0; i < TN_MAX_OUTPUTS; i++) free(s->out[i]);
    free((void *)(uintptr_t)s->run.packed);
    free(s->run.workspace);
}

/* Runs some rows with nothing but the rows of inputs that are said to be needed, and compares. */
static void compare_rows(const lone_step *whole, tn_rows rows) {
    const tn_node *node = whole->step->node;
    lone_step part = *whole;
    part.run.rows = rows;
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *x = node->inputs[i];
        int64_t row = x ? tn_row_bytes(node, x) : 0;
        if (!x || !x->shape.batched) continue;
        assert_true(whole->step->implementation->rows_in(node, i, rows, &part.run.in_rows[i]));
        const tn_rows in = part.run.in_rows[i];
        assert_true(0 <= in.begin && in.begin <= in.end && in.end <= tn_image_rows(node, x));
        if (row == 0) continue;
        part.in[i] =
            malloc((size_t)((in.end - in.begin) * row)); /* no larger: others are not read */
        memcpy(part.in[i], (const char *)whole->in[i] + in.begin * row,
               (size_t)((in.end - in.begin) * row));
        part.run.in[i] = part.in[i];
    }
    for (int i = 0; i < node->n_outputs; i++) {
        int64_t row = tn_row_bytes(node, node->outputs[i]);
        part.out[i] = malloc(whole->out_bytes[i] + 1);
        memcpy(part.out[i], whole->out[i], whole->out_bytes[i]); /* what other calls have written */
        memset((char *)part.out[i] + rows.begin * row, 0x55,
               (size_t)((rows.end - rows.begin) * row));
        part.run.out[i] = (char *)part.out[i] + rows.begin * row;
    }
    whole->step->implementation->run(&part.run);
    for (int i = 0; i < node->n_outputs; i++) {
        if (memcmp(part.out[i], whole->out[i], whole->out_bytes[i]) != 0)
            fail_msg("%s: rows %d to %d differ", node->op->name, (int)rows.begin, (int)rows.end);
        free(part.out[i]);
    }
    for (int i = 0; i < node->n_inputs; i++)
        if (part.in[i] != whole->in[i]) free(part.in[i]);
}

static bool is_within(tn_rows part, tn_rows all) {
    return part.begin == part.end || (part.begin >= all.begin && part.end <= all.end);
}

/* As rows.h counts on. */
static void expect_parts_need_less(const tn_plan_step *step, tn_rows rows) {
    for (int i = 0; i < step->node->n_inputs; i++) {
        const tn_value *x = step->node->inputs[i];
        tn_rows all, part;
        if (!x || !x->shape.batched) continue;
        step->implementation->rows_in(step->node, i, rows, &all);
        for (int64_t k = rows.begin; k < rows.end; k++) {
            step->implementation->rows_in(step->node, i, (tn_rows){k, k + 1}, &part);
            assert_true(is_within(part, all));
        }
    }
}

static bool tells_rows(const tn_plan_step *step) {
    const tn_node *node = step->node;
    int64_t height = tn_image_rows(node, node->outputs[0]);
    tn_rows in;
    if (!step->implementation->rows_in || !node->outputs[0]->shape.batched) return false;
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->shape.batched &&
            !step->implementation->rows_in(node, i, (tn_rows){0, height}, &in))
            return false;
    return true;
}

/* Returns how many steps of the case go by rows. */
static int test_case(const op_case *c, const char *level) {
    const op_setting alone = {.level = level,
                              .n_threads = 1,
                              .n_shards = 1,
                              .batch = 1,
                              .max_batch = 1,
                              .lanes = TN_LANES_NEVER};
    const tn_step when = {.training = true, .seed = 5, .batch = 1};
    op_run run;
    int n = 0;
    op_run_create(c, &alone, &run);
    for (int i = 0; i < run.plan->n_steps; i++) {
        const tn_plan_step *step = &run.plan->steps[i];
        if (!tells_rows(step)) continue;
        lone_step s;
        lone_step_create(&run, step, &when, &s);
        tn_run_set_whole(&s.run);
        step->implementation->run(&s.run);
        for (int64_t begin = 0; begin < s.run.rows.end; begin++)
            for (int64_t end = begin + 1; end <= s.run.rows.end; end++) {
                compare_rows(&s, (tn_rows){begin, end});
                expect_parts_need_less(step, (tn_rows){begin, end});
            }
        lone_step_free(&s);
        n++;
    }
    op_run_free(&run);
    return n;
}

static void steps_need_no_more_rows_than_they_say(void **state) {
    (void)state;
    const char *levels[] = {"ref", tn_kernels_best(tn_isa_detect())};
    for (int l = 0; l < 2; l++) {
        int n = 0;
        for (int i = 0; op_case_at(i); i++) n += test_case(op_case_at(i), levels[l]);
        assert_true(n > 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_give_the_same_bits),
                                       cmocka_unit_test(shortcuts_give_the_same_bits),
                                       cmocka_unit_test(pools_give_the_same_bits),
                                       cmocka_unit_test(depthwise_gives_the_same_bits),
                                       cmocka_unit_test(joined_images_give_the_same_bits),
                                       cmocka_unit_test(elements_give_the_same_bits),
                                       cmocka_unit_test(large_images_take_the_memory_of_some_rows),
                                       cmocka_unit_test(small_images_stay_whole),
                                       cmocka_unit_test(few_large_images_are_divided_among_threads),
                                       cmocka_unit_test(channels_are_divided_among_threads),
                                       cmocka_unit_test(steps_need_no_more_rows_than_they_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
