/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.h: numpy broadcasting between tensors in their executing layouts. */
#ifndef TN_OPS_BROADCAST_H
#define TN_OPS_BROADCAST_H

#include "graph/images.h"

/* The shape of output 0 of an operator on broadcast tensors, all of its inputs; of a batch, the
 * sample dimension stands first and the other operands have it too or are 1 there. */
tn_status tn_broadcast_shape(tn_node *node, tn_error *error);
/* infer_shape of such an operator on floats; */
tn_status tn_infer_broadcast(tn_graph *graph, tn_node *node, tn_error *error);
/* and of one on floats or whole numbers, all of one type. */
tn_status tn_infer_arithmetic(tn_graph *graph, tn_node *node, tn_error *error);

/* rows_in of such an operator: what is not batched must be the same for every row. */
bool tn_broadcast_rows(const tn_node *node, int input, tn_rows out, tn_rows *in);

enum { TN_WALK_RANK = TN_MAX_RANK + 1 }; /* in lanes, the axis of samples is two */
enum { TN_WALK_OPERANDS = 3 };

/* A walk over the elements of a tensor in the order in which they are stored, neighbouring axes
 * merged, with the step that each operand takes along each axis (0 where it is repeated). */
typedef struct tn_walk {
    int rank;
    int64_t dims[TN_WALK_RANK], step[TN_WALK_OPERANDS][TN_WALK_RANK];
} tn_walk;

/* Of a tensor of shape y (its n samples stored with `channels`) and two operands whose dimensions,
 * aligned at the last, are equal or 1; an operand that is not batched is stored plain. */
tn_walk tn_walk_make(const tn_shape *y, int64_t channels, int64_t n, const tn_shape *a,
                     const tn_shape *b);

/* The same of a value as it is stored, in lanes or not, and of operands stored likewise. */
tn_walk tn_walk_of(const tn_value *y, int64_t n, const tn_shape *a, const tn_shape *b);

/* The same of those rows of output 0 that a run has to compute, and of up to TN_WALK_OPERANDS
 * operands. */
tn_walk tn_walk_of_run(const tn_run *run, const tn_shape *const *operands, int n_operands);

/* Of a walk, n neighbouring elements from number `first` on; each operand begins at `from` and
 * takes the same step from one to the next. */
typedef struct tn_walk_row {
    int64_t n, first, from[TN_WALK_OPERANDS], step[TN_WALK_OPERANDS];
    int64_t at[TN_WALK_RANK], left; /* for tn_walk_next */
} tn_walk_row;

/* for (tn_walk_row row = tn_walk_begin(&walk); tn_walk_next(&walk, &row);) visits all rows. */
tn_walk_row tn_walk_begin(const tn_walk *walk);
bool tn_walk_next(const tn_walk *walk, tn_walk_row *row);

/* Adds to y the elements of x, in the order of a walk over x whose second operand is y: sums over
 * the axes along which y is repeated. */
void tn_walk_sum(const tn_walk *walk, const tn_kernels *kernels, const real *x, real *y);

/* y = f(a, b) for f given for vectors, for b a scalar, and for a a scalar, where it gets b first;
 * the last may be NULL if a is never repeated. */
void tn_broadcast_run(const tn_run *run, tn_binary_fn *vector, tn_scalar_fn *b_scalar,
                      tn_scalar_fn *a_scalar);

#endif
