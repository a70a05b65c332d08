/* SPDX-License-Identifier: Apache-2.0 */
/* resize_axis.h: which places of an axis a resized one is made from. */
#ifndef TN_OPS_RESIZE_AXIS_H
#define TN_OPS_RESIZE_AXIS_H

#include "ops/ops.h"

/* Inferred attributes in numbers. */
typedef enum tn_resize_mode { TN_RESIZE_NEAREST, TN_RESIZE_LINEAR, TN_RESIZE_CUBIC } tn_resize_mode;
tn_resize_mode tn_resize_mode_of(const tn_resize_attrs *attrs);

/* One axis of n places, made into m; its scale may differ from m / n by rounding. begin and end are
 * the part of it that tf_crop_and_resize takes, in 0..1. */
typedef struct tn_resize_axis {
    int64_t n, m;
    double scale, begin, end;
} tn_resize_axis;

/* Place j of the result is Σ weight[k] · x[place[k]], k < n; none where it is outside of what
 * tf_crop_and_resize knows, which shows the extrapolation value. */
enum { TN_RESIZE_TAPS = 4 };
typedef struct tn_resize_taps {
    int n;
    int64_t place[TN_RESIZE_TAPS];
    real weight[TN_RESIZE_TAPS];
} tn_resize_taps;
tn_resize_taps tn_resize_taps_at(const tn_resize_attrs *attrs, const tn_resize_axis *axis,
                                 int64_t j);

/* Fail for what is not known, naming what is. */
tn_status tn_resize_check(const tn_resize_attrs *attrs, tn_error *error);

#endif
