/* SPDX-License-Identifier: Apache-2.0 */
/* gather_nd.c: slices of a tensor of any type, each by indices along its first axes. ONNX GatherND.
 */
#include <string.h>

#include "base/size.h"
#include "ops/gather.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"batch_dims", TN_ATTR_INT, offsetof(tn_gather_nd_attrs, batch_dims), false, 0, NULL}, {0}};

/* y[b..., i...] = x[b..., indices[b..., i..., :]] where b are batch_dims axes. */
static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *x = &node->inputs[0]->shape, *i = &node->inputs[1]->shape;
    int64_t b = ((const tn_gather_nd_attrs *)node->attrs)->batch_dims;
    tn_shape y = {.batched = x->batched || i->batched};
    if (i->rank < 1 || b < 0 || b >= i->rank || b >= x->rank || i->dims[i->rank - 1] < 1 ||
        i->dims[i->rank - 1] > x->rank - b)
        return tn_fail(error, TN_ERR_FORMAT, "batch_dims %lld, %d and %d dimensions", (long long)b,
                       x->rank, i->rank);
    int depth = (int)i->dims[i->rank - 1];
    for (int k = 0; k < b; k++)
        if (x->dims[k] != i->dims[k])
            return tn_fail(error, TN_ERR_FORMAT, "axis %d differs in data and indices", k);
    if ((x->batched && (b == 0 || !i->batched)) || (i->batched && i->rank == 1) ||
        (i->batched && !x->batched && b > 0))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "indices mix samples of the batch");
    if (i->rank - 1 + x->rank - b - depth > TN_MAX_RANK)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "more than %d dimensions", TN_MAX_RANK);
    TN_TRY(tn_gather_check_indices(node->inputs[1], -1, error));
    for (int k = 0; k < i->rank - 1; k++) y.dims[y.rank++] = i->dims[k];
    for (int k = (int)b + depth; k < x->rank; k++) y.dims[y.rank++] = x->dims[k];
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

/* The place among slices that `depth` indices say, -1 if there is none. */
static int64_t slice_at(const tn_run *run, const tn_shape *x, int first, int depth, int64_t i) {
    int64_t place = 0;
    for (int k = 0; k < depth; k++) {
        int64_t dim = x->dims[first + k];
        int64_t index = tn_gather_index(run->node->inputs[1], run->in[1], i * depth + k, dim);
        if (index < 0) return -1;
        place = place * dim + index;
    }
    return place;
}

static void run_any(const tn_run *run) {
    tn_shape x = run->node->inputs[0]->shape, i = run->node->inputs[1]->shape;
    int b = (int)((const tn_gather_nd_attrs *)run->node->attrs)->batch_dims;
    int depth = (int)i.dims[i.rank - 1];
    int64_t batches = 1, each = 1, slices = 1;
    size_t bytes = tn_dtype_bytes(run->node->inputs[0]->dtype);
    if (x.batched) x.dims[0] = run->n;
    if (i.batched) i.dims[0] = run->n;
    for (int k = 0; k < b; k++) batches *= x.dims[k];
    for (int k = b; k < i.rank - 1; k++) each *= i.dims[k];
    for (int k = b; k < b + depth; k++) slices *= x.dims[k];
    for (int k = b + depth; k < x.rank; k++) bytes *= (size_t)x.dims[k];
    char *y = run->out[0];
    for (int64_t k = 0; k < batches * each && bytes > 0; k++, y += bytes) {
        int64_t place = slice_at(run, &x, b, depth, k);
        if (place < 0)
            memset(y, 0xff, bytes);
        else
            memcpy(y, (const char *)run->in[0] + (size_t)(k / each * slices + place) * bytes,
                   bytes);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_gather_nd = {.name = "GatherND",
                               .onnx_type = "GatherND",
                               .attrs = attrs,
                               .attrs_bytes = sizeof(tn_gather_nd_attrs),
                               .min_inputs = 2,
                               .max_inputs = 2,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_PLAIN,
                               .infer_shape = infer_shape,
                               .implementations = implementations};
