/* SPDX-License-Identifier: Apache-2.0 */
/* flatten.c: [d0,...,dn] -> [d0·...·d(axis-1), d(axis)·...·dn]. ONNX Flatten. */
#include "ops/ops.h"
#include "ops/reshape.h"

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
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    for (int i = 0; i < x->rank; i++) y.dims[i < axis ? 0 : 1] *= x->dims[i];
    node->outputs[0]->shape = y;
    return TN_OK;
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
                             .differentiate = tn_reshape_differentiate,
                             .implementations = tn_reshape_implementations};
