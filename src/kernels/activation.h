/* SPDX-License-Identifier: Apache-2.0 */
/* activation.h: functions of single numbers with which a sum of products may end. */
#ifndef TN_KERNELS_ACTIVATION_H
#define TN_KERNELS_ACTIVATION_H

#include <math.h>
#include <stdbool.h>

#include "base/real.h"

/* NaN stays NaN. */
typedef enum tn_activation_kind {
    TN_ACTIVATION_NONE,
    TN_ACTIVATION_CLIP,       /* min(max(x, low), high): Relu with 0 and infinity */
    TN_ACTIVATION_LEAKY_RELU, /* x > 0 ? x : low·x */
    TN_ACTIVATION_HARD_SWISH, /* as the kernels of these names */
    TN_ACTIVATION_SIGMOID,
    TN_ACTIVATION_SILU /* x·sigmoid(x) */
} tn_activation_kind;

typedef struct tn_activation {
    tn_activation_kind kind;
    real low, high; /* infinite: no bound */
} tn_activation;

/* Whether it is max(x, 0). */
static inline bool tn_is_relu(const tn_activation *a) {
    return a->kind == TN_ACTIVATION_CLIP && a->low == 0 && isinf(a->high) && a->high > 0;
}

/* Of one number, by plain C. */
real tn_activated(const tn_activation *activation, real x);

#endif
