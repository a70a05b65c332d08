/* SPDX-License-Identifier: Apache-2.0 */
/* gather_elements.c: elements of a tensor of any type, each by its index along an axis. ONNX
 * GatherElements. */
#include <string.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/gather.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, 0, NULL}, {0}};

/* y[i,j,k] = x[i, indices[i,j,k], k] for axis 1. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape, *i = &node->inputs[1]->shape;
    char text[2][TN_SHAPE_TEXT];
    int axis;
    TN_TRY(tn_axis_resolve(((const tn_axis_attrs *)node->attrs)->axis, x->rank, &axis, error));
    bool fits = x->rank == i->rank;
    for (int k = 0; k < x->rank && fits; k++) fits = k == axis || i->dims[k] <= x->dims[k];
    if (!fits)
        return tn_fail(error, TN_ERR_FORMAT, "indices %s do not fit %s beside axis %d",
                       tn_shape_text(i, text[0]), tn_shape_text(x, text[1]), axis);
    if (x->batched != i->batched || (x->batched && axis == 0))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "indices into axis %d mix samples of the batch",
                       axis);
    TN_TRY(tn_gather_check_indices(node->inputs[1], x->dims[axis], error));
    node->outputs[0]->shape = *i;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

static void run_any(const tn_run *run) {
    const tn_value *x = run->node->inputs[0], *indices = run->node->inputs[1];
    tn_shape from = x->shape, to = indices->shape;
    int64_t axis = ((const tn_axis_attrs *)run->node->attrs)->axis, at[TN_MAX_RANK] = {0};
    size_t bytes = tn_dtype_bytes(x->dtype);
    if (axis < 0) axis += from.rank;
    if (from.batched) from.dims[0] = to.dims[0] = run->n;
    for (int64_t i = 0; i < tn_shape_elements(&to); i++) {
        char *y = (char *)run->out[0] + (size_t)i * bytes;
        int64_t index = tn_gather_index(indices, run->in[1], i, from.dims[axis]), place = 0;
        for (int k = 0; k < from.rank; k++)
            place = place * from.dims[k] + (k == axis ? index : at[k]);
        if (index < 0)
            memset(y, 0xff, bytes);
        else
            memcpy(y, (const char *)run->in[0] + (size_t)place * bytes, bytes);
        for (int k = to.rank - 1; k >= 0 && ++at[k] == to.dims[k]; k--) at[k] = 0;
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_gather_elements = {.name = "GatherElements",
                                     .onnx_type = "GatherElements",
                                     .attrs = attrs,
                                     .attrs_bytes = sizeof(tn_axis_attrs),
                                     .min_inputs = 2,
                                     .max_inputs = 2,
                                     .n_outputs = 1,
                                     .layout = TN_LAYOUT_PLAIN,
                                     .infer_shape = infer_shape,
                                     .implementations = implementations};
