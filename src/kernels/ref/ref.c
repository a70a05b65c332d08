/* SPDX-License-Identifier: Apache-2.0 */
/* ref.c: every kernel as a plain loop. This is the specification: the other levels are tested
 * against it, bit for bit wherever kernels.h does not allow fused multiply-add. */
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"

enum { MR = 6, NR = 16, PANEL_BYTES = 16384 };

static real panel_sum(const tn_panel *p, int64_t i, int64_t j) {
    const real *a = p->a + p->a_row[i];
    real sum = p->adds ? p->c[p->c_row[i] + j] : p->bias ? p->bias[j] : 0;
    for (int64_t r = 0; r < p->runs; r++)
        for (int64_t t = 0; t < p->depth; t++)
            sum += a[p->offset[r * p->depth + t]] * p->b[r * p->b_run + t * p->ldb + j];
    return tn_activated(&p->activation, p->more ? sum + p->more[p->c_row[i] + j] : sum);
}

static void panel(const tn_panel *p) {
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->columns; j++) p->c[p->c_row[i] + j] = panel_sum(p, i, j);
}

static void matmul(const tn_matmul *p) {
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->panels * NR; j++) {
            const real *a = p->a + i * p->a_row, *b = p->b + j / NR * p->b_panel + j % NR;
            real *c = p->c + i * p->c_row + j, sum = p->adds ? *c : 0;
            for (int64_t t = 0; t < p->depth; t++) sum += a[t * p->a_step] * b[t * p->b_step];
            *c = sum;
        }
}

static void tree_tile(const tn_tree_tile *tile) {
    for (int i = 0; i < tile->m; i++)
        for (int j = 0; j < NR; j++) {
            real part[TN_TILE_MAX_PARTS] = {0};
            for (int s = 0; s < tile->n_parts; s++)
                for (int64_t t = tile->begin[s]; t < tile->begin[s + 1]; t++)
                    part[s] += tile->a[t * MR + i] * tile->b[t * NR + j];
            for (int step = 1; step < tile->n_parts; step *= 2)
                for (int s = 0; s < tile->n_parts; s += 2 * step) part[s] += part[s + step];
            tile->c[i][j] = part[0];
        }
}

static void deal_row(int64_t n, const real *x, real *tiles, int64_t step) {
    for (int64_t i = 0; i < n; i++) tiles[i / MR * step + i % MR] = x[i];
}

static void nonzero(int64_t rows, int64_t n, const real *x, int64_t ld, real *values,
                    int32_t *places, int64_t *begin) {
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        begin[i] = count;
        for (int64_t j = 0; j < n; j++) {
            if (x[i * ld + j] == 0) continue;
            values[count] = x[i * ld + j];
            places[count++] = (int32_t)j;
        }
    }
    begin[rows] = count;
}

static void sparse_product(const tn_sparse_product *p) {
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < p->n; j++) {
            real *y = p->y + i * p->y_row + j, sum = p->from_zero ? 0 : *y;
            for (int64_t e = p->begin[i]; e < p->end[i]; e++)
                sum += p->values[e] * p->matrix[p->places[e] * p->ld + j];
            *y = sum;
        }
}

static void depthwise(const tn_depthwise *d) {
    for (int64_t i = 0; i < d->rows; i++)
        for (int64_t k = 0; k < d->channels; k++) {
            real *y = d->y + d->y_row[i] + k;
            real sum = d->adds ? *y : d->bias ? d->bias[k] : 0;
            for (int64_t t = 0; t < d->taps; t++)
                sum += d->x[d->x_row[i] + d->offset[t] + k] * d->w[t * d->step + k];
            *y = tn_activated(&d->activation, d->more ? sum + d->more[d->y_row[i] + k] : sum);
        }
}

static void depthwise_weight(const tn_depthwise_weight *d) {
    for (int64_t i = 0; i < d->rows; i++)
        for (int64_t t = 0; t < d->taps; t++)
            for (int64_t k = 0; k < d->channels; k++)
                d->dw[t * d->channels + k] +=
                    d->x[d->x_row[i] + d->offset[t] + k] * d->dy[i * d->channels + k];
}

