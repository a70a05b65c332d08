/* SPDX-License-Identifier: Apache-2.0 */
/* mnist_cnn.c: the usual two-convolution MNIST network. */
#include "models/layers.h"

static tn_status build(const tn_model_options *options, tn_graph *graph, tn_error *error) {
    tn_chain chain;
    TN_TRY(tn_chain_begin(&chain, graph, options, error));
    TN_TRY(tn_chain_conv(&chain, "conv1", 32, 3));
    TN_TRY(tn_chain_relu(&chain));
    TN_TRY(tn_chain_conv(&chain, "conv2", 64, 3));
    TN_TRY(tn_chain_relu(&chain));
    TN_TRY(tn_chain_max_pool(&chain));
    TN_TRY(tn_chain_dropout(&chain, 0.25));
    TN_TRY(tn_chain_flatten(&chain));
    TN_TRY(tn_chain_linear(&chain, "fc1", 128));
    TN_TRY(tn_chain_relu(&chain));
    TN_TRY(tn_chain_dropout(&chain, 0.5));
    TN_TRY(tn_chain_linear(&chain, "fc2", options->n_classes));
    return tn_chain_end(&chain);
}

const tn_builtin tn_builtin_mnist_cnn = {
    .name = "mnist-cnn",
    .summary = "two 3x3 convolutions of 32 and 64 filters, two fully connected layers",
    .build = build,
    .recipe = {.epochs = 4,
               .batch_size = 64,
               .optimizer = TN_OPTIMIZER_ADAM,
               .schedule = TN_SCHEDULE_ONE_CYCLE,
               .lr = 2e-3,
               .n_shards = 16}};
