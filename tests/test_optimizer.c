/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers and schedules against numbers recorded from PyTorch (tests/vectors/optimizers.json,
 * by record_optimizers.py beside it); what the held-out images decide; the order of images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/isa.h"
#include "train/descent.h"
#include "train/held_out.h"
#include "train/order.h"
#include "train/schedule.h"

enum { MAX_NUMBERS = 64, MAX_TENSORS = 8 };

/* ---- What was recorded -------------------------------------------------------------------- */

static int load(void **state) {
    char path[512];
    const char *source = getenv("TENON_SOURCE");
    snprintf(path, sizeof path, "%s/tests/vectors/optimizers.json", source ? source : ".");
    json_error_t error;
    *state = json_load_file(path, 0, &error);
    if (!*state) print_error("%s: %s\n", path, error.text);
    return *state ? 0 : -1;
}

static int unload(void **state) {
    json_decref(*state);
    return 0;
}

static int read_numbers(const json_t *array, float *numbers) {
    int n = (int)json_array_size(array);
    assert_in_range(n, 1, MAX_NUMBERS);
    for (int i = 0; i < n; i++)
        numbers[i] = (float)json_number_value(json_array_get(array, (size_t)i));
    return n;
}

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static int read_tensors(const json_t *recorded, tn_trained *trained) {
    const json_t *ranks = json_object_get(recorded, "ranks");
    const json_t *sizes = json_object_get(recorded, "sizes");
    int64_t begin = 0;
    int n = (int)json_array_size(ranks);
    assert_in_range(n, 1, MAX_TENSORS);
    for (int t = 0; t < n; t++) {
        int64_t end = begin + json_integer_value(json_array_get(sizes, (size_t)t));
        bool is_weight = json_integer_value(json_array_get(ranks, (size_t)t)) > 1;
        trained[t] = (tn_trained){{begin, end}, is_weight};
        begin = end;
    }
    return n;
}

static tn_optimizer kind_of(const char *name) {
    for (tn_optimizer kind = TN_OPTIMIZER_SGD; tn_optimizer_rule_of(kind); kind++)
        if (strcmp(tn_optimizer_rule_of(kind)->name, name) == 0) return kind;
    fail_msg("no optimiser %s", name);
    return TN_OPTIMIZER_DEFAULT;
}

/* ---- Steps -------------------------------------------------------------------------------- */

static void check_weights(const json_t *step, const char *name, const char *level, int64_t number,
                          const float *w) {
    float expected[MAX_NUMBERS];
    int n = read_numbers(step, expected);
    for (int i = 0; i < n; i++)
        if (!(fabs((double)w[i] - (double)expected[i]) <= 1e-7 + 1e-6 * fabs((double)expected[i])))
            fail_msg("%s, %s, step %d: weight %d is %.9g, not %.9g", name, level, (int)number, i,
                     (double)w[i], (double)expected[i]);
}

static void check_case(const json_t *recorded, const json_t *one, const tn_kernels *kernels) {
    const char *name = json_string_value(json_object_get(one, "optimizer"));
    const json_t *steps = json_object_get(one, "weights");
    const tn_descent_options options = {
        .kind = kind_of(name),
        .settings = {.momentum = number(one, "momentum"),
                     .weight_decay = number(one, "weight_decay"),
                     .nesterov = json_is_true(json_object_get(one, "nesterov")),
                     .decay_all = json_is_true(json_object_get(one, "decay_all"))},
        .clip_norm = number(one, "clip_norm"),
        .kernels = kernels};
    float w[MAX_NUMBERS], g[MAX_NUMBERS], states[TN_OPTIMIZER_MAX_STATES][MAX_NUMBERS] = {{0}};
    tn_trained trained[MAX_TENSORS];
    tn_descent *descent;
    int n = read_tensors(recorded, trained);
    assert_int_equal(tn_descent_create(&options, trained, n, &descent, NULL), TN_OK);
    tn_descent_vectors v = {.gradients = g, .weights = w};
    int n_states = tn_optimizer_n_states(tn_optimizer_rule_of(options.kind), &options.settings);
    for (int s = 0; s < n_states; s++) v.states[s] = states[s];
    read_numbers(json_object_get(recorded, "start"), w);
    for (size_t step = 0; step < json_array_size(steps); step++) {
        read_numbers(json_array_get(json_object_get(recorded, "gradients"), step), g);
        tn_descent_step(descent, (int64_t)step, number(one, "lr"), &v);
        check_weights(json_array_get(steps, step), name, kernels->level, (int64_t)step, w);
    }
    assert_int_equal(json_array_size(steps), 10);
    tn_descent_free(descent);
}

