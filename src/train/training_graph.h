/* SPDX-License-Identifier: Apache-2.0 */
/* training_graph.h: from a model to the graph that its training runs. */
#ifndef TN_TRAIN_TRAINING_GRAPH_H
#define TN_TRAIN_TRAINING_GRAPH_H

#include "graph/model.h"

/* Places among the graph's inputs and outputs. */
enum {
    TN_TRAINING_IMAGES,
    TN_TRAINING_LABELS,
    TN_TRAINING_LOSS_GRADIENT,
    TN_TRAINING_LABELS2,
    TN_TRAINING_WEIGHTS2
};
enum { TN_TRAINING_LOSS, TN_TRAINING_SCORES };

typedef struct tn_training_graph_options {
    double label_smoothing;
    int n_groups; /* parts of the batch, each with statistics of its own for normalisation */
    bool mixup;
    const bool *frozen; /* [parameters of the model] that get no gradient; NULL for none */
} tn_training_graph_options;

/* Builds a graph that holds a copy of the model's, fed with pixels: inputs are images uint8
 * [n][h][w][c] and labels int32 [n], outputs loss [n] and scores [n][classes]; parameters are the
 * model's, in their order. With gradients (not NULL) there is a third input, loss_gradient [n],
 * and gradients[i], room for all parameters, becomes the value of the gradient of parameter i,
 * NULL if it is frozen or the loss does not depend on it; of a statistic, the value that it is to
 * move towards. With mixup (and gradients) there are labels2 int32 [n] and weights2 [n], as
 * SoftmaxCrossEntropy takes them. The model must be one for images. */
tn_status tn_training_graph_build(const tn_model *model, const tn_training_graph_options *options,
                                  tn_value **gradients, tn_graph **graph, tn_error *error);

#endif
