/* SPDX-License-Identifier: Apache-2.0 */
/* activation.h: what functions of single numbers share. */
#ifndef TN_OPS_ACTIVATION_H
#define TN_OPS_ACTIVATION_H

#include "graph/op.h"

/* differentiate of y = f(x): dx = gradient(dy, by), with the attributes of the node. */
tn_status tn_activation_differentiate(tn_graph *graph, tn_node *node, const tn_op *gradient,
                                      tn_value *by, tn_error *error);
/* Refuses an attribute that is infinite or not a number. */
tn_status tn_activation_check(const char *attr, double number, tn_error *error);

#endif
