/* SPDX-License-Identifier: Apache-2.0 */
/* dropout.h: dropout from VF_LANES Philox blocks at a time. For level.c only. */

enum { PHILOX_ROUNDS = 10, WORDS_PER_BLOCK = 8, WORDS_PER_GROUP = WORDS_PER_BLOCK * VF_LANES };

/* Philox4x32-10 of a counter in each lane, in place. Algorithm and constants: Salmon et al., SC
 * 2011; base/philox.c is the plain version. */
VEC_INLINE void philox_rounds(const uint32_t key[2], vi c[4]) {
    const vi m0 = vi_set1(0xD2511F53u), m1 = vi_set1(0xCD9E8D57u);
    const vi w0 = vi_set1(0x9E3779B9u), w1 = vi_set1(0xBB67AE85u);
    vi k0 = vi_set1(key[0]), k1 = vi_set1(key[1]);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        vi high0, low0, high1, low1;
        vi_mul_wide(c[0], m0, &high0, &low0);
        vi_mul_wide(c[2], m1, &high1, &low1);
        c[0] = vi_xor(vi_xor(high1, c[1]), k0);
        c[1] = low1;
        c[2] = vi_xor(vi_xor(high0, c[3]), k1);
        c[3] = low0;
        k0 = vi_add(k0, w0);
        k1 = vi_add(k1, w1);
    }
}

/* The 16-bit words of the blocks first_block .. first_block + VF_LANES - 1, in order. */
VEC_INLINE void philox_words(const uint32_t key[2], const uint32_t counter[4], uint32_t first_block,
                             uint16_t words[WORDS_PER_GROUP]) {
    vi c[4] = {vi_add(vi_set1(first_block), vi_iota()), vi_set1(counter[1]), vi_set1(counter[2]),
               vi_set1(counter[3])};
    philox_rounds(key, c);
    vi_store_columns(words, c[0], c[1], c[2], c[3]);
}

/* y[i] = words[i] > limit ? x[i] · scale : 0 for i < n <= WORDS_PER_GROUP; words are readable up to
 * VF_LANES beyond n. */
VEC_INLINE void apply_dropout(int n, const uint16_t *words, vi limit, vf scale, const float *x,
                              float *y) {
    int i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf keep = vf_from_mask(vi_gt(vi_load_u16(words + i), limit));
        vf_store(y + i, vf_and(keep, vf_mul(vf_load(x + i), scale)));
    }
    if (i < n) {
        vf keep = vf_from_mask(vi_gt(vi_load_u16(words + i), limit));
        vf_store_n(y + i, vf_and(keep, vf_mul(vf_load_n(x + i, n - i), scale)), n - i);
    }
}

static void dropout(int64_t n, const uint32_t key[2], const uint32_t counter[4], int64_t first,
                    uint32_t threshold, float scale, const float *x, float *y) {
    uint16_t words[WORDS_PER_GROUP + VF_LANES] = {0};
    /* word >= threshold as a signed comparison of 32 bits; no word reaches 2^16. */
    vi limit = vi_set1((threshold < 0x10000u ? threshold : 0x10000u) - 1);
    vf factor = vf_set1(scale);
    uint32_t block = (uint32_t)(first / WORDS_PER_BLOCK);
    int skip = (int)(first % WORDS_PER_BLOCK);
    for (int64_t i = 0; i < n; skip = 0, block += VF_LANES) {
        philox_words(key, counter, block, words);
        int64_t rest = n - i;
        int group = WORDS_PER_GROUP - skip;
        if (rest < group) group = (int)rest;
        apply_dropout(group, words + skip, limit, factor, x + i, y + i);
        i += group;
    }
}
