/* SPDX-License-Identifier: Apache-2.0 */
/* gather.h: indices into an axis, as the operators that gather share them. */
#ifndef TN_OPS_GATHER_H
#define TN_OPS_GATHER_H

#include "graph/op.h"

/* Fails unless v holds int32 or int64, or if it is a constant with an index that is out of range
 * for an axis of `dim` places (no check if dim is negative). */
tn_status tn_gather_check_indices(const tn_value *v, int64_t dim, tn_error *error);
/* Index number i, in 0..dim-1; -1 if it is out of range, which only values of a run can be. Such an
 * index shows bytes of all ones: NaN, or -1. */
int64_t tn_gather_index(const tn_value *v, const void *indices, int64_t i, int64_t dim);

#endif
