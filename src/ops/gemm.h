/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.h: the product of a batch of rows [n][k] and a stored weight, which Gemm and MatMul share.
 * The weight is stored [k][o], its k in the order in which the samples are stored. */
#ifndef TN_OPS_GEMM_H
#define TN_OPS_GEMM_H

#include "ops/ops.h"

/* How the weight, of these dims and for samples of so many channels, is to be stored. */
tn_arrangement tn_gemm_arrange(bool trans_b, const int64_t dims[2], int64_t channels);

/* Implementation of a node with inputs rows, weight and perhaps C: y = rows · weight + C. */
int64_t tn_gemm_units(const tn_node *node);
int64_t tn_gemm_workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n);
void tn_gemm_run(const tn_run *run);

/* Delivers the gradients of rows a and weight b, where wanted. */
tn_status tn_gemm_add_gradients(tn_graph *graph, bool trans_b, tn_value *a, tn_value *b,
                                tn_value *dy, tn_error *error);

#endif
