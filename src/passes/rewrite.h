/* SPDX-License-Identifier: Apache-2.0 */
/* rewrite.h: what passes have in common: who uses a value, and removing nodes. */
#ifndef TN_PASSES_REWRITE_H
#define TN_PASSES_REWRITE_H

#include <stdbool.h>

#include "graph/graph.h"
#include "graph/op.h"

/* A graph being rewritten. Removed nodes are NULL in graph->nodes until the pass is over. A pass
 * that lacks memory leaves the graph as it is. */
typedef struct tn_rewrite {
    tn_graph *graph;
    tn_value *const *gradients; /* as in tn_plan_build */
    bool inference;             /* there are no gradients, and parameters do not change */
    int n_values;               /* that there were before the pass */
    int *uses;                  /* by id of these: inputs of nodes, outputs, gradients, updates */
    tn_node **users;            /* likewise: some node that uses it */
    tn_value **instead;         /* likewise: what stands for it now, NULL for itself */
} tn_rewrite;

/* The node of this operator that has v as input k; NULL if there is none. */
tn_node *tn_rewrite_user(const tn_rewrite *rewrite, const tn_value *v, const tn_op *op, int k);
/* Whether so many nodes use v and nothing outside the graph does. */
bool tn_rewrite_used(const tn_rewrite *rewrite, const tn_value *v, int times);
/* The only node that uses v, and uses it once; NULL if it is not that way. */
tn_node *tn_rewrite_only_user(const tn_rewrite *rewrite, const tn_value *v);
void tn_rewrite_remove(tn_rewrite *rewrite, tn_node *node);
/* Exchanges the places of two nodes in the order of execution. */
void tn_rewrite_exchange(tn_rewrite *rewrite, tn_node *a, tn_node *b);
/* Makes v the first output of node instead of what is. */
void tn_rewrite_set_output(tn_node *node, tn_value *v);
/* Whether nothing outside the graph uses v, which is not new. */
bool tn_rewrite_is_inside(const tn_rewrite *rewrite, const tn_value *v);
/* Whoever uses v, which is inside, uses `other` from now on. The inputs of nodes follow when they
 * are settled, at the latest after the pass. */
void tn_rewrite_replace(tn_rewrite *rewrite, tn_value *v, tn_value *other);
/* Removes node, whose first output is what v is: whoever uses that uses v from now on. False, and
 * nothing removed, if both must keep their names. */
bool tn_rewrite_bypass(tn_rewrite *rewrite, tn_node *node, tn_value *v);
/* Brings the inputs of a node up to date. */
void tn_rewrite_settle(const tn_rewrite *rewrite, tn_node *node);

/* ---- Numbers ---- */

/* Those of a float32 constant, or for inference of a parameter too; else NULL. */
const float *tn_rewrite_numbers(const tn_rewrite *rewrite, const tn_value *v);
/* Makes input k of node, which has numbers, a value that only it uses, and returns its numbers to
 * be changed; NULL without memory. */
float *tn_rewrite_own(tn_rewrite *rewrite, tn_node *node, int k);
/* Gives node a new input k, a parameter of n zeros named after it, and returns the numbers. */
float *tn_rewrite_add_input(tn_rewrite *rewrite, tn_node *node, int k, const char *word, int64_t n);

/* A pass goes through the nodes once. */
typedef void tn_pass_fn(tn_rewrite *rewrite);

/* For training and inference.
 * Constants that follow LoadPixels, as its scale and offset. */
tn_pass_fn tn_pass_fuse_load;
/* A Relu before a MaxPool goes behind it, forward and backward: a fraction of the elements, and the
 * image before the pool need not be kept for the gradient. */
tn_pass_fn tn_pass_pool_first;
/* Relu in a MaxPool of 2x2, forward and backward. */
tn_pass_fn tn_pass_fuse_pool;
/* Activations, and for inference additions, as the end of the product whose output they take. */
tn_pass_fn tn_pass_fuse_end;
/* x · Sigmoid(x), and the nodes of Gelu, as one; for inference. */
tn_pass_fn tn_pass_fuse_gelu;
tn_pass_fn tn_pass_fuse_silu;
/* Relu, and the addition before it, in normalisation by the batch, forward and backward. */
tn_pass_fn tn_pass_fuse_norm;
/* The loss and its gradient in one node. */
tn_pass_fn tn_pass_fuse_loss;

/* For inference, within standard ONNX.
 * Nodes and values that no output needs are dropped. */
tn_pass_fn tn_pass_drop_dead;
/* What is computed from weights and constants alone is computed once. */
tn_pass_fn tn_pass_fold_constants;
/* What leaves its input as it is goes; two changes of shape, or of the order of axes, are one. */
tn_pass_fn tn_pass_drop_identities;
/* Of nodes that compute the same, one stays. */
tn_pass_fn tn_pass_merge_common;
/* HardSigmoid and HardSwish where they are written as several nodes. */
tn_pass_fn tn_pass_recognise;
/* MatMul and the addition of a bias are a Gemm. */
tn_pass_fn tn_pass_make_gemm;
/* Factors and offsets of channels, BatchNormalization among them, become part of the weight and
 * bias of a product before or behind them. */
tn_pass_fn tn_pass_fold_affine;
/* Zeros around an image become padding of the Conv that follows. */
tn_pass_fn tn_pass_fold_pad;

#endif
