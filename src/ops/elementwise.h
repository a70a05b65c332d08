/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.h: what operators on single elements share. */
#ifndef TN_OPS_ELEMENTWISE_H
#define TN_OPS_ELEMENTWISE_H

#include "graph/images.h"

/* infer_shape of an operator whose only output is like its first input, a float tensor. */
tn_status tn_infer_same(tn_graph *graph, tn_node *node, tn_error *error);
/* Elements of output 0 that this call has to compute, rows and all; in lanes, those of whole
 * groups. */
int64_t tn_run_elements(const tn_run *run);

#endif
