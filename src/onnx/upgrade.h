/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h: what separates an operator as some version of ONNX has it from its canonical form in
 * ops/: one table, read at import and at export. Operators without a row are the same in both. */
#ifndef TN_ONNX_UPGRADE_H
#define TN_ONNX_UPGRADE_H

#include "graph/op.h"
#include "onnx/onnx.pb-c.h"

/* Of older ones there are the operators that opset 6 had not changed. */
/* Read; and written, as long as it has everything that the model needs. */
enum { TN_OPSET_OLDEST = 6, TN_OPSET_NEWEST = 22, TN_OPSET_WRITTEN = 17 };

struct tn_importer;

/* A node on its way into a graph. */
typedef struct tn_upgrade_node {
    struct tn_importer *importer; /* for tn_import_append */
    const TnOnnx__NodeProto *file;
    const tn_op *op;
    void *attrs;       /* canonical, filled from the file */
    tn_value **inputs; /* may be replaced */
    int n_inputs;
    int n_outputs; /* that something uses, or that come before such */
    /* If there are any: the node's outputs, for which there are nodes already. */
    tn_value *instead[2];
    int n_instead;
} tn_upgrade_node;

enum { TN_UPGRADE_NAMES = 6 };

typedef struct tn_upgrade {
    const char *onnx_type; /* with a star at the end: all that begin so */
    int first_opset, last_opset;
    const char *op_type; /* what ONNX calls it now; NULL: the same */
    /* Where input_attrs names any: inputs that stay inputs. Input n_inputs + i, a constant scalar
     * or list, is our attribute input_attrs[i]; "" drops it. */
    int n_inputs;
    const char *input_attrs[TN_UPGRADE_NAMES];
    const char *batch_attr; /* of these, one whose first number may be the size of the batch: a
                               shape, an entry for each axis */
    const char *ours[TN_UPGRADE_NAMES];    /* attributes of ours that ONNX has not */
    const char *ignored[TN_UPGRADE_NAMES]; /* attributes of ONNX's that mean nothing here, or that
                                              import looks at */
    const char *default_name;              /* an attribute whose default was another then */
    double default_number;
    /* What a table cannot say; NULL for nothing. */
    tn_status (*import)(tn_upgrade_node *node, tn_error *error);
} tn_upgrade;

/* NULL if there is nothing to do. */
const tn_upgrade *tn_upgrade_find(const char *onnx_type, int opset);
/* Inputs of a node that are values in the canonical form, the others being attributes there. */
size_t tn_upgrade_value_inputs(const tn_upgrade *upgrade, size_t n_inputs);
/* Whether files have this attribute of ours as an attribute. upgrade may be NULL. */
bool tn_upgrade_in_file(const tn_upgrade *upgrade, const char *attr);
/* Whether an opset had the operator as the table expects it. */
bool tn_upgrade_knows(const char *onnx_type, int opset);
bool tn_upgrade_ignores(const tn_upgrade *upgrade, const char *attr);
/* The first opset from TN_OPSET_WRITTEN on that has the operator of node, and what its attributes
 * say. */
int tn_upgrade_written(const tn_node *node);

#endif
