/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite.h: what passes have in common: who uses a value, and removing nodes. */
#ifndef TN_PASSES_REWRITE_H
#define TN_PASSES_REWRITE_H

#include <stdbool.h>

#include "graph/graph.h"
#include "graph/op.h"

/* A graph being rewritten. Removed nodes are NULL in graph->nodes until the pass is over. */
typedef struct tn_rewrite {
    tn_graph *graph;
    tn_value *const *gradients; /* as in tn_plan_build */
    int *uses;                  /* by id of the values there were before the pass: inputs of nodes,
                                   outputs, gradients, updates */
} tn_rewrite;

/* The node of this operator that has v as input k; NULL if there is none. */
tn_node *tn_rewrite_user(const tn_rewrite *rewrite, const tn_value *v, const tn_op *op, int k);
/* Whether so many nodes use v and nothing outside the graph does. */
bool tn_rewrite_used(const tn_rewrite *rewrite, const tn_value *v, int times);
void tn_rewrite_remove(tn_rewrite *rewrite, tn_node *node);
/* Exchanges the places of two nodes in the order of execution. */
void tn_rewrite_exchange(tn_rewrite *rewrite, tn_node *a, tn_node *b);
/* Makes v the first output of node instead of what is. */
void tn_rewrite_set_output(tn_node *node, tn_value *v);

/* A pass goes through the nodes once. */
typedef void tn_pass_fn(tn_rewrite *rewrite);
/* Constants that follow LoadPixels, as its scale and offset. */
tn_pass_fn tn_pass_fuse_load;
/* A Relu before a MaxPool goes behind it, forward and backward: a fraction of the elements, and the
 * image before the pool need not be kept for the gradient. */
tn_pass_fn tn_pass_pool_first;
/* Relu in a MaxPool of 2x2, forward and backward. */
tn_pass_fn tn_pass_fuse_pool;
/* Relu as the end of the Conv or Gemm whose output it takes. */
tn_pass_fn tn_pass_fuse_relu;
/* Relu, and the addition before it, in normalisation by the batch, forward and backward. */
tn_pass_fn tn_pass_fuse_norm;
/* The loss and its gradient in one node. */
tn_pass_fn tn_pass_fuse_loss;

#endif
