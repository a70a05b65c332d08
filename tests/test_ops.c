/* SPDX-License-Identifier: Apache-2.0 */
/* test_ops.c: every operator, forward and backward, on every level against the plain loops of the
 * reference; the same bits for any number of threads, tile and place in a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "cpu/isa.h"
#include "graph/lanes.h"
#include "op_cases.h"
#include "ops/tuning.h"
#include "sanitized.h"

/* The largest number in a tensor, for relative comparison. */
static double scale_of(const real *x, int64_t n) {
    double largest = 1e-3;
    for (int64_t i = 0; i < n; i++) /* gcc 12 for ARM fails on fmax here */
        if (fabs((double)x[i]) > largest) largest = fabs((double)x[i]);
    return largest;
}

static void compare(const char *what, const real *a, const real *b, int64_t n, bool exactly) {
    double bound = exactly ? 0 : 2e-5 * scale_of(a, n);
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= bound))
            fail_msg("%s[%lld]: %.9g against %.9g", what, (long long)i, (double)a[i], (double)b[i]);
}

static void compare_runs(const op_run *a, const op_run *b, bool exactly) {
    char what[64];
    for (int i = 0; i < a->graph->n_outputs; i++) {
        snprintf(what, sizeof what, "output %d", i);
        int64_t n = a->output_elements[i] < b->output_elements[i] ? a->output_elements[i]
                                                                  : b->output_elements[i];
        compare(what, a->outputs[i], b->outputs[i], n, exactly);
    }
    for (int i = 0; i < a->graph->n_parameters && a->setting.batch == b->setting.batch; i++) {
        int64_t n = tn_shape_elements(&a->graph->parameters[i]->shape);
        float *of_a = test_malloc((size_t)n * sizeof *of_a), *of_b = test_malloc((size_t)n * 4);
        tn_plan_unarrange(a->plan, i, a->gradients, of_a);
        tn_plan_unarrange(b->plan, i, b->gradients, of_b);
        snprintf(what, sizeof what, "gradient of parameter %d", i);
        compare(what, of_a, of_b, n, exactly);
        test_free(of_a);
        test_free(of_b);
    }
}

static void compare_settings(const op_case *c, const op_setting *first, const op_setting *second,
                             bool exactly) {
    op_run a, b;
    op_run_create(c, first, &a);
    op_run_create(c, second, &b);
    op_run_execute(&a);
    bool as_wanted = second->lanes != TN_LANES_ALWAYS || b.plan->lanes;
    for (int i = 0; i < 2 && as_wanted; i++) { /* again: nothing may depend on the run before */
        op_run_execute(&b);
        compare_runs(&a, &b, exactly);
    }
    op_run_free(&a);
    op_run_free(&b);
}

/* Values that pass through exp, log or a division by 255 or a dropout scale are not exact. */
static bool exact_on_integers(const op_case *c) {
    return c->op != &tn_op_log_softmax && c->op != &tn_op_softmax &&
           c->op != &tn_op_softmax_cross_entropy && c->op != &tn_op_load_pixels &&
           strcmp(c->name, "a network") != 0 && !c->inexact;
}

static const tn_lanes_choice choices[] = {TN_LANES_NEVER, TN_LANES_ALWAYS};

static void test_levels(void **state) {
    const op_case *c = *state;
    for (const char *const *level = tn_kernel_levels(); *level; level++) {
        tn_kernels kernels;
        if (!tn_kernels_init(&kernels, *level, tn_isa_detect())) continue;
        for (int integers = 0; integers < 1 + exact_on_integers(c); integers++) {
            op_setting ref = {.level = "ref",
                              .n_threads = 1,
                              .n_shards = 8,
                              .batch = 13,
                              .max_batch = 13,
                              .integers = integers,
                              .lanes = TN_LANES_NEVER};
            op_setting other = ref;
            other.level = *level;
            for (int lanes = 0; lanes < 2; lanes++) {
                other.lanes = choices[lanes];
                compare_settings(c, &ref, &other, integers);
            }
        }
    }
}

static void test_threads(void **state) {
    const op_case *c = *state;
    op_setting one = {.level = tn_kernels_best(tn_isa_detect()),
                      .n_threads = 1,
                      .n_shards = 8,
                      .batch = 21,
                      .max_batch = 21};
    for (int lanes = 0; lanes < 2; lanes++)
        for (int n = 2; n <= 7; n += SANITIZED ? 5 : 1) {
            one.lanes = choices[lanes];
            op_setting many = one;
            many.n_threads = n;
            many.max_batch = 21 + 16 * n;   /* other tiles */
            many.tile = n % 2 ? 0 : 11 * n; /* and more of them */
            compare_settings(c, &one, &many, true);
        }
}

