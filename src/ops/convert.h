/* SPDX-License-Identifier: Apache-2.0 */
/* convert.h: numbers of one type as those of another. */
#ifndef TN_OPS_CONVERT_H
#define TN_OPS_CONVERT_H

#include "graph/op.h"

/* y[i] = x[i] as ONNX casts: floats are rounded to the nearest, ties to even, and towards zero if y
 * is of integers; integers lose the bits that y has no room for; of bool, anything but 0 is true.
 * What ONNX leaves open: a float too large for an integer type becomes the nearest number that it
 * has, NaN becomes 0. */
void tn_convert(tn_dtype from, const void *x, tn_dtype to, void *y, int64_t n);
/* The type that ONNX has this number for (TensorProto.DataType). */
tn_status tn_convert_type(int64_t number, tn_dtype *dtype, tn_error *error);
/* One element; attributes are doubles. */
void tn_convert_number(double x, tn_dtype to, void *y);

#endif
