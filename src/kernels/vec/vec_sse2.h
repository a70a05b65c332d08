/* SPDX-License-Identifier: Apache-2.0 */
/* vec_sse2.h: the vocabulary of vec.h in SSE2, which every x86-64 processor has. */
#ifndef TN_KERNELS_VEC_VEC_SSE2_H
#define TN_KERNELS_VEC_VEC_SSE2_H

#include <emmintrin.h>
#include <string.h>

#define VEC_FILL tn_kernels_fill_sse2

enum { VF_LANES = 4, VF_REGISTERS = 16 };
typedef __m128 vf;
typedef __m128i vi;

VEC_INLINE vf vf_load(const float *p) { return _mm_loadu_ps(p); }
VEC_INLINE void vf_store(float *p, vf a) { _mm_storeu_ps(p, a); }

VEC_INLINE vf vf_load_n(const float *p, int n) {
    float lanes[VF_LANES] = {0};
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return vf_load(lanes);
}

VEC_INLINE void vf_store_n(float *p, vf a, int n) {
    float lanes[VF_LANES];
    vf_store(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

VEC_INLINE vf vf_set1(float a) { return _mm_set1_ps(a); }
VEC_INLINE vf vf_add(vf a, vf b) { return _mm_add_ps(a, b); }
VEC_INLINE vf vf_sub(vf a, vf b) { return _mm_sub_ps(a, b); }
VEC_INLINE vf vf_mul(vf a, vf b) { return _mm_mul_ps(a, b); }
VEC_INLINE vf vf_div(vf a, vf b) { return _mm_div_ps(a, b); }
VEC_INLINE vf vf_sqrt(vf a) { return _mm_sqrt_ps(a); }
VEC_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
VEC_INLINE vf vf_max(vf a, vf b) { return _mm_max_ps(a, b); }
VEC_INLINE vf vf_min(vf a, vf b) { return _mm_min_ps(a, b); }
VEC_INLINE vf vf_gt(vf a, vf b) { return _mm_cmpgt_ps(a, b); }
VEC_INLINE vf vf_and(vf a, vf b) { return _mm_and_ps(a, b); }

VEC_INLINE vf vf_and_not(vf a, vf b) { return _mm_andnot_ps(b, a); }
VEC_INLINE vf vf_or(vf a, vf b) { return _mm_or_ps(a, b); }

VEC_INLINE vf vf_select(vf mask, vf a, vf b) {
    return _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b));
}

VEC_INLINE unsigned vf_bits(vf mask) { return (unsigned)_mm_movemask_ps(mask); }

VEC_INLINE vf vf_differs(vf a, vf b) { return _mm_cmpneq_ps(a, b); }

VEC_INLINE int vf_store_where(float *p, vf a, unsigned bits) {
    float lanes[VF_LANES];
    int n = 0;
    vf_store(lanes, a);
    for (int i = 0; i < VF_LANES; i++) {
        p[n] = lanes[i];
        n += (int)(bits >> i & 1);
    }
    return n;
}

VEC_INLINE vf vf_from_bits(unsigned bits) {
    const vi lane = _mm_setr_epi32(1, 2, 4, 8);
    vi set = _mm_and_si128(_mm_set1_epi32((int)bits), lane);
    return _mm_castsi128_ps(_mm_cmpeq_epi32(set, lane));
}

VEC_INLINE vf vf_beaten(vf best, vf x) {
    return _mm_and_ps(_mm_cmpnge_ps(best, x), _mm_cmpord_ps(best, best));
}

VEC_INLINE void vf_transpose(vf row[VF_LANES]) {
    _MM_TRANSPOSE4_PS(row[0], row[1], row[2], row[3]);
}

VEC_INLINE vf vf_sum_rows(const vf row[VF_LANES]) {
    vf a = _mm_add_ps(_mm_shuffle_ps(row[0], row[1], 0x88), _mm_shuffle_ps(row[0], row[1], 0xdd));
    vf b = _mm_add_ps(_mm_shuffle_ps(row[2], row[3], 0x88), _mm_shuffle_ps(row[2], row[3], 0xdd));
    return _mm_add_ps(_mm_shuffle_ps(a, b, 0x88), _mm_shuffle_ps(a, b, 0xdd));
}

VEC_INLINE vi vi_set1(uint32_t a) { return _mm_set1_epi32((int)a); }
VEC_INLINE vi vi_iota(void) { return _mm_setr_epi32(0, 1, 2, 3); }
VEC_INLINE vi vi_add(vi a, vi b) { return _mm_add_epi32(a, b); }
VEC_INLINE vi vi_xor(vi a, vi b) { return _mm_xor_si128(a, b); }
VEC_INLINE vi vi_gt(vi a, vi b) { return _mm_cmpgt_epi32(a, b); }
VEC_INLINE vi vi_eq(vi a, vi b) { return _mm_cmpeq_epi32(a, b); }
VEC_INLINE vf vf_from_mask(vi mask) { return _mm_castsi128_ps(mask); }
VEC_INLINE vf vi_to_vf(vi a) { return _mm_cvtepi32_ps(a); }
VEC_INLINE vi vf_to_vi(vf a) { return _mm_cvttps_epi32(a); }
VEC_INLINE vi vi_shift_left(vi a, int n) { return _mm_slli_epi32(a, n); }

VEC_INLINE vi vi_select(vf mask, vi a, vi b) {
    vi m = _mm_castps_si128(mask);
    return _mm_or_si128(_mm_and_si128(m, a), _mm_andnot_si128(m, b));
}

VEC_INLINE void vi_mul_wide(vi a, vi b, vi *high, vi *low) {
    vi even = _mm_mul_epu32(a, b);
    vi odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32));
    *low = _mm_unpacklo_epi32(_mm_shuffle_epi32(even, 0x08), _mm_shuffle_epi32(odd, 0x08));
    *high = _mm_unpacklo_epi32(_mm_shuffle_epi32(even, 0x0d), _mm_shuffle_epi32(odd, 0x0d));
}

VEC_INLINE vi vi_load_u16(const uint16_t *p) {
    return _mm_unpacklo_epi16(_mm_loadl_epi64((const void *)p), _mm_setzero_si128());
}

VEC_INLINE vi vi_load_u8(const uint8_t *p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    vi zero = _mm_setzero_si128();
    vi words = _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero);
    return _mm_unpacklo_epi16(words, zero);
}

VEC_INLINE void vi_store_u8(uint8_t *p, vi a) {
    vi words = _mm_packs_epi32(a, a);
    int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    memcpy(p, &bytes, sizeof bytes);
}

VEC_INLINE void vi_store_columns(uint16_t *p, vi a, vi b, vi c, vi d) {
    vi ab_low = _mm_unpacklo_epi32(a, b), ab_high = _mm_unpackhi_epi32(a, b);
    vi cd_low = _mm_unpacklo_epi32(c, d), cd_high = _mm_unpackhi_epi32(c, d);
    _mm_storeu_si128((void *)(p + 0), _mm_unpacklo_epi64(ab_low, cd_low));
    _mm_storeu_si128((void *)(p + 8), _mm_unpackhi_epi64(ab_low, cd_low));
    _mm_storeu_si128((void *)(p + 16), _mm_unpacklo_epi64(ab_high, cd_high));
    _mm_storeu_si128((void *)(p + 24), _mm_unpackhi_epi64(ab_high, cd_high));
}

#endif
