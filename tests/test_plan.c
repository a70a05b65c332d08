/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c: memory, arrangements and segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/runner.h"
#include "base/philox.h"
#include "cpu/isa.h"
#include "graph/cost.h"
#include "graph/memory.h"
#include "graph/plan_parts.h"
#include "models/models.h"
#include "ops/ops.h"
#include "train/training_graph.h"

static tn_error error;

static void living_items_do_not_overlap(void **state) {
    (void)state;
    enum { N = 60 };
    for (uint64_t round = 0; round < 200; round++) {
        tn_random random = tn_random_begin(3, TN_PURPOSE_TEST, round);
        tn_lifetime items[N];
        int64_t most = 0, sum = 0;
        for (int i = 0; i < N; i++) {
            int first = (int)tn_random_below(&random, 40);
            items[i] = (tn_lifetime){.bytes = tn_random_below(&random, 5000),
                                     .first = first,
                                     .last = first + (int)tn_random_below(&random, 12)};
            sum += items[i].bytes + TN_ALIGNMENT;
        }
        int64_t total = tn_memory_place(items, N);
        for (int i = 0; i < N; i++) {
            assert_int_equal(items[i].offset % TN_ALIGNMENT, 0);
            if (items[i].offset + items[i].bytes > most) most = items[i].offset + items[i].bytes;
            for (int k = 0; k < i; k++) {
                bool together = items[i].first <= items[k].last && items[k].first <= items[i].last;
                bool apart = items[i].offset + items[i].bytes <= items[k].offset ||
                             items[k].offset + items[k].bytes <= items[i].offset;
                assert_true(!together || apart || !items[i].bytes || !items[k].bytes);
            }
        }
        assert_true(total >= most);
        assert_true(total < sum); /* memory of the dead is used again */
    }
}

static void arrangements_go_there_and_back(void **state) {
    (void)state;
    /* A weight [o=4][c=3][r=2][s=5] stored [r][s][c][o], and the place of one element. */
    const tn_arrangement a = {.rank = 4, .dims = {4, 3, 2, 5}, .axes = {2, 3, 1, 0}};
    float canonical[120], back[120];
    real stored[120];
    for (int i = 0; i < 120; i++) canonical[i] = (float)i;
    tn_arrange(&a, 120, canonical, stored);
    int o = 2, c = 1, r = 1, s = 3;
    assert_int_equal(stored[((r * 5 + s) * 3 + c) * 4 + o], ((o * 3 + c) * 2 + r) * 5 + s);
    tn_unarrange(&a, 120, stored, back);
    assert_memory_equal(canonical, back, sizeof back);
}

static tn_plan *plan_training(const char *name, tn_model **model, tn_graph **graph) {
    static tn_value *gradients[256];
    static tn_kernels kernels;
    tn_plan *plan;
    assert_int_equal(tn_model_build(name, NULL, model, &error), TN_OK);
    assert_int_equal(tn_training_graph_build(*model, &(tn_training_graph_options){.n_groups = 1},
                                             gradients, graph, &error),
                     TN_OK);
    assert_true(tn_kernels_init(&kernels, tn_kernels_best(tn_isa_detect()), tn_isa_detect()));
    const tn_plan_options options = {
        .max_batch = 64, .n_shards = 16, .n_threads = 2, .kernels = &kernels};
    assert_int_equal(tn_plan_build(*graph, gradients, &options, &plan, &error), TN_OK);
    return plan;
}

/* Depth first: the layers of mnist-cnn are no fork and join each. */
static void a_training_step_is_few_segments(void **state) {
    (void)state;
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training("mnist-cnn", &model, &graph);
    assert_true(plan->n_steps >= 30);
    assert_true(plan->n_segments <= 5);
    int segments_with_conv = 0;
    for (int i = 0; i < plan->n_segments; i++) {
        const tn_segment *s = &plan->segments[i];
        bool conv = false;
        for (int k = s->first_step; k < s->first_step + s->n_steps; k++)
            conv = conv || strncmp(plan->steps[k].node->op->name, "Conv", 4) == 0;
        segments_with_conv += conv;
        if (conv) assert_false(s->whole);
        assert_true(s->tile >= 1 && s->tile <= 64);
    }
    assert_int_equal(segments_with_conv, 2); /* forward and backward */
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
}

