/* SPDX-License-Identifier: Apache-2.0 */
/* trilu.c: one triangle of matrices of any type, 0 elsewhere. ONNX Trilu. */
#include <string.h>

#include "base/size.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"upper", TN_ATTR_INT, offsetof(tn_trilu_attrs, upper), false, 1, NULL},
    {"k", TN_ATTR_INT, offsetof(tn_trilu_attrs, k), false, 0, NULL},
    {0}};

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape;
    if (x->rank < 2) return tn_fail(error, TN_ERR_FORMAT, "input has %d dimensions", x->rank);
    if (x->rank == 2 && x->batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "the samples of a batch are its rows");
    node->outputs[0]->shape = *x;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

/* Keeps what lies on diagonal k (of those right of the main one) and above it, or below it. */
static void run_any(const tn_run *run) {
    const tn_trilu_attrs *a = run->node->attrs;
    const tn_value *x = run->node->inputs[0];
    int rank = x->shape.rank;
    int64_t rows = x->shape.dims[rank - 2], columns = x->shape.dims[rank - 1];
    int64_t k = tn_max_i64(-rows, tn_min_i64(a->k, columns));
    int64_t n = tn_shape_sample_elements(&x->shape) * (x->shape.batched ? run->n : 1);
    size_t bytes = tn_dtype_bytes(x->dtype);
    for (int64_t i = 0; columns > 0 && i < n / columns; i++) {
        int64_t diagonal = i % rows + k;
        int64_t begin = a->upper ? tn_max_i64(0, tn_min_i64(diagonal, columns)) : 0;
        int64_t end = a->upper ? columns : tn_max_i64(0, tn_min_i64(diagonal + 1, columns));
        const char *from = (const char *)run->in[0] + (size_t)(i * columns) * bytes;
        char *y = (char *)run->out[0] + (size_t)(i * columns) * bytes;
        memset(y, 0, (size_t)columns * bytes);
        memcpy(y + (size_t)begin * bytes, from + (size_t)begin * bytes,
               (size_t)(end - begin) * bytes);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &tn_op_trilu, node->attrs, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_trilu = {.name = "Trilu",
                           .onnx_type = "Trilu",
                           .attrs = attrs,
                           .attrs_bytes = sizeof(tn_trilu_attrs),
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .n_outputs = 1,
                           .layout = TN_LAYOUT_PLAIN,
                           .infer_shape = infer_shape,
                           .differentiate = differentiate,
                           .implementations = implementations};
