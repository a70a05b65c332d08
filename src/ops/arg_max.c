/* SPDX-License-Identifier: Apache-2.0 */
/* arg_max.c: where along an axis the largest, or smallest, number is; a NaN wins over numbers. ONNX
 * ArgMax, ArgMin; Hardmax, which is 1 there and 0 elsewhere. */
#include "ops/axes.h"
#include "ops/elementwise.h"
#include "ops/integers.h"
#include "ops/ops.h"

typedef struct arg_attrs {
    int64_t axis, keepdims, select_last_index;
} arg_attrs;

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(arg_attrs, axis), false, 0, NULL},
    {"keepdims", TN_ATTR_INT, offsetof(arg_attrs, keepdims), false, 1, NULL},
    {"select_last_index", TN_ATTR_INT, offsetof(arg_attrs, select_last_index), false, 0, NULL},
    {0}};

static tn_status resolve_axis(const tn_node *node, int64_t given, int *axis, tn_error *error) {
    const tn_shape *x = &node->inputs[0]->shape;
    TN_TRY(tn_axis_resolve(given, x->rank, axis, error));
    if (x->batched && *axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 mixes samples of the batch");
    if (x->dims[*axis] == 0) return tn_fail(error, TN_ERR_FORMAT, "axis %d has no elements", *axis);
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const arg_attrs *a = node->attrs;
    const tn_value *x = node->inputs[0];
    int axis;
    (void)graph;
    if (x->dtype != TN_FLOAT32 && !tn_is_integer(x->dtype))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "type %s is not supported",
                       tn_dtype_name(x->dtype));
    TN_TRY(resolve_axis(node, a->axis, &axis, error));
    tn_shape y = {.batched = x->shape.batched};
    for (int i = 0; i < x->shape.rank; i++)
        if (i != axis || a->keepdims) y.dims[y.rank++] = i == axis ? 1 : x->shape.dims[i];
    node->outputs[0]->dtype = TN_INT64;
    node->outputs[0]->shape = y;
    return TN_OK;
}

/* Whether b comes before a: 1, or 0 if neither does, as far as numbers go. */
static int order_of(real a, real b, bool smallest) {
    if (a != a || b != b) return (b != b) - (a != a);
    return smallest ? (b < a) - (a < b) : (b > a) - (a > b);
}

/* Of n numbers, `step` apart. */
static int64_t place_of(int64_t n, int64_t step, const real *x, bool smallest, bool last) {
    int64_t best = 0;
    for (int64_t j = 1; j < n; j++)
        if (order_of(x[best * step], x[j * step], smallest) + last > 0) best = j;
    return best;
}

static int64_t place_of_integer(tn_dtype dtype, tn_axis_view v, const void *x, int64_t from,
                                bool smallest, bool last) {
    int64_t place = 0, best = tn_integer_at(dtype, x, from);
    for (int64_t j = 1; j < v.n; j++) {
        int64_t next = tn_integer_at(dtype, x, from + j * v.inner);
        bool beats =
            smallest ? tn_integer_less(dtype, next, best) : tn_integer_less(dtype, best, next);
        if (!beats && !(last && next == best)) continue;
        best = next;
        place = j;
    }
    return place;
}

static void run_any(const tn_run *run) {
    const tn_value *x = run->node->inputs[0];
    const arg_attrs *a = run->node->attrs;
    bool smallest = run->node->op == &tn_op_arg_min, last = a->select_last_index != 0;
    tn_axis_view v = tn_axis_view_of(&x->shape, run->n, a->axis, false);
    int64_t *y = run->out[0];
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++, y++) {
            int64_t at = o * v.n * v.inner + i;
            *y = x->dtype == TN_FLOAT32
                     ? place_of(v.n, v.inner, (const real *)run->in[0] + at, smallest, last)
                     : place_of_integer(x->dtype, v, run->in[0], at, smallest, last);
        }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_arg_max = {.name = "ArgMax",
                             .onnx_type = "ArgMax",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(arg_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_shape,
                             .implementations = implementations};
const tn_op tn_op_arg_min = {.name = "ArgMin",
                             .onnx_type = "ArgMin",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(arg_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_shape,
                             .implementations = implementations};

/* ---- Hardmax --------------------------------------------------------------------------------- */

static const tn_attr hardmax_attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, -1, NULL}, {0}};

static tn_status infer_hardmax(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_axis_attrs *a = node->attrs;
    int axis;
    TN_TRY(resolve_axis(node, a->axis, &axis, error));
    return tn_infer_same(graph, node, error);
}

static void run_hardmax(const tn_run *run) {
    const tn_axis_attrs *a = run->node->attrs;
    tn_axis_view v = tn_axis_view_of(&run->node->inputs[0]->shape, run->n, a->axis, false);
    for (int64_t o = 0; o < v.outer; o++)
        for (int64_t i = 0; i < v.inner; i++) {
            int64_t at = o * v.n * v.inner + i;
            int64_t place = place_of(v.n, v.inner, (const real *)run->in[0] + at, false, false);
            real *y = (real *)run->out[0] + at;
            for (int64_t j = 0; j < v.n; j++) y[j * v.inner] = j == place ? 1 : 0;
        }
}

static const tn_implementation hardmax = {.name = "any", .run = run_hardmax};
static const tn_implementation *const hardmax_implementations[] = {&hardmax, NULL};

const tn_op tn_op_hardmax = {.name = "Hardmax",
                             .onnx_type = "Hardmax",
                             .attrs = hardmax_attrs,
                             .attrs_bytes = sizeof(tn_axis_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_hardmax,
                             .implementations = hardmax_implementations};
