/* SPDX-License-Identifier: Apache-2.0 */
/* expand.c: a tensor of any type repeated along axes of one place. ONNX Expand. */
#include "base/size.h"
#include "graph/images.h"
#include "ops/box.h"
#include "ops/ops.h"
#include "ops/sum_to.h"

static const tn_attr attrs[] = {
    {"shape", TN_ATTR_INTS, offsetof(tn_expand_attrs, shape), true, 0, NULL}, {0}};

/* As numpy broadcasts: dimensions are aligned at the last, and 1 on either side gives way. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_ints *to = &((const tn_expand_attrs *)node->attrs)->shape;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = {.rank = to->n > x->rank ? to->n : x->rank, .batched = x->batched};
    if (y.rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "%d dimensions (at most %d)", y.rank,
                       TN_MAX_RANK);
    for (int i = 0; i < y.rank; i++) {
        int of_x = i - (y.rank - x->rank), of_to = i - (y.rank - to->n);
        int64_t a = of_x >= 0 ? x->dims[of_x] : 1, b = of_to >= 0 ? to->v[of_to] : 1;
        if (x->batched && i == 0 && (of_x != 0 || b != 1))
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "shape says what the batch is (only 1, at axis 0, leaves it alone)");
        if (b < 0 || (a != b && a != 1 && b != 1))
            return tn_fail(error, TN_ERR_FORMAT, "dimension %d of %lld cannot become %lld", of_x,
                           (long long)a, (long long)b);
        y.dims[i] = a == 1 ? b : a;
    }
    if (y.batched) y.dims[0] = x->dims[0];
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

static void run_any(const tn_run *run) {
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[0];
    const tn_stored_axes from = tn_box_axes(run, x, run->in_rows[0]);
    const tn_stored_axes to = tn_box_axes(run, y, run->rows);
    tn_box box = {0};
    for (int i = 0; i < to.rank; i++) {
        int axis = to.order[i], of_x = axis - (to.rank - from.rank);
        bool repeated = of_x < 0 || (x->shape.dims[of_x] == 1 && !(x->shape.batched && of_x == 0));
        tn_box_push(&box, to.dims[axis], repeated ? 0 : from.step[of_x], to.step[axis]);
    }
    tn_box_copy(&box, run->kernels, tn_dtype_bytes(x->dtype), run->in[0], run->out[0]);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *x = node->inputs[0], *dx;
    TN_TRY(tn_sum_to_shape(graph, dy, &x->shape, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

const tn_op tn_op_expand = {.name = "Expand",
                            .onnx_type = "Expand",
                            .attrs = attrs,
                            .attrs_bytes = sizeof(tn_expand_attrs),
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_IMAGE,
                            .infer_shape = infer_shape,
                            .differentiate = differentiate,
                            .implementations = implementations};
