/* SPDX-License-Identifier: Apache-2.0 */
/* depth_to_space.c: channels become pixels, and back. ONNX DepthToSpace and SpaceToDepth. With
 * blocks of b×b pixels and c channels in the image with more pixels,
 *     shallow[n, k, b·i + r, b·j + s] = deep[n, channel(k, r, s), i, j]
 * where channel is (b·r + s)·c + k in mode DCR, b·b·k + b·r + s in mode CRD. */
#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/box.h"
#include "ops/ops.h"

static const tn_attr depth_attrs[] = {
    {"blocksize", TN_ATTR_INT, offsetof(tn_depth_to_space_attrs, block_size), true, 0, NULL},
    {"mode", TN_ATTR_STRING, offsetof(tn_depth_to_space_attrs, mode), false, 0, "DCR"},
    {0}};
static const tn_attr space_attrs[] = {
    {"blocksize", TN_ATTR_INT, offsetof(tn_depth_to_space_attrs, block_size), true, 0, NULL}, {0}};

static tn_status check(const tn_node *node, tn_error *error) {
    const tn_depth_to_space_attrs *a = node->attrs;
    if (node->inputs[0]->shape.rank != 4)
        return tn_fail(error, TN_ERR_FORMAT, "input has %d dimensions, not 4",
                       node->inputs[0]->shape.rank);
    if (a->block_size < 1 || a->block_size > 1 << 15)
        return tn_fail(error, TN_ERR_FORMAT, "blocksize is %lld", (long long)a->block_size);
    if (*a->mode && strcmp(a->mode, "DCR") != 0 && strcmp(a->mode, "CRD") != 0)
        return tn_fail(error, TN_ERR_FORMAT, "mode is \"%s\"", a->mode);
    return TN_OK;
}

static tn_status infer_shallow(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_depth_to_space_attrs *a = node->attrs;
    tn_shape y = node->inputs[0]->shape;
    TN_TRY(check(node, error));
    int64_t b = a->block_size;
    if (y.dims[1] % (b * b) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "%lld channels make no blocks of %lldx%lld",
                       (long long)y.dims[1], (long long)b, (long long)b);
    y.dims[1] /= b * b;
    if (!tn_size_mul(y.dims[2], b, &y.dims[2]) || !tn_size_mul(y.dims[3], b, &y.dims[3]))
        return tn_fail(error, TN_ERR_FORMAT, "blocksize %lld is too large", (long long)b);
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

static tn_status infer_deep(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_depth_to_space_attrs *a = node->attrs;
    tn_shape y = node->inputs[0]->shape;
    TN_TRY(check(node, error));
    int64_t b = a->block_size;
    if (y.dims[2] % b != 0 || y.dims[3] % b != 0)
        return tn_fail(error, TN_ERR_FORMAT, "%lldx%lld pixels make no blocks of %lldx%lld",
                       (long long)y.dims[2], (long long)y.dims[3], (long long)b, (long long)b);
    if (!tn_size_mul(y.dims[1], b * b, &y.dims[1]))
        return tn_fail(error, TN_ERR_FORMAT, "blocksize %lld is too large", (long long)b);
    y.dims[2] /= b;
    y.dims[3] /= b;
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

/* An axis of the box, with its steps in both images. */
typedef struct axis {
    int64_t dim, deep, shallow;
} axis;

/* The axes of blocks and pixels, outermost first as the target is stored. */
static void run_any(const tn_run *run) {
    const tn_depth_to_space_attrs *a = run->node->attrs;
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[0];
    const tn_stored_axes from = tn_box_axes(run, x, run->in_rows[0]);
    const tn_stored_axes to = tn_box_axes(run, y, run->rows);
    bool to_space = run->node->op == &tn_op_depth_to_space, crd = strcmp(a->mode, "CRD") == 0;
    const tn_stored_axes *deep = to_space ? &from : &to, *shallow = to_space ? &to : &from;
    int64_t b = a->block_size, c = shallow->dims[1], channel = deep->step[1];
    const axis r = {b, channel * (crd ? b : b * c), shallow->step[2]};
    const axis s = {b, channel * (crd ? 1 : c), shallow->step[3]};
    const axis k = {c, channel * (crd ? b * b : 1), shallow->step[1]};
    const axis n = {deep->dims[0], deep->step[0], shallow->step[0]};
    const axis i = {deep->dims[2], deep->step[2], shallow->step[2] * b};
    const axis j = {deep->dims[3], deep->step[3], shallow->step[3] * b};
    const axis one = {1, 0, 0};
    const axis of_shallow[4][3] = {{n, one, one}, {k, one, one}, {i, r, one}, {j, s, one}};
    const axis of_deep[4][3] = {
        {n, one, one}, {crd ? k : r, crd ? r : s, crd ? s : k}, {i, one, one}, {j, one, one}};
    tn_box box = {0};
    for (int t = 0; t < 4; t++)
        for (int u = 0; u < 3; u++) {
            axis e = to_space ? of_shallow[to.order[t]][u] : of_deep[to.order[t]][u];
            tn_box_push(&box, e.dim, to_space ? e.deep : e.shallow, to_space ? e.shallow : e.deep);
        }
    tn_box_copy(&box, run->kernels, tn_dtype_bytes(x->dtype), run->in[0], run->out[0]);
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* Each is the way back of the other. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_op *back =
        node->op == &tn_op_depth_to_space ? &tn_op_space_to_depth : &tn_op_depth_to_space;
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, back, node->attrs, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_depth_to_space = {.name = "DepthToSpace",
                                    .onnx_type = "DepthToSpace",
                                    .attrs = depth_attrs,
                                    .attrs_bytes = sizeof(tn_depth_to_space_attrs),
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .n_outputs = 1,
                                    .layout = TN_LAYOUT_IMAGE,
                                    .infer_shape = infer_shallow,
                                    .differentiate = differentiate,
                                    .implementations = implementations};

/* Its mode, which ONNX has not, is that of the DepthToSpace that it is the gradient of. */
const tn_op tn_op_space_to_depth = {.name = "SpaceToDepth",
                                    .onnx_type = "SpaceToDepth",
                                    .attrs = space_attrs,
                                    .attrs_bytes = sizeof(tn_depth_to_space_attrs),
                                    .min_inputs = 1,
                                    .max_inputs = 1,
                                    .n_outputs = 1,
                                    .layout = TN_LAYOUT_IMAGE,
                                    .infer_shape = infer_deep,
                                    .differentiate = differentiate,
                                    .implementations = implementations};
