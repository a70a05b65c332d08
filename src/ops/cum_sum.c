/* SPDX-License-Identifier: Apache-2.0 */
/* cum_sum.c: sums of all that comes before along an axis. ONNX CumSum. */
#include "base/size.h"
#include "ops/axes.h"
#include "ops/integers.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_cum_sum_attrs, axis), true, 0, NULL},
    {"exclusive", TN_ATTR_INT, offsetof(tn_cum_sum_attrs, exclusive), false, 0, NULL},
    {"reverse", TN_ATTR_INT, offsetof(tn_cum_sum_attrs, reverse), false, 0, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_value *x = node->inputs[0];
    int axis;
    TN_TRY(tn_axis_resolve(((const tn_cum_sum_attrs *)node->attrs)->axis, x->shape.rank, &axis,
                           error));
    if (x->shape.batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 sums over the samples of the batch");
    if (x->dtype != TN_FLOAT32 && x->dtype != TN_FLOAT64 && x->dtype != TN_INT32 &&
        x->dtype != TN_INT64)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input is %s (float32, double, int32 or int64)",
                       tn_dtype_name(x->dtype));
    node->outputs[0]->shape = x->shape;
    node->outputs[0]->dtype = x->dtype;
    return TN_OK;
}

/* One line: n elements, `step` apart, with what comes before element i, or with exclusive without
 * element i itself. */
typedef struct line {
    int64_t n, first, step;
    bool exclusive;
} line;

static void sum_reals(const line *l, const real *x, real *y) {
    real sum = 0;
    for (int64_t i = 0, at = l->first; i < l->n; i++, at += l->step) {
        real before = sum;
        sum += x[at];
        y[at] = l->exclusive ? before : sum;
    }
}

static void sum_doubles(const line *l, const double *x, double *y) {
    double sum = 0;
    for (int64_t i = 0, at = l->first; i < l->n; i++, at += l->step) {
        double before = sum;
        sum += x[at];
        y[at] = l->exclusive ? before : sum;
    }
}

static void sum_integers(const line *l, tn_dtype dtype, const void *x, void *y) {
    uint64_t sum = 0; /* wraps around */
    for (int64_t i = 0, at = l->first; i < l->n; i++, at += l->step) {
        uint64_t before = sum;
        sum += (uint64_t)tn_integer_at(dtype, x, at);
        tn_integer_set(dtype, y, at, (int64_t)(l->exclusive ? before : sum));
    }
}

static void sum_line(tn_dtype dtype, const line *l, const void *x, void *y) {
    if (dtype == TN_FLOAT32)
        sum_reals(l, x, y);
    else if (dtype == TN_FLOAT64)
        sum_doubles(l, x, y);
    else
        sum_integers(l, dtype, x, y);
}

static void run_any(const tn_run *run) {
    const tn_cum_sum_attrs *a = run->node->attrs;
    tn_shape x = run->node->inputs[0]->shape;
    int64_t axis = a->axis < 0 ? a->axis + x.rank : a->axis, outer = 1, inner = 1;
    if (x.batched) x.dims[0] = run->n;
    for (int i = 0; i < axis; i++) outer *= x.dims[i];
    for (int i = (int)axis + 1; i < x.rank; i++) inner *= x.dims[i];
    int64_t n = x.dims[axis];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner && n > 0; i++) {
            int64_t first = o * n * inner + i;
            const line l = {n, a->reverse ? first + (n - 1) * inner : first,
                            a->reverse ? -inner : inner, a->exclusive != 0};
            sum_line(run->node->inputs[0]->dtype, &l, run->in[0], run->out[0]);
        }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* dx[j] is the sum of the dy[i] that x[j] is part of: those on the other side. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_cum_sum_attrs a = *(const tn_cum_sum_attrs *)node->attrs;
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    a.reverse = !a.reverse;
    TN_TRY(tn_graph_apply(graph, &tn_op_cum_sum, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_cum_sum = {.name = "CumSum",
                             .onnx_type = "CumSum",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(tn_cum_sum_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_shape,
                             .differentiate = differentiate,
                             .implementations = implementations};
