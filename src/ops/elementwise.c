/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/elementwise.h"

tn_status tn_infer_same(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    if (node->inputs[0]->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" is %s, not float32",
                       node->inputs[0]->name, tn_dtype_name(node->inputs[0]->dtype));
    node->outputs[0]->dtype = TN_FLOAT32;
    node->outputs[0]->shape = node->inputs[0]->shape;
    return TN_OK;
}

int64_t tn_run_elements(const tn_run *run) {
    const tn_shape *shape = &run->node->outputs[0]->shape;
    return tn_shape_sample_elements(shape) * (shape->batched ? run->n : 1);
}
