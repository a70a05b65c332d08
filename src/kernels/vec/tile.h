/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: the register tile of convolution and matmul, and transposition. For level.c only. */

/* NR columns are 16, but for the narrowest vectors, and 6 × 2 vectors 12 accumulators, enough to
 * hide the latency of two FMA pipes; they leave 4 of 16 registers for two vectors of b and the
 * broadcast numbers of a. One vector of 16 lanes takes 8 rows: more have more addresses than there
 * are registers for them. */
enum {
    VECTORS = VF_LANES < 16 ? 2 : 1,
    MR = VECTORS == 2 ? 6 : 8,
    NR = VECTORS * VF_LANES,
    PANEL_BYTES = 16384,
    MOST_PANELS = 4,       /* side by side */
    MAX_LEVELS_OF_TREE = 6 /* of TN_TILE_MAX_PARTS leaves */
};

/* The accumulators of a tile; with a constant m they live in registers. */
typedef struct sums {
    vf row[MR][VECTORS];
} sums;

VEC_INLINE void load_row(const float *p, vf row[VECTORS]) {
    VEC_UNROLL for (int v = 0; v < VECTORS; v++) row[v] = vf_load(p + v * VF_LANES);
}

VEC_INLINE void add_product(vf x, const vf b[VECTORS], vf row[VECTORS]) {
    VEC_UNROLL for (int v = 0; v < VECTORS; v++) row[v] = vf_fma(x, b[v], row[v]);
}

/* How many of the lanes of vector v are within the columns. */
VEC_INLINE int lanes_within(int64_t columns, int v) {
    int64_t rest = columns - v * VF_LANES;
    return rest <= 0 ? 0 : rest < VF_LANES ? (int)rest : VF_LANES;
}

/* The first `columns` of a row; all of them if it is `plain`. */
VEC_INLINE void load_columns(bool plain, const float *p, int64_t columns, vf row[VECTORS]) {
    VEC_UNROLL for (int v = 0; v < VECTORS; v++) row[v] =
        load_part(p + v * VF_LANES, plain ? VF_LANES : lanes_within(columns, v));
}

VEC_INLINE void start_rows(int m, bool plain, const tn_panel *p, const int64_t *c_row, sums *s) {
    if (p->adds) {
        VEC_UNROLL for (int i = 0; i < m; i++)
            load_columns(plain, p->c + c_row[i], p->columns, s->row[i]);
        return;
    }
    VEC_UNROLL for (int v = 0; v < VECTORS; v++) s->row[0][v] = vf_set1(0);
    if (p->bias) load_columns(plain, p->bias, p->columns, s->row[0]);
    VEC_UNROLL for (int i = 1; i < m; i++) {
        VEC_UNROLL for (int v = 0; v < VECTORS; v++) s->row[i][v] = s->row[0][v];
    }
}

VEC_INLINE void add_more(int m, bool plain, const float *more, const int64_t *c_row,
                         int64_t columns, sums *s) {
    VEC_UNROLL for (int i = 0; i < m; i++) {
        vf row[VECTORS];
        load_columns(plain, more + c_row[i], columns, row);
        VEC_UNROLL for (int v = 0; v < VECTORS; v++) s->row[i][v] = vf_add(s->row[i][v], row[v]);
    }
}

/* s += the products of one run. */
VEC_INLINE void add_run(int m, const float *const *row, const int64_t *offset, int64_t depth,
                        const float *b, int64_t ldb, sums *s) {
    for (const int64_t *end = offset + depth; offset < end; offset++, b += ldb) {
        vf of_b[VECTORS];
        load_row(b, of_b);
        VEC_UNROLL for (int i = 0; i < m; i++)
            add_product(vf_set1(row[i][*offset]), of_b, s->row[i]);
    }
}

/* m rows from row `first` on. In a plain panel one run, its b without gaps, meets all NR columns:
 * at small depths, whatever else the loops could do would take as long as the products. */
VEC_INLINE void panel_rows(int m, bool plain, const tn_panel *p, int64_t first) {
    const float *row[MR], *b = p->b;
    float *c = p->c;
    const int64_t *c_row = p->c_row + first, *offset = p->offset;
    int64_t columns = p->columns, depth = p->depth;
    const bounds limits = bounds_of(&p->activation);
    sums s;
    VEC_UNROLL for (int i = 0; i < m; i++) row[i] = p->a + p->a_row[first + i];
    start_rows(m, plain, p, c_row, &s);
    if (plain)
        add_run(m, row, offset, depth, b, NR, &s);
    else
        for (int64_t r = 0; r < p->runs; r++)
            add_run(m, row, offset + r * depth, depth, b + r * p->b_run, p->ldb, &s);
    if (p->more) add_more(m, plain, p->more, c_row, columns, &s);
    VEC_UNROLL for (int i = 0; i < m; i++) {
        VEC_UNROLL for (int v = 0; v < VECTORS; v++)
            store_part(c + c_row[i] + v * VF_LANES, bounded(limits, s.row[i][v]),
                       plain ? VF_LANES : lanes_within(columns, v));
    }
    for (int i = 0; i < m && is_stored_first(&p->activation); i++)
        activate(&p->activation, columns, c + c_row[i], NULL, c + c_row[i]);
}

