/* SPDX-License-Identifier: Apache-2.0 */
/* vec_avx2.h: the vocabulary of vec.h in AVX2 with FMA. */
#ifndef TN_KERNELS_VEC_VEC_AVX2_H
#define TN_KERNELS_VEC_VEC_AVX2_H

#include <immintrin.h>

#define VEC_FILL tn_kernels_fill_avx2

enum { VF_LANES = 8, VF_REGISTERS = 16 };
typedef __m256 vf;
typedef __m256i vi;

VEC_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
VEC_INLINE void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }

VEC_INLINE vi first_lanes(int n) {
    static const int32_t ones_then_zeros[2 * VF_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const void *)(ones_then_zeros + VF_LANES - n));
}

VEC_INLINE vf vf_load_n(const float *p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
VEC_INLINE void vf_store_n(float *p, vf a, int n) { _mm256_maskstore_ps(p, first_lanes(n), a); }

VEC_INLINE vf vf_set1(float a) { return _mm256_set1_ps(a); }
VEC_INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
VEC_INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
VEC_INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
VEC_INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
VEC_INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
VEC_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
VEC_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
VEC_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
VEC_INLINE vf vf_gt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
VEC_INLINE vf vf_and(vf a, vf b) { return _mm256_and_ps(a, b); }
VEC_INLINE vf vf_and_not(vf a, vf b) { return _mm256_andnot_ps(b, a); }
VEC_INLINE vf vf_or(vf a, vf b) { return _mm256_or_ps(a, b); }
VEC_INLINE vf vf_select(vf mask, vf a, vf b) { return _mm256_blendv_ps(b, a, mask); }

VEC_INLINE unsigned vf_bits(vf mask) { return (unsigned)_mm256_movemask_ps(mask); }

VEC_INLINE vf vf_differs(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }

/* The lanes whose bits are set in the number of the row, one byte each, from the lowest on. */
#define BIT(b, i) ((uint64_t)(b) >> (i)&1)
#define AND(b, i, higher) ((higher) * (1 + 255 * BIT(b, i)) + (i)*BIT(b, i))
#define ROW(b)                                                                                     \
    AND(b, 0, AND(b, 1, AND(b, 2, AND(b, 3, AND(b, 4, AND(b, 5, AND(b, 6, AND(b, 7, 0))))))))
#define ROWS_4(b) ROW(b), ROW(b + 1), ROW(b + 2), ROW(b + 3)
#define ROWS_16(b) ROWS_4(b), ROWS_4(b + 4), ROWS_4(b + 8), ROWS_4(b + 12)
#define ROWS_64(b) ROWS_16(b), ROWS_16(b + 16), ROWS_16(b + 32), ROWS_16(b + 48)
VEC_INLINE vi lanes_of(unsigned bits) {
    static const uint64_t rows[256] = {ROWS_64(0), ROWS_64(64), ROWS_64(128), ROWS_64(192)};
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(rows + bits)));
}
#undef ROWS_64
#undef ROWS_16
#undef ROWS_4
#undef ROW
#undef AND
#undef BIT

VEC_INLINE int vf_store_where(float *p, vf a, unsigned bits) {
    vf_store(p, _mm256_permutevar8x32_ps(a, lanes_of(bits)));
    return __builtin_popcount(bits);
}

VEC_INLINE vf vf_from_bits(unsigned bits) {
    const vi lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    vi set = _mm256_and_si256(_mm256_set1_epi8((char)bits), lane);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane));
}

VEC_INLINE vf vf_beaten(vf best, vf x) {
    return _mm256_and_ps(_mm256_cmp_ps(best, x, _CMP_NGE_UQ),
                         _mm256_cmp_ps(best, best, _CMP_ORD_Q));
}

VEC_INLINE void vf_transpose(vf row[VF_LANES]) {
    vf pair[VF_LANES], quad[VF_LANES];
    for (int i = 0; i < 4; i++) {
        pair[2 * i] = _mm256_unpacklo_ps(row[2 * i], row[2 * i + 1]);
        pair[2 * i + 1] = _mm256_unpackhi_ps(row[2 * i], row[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
        quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        row[i] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20);
        row[i + 4] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31);
    }
}

VEC_INLINE vf vf_sum_rows(const vf row[VF_LANES]) {
    vf low = _mm256_hadd_ps(_mm256_hadd_ps(row[0], row[1]), _mm256_hadd_ps(row[2], row[3]));
    vf high = _mm256_hadd_ps(_mm256_hadd_ps(row[4], row[5]), _mm256_hadd_ps(row[6], row[7]));
    return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                         _mm256_permute2f128_ps(low, high, 0x31));
}

VEC_INLINE vi vi_set1(uint32_t a) { return _mm256_set1_epi32((int)a); }
VEC_INLINE vi vi_iota(void) { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
VEC_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
VEC_INLINE vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
VEC_INLINE vi vi_gt(vi a, vi b) { return _mm256_cmpgt_epi32(a, b); }
VEC_INLINE vi vi_eq(vi a, vi b) { return _mm256_cmpeq_epi32(a, b); }
VEC_INLINE vf vf_from_mask(vi mask) { return _mm256_castsi256_ps(mask); }
VEC_INLINE vf vi_to_vf(vi a) { return _mm256_cvtepi32_ps(a); }
VEC_INLINE vi vf_to_vi(vf a) { return _mm256_cvttps_epi32(a); }
VEC_INLINE vi vi_shift_left(vi a, int n) { return _mm256_slli_epi32(a, n); }

VEC_INLINE vi vi_select(vf mask, vi a, vi b) {
    return _mm256_blendv_epi8(b, a, _mm256_castps_si256(mask));
}

VEC_INLINE void vi_mul_wide(vi a, vi b, vi *high, vi *low) {
    vi even = _mm256_mul_epu32(a, b);
    vi odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}

VEC_INLINE vi vi_load_u16(const uint16_t *p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
}

VEC_INLINE vi vi_load_u8(const uint8_t *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
}

VEC_INLINE void vi_store_u8(uint8_t *p, vi a) {
    __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((void *)p, _mm_packus_epi16(words, words));
}

VEC_INLINE void vi_store_columns(uint16_t *p, vi a, vi b, vi c, vi d) {
    vi ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
    vi cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
    vi lane[4] = {_mm256_unpacklo_epi64(ab_low, cd_low), _mm256_unpackhi_epi64(ab_low, cd_low),
                  _mm256_unpacklo_epi64(ab_high, cd_high), _mm256_unpackhi_epi64(ab_high, cd_high)};
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((void *)(p + 8 * i), _mm256_castsi256_si128(lane[i]));
        _mm_storeu_si128((void *)(p + 8 * i + 32), _mm256_extracti128_si256(lane[i], 1));
    }
}

#endif
