/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_form.h: the transforms of one form of Winograd's algorithm, made from what
 * WINO(..._axis) do along one axis; channels in the lanes. For winograd.h only, which includes it
 * once for each form with its name WINO, WINO_IN and WINO_OUT. */

VEC_INLINE void WINO(weight_lanes)(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_TAPS][WINO_IN], g[WINO_TAPS], u[WINO_IN];
    for (int j = 0; j < WINO_TAPS; j++) {
        for (int i = 0; i < WINO_TAPS; i++)
            g[i] = load_part(w->image + i * w->row_step + j * w->pixel_step + c, lanes);
        WINO(weight_axis)(g, half[j]);
    }
    for (int i = 0; i < WINO_IN; i++) {
        for (int j = 0; j < WINO_TAPS; j++) g[j] = half[j][i];
        WINO(weight_axis)(g, u);
        for (int j = 0; j < WINO_IN; j++)
            store_part(w->parts + (i * WINO_IN + j) * w->part_step + c, u[j], lanes);
    }
}

VEC_INLINE void WINO(input_lanes)(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_IN][WINO_IN], d[WINO_IN], v[WINO_IN];
    VEC_UNROLL for (int j = 0; j < WINO_IN; j++) {
        const float *x = w->image + j * w->pixel_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) d[i] = load_part(x + i * w->row_step, lanes);
        WINO(input_axis)(d, v);
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) half[i][j] = v[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_IN; i++) {
        float *to = w->parts + i * WINO_IN * w->part_step + c;
        WINO(input_axis)(half[i], v);
        VEC_UNROLL for (int j = 0; j < WINO_IN; j++) store_part(to + j * w->part_step, v[j], lanes);
    }
}

VEC_INLINE void WINO(output_lanes)(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_OUT][WINO_IN], m[WINO_IN], y[WINO_OUT];
    const bounds limits = bounds_of(&w->activation);
    vf bias = w->bias ? load_part(w->bias + c, lanes) : vf_set1(0);
    VEC_UNROLL for (int j = 0; j < WINO_IN; j++) {
        const float *from = w->parts + j * w->part_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) m[i] =
            load_part(from + i * WINO_IN * w->part_step, lanes);
        WINO(output_axis)(m, y);
        VEC_UNROLL for (int i = 0; i < WINO_OUT; i++) half[i][j] = y[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_OUT; i++) {
        float *to = w->result + i * w->row_step + c;
        WINO(output_axis)(half[i], y);
        VEC_UNROLL for (int j = 0; j < WINO_OUT; j++) y[j] = vf_add(bias, y[j]);
        if (w->more) {
            const float *more = w->more + i * w->row_step + c;
            VEC_UNROLL for (int j = 0; j < WINO_OUT; j++) y[j] =
                vf_add(y[j], load_part(more + j * w->pixel_step, lanes));
        }
        VEC_UNROLL for (int j = 0; j < WINO_OUT; j++)
            store_part(to + j * w->pixel_step, bounded(limits, y[j]), lanes);
    }
}

VEC_INLINE void WINO(gradient_lanes)(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_IN][WINO_OUT], d[WINO_OUT], u[WINO_IN];
    VEC_UNROLL for (int j = 0; j < WINO_OUT; j++) {
        const float *dy = w->image + j * w->pixel_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_OUT; i++) d[i] = load_part(dy + i * w->row_step, lanes);
        WINO(gradient_axis)(d, u);
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) half[i][j] = u[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_IN; i++) {
        float *to = w->parts + i * WINO_IN * w->part_step + c;
        WINO(gradient_axis)(half[i], u);
        VEC_UNROLL for (int j = 0; j < WINO_IN; j++) store_part(to + j * w->part_step, u[j], lanes);
    }
}

VEC_INLINE void WINO(taps_lanes)(const tn_winograd *w, int64_t c, int lanes) {
    vf half[WINO_TAPS][WINO_IN], m[WINO_IN], y[WINO_TAPS];
    VEC_UNROLL for (int j = 0; j < WINO_IN; j++) {
        const float *from = w->parts + j * w->part_step + c;
        VEC_UNROLL for (int i = 0; i < WINO_IN; i++) m[i] =
            load_part(from + i * WINO_IN * w->part_step, lanes);
        WINO(taps_axis)(m, y);
        VEC_UNROLL for (int i = 0; i < WINO_TAPS; i++) half[i][j] = y[i];
    }
    VEC_UNROLL for (int i = 0; i < WINO_TAPS; i++) {
        float *to = w->result + i * w->row_step + c;
        WINO(taps_axis)(half[i], y);
        VEC_UNROLL for (int j = 0; j < WINO_TAPS; j++) {
            float *tap = to + j * w->pixel_step;
            store_part(tap, vf_add(load_part(tap, lanes), y[j]), lanes);
        }
    }
}

static void WINO(weight)(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) WINO(weight_lanes)(w, c, VF_LANES);
    if (c < w->channels) WINO(weight_lanes)(w, c, (int)(w->channels - c));
}

static void WINO(input)(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) WINO(input_lanes)(w, c, VF_LANES);
    if (c < w->channels) WINO(input_lanes)(w, c, (int)(w->channels - c));
}

static void WINO(output)(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) WINO(output_lanes)(w, c, VF_LANES);
    if (c < w->channels) WINO(output_lanes)(w, c, (int)(w->channels - c));
    for (int i = 0; i < WINO_OUT * WINO_OUT && is_stored_first(&w->activation); i++) {
        float *y = w->result + i / WINO_OUT * w->row_step + i % WINO_OUT * w->pixel_step;
        activate(&w->activation, w->channels, y, NULL, y);
    }
}

static void WINO(gradient)(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) WINO(gradient_lanes)(w, c, VF_LANES);
    if (c < w->channels) WINO(gradient_lanes)(w, c, (int)(w->channels - c));
}

static void WINO(taps)(const tn_winograd *w) {
    int64_t c = 0;
    for (; c + VF_LANES <= w->channels; c += VF_LANES) WINO(taps_lanes)(w, c, VF_LANES);
    if (c < w->channels) WINO(taps_lanes)(w, c, (int)(w->channels - c));
}
