/* SPDX-License-Identifier: Apache-2.0 */
/* transpose.c: axes in another order. ONNX Transpose. */
#include <string.h>

#include "ops/axes.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"perm", TN_ATTR_INTS, offsetof(tn_transpose_attrs, perm), false, 0, NULL}, {0}};

static tn_status check_perm(const tn_ints *perm, const tn_shape *x, tn_error *error) {
    bool seen[TN_MAX_RANK];
    if (perm->n != x->rank)
        return tn_fail(error, TN_ERR_FORMAT, "perm has %d numbers for %d dimensions", perm->n,
                       x->rank);
    for (int i = 0; i < perm->n; i++)
        if (perm->v[i] < 0)
            return tn_fail(error, TN_ERR_FORMAT, "perm holds %lld", (long long)perm->v[i]);
    TN_TRY(tn_axes_mark(perm, x->rank, seen, error));
    if (x->batched && perm->v[0] != 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "perm moves the batch away from axis 0 (only the other axes can move)");
    return TN_OK;
}

/* Without perm, all axes in reverse. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_ints *perm = &((tn_transpose_attrs *)node->attrs)->perm;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = {.rank = x->rank, .batched = x->batched};
    if (node->inputs[0]->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input must be float32");
    if (perm->n == 0)
        for (int i = x->rank; i > 0; i--) perm->v[perm->n++] = i - 1;
    TN_TRY(check_perm(perm, x, error));
    for (int i = 0; i < y.rank; i++) y.dims[i] = x->dims[perm->v[i]];
    node->outputs[0]->shape = y;
    return TN_OK;
}

/* dx is dy with the axes back in their order. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_ints *perm = &((const tn_transpose_attrs *)node->attrs)->perm;
    tn_transpose_attrs back = {.perm.n = perm->n};
    for (int i = 0; i < perm->n; i++) back.perm.v[perm->v[i]] = i;
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &tn_op_transpose, &back, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

/* The axes of y in order, with the steps that x and y take along them; no axis is of 1, and none
 * goes on in x where the one before it ends. */
typedef struct walk {
    int rank;
    int64_t dims[TN_MAX_RANK], from[TN_MAX_RANK], to[TN_MAX_RANK];
} walk;

static void push_axis(walk *w, int64_t dim, int64_t from) {
    int last = w->rank - 1;
    if (dim == 1) return;
    if (w->rank > 0 && w->from[last] == from * dim) {
        w->dims[last] *= dim;
        w->from[last] = from;
        return;
    }
    w->dims[w->rank] = dim;
    w->from[w->rank++] = from;
}

static walk make_walk(const tn_run *run) {
    const tn_ints *perm = &((const tn_transpose_attrs *)run->node->attrs)->perm;
    tn_shape x = run->node->inputs[0]->shape;
    int64_t step[TN_MAX_RANK], next = 1;
    walk w = {0};
    if (x.batched) x.dims[0] = run->n;
    for (int i = x.rank - 1; i >= 0; i--) {
        step[i] = next;
        next *= x.dims[i];
    }
    for (int i = 0; i < x.rank; i++) push_axis(&w, x.dims[perm->v[i]], step[perm->v[i]]);
    if (w.rank == 0) w = (walk){.rank = 1, .dims = {1}, .from = {1}};
    next = 1;
    for (int i = w.rank - 1; i >= 0; i--) {
        w.to[i] = next;
        next *= w.dims[i];
    }
    return w;
}

/* The axis along which x is contiguous. */
static int contiguous_axis(const walk *w) {
    int axis = 0;
    for (int i = 1; i < w->rank; i++)
        if (w->from[i] < w->from[axis]) axis = i;
    return axis;
}

/* Planes of the axes along which x and y are contiguous, or rows where these are the same. */
static void run_any(const tn_run *run) {
    walk w = make_walk(run);
    if (tn_run_elements(run) == 0) return;
    int inner = w.rank - 1, across = contiguous_axis(&w);
    int64_t planes = tn_run_elements(run) / (w.dims[inner] * (across < inner ? w.dims[across] : 1));
    int64_t at[TN_MAX_RANK] = {0};
    for (int64_t plane = 0; plane < planes; plane++) {
        const real *x = run->in[0];
        real *y = run->out[0];
        for (int i = 0; i < inner; i++) {
            x += at[i] * w.from[i];
            y += at[i] * w.to[i];
        }
        if (across == inner)
            memcpy(y, x, (size_t)w.dims[inner] * sizeof(real));
        else
            run->kernels->transpose(w.dims[inner], w.dims[across], x, w.from[inner], y,
                                    w.to[across]);
        for (int i = inner - 1; i >= 0; i--) {
            if (i == across) continue;
            if (++at[i] < w.dims[i]) break;
            at[i] = 0;
        }
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_transpose = {.name = "Transpose",
                               .onnx_type = "Transpose",
                               .attrs = attrs,
                               .attrs_bytes = sizeof(tn_transpose_attrs),
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_PLAIN,
                               .infer_shape = infer_shape,
                               .differentiate = differentiate,
                               .implementations = implementations};
