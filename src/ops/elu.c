/* SPDX-License-Identifier: Apache-2.0 */
/* elu.c: y = x where x > 0, else alpha · (exp x - 1) (Clevert et al. 2016). ONNX Elu. */
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"alpha", TN_ATTR_FLOAT, offsetof(tn_alpha_attrs, alpha), false, 1, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_alpha_attrs *a = node->attrs;
    TN_TRY(tn_activation_check("alpha", a->alpha, error));
    return tn_infer_same(graph, node, error);
}

static void run_gradient(const tn_run *run) {
    const tn_alpha_attrs *a = run->node->attrs;
    const real *dy = run->in[0], *y = run->in[1], *sign = run->in[2];
    real alpha = (real)a->alpha, *dx = run->out[0];
    int64_t n = tn_run_elements(run);
    for (int64_t i = 0; i < n; i++) dx[i] = sign[i] > 0 ? dy[i] : dy[i] * (y[i] + alpha);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = dy where x > 0, else dy · (y + alpha); inputs dy, y, and x or what is positive where x is.
 */
static const tn_op elu_grad = {.name = "EluGrad",
                               .attrs_bytes = sizeof(tn_alpha_attrs),
                               .min_inputs = 3,
                               .max_inputs = 3,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_ANY,
                               .in_place = true,
                               .infer_shape = tn_infer_same,
                               .implementations = gradient_implementations};

/* By y alone if that has the sign of x: then x need not be kept. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_alpha_attrs *a = node->attrs;
    tn_value *x = node->inputs[0], *y = node->outputs[0], *dx;
    tn_value *in[] = {tn_gradient_of(graph, y), y, a->alpha >= 0 ? y : x};
    TN_TRY(tn_graph_apply(graph, &elu_grad, a, in, 3, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

static void run_any(const tn_run *run) {
    const tn_alpha_attrs *a = run->node->attrs;
    run->kernels->elu(tn_run_elements(run), run->in[0], (real)a->alpha, run->out[0]);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_elu = {.name = "Elu",
                         .onnx_type = "Elu",
                         .attrs = attrs,
                         .attrs_bytes = sizeof(tn_alpha_attrs),
                         .min_inputs = 1,
                         .max_inputs = 1,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_ANY,
                         .in_place = true,
                         .infer_shape = infer_shape,
                         .differentiate = differentiate,
                         .implementations = implementations};
