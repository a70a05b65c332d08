/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/upgrade.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "onnx/attributes.h"
#include "onnx/importer.h"
#include "onnx/tensor.h"
#include "onnx/wire.h"
#include "ops/ops.h"

/* ---- Attributes of old ---------------------------------------------------------------------- */

/* An attribute of the file's node that our operator has not. */
static int64_t file_int(const tn_upgrade_node *node, const char *name, int64_t otherwise) {
    for (size_t i = 0; i < node->file->n_attribute; i++) {
        const TnOnnx__AttributeProto *a = node->file->attribute[i];
        if (strcmp(a->name, name) == 0 && a->type == TN_ONNX_ATTR_INT) return a->i;
    }
    return otherwise;
}

/* Appends a node of one input and output. */
static tn_status append(const tn_upgrade_node *node, const tn_op *op, const void *attrs,
                        tn_value *x, tn_value **y) {
    tn_node *added;
    TN_TRY(tn_import_append(node->importer, op, NULL, attrs, &x, 1, &added));
    *y = added->outputs[0];
    return TN_OK;
}

/* ---- What the table cannot say -------------------------------------------------------------- */

/* Without training a mask is true everywhere: each element is a number, or is none. */
static tn_status add_mask(tn_upgrade_node *node) {
    tn_value *terms[2];
    tn_node *added;
    TN_TRY(append(node, node->op, node->attrs, node->inputs[0], &node->instead[0]));
    TN_TRY(append(node, &tn_op_is_nan, NULL, node->inputs[0], &terms[0]));
    TN_TRY(append(node, &tn_op_not, NULL, terms[0], &terms[1]));
    TN_TRY(tn_import_append(node->importer, &tn_op_or, NULL, NULL, terms, 2, &added));
    node->instead[1] = added->outputs[0];
    node->n_instead = 2;
    return TN_OK;
}

/* Each dropout of a model draws random numbers of its own. */
static tn_status import_dropout(tn_upgrade_node *node, tn_error *error) {
    (void)error;
    ((tn_dropout_attrs *)node->attrs)->layer = node->importer->n_dropouts++;
    return node->n_outputs > 1 && node->n_inputs > 0 ? add_mask(node) : TN_OK;
}

static tn_status refuse_negative_axis(tn_upgrade_node *node, tn_error *error) {
    const tn_axis_attrs *a = node->attrs;
    if (a->axis >= 0) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "axis %lld is negative, which opset 11 introduced",
                   (long long)a->axis);
}

static tn_status refuse_negative_axes(tn_upgrade_node *node, tn_error *error) {
    const tn_ints *axes = &((const tn_axes_attrs *)node->attrs)->axes;
    for (int i = 0; i < axes->n; i++)
        if (axes->v[i] < 0)
            return tn_fail(error, TN_ERR_FORMAT, "axis %lld is negative, which opset 11 introduced",
                           (long long)axes->v[i]);
    return TN_OK;
}

/* Until opset 13 all axes from `axis` on were taken together: those are flattened, unless there is
 * but one. */
static tn_status take_axes_together(tn_upgrade_node *node, tn_error *error) {
    tn_axis_attrs *a = node->attrs;
    tn_value *x = node->n_inputs > 0 ? node->inputs[0] : NULL;
    if (!x) return TN_OK; /* reported by the operator */
    int rank = x->shape.rank;
    if (a->axis < -rank || a->axis >= rank)
        return tn_fail(error, TN_ERR_FORMAT, "axis %lld of %d dimensions", (long long)a->axis,
                       rank);
    tn_axis_attrs flat = {.axis = a->axis < 0 ? a->axis + rank : a->axis};
    tn_reshape_attrs back = {.shape.n = rank};
    if (flat.axis == rank - 1) return TN_OK;
    memcpy(back.shape.v, x->shape.dims, (size_t)rank * sizeof *back.shape.v);
    a->axis = -1;
    TN_TRY(append(node, &tn_op_flatten, &flat, x, &x));
    TN_TRY(append(node, node->op, a, x, &x));
    node->n_instead = 1;
    return append(node, &tn_op_reshape, &back, x, &node->instead[0]);
}

/* Until opset 7 the dimensions of the second input met those of the first from `axis` on, and not
 * the last ones; a list of slopes meant channels. */
