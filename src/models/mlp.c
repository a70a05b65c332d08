/* SPDX-License-Identifier: Apache-2.0 */
/* mlp.c: a multilayer perceptron, with no convolution at all. */
#include "models/models.h"

static tn_value *build(tn_builder *b, int64_t n_classes) {
    tn_value *x = tn_build_flatten(b, tn_build_images(b));
    for (int i = 0; i < 2; i++) {
        x = tn_build_relu(b, tn_build_linear(b, x, 256));
        x = tn_build_dropout(b, x, 0.2);
    }
    return tn_build_linear(b, x, n_classes);
}

const tn_builtin tn_builtin_mlp = {.name = "mlp",
                                   .summary = "two fully connected layers of 256",
                                   .build = build,
                                   .recipe = {.epochs = 10,
                                              .batch_size = 64,
                                              .optimizer = TN_OPTIMIZER_ADAM,
                                              .schedule = TN_SCHEDULE_ONE_CYCLE,
                                              .lr = 1e-3,
                                              .n_shards = 16}};