/* Whole tiles, as long as it takes two of them for the rows from `first` on, or one exactly;
 * returns the next row. Functions by themselves: in one with all the others, compilers do not keep
 * the addresses in registers. */
VEC_INLINE int64_t whole_tiles(bool plain, const tn_panel *p) {
    int64_t i = 0, left = p->rows;
    for (; left >= 2 * MR || left == MR; i += MR, left -= MR) panel_rows(MR, plain, p, i);
    return i;
}

static __attribute__((noinline)) int64_t plain_tiles(const tn_panel *p) {
    return whole_tiles(true, p);
}

static __attribute__((noinline)) int64_t other_tiles(const tn_panel *p) {
    return whole_tiles(false, p);
}

/* The last rows, fewer than two tiles, in two tiles as equal as they can be: one of a few rows has
 * too few sums to hide how long each takes. */
static void last_rows(const tn_panel *p, int64_t i) {
    while (i < p->rows) {
        int64_t left = p->rows - i;
        int m = (int)(left > MR ? (left + 1) / 2 : left);
        switch (m) {
        case 1: panel_rows(1, false, p, i); break;
        case 2: panel_rows(2, false, p, i); break;
        case 3: panel_rows(3, false, p, i); break;
        case 4: panel_rows(4, false, p, i); break;
        case 5: panel_rows(5, false, p, i); break;
        case 6: panel_rows(6, false, p, i); break;
        case 7:
            if (MR > 6) panel_rows(7, false, p, i);
            break;
        case 8:
            if (MR > 6) panel_rows(8, false, p, i);
            break;
        }
        i += m;
    }
}

static void panel(const tn_panel *p) {
    bool plain = p->runs == 1 && p->ldb == NR && p->columns == NR;
    last_rows(p, plain ? plain_tiles(p) : other_tiles(p));
}

/* m rows from row i on, q panels from panel j on. */
VEC_INLINE void matmul_tile(int m, int q, const tn_matmul *p, int64_t i, int64_t j) {
    const float *a = p->a + i * p->a_row, *b = p->b + j * p->b_panel;
    float *c = p->c + i * p->c_row + j * NR;
    sums s[MOST_PANELS];
    VEC_UNROLL for (int k = 0; k < q; k++) VEC_UNROLL for (int r = 0; r < m; r++) {
        VEC_UNROLL for (int v = 0; v < VECTORS; v++) s[k].row[r][v] =
            p->adds ? vf_load(c + r * p->c_row + k * NR + v * VF_LANES) : vf_set1(0);
    }
    for (int64_t t = 0; t < p->depth; t++, a += p->a_step, b += p->b_step)
        VEC_UNROLL for (int k = 0; k < q; k++) {
            vf of_b[VECTORS];
            load_row(b + k * p->b_panel, of_b);
            VEC_UNROLL for (int r = 0; r < m; r++)
                add_product(vf_set1(a[r * p->a_row]), of_b, s[k].row[r]);
        }
    VEC_UNROLL for (int k = 0; k < q; k++) VEC_UNROLL for (int r = 0; r < m; r++) {
        VEC_UNROLL for (int v = 0; v < VECTORS; v++)
            vf_store(c + r * p->c_row + k * NR + v * VF_LANES, s[k].row[r][v]);
    }
}

/* A few rows: so many panels side by side that their sums hide how long each takes. Returns the
 * next panel. */
VEC_INLINE int64_t side_by_side(int m, int q, const tn_matmul *p) {
    int64_t j = 0;
    for (; j + q <= p->panels; j += q) matmul_tile(m, q, p, 0, j);
    return j;
}

