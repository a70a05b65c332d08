/* SPDX-License-Identifier: Apache-2.0 */
/* lanes_product.h: the product for samples in lanes. For level.c only. A vector is a part of a
 * point, or a point, or several points that are neighbours. */

/* 2 × 6 accumulators, two vectors of x and a broadcast weight fill 15 of 16 registers; one load of
 * x serves 6 multiply-adds, one of w 2, which keeps two load ports ahead of two FMA pipes. */
enum { LANES_VECTORS = VF_REGISTERS >= 32 ? 3 : 2, LANES_OUTPUTS = 6 };

/* `lanes` numbers each of m vectors, x_step and y_step apart, and n outputs from output j on. With
 * constant m and n the accumulators live in registers. */
VEC_INLINE void product_tile(int m, int lanes, int n, const tn_lanes_product *p, int64_t w_output,
                             const float *x, int64_t x_step, int64_t j, float *y, int64_t y_step) {
    const float *w = p->w + j * w_output;
    vf sum[LANES_VECTORS][LANES_OUTPUTS];
    VEC_UNROLL for (int i = 0; i < m; i++) {
        VEC_UNROLL for (int k = 0; k < n; k++) sum[i][k] =
            p->add    ? load_part(y + i * y_step + k * p->y_output, lanes)
            : p->bias ? vf_set1(p->bias[j + k])
                      : vf_set1(0);
    }
    for (int64_t t = 0; t < p->depth; t++, w += p->w_step) {
        vf of_x[LANES_VECTORS];
        VEC_UNROLL for (int i = 0; i < m; i++) of_x[i] =
            load_part(x + i * x_step + p->offset[t], lanes);
        VEC_UNROLL for (int k = 0; k < n; k++) {
            vf of_w = vf_set1(w[k * w_output]);
            VEC_UNROLL for (int i = 0; i < m; i++) sum[i][k] = vf_fma(of_x[i], of_w, sum[i][k]);
        }
    }
    VEC_UNROLL for (int i = 0; i < m; i++) {
        VEC_UNROLL for (int k = 0; k < n; k++)
            store_part(y + i * y_step + k * p->y_output,
                       p->relu ? vf_max(vf_set1(0), sum[i][k]) : sum[i][k], lanes);
    }
}

/* `count` vectors. */
VEC_INLINE void product_vectors(int64_t count, int lanes, int n, const tn_lanes_product *p,
                                int64_t w_output, const float *x, int64_t x_step, int64_t j,
                                float *y, int64_t y_step) {
    int64_t i = 0;
    for (; i + LANES_VECTORS <= count; i += LANES_VECTORS)
        product_tile(LANES_VECTORS, lanes, n, p, w_output, x + i * x_step, x_step, j,
                     y + i * y_step, y_step);
    for (; i < count; i++)
        product_tile(1, lanes, n, p, w_output, x + i * x_step, x_step, j, y + i * y_step, y_step);
}

/* A row of points, n outputs. */
VEC_INLINE void product_row(int n, const tn_lanes_product *p, int64_t w_output, const float *x,
                            int64_t j, float *y) {
    int64_t done = 0;
#ifdef VEC_WIDE
    const int64_t points = VF_LANES / TN_LANES;
    if (p->x_column == TN_LANES && p->y_column == TN_LANES) {
        product_vectors(p->columns / points, VF_LANES, n, p, w_output, x, VF_LANES, j, y, VF_LANES);
        done = p->columns / points * points;
    }
#endif
    const int lanes = VF_LANES < (int)TN_LANES ? (int)VF_LANES : (int)TN_LANES;
    product_vectors(p->columns - done, lanes, n, p, w_output, x + done * p->x_column, p->x_column,
                    j, y + done * p->y_column, p->y_column);
}

/* Weights of neighbouring outputs that lie side by side need one pointer instead of n. */
VEC_INLINE void product_rows(int n, const tn_lanes_product *p, int64_t j) {
    for (int lane = 0; lane < TN_LANES; lane += VF_LANES)
        for (int64_t r = 0; r < p->rows; r++) {
            const float *x = p->x + r * p->x_row + lane;
            float *y = p->y + r * p->y_row + j * p->y_output + lane;
            if (p->w_output == 1)
                product_row(n, p, 1, x, j, y);
            else
                product_row(n, p, p->w_output, x, j, y);
        }
}

static void product_rows_1(const tn_lanes_product *p, int64_t j) { product_rows(1, p, j); }
static void product_rows_2(const tn_lanes_product *p, int64_t j) { product_rows(2, p, j); }
static void product_rows_3(const tn_lanes_product *p, int64_t j) { product_rows(3, p, j); }
static void product_rows_4(const tn_lanes_product *p, int64_t j) { product_rows(4, p, j); }
static void product_rows_5(const tn_lanes_product *p, int64_t j) { product_rows(5, p, j); }
static void product_rows_6(const tn_lanes_product *p, int64_t j) { product_rows(6, p, j); }

/* Blocks of outputs of nearly the same size: 10 are 5 and 5, not 6 and 4. */
static void lanes_product(const tn_lanes_product *p) {
    static void (*const rows[])(const tn_lanes_product *,
                                int64_t) = {product_rows_1, product_rows_2, product_rows_3,
                                            product_rows_4, product_rows_5, product_rows_6};
    int64_t blocks = (p->outputs + LANES_OUTPUTS - 1) / LANES_OUTPUTS;
    for (int64_t b = 0, j = 0; b < blocks; b++) {
        int64_t end = (b + 1) * p->outputs / blocks;
        rows[end - j - 1](p, j);
        j = end;
    }
}
