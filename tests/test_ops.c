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
#include "op_cases.h"

/* The largest number in a tensor, for relative comparison. */
static double scale_of(const real *x, int64_t n) {
    double largest = 1e-3;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)x[i]));
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
        int64_t at = tn_plan_parameter_offset(a->plan, i);
        snprintf(what, sizeof what, "gradient of parameter %d", i);
        compare(what, a->gradients + at, b->gradients + at,
                tn_shape_elements(&a->graph->parameters[i]->shape), exactly);
    }
}

static void compare_settings(const op_case *c, const op_setting *first, const op_setting *second,
                             bool exactly) {
    op_run a, b;
    op_run_create(c, first, &a);
    op_run_create(c, second, &b);
    op_run_execute(&a);
    for (int i = 0; i < 2; i++) { /* again: nothing may depend on what a run leaves behind */
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

static void test_levels(void **state) {
    const op_case *c = *state;
    for (const char *const *level = tn_kernel_levels(); *level; level++) {
        tn_kernels kernels;
        if (!tn_kernels_init(&kernels, *level, tn_isa_detect())) continue;
        for (int integers = 0; integers < 2; integers++) {
            op_setting ref = {.level = "ref",
                              .n_threads = 1,
                              .n_shards = 8,
                              .batch = 13,
                              .max_batch = 13,
                              .integers = integers};
            op_setting other = ref;
            other.level = *level;
            compare_settings(c, &ref, &other, integers && exact_on_integers(c));
        }
    }
}

static void test_threads(void **state) {
    const op_case *c = *state;
    const op_setting one = {.level = tn_kernels_best(tn_isa_detect()),
                            .n_threads = 1,
                            .n_shards = 8,
                            .batch = 21,
                            .max_batch = 21};
    for (int n = 2; n <= 7; n++) {
        op_setting many = one;
        many.n_threads = n;
        many.max_batch = 21 + 16 * n; /* other tiles */
        compare_settings(c, &one, &many, true);
    }
}

/* A sample's results do not depend on the samples beside it. */
static void test_batch(void **state) {
    const op_case *c = *state;
    const op_setting all = {.level = tn_kernels_best(tn_isa_detect()),
                            .n_threads = 2,
                            .n_shards = 4,
                            .batch = 19,
                            .max_batch = 19};
    op_setting few = all;
    if (c->mixes_samples) return;
    few.batch = 2; /* fewer than shards, too */
    compare_settings(c, &all, &few, true);
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
    static struct CMUnitTest tests[MOST] = {cmocka_unit_test(test_every_op_has_a_case),
                                            cmocka_unit_test(test_first_of_equal_maxima_wins)};
    static char names[MOST][96];
    static const struct {
        const char *what;
        CMUnitTestFunction run;
    } kinds[] = {{"levels", test_levels}, {"threads", test_threads}, {"batch", test_batch}};
    size_t n = 2;
    const op_case *c;
    for (int i = 0; n + 3 <= MOST && (c = op_case_at(i)); i++)
        for (size_t k = 0; k < 3; k++, n++) {
            snprintf(names[n], sizeof names[n], "%s: %s", c->name, kinds[k].what);
            tests[n] =
                (struct CMUnitTest){names[n], kinds[k].run, NULL, NULL, (void *)(uintptr_t)c};
        }
    return _cmocka_run_group_tests("ops", tests, n, NULL, NULL);
}
