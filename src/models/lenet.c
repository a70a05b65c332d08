/* SPDX-License-Identifier: Apache-2.0 */
/* lenet.c: a small network in the manner of LeNet. */
#include "models/models.h"

static tn_value *build(tn_builder *b, int64_t n_classes) {
    tn_value *x = tn_build_images(b);
    x = tn_build_conv(b, x, 10, 5, 1, 0, true);
    x = tn_build_relu(b, tn_build_max_pool(b, x, 2, 2));
    x = tn_build_dropout(b, tn_build_conv(b, x, 20, 5, 1, 0, true), 0.5);
    x = tn_build_relu(b, tn_build_max_pool(b, x, 2, 2));
    x = tn_build_relu(b, tn_build_linear(b, tn_build_flatten(b, x), 50));
    x = tn_build_dropout(b, x, 0.5);
    return tn_build_linear(b, x, n_classes);
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
