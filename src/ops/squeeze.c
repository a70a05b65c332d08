/* SPDX-License-Identifier: Apache-2.0 */
/* squeeze.c: dimensions of 1 left out. ONNX Squeeze. */
#include "ops/axes.h"
#include "ops/ops.h"
#include "ops/reshape.h"

static const tn_attr attrs[] = {
    {"axes", TN_ATTR_INTS, offsetof(tn_axes_attrs, axes), false, 0, NULL}, {0}};

/* Without axes, all that are 1; the batch, which may happen to be 1, is none of them. */
static void fill_in_axes(const tn_shape *x, tn_ints *axes) {
    for (int i = x->batched ? 1 : 0; i < x->rank; i++)
        if (x->dims[i] == 1) axes->v[axes->n++] = i;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_axes_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = {.batched = x->batched};
    bool left_out[TN_MAX_RANK];
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    if (a->axes.n == 0) fill_in_axes(x, &a->axes);
    TN_TRY(tn_axes_mark(&a->axes, x->rank, left_out, error));
    if (x->batched && left_out[0])
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 is the batch, which cannot be left out");
    for (int i = 0; i < x->rank; i++) {
        if (left_out[i] && x->dims[i] != 1)
            return tn_fail(error, TN_ERR_FORMAT, "axis %d cannot be left out: it has %lld elements",
                           i, (long long)x->dims[i]);
        if (!left_out[i]) y.dims[y.rank++] = x->dims[i];
    }
    node->outputs[0]->shape = y;
    return TN_OK;
}

const tn_op tn_op_squeeze = {.name = "Squeeze",
                             .onnx_type = "Squeeze",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(tn_axes_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_ANY,
                             .in_place = true,
                             .infer_shape = infer_shape,
                             .differentiate = tn_reshape_differentiate,
                             .implementations = tn_reshape_implementations};
