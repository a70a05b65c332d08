/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c: y = x, of any type. ONNX Identity. */
#include <string.h>

#include "ops/elementwise.h"
#include "ops/ops.h"

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    node->outputs[0]->shape = node->inputs[0]->shape;
    return TN_OK;
}

/* A value of its own, since that of a parameter must not be another's. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &tn_op_identity, NULL, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

static void run_any(const tn_run *run) {
    size_t bytes = (size_t)tn_run_elements(run) * tn_dtype_bytes(run->node->outputs[0]->dtype);
    if (run->in[0] != run->out[0]) memcpy(run->out[0], run->in[0], bytes);
}

static const tn_implementation any = {.name = "any",
                                      .stored = TN_STORED_ANYHOW,
                                      .copies = true,
                                      .rows_in = tn_rows_same,
                                      .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_identity = {.name = "Identity",
                              .onnx_type = "Identity",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .n_outputs = 1,
                              .layout = TN_LAYOUT_ANY,
                              .in_place = true,
                              .infer_shape = infer_shape,
                              .differentiate = differentiate,
                              .implementations = implementations};