static void transpose(int64_t rows, int64_t columns, const real *src, int64_t ld_src, real *dst,
                      int64_t ld_dst) {
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++) dst[j * ld_dst + i] = src[i * ld_src + j];
}

static void relu(int64_t n, const real *x, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = 0 > x[i] ? 0 : x[i];
}

static void relu_grad(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] > 0 ? b[i] : 0;
}

static void add(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void sub(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] - b[i];
}

static void mul(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void divide(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] / b[i];
}

static void add_scalar(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + s;
}

static void sub_scalar(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] - s;
}

static void mul_scalar(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * s;
}

static void div_scalar(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] / s;
}

static void rsub_scalar(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = s - a[i];
}

static void rdiv_scalar(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = s / a[i];
}

static void leaky_relu(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] > 0 ? a[i] : s * a[i];
}

static void leaky_relu_grad(int64_t n, const real *a, const real *b, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] > 0 ? b[i] : s * b[i];
}

static void prelu(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] > 0 ? a[i] : b[i] * a[i];
}

static void elu(int64_t n, const real *a, real s, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] > 0 ? a[i] : s * tn_expm1(a[i]);
}

/* By exp of -|x|, which cannot overflow. */
static void sigmoid(int64_t n, const real *x, real *y) {
    for (int64_t i = 0; i < n; i++) {
        real e = tn_exp(x[i] < -x[i] ? x[i] : -x[i]);
        y[i] = (0 > x[i] ? e : 1) / (1 + e);
    }
}

static void sigmoid_grad(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = b[i] * (a[i] * (1 - a[i]));
}

/* tanh |x| = -e / (e + 2), e = exp(-2·|x|) - 1: no cancellation, for small x either. */
static void hyperbolic_tangent(int64_t n, const real *x, real *y) {
    for (int64_t i = 0; i < n; i++) {
        real negative = x[i] < -x[i] ? x[i] : -x[i];
        real e = tn_expm1(negative + negative), t = (0 - e) / (e + 2);
        y[i] = 0 > x[i] ? 0 - t : t;
    }
}

static void tanh_grad(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = b[i] * (1 - a[i] * a[i]);
}

static real limit(real x, real low, real high) {
    real y = low > x ? low : x;
    return high < y ? high : y;
}

static void hard_swish(int64_t n, const real *x, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * limit(x[i] * (real)(1.0 / 6) + (real)0.5, 0, 1);
}

real tn_activated(const tn_activation *a, real x) {
    real y = x;
    switch (a->kind) {
    case TN_ACTIVATION_NONE: break;
    case TN_ACTIVATION_CLIP: return limit(x, a->low, a->high);
    case TN_ACTIVATION_LEAKY_RELU: return x > 0 ? x : a->low * x;
    case TN_ACTIVATION_HARD_SWISH: hard_swish(1, &x, &y); break;
    case TN_ACTIVATION_SIGMOID: sigmoid(1, &x, &y); break;
    case TN_ACTIVATION_SILU: sigmoid(1, &x, &y); return x * y;
    }
    return y;
}

static void activate(const tn_activation *a, int64_t n, const real *x, const real *more, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = tn_activated(a, more ? x[i] + more[i] : x[i]);
}

static void hard_swish_grad(int64_t n, const real *a, const real *b, real *y) {
    for (int64_t i = 0; i < n; i++) {
        real inside = b[i] * (a[i] * (real)(1.0 / 3) + (real)0.5);
        y[i] = a[i] > 3 ? b[i] : -3 > a[i] ? 0 : inside;
    }
}

static void clip(int64_t n, const real *x, real low, real high, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = limit(x[i], low, high);
}

static void clip_grad(int64_t n, const real *y, const real *dy, real low, real high, real *dx) {
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] > low && high > y[i] ? dy[i] : 0;
}

