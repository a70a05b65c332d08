/* SPDX-License-Identifier: Apache-2.0 */
/* is_nan.c: whether numbers are none, or infinite. ONNX IsNaN, IsInf. */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/ops.h"

typedef struct is_inf_attrs {
    int64_t detect_negative, detect_positive;
} is_inf_attrs;

static const tn_attr attrs[] = {
    {"detect_negative", TN_ATTR_INT, offsetof(is_inf_attrs, detect_negative), false, 1, NULL},
    {"detect_positive", TN_ATTR_INT, offsetof(is_inf_attrs, detect_positive), false, 1, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    TN_TRY(tn_infer_same(graph, node, error));
    node->outputs[0]->dtype = TN_BOOL;
    return TN_OK;
}

static void run_is_nan(const tn_run *run) {
    const real *x = run->in[0];
    uint8_t *y = run->out[0];
    int64_t n = tn_run_elements(run);
    for (int64_t i = 0; i < n; i++) y[i] = isnan(x[i]) != 0;
}

static void run_is_inf(const tn_run *run) {
    const is_inf_attrs *a = run->node->attrs;
    const real *x = run->in[0];
    uint8_t *y = run->out[0];
    int64_t n = tn_run_elements(run);
    for (int64_t i = 0; i < n; i++)
        y[i] =
            (a->detect_positive && x[i] == INFINITY) || (a->detect_negative && x[i] == -INFINITY);
}

static const tn_implementation is_nan = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_is_nan};
static const tn_implementation *const is_nan_implementations[] = {&is_nan, NULL};
static const tn_implementation is_inf = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_is_inf};
static const tn_implementation *const is_inf_implementations[] = {&is_inf, NULL};

const tn_op tn_op_is_nan = {.name = "IsNaN",
                            .onnx_type = "IsNaN",
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_ANY,
                            .infer_shape = infer_shape,
                            .implementations = is_nan_implementations};
const tn_op tn_op_is_inf = {.name = "IsInf",
                            .onnx_type = "IsInf",
                            .attrs = attrs,
                            .attrs_bytes = sizeof(is_inf_attrs),
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_ANY,
                            .infer_shape = infer_shape,
                            .implementations = is_inf_implementations};
