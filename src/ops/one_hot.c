/* SPDX-License-Identifier: Apache-2.0 */
/* one_hot.c: one value at the place that an index says, another elsewhere. ONNX OneHot, with inputs
 * indices, depth and the two values, off and on. */
#include <string.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/convert.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, -1, NULL}, {0}};

/* A constant of any type that holds one number. */
static tn_status depth_of(const tn_value *v, int64_t *depth, tn_error *error) {
    *depth = 0;
    if (!v->data || tn_shape_elements(&v->shape) != 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "depth must be one constant number");
    if (v->dtype == TN_FLOAT32)
        tn_convert_number((double)*(const float *)v->data, TN_INT64, depth);
    else
        tn_convert(v->dtype, v->data, TN_INT64, depth, 1);
    if (*depth >= 1 && *depth <= TN_MAX_ELEMENTS) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "depth is %lld", (long long)*depth);
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *i = &node->inputs[0]->shape;
    const tn_value *values = node->inputs[2];
    tn_shape y = {.rank = i->rank + 1, .batched = i->batched};
    int axis;
    if (y.rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "more than %d dimensions", TN_MAX_RANK);
    TN_TRY(tn_axis_resolve(((const tn_axis_attrs *)node->attrs)->axis, y.rank, &axis, error));
    if (i->batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 moves the batch away");
    if (values->shape.batched) return tn_fail(error, TN_ERR_UNSUPPORTED, "the values are a batch");
    if (values->shape.rank != 1 || values->shape.dims[0] != 2)
        return tn_fail(error, TN_ERR_FORMAT, "values must be two, off and on");
    for (int k = 0; k < i->rank; k++) y.dims[k < axis ? k : k + 1] = i->dims[k];
    TN_TRY(depth_of(node->inputs[1], &y.dims[axis], error));
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = values->dtype;
    return TN_OK;
}

static void run_any(const tn_run *run) {
    const tn_value *indices = run->node->inputs[0], *y = run->node->outputs[0];
    int64_t axis = ((const tn_axis_attrs *)run->node->attrs)->axis, outer = 1, inner = 1;
    size_t bytes = tn_dtype_bytes(y->dtype), index_bytes = tn_dtype_bytes(indices->dtype);
    const char *off = run->in[2], *on = off + bytes, *index = run->in[0];
    if (axis < 0) axis += y->shape.rank;
    for (int k = 0; k < y->shape.rank; k++) {
        int64_t dim = k == 0 && y->shape.batched ? run->n : y->shape.dims[k];
        if (k < axis) outer *= dim;
        if (k > axis) inner *= dim;
    }
    int64_t depth = y->shape.dims[axis];
    char *to = run->out[0];
    for (int64_t k = 0; k < outer * depth * inner; k++) memcpy(to + (size_t)k * bytes, off, bytes);
    for (int64_t k = 0; k < outer * inner; k++) {
        int64_t place;
        tn_convert(indices->dtype, index + (size_t)k * index_bytes, TN_INT64, &place, 1);
        if (place < 0) place += depth;
        if (place < 0 || place >= depth) continue; /* all off */
        memcpy(to + (size_t)((k / inner * depth + place) * inner + k % inner) * bytes, on, bytes);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_one_hot = {.name = "OneHot",
                             .onnx_type = "OneHot",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(tn_axis_attrs),
                             .min_inputs = 3,
                             .max_inputs = 3,
                             .n_outputs = 1,
                             .stored = 2,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_shape,
                             .implementations = implementations};
