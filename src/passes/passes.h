/* SPDX-License-Identifier: Apache-2.0 */
/* passes.h: rewriting a graph into one that computes the same faster. To be called between building
 * a graph (with its gradients) and planning it; each pass is one file. */
#ifndef TN_PASSES_PASSES_H
#define TN_PASSES_PASSES_H

#include "graph/graph.h"

/* The passes for training in their order. gradients as in tn_plan_build. Changes the graph in
 * place: values inside what is fused disappear, outputs, inputs, parameters and gradients keep
 * their identity and their numbers. */
tn_status tn_passes_run(tn_graph *graph, tn_value *const *gradients, tn_error *error);

/* Those for inference that standard ONNX can express, of a graph without gradients, whose
 * parameters are taken for constants. In- and outputs keep their identity; parameters may get other
 * numbers or disappear, outputs differ by rounding. Doing it again changes nothing. */
tn_status tn_passes_simplify(tn_graph *graph, tn_error *error);
/* The same, and those that make operators of the engine's own: nothing but a plan can be made of
 * the graph then. */
tn_status tn_passes_optimise(tn_graph *graph, tn_error *error);

#endif
