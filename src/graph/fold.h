/* SPDX-License-Identifier: Apache-2.0 */
/* fold.h: computing nodes once instead of at each run: those whose inputs are constants, and those
 * whose outputs follow from the shapes of their inputs. */
#ifndef TN_GRAPH_FOLD_H
#define TN_GRAPH_FOLD_H

#include "graph/op.h"

/* Elements and multiply-accumulates that folding the nodes of a graph may take in all: much more
 * than subgraphs of shapes do, and what a hostile file may ask for is bounded. */
#define TN_FOLD_BUDGET ((int64_t)1 << 27)

/* Whether a node can be folded: it computes from constants (where `parameters`, from parameters
 * too, as they are now) or from shapes alone, and the budget, from which its work is taken then,
 * is enough. */
bool tn_fold_applies(const tn_node *node, bool parameters, int64_t *budget);
/* Makes the outputs of such a node constants, computed by the reference kernels, so that they are
 * the same everywhere; also their probes, if the inputs have any. The node stays where it is, for
 * the caller to take it out of the graph. Fails as planning does. */
tn_status tn_fold(tn_graph *graph, tn_node *node, tn_error *error);

#endif
