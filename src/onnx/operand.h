/* SPDX-License-Identifier: Apache-2.0 */
/* operand.h: inputs of a node in a file that are attributes in canonical form. */
#ifndef TN_ONNX_OPERAND_H
#define TN_ONNX_OPERAND_H

#include "graph/op.h"

/* Sets an attribute to what a constant or parameter holds: one number, or a list. Of one computed
 * from the size of the batch, only the first number of a list may be that size, and only if
 * `batch` says that it stands for the samples there. */
tn_status tn_operand_set(const tn_value *value, bool batch, const tn_attr *attr, void *attrs,
                         tn_error *error);

#endif
