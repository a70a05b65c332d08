/* SPDX-License-Identifier: Apache-2.0 */
/* eye_like.c: 1 on a diagonal of a matrix, 0 elsewhere. ONNX EyeLike. */
#include <string.h>

#include "ops/convert.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"dtype", TN_ATTR_INT, offsetof(tn_eye_like_attrs, dtype), false, 0, NULL},
    {"k", TN_ATTR_INT, offsetof(tn_eye_like_attrs, k), false, 0, NULL},
    {0}};

/* Without a type, that of the input. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_eye_like_attrs *a = node->attrs;
    const tn_value *x = node->inputs[0];
    if (x->shape.rank != 2)
        return tn_fail(error, TN_ERR_FORMAT, "input has %d dimensions, not 2", x->shape.rank);
    if (x->shape.batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "the samples of a batch are its rows");
    node->outputs[0]->shape = x->shape;
    node->outputs[0]->dtype = x->dtype;
    return a->dtype ? tn_convert_type(a->dtype, &node->outputs[0]->dtype, error) : TN_OK;
}

static void run_any(const tn_run *run) {
    const tn_eye_like_attrs *a = run->node->attrs;
    const tn_value *y = run->node->outputs[0];
    int64_t rows = y->shape.dims[0], columns = y->shape.dims[1];
    size_t bytes = tn_dtype_bytes(y->dtype);
    memset(run->out[0], 0, (size_t)(rows * columns) * bytes);
    for (int64_t i = 0; i < rows; i++)
        if (a->k >= -i && a->k < columns - i)
            tn_convert_number(1, y->dtype,
                              (char *)run->out[0] + (size_t)(i * columns + i + a->k) * bytes);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_eye_like = {.name = "EyeLike",
                              .onnx_type = "EyeLike",
                              .attrs = attrs,
                              .attrs_bytes = sizeof(tn_eye_like_attrs),
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .n_outputs = 1,
                              .layout = TN_LAYOUT_PLAIN,
                              .infer_shape = infer_shape,
                              .implementations = implementations};