static int sparse_steps(const char *name) {
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training(name, &model, &graph);
    int sparse = 0;
    for (int i = 0; i < plan->n_steps; i++)
        sparse += strcmp(plan->steps[i].implementation->name, "sparse") == 0;
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
    return sparse;
}

/* Both gradients of the second convolution, behind max pooling, and the input gradient of the large
 * fully connected layer, behind Relu and Dropout of a half. What mlp has before its layers, Relu
 * and less of Dropout, leaves too few zeros. */
static void zeros_are_left_out(void **state) {
    (void)state;
    assert_int_equal(sparse_steps("mnist-cnn"), 3);
    assert_int_equal(sparse_steps("mlp"), 0);
}

/* Activations that no backward node needs are not kept for the batch; gradients of the large weight
 * exist once, not once for each shard. */
static void a_training_step_is_small(void **state) {
    (void)state;
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training("mnist-cnn", &model, &graph);
    const int64_t all_relus = 64 * (26 * 26 * 32 + 24 * 24 * 64) * 4;
    assert_true(plan->batch_bytes < all_relus + 64 * 9216 * 4 * 4);
    assert_true(plan->partial_bytes * plan->n_shards < 4 << 20);
    assert_int_equal(plan->parameters_size % 16, 0);
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
}

static tn_value *stored(tn_graph *graph, tn_value_kind kind, tn_shape shape) {
    static const float zeros[64];
    tn_value *v;
    assert_int_equal(tn_graph_add_value(graph, kind, NULL, TN_FLOAT32, &shape, zeros, &v, &error),
                     TN_OK);
    return v;
}

static tn_value *apply(tn_graph *graph, const tn_op *op, const void *attrs, tn_value *a,
                       tn_value *b) {
    tn_value *in[] = {a, b}, *y;
    assert_int_equal(tn_graph_apply(graph, op, attrs, in, b ? 2 : 1, &y, &error), TN_OK);
    return y;
}

static tn_plan *plan_inference(tn_graph *graph, tn_value *const *outputs, int n_outputs) {
    tn_kernels kernels;
    tn_plan *plan;
    for (int i = 0; i < n_outputs; i++)
        assert_int_equal(tn_graph_mark_output(graph, outputs[i], &error), TN_OK);
    assert_true(tn_kernels_init(&kernels, "ref", tn_isa_detect()));
    const tn_plan_options options = {
        .max_batch = 4, .n_shards = 1, .n_threads = 2, .kernels = &kernels};
    if (tn_plan_build(graph, NULL, &options, &plan, &error) != TN_OK) fail_msg("%s", error.message);
    return plan;
}

/* Nodes over the whole batch run side by side: none may write over what another reads. */
static void side_by_side_nothing_is_in_place(void **state) {
    (void)state;
    const tn_shape five = {.rank = 1, .dims = {5}};
    tn_graph *graph;
    assert_int_equal(tn_graph_create(&graph, &error), TN_OK);
    tn_value *sum = apply(graph, &tn_op_add, NULL, stored(graph, TN_VALUE_PARAMETER, five),
                          stored(graph, TN_VALUE_PARAMETER, five));
    tn_value *square = apply(graph, &tn_op_mul, NULL, sum, sum);
    tn_value *relu = apply(graph, &tn_op_relu, NULL, sum, NULL);
    tn_plan *plan = plan_inference(graph, (tn_value *[]){relu, square}, 2);
    assert_int_equal(plan->n_segments, 2);
    assert_int_equal(plan->segments[1].n_steps, 2);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(plan->steps[i].in[0].kind, TN_PLACE_BATCH);
        assert_int_not_equal(plan->steps[i].in[0].offset, plan->steps[i].out[0].offset);
    }
    tn_plan_free(plan);
    tn_graph_free(graph);
}

