/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/elementwise.h"

#include "base/size.h"

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
    const tn_value *y = run->node->outputs[0];
    int64_t samples = y->lanes ? tn_round_up(run->n, TN_LANES) : run->n;
    int64_t rows = tn_max_i64(1, tn_image_rows(run->node, y));
    return tn_shape_sample_elements(&y->shape) / rows * (run->rows.end - run->rows.begin) *
           (y->shape.batched ? samples : 1);
}
