/* SPDX-License-Identifier: Apache-2.0 */
/* half.h: numbers of 16 bits: IEEE 754 binary16, and bfloat16, the upper half of a binary32. */
#ifndef TN_BASE_HALF_H
#define TN_BASE_HALF_H

#include <stdint.h>

/* Exact. */
double tn_float16_to_double(uint16_t bits);
double tn_bfloat16_to_double(uint16_t bits);
/* To the nearest, ties to even; what is too large becomes infinite, NaN stays NaN. */
uint16_t tn_float16_from_double(double x);
uint16_t tn_bfloat16_from_double(double x);

#endif
