/* SPDX-License-Identifier: Apache-2.0 */
/* patterns.h: what it takes to recognise an operator that is written as several nodes. */
#ifndef TN_PASSES_PATTERNS_H
#define TN_PASSES_PATTERNS_H

#include "passes/rewrite.h"

/* Whether v is one number that is known. */
bool tn_pattern_number(const tn_rewrite *rewrite, const tn_value *v, double *number);
/* The other input of a node that adds or multiplies a number, or divides by it; else NULL. The
 * factor of a product is returned as a divisor. */
tn_value *tn_pattern_without_number(const tn_rewrite *rewrite, const tn_node *node, double *number);
/* The producer of a value that only one node uses, if it is of this operator. */
tn_node *tn_pattern_made_by(const tn_rewrite *rewrite, const tn_value *v, const tn_op *op);
/* Whether a is b but for rounding in float32. */
bool tn_pattern_near(double a, double b);
/* Makes node one that applies op with attrs (NULL: zeros) to x. */
void tn_pattern_become(tn_rewrite *rewrite, tn_node *node, const tn_op *op, const void *attrs,
                       tn_value *x);

#endif
