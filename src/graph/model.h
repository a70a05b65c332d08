/* SPDX-License-Identifier: Apache-2.0 */
/* model.h: what is behind tn_model: a graph and what is known about it. */
#ifndef TN_GRAPH_MODEL_H
#define TN_GRAPH_MODEL_H

#include "graph/graph.h"

/* How a built-in model is trained unless the user says otherwise. */
typedef struct tn_recipe {
    int64_t epochs, batch_size;
    tn_optimizer optimizer;
    tn_schedule schedule;
    double lr, weight_decay, label_smoothing;
    int n_shards; /* a power of two, at most 64 */
} tn_recipe;

/* More are not classes, and would cost memory to number. */
enum { TN_MAX_CLASSES = 1 << 16 };

struct tn_model {
    tn_graph *graph; /* inferred for a batch of 1 */
    char *name;
    int64_t channels, height, width; /* of the image input; 0 if there is none */
    int n_classes;                   /* 0 if unknown */
    char **class_names;              /* [n_classes] */
    int opset;                       /* of the file it came from; 17 for built-in models */
    tn_recipe recipe;
    tn_preprocessing preprocessing; /* complete */
};

/* Takes over graph (freed on failure too), copies name; finds out whether the first input is an
 * image and the first output scores; class_names may be NULL (then numbers). The recipe is that of
 * the built-in model of this name, or the general one. */
tn_status tn_model_create(tn_graph *graph, const char *name, int n_classes,
                          const char *const *class_names, int opset, tn_model **model,
                          tn_error *error);
/* Gives model what `from`, of which it is a copy, knows beside its graph. */
void tn_model_inherit(tn_model *model, const tn_model *from);
/* Whether pixels go into the model as they are. */
bool tn_preprocessing_is_none(const tn_preprocessing *preprocessing);
/* The recipe of a model that has none of its own. */
tn_recipe tn_recipe_general(void);

#endif
