/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool_lanes.c: average pooling, over windows and over whole channels, for samples in
 * lanes. A plane is a channel of a group, [h][w] points. Sums are products whose factor is 1. */
#include <string.h>

#include "base/size.h"
#include "ops/lanes.h"
#include "ops/pool_window.h"

static const real one = 1;

/* Points of a plane that lie in a grid. */
typedef struct grid {
    int64_t first, row, column;
} grid;

/* One tap of the window over a whole plane: y += x at the points of image that lie under it, or
 * back, x += y. */
static void add_tap(const tn_run *run, const tn_pool_attrs *a, const int64_t *image,
                    const int64_t *output, int64_t r, int64_t s, bool back, const real *from,
                    real *to) {
    int64_t top = r - a->pads.v[0], left = s - a->pads.v[1];
    int64_t down = a->strides.v[0], right = a->strides.v[1], w = image[3], q = output[3];
    const tn_steps rows = tn_steps_inside(top, down, image[2], output[2]);
    const tn_steps columns = tn_steps_inside(left, right, w, q);
    if (rows.begin >= rows.end || columns.begin >= columns.end) return;
    const grid x = {(rows.begin * down + top) * w + columns.begin * right + left, down * w, right};
    const grid y = {rows.begin * q + columns.begin, q, 1};
    const grid in = back ? y : x, out = back ? x : y;
    const int64_t here = 0;
    const tn_lanes_product sum = {.rows = rows.end - rows.begin,
                                  .columns = columns.end - columns.begin,
                                  .x_row = in.row * TN_LANES,
                                  .x_column = in.column * TN_LANES,
                                  .y_row = out.row * TN_LANES,
                                  .y_column = out.column * TN_LANES,
                                  .outputs = 1,
                                  .depth = 1,
                                  .offset = &here,
                                  .x = from + in.first * TN_LANES,
                                  .w = &one,
                                  .y = to + out.first * TN_LANES,
                                  .add = true};
    run->kernels->lanes_product(&sum);
}

/* y = x divided by the count of each point of output, in all planes. */
static void divide(const tn_run *run, const tn_pool_attrs *a, const tn_shape *image,
                   const tn_shape *y_shape, const real *x, real *y) {
    const int64_t *output = y_shape->dims;
    const tn_window w = tn_window_make(a, image, y_shape);
    int64_t planes = tn_run_groups(run) * output[1], each = output[2] * output[3];
    for (int64_t p = 0; p < output[2]; p++)
        for (int64_t q = 0, end; q < output[3]; q = end) {
            int64_t count = tn_average_pool_count(a, &w, p, q);
            for (end = q + 1; end < output[3]; end++)
                if (tn_average_pool_count(a, &w, p, end) != count) break;
            for (int64_t i = 0; i < planes; i++) {
                int64_t at = (i * each + p * output[3] + q) * TN_LANES;
                run->kernels->mul_scalar((end - q) * TN_LANES, x + at, (real)1 / (real)count,
                                         y + at);
            }
        }
}

static void run_forward(const tn_run *run) {
    const tn_pool_attrs *a = run->node->attrs;
    const int64_t *in = run->node->inputs[0]->shape.dims, *out = run->node->outputs[0]->shape.dims;
    int64_t planes = tn_run_groups(run) * in[1];
    int64_t x_each = in[2] * in[3] * TN_LANES, y_each = out[2] * out[3] * TN_LANES;
    const real *x = run->in[0];
    real *y = run->out[0];
    memset(y, 0, (size_t)(planes * y_each) * sizeof(real));
    for (int64_t i = 0; i < planes; i++)
        for (int64_t r = 0; r < a->kernel_shape.v[0]; r++)
            for (int64_t s = 0; s < a->kernel_shape.v[1]; s++)
                add_tap(run, a, in, out, r, s, false, x + i * x_each, y + i * y_each);
    divide(run, a, &run->node->inputs[0]->shape, &run->node->outputs[0]->shape, y, y);
}

static bool is_dense(const tn_pool_attrs *a) {
    for (int i = 0; i < a->dilations.n; i++)
        if (a->dilations.v[i] != 1) return false;
    return true;
}

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tn_pool_of_images(node) && is_dense(node->attrs);
}

