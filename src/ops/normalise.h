/* SPDX-License-Identifier: Apache-2.0 */
/* normalise.h: to mean 0 and variance 1 over the last axes of each sample, as LayerNormalization
 * and InstanceNormalization do before they scale. */
#ifndef TN_OPS_NORMALISE_H
#define TN_OPS_NORMALISE_H

#include "graph/op.h"

typedef struct tn_normalise_attrs {
    int64_t axis; /* the first of the axes */
    double epsilon;
} tn_normalise_attrs;

/* Mean and 1/√(variance + epsilon) of a row of n numbers. */
typedef struct tn_moments {
    real mean, inverse;
} tn_moments;
tn_moments tn_normalise_moments(int64_t n, const real *x, double epsilon);

/* Fails unless epsilon is a number that is at least 0. */
tn_status tn_normalise_check(double epsilon, tn_error *error);

/* An operator of the engine's own: z = (x - mean) · inverse, and its gradient for dz. */
extern const tn_op tn_op_normalise;
tn_status tn_normalise_differentiate(tn_graph *graph, const tn_normalise_attrs *attrs, tn_value *x,
                                     tn_value *dz, tn_error *error);

#endif
