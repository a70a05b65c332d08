/* SPDX-License-Identifier: Apache-2.0 */
/* vec_neon.h: the vocabulary of vec.h in NEON, which every 64-bit ARM processor has. A vector is a
 * pair of registers: of 32 there are 16 pairs, and with 8 lanes every tile, list and rule of shapes
 * is that of AVX2. */
#ifndef TN_KERNELS_VEC_VEC_NEON_H
#define TN_KERNELS_VEC_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

#define VEC_FILL tn_kernels_fill_neon

enum { VF_LANES = 8, VF_REGISTERS = 16 };
typedef struct vf {
    float32x4_t low, high;
} vf;
typedef struct vi {
    uint32x4_t low, high;
} vi;

VEC_INLINE vf vf_load(const float *p) { return (vf){vld1q_f32(p), vld1q_f32(p + 4)}; }

VEC_INLINE void vf_store(float *p, vf a) {
    vst1q_f32(p, a.low);
    vst1q_f32(p + 4, a.high);
}

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

/* The same bits as floats, and as integers. */
VEC_INLINE vf vf_from_mask(vi mask) {
    return (vf){vreinterpretq_f32_u32(mask.low), vreinterpretq_f32_u32(mask.high)};
}

VEC_INLINE vi to_mask(vf a) {
    return (vi){vreinterpretq_u32_f32(a.low), vreinterpretq_u32_f32(a.high)};
}

/* ---- Floats ---------------------------------------------------------------------------------- */

VEC_INLINE vf vf_set1(float a) { return (vf){vdupq_n_f32(a), vdupq_n_f32(a)}; }

VEC_INLINE vf vf_add(vf a, vf b) {
    return (vf){vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
}

VEC_INLINE vf vf_sub(vf a, vf b) {
    return (vf){vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)};
}

VEC_INLINE vf vf_mul(vf a, vf b) {
    return (vf){vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}

VEC_INLINE vf vf_div(vf a, vf b) {
    return (vf){vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)};
}

VEC_INLINE vf vf_sqrt(vf a) { return (vf){vsqrtq_f32(a.low), vsqrtq_f32(a.high)}; }

