/* SPDX-License-Identifier: Apache-2.0 */
/* activation.h: activations and their gradients. For level.c only, after elementwise.h and exp.h.
 * The operations are those of ref.c in the same order, none fused. */

VEC_INLINE vf op_leaky_relu(vf a, vf b, vf s) {
    (void)b;
    return vf_select(vf_gt(a, vf_set1(0)), a, vf_mul(s, a));
}

VEC_INLINE vf op_leaky_relu_grad(vf a, vf b, vf s) {
    return vf_select(vf_gt(a, vf_set1(0)), b, vf_mul(s, b));
}

VEC_INLINE vf op_prelu(vf a, vf b, vf s) {
    (void)s;
    return vf_select(vf_gt(a, vf_set1(0)), a, vf_mul(b, a));
}

VEC_INLINE vf op_elu(vf a, vf b, vf s) {
    (void)b;
    vf low = vf_mul(s, expm1_of_negative(vf_min(vf_set1(0), a)));
    return vf_select(vf_gt(a, vf_set1(0)), a, low);
}

/* -|x| */
VEC_INLINE vf negative_of(vf x) { return vf_min(x, vf_sub(vf_set1(0), x)); }

VEC_INLINE vf op_sigmoid(vf a, vf b, vf s) {
    (void)b, (void)s;
    vf one = vf_set1(1), e = exp_of_negative(negative_of(a));
    return vf_div(vf_select(vf_gt(vf_set1(0), a), e, one), vf_add(one, e));
}

VEC_INLINE vf op_sigmoid_grad(vf a, vf b, vf s) {
    (void)s;
    return vf_mul(b, vf_mul(a, vf_sub(vf_set1(1), a)));
}

VEC_INLINE vf op_tanh(vf a, vf b, vf s) {
    (void)b, (void)s;
    vf zero = vf_set1(0), negative = negative_of(a);
    vf e = expm1_of_negative(vf_add(negative, negative));
    vf t = vf_div(vf_sub(zero, e), vf_add(e, vf_set1(2)));
    return vf_select(vf_gt(zero, a), vf_sub(zero, t), t);
}

VEC_INLINE vf op_tanh_grad(vf a, vf b, vf s) {
    (void)s;
    return vf_mul(b, vf_sub(vf_set1(1), vf_mul(a, a)));
}

VEC_INLINE vf clipped(vf x, vf low, vf high) { return vf_min(high, vf_max(low, x)); }

VEC_INLINE vf op_hard_swish(vf a, vf b, vf s) {
    (void)b, (void)s;
    vf gate = vf_add(vf_mul(a, vf_set1((float)(1.0 / 6))), vf_set1(0.5f));
    return vf_mul(a, clipped(gate, vf_set1(0), vf_set1(1)));
}

VEC_INLINE vf op_hard_swish_grad(vf a, vf b, vf s) {
    (void)s;
    vf slope = vf_add(vf_mul(a, vf_set1((float)(1.0 / 3))), vf_set1(0.5f));
    vf below = vf_select(vf_gt(vf_set1(-3), a), vf_set1(0), vf_mul(b, slope));
    return vf_select(vf_gt(a, vf_set1(3)), b, below);
}

VEC_INLINE vf op_silu(vf a, vf b, vf s) { return vf_mul(a, op_sigmoid(a, b, s)); }

static void clip(int64_t n, const float *x, float low, float high, float *y) {
    vf least = vf_set1(low), most = vf_set1(high);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) vf_store(y + i, clipped(vf_load(x + i), least, most));
    int rest = (int)(n - i);
    if (rest > 0) vf_store_n(y + i, clipped(vf_load_n(x + i, rest), least, most), rest);
}

/* Any activation of tn_activation, after another addition if there is more. */
static void activate(const tn_activation *a, int64_t n, const float *x, const float *more,
                     float *y) {
    if (more) {
        map(n, x, more, 0, y, op_add);
        x = y;
    }
    switch (a->kind) {
    case TN_ACTIVATION_NONE:
        if (x != y) memcpy(y, x, (size_t)n * sizeof *y);
        break;
    case TN_ACTIVATION_CLIP: clip(n, x, a->low, a->high, y); break;
    case TN_ACTIVATION_LEAKY_RELU: map(n, x, x, a->low, y, op_leaky_relu); break;
    case TN_ACTIVATION_HARD_SWISH: map(n, x, x, 0, y, op_hard_swish); break;
    case TN_ACTIVATION_SIGMOID: map(n, x, x, 0, y, op_sigmoid); break;
    case TN_ACTIVATION_SILU: map(n, x, x, 0, y, op_silu); break;
    }
}

/* The end of a sum while it is in registers: the bounds of a clip, or none. What is no clip follows
 * where the sum has been stored: see is_stored_first. */
typedef struct bounds {
    vf low, high;
} bounds;

VEC_INLINE bounds bounds_of(const tn_activation *a) {
    bool clips = a->kind == TN_ACTIVATION_CLIP;
    return (bounds){vf_set1(clips ? a->low : -INFINITY), vf_set1(clips ? a->high : INFINITY)};
}

VEC_INLINE vf bounded(bounds b, vf x) { return clipped(x, b.low, b.high); }

VEC_INLINE bool is_stored_first(const tn_activation *a) { return a->kind > TN_ACTIVATION_CLIP; }

static void leaky_relu(int64_t n, const float *a, float s, float *y) {
    map(n, a, a, s, y, op_leaky_relu);
}

static void leaky_relu_grad(int64_t n, const float *a, const float *b, float s, float *y) {
    map(n, a, b, s, y, op_leaky_relu_grad);
}

static void prelu(int64_t n, const float *a, const float *b, float *y) {
    map(n, a, b, 0, y, op_prelu);
}

static void elu(int64_t n, const float *a, float s, float *y) { map(n, a, a, s, y, op_elu); }

static void sigmoid(int64_t n, const float *x, float *y) { map(n, x, x, 0, y, op_sigmoid); }

static void sigmoid_grad(int64_t n, const float *a, const float *b, float *y) {
    map(n, a, b, 0, y, op_sigmoid_grad);
}

static void hyperbolic_tangent(int64_t n, const float *x, float *y) { map(n, x, x, 0, y, op_tanh); }

static void tanh_grad(int64_t n, const float *a, const float *b, float *y) {
    map(n, a, b, 0, y, op_tanh_grad);
}

static void hard_swish(int64_t n, const float *x, float *y) { map(n, x, x, 0, y, op_hard_swish); }

static void hard_swish_grad(int64_t n, const float *a, const float *b, float *y) {
    map(n, a, b, 0, y, op_hard_swish_grad);
}

VEC_INLINE vf passed(vf y, vf dy, vf low, vf high) {
    return vf_and(vf_and(vf_gt(y, low), vf_gt(high, y)), dy);
}

static void clip_grad(int64_t n, const float *y, const float *dy, float low, float high,
                      float *dx) {
    vf least = vf_set1(low), most = vf_set1(high);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        vf_store(dx + i, passed(vf_load(y + i), vf_load(dy + i), least, most));
    int rest = (int)(n - i);
    if (rest > 0)
        vf_store_n(dx + i, passed(vf_load_n(y + i, rest), vf_load_n(dy + i, rest), least, most),
                   rest);
}
