/* SPDX-License-Identifier: Apache-2.0 */
/* functions.h: elementary functions of single numbers whose bits depend on no C library: the same
 * on every machine (the double build uses libm's). All within 1 ulp, special values as in C's
 * <math.h>. They compute in double, whose sums, products, quotients and roots are exact to half an
 * ulp everywhere; loops that must be fast have kernels. */
#ifndef TN_KERNELS_FUNCTIONS_H
#define TN_KERNELS_FUNCTIONS_H

#include "base/real.h"

real tn_sin(real x);
real tn_cos(real x);
real tn_tan(real x);
real tn_asin(real x);
real tn_acos(real x);
real tn_atan(real x);
real tn_sinh(real x);
real tn_cosh(real x);
real tn_asinh(real x);
real tn_acosh(real x);
real tn_atanh(real x);
real tn_log1p(real x);
real tn_erf(real x);
real tn_pow(real x, real y);

#endif
