/* SPDX-License-Identifier: Apache-2.0 */
/* cast.c: numbers of one type as those of another, given by its number or by a tensor that has it.
 * ONNX Cast and CastLike. */
#include <string.h>

#include "ops/convert.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr cast_attrs[] = {
    {"to", TN_ATTR_INT, offsetof(tn_cast_attrs, to), true, 0, NULL}, {0}};

static tn_status infer_cast(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_value *y = node->outputs[0];
    y->shape = node->inputs[0]->shape;
    return tn_convert_type(((const tn_cast_attrs *)node->attrs)->to, &y->dtype, error);
}

static tn_status infer_like(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->shape = node->inputs[0]->shape;
    node->outputs[0]->dtype = node->inputs[1]->dtype;
    return TN_OK;
}

static void run_any(const tn_run *run) {
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[0];
    int64_t n = tn_run_elements(run);
    if (x->dtype == y->dtype)
        memmove(run->out[0], run->in[0], (size_t)n * tn_dtype_bytes(x->dtype));
    else
        tn_convert(x->dtype, run->in[0], y->dtype, run->out[0], n);
}

/* By rows: each from the same. */
static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* Only float32 has gradients; a number that has become another type depends on x by steps. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *x = node->inputs[0], *dx;
    if (x->dtype != TN_FLOAT32 || node->outputs[0]->dtype != TN_FLOAT32) return TN_OK;
    if (!tn_gradient_wanted(graph, x)) return TN_OK;
    TN_TRY(tn_graph_apply(graph, &tn_op_identity, NULL, &dy, 1, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

const tn_op tn_op_cast = {.name = "Cast",
                          .onnx_type = "Cast",
                          .attrs = cast_attrs,
                          .attrs_bytes = sizeof(tn_cast_attrs),
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_ANY,
                          .infer_shape = infer_cast,
                          .differentiate = differentiate,
                          .implementations = implementations};

const tn_op tn_op_cast_like = {.name = "CastLike",
                               .onnx_type = "CastLike",
                               .min_inputs = 2,
                               .max_inputs = 2,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_PLAIN,
                               .infer_shape = infer_like,
                               .differentiate = differentiate,
                               .implementations = implementations};
