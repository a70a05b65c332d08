/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/pool_window.h"

#include <string.h>

/* Output size along spatial axis i (0: height). */
static tn_status infer_axis(tn_pool_attrs *a, int i, int64_t size, int64_t *output,
                            tn_error *error) {
    TN_TRY(tn_window_output(a->auto_pad, a->ceil_mode != 0, size, a->kernel_shape.v[i],
                            a->strides.v[i], a->dilations.v[i], &a->pads.v[i], &a->pads.v[2 + i],
                            output, error));
    int64_t extent = (a->kernel_shape.v[i] - 1) * a->dilations.v[i] + 1;
    if (a->pads.v[i] >= extent || a->pads.v[2 + i] >= extent)
        return tn_fail(error, TN_ERR_FORMAT, "padding is not smaller than the window");
    return TN_OK;
}

tn_status tn_pool_infer(tn_node *node, tn_error *error) {
    tn_pool_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    TN_TRY(tn_window_check_images(node->inputs[0], error));
    TN_TRY(tn_window_resolve(&a->kernel_shape, &a->strides, &a->dilations, &a->pads, error));
    tn_shape y = *x;
    for (int i = 0; i < 2; i++) TN_TRY(infer_axis(a, i, x->dims[2 + i], &y.dims[2 + i], error));
    strcpy(a->auto_pad, "NOTSET"); /* pads now say it */
    for (int i = 0; i < node->n_outputs; i++) node->outputs[i]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

tn_status tn_pool_infer_global(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_shape y = node->inputs[0]->shape;
    TN_TRY(tn_window_check_images(node->inputs[0], error));
    if (y.dims[2] < 1 || y.dims[3] < 1)
        return tn_fail(error, TN_ERR_FORMAT, "an image of %lldx%lld pixels", (long long)y.dims[2],
                       (long long)y.dims[3]);
    y.dims[2] = y.dims[3] = 1;
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

bool tn_pool_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const tn_pool_attrs *a = node->attrs;
    const tn_value *x = node->inputs[input];
    int64_t dilation = a->dilations.n > 0 ? a->dilations.v[0] : 1;
    *in = tn_rows_of_windows(out, a->strides.v[0], a->pads.v[0], a->kernel_shape.v[0], dilation,
                             x->shape.dims[2]);
    for (int i = 0; i < node->n_outputs; i++)
        if (tn_row_bytes(node, node->outputs[i]) == 0) return false;
    return tn_row_bytes(node, x) > 0;
}

tn_pool_grad_attrs tn_pool_grad_attrs_make(const tn_node *node) {
    const int64_t *x = node->inputs[0]->shape.dims;
    tn_pool_grad_attrs a = {.h = x[2], .w = x[3]};
    if (node->op->attrs) a.pool = *(const tn_pool_attrs *)node->attrs;
    return a;
}

tn_status tn_pool_infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const tn_pool_grad_attrs *a = node->attrs;
    tn_shape dx = node->inputs[0]->shape;
    dx.dims[2] = a->h;
    dx.dims[3] = a->w;
    node->outputs[0]->shape = dx;
    return TN_OK;
}