VEC_INLINE vf vf_fma(vf a, vf b, vf c) {
    return (vf){vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}

VEC_INLINE vf vf_gt(vf a, vf b) {
    return vf_from_mask((vi){vcgtq_f32(a.low, b.low), vcgtq_f32(a.high, b.high)});
}

VEC_INLINE vf vf_differs(vf a, vf b) {
    return vf_from_mask(
        (vi){vmvnq_u32(vceqq_f32(a.low, b.low)), vmvnq_u32(vceqq_f32(a.high, b.high))});
}

VEC_INLINE vf vf_select(vf mask, vf a, vf b) {
    vi m = to_mask(mask);
    return (vf){vbslq_f32(m.low, a.low, b.low), vbslq_f32(m.high, a.high, b.high)};
}

/* Not fmax and fmin, which return a NaN wherever it is. */
VEC_INLINE vf vf_max(vf a, vf b) { return vf_select(vf_gt(a, b), a, b); }
VEC_INLINE vf vf_min(vf a, vf b) { return vf_select(vf_gt(b, a), a, b); }

VEC_INLINE vf vf_and(vf a, vf b) {
    vi x = to_mask(a), y = to_mask(b);
    return vf_from_mask((vi){vandq_u32(x.low, y.low), vandq_u32(x.high, y.high)});
}

VEC_INLINE vf vf_and_not(vf a, vf b) {
    vi x = to_mask(a), y = to_mask(b);
    return vf_from_mask((vi){vbicq_u32(x.low, y.low), vbicq_u32(x.high, y.high)});
}

VEC_INLINE vf vf_or(vf a, vf b) {
    vi x = to_mask(a), y = to_mask(b);
    return vf_from_mask((vi){vorrq_u32(x.low, y.low), vorrq_u32(x.high, y.high)});
}

VEC_INLINE vf vf_beaten(vf best, vf x) {
    vf kept = vf_from_mask((vi){vcgeq_f32(best.low, x.low), vcgeq_f32(best.high, x.high)});
    vf number = vf_from_mask((vi){vceqq_f32(best.low, best.low), vceqq_f32(best.high, best.high)});
    return vf_and_not(number, kept);
}

/* ---- Masks as numbers ------------------------------------------------------------------------ */

VEC_INLINE vi bit_of_lane(void) {
    static const uint32_t bits[VF_LANES] = {1, 2, 4, 8, 16, 32, 64, 128};
    return (vi){vld1q_u32(bits), vld1q_u32(bits + 4)};
}

VEC_INLINE unsigned vf_bits(vf mask) {
    vi m = to_mask(mask), bit = bit_of_lane();
    return vaddvq_u32(vorrq_u32(vandq_u32(m.low, bit.low), vandq_u32(m.high, bit.high)));
}

VEC_INLINE vf vf_from_bits(unsigned bits) {
    vi bit = bit_of_lane();
    uint32x4_t all = vdupq_n_u32(bits);
    return vf_from_mask((vi){vtstq_u32(all, bit.low), vtstq_u32(all, bit.high)});
}

/* The bytes of the lanes whose bits are set in the number of the row, side by side. */
#define LANE(i) 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3
VEC_INLINE int store_half_where(float *p, float32x4_t a, unsigned bits) {
    static const uint8_t pack[16][16] = {{0},
                                         {LANE(0)},
                                         {LANE(1)},
                                         {LANE(0), LANE(1)},
                                         {LANE(2)},
                                         {LANE(0), LANE(2)},
                                         {LANE(1), LANE(2)},
                                         {LANE(0), LANE(1), LANE(2)},
                                         {LANE(3)},
                                         {LANE(0), LANE(3)},
                                         {LANE(1), LANE(3)},
                                         {LANE(0), LANE(1), LANE(3)},
                                         {LANE(2), LANE(3)},
                                         {LANE(0), LANE(2), LANE(3)},
                                         {LANE(1), LANE(2), LANE(3)},
                                         {LANE(0), LANE(1), LANE(2), LANE(3)}};
    uint8x16_t packed = vqtbl1q_u8(vreinterpretq_u8_f32(a), vld1q_u8(pack[bits]));
    vst1q_f32(p, vreinterpretq_f32_u8(packed));
    return __builtin_popcount(bits);
}
#undef LANE

VEC_INLINE int vf_store_where(float *p, vf a, unsigned bits) {
    int n = store_half_where(p, a.low, bits & 15);
    return n + store_half_where(p + n, a.high, bits >> 4);
}

/* ---- Transposition --------------------------------------------------------------------------- */

/* Rows a, b, c, d of 4 numbers. */
VEC_INLINE void transpose_quarter(float32x4_t *a, float32x4_t *b, float32x4_t *c, float32x4_t *d) {
    float64x2_t ab_even = vreinterpretq_f64_f32(vtrn1q_f32(*a, *b));
    float64x2_t ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(*a, *b));
    float64x2_t cd_even = vreinterpretq_f64_f32(vtrn1q_f32(*c, *d));
    float64x2_t cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(*c, *d));
    *a = vreinterpretq_f32_f64(vtrn1q_f64(ab_even, cd_even));
    *b = vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd));
    *c = vreinterpretq_f32_f64(vtrn2q_f64(ab_even, cd_even));
    *d = vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd));
}

VEC_INLINE void vf_transpose(vf row[VF_LANES]) {
    for (int i = 0; i < VF_LANES; i += 4) {
        transpose_quarter(&row[i].low, &row[i + 1].low, &row[i + 2].low, &row[i + 3].low);
        transpose_quarter(&row[i].high, &row[i + 1].high, &row[i + 2].high, &row[i + 3].high);
    }
    for (int i = 0; i < 4; i++) {
        float32x4_t corner = row[i].high;
        row[i].high = row[i + 4].low;
        row[i + 4].low = corner;
    }
}

VEC_INLINE float32x4_t sum_quarters(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) {
    return vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d));
}

