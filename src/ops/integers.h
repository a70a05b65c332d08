/* SPDX-License-Identifier: Apache-2.0 */
/* integers.h: whole numbers of any type, bool included, taken as int64. They are counts, indices
 * and shapes: few, so that one slow way for all types will do. */
#ifndef TN_OPS_INTEGERS_H
#define TN_OPS_INTEGERS_H

#include "graph/op.h"

/* Of a type of whole numbers; bool is none. */
bool tn_is_integer(tn_dtype dtype);
/* Element i of data, which may be bool; of uint64 those from 2^63 on are negative. */
int64_t tn_integer_at(tn_dtype dtype, const void *data, int64_t i);
/* Stores as many of the value's bits as the type has: it wraps. Of bool, whether it is not 0. */
void tn_integer_set(tn_dtype dtype, void *data, int64_t i, int64_t value);
/* a < b, of uint64 too. */
bool tn_integer_less(tn_dtype dtype, int64_t a, int64_t b);

/* applies of an implementation for whole numbers: its last input holds such, or bool. */
bool tn_of_integers(const tn_node *node, const tn_kernels *kernels);

/* Arithmetic with broadcasting, as implementations of operators on two inputs. It wraps; dividing
 * by 0 gives 0, as in numpy. */
extern const tn_implementation tn_integers_add, tn_integers_sub, tn_integers_mul, tn_integers_div;

/* The same for f. */
typedef int64_t tn_integer_fn(tn_dtype dtype, int64_t a, int64_t b);
void tn_integers_run(const tn_run *run, tn_integer_fn *f);

#endif