static void load_u8(int64_t n, const uint8_t *x, real unit, int64_t period, const real *scale,
                    const real *offset, real *y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = unit * (real)x[i] * scale[i % period] + offset[i % period];
}

static void max_pool(int taps, const real *const *x, int64_t channels, real *y, uint8_t *arg) {
    for (int64_t k = 0; k < channels; k++) {
        real best = x[0][k];
        int best_tap = 0;
        for (int t = 1; t < taps; t++) {
            real value = x[t][k];
            /* !(best >= value) is true for a greater value, and for any NaN. */
            if (!(best >= value) && best == best) {
                best = value;
                best_tap = t;
            }
        }
        y[k] = best;
        if (arg != NULL) arg[k] = (uint8_t)best_tap;
    }
}

static void max_pool_grad(const uint8_t *arg, const real *dy, int64_t channels, real *const *dx) {
    for (int64_t k = 0; k < channels; k++) dx[arg[k]][k] += dy[k];
}

static void max_pool_2x2(int64_t n, int64_t channels, const real *top, const real *bottom,
                         bool relu, real *y, uint8_t *arg) {
    int64_t groups = (channels + 7) / 8, planes = relu ? 3 : 2;
    if (arg != NULL) memset(arg, 0, (size_t)(n * groups * planes));
    for (int64_t i = 0; i < n * channels; i++) {
        int64_t q = i / channels, k = i % channels, at = 2 * q * channels + k;
        const real *taps[] = {top + at, top + at + channels, bottom + at, bottom + at + channels};
        uint8_t tap;
        max_pool(4, taps, 1, y + i, &tap);
        if (relu && 0 > y[i]) y[i] = 0;
        if (arg == NULL) continue;
        uint8_t *bits = arg + (q * groups + k / 8) * planes;
        bits[0] |= (uint8_t)((tap & 1) << k % 8);
        bits[1] |= (uint8_t)((tap >> 1) << k % 8);
        if (relu) bits[2] |= (uint8_t)((y[i] > 0) << k % 8);
    }
}

static void max_pool_2x2_grad(int64_t n, int64_t channels, const uint8_t *arg, const real *dy,
                              bool relu, real *top, real *bottom) {
    int64_t groups = (channels + 7) / 8, planes = relu ? 3 : 2;
    for (int64_t i = 0; i < n * channels; i++) {
        int64_t q = i / channels, k = i % channels, at = 2 * q * channels + k;
        const uint8_t *bits = arg + (q * groups + k / 8) * planes;
        int tap = (bits[0] >> k % 8 & 1) + 2 * (bits[1] >> k % 8 & 1);
        real d = !relu || bits[2] >> k % 8 & 1 ? dy[i] : 0;
        top[at] = tap == 0 ? d : 0;
        top[at + channels] = tap == 1 ? d : 0;
        bottom[at] = tap == 2 ? d : 0;
        bottom[at + channels] = tap == 3 ? d : 0;
    }
}

static void dropout(int64_t n, const uint32_t key[2], const uint32_t counter[4], int64_t first,
                    uint32_t threshold, real scale, const real *x, real *y) {
    uint32_t random[4];
    for (int64_t i = 0; i < n; i++) {
        int64_t element = first + i;
        int word = (int)(element % 8);
        if (i == 0 || word == 0) {
            uint32_t block[4] = {(uint32_t)(element / 8), counter[1], counter[2], counter[3]};
            tn_philox(key, block, random);
        }
        uint32_t drawn = random[word / 2] >> (word % 2 * 16) & 0xffffu;
        y[i] = drawn >= threshold ? x[i] * scale : 0;
    }
}

static void exp_of_negative(int64_t n, const real *x, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] = tn_exp(x[i]);
}

