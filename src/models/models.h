/* SPDX-License-Identifier: Apache-2.0 */
/* models.h: the built-in models, one page each, written with the public builder. */
#ifndef TN_MODELS_MODELS_H
#define TN_MODELS_MODELS_H

#include "graph/model.h"

typedef struct tn_builtin {
    const char *name;
    const char *summary; /* one line */
    /* Returns the scores [n][n_classes]. */
    tn_value *(*build)(tn_builder *b, int64_t n_classes);
    tn_recipe recipe;
} tn_builtin;

extern const tn_builtin tn_builtin_mnist_cnn, tn_builtin_lenet, tn_builtin_mlp, tn_builtin_resnet20,
    tn_builtin_vgg_small, tn_builtin_tiny_cnn;

/* By name, or NULL. */
const tn_builtin *tn_builtin_find(const char *name);

/* The options of a caller of any version (NULL: none), zeros replaced by the defaults. */
tn_model_options tn_model_options_resolve(const tn_model_options *given);

#endif
