/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/unary.h"

#include <string.h>

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/integers.h"

static const tn_unary *function_of(const tn_node *node) { return node->op->family; }

static bool is_number(const tn_attr *attr) { return attr->type == TN_ATTR_FLOAT; }

tn_status tn_unary_infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_value *x = node->inputs[0];
    for (const tn_attr *attr = node->op->attrs; attr && attr->name; attr++)
        if (is_number(attr))
            TN_TRY(tn_activation_check(
                attr->name, *(const double *)((const char *)node->attrs + attr->offset), error));
    if (function_of(node)->check) TN_TRY(function_of(node)->check(node->attrs, error));
    if (!tn_is_integer(x->dtype) || !function_of(node)->of_integer)
        return tn_infer_same(graph, node, error);
    node->outputs[0]->dtype = x->dtype;
    node->outputs[0]->shape = x->shape;
    return TN_OK;
}

/* ---- Gradient: dx = dy · f'(x) --------------------------------------------------------------- */

typedef struct unary_grad_attrs {
    const tn_unary *function;
    bool has_attrs;
    tn_unary_attrs attrs;
} unary_grad_attrs;

static void run_gradient(const tn_run *run) {
    const unary_grad_attrs *a = run->node->attrs;
    const tn_unary_attrs *attrs = a->has_attrs ? &a->attrs : NULL;
    const real *dy = run->in[0], *by = run->in[1];
    real *dx = run->out[0];
    int64_t n = tn_run_elements(run);
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * a->function->slope(by[i], attrs);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dy, and x or y. */
static const tn_op unary_grad = {.name = "UnaryGrad",
                                 .attrs_bytes = sizeof(unary_grad_attrs),
                                 .min_inputs = 2,
                                 .max_inputs = 2,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_ANY,
                                 .in_place = true,
                                 .infer_shape = tn_infer_same,
                                 .implementations = gradient_implementations};

tn_status tn_unary_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    unary_grad_attrs a;
    tn_value *x = node->inputs[0], *y = node->outputs[0], *dx;
    tn_value *in[] = {tn_gradient_of(graph, y), function_of(node)->by_y ? y : x};
    memset(&a, 0, sizeof a); /* attributes are compared byte by byte */
    a.function = function_of(node);
    a.has_attrs = node->op->attrs_bytes > 0;
    if (a.has_attrs) a.attrs = *(const tn_unary_attrs *)node->attrs;
    TN_TRY(tn_graph_apply(graph, &unary_grad, &a, in, 2, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static bool is_of_integers(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tn_is_integer(node->outputs[0]->dtype);
}

static void run_integers(const tn_run *run) {
    tn_dtype dtype = run->node->outputs[0]->dtype;
    int64_t n = tn_run_elements(run);
    for (int64_t i = 0; i < n; i++) {
        int64_t x = tn_integer_at(dtype, run->in[0], i);
        tn_integer_set(dtype, run->out[0], i, function_of(run->node)->of_integer(x));
    }
}

static void run_any(const tn_run *run) {
    const tn_unary *function = function_of(run->node);
    const real *x = run->in[0];
    real *y = run->out[0];
    int64_t n = tn_run_elements(run);
    const tn_unary_attrs *attrs = run->node->op->attrs_bytes > 0 ? run->node->attrs : NULL;
    for (int64_t i = 0; i < n; i++) y[i] = function->f(x[i], attrs);
}

static const tn_implementation integers = {.name = "integers",
                                           .stored = TN_STORED_ANYHOW,
                                           .applies = is_of_integers,
                                           .rows_in = tn_rows_same,
                                           .run = run_integers};
static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
const tn_implementation *const tn_unary_implementations[] = {&integers, &any, NULL};
