/* SPDX-License-Identifier: Apache-2.0 */
/* shapes.h: --shape, which says how large the inputs of a model are. */
#ifndef TN_TENON_SHAPES_H
#define TN_TENON_SHAPES_H

#include <stdbool.h>

#include <tenon/tenon.h>

#include "options.h"

/* The row of the option; *text is what is given. */
option shapes_row(const char **text);
/* Tensors without data for "NAME=1x3x224x224,NAME=..." (NULL: none); names lie in *names. Both are
 * malloc'ed, the caller's. Prints an error and returns false if it is anything else. */
bool shapes_parse(const char *text, tn_tensor **inputs, int *n, char **names);

#endif
