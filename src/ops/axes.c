/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/axes.h"

tn_status tn_axis_resolve(int64_t axis, int rank, int *resolved, tn_error *error) {
    if (axis < -rank || axis >= rank)
        return tn_fail(error, TN_ERR_FORMAT, "axis %lld of %d dimensions", (long long)axis, rank);
    *resolved = (int)(axis < 0 ? axis + rank : axis);
    return TN_OK;
}

tn_status tn_axes_mark(const tn_ints *axes, int rank, bool marked[TN_MAX_RANK], tn_error *error) {
    for (int i = 0; i < TN_MAX_RANK; i++) marked[i] = false;
    for (int i = 0; i < axes->n; i++) {
        int axis = 0;
        TN_TRY(tn_axis_resolve(axes->v[i], rank, &axis, error));
        if (marked[axis]) return tn_fail(error, TN_ERR_FORMAT, "axis %d is listed twice", axis);
        marked[axis] = true;
    }
    return TN_OK;
}

void tn_axes_stored(const tn_shape *shape, int order[TN_MAX_RANK]) {
    static const int channels_last[4] = {0, 2, 3, 1};
    bool image = shape->batched && shape->rank == 4;
    for (int i = 0; i < shape->rank; i++) order[i] = image ? channels_last[i] : i;
}

tn_axis_view tn_axis_view_of(const tn_shape *x, int64_t samples, int64_t axis, bool image) {
    int order[TN_MAX_RANK] = {0}, at = 0, middle = (int)(axis < 0 ? axis + x->rank : axis);
    tn_axis_view v = {1, x->dims[middle], 1};
    tn_axes_stored(x, order);
    for (int i = 0; i < x->rank && !image; i++) order[i] = i;
    for (; order[at] != middle; at++)
        v.outer *= x->batched && order[at] == 0 ? samples : x->dims[order[at]];
    for (int i = at + 1; i < x->rank; i++) v.inner *= x->dims[order[i]];
    return v;
}
