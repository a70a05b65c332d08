/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers and schedules against numbers recorded from PyTorch 2.13; the order of images.
 *
 * Recorded by:
 *     import torch
 *     w0 = [0.5, -1.25, 2.0, 0.03125, -0.75]
 *     g = [[0.1, -0.2, 0.3, -0.4, 0.5], [-0.5, 0.25, 0.125, 0.0, -1.0], [1e-3, 2.0, -3.0, 0.7,
 * 0.0]] def run(make): w = torch.tensor(w0, requires_grad=True); o = make([w]) for k in g: w.grad =
 * torch.tensor(k); o.step() print([f"{x:.9g}" for x in w.tolist()]) run(lambda p:
 * torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)) run(lambda p: torch.optim.SGD(p,
 * lr=0.1)) run(lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1)) run(lambda p:
 * torch.optim.Adam(p, lr=0.01)) for T in (3, 10, 200): o = torch.optim.SGD([torch.zeros(1,
 * requires_grad=True)], lr=1) s = torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=T,
 * cycle_momentum=False) for i in range(T): print(T, i, s.get_last_lr()); i < T - 1 and s.step()
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/isa.h"
#include "train/optimizer.h"
#include "train/order.h"
#include "train/schedule.h"

enum { N = 5, N_STEPS = 3 };

static const float start[N] = {0.5f, -1.25f, 2.0f, 0.03125f, -0.75f};
static const float gradients[N_STEPS][N] = {
    {0.1f, -0.2f, 0.3f, -0.4f, 0.5f},
    {-0.5f, 0.25f, 0.125f, 0.0f, -1.0f},
    {1e-3f, 2.0f, -3.0f, 0.7f, 0.0f},
};

/* Every level that runs here must come to PyTorch's numbers. */
static void check_rule(const tn_train_options *options, double lr, const float expected[N]) {
    tn_optimizer_rule rule = tn_optimizer_rule_of(options);
    unsigned isa = tn_isa_detect();
    for (const char *const *level = tn_kernel_levels(); *level; level++) {
        tn_kernels kernels;
        if (!tn_kernels_init(&kernels, *level, isa)) continue;
        float w[N], state[2][N] = {{0}};
        memcpy(w, start, sizeof w);
        const tn_span span = {0, N};
        tn_optimizer_vectors v = {.spans = &span, .n_spans = 1, .weights = w};
        for (int s = 0; s < tn_optimizer_n_states(&rule); s++) v.states[s] = state[s];
        for (int step = 0; step < N_STEPS; step++) {
            v.gradients = gradients[step];
            tn_optimizer_step(&rule, &kernels, NULL, step, lr, &v);
        }
        for (int i = 0; i < N; i++)
            assert_true(fabs((double)w[i] - (double)expected[i]) <=
                        1e-7 + 1e-6 * fabs((double)expected[i]));
    }
}

static void sgd_as_pytorch(void **fixture) {
    (void)fixture;
    const tn_train_options o = {
        .optimizer = TN_OPTIMIZER_SGD, .momentum = 0.9, .weight_decay = 0.01};
    check_rule(&o, 0.1,
               (float[]){0.564985394f, -1.4363445f, 2.18386626f, 0.0693228766f, -0.691206157f});
}

static void sgd_without_momentum_as_pytorch(void **fixture) {
    (void)fixture;
    const tn_train_options o = {.optimizer = TN_OPTIMIZER_SGD, .momentum = -1};
    tn_optimizer_rule rule = tn_optimizer_rule_of(&o);
    assert_int_equal(tn_optimizer_n_states(&rule), 0);
    check_rule(&o, 0.1,
               (float[]){0.539900005f, -1.45500004f, 2.25749993f, 0.00124999927f, -0.699999988f});
}

static void adam_as_pytorch(void **fixture) {
    (void)fixture;
    tn_train_options o = {.optimizer = TN_OPTIMIZER_ADAM, .momentum = 0.9};
    check_rule(&o, 0.01,
               (float[]){0.500596285f, -1.24813402f, 1.98655045f, 0.044970613f, -0.753508985f});
    o.weight_decay = 0.1;
    check_rule(&o, 0.01,
               (float[]){0.498075604f, -1.24222326f, 1.98502469f, 0.0448154435f, -0.751681328f});
}