/* Images without pixels change their layout as others do. */
static void empty_tensors_run(void **state) {
    (void)state;
    const tn_shape image = {.rank = 4, .dims = {1, 1, 1, 1}, .batched = true};
    const tn_shape empty = {.rank = 4, .dims = {1, 5, 0, 1}};
    const tn_dropout_attrs drop = {.ratio = 0.5};
    const float x[4] = {0};
    float y[1] = {7};
    tn_graph *graph;
    tn_pool *pool;
    tn_execution *execution;
    assert_int_equal(tn_graph_create(&graph, &error), TN_OK);
    tn_value *v = apply(graph, &tn_op_add, NULL, stored(graph, TN_VALUE_INPUT, image),
                        stored(graph, TN_VALUE_CONSTANT, empty));
    v = apply(graph, &tn_op_dropout, &drop, v, NULL);
    tn_plan *plan = plan_inference(graph, &v, 1);
    assert_int_equal(tn_pool_create(2, &pool, &error), TN_OK);
    assert_int_equal(tn_execution_create(plan, pool, &execution, &error), TN_OK);
    for (int training = 0; training < 2; training++) {
        const tn_step step = {.batch = 4, .training = training};
        const tn_bindings bindings = {.inputs = (const void *[]){x}, .outputs = (void *[]){y}};
        tn_execution_run(execution, &bindings, &step);
        assert_true(y[0] == 7);
    }
    tn_execution_free(execution);
    tn_pool_free(pool);
    tn_plan_free(plan);
    tn_graph_free(graph);
}

/* Two nodes hold one weight of the model, one of them over numbers that no sample takes part in. */
static void a_weight_may_be_shared(void **state) {
    (void)state;
    const tn_shape rows = {.rank = 2, .dims = {1, 3}, .batched = true};
    const tn_shape row = {.rank = 2, .dims = {1, 3}}, square = {.rank = 2, .dims = {3, 3}};
    for (int order = 0; order < 2; order++) {
        tn_gemm_attrs a;
        tn_graph *graph;
        tn_value *y[2];
        tn_attrs_init(&tn_op_gemm, &a);
        assert_int_equal(tn_graph_create(&graph, &error), TN_OK);
        tn_value *w = stored(graph, TN_VALUE_PARAMETER, square);
        tn_value *x[] = {stored(graph, TN_VALUE_INPUT, rows),
                         stored(graph, TN_VALUE_CONSTANT, row)};
        for (int i = 0; i < 2; i++) y[i] = apply(graph, &tn_op_gemm, &a, x[i ^ order], w);
        tn_plan_free(plan_inference(graph, y, 2));
        tn_graph_free(graph);
    }
}

/* Flatten before the large layer and its gradient behind, though one side crosses segments. */
static void copies_move_nothing(void **state) {
    (void)state;
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training("mnist-cnn", &model, &graph);
    int n_copies = 0;
    for (int i = 0; i < plan->n_steps; i++) {
        const tn_plan_step *step = &plan->steps[i];
        if (!step->implementation->copies) continue;
        assert_int_equal(step->out[0].kind, TN_PLACE_BATCH);
        assert_int_equal(step->in[0].kind, TN_PLACE_BATCH);
        assert_int_equal(step->out[0].offset, step->in[0].offset);
        n_copies++;
    }
    assert_int_equal(n_copies, 2);
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
}

/* A value of the batch that the segment has just made is near, one of another segment far. */
static void costs_know_what_is_near(void **state) {
    (void)state;
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training("resnet20", &model, &graph);
    tn_roofline r = tn_roofline_usual;
    int n_near = 0, n_far = 0;
    r.bytes_per_s[TN_LEVEL_L3] = r.bytes_per_s[TN_LEVEL_MEMORY] = 1e5; /* seconds for a value */
    r.l2_bytes = 2 << 20; /* holds a tile and a workspace */
    for (int i = 0; i < plan->n_segments; i++) {
        const tn_segment *segment = &plan->segments[i];
        for (int k = 0; k < segment->n_steps; k++) {
            const tn_plan_step *step = &plan->steps[segment->first_step + k];
            if (step->in[0].kind != TN_PLACE_BATCH) continue;
            double seconds = tn_cost_of_step(plan, segment, step, &r);
            bool sums = strcmp(step->node->op->name, "BatchNormSums") == 0;
            if (sums) assert_true(seconds < 1);
            if (k == 0 && !segment->whole) assert_true(seconds > 1);
            n_near += sums;
            n_far += k == 0 && !segment->whole;
        }
    }
    assert_true(n_near > 10 && n_far > 10);
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
}

