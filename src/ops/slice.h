/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h: parts of a tensor at regular steps, and their way back into a tensor of zeros. */
#ifndef TN_OPS_SLICE_H
#define TN_OPS_SLICE_H

#include "graph/op.h"

/* Place i of the part along an axis is place start + i·step of the whole. */
typedef struct tn_slice {
    int64_t start[TN_MAX_RANK], step[TN_MAX_RANK];
} tn_slice;

/* All of a tensor. */
tn_slice tn_slice_all(void);
/* Copies a part of input 0 to an output. */
void tn_slice_run(const tn_run *run, const tn_slice *slice, int output);
/* rows_in of an operator whose outputs are parts of all rows, or NULL to be none. */
bool tn_slice_rows(const tn_node *node, int input, tn_rows out, tn_rows *in);

/* dx, of x's shape, is 0 but for its part dy. */
tn_status tn_slice_gradient(tn_graph *graph, const tn_slice *slice, tn_value *x, tn_value *dy,
                            tn_error *error);

#endif
