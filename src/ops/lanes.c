/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/lanes.h"

#include "base/size.h"
#include "graph/images.h"

int64_t tn_run_groups(const tn_run *run) { return (run->n + TN_LANES - 1) / TN_LANES; }

int tn_run_lanes(const tn_run *run, int64_t group) {
    return (int)tn_min_i64(TN_LANES, run->n - group * TN_LANES);
}

bool tn_lanes_relu(const tn_node *node) { return tn_is_relu(&node->activation) && node->more == 0; }

void tn_lanes_end(const tn_run *run) {
    const tn_node *node = run->node;
    bool nothing = node->activation.kind == TN_ACTIVATION_NONE && node->more == 0;
    if (nothing || tn_lanes_relu(node)) return;
    int64_t each = tn_shape_sample_elements(&node->outputs[0]->shape);
    run->kernels->activate(&node->activation, tn_run_groups(run) * each * TN_LANES, run->out[0],
                           tn_run_more(run), run->out[0]);
}

tn_steps tn_steps_inside(int64_t at, int64_t stride, int64_t size, int64_t steps) {
    int64_t begin = at < 0 ? (-at + stride - 1) / stride : 0;
    int64_t end = at < size ? (size - at + stride - 1) / stride : 0;
    return (tn_steps){begin, tn_min_i64(end, steps)};
}

int64_t tn_tile_macs(const tn_node *node, int64_t columns) {
    return columns > 0 ? node->op->macs(node) / columns * tn_round_up(columns, 16) : 0;
}
