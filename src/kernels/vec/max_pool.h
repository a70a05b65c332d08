/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool.h: max pooling, channels in the lanes. For level.c only. The gradient of windows of any
 * kind, a scatter of single additions, is the loop of ref.c at every level. */

/* The maximum over taps of VF_LANES channels from k on (rest of them if rest > 0), its tap in
 * *best_tap. */
VEC_INLINE vf max_of_taps(int taps, const float *const *x, int64_t k, int rest, vi *best_tap) {
    vf best = rest > 0 ? vf_load_n(x[0] + k, rest) : vf_load(x[0] + k);
    vi tap = vi_set1(0), one = vi_set1(1);
    *best_tap = tap;
    for (int t = 1; t < taps; t++) {
        vf value = rest > 0 ? vf_load_n(x[t] + k, rest) : vf_load(x[t] + k);
        vf beaten = vf_beaten(best, value);
        tap = vi_add(tap, one);
        best = vf_select(beaten, value, best);
        *best_tap = vi_select(beaten, tap, *best_tap);
    }
    return best;
}

static void max_pool(int taps, const float *const *x, int64_t channels, float *y, uint8_t *arg) {
    vi best_tap;
    int64_t k = 0;
    for (; k + VF_LANES <= channels; k += VF_LANES) {
        vf_store(y + k, max_of_taps(taps, x, k, 0, &best_tap));
        if (arg != NULL) vi_store_u8(arg + k, best_tap);
    }
    int rest = (int)(channels - k);
    if (rest > 0) {
        vf_store_n(y + k, max_of_taps(taps, x, k, rest, &best_tap), rest);
        uint8_t taps_of_rest[VF_LANES];
        vi_store_u8(taps_of_rest, best_tap);
        if (arg != NULL) memcpy(arg + k, taps_of_rest, (size_t)rest);
    }
}
