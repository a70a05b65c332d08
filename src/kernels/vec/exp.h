/* SPDX-License-Identifier: Apache-2.0 */
/* exp.h: tn_exp and tn_expm1 of numbers that are not positive (or NaN), with the same bits: the
 * operations are those of ref/math.c in the same order, none fused. For level.c only. */

/* exp r - 1, where x = exponent · ln 2 + r, |r| <= ln 2 / 2. */
VEC_INLINE vf expm1_of_rest(vf x, vi *exponent) {
    const vf ln2_high = vf_set1(0.693359375f), ln2_low = vf_set1(-2.12194440e-4f);
    vf scaled = vf_mul(x, vf_set1(1.44269504088896341f));
    *exponent = vf_to_vi(vf_sub(scaled, vf_set1(0.5f)));
    vf whole = vi_to_vf(*exponent);
    vf r = vf_sub(vf_sub(x, vf_mul(whole, ln2_high)), vf_mul(whole, ln2_low));
    vf p = vf_set1(1.9875691500e-4f);
    p = vf_add(vf_mul(p, r), vf_set1(1.3981999507e-3f));
    p = vf_add(vf_mul(p, r), vf_set1(8.3334519073e-3f));
    p = vf_add(vf_mul(p, r), vf_set1(4.1665795894e-2f));
    p = vf_add(vf_mul(p, r), vf_set1(1.6666665459e-1f));
    p = vf_add(vf_mul(p, r), vf_set1(5.0000001201e-1f));
    return vf_add(vf_mul(p, vf_mul(r, r)), r);
}

VEC_INLINE vf power_of_two(vi exponent) {
    return vf_from_mask(vi_shift_left(vi_add(exponent, vi_set1(127)), 23));
}

/* Below -87.3 the exponent is beyond that of a float, and what comes of it is not selected. */
VEC_INLINE vf exp_of_negative(vf x) {
    vi exponent;
    vf y = vf_add(expm1_of_rest(x, &exponent), vf_set1(1));
    y = vf_mul(y, power_of_two(exponent));
    return vf_select(vf_gt(vf_set1(-87.3f), x), vf_set1(0), y);
}

VEC_INLINE vf expm1_of_negative(vf x) {
    vi exponent;
    vf p = expm1_of_rest(x, &exponent), scale = power_of_two(exponent);
    vf y = vf_add(vf_mul(scale, p), vf_sub(scale, vf_set1(1)));
    return vf_select(vf_gt(vf_set1(-87.3f), x), vf_set1(-1), y);
}
