/* SPDX-License-Identifier: Apache-2.0 */
/* layers.h: the words in which built-in models are written. Each function appends to a chain: it
 * takes what the layer before gave in *x and leaves what the next one gets. */
#ifndef TN_MODELS_LAYERS_H
#define TN_MODELS_LAYERS_H

#include "models/models.h"

typedef struct tn_chain {
    tn_graph *graph;
    tn_value *x;   /* the end of the chain so far */
    uint64_t seed; /* of the weights */
    int n_dropouts, n_weights;
    tn_error *error;
} tn_chain;

/* Begins with pixels in 0..1 [n][channels][height][width], normalised by mean and std. */
tn_status tn_chain_begin(tn_chain *chain, tn_graph *graph, const tn_model_options *options,
                         tn_error *error);
/* n_out filters of kernel×kernel, stride 1, no padding. Weights and biases are drawn uniformly from
 * ±1/√fan-in, PyTorch's default (He et al. 2015 with a = √5). */
tn_status tn_chain_conv(tn_chain *chain, const char *name, int64_t n_out, int64_t kernel);
/* Windows of 2×2, stride 2. */
tn_status tn_chain_max_pool(tn_chain *chain);
tn_status tn_chain_relu(tn_chain *chain);
tn_status tn_chain_dropout(tn_chain *chain, double ratio);
tn_status tn_chain_flatten(tn_chain *chain);
/* Fully connected; initialised as convolutions are. */
tn_status tn_chain_linear(tn_chain *chain, const char *name, int64_t n_out);
/* Declares the end of the chain the model's output, by the name of "scores". */
tn_status tn_chain_end(tn_chain *chain);

#endif