/* The shares of the nodes of a segment follow each other and are all of what is far; a value of the
 * batch is listed once, whoever reads or writes it. */
static void what_is_far_is_fetched(void **state) {
    (void)state;
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training("resnet20", &model, &graph);
    int n_fetching = 0;
    for (int i = 0; i < plan->n_segments; i++) {
        const tn_segment *segment = &plan->segments[i];
        int64_t bytes = 0, fetched = 0;
        for (int k = 0; k < segment->n_far; k++) {
            assert_int_equal(segment->far[k].kind, TN_PLACE_BATCH);
            bytes += segment->far[k].sample_bytes;
            for (int j = 0; j < k; j++)
                assert_true(segment->far[j].offset != segment->far[k].offset);
        }
        for (int k = 0; k < segment->n_steps; k++) {
            const tn_plan_step *step = &plan->steps[segment->first_step + k];
            if (step->fetch_begin == step->fetch_end) continue;
            assert_true(step->implementation->fetches);
            assert_int_equal(step->fetch_begin, fetched);
            fetched = step->fetch_end;
        }
        if (fetched == 0) continue;
        assert_false(segment->whole);
        assert_int_equal(fetched, bytes);
        n_fetching++;
    }
    assert_true(n_fetching > 30); /* forward and backward of nearly each convolution */
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
}

/* Where multiplying and moving cost nothing, calls do, by their number. */
static void costs_count_calls(void **state) {
    (void)state;
    const tn_roofline r = {.macs_per_s = 1e30, .bytes_per_s = {1e30, 1e30, 1e30}};
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training("mnist-cnn", &model, &graph);
    double of_one = 0;
    for (int i = 0; i < plan->n_segments; i++) {
        const tn_segment *segment = &plan->segments[i];
        double seconds = tn_cost_of_step(plan, segment, &plan->steps[segment->first_step], &r);
        if (of_one == 0 && segment->tile == 1) of_one = seconds / 64;
        if (!segment->whole || of_one == 0) continue;
        assert_true(seconds > 0.99 * of_one && seconds < 1.01 * of_one);
    }
    assert_true(of_one > 0);
    tn_plan_free(plan);
    tn_graph_free(graph);
    tn_model_free(model);
}

static void bad_options_are_refused(void **state) {
    (void)state;
    tn_model *model;
    tn_kernels kernels;
    tn_plan *plan;
    assert_int_equal(tn_model_build("lenet", NULL, &model, &error), TN_OK);
    assert_true(tn_kernels_init(&kernels, "ref", tn_isa_detect()));
    static const int shards[] = {0, 3, 128};
    for (int i = 0; i < 4; i++) {
        const tn_plan_options options = {.max_batch = i == 3 ? 0 : 8,
                                         .n_shards = i == 3 ? 1 : shards[i],
                                         .n_threads = 1,
                                         .kernels = &kernels};
        assert_int_equal(tn_plan_build(model->graph, NULL, &options, &plan, &error),
                         TN_ERR_ARGUMENT);
    }
    tn_model_free(model);
}

/* Packs for itself, so that packing is timed. */
typedef struct runner {
    tn_prepared prepared;
    tn_execution *execution;
} runner;

static void runner_free(runner *r) {
    tn_execution_free(r->execution);
    tn_prepared_free(&r->prepared);
}

