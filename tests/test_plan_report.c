/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan_report.c: what a report on a plan says adds up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/runner.h"
#include "cpu/isa.h"
#include "graph/cost.h"
#include "graph/model.h"
#include "ops/ops.h"

static tn_error error;

static tn_model *build(const char *name) {
    tn_model *model;
    if (tn_model_build(name, NULL, &model, &error) != TN_OK) fail_msg("%s", error.message);
    return model;
}

static tn_plan_report *make(const tn_model *model, bool training, int64_t batch, int n_threads,
                            int64_t tile) {
    tn_plan_report_options options = TN_INIT(tn_plan_report_options);
    tn_plan_report *report;
    options.training = training;
    options.batch_size = batch;
    options.n_threads = n_threads;
    options.tile = tile;
    if (tn_plan_report_create(model, &options, &report, &error) != TN_OK)
        fail_msg("%s", error.message);
    return report;
}

static double absolute(double x) { return x < 0 ? -x : x; }

/* Segments follow each other, and their sums are those of their nodes. */
static void check_segment(const tn_plan_report *report, int i, int *first_node) {
    tn_plan_segment_info s = TN_INIT(tn_plan_segment_info);
    int64_t macs = 0, bytes_in = 0, bytes_out = 0;
    double expected = 0, measured = 0;
    tn_plan_report_describe_segment(report, i, &s);
    assert_int_equal(s.size, sizeof s);
    assert_int_equal(s.first_node, *first_node);
    assert_true(s.n_nodes > 0 && s.n_tasks > 0 && s.tile > 0);
    for (int k = s.first_node; k < s.first_node + s.n_nodes; k++) {
        tn_plan_node_info n = TN_INIT(tn_plan_node_info);
        tn_plan_report_describe_node(report, k, &n);
        assert_int_equal(n.segment, i);
        assert_true(n.name[0] && n.op[0] && n.implementation[0] && n.place[0]);
        assert_true(n.bytes_in > 0 && n.bytes_out > 0);
        assert_true(n.expected_cpu_s > 0 && n.measured_cpu_s > 0);
        if (!s.tiled) assert_null(strstr(n.place, "tile"));
        macs += n.macs;
        bytes_in += n.bytes_in;
        bytes_out += n.bytes_out;
        expected += n.expected_cpu_s;
        measured += n.measured_cpu_s;
    }
    assert_int_equal(s.macs, macs);
    assert_int_equal(s.bytes_in, bytes_in);
    assert_int_equal(s.bytes_out, bytes_out);
    assert_true(absolute(s.expected_cpu_s - expected) < 1e-9);
    assert_true(absolute(s.measured_cpu_s - measured) < 1e-9);
    assert_true(s.measured_s > 0 && s.expected_s > 0);
    *first_node += s.n_nodes;
}

static void check_sums(const tn_plan_report *report) {
    tn_plan_info p = TN_INIT(tn_plan_info);
    int first_node = 0;
    double segments = 0;
    tn_plan_report_describe(report, &p);
    for (int i = 0; i < p.n_segments; i++) {
        tn_plan_segment_info s = TN_INIT(tn_plan_segment_info);
        check_segment(report, i, &first_node);
        tn_plan_report_describe_segment(report, i, &s);
        assert_true(s.measured_cpu_s <= s.measured_s * p.n_threads);
        segments += s.measured_s;
    }
    assert_int_equal(first_node, p.n_nodes);
    assert_true(segments + p.packing_s + p.summing_s <= p.measured_s);
    assert_true(p.n_runs > 0 && p.macs_per_s > 0 && p.level[0]);
    assert_true(p.l2_bytes_per_s > 0 && p.l3_bytes_per_s > 0 && p.memory_bytes_per_s > 0);
    assert_int_equal(p.total_bytes, p.parameter_bytes + p.batch_bytes + p.partial_bytes +
                                        p.packed_bytes +
                                        (p.tile_bytes + p.workspace_bytes) * p.n_threads);
}

static void inference_adds_up(void **state) {
    (void)state;
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        tn_model *model = build("lenet");
        tn_model_info m = TN_INIT(tn_model_info);
        tn_plan_info p = TN_INIT(tn_plan_info);
        tn_plan_report *report = make(model, false, 5, n_threads, 3);
        tn_model_describe(model, &m);
        tn_model_free(model); /* the report holds what it needs */
        tn_plan_report_describe(report, &p);
        assert_false(p.training);
        assert_int_equal(p.batch_size, 5);
        assert_int_equal(p.n_threads, n_threads);
        assert_int_equal(p.n_shards, 1);
        assert_int_equal(p.macs, 5 * m.macs);
        assert_int_equal(p.partial_bytes, 0);
        check_sums(report);
        tn_plan_report_free(report);
    }
}

static void training_adds_up(void **state) {
    (void)state;
    static const char *const names[] = {"lenet", "resnet20"};
    for (int i = 0; i < 2; i++) {
        tn_model *model = build(names[i]);
        tn_plan_info p = TN_INIT(tn_plan_info);
        tn_plan_report *report = make(model, true, 20, 2, 0);
        tn_plan_report_describe(report, &p);
        assert_true(p.training);
        assert_int_equal(p.n_shards, 16);
        assert_true(p.partial_bytes > 0);
        check_sums(report);
        tn_plan_report_free(report);
        tn_model_free(model);
    }
}

