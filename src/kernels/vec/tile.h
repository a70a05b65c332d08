/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: the register tile of convolution and matmul, and transposition. For level.c only. */

/* 6 × 2 vectors are 12 accumulators, enough to hide the latency of two FMA pipes, and leave 4 of 16
 * registers for two vectors of b and the broadcast numbers of a. */
enum { MR = 6, NR = 2 * VF_LANES, PANEL_BYTES = 16384 };

/* With a constant m the accumulators live in registers. */
VEC_INLINE void tile_of(int m, const float *const *a, const int64_t *offset, int64_t depth,
                        const float *b, int64_t ldb, float *const *c) {
    const float *row[MR];
    vf left[MR], right[MR];
    VEC_UNROLL for (int i = 0; i < m; i++) {
        row[i] = a[i];
        left[i] = vf_load(c[i]);
        right[i] = vf_load(c[i] + VF_LANES);
    }
    for (int64_t t = 0; t < depth; t++, b += ldb) {
        vf b_left = vf_load(b), b_right = vf_load(b + VF_LANES);
        VEC_UNROLL for (int i = 0; i < m; i++) {
            vf x = vf_set1(row[i][offset[t]]);
            left[i] = vf_fma(x, b_left, left[i]);
            right[i] = vf_fma(x, b_right, right[i]);
        }
    }
    VEC_UNROLL for (int i = 0; i < m; i++) {
        vf_store(c[i], left[i]);
        vf_store(c[i] + VF_LANES, right[i]);
    }
}

static void tile(int m, const float *const *a, const int64_t *offset, int64_t depth, const float *b,
                 int64_t ldb, float *const *c) {
    switch (m) {
    case 1: tile_of(1, a, offset, depth, b, ldb, c); break;
    case 2: tile_of(2, a, offset, depth, b, ldb, c); break;
    case 3: tile_of(3, a, offset, depth, b, ldb, c); break;
    case 4: tile_of(4, a, offset, depth, b, ldb, c); break;
    case 5: tile_of(5, a, offset, depth, b, ldb, c); break;
    case 6: tile_of(6, a, offset, depth, b, ldb, c); break;
    }
}

static void transpose(int64_t rows, int64_t columns, const float *src, int64_t ld_src, float *dst,
                      int64_t ld_dst) {
    int64_t whole_rows = rows - rows % VF_LANES, whole_columns = columns - columns % VF_LANES;
    for (int64_t j = 0; j < whole_columns; j += VF_LANES)
        for (int64_t i = 0; i < whole_rows; i += VF_LANES) {
            vf row[VF_LANES];
            for (int r = 0; r < VF_LANES; r++) row[r] = vf_load(src + (i + r) * ld_src + j);
            vf_transpose(row);
            for (int r = 0; r < VF_LANES; r++) vf_store(dst + (j + r) * ld_dst + i, row[r]);
        }
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = j < whole_columns ? whole_rows : 0; i < rows; i++)
            dst[j * ld_dst + i] = src[i * ld_src + j];
}
