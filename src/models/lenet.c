/* SPDX-License-Identifier: Apache-2.0 */
/* lenet.c: a small network in the manner of LeNet. */
#include "models/layers.h"

static tn_status build(const tn_model_options *options, tn_graph *graph, tn_error *error) {
    tn_chain chain;
    TN_TRY(tn_chain_begin(&chain, graph, options, error));
    TN_TRY(tn_chain_conv(&chain, "conv1", 10, 5));
    TN_TRY(tn_chain_max_pool(&chain));
    TN_TRY(tn_chain_relu(&chain));
    TN_TRY(tn_chain_conv(&chain, "conv2", 20, 5));
    TN_TRY(tn_chain_dropout(&chain, 0.5));
    TN_TRY(tn_chain_max_pool(&chain));
    TN_TRY(tn_chain_relu(&chain));
    TN_TRY(tn_chain_flatten(&chain));
    TN_TRY(tn_chain_linear(&chain, "fc1", 50));
    TN_TRY(tn_chain_relu(&chain));
    TN_TRY(tn_chain_dropout(&chain, 0.5));
    TN_TRY(tn_chain_linear(&chain, "fc2", options->n_classes));
    return tn_chain_end(&chain);
}

const tn_builtin tn_builtin_lenet = {
    .name = "lenet",
    .summary = "two 5x5 convolutions of 10 and 20 filters, two fully connected layers",
    .build = build,
    .recipe = {.epochs = 5,
               .batch_size = 64,
               .optimizer = TN_OPTIMIZER_ADAM,
               .schedule = TN_SCHEDULE_ONE_CYCLE,
               .lr = 3e-3,
               .n_shards = 16}};
