/* SPDX-License-Identifier: Apache-2.0 */
/* dropout.c: while training, each element is 0 with probability `ratio` and else divided by 1 -
 * ratio; otherwise y = x. ONNX Dropout. The mask is drawn from Philox keyed by seed, layer, step,
 * sample and element, so the backward pass draws it again instead of keeping it. */
#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "ops/elementwise.h"
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

static void run_any(const tn_run *run) {
    const tn_dropout_attrs *a = run->node->attrs;
    const tn_step *step = run->step;
    int64_t elements = tn_run_elements(run);
    if (!step->training || a->ratio == 0) {
        if (run->in[0] != run->out[0])
            memcpy(run->out[0], run->in[0], (size_t)elements * sizeof(real));
        return;
    }
    bool batched = run->node->inputs[0]->shape.batched;
    int64_t samples = batched ? run->n : 1, each = elements / samples;
    const uint32_t key[2] = {(uint32_t)step->seed, (uint32_t)(step->seed >> 32)};
    uint32_t threshold = (uint32_t)lrint(a->ratio * 65536);
    real scale = (real)(1 / (1 - threshold / 65536.0));
    for (int64_t i = 0; i < samples; i++) {
        /* Word 0 counts elements; the purpose keeps the streams of shuffling and weights apart. */
        const uint32_t counter[4] = {0, (uint32_t)(step->place + run->first + i),
                                     (uint32_t)step->number,
                                     (uint32_t)a->layer << 8 | TN_PURPOSE_DROPOUT};
        run->kernels->dropout(each, key, counter, 0, threshold, scale,
                              (const real *)run->in[0] + i * each, (real *)run->out[0] + i * each);
    }
}

static const tn_implementation any = {.name = "any", .cost = {.per_element = 20}, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

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