static tn_status align_at_axis(tn_upgrade_node *node, tn_error *error) {
    if (node->n_inputs < 2 || !node->inputs[0] || !node->inputs[1]) return TN_OK;
    int rank = node->inputs[0]->shape.rank, own = node->inputs[1]->shape.rank;
    bool slope = node->op == &tn_op_prelu && own == 1 && rank > 1;
    int64_t axis = file_int(node, "axis", slope ? 1 : rank - own);
    tn_axes_attrs ones = {0};
    if (axis < 0) axis += rank;
    if (axis < 0 || axis + own > rank)
        return tn_fail(error, TN_ERR_FORMAT, "axis %lld for %d of %d dimensions", (long long)axis,
                       own, rank);
    for (int64_t i = own; i < rank - axis; i++) ones.axes.v[ones.axes.n++] = i;
    if (ones.axes.n == 0) return TN_OK;
    return append(node, &tn_op_unsqueeze, &ones, node->inputs[1], &node->inputs[1]);
}

/* Of the second input only the type counts, so that a constant stays one. */
static tn_status cast_to_type(tn_upgrade_node *node, tn_error *error) {
    (void)error;
    if (node->n_inputs < 2 || !node->inputs[0] || !node->inputs[1]) return TN_OK;
    tn_cast_attrs attrs = {.to = tn_wire_data_type(node->inputs[1]->dtype)};
    node->n_instead = 1;
    return append(node, &tn_op_cast, &attrs, node->inputs[0], &node->instead[0]);
}

static tn_status refuse_single_statistics(tn_upgrade_node *node, tn_error *error) {
    if (file_int(node, "spatial", 1) != 0) return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "spatial is 0: statistics for each pixel are not supported");
}

/* What Upsample was, and Resize at first, is one of the ways of today. */
static tn_status resize_from_the_corner(tn_upgrade_node *node, tn_error *error) {
    (void)error;
    tn_resize_attrs *a = node->attrs;
    strcpy(a->coordinate_mode, "asymmetric");
    strcpy(a->nearest_mode, "floor");
    if (strcmp(a->mode, "bilinear") == 0) strcpy(a->mode, "linear");
    return TN_OK;
}

/* Until opset 18 equal parts are as many as the node has outputs. */
static tn_status count_outputs(tn_upgrade_node *node, tn_error *error) {
    (void)error;
    tn_split_attrs *a = node->attrs;
    if (a->num_outputs == 0) a->num_outputs = (int64_t)node->file->n_output;
    return TN_OK;
}

/* The number that a tensor is made of, 0 if the file says none. */
static tn_status read_number(tn_upgrade_node *node, tn_error *error) {
    tn_constant_of_shape_attrs *a = node->attrs;
    for (size_t i = 0; i < node->file->n_attribute; i++) {
        const TnOnnx__AttributeProto *attr = node->file->attribute[i];
        tn_onnx_tensor tensor;
        if (strcmp(attr->name, "value") != 0) continue;
        if (!attr->t) return tn_fail(error, TN_ERR_FORMAT, "value is no tensor");
        TN_TRY(tn_onnx_tensor_describe(attr->t, NULL, &tensor, error));
        if (tn_shape_elements(&tensor.shape) != 1)
            return tn_fail(error, TN_ERR_FORMAT, "value must be one number");
        a->dtype = tensor.dtype;
        return tn_onnx_tensor_read(attr->t, NULL, &tensor, a->element, error);
    }
    return TN_OK; /* float32 0 */
}

static tn_status note_indices(tn_upgrade_node *node, tn_error *error) {
    (void)error;
    ((tn_pool_attrs *)node->attrs)->indices = node->n_outputs > 1;
    return TN_OK;
}

static tn_status refuse_early_hard_swish(tn_upgrade_node *node, tn_error *error) {
    (void)node;
    return tn_fail(error, TN_ERR_FORMAT, "operator not known before opset 14");
}

/* ---- The table ------------------------------------------------------------------------------ */

