/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/upgrade.h"

#include <limits.h>
#include <string.h>

#include "ops/ops.h"

/* Each dropout of a model draws random numbers of its own. */
static tn_status number_dropout(const tn_upgrade_node *node, tn_error *error) {
    (void)error;
    ((tn_dropout_attrs *)node->attrs)->layer = node->n_same_before;
    return TN_OK;
}

static tn_status refuse_negative_axis(const tn_upgrade_node *node, tn_error *error) {
    const tn_axis_attrs *a = node->attrs;
    if (a->axis >= 0) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "axis %lld is negative, which opset 11 introduced",
                   (long long)a->axis);
}

static tn_status refuse_negative_axes(const tn_upgrade_node *node, tn_error *error) {
    const tn_ints *axes = &((const tn_axes_attrs *)node->attrs)->axes;
    for (int i = 0; i < axes->n; i++)
        if (axes->v[i] < 0)
            return tn_fail(error, TN_ERR_FORMAT, "axis %lld is negative, which opset 11 introduced",
                           (long long)axes->v[i]);
    return TN_OK;
}

/* Until opset 13 all axes from `axis` on were taken together: the same as now for the last alone.
 */
static tn_status demand_last_axis(const tn_upgrade_node *node, tn_error *error) {
    tn_axis_attrs *a = node->attrs;
    if (node->n_inputs < 1 || !node->inputs[0]) return TN_OK; /* reported by the operator */
    int rank = node->inputs[0]->shape.rank;
    if (a->axis != -1 && a->axis != rank - 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "axis %lld of %d dimensions (before opset 13 only the last is supported)",
                       (long long)a->axis, rank);
    return TN_OK;
}

static tn_status refuse_early_hard_swish(const tn_upgrade_node *node, tn_error *error) {
    (void)node;
    return tn_fail(error, TN_ERR_FORMAT, "operator not known before opset 14");
}

/* Until opset 18 equal parts are as many as the node has outputs. */
static tn_status count_outputs(const tn_upgrade_node *node, tn_error *error) {
    (void)error;
    tn_split_attrs *a = node->attrs;
    if (a->num_outputs == 0) a->num_outputs = node->n_outputs;
    return TN_OK;
}

static tn_status note_indices(const tn_upgrade_node *node, tn_error *error) {
    (void)error;
    ((tn_pool_attrs *)node->attrs)->indices = node->n_used > 1;
    return TN_OK;
}

/* Opset 10 had one way of resizing, and Upsample none other before it. */
static tn_status resize_as_upsample(const tn_upgrade_node *node, tn_error *error) {
    (void)error;
    tn_resize_attrs *a = node->attrs;
    strcpy(a->coordinate_mode, "asymmetric");
    strcpy(a->nearest_mode, "floor");
    return TN_OK;
}

