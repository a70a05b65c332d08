/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products that end with an addition and an activation have the bits of the sums by
 * themselves, then added to, then activated, at every level. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/isa.h"
#include "kernels/kernels.h"

enum { PIXELS = 17, TAPS = 5, MOST = 64 * 36 };

static const tn_activation activations[] = {
    {TN_ACTIVATION_NONE, 0, 0},         {TN_ACTIVATION_CLIP, 0, INFINITY},
    {TN_ACTIVATION_CLIP, -0.5f, 0.75f}, {TN_ACTIVATION_LEAKY_RELU, 0.1f, 0},
    {TN_ACTIVATION_HARD_SWISH, 0, 0},   {TN_ACTIVATION_SIGMOID, 0, 0},
    {TN_ACTIVATION_SILU, 0, 0}};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

static float a[MOST], b[MOST], bias[MOST], more[MOST], plain[MOST], ended[MOST];
static int64_t a_row[PIXELS], c_row[PIXELS], offset[TAPS];

static void fill(float *x, uint64_t stream) {
    tn_random random = tn_random_begin(0, TN_PURPOSE_TEST, stream);
    for (int i = 0; i < MOST; i++) x[i] = 4 * (float)tn_random_uniform(&random) - 2;
}

/* A kernel that writes to y, ending with more and an activation. */
typedef void end_fn(const tn_kernels *k, int64_t columns, const float *with, tn_activation ending,
                    float *y);

static void run_panel(const tn_kernels *k, int64_t columns, const float *with, tn_activation ending,
                      float *y) {
    const tn_panel p = {.rows = PIXELS,
                        .runs = 1,
                        .depth = TAPS,
                        .columns = columns < k->nr ? columns : k->nr,
                        .a = a,
                        .a_row = a_row,
                        .offset = offset,
                        .b = b,
                        .ldb = k->nr,
                        .bias = bias,
                        .c = y,
                        .c_row = c_row,
                        .more = with,
                        .activation = ending};
    k->panel(&p);
}

static void run_depthwise(const tn_kernels *k, int64_t columns, const float *with,
                          tn_activation ending, float *y) {
    const tn_depthwise d = {.rows = PIXELS,
                            .taps = TAPS,
                            .channels = columns,
                            .x = a,
                            .w = b,
                            .bias = bias,
                            .x_row = a_row,
                            .offset = offset,
                            .y_row = c_row,
                            .y = y,
                            .more = with,
                            .activation = ending};
    k->depthwise(&d);
}

static tn_winograd winograd(int64_t columns, int out, const float *with, tn_activation ending,
                            float *y) {
    return (tn_winograd){.channels = columns,
                         .result = y,
                         .row_step = out * columns,
                         .pixel_step = columns,
                         .parts = a,
                         .part_step = columns,
                         .bias = bias,
                         .more = with,
                         .activation = ending};
}

static void run_winograd(const tn_kernels *k, int64_t columns, const float *with,
                         tn_activation ending, float *y) {
    const tn_winograd w = winograd(columns, TN_WINOGRAD_OUT, with, ending, y);
    k->winograd_output(&w);
}

static void run_winograd_2x2(const tn_kernels *k, int64_t columns, const float *with,
                             tn_activation ending, float *y) {
    const tn_winograd w = winograd(columns, TN_WINOGRAD_SMALL_OUT, with, ending, y);
    k->winograd_output_2x2(&w);
}

/* What is written is more of the same: the numbers that are not stay as they were. */
static void check_end(const tn_kernels *k, end_fn *run, int64_t columns, const float *with,
                      tn_activation ending) {
    for (int i = 0; i < MOST; i++) plain[i] = ended[i] = NAN;
    run(k, columns, NULL, activations[0], plain);
    run(k, columns, with, ending, ended);
    for (int i = 0; i < MOST; i++) {
        float y = plain[i];
        if (!isnan(y)) k->activate(&ending, 1, &plain[i], with ? &with[i] : NULL, &y);
        if (memcmp(&y, &ended[i], sizeof y) != 0)
            fail_msg("%s, %d columns, activation %d: [%d] is %.9g, not %.9g", k->level,
                     (int)columns, (int)ending.kind, i, (double)ended[i], (double)y);
    }
}

static void check_kernel(end_fn *run) {
    static const int64_t columns[] = {1, 7, 16, 37};
    const char *const *level = tn_kernel_levels();
    for (; *level; level++) {
        tn_kernels k;
        if (!tn_kernels_init(&k, *level, tn_isa_detect())) continue;
        for (int c = 0; c < 4; c++)
            for (int i = 0; i < ACTIVATIONS; i++)
                for (int adds = 0; adds < 2; adds++)
                    check_end(&k, run, columns[c], adds ? more : NULL, activations[i]);
    }
}

static void panels_end(void **state) {
    (void)state;
    check_kernel(run_panel);
}

static void depthwise_sums_end(void **state) {
    (void)state;
    check_kernel(run_depthwise);
}

static void winograd_tiles_end(void **state) {
    (void)state;
    check_kernel(run_winograd);
    check_kernel(run_winograd_2x2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(panels_end),
                                       cmocka_unit_test(depthwise_sums_end),
                                       cmocka_unit_test(winograd_tiles_end)};
    fill(a, 0);
    fill(b, 1);
    fill(bias, 2);
    fill(more, 3);
    for (int i = 0; i < PIXELS; i++) a_row[i] = 3 * i, c_row[i] = 40 * i;
    for (int t = 0; t < TAPS; t++) offset[t] = 7 * t;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
