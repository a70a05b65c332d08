/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.h: numpy broadcasting between tensors in their executing layouts. */
#ifndef TN_OPS_BROADCAST_H
#define TN_OPS_BROADCAST_H

#include "graph/images.h"

/* infer_shape of an operator on two broadcast float tensors; of a batch, the sample dimension
 * stands first and the other operand has it too or is 1 there. */
tn_status tn_infer_broadcast(tn_graph *graph, tn_node *node, tn_error *error);

/* rows_in of such an operator: what is not batched must be the same for every row. */
bool tn_broadcast_rows(const tn_node *node, int input, tn_rows out, tn_rows *in);

enum { TN_WALK_RANK = TN_MAX_RANK + 1 }; /* in lanes, the axis of samples is two */

/* A walk over the elements of a tensor in the order in which they are stored, neighbouring axes
 * merged, with the step that each of two operands takes along each axis (0 where it is repeated).
 */
typedef struct tn_walk {
    int rank;
    int64_t dims[TN_WALK_RANK], step[2][TN_WALK_RANK];
} tn_walk;

/* Of a tensor of shape y (its n samples stored with `channels`) and two operands whose dimensions,
 * aligned at the last, are equal or 1; an operand that is not batched is stored plain. */
tn_walk tn_walk_make(const tn_shape *y, int64_t channels, int64_t n, const tn_shape *a,
                     const tn_shape *b);

/* The same of a value as it is stored, in lanes or not, and of operands stored likewise. */
tn_walk tn_walk_of(const tn_value *y, int64_t n, const tn_shape *a, const tn_shape *b);

/* Adds to y the elements of x, in the order of a walk over x whose second operand is y: sums over
 * the axes along which y is repeated. */
void tn_walk_sum(const tn_walk *walk, const tn_kernels *kernels, const real *x, real *y);

/* y = f(a, b) for f given for vectors, for b a scalar, and for a a scalar, where it gets b first;
 * the last may be NULL if a is never repeated. */
void tn_broadcast_run(const tn_run *run, tn_binary_fn *vector, tn_scalar_fn *b_scalar,
                      tn_scalar_fn *a_scalar);

#endif
