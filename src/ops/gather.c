/* SPDX-License-Identifier: Apache-2.0 */
/* gather.c: slices of a tensor of any type along an axis, by their indices. ONNX Gather. */
#include "ops/gather.h"

#include <string.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"axis", TN_ATTR_INT, offsetof(tn_axis_attrs, axis), false, 0, NULL}, {0}};

/* ---- Indices --------------------------------------------------------------------------------- */

static int64_t index_at(const tn_value *v, const void *indices, int64_t i) {
    return v->dtype == TN_INT32 ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

tn_status tn_gather_check_indices(const tn_value *v, int64_t dim, tn_error *error) {
    if (v->dtype != TN_INT32 && v->dtype != TN_INT64)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "indices are %s, not int32 or int64",
                       tn_dtype_name(v->dtype));
    if (v->kind != TN_VALUE_CONSTANT || !v->data || dim < 0) return TN_OK;
    for (int64_t i = 0; i < tn_shape_elements(&v->shape); i++) {
        int64_t index = index_at(v, v->data, i);
        if (index < -dim || index >= dim)
            return tn_fail(error, TN_ERR_FORMAT, "index %lld is out of range for %lld places",
                           (long long)index, (long long)dim);
    }
    return TN_OK;
}

int64_t tn_gather_index(const tn_value *v, const void *indices, int64_t i, int64_t dim) {
    int64_t index = index_at(v, indices, i);
    if (index < -dim || index >= dim) return -1;
    return index < 0 ? index + dim : index;
}

/* ---- Gather ---------------------------------------------------------------------------------- */

/* y[a..., i..., b...] = x[a..., indices[i...], b...]. A batch on both sides would mix samples. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape, *i = &node->inputs[1]->shape;
    tn_shape y = {.batched = x->batched || i->batched};
    int axis;
    TN_TRY(tn_axis_resolve(((const tn_axis_attrs *)node->attrs)->axis, x->rank, &axis, error));
    if ((x->batched && (axis == 0 || i->batched)) || (i->batched && axis != 0))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "indices %s axis %d mix samples of the batch",
                       i->batched ? "of a batch into" : "into", axis);
    if (x->rank + i->rank - 1 > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "more than %d dimensions", TN_MAX_RANK);
    TN_TRY(tn_gather_check_indices(node->inputs[1], x->dims[axis], error));
    for (int k = 0; k < axis; k++) y.dims[y.rank++] = x->dims[k];
    for (int k = 0; k < i->rank; k++) y.dims[y.rank++] = i->dims[k];
    for (int k = axis + 1; k < x->rank; k++) y.dims[y.rank++] = x->dims[k];
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

/* Of a tensor x gathered from: [outer][dim][inner], and so many indices. */
typedef struct geometry {
    int64_t outer, dim, inner, indices;
} geometry;

static geometry geometry_of(const tn_run *run, const tn_shape *x, const tn_shape *indices) {
    int64_t axis = ((const tn_axis_attrs *)run->node->attrs)->axis;
    geometry g = {.outer = 1, .inner = 1, .indices = tn_shape_sample_elements(indices)};
    if (axis < 0) axis += x->rank;
    if (indices->batched) g.indices *= run->n;
    for (int i = 0; i < x->rank; i++) {
        int64_t dim = i == 0 && x->batched ? run->n : x->dims[i];
        if (i < axis) g.outer *= dim;
        if (i == axis) g.dim = dim;
        if (i > axis) g.inner *= dim;
    }
    return g;
}