/* Of rows for one operator, the first that holds counts. */
static const tn_upgrade upgrades[] = {
    {.onnx_type = "Add",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "And",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Div",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Equal",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Greater",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Less",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Mul",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Or",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Pow",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "PRelu",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Sub",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "Xor",
     .first_opset = 1,
     .last_opset = 6,
     .ignored = {"axis", "broadcast"},
     .import = align_at_axis},
    {.onnx_type = "BatchNormalization",
     .first_opset = 1,
     .last_opset = 8,
     .ignored = {"is_test", "spatial"},
     .import = refuse_single_statistics},
    {.onnx_type = "Cast", .first_opset = 19, .last_opset = INT_MAX, .ignored = {"saturate"}},
    {.onnx_type = "CastLike",
     .first_opset = 15,
     .last_opset = INT_MAX,
     .ignored = {"saturate"},
     .import = cast_to_type},
    {.onnx_type = "Clip",
     .first_opset = 11,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"min", "max"},
     .ours = {"min", "max"}},
    {.onnx_type = "Concat", .first_opset = 1, .last_opset = 10, .import = refuse_negative_axis},
    {.onnx_type = "ConstantOfShape",
     .first_opset = 9,
     .last_opset = INT_MAX,
     .n_inputs = 0,
     .input_attrs = {"shape"},
     .ours = {"shape"},
     .ignored = {"value"},
     .import = read_number},
    {.onnx_type = "CumSum",
     .first_opset = 11,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axis"},
     .ours = {"axis"}},
    {.onnx_type = "Dropout",
     .first_opset = 1,
     .last_opset = 11,
     .ours = {"layer"},
     .ignored = {"is_test"},
     .default_name = "ratio",
     .default_number = 0.5,
     .import = import_dropout},
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
     .import = import_dropout},
    {.onnx_type = "Expand",
     .first_opset = 8,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"shape"},
     .batch_attr = "shape",
     .ours = {"shape"}},
    {.onnx_type = "Flatten", .first_opset = 1, .last_opset = 10, .import = refuse_negative_axis},
    {.onnx_type = "Gemm", .first_opset = 1, .last_opset = 6, .ignored = {"broadcast"}},
    {.onnx_type = "HardSwish",
     .first_opset = 1,
     .last_opset = 13,
     .import = refuse_early_hard_swish},
    {.onnx_type = "Hardmax",
     .first_opset = 1,
     .last_opset = 12,
     .default_name = "axis",
     .default_number = 1,
     .import = take_axes_together},
    {.onnx_type = "LogSoftmax",
     .first_opset = 1,
     .last_opset = 12,
     .default_name = "axis",
     .default_number = 1,
     .import = take_axes_together},
    {.onnx_type = "MaxPool", .first_opset = 8, .last_opset = INT_MAX, .import = note_indices},
    {.onnx_type = "Pad", .first_opset = 1, .last_opset = 10, .ours = {"axes"}},
    {.onnx_type = "Pad",
     .first_opset = 11,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"pads", "value", "axes"},
     .ours = {"pads", "value", "axes"}},
    {.onnx_type = "ReduceSum",
     .first_opset = 13,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "Reduce*", .first_opset = 1, .last_opset = 17, .ours = {"noop_with_empty_axes"}},
    {.onnx_type = "Reduce*",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "Reshape",
     .first_opset = 1,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"shape"},
     .batch_attr = "shape",
     .ours = {"shape"}},
    {.onnx_type = "Resize",
     .first_opset = 10,
     .last_opset = 10,
     .n_inputs = 1,
     .input_attrs = {"scales"},
     .ours = {"scales", "antialias", "axes", "keep_aspect_ratio_policy"},
     .import = resize_from_the_corner},
    {.onnx_type = "Resize",
     .first_opset = 11,
     .last_opset = 17,
     .n_inputs = 1,
     .input_attrs = {"roi", "scales", "sizes"},
     .batch_attr = "sizes",
     .ours = {"roi", "scales", "sizes", "antialias", "axes", "keep_aspect_ratio_policy"}},
    {.onnx_type = "Resize",
     .first_opset = 18,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"roi", "scales", "sizes"},
     .batch_attr = "sizes",
     .ours = {"roi", "scales", "sizes"}},
    {.onnx_type = "Slice",
     .first_opset = 10,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"starts", "ends", "axes", "steps"},
     .ours = {"starts", "ends", "axes", "steps"}},
    {.onnx_type = "Softmax",
     .first_opset = 1,
     .last_opset = 12,
     .default_name = "axis",
     .default_number = 1,
     .import = take_axes_together},
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
    {.onnx_type = "Squeeze", .first_opset = 1, .last_opset = 10, .import = refuse_negative_axes},
    {.onnx_type = "Squeeze",
     .first_opset = 13,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "Tile",
     .first_opset = 1,
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
    {.onnx_type = "Unsqueeze", .first_opset = 1, .last_opset = 10, .import = refuse_negative_axes},
    {.onnx_type = "Unsqueeze",
     .first_opset = 13,
     .last_opset = INT_MAX,
     .n_inputs = 1,
     .input_attrs = {"axes"},
     .ours = {"axes"}},
    {.onnx_type = "Upsample",
     .first_opset = 7,
     .last_opset = 8,
     .op_type = "Resize",
     .import = resize_from_the_corner},
    {.onnx_type = "Upsample",
     .first_opset = 9,
     .last_opset = 9,
     .op_type = "Resize",
     .n_inputs = 1,
     .input_attrs = {"scales"},
     .ours = {"scales"},
     .import = resize_from_the_corner},
};

