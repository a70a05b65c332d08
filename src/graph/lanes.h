/* SPDX-License-Identifier: Apache-2.0 */
/* lanes.h: whether a graph runs with samples side by side in the lanes of vectors (tn_value.lanes).
 */
#ifndef TN_GRAPH_LANES_H
#define TN_GRAPH_LANES_H

#include "graph/plan.h"

/* Whether the plan is to store values in lanes. A function of the graph with its shapes, the batch
 * and the shards; without an order in the options, lanes are for very small networks. */
bool tn_lanes_suit(const tn_graph *graph, const tn_plan_options *options);

/* Of two kinds of implementation of a node, the one that a table names (tn_op.choose; tuning may be
 * NULL), else the first that applies and pays. NULL if there is none, or the one named does not
 * apply. */
const tn_implementation *tn_implementation_of(const tn_node *node, const tn_kernels *kernels,
                                              bool lanes, const tn_tuning *tuning);
/* Whether any of its values is stored in lanes. */
bool tn_node_in_lanes(const tn_node *node);

/* Shards that a batch is cut into. In lanes one that fills no group would waste what it pays for:
 * there are no more of them then than groups. */
int tn_shards_of(int n_shards, bool lanes, int64_t batch);

#endif
