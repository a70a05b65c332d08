/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h: the plan's first step. */
#ifndef TN_GRAPH_LAYOUT_H
#define TN_GRAPH_LAYOUT_H

#include "graph/op.h"

/* Decides how every value is stored (tn_value.channels) by the operators' layout rules, and inserts
 * Reorder nodes where neighbours disagree; graph inputs and outputs are plain. With lanes, nodes
 * that have an implementation for lanes work on samples in lanes. */
tn_status tn_layout_assign(tn_graph *graph, const tn_kernels *kernels, bool lanes, tn_error *error);

#endif