VEC_INLINE vf vf_sum_rows(const vf row[VF_LANES]) {
    vf left = {sum_quarters(row[0].low, row[1].low, row[2].low, row[3].low),
               sum_quarters(row[4].low, row[5].low, row[6].low, row[7].low)};
    vf right = {sum_quarters(row[0].high, row[1].high, row[2].high, row[3].high),
                sum_quarters(row[4].high, row[5].high, row[6].high, row[7].high)};
    return vf_add(left, right);
}

/* ---- Integers -------------------------------------------------------------------------------- */

VEC_INLINE vi vi_set1(uint32_t a) { return (vi){vdupq_n_u32(a), vdupq_n_u32(a)}; }

VEC_INLINE vi vi_iota(void) {
    static const uint32_t numbers[VF_LANES] = {0, 1, 2, 3, 4, 5, 6, 7};
    return (vi){vld1q_u32(numbers), vld1q_u32(numbers + 4)};
}

VEC_INLINE vi vi_add(vi a, vi b) {
    return (vi){vaddq_u32(a.low, b.low), vaddq_u32(a.high, b.high)};
}

VEC_INLINE vi vi_xor(vi a, vi b) {
    return (vi){veorq_u32(a.low, b.low), veorq_u32(a.high, b.high)};
}

VEC_INLINE vi vi_gt(vi a, vi b) {
    return (vi){vcgtq_s32(vreinterpretq_s32_u32(a.low), vreinterpretq_s32_u32(b.low)),
                vcgtq_s32(vreinterpretq_s32_u32(a.high), vreinterpretq_s32_u32(b.high))};
}

VEC_INLINE vi vi_eq(vi a, vi b) { return (vi){vceqq_u32(a.low, b.low), vceqq_u32(a.high, b.high)}; }

VEC_INLINE vi vi_select(vf mask, vi a, vi b) {
    vi m = to_mask(mask);
    return (vi){vbslq_u32(m.low, a.low, b.low), vbslq_u32(m.high, a.high, b.high)};
}

VEC_INLINE vi vi_shift_left(vi a, int n) {
    int32x4_t by = vdupq_n_s32(n);
    return (vi){vshlq_u32(a.low, by), vshlq_u32(a.high, by)};
}

VEC_INLINE vf vi_to_vf(vi a) {
    return (vf){vcvtq_f32_s32(vreinterpretq_s32_u32(a.low)),
                vcvtq_f32_s32(vreinterpretq_s32_u32(a.high))};
}

VEC_INLINE vi vf_to_vi(vf a) {
    return (vi){vreinterpretq_u32_s32(vcvtq_s32_f32(a.low)),
                vreinterpretq_u32_s32(vcvtq_s32_f32(a.high))};
}

/* The high and low halves of the products of 4 numbers. */
VEC_INLINE void mul_half(uint32x4_t a, uint32x4_t b, uint32x4_t *high, uint32x4_t *low) {
    uint32x4_t first = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a), vget_low_u32(b)));
    uint32x4_t last = vreinterpretq_u32_u64(vmull_high_u32(a, b));
    *low = vuzp1q_u32(first, last);
    *high = vuzp2q_u32(first, last);
}

VEC_INLINE void vi_mul_wide(vi a, vi b, vi *high, vi *low) {
    mul_half(a.low, b.low, &high->low, &low->low);
    mul_half(a.high, b.high, &high->high, &low->high);
}

VEC_INLINE vi widened(uint16x8_t a) { return (vi){vmovl_u16(vget_low_u16(a)), vmovl_high_u16(a)}; }

VEC_INLINE vi vi_load_u16(const uint16_t *p) { return widened(vld1q_u16(p)); }
VEC_INLINE vi vi_load_u8(const uint8_t *p) { return widened(vmovl_u8(vld1_u8(p))); }

VEC_INLINE void vi_store_u8(uint8_t *p, vi a) {
    vst1_u8(p, vmovn_u16(vcombine_u16(vmovn_u32(a.low), vmovn_u32(a.high))));
}

VEC_INLINE void vi_store_columns(uint16_t *p, vi a, vi b, vi c, vi d) {
    const uint32x4x4_t low = {{a.low, b.low, c.low, d.low}};
    const uint32x4x4_t high = {{a.high, b.high, c.high, d.high}};
    vst4q_u32((void *)p, low);
    vst4q_u32((void *)(p + 32), high);
}

#endif
