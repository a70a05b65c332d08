/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/activation.h"

#include <math.h>

tn_status tn_activation_differentiate(tn_graph *graph, tn_node *node, const tn_op *gradient,
                                      tn_value *by, tn_error *error) {
    tn_value *in[] = {tn_gradient_of(graph, node->outputs[0]), by}, *dx;
    TN_TRY(tn_graph_apply(graph, gradient, node->attrs, in, 2, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

tn_status tn_activation_check(const char *attr, double number, tn_error *error) {
    if (isfinite((float)number)) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "%s is %g (must be finite)", attr, number);
}
