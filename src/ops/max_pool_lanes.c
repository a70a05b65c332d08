/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool_lanes.c: max pooling for samples in lanes, rows of output points at a time, by windows
 * other than those of max_pool_2x2.c. */
#include <string.h>

#include "base/size.h"
#include "ops/lanes.h"
#include "ops/pool_window.h"

enum { MAX_TAPS = 255 };

/* Neighbouring points of a row of output that have the same taps. */
typedef struct stretch {
    int64_t begin, end;
    int n;                /* taps inside the image */
    int64_t at[MAX_TAPS]; /* their places in a plane, for the first point */
} stretch;

/* Whether all taps of output column q are inside, as to columns. */
static bool is_whole(const tn_pool_attrs *a, int64_t w, int64_t q) {
    int64_t first = q * a->strides.v[1] - a->pads.v[1];
    return first >= 0 && first + (a->kernel_shape.v[1] - 1) * a->dilations.v[1] < w;
}

/* The stretch of row p that begins at column q, of an image of h × w and an output of `columns`. */
static void find_stretch(const tn_pool_attrs *a, int64_t h, int64_t w, int64_t columns, int64_t p,
                         int64_t q, stretch *s) {
    s->begin = q;
    s->end = q + 1;
    while (is_whole(a, w, q) && s->end < columns && is_whole(a, w, s->end)) s->end++;
    s->n = 0;
    for (int64_t r = 0; r < a->kernel_shape.v[0]; r++) {
        int64_t row = p * a->strides.v[0] + r * a->dilations.v[0] - a->pads.v[0];
        if (row < 0 || row >= h) continue;
        for (int64_t k = 0; k < a->kernel_shape.v[1]; k++) {
            int64_t column = q * a->strides.v[1] + k * a->dilations.v[1] - a->pads.v[1];
            if (column >= 0 && column < w) s->at[s->n++] = (row * w + column) * TN_LANES;
        }
    }
}

static void run_forward(const tn_run *run) {
    const tn_pool_attrs *a = run->node->attrs;
    const int64_t *in = run->node->inputs[0]->shape.dims, *out = run->node->outputs[0]->shape.dims;
    int64_t planes = tn_run_groups(run) * in[1], each = in[2] * in[3] * TN_LANES;
    const real *x = run->in[0], *taps[MAX_TAPS];
    uint8_t *arg = run->out[1];
    stretch s;
    for (int64_t p = 0; p < out[2]; p++)
        for (int64_t q = 0; q < out[3]; q = s.end) {
            find_stretch(a, in[2], in[3], out[3], p, q, &s);
            for (int64_t i = 0; i < planes; i++) {
                int64_t to = ((i * out[2] + p) * out[3] + q) * TN_LANES;
                for (int t = 0; t < s.n; t++) taps[t] = x + i * each + s.at[t];
                run->kernels->lanes_max_pool(s.n, taps, a->strides.v[1] * TN_LANES, s.end - s.begin,
                                             (real *)run->out[0] + to, arg ? arg + to : NULL);
            }
        }
}

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const tn_pool_attrs *a = node->attrs;
    return tn_pool_of_images(node) && !a->indices &&
           a->kernel_shape.v[0] * a->kernel_shape.v[1] <= MAX_TAPS;
}

static bool gradient_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tn_pool_of_images(node) && !((const tn_pool_grad_attrs *)node->attrs)->pool.indices;
}

const tn_implementation tn_max_pool_lanes = {
    .name = "lanes", .stored = TN_STORED_IN_LANES, .applies = applies, .run = run_forward};

/* ---- Gradient -------------------------------------------------------------------------------- */

static void run_gradient(const tn_run *run) {
    const tn_pool_attrs *a = &((const tn_pool_grad_attrs *)run->node->attrs)->pool;
    const int64_t *in = run->node->outputs[0]->shape.dims, *out = run->node->inputs[0]->shape.dims;
    int64_t planes = tn_run_groups(run) * in[1], each = in[2] * in[3] * TN_LANES;
    real *dx = run->out[0], *taps[MAX_TAPS];
    stretch s;
    memset(dx, 0, (size_t)(planes * each) * sizeof(real));
    for (int64_t p = 0; p < out[2]; p++)
        for (int64_t q = 0; q < out[3]; q = s.end) {
            find_stretch(a, in[2], in[3], out[3], p, q, &s);
            for (int64_t i = 0; i < planes; i++) {
                int64_t from = ((i * out[2] + p) * out[3] + q) * TN_LANES;
                for (int t = 0; t < s.n; t++) taps[t] = dx + i * each + s.at[t];
                run->kernels->lanes_max_pool_grad(s.n, (const uint8_t *)run->in[1] + from,
                                                  (const real *)run->in[0] + from, s.end - s.begin,
                                                  a->strides.v[1] * TN_LANES, taps);
            }
        }
}

const tn_implementation tn_max_pool_grad_lanes = {.name = "lanes",
                                                  .stored = TN_STORED_IN_LANES,
                                                  .applies = gradient_applies,
                                                  .run = run_gradient};