static bool gradient_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tn_pool_of_images(node) && is_dense(&((const tn_pool_grad_attrs *)node->attrs)->pool);
}

const tn_implementation tn_average_pool_lanes = {
    .name = "lanes", .stored = TN_STORED_IN_LANES, .applies = applies, .run = run_forward};

/* Workspace: dy, divided. */
static int64_t gradient_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels;
    return tn_round_up(n, TN_LANES) * tn_shape_sample_elements(&node->inputs[0]->shape) *
           (int64_t)sizeof(real);
}

/* Taps backwards: a pixel gets its parts in the order of the windows. */
static void run_gradient(const tn_run *run) {
    const tn_pool_attrs *a = &((const tn_pool_grad_attrs *)run->node->attrs)->pool;
    const int64_t *in = run->node->outputs[0]->shape.dims, *out = run->node->inputs[0]->shape.dims;
    int64_t planes = tn_run_groups(run) * in[1];
    int64_t x_each = in[2] * in[3] * TN_LANES, y_each = out[2] * out[3] * TN_LANES;
    real *part = run->workspace, *dx = run->out[0];
    divide(run, a, &run->node->outputs[0]->shape, &run->node->inputs[0]->shape, run->in[0], part);
    memset(dx, 0, (size_t)(planes * x_each) * sizeof(real));
    for (int64_t i = 0; i < planes; i++)
        for (int64_t r = a->kernel_shape.v[0] - 1; r >= 0; r--)
            for (int64_t s = a->kernel_shape.v[1] - 1; s >= 0; s--)
                add_tap(run, a, in, out, r, s, true, part + i * y_each, dx + i * x_each);
}

const tn_implementation tn_average_pool_grad_lanes = {.name = "lanes",
                                                      .stored = TN_STORED_IN_LANES,
                                                      .applies = gradient_applies,
                                                      .workspace_bytes = gradient_workspace,
                                                      .run = run_gradient};

/* ---- Over whole channels --------------------------------------------------------------------- */

/* Workspace: where the pixels are. */
static int64_t global_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return tn_pool_pixels(&node->inputs[0]->shape) * (int64_t)sizeof(int64_t);
}

static void run_global(const tn_run *run) {
    const tn_shape *shape = &run->node->inputs[0]->shape;
    int64_t planes = tn_run_groups(run) * shape->dims[1], pixels = tn_pool_pixels(shape);
    int64_t *offset = run->workspace;
    for (int64_t i = 0; i < pixels; i++) offset[i] = i * TN_LANES;
    const tn_lanes_product sum = {.rows = 1,
                                  .columns = planes,
                                  .x_column = pixels * TN_LANES,
                                  .y_column = TN_LANES,
                                  .outputs = 1,
                                  .depth = pixels,
                                  .offset = offset,
                                  .x = run->in[0],
                                  .w = &one,
                                  .y = run->out[0]};
    run->kernels->lanes_product(&sum);
    run->kernels->mul_scalar(planes * TN_LANES, run->out[0], (real)1 / (real)pixels, run->out[0]);
}

const tn_implementation tn_global_average_pool_lanes = {.name = "lanes",
                                                        .stored = TN_STORED_IN_LANES,
                                                        .workspace_bytes = global_workspace,
                                                        .run = run_global};

/* All pixels of a plane are outputs of its one point of dy. */
static void run_global_gradient(const tn_run *run) {
    const tn_pool_grad_attrs *a = run->node->attrs;
    int64_t planes = tn_run_groups(run) * run->node->inputs[0]->shape.dims[1];
    int64_t pixels = tn_pool_pixels(&a->x), here = 0;
    const real part = (real)1 / (real)pixels;
    const tn_lanes_product product = {.rows = 1,
                                      .columns = planes,
                                      .x_column = TN_LANES,
                                      .y_column = pixels * TN_LANES,
                                      .outputs = pixels,
                                      .y_output = TN_LANES,
                                      .depth = 1,
                                      .offset = &here,
                                      .x = run->in[0],
                                      .w = &part,
                                      .y = run->out[0]};
    run->kernels->lanes_product(&product);
}

const tn_implementation tn_global_average_pool_grad_lanes = {
    .name = "lanes", .stored = TN_STORED_IN_LANES, .run = run_global_gradient};
