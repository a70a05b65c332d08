/* SPDX-License-Identifier: Apache-2.0 */
/* conv_choice.h: which implementation computes a pass of a convolution, where several can. Bits
 * depend on that, so it is written down, by shape and level of kernels: in a table in the source
 * (conv_choice.c), or in one that was measured (tuning.h). What neither lists follows a rule of
 * shapes, the implementation's `pays`. */
#ifndef TN_OPS_CONV_CHOICE_H
#define TN_OPS_CONV_CHOICE_H

#include "ops/ops.h"

/* What the choice depends on, as ONNX has it. */
typedef struct conv_choice_key {
    const tn_op *op;   /* of the pass: Conv, ConvGradInput or ConvGradWeight */
    int64_t input[3];  /* channels, height, width */
    int64_t weight[4]; /* outputs, channels of a group, height, width */
    int64_t strides[2], pads[4], dilations[2];
    int64_t sparse; /* 1: the gradient of y is known to be so sparse that the pass may list it */
} conv_choice_key;

typedef struct conv_choice {
    conv_choice_key key;
    const char *implementation;
} conv_choice;

/* False if node is no pass of a convolution. */
bool conv_choice_key_of(const tn_node *node, const tn_kernels *kernels, conv_choice_key *key);
/* Below, equal to or above 0, in an order that depends on nothing but the keys. */
int conv_choice_compare(const conv_choice_key *a, const conv_choice_key *b);
/* "16x28x28 by 32x16x3x3, strides 2,2, pads 1,1,1,1, sparse" */
enum { CONV_CHOICE_TEXT = 320 };
char *conv_choice_shape_text(const conv_choice_key *key, char text[CONV_CHOICE_TEXT]);

/* The word of a pass ("forward", "input-gradient", "weight-gradient"), and the operator of a word,
 * NULL if there is none. */
const char *conv_pass_word(const tn_op *op);
const tn_op *conv_pass_op(const char *word);

/* The implementations that can compute a node by sample, in the order of its operator, into
 * names[TN_TUNING_MAX_CANDIDATES]; returns how many. */
int conv_choice_candidates(const tn_node *node, const tn_kernels *kernels, const char **names);

/* The `choose` of the passes. */
const char *conv_choose(const tn_node *node, const tn_kernels *kernels, const tn_tuning *tuning);

/* Stands in checkpoints for the table in the source and the rules. Whoever changes what is chosen
 * for any shape raises its number: a run then goes on with what it began with, or not at all. */
#define CONV_CHOICES_BUILT_IN "built-in-6"

/* Choice i of the table in the source for kernels of a level; false after the last. */
bool conv_choice_built_in(int i, const char *level, conv_choice *choice);

#endif