/* What opset 6 has as opset 1 had it, of the operators there are here. */
static const char *const unchanged[] = {
    "ArgMax",        "ArgMin",       "AveragePool", "Constant",   "Conv",
    "ConvTranspose", "DepthToSpace", "Flatten",     "Gather",     "GlobalAveragePool",
    "GlobalMaxPool", "Identity",     "LRN",         "LogSoftmax", "LpNormalization",
    "MaxPool",       "Not",          "Reduce*",     "Shape",      "Size",
    "Slice",         "Softmax",      "Softplus",    "Softsign",   "SpaceToDepth",
    "Squeeze",       "Transpose",    "Unsqueeze",
};

/* Names that end in a star stand for all that begin so. */
static bool is_type(const char *type, const char *onnx_type) {
    size_t n = strlen(type);
    return type[n - 1] == '*' ? strncmp(type, onnx_type, n - 1) == 0 : strcmp(type, onnx_type) == 0;
}

bool tn_upgrade_knows(const char *onnx_type, int opset) {
    if (opset >= TN_OPSET_OLDEST) return true;
    for (size_t i = 0; i < sizeof unchanged / sizeof *unchanged; i++)
        if (is_type(unchanged[i], onnx_type)) return true;
    return false;
}

const tn_upgrade *tn_upgrade_find(const char *onnx_type, int opset) {
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++)
        if (is_type(upgrades[i].onnx_type, onnx_type) && upgrades[i].first_opset <= opset &&
            opset <= upgrades[i].last_opset)
            return &upgrades[i];
    return NULL;
}

size_t tn_upgrade_value_inputs(const tn_upgrade *upgrade, size_t n_inputs) {
    if (!upgrade || !upgrade->input_attrs[0] || n_inputs < (size_t)upgrade->n_inputs)
        return n_inputs;
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

/* ---- What is newer than the opset that is usually written ------------------------------------ */

static const struct {
    const char *onnx_type, *attr; /* attr: only where it says something else than its default, */
    int64_t usual;                /* or than a list of this number */
    int opset;
} newer[] = {
    {"AveragePool", "dilations", 1, 19},
    {"Gelu", NULL, 0, 20},
    {"Mish", NULL, 0, 18},
    {"Pad", "axes", -1, 18},
    {"Reduce*", "noop_with_empty_axes", 0, 18},
    {"Resize", "antialias", 0, 18},
    {"Resize", "axes", -1, 18},
    {"Resize", "keep_aspect_ratio_policy", 0, 18},
};

static bool says_something(const tn_node *node, const char *name, int64_t usual) {
    const tn_attr *attr = tn_attr_find(node->op, name);
    if (!attr) return false;
    const void *field = (const char *)node->attrs + attr->offset;
    switch (attr->type) {
    case TN_ATTR_INT: return *(const int64_t *)field != (int64_t)attr->number;
    case TN_ATTR_FLOAT: return *(const double *)field != attr->number;
    case TN_ATTR_STRING: return strcmp(field, attr->text ? attr->text : "") != 0;
    case TN_ATTR_FLOATS: return ((const tn_floats *)field)->n > 0;
    case TN_ATTR_INTS: break;
    }
    const tn_ints *ints = field;
    for (int i = 0; i < ints->n; i++)
        if (ints->v[i] != usual) return true;
    return false;
}

int tn_upgrade_written(const tn_node *node) {
    int opset = TN_OPSET_WRITTEN;
    for (size_t i = 0; i < sizeof newer / sizeof *newer && node->op->onnx_type; i++)
        if (newer[i].opset > opset && is_type(newer[i].onnx_type, node->op->onnx_type) &&
            (!newer[i].attr || says_something(node, newer[i].attr, newer[i].usual)))
            opset = newer[i].opset;
    return opset;
}
