/* SPDX-License-Identifier: Apache-2.0 */
/* density.h: how much of a gradient is not exactly zero, as far as its graph tells. */
#ifndef TN_OPS_DENSITY_H
#define TN_OPS_DENSITY_H

#include "graph/graph.h"

/* The part of its numbers that may be expected to differ from zero, 1 if nothing is known: max
 * pooling by windows that do not overlap gives to one of each, Dropout leaves out its ratio, Relu
 * half. A function of the graph, never of numbers. */
double tn_density(const tn_value *gradient);

/* At most this much is worth being listed (measured): instead of a product with all of it, and
 * instead of Winograd's algorithm for the gradient of a weight. */
#define TN_SPARSE .25
#define TN_VERY_SPARSE .125

#endif
