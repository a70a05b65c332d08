/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c: memory, arrangements and segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/isa.h"
#include "graph/memory.h"
#include "graph/plan_parts.h"
#include "models/models.h"
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

static tn_plan *plan_training(tn_model **model, tn_graph **graph) {
    static tn_value *gradients[64];
    static tn_kernels kernels;
    tn_plan *plan;
    assert_int_equal(tn_model_build("mnist-cnn", NULL, model, &error), TN_OK);
    assert_int_equal(tn_training_graph_build(*model, 0, gradients, graph, &error), TN_OK);
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
    tn_plan *plan = plan_training(&model, &graph);
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

/* Activations that no backward node needs are not kept for the batch; gradients of the large weight
 * exist once, not once for each shard. */
static void a_training_step_is_small(void **state) {
    (void)state;
    tn_model *model;
    tn_graph *graph;
    tn_plan *plan = plan_training(&model, &graph);
    const int64_t all_relus = 64 * (26 * 26 * 32 + 24 * 24 * 64) * 4;
    assert_true(plan->batch_bytes < all_relus + 64 * 9216 * 4 * 4);
    assert_true(plan->partial_bytes * plan->n_shards < 4 << 20);
    assert_int_equal(plan->parameters_size % 16, 0);
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(living_items_do_not_overlap),
                                       cmocka_unit_test(arrangements_go_there_and_back),
                                       cmocka_unit_test(a_training_step_is_few_segments),
                                       cmocka_unit_test(a_training_step_is_small),
                                       cmocka_unit_test(bad_options_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
