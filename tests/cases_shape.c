/* SPDX-License-Identifier: Apache-2.0 */
/* cases_shape.c: cases of operators that move elements, and MatMul. */
#include "case_words.h"

const op_case shape_cases[] = {{0}};
