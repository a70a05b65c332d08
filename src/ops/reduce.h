/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.h: the family of operators that make one number of all along some axes. */
#ifndef TN_OPS_REDUCE_H
#define TN_OPS_REDUCE_H

#include "ops/ops.h"

/* x's shape with 1 in place of the axes reduced. */
tn_shape tn_reduce_kept(const tn_reduce_attrs *attrs, const tn_shape *x);
/* How many numbers one is made of. */
int64_t tn_reduce_count(const tn_reduce_attrs *attrs, const tn_shape *x);

/* differentiate of each. */
tn_status tn_reduce_sum_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_mean_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_extreme_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_prod_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_l1_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_l2_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_sum_square_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_log_sum_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_reduce_log_sum_exp_differentiate(tn_graph *graph, tn_node *node, tn_error *error);

#endif