static void log_softmax(int64_t rows, int64_t n, const real *x, real *y) {
    for (int64_t i = 0; i < rows; i++, x += n, y += n) {
        real max = -INFINITY;
        for (int64_t j = 0; j < n; j++) max = x[j] > max ? x[j] : max;
        real sum = 0;
        for (int64_t j = 0; j < n; j++) sum += tn_exp(x[j] - max);
        real log_sum = tn_log(sum);
        for (int64_t j = 0; j < n; j++) y[j] = x[j] - max - log_sum;
    }
}

static void log_softmax_grad(int64_t rows, int64_t n, const real *y, const real *dy, real *dx) {
    for (int64_t i = 0; i < rows; i++, y += n, dy += n, dx += n) {
        real sum = 0;
        for (int64_t j = 0; j < n; j++) sum += dy[j];
        for (int64_t j = 0; j < n; j++) dx[j] = dy[j] - tn_exp(y[j]) * sum;
    }
}

static void sum_rows(int64_t rows, int64_t channels, const real *x, real *sum) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < channels; k++) sum[k] += x[r * channels + k];
}

static void moments(int64_t rows, int64_t channels, const real *x, const real *shift, real *sum,
                    real *squares) {
    for (int64_t r = 0; r < rows; r++, x += channels)
        for (int64_t k = 0; k < channels; k++) {
            real d = x[k] - shift[k];
            sum[k] += d;
            squares[k] += d * d;
        }
}

static void affine(int64_t rows, int64_t channels, const real *x, const real *shift,
                   const real *scale, const real *offset, const real *more, real floor, real *y) {
    for (int64_t r = 0; r < rows; r++, x += channels, y += channels)
        for (int64_t k = 0; k < channels; k++) {
            real value = (x[k] - shift[k]) * scale[k] + offset[k];
            if (more != NULL) value += more[r * channels + k];
            y[k] = floor > value ? floor : value;
        }
}

/* dy of channel k behind the gate; d is x - shift. */
static real gated(real dy, real d, tn_gate gate, int64_t k) {
    return gate.offset == NULL || d * gate.scale[k] + gate.offset[k] > 0 ? dy : 0;
}

static void moments_grad(int64_t rows, int64_t channels, const real *dy, const real *x,
                         const real *shift, tn_gate gate, real *sum, real *dot) {
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels)
        for (int64_t k = 0; k < channels; k++) {
            real d = x[k] - shift[k], g = gated(dy[k], d, gate, k);
            sum[k] += g;
            dot[k] += g * d;
        }
}

static void affine_grad(int64_t rows, int64_t channels, const real *dy, const real *x,
                        const real *shift, tn_gate gate, const real *a, const real *b,
                        const real *c, real *dx) {
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels, dx += channels)
        for (int64_t k = 0; k < channels; k++) {
            real d = x[k] - shift[k];
            dx[k] = (gated(dy[k], d, gate, k) * a[k] + d * b[k]) + c[k];
        }
}

static void sgd(const tn_sgd_step *step, int64_t n, const real *g, real *w, real *v) {
    for (int64_t i = 0; i < n; i++) {
        real scaled = step->scale * (g[i] + step->weight_decay * w[i]), velocity = scaled;
        if (v != NULL) {
            if (!step->first) velocity = step->momentum * v[i] + velocity;
            v[i] = velocity;
            if (step->nesterov) velocity = scaled + step->momentum * velocity;
        }
        w[i] -= step->lr * velocity;
    }
}

