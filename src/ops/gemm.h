/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.h: the product of a batch of rows [n][k] and a stored weight, which Gemm and MatMul share.
 * The weight is stored [k][o], its k in the order in which the samples are stored; a large one in
 * panels of 16 outputs, [o / 16][k][16], which the register tile reads in one stream. */
#ifndef TN_OPS_GEMM_H
#define TN_OPS_GEMM_H

#include "ops/ops.h"
#include "ops/tiles.h"

enum { TN_GEMM_PANEL = 16 };

/* Whether a weight of k by o numbers is so large that its products run over the whole batch. */
bool tn_gemm_is_large(int64_t k, int64_t o);
/* Whether it is stored in panels. */
bool tn_gemm_in_panels(int64_t k, int64_t o);
/* Where its number [t][j] is. */
static inline int64_t tn_gemm_place(bool in_panels, int64_t k, int64_t o, int64_t t, int64_t j) {
    if (!in_panels) return t * o + j;
    return (j / TN_GEMM_PANEL * k + t) * TN_GEMM_PANEL + j % TN_GEMM_PANEL;
}
/* How the weight, of these dims and for samples of so many channels, is to be stored. */
tn_arrangement tn_gemm_arrange(bool trans_b, const int64_t dims[2], int64_t channels);

/* Implementations for weights stored in panels, and the gradient of any large weight
 * (gemm_panels.c). */
extern const tn_implementation tn_gemm_panels, tn_gemm_grad_input_panels, tn_gemm_grad_weight_whole;
/* Of a large weight and a gradient that is mostly zero (gemm_sparse.c). */
extern const tn_implementation tn_gemm_grad_input_sparse;
/* Whether node is y = A · B + C with a stored B, without factors and transposition of A. */
bool tn_gemm_is_plain(const tn_node *node);
/* How rows [row, row + rows) and columns [first, last) of y begin, which are filled if with C. */
tn_product_start tn_gemm_start(const tn_run *run, int64_t row, int64_t rows, int64_t first,
                               int64_t last);

/* Row `row` of such a node alone, in as many whole panels of columns [first, last) as there are:
 * their number of columns. product says where b is. The bits of any other way. */
int64_t tn_gemm_row(const tn_run *run, int64_t row, int64_t first, int64_t last, tn_matmul product);

/* Implementation of a node with inputs rows, weight and perhaps C: y = rows · weight + C. */
int64_t tn_gemm_units(const tn_node *node);
int64_t tn_gemm_workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n);
void tn_gemm_run(const tn_run *run);

/* Delivers the gradients of rows a and weight b, where wanted. */
tn_status tn_gemm_add_gradients(tn_graph *graph, bool trans_b, tn_value *a, tn_value *b,
                                tn_value *dy, tn_error *error);

#endif
