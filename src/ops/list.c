/* SPDX-License-Identifier: Apache-2.0 */
/* list.c: a row for each operator that a model can hold. Operators that only differentiation or the
 * plan put into a graph stay with those that bring them in. */
#include <string.h>

#include "ops/ops.h"

/* clang-format off */
const tn_op *const tn_ops[] = {
    &tn_op_add,
    &tn_op_average_pool,
    &tn_op_batch_norm,
    &tn_op_clip,
    &tn_op_concat,
    &tn_op_conv,
    &tn_op_div,
    &tn_op_dropout,
    &tn_op_elu,
    &tn_op_flatten,
    &tn_op_gemm,
    &tn_op_global_average_pool,
    &tn_op_global_max_pool,
    &tn_op_hard_sigmoid,
    &tn_op_hard_swish,
    &tn_op_identity,
    &tn_op_leaky_relu,
    &tn_op_load_pixels,
    &tn_op_log_softmax,
    &tn_op_mat_mul,
    &tn_op_max_pool,
    &tn_op_mul,
    &tn_op_pad,
    &tn_op_prelu,
    &tn_op_reduce_mean,
    &tn_op_relu,
    &tn_op_reshape,
    &tn_op_sigmoid,
    &tn_op_softmax,
    &tn_op_softmax_cross_entropy,
    &tn_op_squeeze,
    &tn_op_sub,
    &tn_op_tanh,
    &tn_op_transpose,
    &tn_op_unsqueeze,
    NULL,
};
/* clang-format on */

const tn_op *tn_op_find_onnx(const char *onnx_type) {
    for (const tn_op *const *op = tn_ops; *op; op++)
        if ((*op)->onnx_type && strcmp((*op)->onnx_type, onnx_type) == 0) return *op;
    return NULL;
}
