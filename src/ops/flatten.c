/* SPDX-License-Identifier: Apache-2.0 */
/* flatten.c: [d0,...,dn] -> [d0·...·d(axis-1), d(axis)·...·dn]. ONNX Flatten. */
#include <string.h>

#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, 1, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_axis_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    int64_t axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    tn_shape y = {.rank = 2, .dims = {1, 1}, .batched = x->batched};
    if (axis < 0 || axis > x->rank)
        return tn_fail(error, TN_ERR_FORMAT, "axis %lld of %d dimensions", (long long)a->axis,
                       x->rank);
    if (x->batched && axis != 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "axis %lld mixes samples of the batch (only 1 is supported)",
                       (long long)a->axis);
    if (node->inputs[0]->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input must be float32");
    for (int i = 0; i < x->rank; i++) y.dims[i < axis ? 0 : 1] *= x->dims[i];
    node->outputs[0]->shape = y;
    return TN_OK;
}

static void run_copy(const tn_run *run) {
    if (run->in[0] != run->out[0])
        memcpy(run->out[0], run->in[0], (size_t)tn_run_elements(run) * sizeof(real));
}

static const tn_implementation copy = {.name = "copy", .run = run_copy};
static const tn_implementation *const implementations[] = {&copy, NULL};

/* Back to the shape of the input. */
typedef struct unflatten_attrs {
    int rank;
    int64_t dims[TN_MAX_RANK]; /* without samples if batched */
} unflatten_attrs;

static tn_status infer_unflatten(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const unflatten_attrs *a = node->attrs;
    const tn_shape *dy = &node->inputs[0]->shape;
    tn_shape dx = {.rank = a->rank, .batched = dy->batched};
    for (int i = 0; i < a->rank; i++) dx.dims[i] = a->dims[i];
    if (dx.batched) dx.dims[0] = dy->dims[0];
    node->outputs[0]->shape = dx;
    return TN_OK;
}

static const tn_op unflatten = {.name = "Unflatten",
                                .attrs_bytes = sizeof(unflatten_attrs),
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .n_outputs = 1,
                                .layout = TN_LAYOUT_ANY,
                                .in_place = true,
                                .infer_shape = infer_unflatten,
                                .implementations = implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    const tn_shape *x = &node->inputs[0]->shape;
    unflatten_attrs a = {.rank = x->rank};
    memcpy(a.dims, x->dims, sizeof a.dims);
    TN_TRY(tn_graph_apply(graph, &unflatten, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_flatten = {.name = "Flatten",
                             .onnx_type = "Flatten",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(tn_axis_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_ANY,
                             .in_place = true,
                             .infer_shape = infer_shape,
                             .differentiate = differentiate,
                             .implementations = implementations};