static real square_root(real x) {
#ifdef TN_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

static void adam(const tn_adam_step *step, int64_t n, const real *g, real *w, real *m, real *v) {
    for (int64_t i = 0; i < n; i++) {
        real decayed = g[i] + step->weight_decay * w[i];
        m[i] = step->beta1 * m[i] + step->rest1 * decayed;
        v[i] = step->beta2 * v[i] + step->rest2 * (decayed * decayed);
        real scale = square_root(v[i]) * step->inv_sqrt_correction2 + step->epsilon;
        w[i] = step->keep * w[i] - step->step_size * m[i] / scale;
    }
}

static void adadelta(const tn_adadelta_step *step, int64_t n, const real *g, real *w, real *v,
                     real *u) {
    for (int64_t i = 0; i < n; i++) {
        real decayed = g[i] + step->weight_decay * w[i];
        v[i] = step->rho * v[i] + step->rest * (decayed * decayed);
        real ratio = square_root(u[i] + step->epsilon) / square_root(v[i] + step->epsilon);
        real delta = ratio * decayed;
        u[i] = step->rho * u[i] + step->rest * (delta * delta);
        w[i] -= step->lr * delta;
    }
}

static void rmsprop(const tn_rmsprop_step *step, int64_t n, const real *g, real *w, real *v) {
    for (int64_t i = 0; i < n; i++) {
        real decayed = g[i] + step->weight_decay * w[i];
        v[i] = step->alpha * v[i] + step->rest * (decayed * decayed);
        w[i] -= step->lr * decayed / (square_root(v[i]) + step->epsilon);
    }
}

static void blend(int n, const real *const *x, const real *weight, int64_t count, real *y) {
    for (int64_t i = 0; i < count; i++) {
        real sum = weight[0] * x[0][i];
        for (int k = 1; k < n; k++) sum += weight[k] * x[k][i];
        y[i] = sum;
    }
}

static void average(int64_t n, real rate, const real *x, real *y) {
    for (int64_t i = 0; i < n; i++) y[i] += rate * (x[i] - y[i]);
}

static double sum_squares(int64_t n, const real *x) {
    double sum[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
    for (int j = 0; i + j < n; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void tn_kernels_fill_ref(tn_kernels *kernels) {
    *kernels = (tn_kernels){
        .level = "ref",
        .naive = true,
        .mr = MR,
        .nr = NR,
        .depth_block = PANEL_BYTES / (NR * (int64_t)sizeof(real)),
        .panel = panel,
        .deal_row = deal_row,
        .matmul = matmul,
        .tree_tile = tree_tile,
        .transpose = transpose,
        .nonzero = nonzero,
        .sparse_product = sparse_product,
        .depthwise = depthwise,
        .depthwise_weight = depthwise_weight,
        .relu = relu,
        .relu_grad = relu_grad,
        .add = add,
        .sub = sub,
        .mul = mul,
        .div = divide,
        .add_scalar = add_scalar,
        .sub_scalar = sub_scalar,
        .mul_scalar = mul_scalar,
        .div_scalar = div_scalar,
        .rsub_scalar = rsub_scalar,
        .rdiv_scalar = rdiv_scalar,
        .leaky_relu = leaky_relu,
        .leaky_relu_grad = leaky_relu_grad,
        .prelu = prelu,
        .elu = elu,
        .sigmoid = sigmoid,
        .sigmoid_grad = sigmoid_grad,
        .tanh = hyperbolic_tangent,
        .tanh_grad = tanh_grad,
        .activate = activate,
        .hard_swish = hard_swish,
        .hard_swish_grad = hard_swish_grad,
        .exp_of_negative = exp_of_negative,
        .clip = clip,
        .clip_grad = clip_grad,
        .load_u8 = load_u8,
        .max_pool = max_pool,
        .max_pool_grad = max_pool_grad,
        .max_pool_2x2 = max_pool_2x2,
        .max_pool_2x2_grad = max_pool_2x2_grad,
        .dropout = dropout,
        .log_softmax = log_softmax,
        .log_softmax_grad = log_softmax_grad,
        .sum_rows = sum_rows,
        .moments = moments,
        .moments_grad = moments_grad,
        .affine = affine,
        .affine_grad = affine_grad,
        .sgd = sgd,
        .adam = adam,
        .adadelta = adadelta,
        .rmsprop = rmsprop,
        .average = average,
        .blend = blend,
        .sum_squares = sum_squares,
    };
    tn_kernels_fill_ref_lanes(kernels);
    tn_kernels_fill_ref_lanes_winograd(kernels);
    tn_kernels_fill_ref_winograd(kernels);
}
