/* SPDX-License-Identifier: Apache-2.0 */
/* dropout.c: while training, each element is 0 with probability `ratio` and else divided by 1 -
 * ratio; otherwise y = x. ONNX Dropout. The mask is drawn from Philox keyed by seed, layer, step,
 * sample and element, so the backward pass draws it again instead of keeping it. */
#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "base/size.h"
#include "ops/elementwise.h"
#include "ops/lanes.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"ratio", TN_ATTR_FLOAT, offsetof(tn_dropout_attrs, ratio), false, 0.5, NULL},
    {"layer", TN_ATTR_INT, offsetof(tn_dropout_attrs, layer), false, 0, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_dropout_attrs *a = node->attrs;
    if (!(a->ratio >= 0 && a->ratio < 1))
        return tn_fail(error, TN_ERR_FORMAT, "ratio is %g (must be at least 0 and below 1)",
                       a->ratio);
    return tn_infer_same(graph, node, error);
}

/* dx = dy under the same mask. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &tn_op_dropout, node->attrs, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

/* What the kernels draw with. */
typedef struct drawing {
    uint32_t key[2], counter[4], threshold;
    real scale;
} drawing;

/* For samples from number `first` of the run on. */
static drawing drawing_of(const tn_run *run, int64_t first) {
    const tn_dropout_attrs *a = run->node->attrs;
    const tn_step *step = run->step;
    uint32_t threshold = (uint32_t)lrint(a->ratio * 65536);
    /* Word 0 counts elements; the purpose keeps the streams of shuffling and weights apart. */
    return (drawing){.key = {(uint32_t)step->seed, (uint32_t)(step->seed >> 32)},
                     .counter = {0, (uint32_t)(step->place + run->first + first),
                                 (uint32_t)step->number,
                                 (uint32_t)a->layer << 8 | TN_PURPOSE_DROPOUT},
                     .threshold = threshold,
                     .scale = (real)(1 / (1 - threshold / 65536.0))};
}

/* Copies where nothing is to be dropped. */
static bool drops(const tn_run *run) {
    const tn_dropout_attrs *a = run->node->attrs;
    if (run->step->training && a->ratio > 0) return true;
    if (run->in[0] != run->out[0])
        memcpy(run->out[0], run->in[0], (size_t)tn_run_elements(run) * sizeof(real));
    return false;
}

static void run_any(const tn_run *run) {
    bool batched = run->node->inputs[0]->shape.batched;
    int64_t samples = batched ? run->n : 1, each = tn_run_elements(run) / tn_max_i64(samples, 1);
    int64_t rows = run->rows.end - run->rows.begin;
    int64_t before = rows > 0 ? each / rows * run->rows.begin : 0;
    if (!drops(run)) return;
    for (int64_t i = 0; i < samples; i++) {
        const drawing d = drawing_of(run, i);
        run->kernels->dropout(each, d.key, d.counter, before, d.threshold, d.scale,
                              (const real *)run->in[0] + i * each, (real *)run->out[0] + i * each);
    }
}

static const tn_implementation any = {
    .name = "any", .cost = {.per_element = 20}, .rows_in = tn_rows_same, .run = run_any};

/* The numbers of an image are drawn channels last, as if it were stored so. */
static void run_lanes(const tn_run *run) {
    const tn_shape *x = &run->node->inputs[0]->shape;
    int64_t each = tn_shape_sample_elements(x);
    int64_t channels = x->rank == 4 ? tn_max_i64(1, x->dims[1]) : 1;
    if (!drops(run)) return;
    for (int64_t group = 0; group < tn_run_groups(run); group++) {
        const drawing d = drawing_of(run, group * TN_LANES);
        int64_t at = group * each * TN_LANES;
        run->kernels->lanes_dropout(channels, each / channels, d.key, d.counter, d.threshold,
                                    d.scale, (const real *)run->in[0] + at,
                                    (real *)run->out[0] + at);
    }
}

static const tn_implementation lanes = {
    .name = "lanes", .stored = TN_STORED_IN_LANES, .cost = {.per_element = 25}, .run = run_lanes};
static const tn_implementation *const implementations[] = {&any, &lanes, NULL};

const tn_op tn_op_dropout = {.name = "Dropout",
                             .onnx_type = "Dropout",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(tn_dropout_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_IMAGE, /* not any: both passes must agree */
                             .in_place = true,
                             .infer_shape = infer_shape,
                             .differentiate = differentiate,
                             .implementations = implementations};
