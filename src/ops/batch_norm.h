/* SPDX-License-Identifier: Apache-2.0 */
/* batch_norm.h: what the two halves of batch normalisation share: with running statistics
 * (batch_norm.c) and with those of the batch (batch_norm_train.c). */
#ifndef TN_OPS_BATCH_NORM_H
#define TN_OPS_BATCH_NORM_H

#include "ops/ops.h"

/* Coefficients [groups][TN_NORM_ROWS][channels]: y = (x - mean) · factor + bias with
 * factor = scale · inverse and inverse = 1/√(variance + epsilon). */
enum { TN_NORM_MEAN, TN_NORM_INVERSE, TN_NORM_FACTOR, TN_NORM_BIAS, TN_NORM_ROWS };

/* Normalisation in a training graph, and what passes make of it (batch_norm_train.c). */
extern const tn_op tn_op_norm, tn_op_norm_grad_sums, tn_op_norm_grad;
extern const tn_op tn_op_norm_relu, tn_op_norm_relu_grad_sums, tn_op_norm_relu_grad;

/* How the values of a batch-norm node are stored: samples of `blocks` blocks of `rows` rows of
 * `width` numbers. Channels last, or without pixels, all channels are a row; else each channel is
 * a block of rows of one number. */
typedef struct tn_norm_form {
    int64_t channels, blocks, rows, width;
} tn_norm_form;

tn_norm_form tn_norm_form_of(const tn_shape *x, int64_t stored_channels);

/* Of the rows of input x that belong to a call. */
tn_norm_form tn_norm_form_of_run(const tn_run *run, int x);

/* The samples of a batch that share statistics: group g of n_groups has those from its begin to
 * that of the next. */
int64_t tn_norm_group_begin(int64_t batch, int64_t n_groups, int64_t g);

/* Fails unless the n parameters have one number for each channel of x. */
tn_status tn_norm_check(const tn_node *node, int first, int n, tn_error *error);

/* Appends the gradients of node, whose output is its input 0 normalised by coefficients made of
 * scale and bias. fixed: the coefficients do not depend on the batch. */
tn_status tn_norm_differentiate(tn_graph *graph, tn_node *node, tn_value *coefficients,
                                tn_value *scale, tn_value *bias, bool fixed, tn_error *error);
/* Appends the normalisation by the statistics of n_groups parts of the batch. in is x, scale, bias,
 * running mean, running variance; the last two are updated. */
tn_status tn_norm_by_batch(tn_graph *graph, const tn_batch_norm_attrs *attrs, int n_groups,
                           tn_value *const in[5], tn_value **y, tn_error *error);

#endif
