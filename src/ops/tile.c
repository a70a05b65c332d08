/* SPDX-License-Identifier: Apache-2.0 */
/* tile.c: copies of a tensor of any type side by side. ONNX Tile. */
#include <string.h>

#include "base/size.h"
#include "ops/box.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"repeats", TN_ATTR_INTS, offsetof(tn_tile_attrs, repeats), true, 0, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_ints *repeats = &((const tn_tile_attrs *)node->attrs)->repeats;
    tn_shape y = node->inputs[0]->shape;
    if (repeats->n != y.rank)
        return tn_fail(error, TN_ERR_FORMAT, "repeats has %d numbers for %d dimensions", repeats->n,
                       y.rank);
    for (int i = 0; i < y.rank; i++) {
        if (repeats->v[i] < 0 || !tn_size_mul(y.dims[i], repeats->v[i], &y.dims[i]))
            return tn_fail(error, TN_ERR_FORMAT, "repeats holds %lld", (long long)repeats->v[i]);
        if (y.batched && i == 0 && repeats->v[0] != 1)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 repeats the samples of the batch");
    }
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

/* From a tensor to its copies, or back. */
static tn_box box_of(const tn_ints *repeats, const tn_stored_axes *one,
                     const tn_stored_axes *copies, bool back) {
    tn_box box = {0};
    for (int i = 0; i < copies->rank; i++) {
        int axis = copies->order[i];
        int64_t each = one->dims[axis], step = copies->step[axis];
        tn_box_push(&box, repeats->v[axis], back ? each * step : 0, back ? 0 : each * step);
        tn_box_push(&box, each, back ? step : one->step[axis], back ? one->step[axis] : step);
    }
    return box;
}

static void run_any(const tn_run *run) {
    const tn_tile_attrs *a = run->node->attrs;
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[0];
    const tn_stored_axes one = tn_box_axes(run, x, run->in_rows[0]);
    const tn_stored_axes copies = tn_box_axes(run, y, run->rows);
    tn_box box = box_of(&a->repeats, &one, &copies, false);
    tn_box_copy(&box, run->kernels, tn_dtype_bytes(x->dtype), run->in[0], run->out[0]);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* ---- Gradient: dx is the sum of the copies' dy ------------------------------------------------
 */

typedef struct tile_grad_attrs {
    tn_tile_attrs tile;
    tn_shape x; /* its first dimension is that of dy if batched */
} tile_grad_attrs;

static tn_status infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const tile_grad_attrs *a = node->attrs;
    tn_shape *dx = &node->outputs[0]->shape;
    *dx = a->x;
    if (dx->batched) dx->dims[0] = node->inputs[0]->shape.dims[0];
    return TN_OK;
}

static void run_gradient(const tn_run *run) {
    const tile_grad_attrs *a = run->node->attrs;
    const tn_value *dy = run->node->inputs[0], *dx = run->node->outputs[0];
    const tn_stored_axes one = tn_box_axes(run, dx, run->rows);
    const tn_stored_axes copies = tn_box_axes(run, dy, run->in_rows[0]);
    tn_box box = box_of(&a->tile.repeats, &one, &copies, true);
    int64_t n = 1;
    for (int i = 0; i < one.rank; i++) n *= one.dims[i];
    memset(run->out[0], 0, (size_t)n * sizeof(real));
    tn_box_add(&box, run->kernels, run->in[0], run->out[0]);
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

static const tn_op tile_grad = {.name = "TileGrad",
                                .attrs_bytes = sizeof(tile_grad_attrs),
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .n_outputs = 1,
                                .layout = TN_LAYOUT_IMAGE,
                                .infer_shape = infer_gradient,
                                .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tile_grad_attrs a = {*(const tn_tile_attrs *)node->attrs, node->inputs[0]->shape};
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &tile_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_tile = {.name = "Tile",
                          .onnx_type = "Tile",
                          .attrs = attrs,
                          .attrs_bytes = sizeof(tn_tile_attrs),
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_IMAGE,
                          .infer_shape = infer_shape,
                          .differentiate = differentiate,
                          .implementations = implementations};
