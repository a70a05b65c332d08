/* SPDX-License-Identifier: Apache-2.0 */
/* pad.c: elements put before and behind those of each axis, or cut off. ONNX Pad, with modes
 * constant, reflect (the edge itself is not repeated) and edge. */
#include <string.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/convert.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"mode", TN_ATTR_STRING, offsetof(tn_pad_attrs, mode), false, 0, "constant"},
    {"pads", TN_ATTR_INTS, offsetof(tn_pad_attrs, pads), true, 0, NULL},
    {"axes", TN_ATTR_INTS, offsetof(tn_pad_attrs, axes), false, 0, NULL},
    {"value", TN_ATTR_FLOAT, offsetof(tn_pad_attrs, value), false, 0, NULL},
    {0}};

typedef enum pad_mode { MODE_CONSTANT, MODE_REFLECT, MODE_EDGE, MODE_UNKNOWN } pad_mode;

static pad_mode mode_of(const tn_pad_attrs *a) {
    static const char *const names[] = {"constant", "reflect", "edge"};
    pad_mode mode = MODE_CONSTANT;
    while (mode < MODE_UNKNOWN && strcmp(a->mode, names[mode]) != 0) mode++;
    return mode;
}

/* What may stand before or behind an axis of `dim` elements. */
static tn_status check_pad(pad_mode mode, int axis, int64_t dim, int64_t pad, tn_error *error) {
    if (pad > TN_MAX_ELEMENTS || pad < -TN_MAX_ELEMENTS)
        return tn_fail(error, TN_ERR_FORMAT, "pads holds %lld", (long long)pad);
    if (mode == MODE_CONSTANT || pad == 0) return TN_OK;
    if (pad < 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "pads holds %lld (negative ones need mode constant)", (long long)pad);
    if (dim < 1 || (mode == MODE_REFLECT && pad >= dim))
        return tn_fail(error, TN_ERR_FORMAT, "axis %d has too few elements for a padding of %lld",
                       axis, (long long)pad);
    return TN_OK;
}

static tn_status pad_axis(const tn_pad_attrs *a, const tn_shape *x, int axis, int64_t *dim,
                          tn_error *error) {
    int64_t before = a->pads.v[axis], after = a->pads.v[x->rank + axis];
    TN_TRY(check_pad(mode_of(a), axis, x->dims[axis], before, error));
    TN_TRY(check_pad(mode_of(a), axis, x->dims[axis], after, error));
    if (x->batched && axis == 0 && (before != 0 || after != 0))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "pads change axis 0, which is the batch");
    *dim = x->dims[axis] + before + after;
    if (*dim < 0)
        return tn_fail(error, TN_ERR_FORMAT, "pads cut off more than the %lld elements of axis %d",
                       (long long)x->dims[axis], axis);
    return TN_OK;
}

/* Pads for some axes become pads for all. */
static tn_status list_all_axes(tn_pad_attrs *a, int rank, tn_error *error) {
    tn_ints pads = {.n = 2 * rank};
    bool listed[TN_MAX_RANK];
    if (a->axes.n == 0) return TN_OK;
    if (a->pads.n != 2 * a->axes.n)
        return tn_fail(error, TN_ERR_FORMAT, "pads has %d numbers for %d axes", a->pads.n,
                       a->axes.n);
    TN_TRY(tn_axes_mark(&a->axes, rank, listed, error));
    for (int k = 0; k < a->axes.n; k++) {
        int axis = (int)(a->axes.v[k] < 0 ? a->axes.v[k] + rank : a->axes.v[k]);
        pads.v[axis] = a->pads.v[k];
        pads.v[rank + axis] = a->pads.v[a->axes.n + k];
    }
    a->pads = pads;
    a->axes.n = 0;
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_pad_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = {.rank = x->rank, .batched = x->batched};
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    if (mode_of(a) == MODE_UNKNOWN)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "mode \"%s\" (constant, reflect or edge)",
                       a->mode);
    TN_TRY(list_all_axes(a, x->rank, error));
    if (a->pads.n != 2 * x->rank)
        return tn_fail(error, TN_ERR_FORMAT, "pads has %d numbers for %d dimensions", a->pads.n,
                       x->rank);
    for (int i = 0; i < x->rank; i++) TN_TRY(pad_axis(a, x, i, &y.dims[i], error));
    node->outputs[0]->shape = y;
    return TN_OK;
}

