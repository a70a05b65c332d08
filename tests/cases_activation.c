/* SPDX-License-Identifier: Apache-2.0 */
/* cases_activation.c: cases of elementwise operators. */
#include "case_words.h"

const op_case activation_cases[] = {{0}};