/* Passes change how a graph is computed, not what: not by a bit. */
static void test_passes(void **state) {
    const op_case *c = *state;
    for (const char *const *level = tn_kernel_levels(); *level; level++) {
        tn_kernels kernels;
        if (!tn_kernels_init(&kernels, *level, tn_isa_detect())) continue;
        if (SANITIZED_THREADS && level[1]) continue; /* threads share alike on all */
        op_setting plain = {
            .level = *level, .n_threads = 1, .n_shards = 8, .batch = 13, .max_batch = 13};
        for (int lanes = 0; lanes < 2; lanes++) {
            plain.lanes = choices[lanes];
            op_setting passed = plain;
            passed.passes = true;
            passed.n_threads = 3;
            compare_settings(c, &plain, &passed, true);
        }
    }
}

/* A sample's results do not depend on the samples beside it. */
static void test_batch(void **state) {
    const op_case *c = *state;
    op_setting all = {.level = tn_kernels_best(tn_isa_detect()),
                      .n_threads = 2,
                      .n_shards = 4,
                      .batch = 19,
                      .max_batch = 19};
    if (c->mixes_samples) return;
    for (int lanes = 0; lanes < 2; lanes++) {
        all.lanes = choices[lanes];
        op_setting few = all;
        few.batch = 2; /* fewer than shards, too */
        compare_settings(c, &all, &few, true);
    }
}

/* The n-th implementation, or the last, of each pass of a convolution; NULL if that is nothing new
 * for any. */
static tn_tuning *choose_all(const op_case *c, const op_setting *setting, int n) {
    tn_error error;
    tn_tuning *tuning;
    op_run run;
    int new = 0;
    op_run_create(c, setting, &run);
    assert_int_equal(tn_tuning_create(setting->level, run.plan->n_steps, &tuning, &error), TN_OK);
    for (int i = 0; i < run.plan->n_steps; i++) {
        const tn_node *node = run.plan->steps[i].node;
        const char *names[TN_TUNING_MAX_CANDIDATES];
        conv_choice choice;
        if (!conv_choice_key_of(node, &run.kernels, &choice.key) ||
            tn_tuning_find(tuning, &choice.key))
            continue;
        int last = conv_choice_candidates(node, &run.kernels, names) - 1;
        choice.implementation = names[n < last ? n : last];
        tuning->rows[tuning->n_rows++].choice = choice;
        new += n <= last;
    }
    op_run_free(&run);
    assert_int_equal(tn_tuning_finish(tuning, &error), TN_OK);
    if (new > 0) return tuning;
    tn_tuning_free(tuning);
    return NULL;
}

/* Whatever a table may name, whether it would pay or not. */
static void test_choices(void **state) {
    const op_case *c = *state;
    const op_setting ref = {.level = "ref",
                            .n_threads = 1,
                            .n_shards = 4,
                            .batch = 9,
                            .max_batch = 9,
                            .lanes = TN_LANES_NEVER};
    op_setting one = ref;
    one.level = tn_kernels_best(tn_isa_detect());
    for (int n = 0; n < TN_TUNING_MAX_CANDIDATES; n++) {
        tn_tuning *tuning = choose_all(c, &one, n);
        if (!tuning) break;
        op_setting tuned = one;
        tuned.tuning = tuning;
        compare_settings(c, &ref, &tuned, false);
        op_setting many = tuned;
        many.n_threads = 3;
        many.tile = 2;
        many.tile_rows = 1 + n;
        compare_settings(c, &tuned, &many, true);
        tn_tuning_free(tuning);
    }
}

/* Whether a case runs in lanes, with a node of this operator among those that do. */
static bool has_in_lanes(const op_case *c, const tn_op *op) {
    const op_setting setting = {.level = "ref",
                                .n_threads = 1,
                                .n_shards = 1,
                                .batch = 1,
                                .max_batch = 8,
                                .lanes = TN_LANES_ALWAYS};
    bool found = false;
    op_run run;
    op_run_create(c, &setting, &run);
    for (int i = 0; i < run.plan->n_steps; i++)
        found = found ||
                (run.plan->steps[i].node->op == op && tn_node_in_lanes(run.plan->steps[i].node));
    op_run_free(&run);
    return found;
}

