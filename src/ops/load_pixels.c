/* SPDX-License-Identifier: Apache-2.0 */
/* load_pixels.c: uint8 images [n][h][w][c] -> real [n][c][h][w] in 0..1. An operator of the
 * engine's own; pixels are stored channels last already, so this is a conversion in place order. */
#include "ops/elementwise.h"
#include "ops/lanes.h"
#include "ops/ops.h"

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape;
    if (x->rank != 4 || node->inputs[0]->dtype != TN_UINT8)
        return tn_fail(error, TN_ERR_MISMATCH, "images must be uint8 [n][height][width][channels]");
    node->outputs[0]->shape = (tn_shape){
        .rank = 4, .batched = x->batched, .dims = {x->dims[0], x->dims[3], x->dims[1], x->dims[2]}};
    return TN_OK;
}

static void run_any(const tn_run *run) {
    run->kernels->load_u8(tn_run_elements(run), run->in[0], (real)(1.0 / 255), run->out[0]);
}

static const tn_implementation any = {.name = "any", .run = run_any};

static void run_lanes(const tn_run *run) {
    const int64_t *y = run->node->outputs[0]->shape.dims;
    int64_t points = y[2] * y[3], each = y[1] * points;
    for (int64_t group = 0; group < tn_run_groups(run); group++)
        run->kernels->lanes_load_u8(y[1], points, tn_run_lanes(run, group),
                                    (const uint8_t *)run->in[0] + group * TN_LANES * each, each,
                                    (real)(1.0 / 255),
                                    (real *)run->out[0] + group * TN_LANES * each);
}

static const tn_implementation lanes = {
    .name = "lanes", .stored = TN_STORED_IN_LANES, .run = run_lanes};
static const tn_implementation *const implementations[] = {&any, &lanes, NULL};

const tn_op tn_op_load_pixels = {.name = "LoadPixels",
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_PIXELS,
                                 .infer_shape = infer_shape,
                                 .implementations = implementations};