/* Panels outermost: one of them stays in the first-level cache for all rows. */
static void matmul(const tn_matmul *p) {
    int64_t j = 0;
    if (p->rows == 1) j = side_by_side(1, 4, p);
    if (p->rows == 2) j = side_by_side(2, VECTORS == 1 ? 4 : 2, p);
    if (p->rows == 3 && VECTORS == 1) j = side_by_side(3, 2, p);
    if (p->rows == 4 && VECTORS == 1) j = side_by_side(4, 2, p);
    for (; j < p->panels; j++) {
        int64_t i = 0;
        for (; i + MR <= p->rows; i += MR) matmul_tile(MR, 1, p, i, j);
        switch (p->rows - i) {
        case 1: matmul_tile(1, 1, p, i, j); break;
        case 2: matmul_tile(2, 1, p, i, j); break;
        case 3: matmul_tile(3, 1, p, i, j); break;
        case 4: matmul_tile(4, 1, p, i, j); break;
        case 5: matmul_tile(5, 1, p, i, j); break;
        case 6:
            if (MR > 6) matmul_tile(6, 1, p, i, j);
            break;
        case 7:
            if (MR > 6) matmul_tile(7, 1, p, i, j);
            break;
        }
    }
}

VEC_INLINE void add_sample(const float *a, const float *b, sums *s) {
    vf of_b[VECTORS];
    load_row(b, of_b);
    VEC_UNROLL for (int i = 0; i < MR; i++) add_product(vf_set1(a[i]), of_b, s->row[i]);
}

/* The sums of n samples, from 0. */
VEC_INLINE sums sum_packed(const float *a, const float *b, int64_t n) {
    sums s;
    VEC_UNROLL for (int i = 0; i < MR; i++) {
        VEC_UNROLL for (int v = 0; v < VECTORS; v++) s.row[i][v] = vf_set1(0);
    }
    for (; n >= 4; n -= 4, a += 4 * MR, b += 4 * NR)
        VEC_UNROLL for (int t = 0; t < 4; t++) add_sample(a + t * MR, b + t * NR, &s);
    for (; n > 0; n--, a += MR, b += NR) add_sample(a, b, &s);
    return s;
}

/* Sums of 2^l parts wait at waiting[l] for their right neighbours. */
static void tree_tile(const tn_tree_tile *tile) {
    sums waiting[MAX_LEVELS_OF_TREE];
    for (int part = 0; part < tile->n_parts; part++) {
        int64_t first = tile->begin[part], n = tile->begin[part + 1] - first;
        sums s = sum_packed(tile->a + first * MR, tile->b + first * NR, n);
        int level = 0;
        for (; part >> level & 1; level++) VEC_UNROLL for (int i = 0; i < MR; i++) {
                VEC_UNROLL for (int v = 0; v < VECTORS; v++) s.row[i][v] =
                    vf_add(waiting[level].row[i][v], s.row[i][v]);
            }
        if (part == tile->n_parts - 1) level = MAX_LEVELS_OF_TREE - 1;
        waiting[level] = s;
    }
    for (int i = 0; i < tile->m; i++)
        VEC_UNROLL for (int v = 0; v < VECTORS; v++)
            vf_store(tile->c[i] + v * VF_LANES, waiting[MAX_LEVELS_OF_TREE - 1].row[i][v]);
}

static void deal_row(int64_t n, const float *x, float *tiles, int64_t step) {
    for (; n >= MR; n -= MR, x += MR, tiles += step) memcpy(tiles, x, MR * sizeof *x);
    for (int64_t i = 0; i < n; i++) tiles[i] = x[i];
}

/* n rows of VF_LANES columns. */
VEC_INLINE void transpose_block(int n, const float *src, int64_t ld_src, float *dst,
                                int64_t ld_dst) {
    vf row[VF_LANES];
    for (int r = 0; r < VF_LANES; r++) row[r] = vf_load(src + (r < n ? r : 0) * ld_src);
    vf_transpose(row);
    for (int r = 0; r < VF_LANES; r++) store_part(dst + r * ld_dst, row[r], n);
}

/* The last block of rows, or of columns, begins so early that it is a whole one: what it shares
 * with the one before is written twice. Parts of vectors are cheap to store where they are wide. */
static void transpose(int64_t rows, int64_t columns, const float *src, int64_t ld_src, float *dst,
                      int64_t ld_dst) {
    int64_t least_rows = VF_LANES > 8 ? 1 : VF_LANES;
    if (rows < least_rows || columns < VF_LANES) {
        for (int64_t j = 0; j < columns; j++)
            VEC_UNROLL for (int64_t i = 0; i < rows; i++) dst[j * ld_dst + i] = src[i * ld_src + j];
        return;
    }
    for (int64_t j = 0; j < columns; j += VF_LANES) {
        if (j > columns - VF_LANES) j = columns - VF_LANES;
        if (rows < VF_LANES) transpose_block((int)rows, src + j, ld_src, dst + j * ld_dst, ld_dst);
        for (int64_t i = 0; i < rows && rows >= VF_LANES; i += VF_LANES) {
            if (i > rows - VF_LANES) i = rows - VF_LANES;
            transpose_block(VF_LANES, src + i * ld_src + j, ld_src, dst + j * ld_dst + i, ld_dst);
        }
    }
}
