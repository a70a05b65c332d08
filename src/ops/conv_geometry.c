/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/conv_geometry.h"

#include <string.h>

#include "base/size.h"
#include "graph/images.h"

/* No window, stride or pad in any real network comes near; beyond it sums could overflow. */
static const int64_t window_max = 1 << 20;

static tn_status resolve(const char *name, tn_ints *ints, int n, int64_t fallback, int64_t least,
                         tn_error *error) {
    if (ints->n == 0) {
        ints->n = n;
        for (int i = 0; i < n; i++) ints->v[i] = fallback;
    }
    if (ints->n != n)
        return tn_fail(error, TN_ERR_FORMAT, "%s has %d numbers, not %d", name, ints->n, n);
    for (int i = 0; i < n; i++)
        if (ints->v[i] < least || ints->v[i] > window_max)
            return tn_fail(error, TN_ERR_FORMAT, "%s holds %lld (must be %lld to %lld)", name,
                           (long long)ints->v[i], (long long)least, (long long)window_max);
    return TN_OK;
}

tn_status tn_window_resolve(int dims, tn_ints *kernel, tn_ints *strides, tn_ints *dilations,
                            tn_ints *pads, tn_error *error) {
    TN_TRY(resolve("kernel_shape", kernel, dims, 0, 1, error));
    TN_TRY(resolve("strides", strides, dims, 1, 1, error));
    TN_TRY(resolve("dilations", dilations, dims, 1, 1, error));
    return resolve("pads", pads, 2 * dims, 0, 0, error);
}

tn_status tn_window_check_images(const tn_value *x, tn_error *error) {
    if (x->dtype != TN_FLOAT32 || x->shape.rank < 3 || x->shape.rank > 5)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "input \"%s\" is %s of %d dimensions (only float32 images, of 3 to 5, are "
                       "supported)",
                       x->name, tn_dtype_name(x->dtype), x->shape.rank);
    if (!x->shape.batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "input \"%s\" is no batch (only what depends on the model's input is)",
                       x->name);
    return TN_OK;
}

/* ONNX: SAME_UPPER and SAME_LOWER make output = ceil(size / stride) and put an odd pad at the end
 * or at the beginning. */
static tn_status pad_same(bool upper, int64_t size, int64_t extent, int64_t stride,
                          int64_t *pad_begin, int64_t *pad_end, tn_error *error) {
    int64_t output = (size + stride - 1) / stride;
    int64_t pad = tn_max_i64(0, (output - 1) * stride + extent - size);
    if (pad > window_max)
        return tn_fail(error, TN_ERR_FORMAT, "auto_pad makes %lld pixels of padding (at most %lld)",
                       (long long)pad, (long long)window_max);
    *pad_begin = upper ? pad / 2 : pad - pad / 2;
    *pad_end = pad - *pad_begin;
    return TN_OK;
}

tn_status tn_window_output(const char *auto_pad, bool ceil_mode, int64_t size, int64_t kernel,
                           int64_t stride, int64_t dilation, int64_t *pad_begin, int64_t *pad_end,
                           int64_t *output, tn_error *error) {
    int64_t extent = (kernel - 1) * dilation + 1;
    if (strcmp(auto_pad, "SAME_UPPER") == 0 || strcmp(auto_pad, "SAME_LOWER") == 0)
        TN_TRY(pad_same(auto_pad[5] == 'U', size, extent, stride, pad_begin, pad_end, error));
    else if (strcmp(auto_pad, "VALID") == 0)
        *pad_begin = *pad_end = 0;
    else if (*auto_pad && strcmp(auto_pad, "NOTSET") != 0)
        return tn_fail(error, TN_ERR_FORMAT, "auto_pad is \"%s\"", auto_pad);
    if (size < 1 || size > INT64_MAX / 4)
        return tn_fail(error, TN_ERR_FORMAT, "an image side of %lld", (long long)size);
    int64_t room = size + *pad_begin + *pad_end - extent;
    if (room < 0)
        return tn_fail(error, TN_ERR_FORMAT,
                       "a window of %lld does not fit into %lld pixels with padding",
                       (long long)extent, (long long)(size + *pad_begin + *pad_end));
    *output = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    /* A window of ceil mode may not begin beyond the image and the padding before it. */
    if (ceil_mode && (*output - 1) * stride >= size + *pad_begin) (*output)--;
    return TN_OK;
}

