/* SPDX-License-Identifier: Apache-2.0 */
/* reorder.c: between plain and channels-last samples. An operator of the engine's own, inserted by
 * the plan where neighbours disagree; the layouts are those of the run. */
#include <string.h>

#include "ops/elementwise.h"
#include "ops/ops.h"

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->shape = node->inputs[0]->shape;
    return TN_OK;
}

/* [c][rest] -> [rest][c] where the output is channels last, else back. */
static void run_any(const tn_run *run) {
    int64_t from = run->in_channels[0], to = run->out_channels[0];
    int64_t each = tn_shape_sample_elements(&run->node->outputs[0]->shape);
    if (each == 0) return;
    int64_t rows = to > 1 ? to : each / from, columns = each / rows;
    for (int64_t i = 0; i < run->n; i++)
        run->kernels->transpose(rows, columns, (const real *)run->in[0] + i * each, columns,
                                (real *)run->out[0] + i * each, rows);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_reorder = {.name = "Reorder",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_shape,
                             .implementations = implementations};