/* What the tests above have had in lanes. */
static void test_ops_of_small_networks_run_in_lanes(void **state) {
    const tn_op *const expected[] = {
        &tn_op_add,     &tn_op_clip,       &tn_op_conv,       &tn_op_div,     &tn_op_dropout,
        &tn_op_elu,     &tn_op_flatten,    &tn_op_gemm,       &tn_op_sub,     &tn_op_hard_sigmoid,
        &tn_op_relu,    &tn_op_hard_swish, &tn_op_leaky_relu, &tn_op_sigmoid, &tn_op_load_pixels,
        &tn_op_reshape, &tn_op_max_pool,   &tn_op_tanh,       &tn_op_mul,     &tn_op_reorder};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        bool found = false;
        const op_case *c;
        for (int k = 0; !found && (c = op_case_at(k)); k++) found = has_in_lanes(c, expected[i]);
        if (!found) fail_msg("%s: no case runs in lanes", expected[i]->name);
    }
}

/* Runs a case whose first input is an image of 4x2 pixels with 3 channels on these pixels of
 * channel 1; the gradient must go to the pixel expected, and nowhere else. */
static void expect_winner(const char *name, const real pixels[8], int expected) {
    const op_setting one = {
        .level = "ref", .n_threads = 1, .n_shards = 1, .batch = 1, .max_batch = 1};
    const op_case *c = NULL;
    op_run run;
    for (int i = 0; (c = op_case_at(i)) && strcmp(c->name, name) != 0; i++) continue;
    assert_non_null(c);
    op_run_create(c, &one, &run);
    memcpy((real *)run.inputs[0] + 8, pixels, 8 * sizeof *pixels);
    op_run_execute(&run);
    const real *y = run.outputs[0], *dy = run.inputs[run.n_own_inputs];
    const real *dx = run.outputs[run.n_own_outputs];
    assert_true(y[1] == pixels[expected] || (isnan(y[1]) && isnan(pixels[expected])));
    for (int i = 0; i < 8; i++) assert_true(dx[8 + i] == (i == expected ? dy[1] : 0));
    op_run_free(&run);
}

static void test_first_of_equal_maxima_wins(void **state) {
    (void)state;
    const real nan = (real)NAN;
    expect_winner("GlobalMaxPool", (real[]){1, 2, 4, 3, 4, 0, 4, 1}, 2);
    expect_winner("GlobalMaxPool", (real[]){-2, -2, -2, -2, -2, -2, -2, -1}, 7);
    expect_winner("GlobalMaxPool", (real[]){1, 2, 4, nan, 5, nan, 0, 9}, 3);
}

static void test_every_op_has_a_case(void **state) {
    (void)state;
    for (const tn_op *const *op = tn_ops; *op; op++) {
        bool found = false;
        const op_case *c;
        for (int i = 0; (c = op_case_at(i)); i++) found = found || c->op == *op;
        if (!found) fail_msg("%s has no case in tests/cases_*.c", (*op)->name);
    }
}

int main(void) {
    enum { MOST = 3072 };
    static struct CMUnitTest tests[MOST] = {
        cmocka_unit_test(test_every_op_has_a_case),
        cmocka_unit_test(test_first_of_equal_maxima_wins),
        cmocka_unit_test(test_ops_of_small_networks_run_in_lanes)};
    static char names[MOST][96];
    static const struct {
        const char *what;
        CMUnitTestFunction run;
    } kinds[] = {{"levels", test_levels},
                 {"threads", test_threads},
                 {"passes", test_passes},
                 {"batch", test_batch},
                 {"choices", test_choices}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    size_t n = 3;
    const op_case *c;
    /* The first kind has no threads that could race. */
    for (int i = 0; n + KINDS <= MOST && (c = op_case_at(i)); i++)
        for (size_t k = SANITIZED_THREADS; k < KINDS; k++, n++) {
            snprintf(names[n], sizeof names[n], "%s: %s", c->name, kinds[k].what);
            tests[n] =
                (struct CMUnitTest){names[n], kinds[k].run, NULL, NULL, (void *)(uintptr_t)c};
        }
    return _cmocka_run_group_tests("ops", tests, n, NULL, NULL);
}
