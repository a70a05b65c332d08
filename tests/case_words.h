/* SPDX-License-Identifier: Apache-2.0 */
/* case_words.h: the words in which the graphs of op_case are built, and the lists of cases, one per
 * family of operators. */
#ifndef TN_TESTS_CASE_WORDS_H
#define TN_TESTS_CASE_WORDS_H

#include "op_cases.h"

void check(tn_status status, const tn_error *error);
/* Parameters and constants are filled with random numbers by op_run_create. */
tn_value *value(tn_graph *g, tn_value_kind kind, tn_dtype dtype, bool batched, int rank,
                const int64_t *dims);
/* b and c may be NULL. */
tn_value *apply(tn_graph *g, const tn_op *op, const void *attrs, tn_value *a, tn_value *b,
                tn_value *c);
void output(tn_graph *g, tn_value *v);
/* A constant that stays what it is. */
tn_value *exactly(tn_graph *g, double number);
/* [n][5][4][6], stored channels last while executing. */
tn_value *image_by_conv(tn_graph *g);

/* clang-format off */
#define DIMS(...) \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}
#define INTS(...) \
    ((tn_ints){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
/* clang-format on */
#define INPUT(...) value(g, TN_VALUE_INPUT, TN_FLOAT32, true, DIMS(1, __VA_ARGS__))
#define PARAMETER(...) value(g, TN_VALUE_PARAMETER, TN_FLOAT32, false, DIMS(__VA_ARGS__))
#define CONSTANT(...) value(g, TN_VALUE_CONSTANT, TN_FLOAT32, false, DIMS(__VA_ARGS__))

/* Each ends with a NULL name. */
extern const op_case activation_cases[], elementwise_cases[], shape_cases[], reduction_cases[],
    norm_cases[], moving_cases[], window_cases[];

#endif