/* ---- Rows --------------------------------------------------------------------------------- */

/* x and y = pad(x) as stored: rows of y along its last padded axis, `tail` elements side by side
 * at each place of that axis. */
typedef struct geometry {
    pad_mode mode;
    int rank; /* axes up to the last padded one */
    int64_t x_dims[TN_MAX_RANK], y_dims[TN_MAX_RANK], before[TN_MAX_RANK];
    int64_t tail, rows;
} geometry;

static geometry geometry_of(const tn_pad_attrs *a, const tn_shape *x, const tn_shape *y,
                            int64_t n) {
    geometry g = {.mode = mode_of(a), .rank = 1, .tail = 1, .rows = 1};
    int order[TN_MAX_RANK];
    g.x_dims[0] = g.y_dims[0] = 1; /* of a scalar */
    tn_axes_stored(x, order);
    for (int i = 0; i < x->rank; i++) {
        int axis = order[i];
        bool samples = axis == 0 && x->batched;
        g.x_dims[i] = samples ? n : x->dims[axis];
        g.y_dims[i] = samples ? n : y->dims[axis];
        g.before[i] = a->pads.v[axis];
        if (a->pads.v[axis] != 0 || a->pads.v[x->rank + axis] != 0) g.rank = i + 1;
    }
    for (int i = g.rank; i < x->rank; i++) g.tail *= g.x_dims[i];
    for (int i = 0; i < g.rank - 1; i++) g.rows *= g.y_dims[i];
    return g;
}

/* The place along an axis of x that place j of y shows; -1 if it shows the constant. */
static int64_t source(const geometry *g, int axis, int64_t j) {
    int64_t i = j - g->before[axis], last = g->x_dims[axis] - 1;
    if (i >= 0 && i <= last) return i;
    switch (g->mode) {
    case MODE_REFLECT: return i < 0 ? -i : 2 * last - i;
    case MODE_EDGE: return i < 0 ? 0 : last;
    case MODE_CONSTANT:
    case MODE_UNKNOWN: break;
    }
    return -1;
}

/* The row of x that row `row` of y shows; -1 if none. */
static int64_t source_row(const geometry *g, int64_t row) {
    int64_t x_row = 0, step = 1;
    for (int i = g->rank - 2; i >= 0; i--) {
        int64_t at = source(g, i, row % g->y_dims[i]);
        if (at < 0) return -1;
        x_row += at * step;
        step *= g->x_dims[i];
        row /= g->y_dims[i];
    }
    return x_row;
}

/* The places [lo, hi) of a row of y that show the places of x from *first on. */
static void middle(const geometry *g, int64_t *lo, int64_t *hi, int64_t *first) {
    int64_t before = g->before[g->rank - 1], end = g->y_dims[g->rank - 1];
    *lo = tn_max_i64(0, tn_min_i64(before, end));
    *hi = tn_max_i64(0, tn_min_i64(before + g->x_dims[g->rank - 1], end));
    *first = *lo - before;
}

/* ---- Forward ------------------------------------------------------------------------------ */

/* What is filled in, as an element of y. */
typedef struct filling {
    size_t bytes;
    char element[8];
} filling;

static filling filling_of(const tn_node *node) {
    const tn_pad_attrs *a = node->attrs;
    tn_dtype dtype = node->outputs[0]->dtype;
    filling f = {.bytes = tn_dtype_bytes(dtype)};
    tn_convert_number(a->value, dtype, f.element);
    return f;
}

static void fill(int64_t n, const filling *f, char *y) {
    for (int64_t i = 0; i < n; i++) memcpy(y + i * (int64_t)f->bytes, f->element, f->bytes);
}

