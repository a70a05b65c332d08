/* SPDX-License-Identifier: Apache-2.0 */
/* reshape.c: the same elements, of any type, with other dimensions. ONNX Reshape. */
#include "ops/reshape.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "ops/elementwise.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"shape", TN_ATTR_INTS, offsetof(tn_reshape_attrs, shape), true, 0, NULL},
    {"allowzero", TN_ATTR_INT, offsetof(tn_reshape_attrs, allow_zero), false, 0, NULL},
    {0}};

/* "[0,-1,3]" */
static const char *target_text(const tn_ints *shape, char text[TN_SHAPE_TEXT]) {
    size_t used = (size_t)snprintf(text, TN_SHAPE_TEXT, "[");
    for (int i = 0; i < shape->n && used < TN_SHAPE_TEXT; i++)
        used += (size_t)snprintf(text + used, TN_SHAPE_TEXT - used, i ? ",%lld" : "%lld",
                                 (long long)shape->v[i]);
    if (used < TN_SHAPE_TEXT) snprintf(text + used, TN_SHAPE_TEXT - used, "]");
    return text;
}

/* y's dimensions with 1 in place of -1, whose place is *unknown (-1 for none). */
static tn_status copy_target(const tn_reshape_attrs *a, const tn_shape *x, tn_shape *y,
                             int *unknown, tn_error *error) {
    *unknown = -1;
    if (a->shape.n > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "a shape of %d dimensions (at most %d)",
                       a->shape.n, TN_MAX_RANK);
    *y = (tn_shape){.rank = a->shape.n, .batched = x->batched};
    for (int i = 0; i < y->rank; i++) {
        int64_t dim = a->shape.v[i];
        bool copied = dim == 0 && !a->allow_zero;
        if (dim < -1) return tn_fail(error, TN_ERR_FORMAT, "shape holds %lld", (long long)dim);
        if (dim == 0 && a->allow_zero && x->batched)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "shape and allowzero make empty samples");
        if (dim == -1 && *unknown >= 0)
            return tn_fail(error, TN_ERR_FORMAT, "shape holds -1 twice");
        if (copied && i >= x->rank)
            return tn_fail(error, TN_ERR_FORMAT,
                           "shape holds 0 in place %d, but the input has %d dimensions", i,
                           x->rank);
        if (dim == -1) *unknown = i;
        y->dims[i] = dim == -1 ? 1 : copied ? x->dims[i] : dim;
    }
    return TN_OK;
}

static tn_status resolve(const tn_reshape_attrs *a, const tn_shape *x, tn_shape *y,
                         tn_error *error) {
    char from[TN_SHAPE_TEXT], to[TN_SHAPE_TEXT];
    int64_t elements = tn_shape_elements(x), known;
    int unknown;
    TN_TRY(copy_target(a, x, y, &unknown, error));
    bool fits = tn_size_product(y->dims, y->rank, &known);
    if (fits && unknown >= 0) {
        fits = known > 0 && elements % known == 0;
        if (fits) y->dims[unknown] = elements / known;
    } else {
        fits = fits && known == elements;
    }
    if (fits) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "the elements of %s do not make shape %s",
                   tn_shape_text(x, from), target_text(&a->shape, to));
}

/* What a file says of the batch, be it the one that it was traced with, becomes 0: whatever the
 * batch is. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_reshape_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    char from[TN_SHAPE_TEXT], to[TN_SHAPE_TEXT];
    tn_shape y = {0};
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    TN_TRY(resolve(a, x, &y, error));
    if (x->batched && (y.rank == 0 || y.dims[0] != x->dims[0]))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "shape %s mixes samples of the batch %s (its first number must be 0, -1 or "
                       "the batch)",
                       target_text(&a->shape, to), tn_shape_text(x, from));
    if (x->batched) {
        a->shape.v[0] = 0;
        a->allow_zero = 0;
    }
    node->outputs[0]->shape = y;
    return TN_OK;
}

static void run_copy(const tn_run *run) {
    size_t bytes = (size_t)tn_run_elements(run) * tn_dtype_bytes(run->node->outputs[0]->dtype);
    if (run->in[0] != run->out[0]) memcpy(run->out[0], run->in[0], bytes);
}

static const tn_implementation copy = {
    .name = "copy", .stored = TN_STORED_ANYHOW, .copies = true, .run = run_copy};
const tn_implementation *const tn_reshape_implementations[] = {&copy, NULL};

/* ---- To given dimensions ------------------------------------------------------------------ */

typedef struct dims_attrs {
    int rank;
    int64_t dims[TN_MAX_RANK]; /* the first is that of the input if batched */
} dims_attrs;

static tn_status infer_dims(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const dims_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape y = {.rank = a->rank, .batched = x->batched};
    memcpy(y.dims, a->dims, sizeof y.dims);
    if (y.batched) y.dims[0] = x->dims[0];
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

static const tn_op reshape_to = {.name = "ReshapeTo",
                                 .attrs_bytes = sizeof(dims_attrs),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_ANY,
                                 .in_place = true,
                                 .infer_shape = infer_dims,
                                 .implementations = tn_reshape_implementations};

tn_status tn_reshape_to(tn_graph *graph, tn_value *x, const tn_shape *shape, tn_value **y,
                        tn_error *error) {
    dims_attrs a = {.rank = shape->rank};
    memcpy(a.dims, shape->dims, sizeof a.dims);
    return tn_graph_apply(graph, &reshape_to, &a, &x, 1, y, error);
}

tn_status tn_reshape_differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_reshape_to(graph, dy, &node->inputs[0]->shape, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_reshape = {.name = "Reshape",
                             .onnx_type = "Reshape",
                             .attrs = attrs,
                             .attrs_bytes = sizeof(tn_reshape_attrs),
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_ANY,
                             .in_place = true,
                             .infer_shape = infer_shape,
                             .differentiate = tn_reshape_differentiate,
                             .implementations = tn_reshape_implementations};
