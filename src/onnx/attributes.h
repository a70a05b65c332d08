/* SPDX-License-Identifier: Apache-2.0 */
/* attributes.h: attributes of nodes, from and to files by the operators' attribute tables. */
#ifndef TN_ONNX_ATTRIBUTES_H
#define TN_ONNX_ATTRIBUTES_H

#include "onnx/tensor.h"
#include "onnx/upgrade.h"

/* Sets a FLOAT or INT attribute. */
void tn_attr_set_number(const tn_attr *attr, void *attrs, double number);
double tn_attr_number(const tn_attr *attr, const void *attrs);

/* Fills attrs (op->attrs_bytes) with defaults and what node gives. Fails for attributes that are
 * unknown, given twice, of another type, or required and missing. */
tn_status tn_attrs_import(const TnOnnx__NodeProto *node, const tn_op *op, const tn_upgrade *upgrade,
                          void *attrs, tn_error *error);
/* Writes the attributes of node to proto, in memory of arena. upgrade may be NULL. */
tn_status tn_attrs_export(const tn_node *node, const tn_upgrade *upgrade, tn_arena *arena,
                          TnOnnx__NodeProto *proto, tn_error *error);

#endif
