/* SPDX-License-Identifier: Apache-2.0 */
/* real.h: the type of all arithmetic. The gradient tests compile the library a second time with
 * TN_DOUBLE, so that the very same operators can be held against finite differences. */
#ifndef TN_BASE_REAL_H
#define TN_BASE_REAL_H

#ifdef TN_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
