/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_lanes.c: fully connected layers for samples in lanes. A row of a group is [k] points. */
#include "base/size.h"
#include "ops/gemm.h"
#include "ops/lanes.h"

static int64_t list_bytes(int64_t n) { return tn_round_up(n * (int64_t)sizeof(int64_t), 64); }

static int64_t *list_points(const tn_run *run, int64_t n) {
    int64_t *offset = run->workspace;
    for (int64_t i = 0; i < n; i++) offset[i] = i * TN_LANES;
    return offset;
}

static int64_t row_length(const tn_value *v) { return v->shape.dims[1]; }

/* ---- Forward --------------------------------------------------------------------------------- */

static bool is_stored(const tn_value *v) {
    return v->kind == TN_VALUE_PARAMETER || v->kind == TN_VALUE_CONSTANT;
}

/* Larger weights are not worth streaming once for every group. */
static const int64_t most_weights = 1 << 17;

/* Weights in panels are left to the register tile, which they fill. */
static bool takes_weight(const tn_value *of_inputs, const tn_value *of_outputs) {
    int64_t k = row_length(of_inputs), o = row_length(of_outputs);
    return k * o < most_weights && !tn_gemm_in_panels(k, o);
}

static bool input_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return takes_weight(node->outputs[0], node->inputs[0]);
}

static bool weight_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return takes_weight(node->inputs[0], node->inputs[1]);
}

/* A small weight, and for C nothing or a bias. */
static bool forward_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const tn_gemm_attrs *a = node->attrs;
    const tn_value *c = node->n_inputs > 2 ? node->inputs[2] : NULL;
    if (!node->inputs[0]->shape.batched || !is_stored(node->inputs[1])) return false;
    if (!takes_weight(node->inputs[0], node->outputs[0])) return false;
    if (a->alpha != 1 || a->beta != 1 || a->trans_a) return false;
    return !c ||
           (!c->shape.batched && tn_shape_elements(&c->shape) == row_length(node->outputs[0]));
}

static int64_t forward_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return list_bytes(row_length(node->inputs[0]));
}

static void run_forward(const tn_run *run) {
    int64_t k = row_length(run->node->inputs[0]), o = row_length(run->node->outputs[0]);
    const tn_lanes_product product = {.rows = 1,
                                      .columns = tn_run_groups(run),
                                      .x_column = k * TN_LANES,
                                      .y_column = o * TN_LANES,
                                      .outputs = o,
                                      .y_output = TN_LANES,
                                      .depth = k,
                                      .w_step = o,
                                      .w_output = 1,
                                      .offset = list_points(run, k),
                                      .x = run->in[0],
                                      .w = run->in[1],
                                      .bias = run->in[2],
                                      .y = run->out[0],
                                      .relu = tn_lanes_relu(run->node)};
    run->kernels->lanes_product(&product);
    tn_lanes_end(run);
}

static int64_t forward_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, row_length(node->outputs[0]));
}

const tn_implementation tn_gemm_lanes = {.name = "lanes",
                                         .cost = {.efficiency = 0.5f},
                                         .stored = TN_STORED_IN_LANES,
                                         .applies = forward_applies,
                                         .workspace_bytes = forward_workspace,
                                         .tile_macs = forward_tile_macs,
                                         .run = run_forward};

/* ---- Input gradient -------------------------------------------------------------------------- */

static void run_input(const tn_run *run) {
    int64_t o = row_length(run->node->inputs[0]), k = row_length(run->node->outputs[0]);
    const tn_lanes_product product = {.rows = 1,
                                      .columns = tn_run_groups(run),
                                      .x_column = o * TN_LANES,
                                      .y_column = k * TN_LANES,
                                      .outputs = k,
                                      .y_output = TN_LANES,
                                      .depth = o,
                                      .w_step = 1,
                                      .w_output = o,
                                      .offset = list_points(run, o),
                                      .x = run->in[0],
                                      .w = run->in[1],
                                      .y = run->out[0]};
    run->kernels->lanes_product(&product);
}

const tn_implementation tn_gemm_grad_input_lanes = {.name = "lanes",
                                                    .cost = {.efficiency = 0.6f},
                                                    .stored = TN_STORED_IN_LANES,
                                                    .applies = input_applies,
                                                    .workspace_bytes = forward_workspace,
                                                    .tile_macs = forward_tile_macs,
                                                    .run = run_input};

/* ---- Weight gradient ------------------------------------------------------------------------- */

static void run_weight(const tn_run *run) {
    int64_t k = row_length(run->node->inputs[0]), o = row_length(run->node->inputs[1]);
    for (int64_t group = 0; group < tn_run_groups(run); group++)
        run->kernels->lanes_outer(k, o, tn_run_lanes(run, group),
                                  (const real *)run->in[0] + group * k * TN_LANES,
                                  (const real *)run->in[1] + group * o * TN_LANES, run->out[0]);
}

static int64_t weight_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, row_length(node->inputs[1]));
}

const tn_implementation tn_gemm_grad_weight_lanes = {.name = "lanes",
                                                     .cost = {.efficiency = 0.35f},
                                                     .stored = TN_STORED_IN_LANES,
                                                     .applies = weight_applies,
                                                     .tile_macs = weight_tile_macs,
                                                     .run = run_weight};
