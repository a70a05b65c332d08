/* SPDX-License-Identifier: Apache-2.0 */
/* resnet20.c: the network of 20 layers of He, Zhang, Ren, Sun: "Deep Residual Learning for Image
 * Recognition" (2015), section 4.2, with projection shortcuts (their option B). */
#include "models/models.h"

static tn_value *conv_norm(tn_builder *b, tn_value *x, int64_t filters, int64_t kernel,
                           int64_t stride) {
    return tn_build_batch_norm(b, tn_build_conv(b, x, filters, kernel, stride, kernel / 2, false));
}

/* relu(residual(x) + shortcut(x)) */
static tn_value *basic_block(tn_builder *b, tn_value *x, int64_t filters, int64_t stride) {
    tn_value *y = tn_build_relu(b, conv_norm(b, x, filters, 3, stride));
    y = conv_norm(b, y, filters, 3, 1);
    if (stride != 1 || tn_build_dim(x, 1) != filters) x = conv_norm(b, x, filters, 1, stride);
    return tn_build_relu(b, tn_build_add(b, y, x));
}

static tn_value *build(tn_builder *b, int64_t n_classes) {
    tn_builder_set_weights(b, TN_WEIGHTS_HE);
    tn_value *x = tn_build_relu(b, conv_norm(b, tn_build_images(b), 16, 3, 1));
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < 3; i++) x = basic_block(b, x, 16 << stage, stage > 0 && i == 0 ? 2 : 1);
    x = tn_build_flatten(b, tn_build_global_average_pool(b, x));
    return tn_build_linear(b, x, n_classes);
}

const tn_builtin tn_builtin_resnet20 = {
    .name = "resnet20",
    .summary = "nine residual blocks of two 3x3 convolutions, 16 to 64 filters",
    .build = build,
    .recipe = {.epochs = 20,
               .batch_size = 64,
               .optimizer = TN_OPTIMIZER_SGD,
               .schedule = TN_SCHEDULE_ONE_CYCLE,
               .lr = 0.1,
               .weight_decay = 5e-4,
               .n_shards = 16}};