/* Long vectors, several spans: the bits must not depend on the pool, nor change outside spans. */
static void threads_change_no_bits(void **fixture) {
    (void)fixture;
    enum { LENGTH = 100000 };
    const tn_span spans[] = {{0, 40000}, {40016, 99999}};
    const tn_train_options o = {.optimizer = TN_OPTIMIZER_ADAM, .weight_decay = 0.1};
    tn_optimizer_rule rule = tn_optimizer_rule_of(&o);
    tn_kernels kernels;
    assert_int_equal(tn_kernels_select(&kernels, NULL), TN_OK);
    float *first = NULL;
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        tn_pool *pool;
        assert_int_equal(tn_pool_create(n_threads, &pool, NULL), TN_OK);
        float *w = malloc(LENGTH * sizeof *w), *g = malloc(LENGTH * sizeof *g);
        float *m = calloc(LENGTH, sizeof *m), *v = calloc(LENGTH, sizeof *v);
        assert_true(w && g && m && v);
        for (int i = 0; i < LENGTH; i++) w[i] = g[i] = (float)sin(i);
        for (int step = 0; step < 3; step++)
            tn_optimizer_step(&rule, &kernels, pool, step, 0.01,
                              &(tn_optimizer_vectors){spans, 2, g, w, {m, v}});
        assert_true(w[40007] == g[40007] && w[99999] == g[99999]);
        assert_true(w[39999] != g[39999] && w[99998] != g[99998]);
        if (first)
            assert_memory_equal(w, first, LENGTH * sizeof *w);
        else
            first = memcpy(malloc(LENGTH * sizeof *w), w, LENGTH * sizeof *w);
        free(w);
        free(g);
        free(m);
        free(v);
        tn_pool_free(pool);
    }
    free(first);
}

static void check_one_cycle(int64_t steps, int n, const int *at, const double *expected) {
    for (int i = 0; i < n; i++) {
        double lr = tn_schedule_lr(TN_SCHEDULE_ONE_CYCLE, 0.1, at[i], steps);
        assert_true(fabs(lr - expected[i]) <= 1e-14);
    }
}

static void one_cycle_as_pytorch(void **fixture) {
    (void)fixture;
    check_one_cycle(3, 3, (int[]){0, 1, 2},
                    (double[]){0.099441543545091188, 0.046263710266697504, 4e-07});
    check_one_cycle(10, 10, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                    (double[]){0.0040000000000000036, 0.052000000000000005, 0.1,
                               0.095048463201347383, 0.081174565394976306, 0.06112620219362893,
                               0.038874197806371073, 0.018825834605023701, 0.0049519367986526289,
                               4e-07});
    check_one_cycle(200, 8, (int[]){0, 1, 30, 59, 60, 61, 130, 199},
                    (double[]){0.0040000000000000036, 0.004068030607515441, 0.053277785029013189,
                               0.1, 0.099987411797478346, 0.099949653528452434,
                               0.048878301272822618, 4e-07});
}

static void one_cycle_of_few_steps_is_finite(void **fixture) {
    (void)fixture;
    for (int64_t steps = 1; steps < 50; steps++)
        for (int64_t step = 0; step < steps; step++) {
            double lr = tn_schedule_lr(TN_SCHEDULE_ONE_CYCLE, 0.1, step, steps);
            assert_true(lr > 0 && lr <= 0.1 + 1e-12);
        }
}

static void step_schedule_falls_after_each_third(void **fixture) {
    (void)fixture;
    const double expected[] = {1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01};
    for (int step = 0; step < 10; step++) {
        assert_true(fabs(tn_schedule_lr(TN_SCHEDULE_STEP, 1, step, 10) - expected[step]) < 1e-15);
        assert_true(tn_schedule_lr(TN_SCHEDULE_CONSTANT, 0.3, step, 10) == 0.3);
    }
}

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
        cmocka_unit_test(sgd_without_momentum_as_pytorch),
        cmocka_unit_test(adam_as_pytorch),
        cmocka_unit_test(threads_change_no_bits),
        cmocka_unit_test(one_cycle_as_pytorch),
        cmocka_unit_test(one_cycle_of_few_steps_is_finite),
        cmocka_unit_test(step_schedule_falls_after_each_third),
        cmocka_unit_test(order_is_a_permutation_of_its_own_per_epoch),
        cmocka_unit_test(shuffle_is_uniform),
        cmocka_unit_test(split_holds_out_by_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
