/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c: tensors of any type one behind the other along an axis. ONNX Concat. */
#include <string.h>

#include "graph/images.h"
#include "ops/axes.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {{"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), true, 0, NULL},
                                {0}};

/* Input k must be like the first but for this axis. */
static tn_status check_input(const tn_node *node, int k, int axis, tn_error *error) {
    const tn_value *v = node->inputs[k];
    char text[2][TN_SHAPE_TEXT];
    if (!v) return tn_fail(error, TN_ERR_FORMAT, "input %d is missing", k);
    const tn_shape *first = &node->inputs[0]->shape, *x = &v->shape;
    if (v->dtype != node->inputs[0]->dtype)
        return tn_fail(error, TN_ERR_FORMAT, "inputs are %s and %s",
                       tn_dtype_name(node->inputs[0]->dtype), tn_dtype_name(v->dtype));
    bool fits = x->rank == first->rank;
    for (int i = 0; i < x->rank && fits; i++) fits = i == axis || x->dims[i] == first->dims[i];
    if (!fits)
        return tn_fail(error, TN_ERR_FORMAT, "shapes %s and %s differ beside axis %d",
                       tn_shape_text(first, text[0]), tn_shape_text(x, text[1]), axis);
    if (x->batched != first->batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" is no batch, but another is",
                       x->batched ? node->inputs[0]->name : v->name);
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_axis_attrs *a = node->attrs;
    tn_shape y = node->inputs[0]->shape;
    int axis;
    TN_TRY(tn_axis_resolve(a->axis, y.rank, &axis, error));
    if (y.batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 mixes samples of the batches");
    y.dims[axis] = 0;
    for (int k = 0; k < node->n_inputs; k++) {
        TN_TRY(check_input(node, k, axis, error));
        y.dims[axis] += node->inputs[k]->shape.dims[axis]; /* at most TN_MAX_ELEMENTS each */
    }
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

static int axis_of(const tn_node *node) {
    const tn_axis_attrs *a = node->attrs;
    return (int)(a->axis < 0 ? a->axis + node->outputs[0]->shape.rank : a->axis);
}

/* dx of each input is its part of dy: dy with everything before and behind it cut off. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    int axis = axis_of(node), rank = dy->shape.rank;
    int64_t before = 0, all = dy->shape.dims[axis];
    for (int k = 0; k < node->n_inputs; k++) {
        int64_t own = node->inputs[k]->shape.dims[axis];
        tn_pad_attrs a;
        tn_attrs_init(&tn_op_pad, &a);
        a.pads.n = 2 * rank;
        a.pads.v[axis] = -before;
        a.pads.v[rank + axis] = -(all - before - own);
        before += own;
        if (!tn_gradient_wanted(graph, node->inputs[k])) continue;
        TN_TRY(tn_graph_apply(graph, &tn_op_pad, &a, &dy, 1, &dx, error));
        TN_TRY(tn_gradient_add(graph, node->inputs[k], dx, error));
    }
    return TN_OK;
}

/* Elements of a tensor's axes from `axis` on, as stored; *outer is how often they come in a call.
 */
static int64_t run_length(const tn_run *run, const tn_shape *shape, int axis, int64_t *outer) {
    int order[TN_MAX_RANK], at = 0;
    int64_t length = 1;
    tn_axes_stored(shape, order);
    *outer = 1;
    for (; order[at] != axis; at++) {
        int64_t dim = shape->dims[order[at]];
        if (order[at] == 0 && shape->batched) dim = run->n;
        if (order[at] == 2 && at == 1) dim = run->rows.end - run->rows.begin; /* of an image */
        *outer *= dim;
    }
    for (; at < shape->rank; at++) length *= shape->dims[order[at]];
    return length;
}

/* In one pass over the output, of which each input has a part of every row. */
static void run_any(const tn_run *run) {
    const tn_node *node = run->node;
    int64_t outer = 0, bytes = (int64_t)tn_dtype_bytes(node->outputs[0]->dtype);
    int64_t length[TN_MAX_INPUTS];
    for (int k = 0; k < node->n_inputs; k++)
        length[k] = bytes * run_length(run, &node->inputs[k]->shape, axis_of(node), &outer);
    char *y = run->out[0];
    for (int64_t i = 0; i < outer; i++)
        for (int k = 0; k < node->n_inputs; k++) {
            if (length[k] == 0) continue; /* of an empty one, not even the pointer need be there */
            memcpy(y, (const char *)run->in[k] + i * length[k], (size_t)length[k]);
            y += length[k];
        }
}

static bool rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    return axis_of(node) != 2 && tn_rows_same(node, input, out, in);
}

static const tn_implementation any = {.name = "any", .rows_in = rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_concat = {.name = "Concat",
                            .onnx_type = "Concat",
                            .attrs = attrs,
                            .attrs_bytes = sizeof(tn_axis_attrs),
                            .min_inputs = 1,
                            .max_inputs = TN_MAX_INPUTS,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_IMAGE,
                            .infer_shape = infer_shape,
                            .differentiate = differentiate,
                            .implementations = implementations};
