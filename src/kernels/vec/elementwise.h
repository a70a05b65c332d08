/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.h: relu, sums, products, loading of pixels. For level.c only.
 *
 * A tail runs through the same vector instructions as the rest, with idle lanes: its bits cannot
 * differ. Operations are those of ref.c in the same order, none fused. */

typedef vf vec_op(vf a, vf b, vf s);

/* y[i] = op(a[i], b[i], s); the load of b is dropped where op ignores it. */
VEC_INLINE void map(int64_t n, const float *a, const float *b, float s, float *y, vec_op *op) {
    vf scalar = vf_set1(s);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(y + i, op(vf_load(a + i), vf_load(b + i), scalar));
    int rest = (int)(n - i);
    if (rest > 0)
        vf_store_n(y + i, op(vf_load_n(a + i, rest), vf_load_n(b + i, rest), scalar), rest);
}

VEC_INLINE vf op_relu(vf a, vf b, vf s) {
    (void)b;
    return vf_max(s, a);
}

VEC_INLINE vf op_relu_grad(vf a, vf b, vf s) { return vf_and(vf_gt(a, s), b); }

VEC_INLINE vf op_add(vf a, vf b, vf s) {
    (void)s;
    return vf_add(a, b);
}

VEC_INLINE vf op_sub(vf a, vf b, vf s) {
    (void)s;
    return vf_sub(a, b);
}

VEC_INLINE vf op_mul(vf a, vf b, vf s) {
    (void)s;
    return vf_mul(a, b);
}

VEC_INLINE vf op_div(vf a, vf b, vf s) {
    (void)s;
    return vf_div(a, b);
}

VEC_INLINE vf op_add_scalar(vf a, vf b, vf s) {
    (void)b;
    return vf_add(a, s);
}

VEC_INLINE vf op_sub_scalar(vf a, vf b, vf s) {
    (void)b;
    return vf_sub(a, s);
}

VEC_INLINE vf op_mul_scalar(vf a, vf b, vf s) {
    (void)b;
    return vf_mul(a, s);
}

VEC_INLINE vf op_div_scalar(vf a, vf b, vf s) {
    (void)b;
    return vf_div(a, s);
}

VEC_INLINE vf op_rsub_scalar(vf a, vf b, vf s) {
    (void)b;
    return vf_sub(s, a);
}

VEC_INLINE vf op_rdiv_scalar(vf a, vf b, vf s) {
    (void)b;
    return vf_div(s, a);
}

static void relu(int64_t n, const float *x, float *y) { map(n, x, x, 0, y, op_relu); }

static void relu_grad(int64_t n, const float *a, const float *b, float *y) {
    map(n, a, b, 0, y, op_relu_grad);
}

static void add(int64_t n, const float *a, const float *b, float *y) { map(n, a, b, 0, y, op_add); }
static void sub(int64_t n, const float *a, const float *b, float *y) { map(n, a, b, 0, y, op_sub); }
static void mul(int64_t n, const float *a, const float *b, float *y) { map(n, a, b, 0, y, op_mul); }

static void divide(int64_t n, const float *a, const float *b, float *y) {
    map(n, a, b, 0, y, op_div);
}

static void add_scalar(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_add_scalar);
}

static void sub_scalar(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_sub_scalar);
}

static void mul_scalar(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_mul_scalar);
}

static void div_scalar(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_div_scalar);
}

static void rsub_scalar(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_rsub_scalar);
}

static void rdiv_scalar(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_rdiv_scalar);
}

VEC_INLINE void load_u8_part(int lanes, const uint8_t *x, vf unit, const float *scale,
                             const float *offset, float *y) {
    uint8_t bytes[VF_LANES] = {0};
    if (lanes < VF_LANES) x = memcpy(bytes, x, (size_t)lanes);
    vf pixels = vf_mul(vf_mul(unit, vi_to_vf(vi_load_u8(x))), load_part(scale, lanes));
    store_part(y, vf_add(pixels, load_part(offset, lanes)), lanes);
}

static void load_u8(int64_t n, const uint8_t *x, float unit, int64_t period, const float *scale,
                    const float *offset, float *y) {
    vf factor = vf_set1(unit);
    for (; n > 0; n -= period, x += period, y += period) {
        int64_t end = n < period ? n : period, i = 0;
        for (; i + VF_LANES <= end; i += VF_LANES)
            load_u8_part(VF_LANES, x + i, factor, scale + i, offset + i, y + i);
        if (i < end) load_u8_part((int)(end - i), x + i, factor, scale + i, offset + i, y + i);
    }
}

VEC_INLINE vf load_some(const float *x, int lanes) {
    return lanes == VF_LANES ? vf_load(x) : vf_load_n(x, lanes);
}

VEC_INLINE void blend_part(int n, const float *const *x, const float *weight, int64_t i, int lanes,
                           float *y) {
    vf sum = vf_mul(vf_set1(weight[0]), load_some(x[0] + i, lanes));
    for (int k = 1; k < n; k++)
        sum = vf_add(sum, vf_mul(vf_set1(weight[k]), load_some(x[k] + i, lanes)));
    if (lanes == VF_LANES)
        vf_store(y + i, sum);
    else
        vf_store_n(y + i, sum, lanes);
}

static void blend(int n, const float *const *x, const float *weight, int64_t count, float *y) {
    int64_t i = 0;
    for (; i + VF_LANES <= count; i += VF_LANES) blend_part(n, x, weight, i, VF_LANES, y);
    if (i < count) blend_part(n, x, weight, i, (int)(count - i), y);
}
