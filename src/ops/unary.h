/* SPDX-License-Identifier: Apache-2.0 */
/* unary.h: the family of operators y = f(x) on single numbers that need no kernels of their own.
 * Such an operator is a descriptor
 *
 *     const tn_op tn_op_abs = {TN_UNARY("Abs"), .family = &(const tn_unary){...}};
 *
 * and, if it has attributes, `.attrs` and `.attrs_bytes = sizeof(tn_unary_attrs)`. */
#ifndef TN_OPS_UNARY_H
#define TN_OPS_UNARY_H

#include "ops/ops.h"

typedef struct tn_unary {
    /* attrs is NULL for an operator without attributes. */
    real (*f)(real x, const tn_unary_attrs *attrs);
    /* The derivative, by x or, if `by_y`, by y = f(x). */
    real (*slope)(real x_or_y, const tn_unary_attrs *attrs);
    bool by_y;
    int64_t (*of_integer)(int64_t x); /* NULL: float32 only */
    /* What else attributes must be than finite; NULL: nothing. */
    tn_status (*check)(const tn_unary_attrs *attrs, tn_error *error);
} tn_unary;

tn_status tn_unary_infer_shape(tn_graph *graph, tn_node *node, tn_error *error);
tn_status tn_unary_differentiate(tn_graph *graph, tn_node *node, tn_error *error);
extern const tn_implementation *const tn_unary_implementations[];

/* The fields that all have in common. */
#define TN_UNARY(type)                                                                             \
    .name = type, .onnx_type = type, .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,             \
    .layout = TN_LAYOUT_ANY, .in_place = true, .infer_shape = tn_unary_infer_shape,                \
    .differentiate = tn_unary_differentiate, .implementations = tn_unary_implementations

#endif
