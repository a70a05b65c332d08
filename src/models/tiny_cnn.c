/* SPDX-License-Identifier: Apache-2.0 */
/* tiny_cnn.c: what reaches 99 % on MNIST in the least time (docs/training.md): few products, and
 * channels that divide into the blocks of outputs of the kernels for samples in lanes. */
#include "models/models.h"

static tn_value *build(tn_builder *b, int64_t n_classes) {
    tn_value *x = tn_build_images(b);
    x = tn_build_relu(b, tn_build_max_pool(b, tn_build_conv(b, x, 8, 5, 1, 0, true), 2, 2));
    x = tn_build_relu(b, tn_build_max_pool(b, tn_build_conv(b, x, 24, 3, 1, 0, true), 2, 2));
    x = tn_build_relu(b, tn_build_conv(b, x, 48, 3, 1, 0, true));
    return tn_build_linear(b, tn_build_flatten(b, x), n_classes);
}

const tn_builtin tn_builtin_tiny_cnn = {
    .name = "tiny-cnn",
    .summary = "convolutions of 8, 24 and 48 filters, one fully connected layer",
    .build = build,
    .recipe = {.epochs = 2,
               .batch_size = 32,
               .optimizer = TN_OPTIMIZER_ADAM,
               .schedule = TN_SCHEDULE_ONE_CYCLE,
               .lr = 6e-3,
               .n_shards = 16}};
