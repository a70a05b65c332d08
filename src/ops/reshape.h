/* SPDX-License-Identifier: Apache-2.0 */
/* reshape.h: what operators share whose output holds the input's elements in the same order, only
 * with other dimensions. Samples of a batch stay what they are, so that any layout will do. */
#ifndef TN_OPS_RESHAPE_H
#define TN_OPS_RESHAPE_H

#include "graph/op.h"

/* Implementations of such an operator, which is TN_LAYOUT_ANY and in place. */
extern const tn_implementation *const tn_reshape_implementations[];

/* x with the dimensions of `shape`, whose elements are as many; of a batched x the first dimension
 * stays the batch. */
tn_status tn_reshape_to(tn_graph *graph, tn_value *x, const tn_shape *shape, tn_value **y,
                        tn_error *error);

/* The differentiate of such an operator: dx is dy with the dimensions of x. */
tn_status tn_reshape_differentiate(tn_graph *graph, tn_node *node, tn_error *error);

#endif
