/* SPDX-License-Identifier: Apache-2.0 */
/* log_softmax.c: y = x - log Σ exp x along the last axis. ONNX LogSoftmax. */
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, -1, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_axis_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    if (x->rank == 0 || (a->axis != -1 && a->axis != x->rank - 1))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "axis %lld of %d (only the last is supported)",
                       (long long)a->axis, x->rank);
    if (x->batched && x->rank == 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "the axis of the batch");
    return tn_infer_same(graph, node, error);
}

static int64_t row_length(const tn_node *node) {
    const tn_shape *shape = &node->outputs[0]->shape;
    return shape->dims[shape->rank - 1];
}

static void run_gradient(const tn_run *run) {
    int64_t n = row_length(run->node), elements = tn_run_elements(run);
    if (elements > 0)
        run->kernels->log_softmax_grad(elements / n, n, run->in[1], run->in[0], run->out[0]);
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* Inputs dy, y. */
static const tn_op log_softmax_grad = {.name = "LogSoftmaxGrad",
                                       .min_inputs = 2,
                                       .max_inputs = 2,
                                       .n_outputs = 1,
                                       .layout = TN_LAYOUT_PLAIN,
                                       .in_place = true,
                                       .infer_shape = tn_infer_same,
                                       .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *y = node->outputs[0], *in[] = {tn_gradient_of(graph, y), y}, *dx;
    TN_TRY(tn_graph_apply(graph, &log_softmax_grad, NULL, in, 2, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

static void run_any(const tn_run *run) {
    int64_t n = row_length(run->node), elements = tn_run_elements(run);
    if (elements > 0) run->kernels->log_softmax(elements / n, n, run->in[0], run->out[0]);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_log_softmax = {.name = "LogSoftmax",
                                 .onnx_type = "LogSoftmax",
                                 .attrs = attrs,
                                 .attrs_bytes = sizeof(tn_axis_attrs),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_PLAIN,
                                 .in_place = true,
                                 .infer_shape = infer_shape,
                                 .differentiate = differentiate,
                                 .implementations = implementations};