/* Places [begin, end) outside the middle. */
static void fill_border(const geometry *g, int64_t begin, int64_t end, const char *x,
                        const filling *f, char *y) {
    int64_t tail = g->tail * (int64_t)f->bytes;
    if (g->mode == MODE_CONSTANT) {
        fill((end - begin) * g->tail, f, y + begin * tail);
        return;
    }
    for (int64_t j = begin; j < end; j++)
        memcpy(y + j * tail, x + source(g, g->rank - 1, j) * tail, (size_t)tail);
}

static void run_any(const tn_run *run) {
    const tn_node *node = run->node;
    const filling f = filling_of(node);
    geometry g =
        geometry_of(node->attrs, &node->inputs[0]->shape, &node->outputs[0]->shape, run->n);
    int64_t tail = g.tail * (int64_t)f.bytes, lo, hi, first;
    int64_t x_row = g.x_dims[g.rank - 1] * tail, y_row = g.y_dims[g.rank - 1] * tail;
    char *y = run->out[0];
    middle(&g, &lo, &hi, &first);
    for (int64_t row = 0; row < g.rows && y_row > 0; row++, y += y_row) {
        int64_t from = source_row(&g, row);
        if (from < 0) {
            fill(g.y_dims[g.rank - 1] * g.tail, &f, y);
            continue;
        }
        const char *x = (const char *)run->in[0] + from * x_row;
        fill_border(&g, 0, lo, x, &f, y);
        if (hi > lo) memcpy(y + lo * tail, x + first * tail, (size_t)((hi - lo) * tail));
        fill_border(&g, hi, g.y_dims[g.rank - 1], x, &f, y);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* ---- Gradient ----------------------------------------------------------------------------- */

static tn_status infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const tn_pad_attrs *a = node->attrs;
    tn_shape dx = node->inputs[0]->shape;
    for (int i = 0; i < dx.rank; i++) dx.dims[i] -= a->pads.v[i] + a->pads.v[dx.rank + i];
    node->outputs[0]->shape = dx;
    return TN_OK;
}

/* dx[i] = Σ dy over the places that show x[i], in the order in which dy is stored. */
static void run_gradient(const tn_run *run) {
    const tn_node *node = run->node;
    geometry g =
        geometry_of(node->attrs, &node->outputs[0]->shape, &node->inputs[0]->shape, run->n);
    int last = g.rank - 1;
    int64_t lo, hi, first;
    const real *dy = run->in[0];
    memset(run->out[0], 0, (size_t)tn_run_elements(run) * sizeof(real));
    middle(&g, &lo, &hi, &first);
    for (int64_t row = 0; row < g.rows; row++, dy += g.y_dims[last] * g.tail) {
        real *dx = (real *)run->out[0] + source_row(&g, row) * g.x_dims[last] * g.tail;
        for (int64_t j = 0; j < g.y_dims[last]; j++) {
            real *to = dx + source(&g, last, j) * g.tail;
            int64_t n = j == lo ? tn_max_i64(1, hi - lo) : 1;
            run->kernels->add(n * g.tail, to, dy + j * g.tail, to);
            j += n - 1;
        }
    }
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Of the modes that show an element more than once. */
static const tn_op pad_grad = {.name = "PadGrad",
                               .attrs_bytes = sizeof(tn_pad_attrs),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_IMAGE,
                               .infer_shape = infer_gradient,
                               .implementations = gradient_implementations};

/* What was put on is cut off, what was cut off is 0. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_pad_attrs a = *(const tn_pad_attrs *)node->attrs;
    const tn_op *op = mode_of(&a) == MODE_CONSTANT ? &tn_op_pad : &pad_grad;
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    for (int i = 0; i < a.pads.n && op == &tn_op_pad; i++) a.pads.v[i] = -a.pads.v[i];
    a.value = 0;
    TN_TRY(tn_graph_apply(graph, op, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_pad = {.name = "Pad",
                         .onnx_type = "Pad",
                         .attrs = attrs,
                         .attrs_bytes = sizeof(tn_pad_attrs),
                         .min_inputs = 1,
                         .max_inputs = 1,
                         .n_outputs = 1,
                         .layout = TN_LAYOUT_IMAGE,
                         .infer_shape = infer_shape,
                         .differentiate = differentiate,
                         .implementations = implementations};
