/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TN_OPS_LOG_SOFTMAX_H
#define TN_OPS_LOG_SOFTMAX_H

#include "ops/axes.h"

/* y = x - log Σ exp x along the axis of a view; y may be x. */
void tn_log_softmax_along(const tn_kernels *kernels, tn_axis_view view, const real *x, real *y);

#endif
