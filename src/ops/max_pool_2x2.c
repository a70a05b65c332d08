/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool_2x2.c: max pooling over windows of 2x2 side by side, a row of windows at a time. Each
 * pixel is in one window at most, so the gradient is written once, and a winner is two bits. A
 * group of samples in lanes is, for each channel, an image of TN_LANES channels to the same
 * kernels. */
#include <string.h>

#include "base/size.h"
#include "ops/lanes.h"
#include "ops/pool_window.h"

static bool is_2x2(const tn_pool_attrs *a, const tn_shape *x, const tn_shape *y) {
    if (x->rank != 4 || a->indices) return false;
    for (int i = 0; i < 2; i++)
        if (a->kernel_shape.v[i] != 2 || a->strides.v[i] != 2 || a->dilations.v[i] != 1 ||
            a->pads.v[i] != 0 || y->dims[2 + i] > x->dims[2 + i] / 2)
            return false;
    return true;
}

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return is_2x2(node->attrs, &node->inputs[0]->shape, &node->outputs[0]->shape);
}

static bool gradient_applies(const tn_node *node, const tn_kernels *kernels) {
    const tn_pool_grad_attrs *a = node->attrs;
    (void)kernels;
    return is_2x2(&a->pool, &node->outputs[0]->shape, &node->inputs[0]->shape);
}

bool tn_max_pool_is_2x2(const tn_node *node) { return applies(node, NULL); }

static bool has_relu(const tn_node *node) {
    return node->op == &tn_op_max_pool_relu || node->op == &tn_op_max_pool_relu_grad;
}

/* Bytes for the winners of a pixel. */
static int64_t arg_bytes(const tn_node *node, int64_t channels) {
    return (has_relu(node) ? 3 : 2) * ((channels + 7) / 8);
}

tn_shape tn_max_pool_arg_shape(const tn_node *node) {
    tn_shape shape = node->outputs[0]->shape;
    if (applies(node, NULL)) shape.dims[1] = arg_bytes(node, shape.dims[1]);
    return shape;
}

/* The images of a call: one of each sample, or one of each channel of a group. */
typedef struct images {
    int64_t n, channels, h, w, p, q;
    int64_t arg; /* bytes for the winners of one */
    int64_t per_group,
        group_arg; /* images that follow each other, from group to group of winners */
} images;

static images images_of(const tn_run *run, const tn_shape *x, const tn_shape *y, bool lanes) {
    images m = {.h = x->dims[2], .w = x->dims[3], .p = y->dims[2], .q = y->dims[3]};
    int64_t c = x->dims[1], winners = m.p * m.q;
    m.n = lanes ? tn_run_groups(run) * c : run->n;
    m.channels = lanes ? TN_LANES : c;
    m.arg = arg_bytes(run->node, m.channels) * winners;
    m.per_group = lanes ? c : 1;
    m.group_arg = arg_bytes(run->node, c) * winners * (lanes ? TN_LANES : 1);
    return m;
}

static int64_t arg_at(const images *m, int64_t i) {
    return i / m->per_group * m->group_arg + i % m->per_group * m->arg;
}

static void pool(const tn_run *run, bool lanes) {
    const tn_node *node = run->node;
    const images m = images_of(run, &node->inputs[0]->shape, &node->outputs[0]->shape, lanes);
    const tn_rows rows = lanes ? (tn_rows){0, m.p} : run->rows;
    int64_t row = m.w * m.channels, y_row = m.q * m.channels;
    uint8_t *winners = run->out[1] ? tn_run_out_image(run, 1) : NULL;
    for (int64_t i = 0; i < m.n; i++) {
        const real *x = (const real *)tn_run_in_image(run, 0) + i * m.h * row;
        real *y = (real *)tn_run_out_image(run, 0) + i * m.p * y_row;
        uint8_t *arg = winners ? winners + arg_at(&m, i) : NULL;
        for (int64_t p = rows.begin; p < rows.end; p++)
            run->kernels->max_pool_2x2(m.q, m.channels, x + 2 * p * row, x + (2 * p + 1) * row,
                                       has_relu(node), y + p * y_row,
                                       arg ? arg + p * (m.arg / m.p) : NULL);
    }
}

static void clear(real *x, int64_t n) { memset(x, 0, (size_t)n * sizeof *x); }

/* Pixels at the right and the bottom may be in no window. */
static void clear_rest(const images *m, real *dx) {
    int64_t row = m->w * m->channels, covered = 2 * m->q * m->channels;
    for (int64_t r = 0; r < 2 * m->p && covered < row; r++)
        clear(dx + r * row + covered, row - covered);
    clear(dx + 2 * m->p * row, (m->h - 2 * m->p) * row);
}

static void pool_gradient(const tn_run *run, bool lanes) {
    const tn_node *node = run->node;
    const images m = images_of(run, &node->outputs[0]->shape, &node->inputs[0]->shape, lanes);
    int64_t row = m.w * m.channels, y_row = m.q * m.channels;
    for (int64_t i = 0; i < m.n; i++) {
        const real *dy = (const real *)run->in[0] + i * m.p * y_row;
        const uint8_t *arg = (const uint8_t *)run->in[1] + arg_at(&m, i);
        real *dx = (real *)run->out[0] + i * m.h * row;
        for (int64_t p = 0; p < m.p; p++)
            run->kernels->max_pool_2x2_grad(m.q, m.channels, arg + p * (m.arg / m.p),
                                            dy + p * y_row, has_relu(node), dx + 2 * p * row,
                                            dx + (2 * p + 1) * row);
        clear_rest(&m, dx);
    }
}

static void run_rows(const tn_run *run) { pool(run, false); }
static void run_lanes(const tn_run *run) { pool(run, true); }
static void run_gradient(const tn_run *run) { pool_gradient(run, false); }
static void run_gradient_lanes(const tn_run *run) { pool_gradient(run, true); }

const tn_implementation tn_max_pool_2x2 = {.name = "2x2",
                                           .cost = {.per_element = 4},
                                           .applies = applies,
                                           .rows_in = tn_pool_rows_in,
                                           .run = run_rows};
const tn_implementation tn_max_pool_2x2_lanes = {
    .name = "2x2 lanes", .stored = TN_STORED_IN_LANES, .applies = applies, .run = run_lanes};

const tn_implementation tn_max_pool_2x2_grad = {
    .name = "2x2", .cost = {.per_element = 4}, .applies = gradient_applies, .run = run_gradient};
const tn_implementation tn_max_pool_2x2_grad_lanes = {.name = "2x2 lanes",
                                                      .stored = TN_STORED_IN_LANES,
                                                      .applies = gradient_applies,
                                                      .run = run_gradient_lanes};
