/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.h: one step of each optimiser. For level.c only. The operations are those of ref.c in
 * the same order, none fused; tails run through the same instructions with idle lanes. */

VEC_INLINE void sgd_part(const tn_sgd_step *step, int lanes, const float *g, float *w, float *v) {
    vf weight = load_part(w, lanes);
    vf decayed = vf_add(load_part(g, lanes), vf_mul(vf_set1(step->weight_decay), weight));
    vf scaled = vf_mul(vf_set1(step->scale), decayed), velocity = scaled;
    if (v != NULL) {
        vf momentum = vf_set1(step->momentum);
        if (!step->first) velocity = vf_add(vf_mul(momentum, load_part(v, lanes)), velocity);
        store_part(v, velocity, lanes);
        if (step->nesterov) velocity = vf_add(scaled, vf_mul(momentum, velocity));
    }
    store_part(w, vf_sub(weight, vf_mul(vf_set1(step->lr), velocity)), lanes);
}

static void sgd(const tn_sgd_step *step, int64_t n, const float *g, float *w, float *v) {
    const tn_sgd_step s = *step;
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        sgd_part(&s, VF_LANES, g + i, w + i, v == NULL ? NULL : v + i);
    if (i < n) sgd_part(&s, (int)(n - i), g + i, w + i, v == NULL ? NULL : v + i);
}

/* keep · average + rest · x² */
VEC_INLINE vf blend_square(float keep, vf average, float rest, vf x) {
    return vf_add(vf_mul(vf_set1(keep), average), vf_mul(vf_set1(rest), vf_mul(x, x)));
}

VEC_INLINE void adam_part(const tn_adam_step *step, int lanes, const float *g, float *w, float *m,
                          float *v) {
    vf weight = load_part(w, lanes);
    vf decayed = vf_add(load_part(g, lanes), vf_mul(vf_set1(step->weight_decay), weight));
    vf mean = vf_add(vf_mul(vf_set1(step->beta1), load_part(m, lanes)),
                     vf_mul(vf_set1(step->rest1), decayed));
    vf variance = blend_square(step->beta2, load_part(v, lanes), step->rest2, decayed);
    vf scale = vf_add(vf_mul(vf_sqrt(variance), vf_set1(step->inv_sqrt_correction2)),
                      vf_set1(step->epsilon));
    store_part(m, mean, lanes);
    store_part(v, variance, lanes);
    vf change = vf_div(vf_mul(vf_set1(step->step_size), mean), scale);
    store_part(w, vf_sub(vf_mul(vf_set1(step->keep), weight), change), lanes);
}

static void adam(const tn_adam_step *step, int64_t n, const float *g, float *w, float *m,
                 float *v) {
    const tn_adam_step s = *step;
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) adam_part(&s, VF_LANES, g + i, w + i, m + i, v + i);
    if (i < n) adam_part(&s, (int)(n - i), g + i, w + i, m + i, v + i);
}

VEC_INLINE void adadelta_part(const tn_adadelta_step *step, int lanes, const float *g, float *w,
                              float *v, float *u) {
    vf weight = load_part(w, lanes), epsilon = vf_set1(step->epsilon);
    vf decayed = vf_add(load_part(g, lanes), vf_mul(vf_set1(step->weight_decay), weight));
    vf squares = blend_square(step->rho, load_part(v, lanes), step->rest, decayed);
    vf deltas = load_part(u, lanes);
    vf ratio = vf_div(vf_sqrt(vf_add(deltas, epsilon)), vf_sqrt(vf_add(squares, epsilon)));
    vf delta = vf_mul(ratio, decayed);
    store_part(v, squares, lanes);
    store_part(u, blend_square(step->rho, deltas, step->rest, delta), lanes);
    store_part(w, vf_sub(weight, vf_mul(vf_set1(step->lr), delta)), lanes);
}

static void adadelta(const tn_adadelta_step *step, int64_t n, const float *g, float *w, float *v,
                     float *u) {
    const tn_adadelta_step s = *step;
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES)
        adadelta_part(&s, VF_LANES, g + i, w + i, v + i, u + i);
    if (i < n) adadelta_part(&s, (int)(n - i), g + i, w + i, v + i, u + i);
}

VEC_INLINE void rmsprop_part(const tn_rmsprop_step *step, int lanes, const float *g, float *w,
                             float *v) {
    vf weight = load_part(w, lanes);
    vf decayed = vf_add(load_part(g, lanes), vf_mul(vf_set1(step->weight_decay), weight));
    vf squares = blend_square(step->alpha, load_part(v, lanes), step->rest, decayed);
    vf scale = vf_add(vf_sqrt(squares), vf_set1(step->epsilon));
    store_part(v, squares, lanes);
    store_part(w, vf_sub(weight, vf_div(vf_mul(vf_set1(step->lr), decayed), scale)), lanes);
}

static void rmsprop(const tn_rmsprop_step *step, int64_t n, const float *g, float *w, float *v) {
    const tn_rmsprop_step s = *step;
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) rmsprop_part(&s, VF_LANES, g + i, w + i, v + i);
    if (i < n) rmsprop_part(&s, (int)(n - i), g + i, w + i, v + i);
}

VEC_INLINE void average_part(float rate, int lanes, const float *x, float *y) {
    vf old = load_part(y, lanes);
    vf change = vf_mul(vf_set1(rate), vf_sub(load_part(x, lanes), old));
    store_part(y, vf_add(old, change), lanes);
}

static void average(int64_t n, float rate, const float *x, float *y) {
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) average_part(rate, VF_LANES, x + i, y + i);
    if (i < n) average_part(rate, (int)(n - i), x + i, y + i);
}
