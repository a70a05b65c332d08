/* SPDX-License-Identifier: Apache-2.0 */
/* clip.c: y = min(max(x, min), max); NaN stays. ONNX Clip. */
#include <math.h>

#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"min", TN_ATTR_FLOAT, offsetof(tn_clip_attrs, min), false, -INFINITY, NULL},
    {"max", TN_ATTR_FLOAT, offsetof(tn_clip_attrs, max), false, INFINITY, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_clip_attrs *a = node->attrs;
    if (isnan(a->min) || isnan(a->max))
        return tn_fail(error, TN_ERR_FORMAT, "%s is nan", isnan(a->min) ? "min" : "max");
    return tn_infer_same(graph, node, error);
}

static void run_gradient(const tn_run *run) {
    const tn_clip_attrs *a = run->node->attrs;
    run->kernels->clip_grad(tn_run_elements(run), run->in[1], run->in[0], (real)a->min,
                            (real)a->max, run->out[0]);
}

static const tn_implementation gradient = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};

/* dx = dy where min < y < max, else 0; inputs dy, y. */
static const tn_op clip_grad = {.name = "ClipGrad",
                                .attrs_bytes = sizeof(tn_clip_attrs),
                                .min_inputs = 2,
                                .max_inputs = 2,
                                .n_outputs = 1,
                                .layout = TN_LAYOUT_ANY,
                                .in_place = true,
                                .infer_shape = tn_infer_same,
                                .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_activation_differentiate(graph, node, &clip_grad, node->outputs[0], error);
}

static void run_any(const tn_run *run) {
    const tn_clip_attrs *a = run->node->attrs;
    run->kernels->clip(tn_run_elements(run), run->in[0], (real)a->min, (real)a->max, run->out[0]);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_clip = {.name = "Clip",
                          .onnx_type = "Clip",
                          .attrs = attrs,
                          .attrs_bytes = sizeof(tn_clip_attrs),
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_ANY,
                          .in_place = true,
                          .infer_shape = infer_shape,
                          .differentiate = differentiate,
                          .implementations = implementations};
