/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.h: the logarithm of softmax, row by row, and exponentials. For level.c only, after
 * elementwise.h and exp.h. The operations are those of ref.c in the same order, none fused. */

VEC_INLINE vf op_exp_of_negative(vf a, vf b, vf s) {
    (void)b, (void)s;
    return exp_of_negative(a);
}

static void exp_of_negatives(int64_t n, const float *x, float *y) {
    map(n, x, x, 0, y, op_exp_of_negative);
}

/* Σ exp x, x ascending; a few at a time, so that they are computed side by side. */
VEC_INLINE float sum_exp_of_negatives(int64_t n, const float *x) {
    enum { AT_ONCE = 16 };
    float e[AT_ONCE], sum = 0;
    for (int64_t i = 0; i < n; i += AT_ONCE) {
        int64_t m = n - i < AT_ONCE ? n - i : AT_ONCE;
        exp_of_negatives(m, x + i, e);
        for (int64_t j = 0; j < m; j++) sum += e[j];
    }
    return sum;
}

static void log_softmax(int64_t rows, int64_t n, const float *x, float *y) {
    for (int64_t i = 0; i < rows; i++, x += n, y += n) {
        float max = -INFINITY;
        for (int64_t j = 0; j < n; j++) max = x[j] > max ? x[j] : max;
        sub_scalar(n, x, max, y);
        sub_scalar(n, y, tn_log(sum_exp_of_negatives(n, y)), y);
    }
}
