/* SPDX-License-Identifier: Apache-2.0 */
/* load_pixels.c: uint8 images [n][h][w][c] -> real [n][c][h][w] in 0..1, or normalised: these times
 * scale [c] plus offset [c], inputs that a pass adds. An operator of the engine's own; pixels are
 * stored channels last already, so this is a conversion in place order. */
#include "ops/elementwise.h"
#include "ops/lanes.h"
#include "ops/ops.h"

static const real unit = (real)(1.0 / 255);

enum { SCALE = 1, OFFSET = 2 };

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape;
    if (x->rank != 4 || node->inputs[0]->dtype != TN_UINT8)
        return tn_fail(error, TN_ERR_MISMATCH, "images must be uint8 [n][height][width][channels]");
    if (node->n_inputs == OFFSET)
        return tn_fail(error, TN_ERR_MISMATCH, "scale and offset of pixels go together");
    for (int i = SCALE; i < node->n_inputs; i++) {
        const tn_value *v = node->inputs[i];
        if (!v || v->kind != TN_VALUE_CONSTANT || v->dtype != TN_FLOAT32 || v->shape.rank != 1 ||
            v->shape.dims[0] != x->dims[3])
            return tn_fail(error, TN_ERR_MISMATCH,
                           "scale and offset of pixels must be constants of the channels");
    }
    node->outputs[0]->shape = (tn_shape){
        .rank = 4, .batched = x->batched, .dims = {x->dims[0], x->dims[3], x->dims[1], x->dims[2]}};
    return TN_OK;
}

static int64_t channels_of(const tn_node *node) { return node->inputs[0]->shape.dims[3]; }

/* Packed are n scales, then n offsets: those of the channels, again and again. */
static void pack_numbers(const tn_run *run, int64_t n, real *packed) {
    int64_t channels = channels_of(run->node);
    const real *scale = run->in[SCALE], *offset = run->in[OFFSET];
    for (int64_t i = 0; i < n; i++) {
        packed[i] = scale ? scale[i % channels] : 1;
        packed[n + i] = offset ? offset[i % channels] : 0;
    }
}

static int64_t period_of(const tn_node *node) { return TN_LOAD_PERIOD * channels_of(node); }

static int64_t packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return 2 * period_of(node) * (int64_t)sizeof(real);
}

static void pack(const tn_run *run, void *packed) {
    pack_numbers(run, period_of(run->node), packed);
}

static void run_any(const tn_run *run) {
    int64_t period = period_of(run->node);
    const real *scale = run->packed;
    run->kernels->load_u8(tn_run_elements(run), run->in[0], unit, period, scale, scale + period,
                          run->out[0]);
}

static const tn_implementation any = {.name = "any",
                                      .packed_bytes = packed_bytes,
                                      .pack = pack,
                                      .rows_in = tn_rows_same,
                                      .run = run_any};

static int64_t packed_bytes_lanes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return 2 * channels_of(node) * (int64_t)sizeof(real);
}

static void pack_lanes(const tn_run *run, void *packed) {
    pack_numbers(run, channels_of(run->node), packed);
}

static void run_lanes(const tn_run *run) {
    const int64_t *y = run->node->outputs[0]->shape.dims;
    int64_t points = y[2] * y[3], each = y[1] * points;
    const real *scale = run->packed;
    for (int64_t group = 0; group < tn_run_groups(run); group++)
        run->kernels->lanes_load_u8(y[1], points, tn_run_lanes(run, group),
                                    (const uint8_t *)run->in[0] + group * TN_LANES * each, each,
                                    unit, scale, scale + y[1],
                                    (real *)run->out[0] + group * TN_LANES * each);
}

static const tn_implementation lanes = {.name = "lanes",
                                        .stored = TN_STORED_IN_LANES,
                                        .cost = {.per_element = 15},
                                        .packed_bytes = packed_bytes_lanes,
                                        .pack = pack_lanes,
                                        .run = run_lanes};
static const tn_implementation *const implementations[] = {&any, &lanes, NULL};

const tn_op tn_op_load_pixels = {.name = "LoadPixels",
                                 .min_inputs = 1,
                                 .max_inputs = 3,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_PIXELS,
                                 .infer_shape = infer_shape,
                                 .implementations = implementations};
