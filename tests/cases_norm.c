/* SPDX-License-Identifier: Apache-2.0 */
/* cases_norm.c: cases of normalisation. */
#include "case_words.h"

const op_case norm_cases[] = {{0}};
