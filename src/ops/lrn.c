/* SPDX-License-Identifier: Apache-2.0 */
/* lrn.c: y = x / s^beta, where s = bias + alpha/size · the sum of squares over `size` channels
 * around (Krizhevsky et al. 2012). ONNX LRN.
 *
 * A sum over channels o before or behind is one of numbers o · inner before or behind, whether an
 * image is stored plain (inner is a channel's pixels) or channels last (inner is 1, and each pixel
 * is a row): loops over rows shifted against each other do for both. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "kernels/functions.h"
#include "ops/activation.h"
#include "ops/axes.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

typedef struct lrn_attrs {
    int64_t size;
    double alpha, beta, bias;
} lrn_attrs;

static const tn_attr attrs[] = {
    {"alpha", TN_ATTR_FLOAT, offsetof(lrn_attrs, alpha), false, 1e-4f, NULL},
    {"beta", TN_ATTR_FLOAT, offsetof(lrn_attrs, beta), false, 0.75f, NULL},
    {"bias", TN_ATTR_FLOAT, offsetof(lrn_attrs, bias), false, 1, NULL},
    {"size", TN_ATTR_INT, offsetof(lrn_attrs, size), true, 0, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const lrn_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    char text[TN_SHAPE_TEXT];
    TN_TRY(tn_activation_check("alpha", a->alpha, error));
    TN_TRY(tn_activation_check("beta", a->beta, error));
    TN_TRY(tn_activation_check("bias", a->bias, error));
    if (a->size < 1)
        return tn_fail(error, TN_ERR_FORMAT, "size is %lld (at least 1)", (long long)a->size);
    if (x->rank < 2)
        return tn_fail(error, TN_ERR_FORMAT, "input %s has no channels", tn_shape_text(x, text));
    return tn_infer_same(graph, node, error);
}

/* The rows that a run goes through: `outer` of them, each channels · inner numbers. */
static tn_axis_view view_of(const tn_run *run) {
    const tn_value *x = run->node->inputs[0];
    tn_axis_view v = tn_axis_view_of(&x->shape, run->n, 1, true);
    int64_t rows = tn_max_i64(1, tn_image_rows(run->node, x));
    if (x->shape.batched && x->shape.rank == 4)
        v.outer = v.outer / rows * (run->rows.end - run->rows.begin);
    return v;
}

/* Of an image stored channels last a row is a pixel. */
static int64_t row_numbers(const tn_node *node) {
    const tn_shape *x = &node->inputs[0]->shape;
    if (x->batched && x->rank == 4) return x->dims[1];
    return tn_shape_sample_elements(x) / (x->batched || x->dims[0] == 0 ? 1 : x->dims[0]);
}

/* y[k] = Σ x[k + o · inner] over the channels o from -before to behind that there are. */
static void sum_around(const tn_kernels *kernels, tn_axis_view v, int64_t before, int64_t behind,
                       const real *x, real *y) {
    int64_t n = v.n * v.inner;
    memcpy(y, x, (size_t)n * sizeof *y);
    for (int64_t o = tn_max_i64(-before, 1 - v.n); o <= tn_min_i64(behind, v.n - 1); o++) {
        int64_t shift = o * v.inner;
        if (o < 0)
            kernels->add(n + shift, y - shift, x, y - shift);
        else if (o > 0)
            kernels->add(n - shift, y, x + shift, y);
    }
}

/* s of a row; `squares` is room for as many numbers. */
static void make_sums(const tn_run *run, const lrn_attrs *a, tn_axis_view v, const real *x,
                      real *squares, real *s) {
    const tn_kernels *kernels = run->kernels;
    int64_t n = v.n * v.inner;
    kernels->mul(n, x, x, squares);
    sum_around(kernels, v, (a->size - 1) / 2, a->size / 2, squares, s);
    kernels->mul_scalar(n, s, (real)(a->alpha / (double)a->size), s);
    kernels->add_scalar(n, s, (real)a->bias, s);
}

/* p = s^-beta; the usual beta by square roots. p may be s. */
static void make_powers(int64_t n, const real *s, real beta, real *p) {
    if (beta == (real)0.75)
        for (int64_t i = 0; i < n; i++) {
            real root = (real)sqrt((double)s[i]);
            p[i] = 1 / (root * (real)sqrt((double)root));
        }
    else
        for (int64_t i = 0; i < n; i++) p[i] = tn_pow(s[i], -beta);
}

static int64_t workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return 4 * row_numbers(node) * (int64_t)sizeof(real);
}

static void run_any(const tn_run *run) {
    const lrn_attrs *a = run->node->attrs;
    tn_axis_view v = view_of(run);
    int64_t n = v.n * v.inner;
    const real *x = run->in[0];
    real *y = run->out[0], *squares = run->workspace, *s = squares + n;
    for (int64_t o = 0; o < v.outer; o++, x += n, y += n) {
        make_sums(run, a, v, x, squares, s);
        make_powers(n, s, (real)a->beta, s);
        run->kernels->mul(n, x, s, y);
    }
}

/* dx = dy · s^-beta - 2 · alpha/size · beta · x · Σ dy · x · s^(-beta - 1) over the channels whose
 * sums x is in. */
static void run_gradient(const tn_run *run) {
    const lrn_attrs *a = run->node->attrs;
    const tn_kernels *kernels = run->kernels;
    tn_axis_view v = view_of(run);
    int64_t n = v.n * v.inner;
    const real *dy = run->in[0], *x = run->in[1];
    real *dx = run->out[0], *squares = run->workspace;
    real *s = squares + n, *p = s + n, *sum = p + n;
    for (int64_t o = 0; o < v.outer; o++, x += n, dy += n, dx += n) {
        make_sums(run, a, v, x, squares, s);
        make_powers(n, s, (real)a->beta, p);
        kernels->mul(n, dy, p, dx);
        kernels->mul(n, dx, x, squares);
        kernels->div(n, squares, s, squares);
        sum_around(kernels, v, a->size / 2, (a->size - 1) / 2, squares, sum);
        kernels->mul(n, sum, x, sum);
        kernels->mul_scalar(n, sum, (real)(2 * a->alpha / (double)a->size * a->beta), sum);
        kernels->sub(n, dx, sum, dx);
    }
}

static const tn_implementation gradient = {.name = "any",
                                           .rows_in = tn_rows_same,
                                           .workspace_bytes = workspace_bytes,
                                           .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dy, x. */
static const tn_op lrn_grad = {.name = "LRNGrad",
                               .attrs_bytes = sizeof(lrn_attrs),
                               .min_inputs = 2,
                               .max_inputs = 2,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_IMAGE,
                               .infer_shape = tn_infer_same,
                               .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_activation_differentiate(graph, node, &lrn_grad, node->inputs[0], error);
}

static const tn_implementation any = {
    .name = "any", .rows_in = tn_rows_same, .workspace_bytes = workspace_bytes, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_lrn = {.name = "LRN",
                         .onnx_type = "LRN",
                         .attrs = attrs,
                         .attrs_bytes = sizeof(lrn_attrs),
                         .min_inputs = 1,
                         .max_inputs = 1,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_IMAGE,
                         .infer_shape = infer_shape,
                         .differentiate = differentiate,
                         .implementations = implementations};
