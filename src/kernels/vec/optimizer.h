/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.h: one step of SGD and of Adam. For level.c only. The operations are those of ref.c in
 * the same order, none fused; tails run through the same instructions with idle lanes. */

VEC_INLINE void sgd_part(const tn_sgd_step *step, int lanes, const float *g, float *w, float *v) {
    vf weight = load_part(w, lanes);
    vf velocity = vf_add(load_part(g, lanes), vf_mul(vf_set1(step->weight_decay), weight));
    if (v != NULL) {
        if (!step->first)
            velocity = vf_add(vf_mul(vf_set1(step->momentum), load_part(v, lanes)), velocity);
        store_part(v, velocity, lanes);
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

VEC_INLINE void adam_part(const tn_adam_step *step, int lanes, const float *g, float *w, float *m,
                          float *v) {
    vf weight = load_part(w, lanes);
    vf decayed = vf_add(load_part(g, lanes), vf_mul(vf_set1(step->weight_decay), weight));
    vf mean = vf_add(vf_mul(vf_set1(step->beta1), load_part(m, lanes)),
                     vf_mul(vf_set1(1 - step->beta1), decayed));
    vf variance = vf_add(vf_mul(vf_set1(step->beta2), load_part(v, lanes)),
                         vf_mul(vf_set1(1 - step->beta2), vf_mul(decayed, decayed)));
    vf scale = vf_add(vf_mul(vf_sqrt(variance), vf_set1(step->inv_sqrt_correction2)),
                      vf_set1(step->epsilon));
    store_part(m, mean, lanes);
    store_part(v, variance, lanes);
    store_part(w, vf_sub(weight, vf_div(vf_mul(vf_set1(step->step_size), mean), scale)), lanes);
}

static void adam(const tn_adam_step *step, int64_t n, const float *g, float *w, float *m,
                 float *v) {
    const tn_adam_step s = *step;
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) adam_part(&s, VF_LANES, g + i, w + i, m + i, v + i);
    if (i < n) adam_part(&s, (int)(n - i), g + i, w + i, m + i, v + i);
}
