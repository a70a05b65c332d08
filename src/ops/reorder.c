/* SPDX-License-Identifier: Apache-2.0 */
/* reorder.c: between plain and channels-last samples, and samples in lanes. An operator of the
 * engine's own, inserted by the plan where neighbours disagree; the layouts are those of the run.
 */
#include <string.h>

#include "ops/box.h"
#include "ops/elementwise.h"
#include "ops/lanes.h"
#include "ops/ops.h"

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    node->outputs[0]->shape = node->inputs[0]->shape;
    return TN_OK;
}

/* Elements of the input from number `from` on, as rows `ld_from` apart, to columns of the output
 * from number `to` on. */
static void transpose(const tn_run *run, int64_t rows, int64_t columns, int64_t from,
                      int64_t ld_from, int64_t to, int64_t ld_to) {
    int64_t each = (int64_t)tn_dtype_bytes(run->node->inputs[0]->dtype);
    tn_box_transpose(run->kernels, (size_t)each, rows, columns,
                     (const char *)run->in[0] + from * each, ld_from,
                     (char *)run->out[0] + to * each, ld_to);
}

/* [c][rest] -> [rest][c] where the output is channels last, else back. Of some rows of an image,
 * the pixels are `rest`; on the plain side they are a part of each channel. */
static void reorder_channels(const tn_run *run, int64_t each) {
    int64_t to = run->out_channels[0], channels = to > 1 ? to : run->in_channels[0];
    int64_t row = each / tn_image_rows(run->node, run->node->outputs[0]);
    int64_t pixels = each / channels, first = row * run->rows.begin / channels;
    int64_t n = row * (run->rows.end - run->rows.begin) / channels;
    for (int64_t i = 0; i < run->n; i++)
        if (to > 1)
            transpose(run, channels, n, i * each + first, pixels, i * each, channels);
        else
            transpose(run, n, channels, i * each, channels, i * each + first, pixels);
}

/* Between channels last, where rows of images follow each other, and plain, where they need not. */
static bool rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const tn_value *x = node->inputs[input], *y = node->outputs[0];
    const tn_value *last = y->channels > 1 ? y : x;
    *in = out;
    return x->shape.rank == 4 && !x->lanes && !y->lanes &&
           x->channels * y->channels == last->shape.dims[1];
}

static void reorder_into_lanes(const tn_run *run, int64_t each) {
    int64_t bytes = (int64_t)tn_dtype_bytes(run->node->inputs[0]->dtype);
    for (int64_t group = 0; group < tn_run_groups(run); group++) {
        int64_t at = group * TN_LANES * each;
        int lanes = tn_run_lanes(run, group);
        if (lanes < TN_LANES)
            memset((char *)run->out[0] + at * bytes, 0, (size_t)(TN_LANES * each * bytes));
        transpose(run, lanes, each, at, each, at, TN_LANES);
    }
}

static void reorder_out_of_lanes(const tn_run *run, int64_t each) {
    for (int64_t group = 0; group < tn_run_groups(run); group++) {
        int64_t at = group * TN_LANES * each;
        transpose(run, each, tn_run_lanes(run, group), at, TN_LANES, at, each);
    }
}

static void run_any(const tn_run *run) {
    int64_t each = tn_shape_sample_elements(&run->node->outputs[0]->shape);
    if (each == 0) return;
    if (run->node->inputs[0]->lanes)
        reorder_out_of_lanes(run, each);
    else if (run->node->outputs[0]->lanes)
        reorder_into_lanes(run, each);
    else
        reorder_channels(run, each);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_reorder = {.name = "Reorder",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_PLAIN,
                             .infer_shape = infer_shape,
                             .implementations = implementations};
