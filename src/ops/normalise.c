/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/normalise.h"

#include <math.h>

#include "ops/elementwise.h"

/* In double: an image's pixels are many. */
tn_moments tn_normalise_moments(int64_t n, const real *x, double epsilon) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return (tn_moments){(real)mean, (real)(1 / sqrt(squares / (double)n + epsilon))};
}

tn_status tn_normalise_check(double epsilon, tn_error *error) {
    if (epsilon >= 0 && isfinite(epsilon)) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "epsilon is %g", epsilon);
}

/* Numbers of a row, and rows of a run. */
typedef struct rows {
    int64_t n, count;
} rows;

static rows rows_of(const tn_run *run) {
    const tn_normalise_attrs *a = run->node->attrs;
    const tn_shape *x = &run->node->outputs[0]->shape;
    rows r = {.n = 1};
    for (int i = (int)a->axis; i < x->rank; i++) r.n *= x->dims[i];
    r.count = r.n > 0 ? tn_run_elements(run) / r.n : 0;
    return r;
}

static void run_any(const tn_run *run) {
    const tn_normalise_attrs *a = run->node->attrs;
    rows r = rows_of(run);
    const real *x = run->in[0];
    real *z = run->out[0];
    for (int64_t k = 0; k < r.count; k++, x += r.n, z += r.n) {
        tn_moments m = tn_normalise_moments(r.n, x, a->epsilon);
        for (int64_t i = 0; i < r.n; i++) z[i] = (x[i] - m.mean) * m.inverse;
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_normalise = {.name = "Normalise",
                               .attrs_bytes = sizeof(tn_normalise_attrs),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_PLAIN,
                               .infer_shape = tn_infer_same,
                               .implementations = implementations};

/* dx = inverse · (dz - mean dz - z · mean(dz · z)) */
static void run_gradient(const tn_run *run) {
    const tn_normalise_attrs *a = run->node->attrs;
    rows r = rows_of(run);
    const real *dz = run->in[0], *x = run->in[1];
    real *dx = run->out[0];
    for (int64_t k = 0; k < r.count; k++, x += r.n, dz += r.n, dx += r.n) {
        tn_moments m = tn_normalise_moments(r.n, x, a->epsilon);
        double sum = 0, dot = 0;
        for (int64_t i = 0; i < r.n; i++) {
            sum += (double)dz[i];
            dot += (double)dz[i] * (double)((x[i] - m.mean) * m.inverse);
        }
        real mean = (real)(sum / (double)r.n), slope = (real)(dot / (double)r.n);
        for (int64_t i = 0; i < r.n; i++)
            dx[i] = m.inverse * (dz[i] - mean - (x[i] - m.mean) * m.inverse * slope);
    }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dz, x. */
static const tn_op normalise_grad = {.name = "NormaliseGrad",
                                     .attrs_bytes = sizeof(tn_normalise_attrs),
                                     .min_inputs = 2,
                                     .max_inputs = 2,
                                     .n_outputs = 1,
                                     .layout = TN_LAYOUT_PLAIN,
                                     .in_place = true,
                                     .infer_shape = tn_infer_same,
                                     .implementations = gradient_implementations};

tn_status tn_normalise_differentiate(tn_graph *graph, const tn_normalise_attrs *attrs, tn_value *x,
                                     tn_value *dz, tn_error *error) {
    tn_value *in[] = {dz, x}, *dx;
    TN_TRY(tn_graph_apply(graph, &normalise_grad, attrs, in, 2, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}
