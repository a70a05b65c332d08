/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/images.h"

#include "base/size.h"

/* The axis of rows; of the pixels that a graph is fed, channels are the last. */
static int row_axis(const tn_node *node, const tn_value *v) {
    bool pixels = node->op->layout == TN_LAYOUT_PIXELS && v == node->inputs[0];
    return pixels ? 1 : 2;
}

static bool is_image(const tn_value *v) {
    return v->shape.batched && v->shape.rank == 4 && !v->lanes;
}

int64_t tn_image_rows(const tn_node *node, const tn_value *v) {
    return is_image(v) ? v->shape.dims[row_axis(node, v)] : 1;
}

int64_t tn_row_bytes(const tn_node *node, const tn_value *v) {
    if (!is_image(v)) return 0;
    const int64_t *dims = v->shape.dims;
    bool last = row_axis(node, v) == 1 || v->channels == dims[1];
    if (!last && dims[1] != 1 && dims[2] * dims[3] != 1) return 0;
    return tn_shape_sample_elements(&v->shape) / tn_max_i64(1, tn_image_rows(node, v)) *
           (int64_t)tn_dtype_bytes(v->dtype);
}

void tn_run_set_whole(tn_run *run) {
    const tn_node *node = run->node;
    run->rows = (tn_rows){0, tn_image_rows(node, node->outputs[0])};
    for (int i = 0; i < node->n_inputs; i++)
        run->in_rows[i] = (tn_rows){0, node->inputs[i] ? tn_image_rows(node, node->inputs[i]) : 0};
}

/* A value of one row, such as a scale for each channel of a sample, goes with every row. */
bool tn_rows_same(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const tn_value *x = node->inputs[input], *y = node->outputs[0];
    int64_t rows = tn_image_rows(node, x);
    if (tn_row_bytes(node, x) == 0 || tn_row_bytes(node, y) == 0) return false;
    *in = rows == tn_image_rows(node, y) ? out : (tn_rows){0, rows};
    return rows == 1 || rows == tn_image_rows(node, y);
}

tn_rows tn_rows_of_windows(tn_rows out, int64_t stride, int64_t pad, int64_t taps, int64_t dilation,
                           int64_t size) {
    int64_t begin = out.begin * stride - pad;
    int64_t end = (out.end - 1) * stride - pad + (taps - 1) * dilation + 1;
    begin = tn_max_i64(0, tn_min_i64(begin, size));
    end = tn_max_i64(begin, tn_min_i64(end, size));
    return (tn_rows){begin, end};
}

tn_channels tn_run_channels(const tn_run *run, int64_t n, int64_t block) {
    int64_t blocks = (n + block - 1) / block, parts = tn_max_i64(1, run->n_shares);
    return (tn_channels){tn_min_i64(n, blocks * run->share / parts * block),
                         tn_min_i64(n, blocks * (run->share + 1) / parts * block)};
}

/* By way of integers: the result may be outside of the memory. */
static uintptr_t row_zero(uintptr_t memory, const tn_node *node, const tn_value *v, int64_t first) {
    return memory - (uintptr_t)(first * tn_row_bytes(node, v));
}

const void *tn_run_in_image(const tn_run *run, int i) {
    return (const void *)row_zero((uintptr_t)run->in[i], run->node, run->node->inputs[i],
                                  run->in_rows[i].begin);
}

void *tn_run_out_image(const tn_run *run, int i) {
    return (void *)row_zero((uintptr_t)run->out[i], run->node, run->node->outputs[i],
                            run->rows.begin);
}

const void *tn_run_more(const tn_run *run) {
    return run->node->more ? tn_run_in_image(run, run->node->more) : NULL;
}
