/* SPDX-License-Identifier: Apache-2.0 */
/* unsqueeze.c: dimensions of 1 put in, at these axes of the output. ONNX Unsqueeze. */
#include "ops/axes.h"
#include "ops/ops.h"
#include "ops/reshape.h"

static const tn_attr attrs[] = {
    {"axes", TN_ATTR_INTS, offsetof(tn_axes_attrs, axes), true, 0, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_axes_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = {.rank = x->rank + a->axes.n, .batched = x->batched};
    bool put_in[TN_MAX_RANK];
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    if (y.rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "a tensor of %d dimensions (at most %d)", y.rank,
                       TN_MAX_RANK);
    TN_TRY(tn_axes_mark(&a->axes, y.rank, put_in, error));
    if (x->batched && put_in[0])
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "axis 0 is the batch, before which nothing can be put");
    for (int i = 0, k = 0; i < y.rank; i++) y.dims[i] = put_in[i] ? 1 : x->dims[k++];
    node->outputs[0]->shape = y;
    return TN_OK;
}

const tn_op tn_op_unsqueeze = {.name = "Unsqueeze",
                               .onnx_type = "Unsqueeze",
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
