/* SPDX-License-Identifier: Apache-2.0 */
/* list.c: a row for each built-in model. */
#include <string.h>

#include "models/models.h"

static const tn_builtin *const builtins[] = {&tn_builtin_mnist_cnn,
                                             &tn_builtin_lenet,
                                             &tn_builtin_mlp,
                                             &tn_builtin_resnet20,
                                             &tn_builtin_vgg_small,
                                             &tn_builtin_tiny_cnn,
                                             NULL};
static const char *const names[] = {"mnist-cnn", "lenet",    "mlp", "resnet20",
                                    "vgg-small", "tiny-cnn", NULL};

const tn_builtin *tn_builtin_find(const char *name) {
    for (const tn_builtin *const *b = builtins; *b; b++)
        if (strcmp((*b)->name, name) == 0) return *b;
    return NULL;
}

const char *const *tn_model_builtin_names(void) { return names; }
