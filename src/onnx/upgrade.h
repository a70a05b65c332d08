/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h: what separates an operator as some version of ONNX has it from its canonical form in
 * ops/: one table, read at import and at export. Operators without a row are the same in both. */
#ifndef TN_ONNX_UPGRADE_H
#define TN_ONNX_UPGRADE_H

#include "graph/op.h"

enum { TN_OPSET_OLDEST = 7, TN_OPSET_NEWEST = 17 };

/* A node on its way into a graph. */
typedef struct tn_upgrade_node {
    void *attrs; /* canonical, filled from the file */
    const tn_value *const *inputs;
    int n_inputs;
    int n_same_before; /* nodes of this type that come before it */
    int n_outputs;     /* that the file names */
    int n_used;        /* up to the last that something uses */
} tn_upgrade_node;

enum { TN_UPGRADE_NAMES = 4 };

typedef struct tn_upgrade {
    const char *onnx_type;
    int first_opset, last_opset;
    /* Inputs that stay inputs, 0 for all. Input n_inputs + i, a constant scalar or list of int64,
     * is our attribute input_attrs[i]; "" drops it. */
    int n_inputs;
    const char *input_attrs[TN_UPGRADE_NAMES];
    const char *ours[TN_UPGRADE_NAMES];    /* attributes of ours that ONNX has not */
    const char *ignored[TN_UPGRADE_NAMES]; /* attributes of ONNX's that mean nothing here */
    const char *default_name;              /* an attribute whose default was another then */
    double default_number;
    /* What a table cannot say; NULL for nothing. */
    tn_status (*import)(const tn_upgrade_node *node, tn_error *error);
} tn_upgrade;

/* NULL if there is nothing to do. */
const tn_upgrade *tn_upgrade_find(const char *onnx_type, int opset);
/* Inputs of a node that are values in the canonical form, the others being attributes there. */
size_t tn_upgrade_value_inputs(const tn_upgrade *upgrade, size_t n_inputs);
/* Whether files have this attribute of ours as an attribute. upgrade may be NULL. */
bool tn_upgrade_in_file(const tn_upgrade *upgrade, const char *attr);
bool tn_upgrade_ignores(const tn_upgrade *upgrade, const char *attr);

#endif
