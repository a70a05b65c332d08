/* SPDX-License-Identifier: Apache-2.0 */
/* models.h: the built-in models, one page each. */
#ifndef TN_MODELS_MODELS_H
#define TN_MODELS_MODELS_H

#include "graph/model.h"

typedef struct tn_builtin {
    const char *name;
    const char *summary; /* one line */
    tn_status (*build)(const tn_model_options *options, tn_graph *graph, tn_error *error);
    tn_recipe recipe;
} tn_builtin;

extern const tn_builtin tn_builtin_mnist_cnn, tn_builtin_lenet;

/* By name, or NULL. */
const tn_builtin *tn_builtin_find(const char *name);

#endif