static void run_any(const tn_run *run) {
    const tn_value *x = run->node->inputs[0], *indices = run->node->inputs[1];
    const geometry g = geometry_of(run, &x->shape, &indices->shape);
    size_t bytes = (size_t)g.inner * tn_dtype_bytes(x->dtype);
    const char *from = run->in[0];
    char *y = run->out[0];
    for (int64_t o = 0; o < g.outer && bytes > 0; o++, from += (size_t)g.dim * bytes)
        for (int64_t i = 0; i < g.indices; i++, y += bytes) {
            int64_t index = tn_gather_index(indices, run->in[1], i, g.dim);
            if (index < 0)
                memset(y, 0xff, bytes);
            else
                memcpy(y, from + (size_t)index * bytes, bytes);
        }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* ---- Gradient: dx[indices[i]] is the sum of the dy[i], i ascending --------------------------- */

typedef struct gather_grad_attrs {
    tn_axis_attrs gather; /* first, as in Gather */
    tn_shape x;           /* its first dimension is that of dy if batched */
} gather_grad_attrs;

static tn_status infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const gather_grad_attrs *a = node->attrs;
    tn_shape *dx = &node->outputs[0]->shape;
    *dx = a->x;
    if (dx->batched) dx->dims[0] = node->inputs[0]->shape.dims[0];
    return TN_OK;
}

static void add_gradient(const tn_run *run) {
    const tn_value *indices = run->node->inputs[1];
    const geometry g = geometry_of(run, &run->node->outputs[0]->shape, &indices->shape);
    const real *dy = run->in[0];
    real *dx = run->out[0];
    for (int64_t o = 0; o < g.outer; o++, dx += g.dim * g.inner)
        for (int64_t i = 0; i < g.indices; i++, dy += g.inner) {
            int64_t index = tn_gather_index(indices, run->in[1], i, g.dim);
            real *to = dx + (index < 0 ? 0 : index) * g.inner;
            if (index >= 0) run->kernels->add(g.inner, to, dy, to);
        }
}

static void run_gradient(const tn_run *run) {
    const tn_shape *dx = &run->node->outputs[0]->shape;
    int64_t n = tn_shape_sample_elements(dx) * (dx->batched ? run->n : 1);
    memset(run->out[0], 0, (size_t)n * sizeof(real));
    add_gradient(run);
}

static const tn_implementation gradient = {.name = "any", .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&gradient, NULL};
static const tn_implementation gradient_of_samples = {.name = "any", .run = add_gradient};
static const tn_implementation *const of_samples_implementations[] = {&gradient_of_samples, NULL};

/* Inputs dy, indices. */
static const tn_op gather_grad = {.name = "GatherGrad",
                                  .attrs_bytes = sizeof(gather_grad_attrs),
                                  .min_inputs = 2,
                                  .max_inputs = 2,
                                  .n_outputs = 1,
                                  .layout = TN_LAYOUT_PLAIN,
                                  .infer_shape = infer_gradient,
                                  .implementations = gradient_implementations};

/* Where each sample has indices of its own into what is no batch. */
static const tn_op gather_grad_of_samples = {.name = "GatherGradOfSamples",
                                             .attrs_bytes = sizeof(gather_grad_attrs),
                                             .min_inputs = 2,
                                             .max_inputs = 2,
                                             .n_outputs = 1,
                                             .layout = TN_LAYOUT_PLAIN,
                                             .reduces_samples = true,
                                             .infer_shape = infer_gradient,
                                             .implementations = of_samples_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *x = node->inputs[0], *indices = node->inputs[1], *dx;
    tn_value *in[] = {tn_gradient_of(graph, node->outputs[0]), indices};
    const gather_grad_attrs a = {*(const tn_axis_attrs *)node->attrs, x->shape};
    const tn_op *op = indices->shape.batched ? &gather_grad_of_samples : &gather_grad;
    if (!tn_gradient_wanted(graph, x)) return TN_OK;
    TN_TRY(tn_graph_apply(graph, op, &a, in, 2, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

const tn_op tn_op_gather = {.name = "Gather",
                            .onnx_type = "Gather",
                            .attrs = attrs,
                            .attrs_bytes = sizeof(tn_axis_attrs),
                            .min_inputs = 2,
                            .max_inputs = 2,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_PLAIN,
                            .infer_shape = infer_shape,
                            .differentiate = differentiate,
                            .implementations = implementations};
