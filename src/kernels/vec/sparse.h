/* SPDX-License-Identifier: Apache-2.0 */
/* sparse.h: products with a list of the numbers that are not zero. For level.c only. */

/* Of one row; returns how many. */
VEC_INLINE int64_t nonzero_of(int64_t n, const float *x, float *values, int32_t *places) {
    int64_t count = 0, j = 0;
    vi place = vi_iota();
    for (; j + VF_LANES <= n; j += VF_LANES, place = vi_add(place, vi_set1(VF_LANES))) {
        vf a = vf_load(x + j);
        unsigned bits = vf_bits(vf_differs(a, vf_set1(0)));
        vf_store_where((float *)(void *)(places + count), vf_from_mask(place), bits);
        count += vf_store_where(values + count, a, bits);
    }
    for (; j < n; j++) {
        if (x[j] == 0) continue;
        values[count] = x[j];
        places[count++] = (int32_t)j;
    }
    return count;
}

static void nonzero(int64_t rows, int64_t n, const float *x, int64_t ld, float *values,
                    int32_t *places, int64_t *begin) {
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        begin[i] = count;
        count += nonzero_of(n, x + i * ld, values + count, places + count);
    }
    begin[rows] = count;
}

enum { SPARSE_VECTORS = 12 };

/* `n` vectors of each row of y from column j on, held in registers over the whole list (`rest`
 * numbers of one vector if rest > 0). */
VEC_INLINE void sparse_columns(int n, int rest, const tn_sparse_product *p, int64_t j) {
    vf sum[SPARSE_VECTORS];
    int lanes = rest > 0 ? rest : VF_LANES;
    float *y = p->y + j;
    const float *matrix = p->matrix + j, *values = p->values;
    const int32_t *places = p->places;
    int64_t ld = p->ld;
    for (int64_t i = 0; i < p->rows; i++, y += p->y_row) {
        int64_t e = p->begin[i], end = p->end[i];
        if (p->from_zero) {
            VEC_UNROLL_ALL for (int v = 0; v < n; v++) sum[v] = vf_set1(0);
        } else {
            if (e == end) continue;
            VEC_UNROLL_ALL for (int v = 0; v < n; v++) sum[v] = load_part(y + v * VF_LANES, lanes);
        }
        for (; e < end; e++) {
            const float *row = matrix + places[e] * ld;
            vf value = vf_set1(values[e]);
            VEC_UNROLL_ALL for (int v = 0; v < n; v++) sum[v] =
                vf_fma(value, load_part(row + v * VF_LANES, lanes), sum[v]);
        }
        VEC_UNROLL_ALL for (int v = 0; v < n; v++) store_part(y + v * VF_LANES, sum[v], lanes);
    }
}

static void sparse_product(const tn_sparse_product *p) {
    int64_t j = 0;
    for (; j + 12 * VF_LANES <= p->n; j += 12 * VF_LANES) sparse_columns(12, 0, p, j);
    for (; j + 8 * VF_LANES <= p->n; j += 8 * VF_LANES) sparse_columns(8, 0, p, j);
    for (; j + 6 * VF_LANES <= p->n; j += 6 * VF_LANES) sparse_columns(6, 0, p, j);
    for (; j + 3 * VF_LANES <= p->n; j += 3 * VF_LANES) sparse_columns(3, 0, p, j);
    for (; j + VF_LANES <= p->n; j += VF_LANES) sparse_columns(1, 0, p, j);
    if (j < p->n) sparse_columns(1, (int)(p->n - j), p, j);
}
