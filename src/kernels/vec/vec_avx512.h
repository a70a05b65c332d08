/* SPDX-License-Identifier: Apache-2.0 */
/* vec_avx512.h: the vocabulary of vec.h in AVX-512 (F, VL, BW, DQ). A mask is a vector of ones or
 * zeros here, too: the instructions between it and a mask register cost less than a vocabulary in
 * which every other level would have to tell them apart. */
#ifndef TN_KERNELS_VEC_VEC_AVX512_H
#define TN_KERNELS_VEC_VEC_AVX512_H

#include <immintrin.h>

#define VEC_FILL tn_kernels_fill_avx512

#define VEC_WIDE

enum { VF_LANES = 16, VF_REGISTERS = 32 };
typedef __m512 vf;
typedef __m512i vi;

VEC_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
VEC_INLINE void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }

VEC_INLINE __mmask16 first_lanes(int n) { return (__mmask16)((1u << n) - 1); }

VEC_INLINE vf vf_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
VEC_INLINE void vf_store_n(float *p, vf a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }

VEC_INLINE vf vf_set1(float a) { return _mm512_set1_ps(a); }
VEC_INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
VEC_INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
VEC_INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
VEC_INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
VEC_INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
VEC_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
VEC_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
VEC_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }

VEC_INLINE vf from_mask(__mmask16 mask) { return _mm512_castsi512_ps(_mm512_movm_epi32(mask)); }
VEC_INLINE __mmask16 to_mask(vf a) { return _mm512_movepi32_mask(_mm512_castps_si512(a)); }

VEC_INLINE vf vf_gt(vf a, vf b) { return from_mask(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ)); }
VEC_INLINE vf vf_and(vf a, vf b) { return _mm512_and_ps(a, b); }
VEC_INLINE vf vf_and_not(vf a, vf b) { return _mm512_andnot_ps(b, a); }
VEC_INLINE vf vf_or(vf a, vf b) { return _mm512_or_ps(a, b); }
VEC_INLINE vf vf_select(vf mask, vf a, vf b) { return _mm512_mask_blend_ps(to_mask(mask), b, a); }

VEC_INLINE unsigned vf_bits(vf mask) { return to_mask(mask); }

VEC_INLINE vf vf_differs(vf a, vf b) { return from_mask(_mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ)); }

/* To memory at once, compressing is many times slower than in a register on some processors. */
VEC_INLINE int vf_store_where(float *p, vf a, unsigned bits) {
    _mm512_storeu_ps(p, _mm512_maskz_compress_ps((__mmask16)bits, a));
    return __builtin_popcount(bits);
}

VEC_INLINE vf vf_from_bits(unsigned bits) { return from_mask((__mmask16)bits); }

VEC_INLINE vf vf_beaten(vf best, vf x) {
    __mmask16 ordered = _mm512_cmp_ps_mask(best, best, _CMP_ORD_Q);
    return from_mask(_mm512_mask_cmp_ps_mask(ordered, best, x, _CMP_NGE_UQ));
}

VEC_INLINE void vf_transpose(vf row[VF_LANES]) {
    vf pair[VF_LANES], quad[VF_LANES];
    for (int i = 0; i < 8; i++) {
        pair[2 * i] = _mm512_unpacklo_ps(row[2 * i], row[2 * i + 1]);
        pair[2 * i + 1] = _mm512_unpackhi_ps(row[2 * i], row[2 * i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        quad[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    /* quad[4 g + i] has in its quarter q the columns 4 q + i of rows 4 g .. 4 g + 3. */
    for (int i = 0; i < 4; i++) {
        vf low = _mm512_shuffle_f32x4(quad[i], quad[4 + i], 0x88);
        vf high = _mm512_shuffle_f32x4(quad[8 + i], quad[12 + i], 0x88);
        row[i] = _mm512_shuffle_f32x4(low, high, 0x88);
        row[8 + i] = _mm512_shuffle_f32x4(low, high, 0xdd);
        low = _mm512_shuffle_f32x4(quad[i], quad[4 + i], 0xdd);
        high = _mm512_shuffle_f32x4(quad[8 + i], quad[12 + i], 0xdd);
        row[4 + i] = _mm512_shuffle_f32x4(low, high, 0x88);
        row[12 + i] = _mm512_shuffle_f32x4(low, high, 0xdd);
    }
}

VEC_INLINE vi vi_set1(uint32_t a) { return _mm512_set1_epi32((int)a); }
VEC_INLINE vi vi_iota(void) {
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
VEC_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
VEC_INLINE vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
VEC_INLINE vi vi_gt(vi a, vi b) { return _mm512_movm_epi32(_mm512_cmpgt_epi32_mask(a, b)); }
VEC_INLINE vi vi_eq(vi a, vi b) { return _mm512_movm_epi32(_mm512_cmpeq_epi32_mask(a, b)); }
VEC_INLINE vf vf_from_mask(vi mask) { return _mm512_castsi512_ps(mask); }
VEC_INLINE vf vi_to_vf(vi a) { return _mm512_cvtepi32_ps(a); }
VEC_INLINE vi vf_to_vi(vf a) { return _mm512_cvttps_epi32(a); }
VEC_INLINE vi vi_shift_left(vi a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
VEC_INLINE vi vi_select(vf mask, vi a, vi b) {
    return _mm512_mask_blend_epi32(to_mask(mask), b, a);
}

VEC_INLINE void vi_mul_wide(vi a, vi b, vi *high, vi *low) {
    vi even = _mm512_mul_epu32(a, b);
    vi odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
    *low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    *high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
}

VEC_INLINE vi vi_load_u16(const uint16_t *p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
}

VEC_INLINE vi vi_load_u8(const uint8_t *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p));
}

VEC_INLINE void vi_store_u8(uint8_t *p, vi a) {
    _mm_storeu_si128((void *)p, _mm512_cvtepi32_epi8(a));
}

VEC_INLINE void vi_store_columns(uint16_t *p, vi a, vi b, vi c, vi d) {
    vi ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
    vi cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
    vi lane[4] = {_mm512_unpacklo_epi64(ab_low, cd_low), _mm512_unpackhi_epi64(ab_low, cd_low),
                  _mm512_unpacklo_epi64(ab_high, cd_high), _mm512_unpackhi_epi64(ab_high, cd_high)};
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((void *)(p + 8 * i), _mm512_extracti32x4_epi32(lane[i], 0));
        _mm_storeu_si128((void *)(p + 8 * i + 32), _mm512_extracti32x4_epi32(lane[i], 1));
        _mm_storeu_si128((void *)(p + 8 * i + 64), _mm512_extracti32x4_epi32(lane[i], 2));
        _mm_storeu_si128((void *)(p + 8 * i + 96), _mm512_extracti32x4_epi32(lane[i], 3));
    }
}

#endif
