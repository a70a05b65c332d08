/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool_large.c: max pooling over windows of more taps than a byte can name. It has no gradient.
 */
#include "base/size.h"
#include "ops/pool_window.h"

bool tn_max_pool_is_large(const tn_node *node) {
    const tn_pool_attrs *a = node->attrs;
    int64_t taps = 1;
    for (int i = 0; i < a->kernel_shape.n; i++) taps *= a->kernel_shape.v[i];
    return taps > UINT8_MAX;
}

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tn_max_pool_is_large(node);
}

/* The places along an axis that the window of output place i shows: begin, begin + dilation, ... */
static tn_rows places_of(const tn_window *w, int axis, int64_t i) {
    int64_t first = i * w->stride[axis] - w->pad[axis], d = w->dilation[axis];
    int64_t begin = first < 0 ? first + (-first + d - 1) / d * d : first;
    return (tn_rows){begin, tn_min_i64(w->in[axis], first + w->kernel[axis] * d)};
}

/* y[k] = max over the window of output pixel i; the first NaN wins. */
static void pool_pixel(const tn_window *w, int64_t i, int64_t c, const real *x, real *y) {
    const tn_rows slices = places_of(w, 0, i / (w->out[1] * w->out[2]));
    const tn_rows rows = places_of(w, 1, i / w->out[2] % w->out[1]);
    const tn_rows columns = places_of(w, 2, i % w->out[2]);
    bool first = true;
    for (int64_t t = slices.begin; t < slices.end; t += w->dilation[0])
        for (int64_t r = rows.begin; r < rows.end; r += w->dilation[1])
            for (int64_t s = columns.begin; s < columns.end; s += w->dilation[2], first = false) {
                const real *from = x + ((t * w->in[1] + r) * w->in[2] + s) * c;
                for (int64_t k = 0; k < c; k++)
                    if (first || from[k] > y[k] || (from[k] != from[k] && y[k] == y[k]))
                        y[k] = from[k];
            }
}

static void run_any(const tn_run *run) {
    const tn_window w = tn_window_make(run->node->attrs, &run->node->inputs[0]->shape,
                                       &run->node->outputs[0]->shape);
    int64_t c = run->node->inputs[0]->shape.dims[1], begin, end;
    int64_t x_each = c * w.in[0] * w.in[1] * w.in[2], y_each = c * w.out[0] * w.out[1] * w.out[2];
    const real *x = tn_run_in_image(run, 0);
    real *y = tn_run_out_image(run, 0);
    tn_window_pixels(&w, run, &begin, &end);
    for (int64_t n = 0; n < run->n; n++)
        for (int64_t i = begin; i < end; i++)
            pool_pixel(&w, i, c, x + n * x_each, y + n * y_each + i * c);
}

const tn_implementation tn_max_pool_large = {
    .name = "large", .applies = applies, .rows_in = tn_pool_rows_in, .run = run_any};
