/* SPDX-License-Identifier: Apache-2.0 */
/* importer.h: an import in progress, for the files that share it: import.c (the file as a whole),
 * import_values.c (inputs, tensors, outputs) and import_nodes.c. */
#ifndef TN_ONNX_IMPORTER_H
#define TN_ONNX_IMPORTER_H

#include "onnx/external.h"
#include "onnx/names.h"
#include "onnx/onnx.h"
#include "onnx/upgrade.h"

typedef struct tn_importer {
    const TnOnnx__ModelProto *model;
    const TnOnnx__GraphProto *file;
    const tn_onnx_options *options;
    tn_external external; /* files with tensors of the model */
    int opset;
    bool own; /* the file was written by Tenon */
    tn_names names;
    size_t *order;              /* [n_node] places of the nodes in an order of computation */
    bool *has_name;             /* [n_node] has a name that no node before it has */
    const tn_tensor **examples; /* [n_input] what is known of each; NULL for nothing */
    bool *fixed;                /* [n_input] its value, known from the example, is a constant */
    bool again; /* some input has just become fixed: the graph has to be built anew */
    bool whole; /* dimension 0 of inputs counts no samples */
    tn_graph *graph;
    int64_t fold_budget;
    int n_dropouts;
    tn_error *error;
} tn_importer;

/* ---- import_values.c ------------------------------------------------------------------------ */

/* Finds the inputs that the options speak of. */
tn_status tn_import_examples(tn_importer *im);
/* Whether dimension 0 of all inputs can be a batch: they do not contradict each other. */
bool tn_import_has_batch(const tn_importer *im);
/* Whether all dimensions of all inputs are known, so that the model can run without a batch. */
bool tn_import_has_sizes(const tn_importer *im);
/* Adds to the graph the inputs, and the initializers that something uses, in the order of the file,
 * which is the canonical order of parameters. */
tn_status tn_import_inputs(tn_importer *im);
tn_status tn_import_initializers(tn_importer *im);
/* Adds what a Constant node holds; or, where an Identity node has an initializer that is trained
 * for input, a copy to be trained by itself: PyTorch's exporter writes tensors that happen to be
 * equal only once, such as the fresh scales of two norms. */
tn_status tn_import_constant_node(tn_importer *im, const TnOnnx__NodeProto *node);
tn_status tn_import_copy(tn_importer *im, const TnOnnx__NodeProto *node);
/* Marks the names of the graph's outputs; before anything is added. */
tn_status tn_import_find_outputs(tn_importer *im);
tn_status tn_import_outputs(tn_importer *im);

/* ---- import_nodes.c ------------------------------------------------------------------------- */

/* The operator of ours for a node, or NULL; *upgrade is its row of the table, or NULL. */
const tn_op *tn_import_find_op(const tn_importer *im, const TnOnnx__NodeProto *node,
                               const tn_upgrade **upgrade);
tn_status tn_import_nodes(tn_importer *im);
/* Appends a node to the graph, or folds it. name may be NULL. */
tn_status tn_import_append(tn_importer *im, const tn_op *op, const char *name, const void *attrs,
                           tn_value *const *inputs, int n_inputs, tn_node **node);

#endif
