/* SPDX-License-Identifier: Apache-2.0 */
/* cases_reduction.c: cases of pooling by means, and other reductions. */
#include "case_words.h"

const op_case reduction_cases[] = {{0}};