/* On every level that runs here, each case of one optimiser; returns how many there are. */
static int check_optimizer(const json_t *recorded, const char *name) {
    size_t i;
    json_t *one;
    int n = 0;
    json_array_foreach(json_object_get(recorded, "steps"), i, one) {
        if (strcmp(json_string_value(json_object_get(one, "optimizer")), name) != 0) continue;
        for (const char *const *level = tn_kernel_levels(); *level; level++) {
            tn_kernels kernels;
            if (tn_kernels_init(&kernels, *level, tn_isa_detect()))
                check_case(recorded, one, &kernels);
        }
        n++;
    }
    return n;
}

/* Plain, with momentum, Nesterov's, decay with and without exclusions, clipping. */
static void sgd_as_pytorch(void **recorded) {
    assert_int_equal(check_optimizer(*recorded, "sgd"), 7);
}

static void adam_as_pytorch(void **recorded) {
    assert_int_equal(check_optimizer(*recorded, "adam"), 2);
}

static void adamw_as_pytorch(void **recorded) {
    assert_int_equal(check_optimizer(*recorded, "adamw"), 2);
}

static void adadelta_as_pytorch(void **recorded) {
    assert_int_equal(check_optimizer(*recorded, "adadelta"), 2);
}

static void rmsprop_as_pytorch(void **recorded) {
    assert_int_equal(check_optimizer(*recorded, "rmsprop"), 2);
}

static void lars_as_its_paper(void **recorded) {
    assert_int_equal(check_optimizer(*recorded, "lars"), 3);
}

static void momentum_none_keeps_no_state(void **fixture) {
    (void)fixture;
    const tn_train_options o = {.momentum = -1, .weight_decay = -1};
    tn_optimizer_settings settings = tn_optimizer_settings_of(&o);
    assert_true(settings.momentum == 0 && settings.weight_decay == 0);
    assert_int_equal(tn_optimizer_n_states(tn_optimizer_rule_of(TN_OPTIMIZER_SGD), &settings), 0);
    assert_int_equal(tn_optimizer_n_states(tn_optimizer_rule_of(TN_OPTIMIZER_ADAM), &settings), 2);
}

static void lars_leaves_tensors_of_zeros(void **fixture) {
    (void)fixture;
    assert_true(tn_lars_factor(0, 1, 0.1) == 1 && tn_lars_factor(1, 0, 0.1) == 1);
    assert_true(fabs(tn_lars_factor(2, 1, 0.5) - 0.001) < 1e-9);
}

/* ---- Threads ------------------------------------------------------------------------------ */

enum { LENGTH = 100000 };

static float *wave(double shift) {
    float *v = malloc(LENGTH * sizeof *v);
    assert_non_null(v);
    for (int i = 0; i < LENGTH; i++) v[i] = (float)sin(i + shift);
    return v;
}

/* Clipped steps of accumulated gradients and their average, on long vectors of which parts are
 * frozen; into w and average. */
static void take_steps(tn_optimizer kind, int n_threads, float *w, float *average) {
    const tn_trained trained[] = {
        {{0, 40000}, true}, {{40000, 40016}, false}, {{40032, 99999}, true}};
    tn_kernels kernels;
    tn_pool *pool;
    tn_descent *descent;
    assert_int_equal(tn_kernels_select(&kernels, NULL), TN_OK);
    assert_int_equal(tn_pool_create(n_threads, &pool, NULL), TN_OK);
    const tn_descent_options options = {kind,
                                        {.momentum = 0.9, .weight_decay = 0.1},
                                        .clip_norm = 50,
                                        .kernels = &kernels,
                                        .pool = pool};
    assert_int_equal(tn_descent_create(&options, trained, 3, &descent, NULL), TN_OK);
    float *further = wave(2), *m = calloc(LENGTH, sizeof *m), *v = calloc(LENGTH, sizeof *v);
    for (int step = 0; step < 3; step++) {
        float *g = wave(1);
        tn_descent_accumulate(descent, further, g);
        tn_descent_step(descent, step, 0.1, &(tn_descent_vectors){g, w, {m, v}});
        tn_descent_average(descent, 0.9, LENGTH, w, average);
        free(g);
    }
    free(further);
    free(m);
    free(v);
    tn_descent_free(descent);
    tn_pool_free(pool);
}