static const tn_upgrade upgrades[] = {
    {.onnx_type = "Clip",
     .first_opset = 11,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"min", "max"},
     .ours = {"min", "max"}},
    {.onnx_type = "Concat", .first_opset = 7, .last_opset = 10, .import = refuse_negative_axis},
    {.onnx_type = "CumSum",
     .first_opset = 11,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axis"},
     .ours = {"axis"}},
    {.onnx_type = "Dropout",
     .first_opset = 7,
     .last_opset = 11,
     .ours = {"layer"},
     .default_name = "ratio",
     .default_number = 0.5,
     .import = number_dropout},
    /* Training_mode is dropped: whether dropout drops is decided by who runs the model. */
    {.onnx_type = "Dropout",
     .first_opset = 12,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"ratio", ""},
     .ours = {"ratio", "layer"},
     .ignored = {"seed"},
     .default_name = "ratio",
     .default_number = 0.5,
     .import = number_dropout},
    {.onnx_type = "Expand",
     .first_opset = 8,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"shape"},
     .ours = {"shape"}},
    {.onnx_type = "Flatten", .first_opset = 7, .last_opset = 10, .import = refuse_negative_axis},
    {.onnx_type = "HardSwish",
     .first_opset = 7,
     .last_opset = 13,
     .import = refuse_early_hard_swish},
    {.onnx_type = "Hardmax",
     .first_opset = 7,
     .last_opset = 12,
     .default_name = "axis",
     .default_number = 1,
     .import = demand_last_axis},
    {.onnx_type = "LogSoftmax",
     .first_opset = 7,
     .last_opset = 12,
     .default_name = "axis",
     .default_number = 1,
     .import = demand_last_axis},
    {.onnx_type = "MaxPool", .first_opset = 8, .last_opset = INT_MAX, .import = note_indices},
    {.onnx_type = "Pad", .first_opset = 2, .last_opset = 10, .ours = {"axes"}},
    {.onnx_type = "Pad",
     .first_opset = 11,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"pads", "value", "axes"},
     .ours = {"pads", "value", "axes"}},
    {.onnx_type = "ReduceL1", .first_opset = 1, .last_opset = 17, .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceL1",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceL2", .first_opset = 1, .last_opset = 17, .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceL2",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceLogSum",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceLogSum",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceLogSumExp",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceLogSumExp",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceMax",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceMax",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceMean",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceMean",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceMin",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceMin",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceProd",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceProd",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceSum",
     .first_opset = 1,
     .last_opset = 12,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceSum",
     .first_opset = 13,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "ReduceSumSquare",
     .first_opset = 1,
     .last_opset = 17,
     .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "ReduceSumSquare",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "Reshape",
     .first_opset = 7,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"shape"},
     .ours = {"shape"}},
    {.onnx_type = "Resize",
     .first_opset = 10,
     .last_opset = 10,
     .n_inputs = 1,
     .input_attrs = {"scales"},
     .ours = {"scales", "antialias", "axes", "keep_aspect_ratio_policy"},
     .import = resize_as_upsample},
    {.onnx_type = "Resize",
     .first_opset = 11,
     .last_opset = 17,
     .n_inputs = 1,
     .input_attrs = {"roi", "scales", "sizes"},
     .ours = {"roi", "scales", "sizes", "antialias"}},
    {.onnx_type = "Resize",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"roi", "scales", "sizes"},
     .ours = {"roi", "scales", "sizes"}},
    {.onnx_type = "Slice",
     .first_opset = 10,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"starts", "ends", "axes", "steps"},
     .ours = {"starts", "ends", "axes", "steps"}},
    {.onnx_type = "Softmax",
     .first_opset = 7,
     .last_opset = 12,
     .default_name = "axis",
     .default_number = 1,
     .import = demand_last_axis},
    {.onnx_type = "Split",
     .first_opset = 1,
     .last_opset = 12,
     .ours = {"num_outputs"},
     .import = count_outputs},
    {.onnx_type = "Split",
     .first_opset = 13,
     .last_opset = 17,
     .n_inputs = 1,
     .input_attrs = {"split"},
     .ours = {"split", "num_outputs"},
     .import = count_outputs},
    {.onnx_type = "Split",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"split"},
     .ours = {"split"},
     .import = count_outputs},
    {.onnx_type = "Squeeze", .first_opset = 7, .last_opset = 10, .import = refuse_negative_axes},
    {.onnx_type = "Squeeze",
     .first_opset = 13,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "Tile",
     .first_opset = 6,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"repeats"},
     .ours = {"repeats"}},
    {.onnx_type = "Trilu",
     .first_opset = 14,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"k"},
     .ours = {"k"}},
    {.onnx_type = "Unsqueeze", .first_opset = 7, .last_opset = 10, .import = refuse_negative_axes},
    {.onnx_type = "Unsqueeze",
     .first_opset = 13,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
};

const tn_upgrade *tn_upgrade_find(const char *onnx_type, int opset) {
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++)
        if (strcmp(upgrades[i].onnx_type, onnx_type) == 0 && upgrades[i].first_opset <= opset &&
            opset <= upgrades[i].last_opset)
            return &upgrades[i];
    return NULL;
}

size_t tn_upgrade_value_inputs(const tn_upgrade *upgrade, size_t n_inputs) {
    if (!upgrade || upgrade->n_inputs == 0 || n_inputs < (size_t)upgrade->n_inputs) return n_inputs;
    return (size_t)upgrade->n_inputs;
}

static bool listed(const char *const names[TN_UPGRADE_NAMES], const char *name) {
    for (int i = 0; i < TN_UPGRADE_NAMES && names[i]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

bool tn_upgrade_in_file(const tn_upgrade *upgrade, const char *attr) {
    return !upgrade || !listed(upgrade->ours, attr);
}

bool tn_upgrade_ignores(const tn_upgrade *upgrade, const char *attr) {
    return upgrade && listed(upgrade->ignored, attr);
}
