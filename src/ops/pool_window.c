/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/pool_window.h"

#include <string.h>

/* Output size along spatial axis i (0: height). */
static tn_status infer_axis(tn_pool_attrs *a, int i, int64_t size, int64_t *output,
                            tn_error *error) {
    TN_TRY(tn_window_output(a->auto_pad, a->ceil_mode != 0, size, a->kernel_shape.v[i],
                            a->strides.v[i], a->dilations.v[i], &a->pads.v[i],
                            &a->pads.v[a->kernel_shape.n + i], output, error));
    int64_t extent = (a->kernel_shape.v[i] - 1) * a->dilations.v[i] + 1;
    if (a->pads.v[i] >= extent || a->pads.v[a->kernel_shape.n + i] >= extent)
        return tn_fail(error, TN_ERR_FORMAT, "padding is not smaller than the window");
    return TN_OK;
}

tn_status tn_pool_infer(tn_node *node, tn_error *error) {
    tn_pool_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    TN_TRY(tn_window_check_images(node->inputs[0], error));
    int dims = x->rank - 2;
    TN_TRY(tn_window_resolve(dims, &a->kernel_shape, &a->strides, &a->dilations, &a->pads, error));
    tn_shape y = *x;
    for (int i = 0; i < dims; i++) TN_TRY(infer_axis(a, i, x->dims[2 + i], &y.dims[2 + i], error));
    strcpy(a->auto_pad, "NOTSET"); /* pads now say it */
    for (int i = 0; i < node->n_outputs; i++) node->outputs[i]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

tn_status tn_pool_infer_global(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    tn_shape y = node->inputs[0]->shape;
    TN_TRY(tn_window_check_images(node->inputs[0], error));
    for (int i = 2; i < y.rank; i++) {
        if (y.dims[i] < 1) return tn_fail(error, TN_ERR_FORMAT, "an image without pixels");
        y.dims[i] = 1;
    }
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

/* Number `axis` (0: depth) of a list of `dims` numbers from v on. */
static int64_t number_of(const int64_t *v, int dims, int axis, int64_t fallback) {
    return axis < 3 - dims || dims == 0 ? fallback : v[axis - (3 - dims)];
}

tn_window tn_window_make(const tn_pool_attrs *a, const tn_shape *in, const tn_shape *out) {
    tn_window w;
    int dims = a->kernel_shape.n;
    tn_window_sizes(in, w.in);
    tn_window_sizes(out, w.out);
    for (int i = 0; i < 3; i++) {
        w.kernel[i] = number_of(a->kernel_shape.v, dims, i, 1);
        w.stride[i] = number_of(a->strides.v, dims, i, 1);
        w.dilation[i] = number_of(a->dilations.v, a->dilations.n, i, 1);
        w.pad[i] = number_of(a->pads.v, dims, i, 0);
        w.pad_after[i] = number_of(a->pads.v + dims, dims, i, 0);
    }
    return w;
}

/* Volumes are never parted by rows. */
void tn_window_pixels(const tn_window *w, const tn_run *run, int64_t *begin, int64_t *end) {
    bool volume = run->node->inputs[0]->shape.rank == 5;
    *begin = volume ? 0 : run->rows.begin * w->out[2];
    *end = volume ? w->out[0] * w->out[1] * w->out[2] : run->rows.end * w->out[2];
}

int64_t tn_pool_pixels(const tn_shape *image) {
    int64_t size[3];
    tn_window_sizes(image, size);
    return size[0] * size[1] * size[2];
}

bool tn_pool_of_images(const tn_node *node) { return node->inputs[0]->shape.rank == 4; }

tn_pool_grad_attrs tn_pool_grad_attrs_make(const tn_node *node) {
    tn_pool_grad_attrs a = {.x = node->inputs[0]->shape};
    if (node->op->attrs) a.pool = *(const tn_pool_attrs *)node->attrs;
    return a;
}

tn_status tn_pool_infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const tn_pool_grad_attrs *a = node->attrs;
    tn_shape dx = node->inputs[0]->shape;
    for (int i = 2; i < dx.rank; i++) dx.dims[i] = a->x.dims[i];
    node->outputs[0]->shape = dx;
    return TN_OK;
}
