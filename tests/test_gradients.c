/* SPDX-License-Identifier: Apache-2.0 */
/* test_gradients.c: every gradient against central differences, in double precision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/philox.h"
#include "op_cases.h"

/* As PyTorch's gradcheck. */
static const double step_size = 1e-6, absolute = 1e-5, relative = 1e-3;
/* Elements checked of each tensor; all if it has no more. Networks, which take longest and whose
 * operators have cases of their own, are those of many parameters. */
enum { MOST_CHECKED = 60, MOST_CHECKED_OF_NETWORK = 12, NETWORK_PARAMETERS = 8 };

static double difference(op_run *run, real *x) {
    real kept = *x;
    *x = kept + step_size;
    op_run_execute(run);
    double above = op_run_objective(run);
    *x = kept - step_size;
    op_run_execute(run);
    double below = op_run_objective(run);
    *x = kept;
    return (above - below) / (2 * step_size);
}

/* The gradient of n numbers at x, which lies at dx (a copy: it is overwritten by each run). */
static void check_tensor(op_run *run, const char *what, real *x, const real *dx, int64_t n) {
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, 0);
    bool network = run->graph->n_parameters >= NETWORK_PARAMETERS;
    int64_t most = network ? MOST_CHECKED_OF_NETWORK : MOST_CHECKED;
    int64_t checked = n < most ? n : most;
    for (int64_t k = 0; k < checked; k++) {
        int64_t i = n == checked ? k : tn_random_below(&random, (uint32_t)n);
        double expected = difference(run, x + i), got = (double)dx[i];
        if (!(fabs(got - expected) <= absolute + relative * fabs(expected)))
            fail_msg("%s[%lld]: gradient %.9g, finite difference %.9g", what, (long long)i, got,
                     expected);
    }
}

static real *copy_of(const real *x, int64_t n) {
    real *copy = test_malloc((size_t)n * sizeof *copy + 1);
    memcpy(copy, x, (size_t)n * sizeof *copy);
    return copy;
}

static void check_gradients(op_run *run) {
    op_run_execute(run);
    int64_t size = tn_plan_parameters_size(run->plan);
    real *gradients = copy_of(run->gradients, size);
    real *input_gradients[16];
    for (int i = 0; i < run->n_gradient_inputs; i++)
        input_gradients[i] = copy_of(run->outputs[run->n_own_outputs + i],
                                     run->output_elements[run->n_own_outputs + i]);
    for (int i = 0; i < run->graph->n_parameters; i++) {
        if (run->graph->parameters[i]->statistic) continue;
        int64_t at = tn_plan_parameter_offset(run->plan, i);
        check_tensor(run, run->graph->parameters[i]->name, run->parameters + at, gradients + at,
                     tn_shape_elements(&run->graph->parameters[i]->shape));
    }
    for (int i = 0; i < run->n_gradient_inputs; i++) {
        check_tensor(run, "input", run->inputs[run->gradient_input[i]], input_gradients[i],
                     run->output_elements[run->n_own_outputs + i]);
        test_free(input_gradients[i]);
    }
    test_free(gradients);
}

static void test_case(void **state) {
    const op_case *c = *state;
    op_setting setting = {
        .level = "ref", .n_threads = 1, .n_shards = 4, .batch = 5, .max_batch = 6};
    op_run run;
    if (c->op == &tn_op_load_pixels) return; /* of data: no gradient */
    for (int passes = 0; passes < 2; passes++) {
        setting.passes = passes;
        op_run_create(c, &setting, &run);
        if (!passes || run.fused) check_gradients(&run);
        op_run_free(&run);
    }
}

int main(void) {
    enum { MOST = 1024 };
    static struct CMUnitTest tests[MOST];
    size_t n = 0;
    for (const op_case *c; n < MOST && (c = op_case_at((int)n)); n++)
        tests[n] = (struct CMUnitTest){c->name, test_case, NULL, NULL, (void *)(uintptr_t)c};
    return _cmocka_run_group_tests("gradients", tests, n, NULL, NULL);
}
