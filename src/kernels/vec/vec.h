/* SPDX-License-Identifier: Apache-2.0 */
/* vec.h: the vocabulary in which the loops of this folder are written. Compiled once per
 * instruction set with one of the TN_VEC_ macros defined, it provides
 *
 *   vf, VF_LANES        a vector of floats
 *   VF_REGISTERS        how many of them the registers hold
 *   VEC_WIDE            defined if a vector has more lanes than a point has (TN_LANES)
 *   vi                  a vector of as many 32-bit integers
 *   vf_load, vf_store   any alignment;  _n: only the first n < VF_LANES lanes, touching no others
 *   vf_set1, vf_add, vf_sub, vf_mul, vf_div, vf_sqrt
 *   vf_fma              a · b + c, fused where the instruction set has it
 *   vf_max, vf_min      a > b ? a : b and a < b ? a : b, so b if either is NaN
 *   vf_differs          a != b, true if either is NaN
 *   vf_store_where      the lanes whose bits are set, packed, and garbage up to a whole vector;
 *                       returns how many they are
 *   vf_gt, vf_and, vf_or, vf_select     lanes of all ones or zeros; mask ? a : b
 *   vf_and_not          a & ~b
 *   vf_beaten           best < x, or x is NaN and best is not: the rule of max pooling
 *   vf_bits, vf_from_bits        a mask as a number, lane i being bit i, and back; higher bits
 *                       of the number count for nothing
 *   vf_transpose        the square of VF_LANES rows
 *   vf_sum_rows         the sum of each of VF_LANES rows, neighbours first: ((0+1)+(2+3))+...;
 *                       not where VEC_WIDE is defined
 *   vi_set1, vi_iota, vi_add, vi_xor, vi_gt, vi_eq, vi_select,
 *   vi_shift_left
 *   vi_mul_wide         the high and low halves of 32 × 32 bits unsigned
 *   vi_load_u8, vi_load_u16, vi_store_u8     one lane per element, zero-extended, truncated
 *   vi_store_columns    a, b, c, d of lane 0, then of lane 1, ...
 *   vi_to_vf, vf_to_vi  conversion of values, towards zero
 *   vf_from_mask        the same bits, of masks or else
 *
 * Everything is static and inlined: a function shared with another level would be compiled for the
 * wrong processor. */
#ifndef TN_KERNELS_VEC_VEC_H
#define TN_KERNELS_VEC_VEC_H

#include <stdint.h>

#define VEC_INLINE static inline __attribute__((always_inline))

/* Before a loop over an array of vectors that shall live in registers. clang unrolls early enough
 * by itself, and too late when told to. */
#ifdef __clang__
#define VEC_UNROLL
#define VEC_UNROLL_ALL
#else
#define VEC_UNROLL _Pragma("GCC unroll 8")
#define VEC_UNROLL_ALL _Pragma("GCC unroll 16")
#endif

#if defined(TN_VEC_AVX512)
#include "kernels/vec/vec_avx512.h"
#elif defined(TN_VEC_AVX2)
#include "kernels/vec/vec_avx2.h"
#elif defined(TN_VEC_SSE2)
#include "kernels/vec/vec_sse2.h"
#elif defined(TN_VEC_NEON)
#include "kernels/vec/vec_neon.h"
#else
#error "define the instruction set: TN_VEC_SSE2, TN_VEC_AVX2, TN_VEC_AVX512 or TN_VEC_NEON"
#endif

/* The first `lanes` <= VF_LANES numbers. */
VEC_INLINE vf load_part(const float *p, int lanes) {
    return lanes == VF_LANES ? vf_load(p) : vf_load_n(p, lanes);
}

VEC_INLINE void store_part(float *p, vf a, int lanes) {
    if (lanes == VF_LANES)
        vf_store(p, a);
    else
        vf_store_n(p, a, lanes);
}

#endif