static void threads_change_no_bits(void **fixture) {
    (void)fixture;
    for (tn_optimizer kind = TN_OPTIMIZER_SGD; kind <= TN_OPTIMIZER_LARS; kind++) {
        float *start = wave(0), *w1 = wave(0), *average1 = wave(0);
        take_steps(kind, 1, w1, average1);
        assert_memory_equal(w1 + 40016, start + 40016, 16 * sizeof *w1);
        assert_true(w1[99999] == start[99999] && average1[99999] == start[99999]);
        assert_true(w1[0] != start[0] || w1[1] != start[1]);
        assert_true(w1[40015] != start[40015] && w1[99998] != start[99998]);
        for (int n_threads = 2; n_threads <= 4; n_threads++) {
            float *w = wave(0), *average = wave(0);
            take_steps(kind, n_threads, w, average);
            assert_memory_equal(w, w1, LENGTH * sizeof *w);
            assert_memory_equal(average, average1, LENGTH * sizeof *w);
            free(w);
            free(average);
        }
        free(start);
        free(w1);
        free(average1);
    }
}

static void accumulating_adds_what_is_trained(void **fixture) {
    (void)fixture;
    const tn_trained trained = {{1, 3}, true};
    tn_kernels kernels;
    tn_descent *descent;
    assert_int_equal(tn_kernels_select(&kernels, NULL), TN_OK);
    const tn_descent_options options = {.kind = TN_OPTIMIZER_SGD, .kernels = &kernels};
    assert_int_equal(tn_descent_create(&options, &trained, 1, &descent, NULL), TN_OK);
    float g[4] = {1, 2, 3, 4}, further[4] = {10, 20, 30, 40};
    tn_descent_accumulate(descent, further, g);
    assert_true(g[0] == 1 && g[1] == 22 && g[2] == 33 && g[3] == 4);
    float average[4] = {0, 1, 2, 3};
    tn_descent_average(descent, 0.75, 4, g, average);
    assert_true(average[0] == 0.25f && average[1] == 6.25f && average[2] == 9.75f);
    tn_descent_free(descent);
}

/* ---- Schedules ---------------------------------------------------------------------------- */

static tn_schedule schedule_of(const char *name) {
    for (tn_schedule s = TN_SCHEDULE_CONSTANT; tn_schedule_name(s); s++)
        if (strcmp(tn_schedule_name(s), name) == 0) return s;
    fail_msg("no schedule %s", name);
    return TN_SCHEDULE_DEFAULT;
}

static void schedules_as_pytorch(void **recorded) {
    size_t i, step;
    json_t *one, *rate;
    int n = 0;
    json_array_foreach(json_object_get(*recorded, "rates"), i, one) {
        const char *name = json_string_value(json_object_get(one, "schedule"));
        const tn_course course = {schedule_of(name), number(one, "lr"),
                                  (int64_t)number(one, "steps"), (int64_t)number(one, "warmup")};
        json_array_foreach(json_object_get(one, "rates"), step, rate) {
            double lr = tn_schedule_lr(&course, (int64_t)step), expected = json_number_value(rate);
            if (!(fabs(lr - expected) <= 1e-14))
                fail_msg("%s of %d, step %d: %.17g, not %.17g", name, (int)course.steps, (int)step,
                         lr, expected);
            n++;
        }
    }
    assert_int_equal(n, 4 * (3 + 10 + 20 + 40));
}

static void few_steps_have_finite_rates(void **fixture) {
    (void)fixture;
    for (tn_schedule s = TN_SCHEDULE_CONSTANT; tn_schedule_name(s); s++)
        for (int64_t steps = 1; steps < 50; steps++)
            for (int64_t warmup = 0; warmup < steps; warmup++)
                for (int64_t step = 0; step < steps; step++) {
                    const tn_course course = {s, 0.1, steps, warmup};
                    double lr = tn_schedule_lr(&course, step);
                    assert_true(lr > 0 && lr <= 0.1 + 1e-12);
                }
}

static void step_schedule_falls_after_each_third(void **fixture) {
    (void)fixture;
    const double expected[] = {1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01};
    const tn_course course = {TN_SCHEDULE_STEP, 1, 10, 0}, warmed = {TN_SCHEDULE_STEP, 1, 14, 4};
    for (int step = 0; step < 10; step++) {
        assert_true(fabs(tn_schedule_lr(&course, step) - expected[step]) < 1e-15);
        assert_true(fabs(tn_schedule_lr(&warmed, step + 4) - expected[step]) < 1e-15);
    }
    for (int step = 0; step < 4; step++)
        assert_true(tn_schedule_lr(&warmed, step) == 0.25 * (step + 1));
}

/* ---- Held-out images ---------------------------------------------------------------------- */

