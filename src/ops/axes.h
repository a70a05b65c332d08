/* SPDX-License-Identifier: Apache-2.0 */
/* axes.h: axes as ONNX writes them, counted from the end where negative. */
#ifndef TN_OPS_AXES_H
#define TN_OPS_AXES_H

#include "graph/op.h"

/* The axis in 0..rank-1; fails if it is out of range. */
tn_status tn_axis_resolve(int64_t axis, int rank, int *resolved, tn_error *error);
/* marked[i] tells whether axis i is listed; fails for axes out of range or listed twice. */
tn_status tn_axes_mark(const tn_ints *axes, int rank, bool marked[TN_MAX_RANK], tn_error *error);

/* The axes of a tensor in the order in which they are stored while executing, where the operator's
 * rule is TN_LAYOUT_IMAGE: those of a batched tensor of rank 4 channels last. */
void tn_axes_stored(const tn_shape *shape, int order[TN_MAX_RANK]);

/* A tensor as stored, seen as [outer][n][inner] with an axis in the middle. */
typedef struct tn_axis_view {
    int64_t outer, n, inner;
} tn_axis_view;

/* Of axis (counted from the end where negative) of `samples` samples of x; `image`: stored as by
 * tn_axes_stored, else plain. */
tn_axis_view tn_axis_view_of(const tn_shape *x, int64_t samples, int64_t axis, bool image);

#endif