void tn_window_sizes(const tn_shape *x, int64_t size[3]) {
    for (int i = 0; i < 3; i++) {
        int axis = x->rank - 3 + i;
        size[i] = axis < 2 ? 1 : x->dims[axis];
    }
}

/* Number `axis` (0: depth) of a list with one number for each spatial dimension. */
static int64_t number_of(const tn_ints *list, int dims, int axis, int64_t fallback) {
    return axis < 3 - dims ? fallback : list->v[axis - (3 - dims)];
}

/* Pads before and after an axis. */
static int64_t pad_of(const tn_conv_attrs *a, int axis, bool after) {
    int dims = a->pads.n / 2;
    return axis < 3 - dims ? 0 : a->pads.v[axis - (3 - dims) + (after ? dims : 0)];
}

/* Output places of an axis. */
static int64_t places(int64_t size, int64_t taps, int64_t dilation, int64_t stride, int64_t pads) {
    return (size + pads - (taps - 1) * dilation - 1) / stride + 1;
}

conv_geometry conv_geometry_make(const tn_conv_attrs *a, const int64_t size[3],
                                 const int64_t *weight) {
    int dims = a->kernel_shape.n;
    conv_geometry g = {.c = weight[1] * a->group,
                       .d = size[0],
                       .h = size[1],
                       .w = size[2],
                       .o = weight[0],
                       .t = number_of(&a->kernel_shape, dims, 0, 1),
                       .r = number_of(&a->kernel_shape, dims, 1, 1),
                       .s = number_of(&a->kernel_shape, dims, 2, 1),
                       .stride_d = number_of(&a->strides, dims, 0, 1),
                       .stride_h = number_of(&a->strides, dims, 1, 1),
                       .stride_w = number_of(&a->strides, dims, 2, 1),
                       .dilation_d = number_of(&a->dilations, dims, 0, 1),
                       .dilation_h = number_of(&a->dilations, dims, 1, 1),
                       .dilation_w = number_of(&a->dilations, dims, 2, 1),
                       .pad_front = pad_of(a, 0, false),
                       .pad_back = pad_of(a, 0, true),
                       .pad_top = pad_of(a, 1, false),
                       .pad_left = pad_of(a, 2, false),
                       .pad_bottom = pad_of(a, 1, true),
                       .pad_right = pad_of(a, 2, true),
                       .groups = a->group,
                       .cg = weight[1],
                       .og = weight[0] / a->group,
                       .volume = dims == 3};
    /* The gradient goes through the phases of a stride, which may be absurd: of strides that take
     * one window, the least will do. */
    int64_t pads_d = g.pad_front + g.pad_back, pads_h = g.pad_top + g.pad_bottom;
    int64_t pads_w = g.pad_left + g.pad_right;
    g.stride_d = tn_min_i64(g.stride_d, g.d + pads_d);
    g.stride_h = tn_min_i64(g.stride_h, g.h + pads_h);
    g.stride_w = tn_min_i64(g.stride_w, g.w + pads_w);
    g.u = places(g.d, g.t, g.dilation_d, g.stride_d, pads_d);
    g.p = places(g.h, g.r, g.dilation_h, g.stride_h, pads_h);
    g.q = places(g.w, g.s, g.dilation_w, g.stride_w, pads_w);
    return g;
}

conv_geometry conv_geometry_of(const tn_node *node) {
    int64_t size[3];
    tn_window_sizes(&node->inputs[0]->shape, size);
    return conv_geometry_make(node->attrs, size, node->inputs[1]->shape.dims);
}