static void best_is_by_accuracy_then_loss_then_first(void **fixture) {
    (void)fixture;
    tn_held_out h = tn_held_out_begin();
    assert_true(isnan(h.loss) && h.best_epoch == 0);
    assert_true(tn_held_out_judge(&h, 1, NAN, 0.5));
    assert_true(tn_held_out_judge(&h, 2, 2.0, 0.5));
    assert_false(tn_held_out_judge(&h, 3, NAN, 0.5));
    assert_true(tn_held_out_judge(&h, 4, 3.0, 0.75));
    assert_false(tn_held_out_judge(&h, 5, 1.0, 0.5));
    assert_true(tn_held_out_judge(&h, 6, 2.5, 0.75));
    assert_false(tn_held_out_judge(&h, 7, 2.5, 0.75));
    assert_int_equal(h.best_epoch, 6);
    assert_true(h.best_loss == 2.5 && h.best_accuracy == 0.75 && h.loss == 2.5);
}

static void patience_counts_epochs_without_a_lower_loss(void **fixture) {
    (void)fixture;
    const double losses[] = {NAN, 1, 1, 1.5, NAN, 0.5, 0.75};
    const int waited[] = {1, 0, 1, 2, 3, 0, 1};
    tn_held_out h = tn_held_out_begin();
    for (int epoch = 1; epoch <= 7; epoch++) {
        tn_held_out_judge(&h, epoch, losses[epoch - 1], 0.5);
        assert_int_equal(h.waited, waited[epoch - 1]);
    }
}

/* ---- Order -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void assert_permutation(const uint32_t *order, int64_t n) {
    uint32_t *sorted = malloc((size_t)n * sizeof *sorted);
    memcpy(sorted, order, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    for (int64_t i = 0; i < n; i++) assert_int_equal(sorted[i], i);
    free(sorted);
}

static void order_is_a_permutation_of_its_own_per_epoch(void **fixture) {
    (void)fixture;
    enum { IMAGES = 1000 };
    uint32_t images[IMAGES], first[IMAGES], again[IMAGES], other[IMAGES];
    tn_order_split(7, IMAGES, 0, images);
    for (uint32_t i = 0; i < IMAGES; i++) assert_int_equal(images[i], i);
    tn_order_shuffle(7, 0, IMAGES, images, first);
    tn_order_shuffle(7, 0, IMAGES, images, again);
    tn_order_shuffle(7, 1, IMAGES, images, other);
    assert_permutation(first, IMAGES);
    assert_permutation(other, IMAGES);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    tn_order_shuffle(8, 0, IMAGES, images, other);
    assert_memory_not_equal(first, other, sizeof first);
}

/* Each of the 6 orders of 3 images within 5 standard deviations of its share. */
static void shuffle_is_uniform(void **fixture) {
    (void)fixture;
    enum { EPOCHS = 6000 };
    const uint32_t images[3] = {0, 1, 2};
    int seen[9] = {0};
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        uint32_t order[3];
        tn_order_shuffle(1, epoch, 3, images, order);
        seen[3 * order[0] + order[1]]++;
    }
    for (int i = 0; i < 9; i++)
        if (i % 4 == 0)
            assert_int_equal(seen[i], 0);
        else
            assert_true(fabs(seen[i] - EPOCHS / 6.0) < 5 * sqrt(EPOCHS * 5 / 36.0));
}

static void split_holds_out_by_seed(void **fixture) {
    (void)fixture;
    uint32_t images[100], other[100];
    assert_int_equal(tn_order_held_out(100, 0.1), 10);
    assert_int_equal(tn_order_held_out(60000, 0.05), 3000);
    tn_order_split(3, 100, 10, images);
    tn_order_split(4, 100, 10, other);
    assert_permutation(images, 100);
    assert_memory_not_equal(images, other, sizeof images);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_as_pytorch),
        cmocka_unit_test(adam_as_pytorch),
        cmocka_unit_test(adamw_as_pytorch),
        cmocka_unit_test(adadelta_as_pytorch),
        cmocka_unit_test(rmsprop_as_pytorch),
        cmocka_unit_test(lars_as_its_paper),
        cmocka_unit_test(momentum_none_keeps_no_state),
        cmocka_unit_test(lars_leaves_tensors_of_zeros),
        cmocka_unit_test(threads_change_no_bits),
        cmocka_unit_test(accumulating_adds_what_is_trained),
        cmocka_unit_test(schedules_as_pytorch),
        cmocka_unit_test(few_steps_have_finite_rates),
        cmocka_unit_test(step_schedule_falls_after_each_third),
        cmocka_unit_test(best_is_by_accuracy_then_loss_then_first),
        cmocka_unit_test(patience_counts_epochs_without_a_lower_loss),
        cmocka_unit_test(order_is_a_permutation_of_its_own_per_epoch),
        cmocka_unit_test(shuffle_is_uniform),
        cmocka_unit_test(split_holds_out_by_seed),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
