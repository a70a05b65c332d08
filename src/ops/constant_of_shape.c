/* SPDX-License-Identifier: Apache-2.0 */
/* constant_of_shape.c: a tensor of one number. ONNX ConstantOfShape. */
#include <string.h>

#include "base/size.h"
#include "ops/ops.h"

/* The number, of any type, is what the upgrade table of onnx/ reads from the file. */
static const tn_attr attrs[] = {
    {"shape", TN_ATTR_INTS, offsetof(tn_constant_of_shape_attrs, shape), true, 0, NULL}, {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_constant_of_shape_attrs *a = node->attrs;
    tn_shape y = {.rank = a->shape.n};
    int64_t elements;
    if (y.rank > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "%d dimensions (at most %d)", y.rank,
                       TN_MAX_RANK);
    if (!tn_size_product(a->shape.v, y.rank, &elements) || elements > TN_MAX_ELEMENTS)
        return tn_fail(error, TN_ERR_FORMAT, "shape holds a negative number, or is too large");
    memcpy(y.dims, a->shape.v, (size_t)y.rank * sizeof *y.dims);
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = a->dtype;
    return TN_OK;
}

static void run_any(const tn_run *run) {
    const tn_constant_of_shape_attrs *a = run->node->attrs;
    size_t bytes = tn_dtype_file_bytes(a->dtype), n;
    n = (size_t)tn_shape_elements(&run->node->outputs[0]->shape);
    for (size_t i = 0; i < n; i++)
        if (a->dtype == TN_FLOAT32) /* which may be held as double */
            ((real *)run->out[0])[i] = (real) * (const float *)(const void *)a->element;
        else
            memcpy((char *)run->out[0] + i * bytes, a->element, bytes);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_constant_of_shape = {.name = "ConstantOfShape",
                                       .onnx_type = "ConstantOfShape",
                                       .attrs = attrs,
                                       .attrs_bytes = sizeof(tn_constant_of_shape_attrs),
                                       .min_inputs = 0,
                                       .max_inputs = 0,
                                       .n_outputs = 1,
                                       .layout = TN_LAYOUT_PLAIN,
                                       .infer_shape = infer_shape,
                                       .implementations = implementations};
