/* SPDX-License-Identifier: Apache-2.0 */
/* affine.h: nodes that multiply each channel, which is axis 1, by a number and add another:
 * additions and products of constants, and BatchNormalization. */
#ifndef TN_PASSES_AFFINE_H
#define TN_PASSES_AFFINE_H

#include "passes/rewrite.h"

/* x · scale + offset */
typedef struct tn_affine {
    int64_t channels;
    double *scale, *offset; /* [channels] */
} tn_affine;

/* The identity; false without memory. Released by free(affine->scale). */
bool tn_affine_begin(tn_affine *affine, int64_t channels);
/* Lets node, which takes v, act on what the map gives. False, and nothing changed, if it is no such
 * node or numbers would be lost. */
bool tn_affine_compose(const tn_rewrite *rewrite, tn_affine *affine, const tn_node *node,
                       const tn_value *v);

#endif