conv_geometry conv_grad_input_geometry(const tn_node *node) {
    const conv_grad_attrs *a = node->attrs;
    return conv_geometry_make(&a->conv, a->size, node->inputs[1]->shape.dims);
}

conv_geometry conv_grad_weight_geometry(const tn_node *node) {
    const conv_grad_attrs *a = node->attrs;
    return conv_geometry_make(&a->conv, a->size, node->outputs[0]->shape.dims);
}

bool conv_product(const conv_geometry *g, int64_t i, int64_t k, int64_t *x, int64_t *w) {
    int64_t pixel = i / g->o, o = i % g->o, group = o / g->og, tap = k / g->cg, c = k % g->cg;
    int64_t u = pixel / (g->p * g->q), p = pixel / g->q % g->p, q = pixel % g->q;
    int64_t t = tap / (g->r * g->s), r = tap / g->s % g->r, s = tap % g->s;
    int64_t slice = u * g->stride_d + t * g->dilation_d - g->pad_front;
    int64_t row = p * g->stride_h + r * g->dilation_h - g->pad_top;
    int64_t column = q * g->stride_w + s * g->dilation_w - g->pad_left;
    if (slice < 0 || slice >= g->d || row < 0 || row >= g->h || column < 0 || column >= g->w)
        return false;
    *x = ((slice * g->h + row) * g->w + column) * g->c + group * g->cg + c;
    *w = (group * g->t * g->r * g->s * g->cg + k) * g->og + o % g->og;
    return true;
}

static bool is_volume(const tn_node *node) { return node->inputs[0]->shape.rank == 5; }

bool conv_naive_applies(const tn_node *node, const tn_kernels *kernels) {
    return kernels->naive || is_volume(node);
}

bool conv_images_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return !is_volume(node);
}

static bool are_rows(const tn_node *node) {
    return tn_row_bytes(node, node->inputs[0]) > 0 && tn_row_bytes(node, node->outputs[0]) > 0;
}

bool conv_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const conv_geometry g = conv_geometry_of(node);
    if (input > 0) return tn_rows_same(node, input, out, in); /* added at the end */
    *in = tn_rows_of_windows(out, g.stride_h, g.pad_top, g.r, g.dilation_h, g.h);
    return are_rows(node);
}

/* dx row i gets from dy row p where stride · p + dilation · r - pad = i for a tap r. */
bool conv_grad_input_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const conv_geometry g = conv_grad_input_geometry(node);
    (void)input;
    int64_t lowest = tn_max_i64(0, out.begin + g.pad_top - (g.r - 1) * g.dilation_h);
    int64_t begin = tn_min_i64((lowest + g.stride_h - 1) / g.stride_h, g.p);
    int64_t end = (out.end - 1 + g.pad_top) / g.stride_h + 1;
    *in = (tn_rows){begin, tn_max_i64(begin, tn_min_i64(end, g.p))};
    return are_rows(node);
}

bool conv_is_padded(const conv_geometry *g) {
    return g->pad_top || g->pad_left || g->pad_bottom || g->pad_right;
}

int64_t conv_padded_h(const conv_geometry *g) { return g->pad_top + g->h + g->pad_bottom; }
int64_t conv_padded_w(const conv_geometry *g) { return g->pad_left + g->w + g->pad_right; }

void conv_pad_image(const real *x, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left,
                    int64_t bottom, int64_t right, real *to) {
    int64_t width = left + w + right;
    memset(to, 0, (size_t)(top * width * c) * sizeof(real));
    to += top * width * c;
    for (int64_t i = 0; i < h; i++, to += width * c) {
        memset(to, 0, (size_t)(left * c) * sizeof(real));
        memcpy(to + left * c, x + i * w * c, (size_t)(w * c) * sizeof(real));
        memset(to + (left + w) * c, 0, (size_t)(right * c) * sizeof(real));
    }
    memset(to, 0, (size_t)(bottom * width * c) * sizeof(real));
}
