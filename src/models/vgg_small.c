/* SPDX-License-Identifier: Apache-2.0 */
/* vgg_small.c: pairs of 3x3 convolutions between poolings, in the manner of Simonyan and Zisserman:
 * "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2015), with batch
 * normalisation. */
#include "models/models.h"

static tn_value *conv_norm_relu(tn_builder *b, tn_value *x, int64_t filters) {
    return tn_build_relu(b, tn_build_batch_norm(b, tn_build_conv(b, x, filters, 3, 1, 1, false)));
}

static tn_value *build(tn_builder *b, int64_t n_classes) {
    tn_builder_set_weights(b, TN_WEIGHTS_HE);
    tn_value *x = tn_build_images(b);
    for (int64_t filters = 32; filters <= 128; filters *= 2) {
        x = conv_norm_relu(b, conv_norm_relu(b, x, filters), filters);
        x = tn_build_max_pool(b, x, 2, 2);
    }
    x = tn_build_dropout(b, tn_build_flatten(b, x), 0.25);
    return tn_build_linear(b, x, n_classes);
}

const tn_builtin tn_builtin_vgg_small = {
    .name = "vgg-small",
    .summary = "three pairs of 3x3 convolutions of 32, 64 and 128 filters",
    .build = build,
    .recipe = {.epochs = 20,
               .batch_size = 64,
               .optimizer = TN_OPTIMIZER_SGD,
               .schedule = TN_SCHEDULE_ONE_CYCLE,
               .lr = 0.1,
               .weight_decay = 5e-4,
               .n_shards = 16}};