static runner run_lenet(tn_pool *pool, tn_profile *profile, int64_t tile, real *scores) {
    static const real images[9 * 28 * 28];
    tn_kernels kernels;
    runner r = {0};
    tn_model *model;
    assert_int_equal(tn_model_build("lenet", NULL, &model, &error), TN_OK);
    assert_int_equal(tn_graph_clone(model->graph, &r.prepared.graph, &error), TN_OK);
    assert_int_equal(tn_kernels_select(&kernels, &error), TN_OK);
    assert_int_equal(tn_prepared_plan(&r.prepared, &kernels, pool, 9, tile, 0, &error), TN_OK);
    assert_int_equal(tn_execution_create(r.prepared.plan, pool, &r.execution, &error), TN_OK);
    if (profile) {
        const tn_plan *plan = r.prepared.plan;
        int n_threads = tn_pool_threads(pool);
        profile->steps = calloc((size_t)(plan->n_steps * n_threads), sizeof(int64_t));
        profile->segments = calloc((size_t)plan->n_segments, sizeof(int64_t));
        assert_true(profile->steps && profile->segments);
        tn_execution_set_profile(r.execution, profile);
    }
    tn_prepared_run(&r.prepared, r.execution, 9, (const void *[]){images}, (void *[]){scores});
    tn_model_free(model);
    return r;
}

static void a_tile_can_be_forced(void **state) {
    (void)state;
    real scores[2][90];
    for (int64_t tile = 1; tile <= 12; tile++) {
        runner r = run_lenet(NULL, NULL, tile, scores[tile > 1]);
        int n_tiled = 0;
        for (int s = 0; s < r.prepared.plan->n_segments; s++) {
            const tn_segment *segment = &r.prepared.plan->segments[s];
            assert_int_equal(segment->tile, segment->whole || tile > 9 ? 9 : tile);
            n_tiled += !segment->whole;
        }
        assert_true(n_tiled > 0);
        if (tile > 1) assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
        runner_free(&r);
    }
}

/* Times of threads add up to no more than they had; what is not asked for is not written. */
static void runs_can_be_timed(void **state) {
    (void)state;
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        tn_pool *pool;
        tn_profile profile = {0};
        real scores[90];
        assert_int_equal(tn_pool_create(n_threads, &pool, &error), TN_OK);
        runner r = run_lenet(pool, &profile, 2, scores);
        const tn_plan *plan = r.prepared.plan;
        int64_t segments = 0, steps = 0;
        for (int s = 0; s < plan->n_segments; s++) segments += profile.segments[s];
        for (int i = 0; i < plan->n_steps; i++) {
            int64_t sum = 0;
            for (int t = 0; t < n_threads; t++) sum += profile.steps[t * plan->n_steps + i];
            assert_true(sum > 0);
            steps += sum;
        }
        assert_true(profile.pack > 0);
        assert_true(steps <= segments * n_threads);
        assert_true(segments + profile.pack + profile.reduce <= profile.total);
        int64_t total = profile.total;
        tn_execution_set_profile(r.execution, NULL);
        static const real image[28 * 28];
        tn_prepared_run(&r.prepared, r.execution, 1, (const void *[]){image}, (void *[]){NULL});
        assert_int_equal(profile.total, total);
        free(profile.steps);
        free(profile.segments);
        runner_free(&r);
        tn_pool_free(pool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(living_items_do_not_overlap),
                                       cmocka_unit_test(arrangements_go_there_and_back),
                                       cmocka_unit_test(a_training_step_is_few_segments),
                                       cmocka_unit_test(zeros_are_left_out),
                                       cmocka_unit_test(a_training_step_is_small),
                                       cmocka_unit_test(side_by_side_nothing_is_in_place),
                                       cmocka_unit_test(empty_tensors_run),
                                       cmocka_unit_test(a_weight_may_be_shared),
                                       cmocka_unit_test(a_tile_can_be_forced),
                                       cmocka_unit_test(runs_can_be_timed),
                                       cmocka_unit_test(copies_move_nothing),
                                       cmocka_unit_test(costs_know_what_is_near),
                                       cmocka_unit_test(what_is_far_is_fetched),
                                       cmocka_unit_test(costs_count_calls),
                                       cmocka_unit_test(bad_options_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
