/* SPDX-License-Identifier: Apache-2.0 */
/* transpose.c: axes in another order. ONNX Transpose. */
#include "ops/axes.h"
#include "ops/box.h"
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
    node->outputs[0]->dtype = node->inputs[0]->dtype;
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

static void run_any(const tn_run *run) {
    const tn_ints *perm = &((const tn_transpose_attrs *)run->node->attrs)->perm;
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[0];
    const tn_stored_axes from = tn_box_axes(run, x, run->in_rows[0]);
    const tn_stored_axes to = tn_box_axes(run, y, run->rows);
    tn_box box = {0};
    for (int i = 0; i < to.rank; i++)
        tn_box_push(&box, to.dims[i], from.step[perm->v[i]], to.step[i]);
    tn_box_copy(&box, run->kernels, tn_dtype_bytes(x->dtype), run->in[0], run->out[0]);
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
