/* SPDX-License-Identifier: Apache-2.0 */
/* pixel_graph.h: a model fed with pixels as data sets hold them. */
#ifndef TN_MODELS_PIXEL_GRAPH_H
#define TN_MODELS_PIXEL_GRAPH_H

#include "graph/model.h"

/* Builds a graph that holds a copy of an image model's, its image input replaced by the input
 * "pixels", uint8 [n][h][w][c]; parameters are the model's, in their
 * order, and refer to its data: it must outlive the graph. *scores is the copy of
 * the model's first output; no output is marked yet. With n_groups > 0 the copy is one for
 * training, which takes statistics over so many parts of the batch and marks the parameters i with
 * frozen[i] (NULL: none) as such. Fails with TN_ERR_MISMATCH if
 * the model does not take images and give scores. */
tn_status tn_pixel_graph_build(const tn_model *model, int n_groups, const bool *frozen,
                               tn_graph **graph, tn_value **scores, tn_error *error);

#endif
