/* SPDX-License-Identifier: Apache-2.0 */
/* mnist_cnn.c: the usual two-convolution MNIST network. */
#include "models/models.h"

static tn_value *build(tn_builder *b, int64_t n_classes) {
    tn_value *x = tn_build_images(b);
    x = tn_build_relu(b, tn_build_conv(b, x, 32, 3, 1, 0, true));
    x = tn_build_relu(b, tn_build_conv(b, x, 64, 3, 1, 0, true));
    x = tn_build_dropout(b, tn_build_max_pool(b, x, 2, 2), 0.25);
    x = tn_build_relu(b, tn_build_linear(b, tn_build_flatten(b, x), 128));
    x = tn_build_dropout(b, x, 0.5);
    return tn_build_linear(b, x, n_classes);
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
