/* SPDX-License-Identifier: Apache-2.0 */
/* sum_to.h: the gradient of broadcasting. */
#ifndef TN_OPS_SUM_TO_H
#define TN_OPS_SUM_TO_H

#include "graph/op.h"

extern const tn_op tn_op_sum_to;

/* Sums x over the axes along which a tensor of `shape` was repeated to the shape of x; x itself if
 * there are none. */
tn_status tn_sum_to_shape(tn_graph *graph, tn_value *x, const tn_shape *shape, tn_value **sum,
                          tn_error *error);
/* Delivers -1 times that sum as a gradient of input. */
tn_status tn_sum_to_gradient_negated(tn_graph *graph, tn_value *input, tn_value *x,
                                     tn_error *error);
/* Sums x [n][c]... over all axes but 1: the gradient of a bias [c]. */
tn_status tn_sum_to_channels(tn_graph *graph, tn_value *x, tn_value **sum, tn_error *error);

#endif
