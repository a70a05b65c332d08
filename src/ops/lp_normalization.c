/* SPDX-License-Identifier: Apache-2.0 */
/* lp_normalization.c: y = x / ‖x‖ along an axis, by the sum of sizes (p = 1) or the root of the sum
 * of squares (p = 2); 0 where that is 0. ONNX LpNormalization. */
#include <math.h>

#include "ops/activation.h"
#include "ops/axes.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

typedef struct lp_attrs {
    int64_t axis, p;
} lp_attrs;

static const tn_attr attrs[] = {{"axis", TN_ATTR_INT, offsetof(lp_attrs, axis), false, -1, NULL},
                                {"p", TN_ATTR_INT, offsetof(lp_attrs, p), false, 2, NULL},
                                {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const lp_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    int axis;
    TN_TRY(tn_axis_resolve(a->axis, x->rank, &axis, error));
    if (a->p != 1 && a->p != 2)
        return tn_fail(error, TN_ERR_FORMAT, "p is %lld (1 or 2)", (long long)a->p);
    if (x->batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 mixes samples of the batch");
    return tn_infer_same(graph, node, error);
}

/* One over the norm of n numbers, `step` apart; 0 of nothing but zeros. */
static real inverse_norm(int64_t n, int64_t step, const real *x, int64_t p) {
    real sum = 0;
    for (int64_t j = 0; j < n; j++) {
        real v = x[j * step];
        sum += p == 2 ? v * v : v < 0 ? -v : v;
    }
    if (p == 2) sum = (real)sqrt((double)sum);
    return sum == 0 ? 0 : 1 / sum;
}

static tn_axis_view view_of(const tn_run *run) {
    const lp_attrs *a = run->node->attrs;
    return tn_axis_view_of(&run->node->outputs[0]->shape, run->n, a->axis, true);
}

static void run_any(const tn_run *run) {
    const lp_attrs *a = run->node->attrs;
    tn_axis_view v = view_of(run);
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++) {
            const real *x = (const real *)run->in[0] + o * v.n * v.inner + i;
            real *y = (real *)run->out[0] + o * v.n * v.inner + i;
            real scale = inverse_norm(v.n, v.inner, x, a->p);
            for (int64_t j = 0; j < v.n; j++) y[j * v.inner] = x[j * v.inner] * scale;
        }
}

/* dx = (dy - d‖x‖/dx · Σ dy · y) / ‖x‖, where the norm's derivative is sign x or y. */
static void run_gradient(const tn_run *run) {
    const lp_attrs *a = run->node->attrs;
    tn_axis_view v = view_of(run);
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++) {
            int64_t at = o * v.n * v.inner + i;
            const real *dy = (const real *)run->in[0] + at, *x = (const real *)run->in[1] + at;
            real *dx = (real *)run->out[0] + at, scale = inverse_norm(v.n, v.inner, x, a->p);
            real dot = 0;
            for (int64_t j = 0; j < v.n; j++) dot += dy[j * v.inner] * (x[j * v.inner] * scale);
            for (int64_t j = 0; j < v.n; j++) {
                real xj = x[j * v.inner];
                real slope = a->p == 2 ? xj * scale : xj > 0 ? 1 : xj < 0 ? -1 : 0;
                dx[j * v.inner] = (dy[j * v.inner] - slope * dot) * scale;
            }
        }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dy, x. */
static const tn_op lp_grad = {.name = "LpNormalizationGrad",
                              .attrs_bytes = sizeof(lp_attrs),
                              .min_inputs = 2,
                              .max_inputs = 2,
                              .n_outputs = 1,
                              .layout = TN_LAYOUT_IMAGE,
                              .infer_shape = tn_infer_same,
                              .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_activation_differentiate(graph, node, &lp_grad, node->inputs[0], error);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_lp_normalization = {.name = "LpNormalization",
                                      .onnx_type = "LpNormalization",
                                      .attrs = attrs,
                                      .attrs_bytes = sizeof(lp_attrs),
                                      .min_inputs = 1,
                                      .max_inputs = 1,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_IMAGE,
                                      .infer_shape = infer_shape,
                                      .differentiate = differentiate,
                                      .implementations = implementations};
