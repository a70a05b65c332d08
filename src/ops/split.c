/* SPDX-License-Identifier: Apache-2.0 */
/* split.c: a tensor cut into pieces along an axis. ONNX Split. */
#include <string.h>

#include "ops/axes.h"
#include "ops/ops.h"
#include "ops/slice.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_split_attrs, axis), false, 0, NULL},
    {"split", TN_ATTR_INTS, offsetof(tn_split_attrs, split), false, 0, NULL},
    {"num_outputs", TN_ATTR_INT, offsetof(tn_split_attrs, num_outputs), false, 0, NULL},
    {0}};

/* Without sizes, equal parts, of which the last may be smaller. */
static tn_status fill_in_sizes(tn_split_attrs *a, int64_t dim, tn_error *error) {
    if (a->split.n > 0) return TN_OK;
    if (a->num_outputs < 1 || a->num_outputs > TN_MAX_OUTPUTS)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "%lld outputs (1 to %d)",
                       (long long)a->num_outputs, TN_MAX_OUTPUTS);
    int64_t each = (dim + a->num_outputs - 1) / a->num_outputs;
    a->split.n = (int)a->num_outputs;
    for (int i = 0; i < a->split.n; i++) {
        a->split.v[i] = each < dim ? each : dim;
        dim -= a->split.v[i];
    }
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_split_attrs *a = node->attrs;
    const tn_value *x = node->inputs[0];
    tn_shape y = x->shape;
    int64_t sum = 0;
    int axis;
    TN_TRY(tn_axis_resolve(a->axis, y.rank, &axis, error));
    if (y.batched && axis == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 parts the samples of the batch");
    TN_TRY(fill_in_sizes(a, y.dims[axis], error));
    if (a->split.n > TN_MAX_OUTPUTS)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "%d outputs (at most %d)", a->split.n,
                       TN_MAX_OUTPUTS);
    for (int i = 0; i < a->split.n; i++) {
        if (a->split.v[i] < 0 || a->split.v[i] > TN_MAX_ELEMENTS)
            return tn_fail(error, TN_ERR_FORMAT, "split holds %lld", (long long)a->split.v[i]);
        sum += a->split.v[i];
    }
    if (sum != y.dims[axis])
        return tn_fail(error, TN_ERR_FORMAT, "split makes %lld of the %lld elements of axis %d",
                       (long long)sum, (long long)y.dims[axis], axis);
    for (int i = 0; i < a->split.n; i++) {
        y.dims[axis] = a->split.v[i];
        if (i == node->n_outputs)
            TN_TRY(tn_graph_add_output(graph, node, x->dtype, &y, NULL, error));
        node->outputs[i]->shape = y;
        node->outputs[i]->dtype = x->dtype;
    }
    return TN_OK;
}

static int axis_of(const tn_node *node) {
    const tn_split_attrs *a = node->attrs;
    return (int)(a->axis < 0 ? a->axis + node->inputs[0]->shape.rank : a->axis);
}

static void run_any(const tn_run *run) {
    const tn_split_attrs *a = run->node->attrs;
    tn_slice slice = tn_slice_all();
    int axis = axis_of(run->node);
    for (int i = 0; i < run->node->n_outputs; i++) {
        if (run->out[i]) tn_slice_run(run, &slice, i);
        slice.start[axis] += a->split.v[i];
    }
}

static bool rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    return axis_of(node) != 2 && tn_slice_rows(node, input, out, in);
}

static const tn_implementation any = {.name = "any", .rows_in = rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* dx is dy piece by piece; if a piece has none, those that there are among zeros. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_split_attrs *a = node->attrs;
    const tn_axis_attrs axis = {axis_of(node)};
    tn_slice slice = tn_slice_all();
    tn_value *dy[TN_MAX_OUTPUTS], *dx;
    bool all = true;
    for (int i = 0; i < node->n_outputs; i++) {
        dy[i] = tn_gradient_of(graph, node->outputs[i]);
        all = all && dy[i];
    }
    if (all) {
        TN_TRY(tn_graph_apply(graph, &tn_op_concat, &axis, dy, node->n_outputs, &dx, error));
        return tn_gradient_add(graph, node->inputs[0], dx, error);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        if (dy[i]) TN_TRY(tn_slice_gradient(graph, &slice, node->inputs[0], dy[i], error));
        slice.start[axis.axis] += a->split.v[i];
    }
    return TN_OK;
}

static int onnx_outputs(const tn_node *node) { return node->n_outputs; }

const tn_op tn_op_split = {.name = "Split",
                           .onnx_type = "Split",
                           .attrs = attrs,
                           .attrs_bytes = sizeof(tn_split_attrs),
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .n_outputs = 1, /* infer_shape adds those of the other pieces */
                           .layout = TN_LAYOUT_IMAGE,
                           .onnx_outputs = onnx_outputs,
                           .infer_shape = infer_shape,
                           .differentiate = differentiate,
                           .implementations = implementations};