static void defaults_are_those_of_training_and_sessions(void **state) {
    (void)state;
    tn_model *model = build("lenet");
    for (int training = 0; training < 2; training++) {
        tn_plan_report *report = make(model, training, 0, 0, 0);
        tn_plan_info p = TN_INIT(tn_plan_info);
        tn_train_options recipe = TN_INIT(tn_train_options);
        tn_train_resolve(model, NULL, &recipe);
        tn_plan_report_describe(report, &p);
        assert_int_equal(p.batch_size, training ? recipe.batch_size : 64);
        assert_int_equal(p.n_threads, recipe.n_threads);
        tn_plan_report_free(report);
    }
    tn_model_free(model);
}

/* A model of two inputs that are no images. */
static tn_model *build_tensors(void) {
    const tn_shape shape = {.rank = 2, .dims = {1, 6}, .batched = true};
    tn_graph *graph;
    tn_value *in[2], *y;
    tn_model *model;
    tn_status status = tn_graph_create(&graph, &error);
    for (int i = 0; i < 2; i++)
        status |= tn_graph_add_value(graph, TN_VALUE_INPUT, NULL, TN_FLOAT32, &shape, NULL, &in[i],
                                     &error);
    status |= tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &y, &error);
    status |= tn_graph_mark_output(graph, y, &error);
    status |= tn_graph_mark_output(graph, in[0], &error);
    status |= tn_model_create(graph, "product", 0, NULL, 17, &model, &error);
    assert_int_equal(status, TN_OK);
    return model;
}

static void models_without_images_are_planned_but_not_trained(void **state) {
    (void)state;
    tn_model *model = build_tensors();
    tn_plan_report *report = make(model, false, 3, 1, 0);
    tn_plan_report_options training = TN_INIT(tn_plan_report_options);
    check_sums(report);
    tn_plan_report_free(report);
    training.training = true;
    assert_int_equal(tn_plan_report_create(model, &training, &report, &error), TN_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "its first input is not an image"));
    tn_model_free(model);
}

static void senseless_options_are_refused(void **state) {
    (void)state;
    tn_model *model = build("lenet");
    tn_plan_report *report = NULL;
    for (int i = 0; i < 4; i++) {
        tn_plan_report_options o = TN_INIT(tn_plan_report_options);
        if (i == 0) o.batch_size = -1;
        if (i == 1) o.n_threads = -1;
        if (i == 2) o.tile = -1;
        if (i == 3) o.size = 0;
        assert_int_equal(tn_plan_report_create(model, &o, &report, &error), TN_ERR_ARGUMENT);
        assert_null(report);
    }
    tn_model_free(model);
}

/* The longer of multiplying and moving, with round numbers. */
static void costs_follow_the_roofline(void **state) {
    (void)state;
    const tn_roofline r = {
        .macs_per_s = 1e9, .bytes_per_s = {1e9, 1e8, 1e7}, .l2_bytes = 4000, .l3_bytes = 40000};
    const tn_shape shape = {.rank = 2, .dims = {1, 100}, .batched = true};
    const tn_cost cheap = {0}, dear = {.per_element = 10};
    tn_graph *graph;
    tn_value *x, *y;
    assert_int_equal(tn_graph_create(&graph, &error), TN_OK);
    assert_int_equal(
        tn_graph_add_value(graph, TN_VALUE_INPUT, NULL, TN_FLOAT32, &shape, NULL, &x, &error),
        TN_OK);
    assert_int_equal(tn_graph_apply(graph, &tn_op_relu, NULL, &x, 1, &y, &error), TN_OK);
    double bytes = 2 * 100 * 4 * sizeof(real) / 4 * 7;
    assert_true(absolute(tn_cost_of_node(y->producer, &cheap, 7, &r) - bytes * 1e-9) < 1e-12);
    assert_true(absolute(tn_cost_of_node(y->producer, &dear, 7, &r) - 7e-6) < 1e-12);
    assert_int_equal(tn_roofline_level(&r, 3000, true), TN_LEVEL_L2);
    assert_int_equal(tn_roofline_level(&r, 3000, false), TN_LEVEL_L3);
    assert_int_equal(tn_roofline_level(&r, 3001, true), TN_LEVEL_L3);
    assert_int_equal(tn_roofline_level(&r, 20001, true), TN_LEVEL_MEMORY);
    tn_graph_free(graph);
}

/* What is measured is within what any machine can do, and the reference is slower than the best. */
static void a_roofline_is_measured(void **state) {
    (void)state;
    tn_pool *pool;
    tn_kernels kernels;
    tn_roofline r[2];
    const char *levels[] = {"ref", tn_kernels_best(tn_isa_detect())};
    assert_int_equal(tn_pool_create(2, &pool, &error), TN_OK);
    for (int i = 0; i < 2; i++) {
        assert_true(tn_kernels_init(&kernels, levels[i], tn_isa_detect()));
        assert_int_equal(tn_roofline_measure(&kernels, pool, &r[i], &error), TN_OK);
        assert_true(r[i].macs_per_s > 1e6 && r[i].macs_per_s < 1e12);
        for (int level = 0; level < TN_N_LEVELS; level++)
            assert_true(r[i].bytes_per_s[level] > 1e6 && r[i].bytes_per_s[level] < 1e13);
    }
    if (strcmp(levels[1], "ref") != 0) assert_true(r[1].macs_per_s > r[0].macs_per_s);
    tn_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_adds_up),
        cmocka_unit_test(training_adds_up),
        cmocka_unit_test(defaults_are_those_of_training_and_sessions),
        cmocka_unit_test(models_without_images_are_planned_but_not_trained),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(costs_follow_the_roofline),
        cmocka_unit_test(a_roofline_is_measured)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
