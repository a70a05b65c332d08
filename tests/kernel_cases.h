/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_cases.h: the kernels as a list of cases over n elements, for the test that compares levels
 * and the benchmark that times them. Tiles have cases of their own in both. */
#ifndef TN_TESTS_KERNEL_CASES_H
#define TN_TESTS_KERNEL_CASES_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

enum { CASE_MAX_IN = 4, CASE_MAX_OUT = 3, CASE_TAPS = 4 };

/* n numbers behind each pointer that the case uses. Outputs hold a value before the call. */
typedef struct case_data {
    float *in[CASE_MAX_IN], *out[CASE_MAX_OUT];
    uint8_t *bytes_in, *bytes_out;
} case_data;

typedef struct kernel_case {
    const char *name;
    size_t member; /* where tn_kernels has it */
    void (*run)(const tn_kernels *kernels, int64_t n, const case_data *data);
    int n_in, n_out;
    int byte_limit;    /* bytes_in are below this; 0: not used */
    bool bytes_out;    /* used */
    bool same_nan;     /* NaNs pass through unchanged, so even their payloads must agree */
    int traffic_bytes; /* per element; 0: not worth timing */
    bool only_loads;   /* what is stored is no traffic */
    int flop;          /* operations per element, where they may take longer than the traffic */
} kernel_case;

static const uint32_t case_key[2] = {0x12345678u, 0x9abcdef0u};
static const uint32_t case_counter[4] = {0, 7, 0xffffffffu, 3};

static void run_relu(const tn_kernels *k, int64_t n, const case_data *d) {
    k->relu(n, d->in[0], d->out[0]);
}

static void run_relu_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->relu(n, d->out[0], d->out[0]);
}

static void run_relu_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    k->relu_grad(n, d->in[0], d->in[1], d->out[0]);
}

static void run_relu_grad_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->relu_grad(n, d->in[0], d->out[0], d->out[0]);
}

static void run_add(const tn_kernels *k, int64_t n, const case_data *d) {
    k->add(n, d->in[0], d->in[1], d->out[0]);
}

static void run_add_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->add(n, d->out[0], d->in[0], d->out[0]);
}

static void run_mul(const tn_kernels *k, int64_t n, const case_data *d) {
    k->mul(n, d->in[0], d->in[1], d->out[0]);
}

static void run_mul_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->mul(n, d->in[0], d->out[0], d->out[0]);
}

static void run_add_scalar(const tn_kernels *k, int64_t n, const case_data *d) {
    k->add_scalar(n, d->in[0], 0.3f, d->out[0]);
}

static void run_mul_scalar(const tn_kernels *k, int64_t n, const case_data *d) {
    k->mul_scalar(n, d->in[0], 0.3f, d->out[0]);
}

static void run_sub(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sub(n, d->in[0], d->in[1], d->out[0]);
}

static void run_div(const tn_kernels *k, int64_t n, const case_data *d) {
    k->div(n, d->in[0], d->in[1], d->out[0]);
}

static void run_sub_scalar(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sub_scalar(n, d->in[0], 0.3f, d->out[0]);
}

static void run_div_scalar(const tn_kernels *k, int64_t n, const case_data *d) {
    k->div_scalar(n, d->in[0], 0.3f, d->out[0]);
}

static void run_rsub_scalar(const tn_kernels *k, int64_t n, const case_data *d) {
    k->rsub_scalar(n, d->in[0], 0.3f, d->out[0]);
}

static void run_rdiv_scalar(const tn_kernels *k, int64_t n, const case_data *d) {
    k->rdiv_scalar(n, d->in[0], 0.3f, d->out[0]);
}

static void run_leaky_relu(const tn_kernels *k, int64_t n, const case_data *d) {
    k->leaky_relu(n, d->in[0], 0.3f, d->out[0]);
}

static void run_leaky_relu_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->leaky_relu(n, d->out[0], -0.3f, d->out[0]);
}

static void run_leaky_relu_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    k->leaky_relu_grad(n, d->in[0], d->in[1], 0.3f, d->out[0]);
}

static void run_prelu(const tn_kernels *k, int64_t n, const case_data *d) {
    k->prelu(n, d->in[0], d->in[1], d->out[0]);
}

static void run_elu(const tn_kernels *k, int64_t n, const case_data *d) {
    k->elu(n, d->in[0], 0.7f, d->out[0]);
}

static void run_sigmoid(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sigmoid(n, d->in[0], d->out[0]);
}

static void run_sigmoid_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sigmoid_grad(n, d->in[0], d->in[1], d->out[0]);
}

static void run_tanh(const tn_kernels *k, int64_t n, const case_data *d) {
    k->tanh(n, d->in[0], d->out[0]);
}

static void run_tanh_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->tanh(n, d->out[0], d->out[0]);
}

static void run_tanh_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    k->tanh_grad(n, d->in[0], d->out[0], d->out[0]);
}

static void activate(const tn_kernels *k, tn_activation_kind kind, int64_t n, const case_data *d) {
    const tn_activation a = {kind, 0.25f, 0.5f};
    k->activate(&a, n, d->in[0], d->in[1], d->out[0]);
}

static void run_activate_none(const tn_kernels *k, int64_t n, const case_data *d) {
    activate(k, TN_ACTIVATION_NONE, n, d);
}

static void run_activate_clip(const tn_kernels *k, int64_t n, const case_data *d) {
    activate(k, TN_ACTIVATION_CLIP, n, d);
}

static void run_activate_leaky_relu(const tn_kernels *k, int64_t n, const case_data *d) {
    activate(k, TN_ACTIVATION_LEAKY_RELU, n, d);
}

static void run_activate_hard_swish(const tn_kernels *k, int64_t n, const case_data *d) {
    activate(k, TN_ACTIVATION_HARD_SWISH, n, d);
}

static void run_activate_sigmoid(const tn_kernels *k, int64_t n, const case_data *d) {
    activate(k, TN_ACTIVATION_SIGMOID, n, d);
}

static void run_activate_silu(const tn_kernels *k, int64_t n, const case_data *d) {
    activate(k, TN_ACTIVATION_SILU, n, d);
}

/* Without an addition, in place. */
static void run_activate_alone(const tn_kernels *k, int64_t n, const case_data *d) {
    const tn_activation a = {TN_ACTIVATION_SILU, 0, 0};
    k->activate(&a, n, d->out[0], NULL, d->out[0]);
}

static void run_hard_swish(const tn_kernels *k, int64_t n, const case_data *d) {
    k->hard_swish(n, d->in[0], d->out[0]);
}

static void run_hard_swish_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    k->hard_swish_grad(n, d->in[0], d->in[1], d->out[0]);
}

static void run_clip(const tn_kernels *k, int64_t n, const case_data *d) {
    k->clip(n, d->in[0], -0.5f, 0.6f, d->out[0]);
}

static void run_clip_at_zero(const tn_kernels *k, int64_t n, const case_data *d) {
    k->clip(n, d->out[0], 0, 6, d->out[0]);
}

static void run_clip_crossed(const tn_kernels *k, int64_t n, const case_data *d) {
    k->clip(n, d->in[0], 1, -1, d->out[0]);
}

static void run_clip_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    k->clip_grad(n, d->in[0], d->in[1], -0.5f, 0.6f, d->out[0]);
}

static void run_clip_grad_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->clip_grad(n, d->in[0], d->out[0], 0, 6, d->out[0]);
}

static void run_load_u8(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t period = n < 2 * TN_LOAD_PERIOD ? TN_LOAD_PERIOD : 2 * TN_LOAD_PERIOD;
    k->load_u8(n, d->bytes_in, 1.0f / 255, period, d->in[0], d->in[1], d->out[0]);
}

static void run_max_pool(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *const x[CASE_TAPS] = {d->in[0], d->in[1], d->in[2], d->in[3]};
    k->max_pool(CASE_TAPS, x, n, d->out[0], d->bytes_out);
}

static void run_max_pool_no_arg(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *const x[CASE_TAPS] = {d->in[0], d->in[1], d->in[2], d->in[3]};
    k->max_pool(CASE_TAPS, x, n, d->out[0], NULL);
}

static void run_max_pool_one(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *const x[1] = {d->in[0]};
    k->max_pool(1, x, n, d->out[0], d->bytes_out);
}

/* 255 taps, the most there may be: every argument from 0 to 254 can win. */
static void run_max_pool_many(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *x[255];
    for (int t = 0; t < 254; t++) x[t] = d->in[t / 100];
    x[254] = d->in[3];
    k->max_pool(255, x, n, d->out[0], d->bytes_out);
}

static void run_max_pool_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    float *const dx[CASE_MAX_OUT] = {d->out[0], d->out[1], d->out[2]};
    k->max_pool_grad(d->bytes_in, d->in[0], n, dx);
}

/* As many pixels of a row as n numbers allow for images, and n bytes for winners. */
static int64_t pixels_2x2(int64_t n, int64_t *channels) {
    static const int64_t choice[] = {1, 3, 8, 10, 16, 21};
    *channels = n >= 1024 ? 64 : choice[n % 6];
    int64_t by_images = n / (2 * *channels), by_bytes = n / (3 * ((*channels + 7) / 8));
    return by_images < by_bytes ? by_images : by_bytes;
}

static void run_max_pool_2x2(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t channels, pixels = pixels_2x2(n, &channels);
    if (n > 0) d->bytes_out[0] = 0; /* of too few numbers for a pixel, nothing is written */
    k->max_pool_2x2(pixels, channels, d->in[0], d->in[1], false, d->out[0], d->bytes_out);
}

static void run_max_pool_2x2_relu(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t channels, pixels = pixels_2x2(n, &channels);
    if (n > 0) d->bytes_out[0] = 0; /* of too few numbers for a pixel, nothing is written */
    k->max_pool_2x2(pixels, channels, d->in[0], d->in[1], true, d->out[0], d->bytes_out);
}

static void run_max_pool_2x2_no_arg(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t channels, pixels = pixels_2x2(n, &channels);
    k->max_pool_2x2(pixels, channels, d->in[0], d->in[1], true, d->out[0], NULL);
}

static void run_max_pool_2x2_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t channels, pixels = pixels_2x2(n, &channels);
    k->max_pool_2x2_grad(pixels, channels, d->bytes_in, d->in[0], false, d->out[0], d->out[1]);
}

static void run_max_pool_2x2_grad_relu(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t channels, pixels = pixels_2x2(n, &channels);
    k->max_pool_2x2_grad(pixels, channels, d->bytes_in, d->in[0], true, d->out[0], d->out[1]);
}

static void run_dropout(const tn_kernels *k, int64_t n, const case_data *d) {
    k->dropout(n, case_key, case_counter, 0, 16384, 4.0f / 3, d->in[0], d->out[0]);
}

static void run_dropout_in_place(const tn_kernels *k, int64_t n, const case_data *d) {
    k->dropout(n, case_key, case_counter, 0x3fffffffdLL, 32768, 2, d->out[0], d->out[0]);
}

/* Of -x² each, and of what is no number. */
static void run_exp_of_negative(const tn_kernels *k, int64_t n, const case_data *d) {
    for (int64_t i = 0; i < n; i++) d->out[0][i] = -(d->in[0][i] * d->in[0][i]);
    k->exp_of_negative(n, d->out[0], d->out[0]);
}

static void run_log_softmax(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t columns = n < 10 ? n : 10;
    k->log_softmax(n < 10 ? 1 : n / 10, columns, d->in[0], d->out[0]);
}

static void run_log_softmax_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t columns = n < 10 ? n : 10;
    k->log_softmax_grad(n < 10 ? 1 : n / 10, columns, d->in[0], d->in[1], d->out[0]);
}

static void run_sgd(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sgd(&(tn_sgd_step){.lr = 0.1f, .momentum = 0.9f, .weight_decay = 1e-3f, .scale = 1}, n,
           d->in[0], d->out[0], d->out[1]);
}

static void run_sgd_first(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sgd(&(tn_sgd_step){.lr = 0.1f, .momentum = 0.9f, .scale = 0.7f, .first = true}, n, d->in[0],
           d->out[0], d->out[1]);
}

static void run_sgd_nesterov(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sgd(&(tn_sgd_step){.lr = 0.1f, .momentum = 0.9f, .scale = 1, .nesterov = true}, n, d->in[0],
           d->out[0], d->out[1]);
}

static void run_sgd_plain(const tn_kernels *k, int64_t n, const case_data *d) {
    k->sgd(&(tn_sgd_step){.lr = 0.1f, .weight_decay = 1e-3f, .scale = 1}, n, d->in[0], d->out[0],
           NULL);
}

static void run_adam(const tn_kernels *k, int64_t n, const case_data *d) {
    const tn_adam_step step = {.step_size = 0.01f,
                               .inv_sqrt_correction2 = 1.3f,
                               .beta1 = 0.9f,
                               .rest1 = 0.1f,
                               .beta2 = 0.999f,
                               .rest2 = 1e-3f,
                               .epsilon = 1e-8f,
                               .weight_decay = 1e-3f,
                               .keep = 0.99f};
    k->adam(&step, n, d->in[0], d->out[0], d->out[1], d->out[2]);
}

static void run_adadelta(const tn_kernels *k, int64_t n, const case_data *d) {
    const tn_adadelta_step step = {
        .lr = 1, .rho = 0.9f, .rest = 0.1f, .epsilon = 1e-6f, .weight_decay = 1e-3f};
    k->adadelta(&step, n, d->in[0], d->out[0], d->out[1], d->out[2]);
}

static void run_rmsprop(const tn_kernels *k, int64_t n, const case_data *d) {
    const tn_rmsprop_step step = {
        .lr = 0.01f, .alpha = 0.99f, .rest = 0.01f, .epsilon = 1e-8f, .weight_decay = 1e-3f};
    k->rmsprop(&step, n, d->in[0], d->out[0], d->out[1]);
}

static void run_blend(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *const x[] = {d->in[0], d->in[1], d->in[0], d->in[1]};
    const float weight[] = {0.25f, -1.5f, 3, 0.125f};
    k->blend(4, x, weight, n, d->out[0]);
}

static void run_average(const tn_kernels *k, int64_t n, const case_data *d) {
    k->average(n, 0.001f, d->in[0], d->out[0]);
}

/* Leaves the halves of the sum in double as two numbers, so that its every bit is compared. */
static void run_sum_squares(const tn_kernels *k, int64_t n, const case_data *d) {
    double sum = k->sum_squares(n, d->in[0]);
    if (n > 0) d->out[0][0] = (float)sum;
    if (n > 1) d->out[0][1] = (float)(sum - (double)(float)sum);
}

/* n numbers as one row, and as rows of 3 or of n / 4 that share what is given for a channel; many
 * numbers as rows of 64. */
static int64_t channels_of(int64_t n, int64_t *rows) {
    int64_t channels = n >= 1024 ? 64 : n % 3 == 1 || n < 4 ? n : n % 3 == 0 ? 3 : n / 4;
    *rows = channels > 0 ? n / channels : 0;
    return channels;
}

static void run_sum_rows(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->sum_rows(rows, channels, d->in[0], d->out[0]);
}

static void run_moments(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->moments(rows, channels, d->in[0], d->in[1], d->out[0], d->out[1]);
}

static void run_moments_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->moments_grad(rows, channels, d->in[0], d->in[1], d->in[2], (tn_gate){0}, d->out[0],
                    d->out[1]);
}

static void run_moments_grad_gated(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->moments_grad(rows, channels, d->in[0], d->in[1], d->in[2], (tn_gate){d->in[3], d->in[0]},
                    d->out[0], d->out[1]);
}

static void run_affine(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->affine(rows, channels, d->in[0], d->in[1], d->in[2], d->in[3], NULL, -INFINITY, d->out[0]);
}

static void run_affine_floor(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->affine(rows, channels, d->in[0], d->in[1], d->in[2], d->in[3], NULL, 0, d->out[0]);
}

static void run_affine_more(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->affine(rows, channels, d->in[0], d->in[1], d->in[2], d->in[3], d->out[0], 0, d->out[0]);
}

static void run_affine_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->affine_grad(rows, channels, d->in[0], d->in[1], d->in[2], (tn_gate){0}, d->in[3], d->in[0],
                   d->in[1], d->out[0]);
}

static void run_affine_grad_gated(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows, channels = channels_of(n, &rows);
    k->affine_grad(rows, channels, d->out[0], d->in[1], d->in[2], (tn_gate){d->in[3], d->in[0]},
                   d->in[3], d->in[0], d->in[1], d->out[0]);
}

/* The largest square that n holds, or as close to it as whole columns allow. */
static void run_transpose(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t rows = 1;
    while ((rows + 1) * (rows + 1) <= n) rows++;
    int64_t columns = n / rows;
    k->transpose(rows, columns, d->in[0], columns, d->out[0], rows);
}

/* In lanes, over the whole points that n holds. */
static void run_lanes_sum(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t points = n / TN_LANES, outputs = points % 3 == 0 ? 3 : 1;
    if (n >= TN_LANES) k->lanes_sum(outputs, points / outputs, 8, d->in[0], d->out[0]);
}

static void run_lanes_sum_part(const tn_kernels *k, int64_t n, const case_data *d) {
    if (n >= TN_LANES) k->lanes_sum(n / TN_LANES, 1, 1 + (int)n % 8, d->in[0], d->out[0]);
}

static void run_lanes_max_pool(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *const x[CASE_TAPS] = {d->in[0], d->in[1], d->in[2], d->in[3]};
    if (n > 0) d->bytes_out[0] = 0; /* of too few numbers for a point, nothing is written */
    k->lanes_max_pool(n % 2 ? 4 : 3, x, TN_LANES, n / TN_LANES, d->out[0], d->bytes_out);
}

static void run_lanes_max_pool_no_arg(const tn_kernels *k, int64_t n, const case_data *d) {
    const float *const x[CASE_TAPS] = {d->in[0], d->in[1], d->in[2], d->in[3]};
    k->lanes_max_pool(4, x, TN_LANES, n / TN_LANES, d->out[0], NULL);
}

static void run_lanes_max_pool_grad(const tn_kernels *k, int64_t n, const case_data *d) {
    float *const dx[CASE_MAX_OUT] = {d->out[0], d->out[1], d->out[2]};
    k->lanes_max_pool_grad(3, d->bytes_in, d->in[0], n / TN_LANES, TN_LANES, dx);
}

/* Taps 0 and 1, and 2 and 3, are neighbours: every second point of the outputs. */
static void run_lanes_max_pool_grad_2x2(const tn_kernels *k, int64_t n, const case_data *d) {
    float *const dx[4] = {d->out[0], d->out[0] + TN_LANES, d->out[1], d->out[1] + TN_LANES};
    k->lanes_max_pool_grad(4, d->bytes_in, d->in[0], n / TN_LANES / 2, 2 * TN_LANES, dx);
}

static void run_lanes_dropout(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t points = n / TN_LANES, channels = points % 2 == 0 ? 2 : 1;
    k->lanes_dropout(channels, points / channels, case_key, case_counter, 16384, 4.0f / 3, d->in[0],
                     d->out[0]);
}

static void run_lanes_load_u8(const tn_kernels *k, int64_t n, const case_data *d) {
    int64_t points = n / TN_LANES, channels = points % 3 == 0 ? 3 : 1;
    int lanes = points > 0 ? 1 + (int)(n % TN_LANES) : 0;
    k->lanes_load_u8(channels, points / channels, lanes, d->bytes_in, points, 1.0f / 255, d->in[0],
                     d->in[1], d->out[0]);
}

#define AT(member) offsetof(tn_kernels, member)

static const kernel_case kernel_cases[] = {
    {"relu", AT(relu), run_relu, 1, 1, .same_nan = true, .traffic_bytes = 8},
    {"relu in place", AT(relu), run_relu_in_place, 0, 1, .same_nan = true},
    {"relu_grad", AT(relu_grad), run_relu_grad, 2, 1, .same_nan = true, .traffic_bytes = 12},
    {"relu_grad in place", AT(relu_grad), run_relu_grad_in_place, 1, 1, .same_nan = true},
    {"add", AT(add), run_add, 2, 1, .traffic_bytes = 12},
    {"add in place", AT(add), run_add_in_place, 1, 1},
    {"mul", AT(mul), run_mul, 2, 1, .traffic_bytes = 12},
    {"mul in place", AT(mul), run_mul_in_place, 1, 1},
    {"add_scalar", AT(add_scalar), run_add_scalar, 1, 1, .traffic_bytes = 8},
    {"mul_scalar", AT(mul_scalar), run_mul_scalar, 1, 1, .traffic_bytes = 8},
    {"sub", AT(sub), run_sub, 2, 1, .traffic_bytes = 12},
    {"div", AT(div), run_div, 2, 1, .traffic_bytes = 12},
    {"sub_scalar", AT(sub_scalar), run_sub_scalar, 1, 1, .traffic_bytes = 8},
    {"div_scalar", AT(div_scalar), run_div_scalar, 1, 1, .traffic_bytes = 8},
    {"rsub_scalar", AT(rsub_scalar), run_rsub_scalar, 1, 1, .traffic_bytes = 8},
    {"rdiv_scalar", AT(rdiv_scalar), run_rdiv_scalar, 1, 1, .traffic_bytes = 8},
    {"leaky_relu", AT(leaky_relu), run_leaky_relu, 1, 1, .traffic_bytes = 8},
    {"leaky_relu in place", AT(leaky_relu), run_leaky_relu_in_place, 0, 1},
    {"leaky_relu_grad", AT(leaky_relu_grad), run_leaky_relu_grad, 2, 1, .traffic_bytes = 12},
    {"prelu", AT(prelu), run_prelu, 2, 1, .traffic_bytes = 12},
    {"elu", AT(elu), run_elu, 1, 1, .traffic_bytes = 8, .flop = 24},
    {"sigmoid", AT(sigmoid), run_sigmoid, 1, 1, .traffic_bytes = 8, .flop = 24},
    {"sigmoid_grad", AT(sigmoid_grad), run_sigmoid_grad, 2, 1, .traffic_bytes = 12},
    {"tanh", AT(tanh), run_tanh, 1, 1, .traffic_bytes = 8, .flop = 26},
    {"tanh in place", AT(tanh), run_tanh_in_place, 0, 1},
    {"tanh_grad", AT(tanh_grad), run_tanh_grad, 1, 1, .traffic_bytes = 12},
    {"activate, more", AT(activate), run_activate_none, 2, 1, .traffic_bytes = 12},
    {"activate clip", AT(activate), run_activate_clip, 2, 1, .traffic_bytes = 12},
    {"activate leaky_relu", AT(activate), run_activate_leaky_relu, 2, 1, .traffic_bytes = 12},
    {"activate hard_swish", AT(activate), run_activate_hard_swish, 2, 1, .traffic_bytes = 12},
    {"activate sigmoid", AT(activate), run_activate_sigmoid, 2, 1, .traffic_bytes = 12, .flop = 25},
    {"activate silu", AT(activate), run_activate_silu, 2, 1, .traffic_bytes = 12, .flop = 26},
    {"activate silu, in place", AT(activate), run_activate_alone, 0, 1},
    {"hard_swish", AT(hard_swish), run_hard_swish, 1, 1, .traffic_bytes = 8},
    {"hard_swish_grad", AT(hard_swish_grad), run_hard_swish_grad, 2, 1, .traffic_bytes = 12},
    {"clip", AT(clip), run_clip, 1, 1, .same_nan = true, .traffic_bytes = 8},
    {"clip at zero, in place", AT(clip), run_clip_at_zero, 0, 1, .same_nan = true},
    {"clip, bounds crossed", AT(clip), run_clip_crossed, 1, 1, .same_nan = true},
    {"clip_grad", AT(clip_grad), run_clip_grad, 2, 1, .same_nan = true, .traffic_bytes = 12},
    {"clip_grad in place", AT(clip_grad), run_clip_grad_in_place, 1, 1, .same_nan = true},
    {"load_u8", AT(load_u8), run_load_u8, 2, 1, .byte_limit = 256, .traffic_bytes = 5},
    {"max_pool", AT(max_pool), run_max_pool, 4, 1, .bytes_out = true, .same_nan = true,
     .traffic_bytes = 21},
    {"max_pool no arg", AT(max_pool), run_max_pool_no_arg, 4, 1, .same_nan = true,
     .traffic_bytes = 20},
    {"max_pool one tap", AT(max_pool), run_max_pool_one, 1, 1, .bytes_out = true, .same_nan = true},
    {"max_pool 255 taps", AT(max_pool), run_max_pool_many, 4, 1, .bytes_out = true,
     .same_nan = true},
    {"max_pool_grad", AT(max_pool_grad), run_max_pool_grad, 1, 3, .byte_limit = 3,
     .traffic_bytes = 13},
    {"max_pool_2x2", AT(max_pool_2x2), run_max_pool_2x2, 2, 1, .bytes_out = true, .same_nan = true,
     .traffic_bytes = 10},
    {"max_pool_2x2 relu", AT(max_pool_2x2), run_max_pool_2x2_relu, 2, 1, .bytes_out = true,
     .same_nan = true, .traffic_bytes = 10},
    {"max_pool_2x2 no arg", AT(max_pool_2x2), run_max_pool_2x2_no_arg, 2, 1, .same_nan = true},
    {"max_pool_2x2_grad", AT(max_pool_2x2_grad), run_max_pool_2x2_grad, 1, 2, .byte_limit = 256,
     .same_nan = true, .traffic_bytes = 10},
    {"max_pool_2x2_grad relu", AT(max_pool_2x2_grad), run_max_pool_2x2_grad_relu, 1, 2,
     .byte_limit = 256, .same_nan = true, .traffic_bytes = 10},
    {"dropout", AT(dropout), run_dropout, 1, 1, .traffic_bytes = 8, .flop = 10},
    {"dropout in place", AT(dropout), run_dropout_in_place, 0, 1},
    {"exp_of_negative", AT(exp_of_negative), run_exp_of_negative, 1, 1, .traffic_bytes = 8,
     .flop = 24},
    {"log_softmax", AT(log_softmax), run_log_softmax, 1, 1, .traffic_bytes = 8, .flop = 26},
    {"log_softmax_grad", AT(log_softmax_grad), run_log_softmax_grad, 2, 1, .traffic_bytes = 12,
     .flop = 26},
    {"sum_rows", AT(sum_rows), run_sum_rows, 1, 1, .traffic_bytes = 4, .only_loads = true},
    {"moments", AT(moments), run_moments, 2, 2, .traffic_bytes = 4, .only_loads = true},
    {"moments_grad", AT(moments_grad), run_moments_grad, 3, 2, .traffic_bytes = 8,
     .only_loads = true},
    {"moments_grad gated", AT(moments_grad), run_moments_grad_gated, 4, 2, .traffic_bytes = 8,
     .only_loads = true},
    {"affine", AT(affine), run_affine, 4, 1, .traffic_bytes = 8},
    {"affine and floor", AT(affine), run_affine_floor, 4, 1, .traffic_bytes = 8},
    {"affine, more, in place", AT(affine), run_affine_more, 4, 1, .traffic_bytes = 12},
    {"affine_grad", AT(affine_grad), run_affine_grad, 4, 1, .traffic_bytes = 12},
    {"affine_grad gated, in place", AT(affine_grad), run_affine_grad_gated, 4, 1,
     .traffic_bytes = 12},
    {"sgd", AT(sgd), run_sgd, 1, 2, .traffic_bytes = 20, .flop = 8},
    {"sgd first", AT(sgd), run_sgd_first, 1, 2},
    {"sgd nesterov", AT(sgd), run_sgd_nesterov, 1, 2},
    {"sgd plain", AT(sgd), run_sgd_plain, 1, 1, .traffic_bytes = 12},
    {"adam", AT(adam), run_adam, 1, 3, .traffic_bytes = 28, .flop = 17},
    {"adadelta", AT(adadelta), run_adadelta, 1, 3, .traffic_bytes = 28, .flop = 19},
    {"rmsprop", AT(rmsprop), run_rmsprop, 1, 2, .traffic_bytes = 20, .flop = 12},
    {"average", AT(average), run_average, 1, 1, .traffic_bytes = 12},
    {"blend", AT(blend), run_blend, 2, 1, .traffic_bytes = 12},
    {"sum_squares", AT(sum_squares), run_sum_squares, 1, 1, .traffic_bytes = 4, .only_loads = true},
    {"transpose", AT(transpose), run_transpose, 1, 1, .same_nan = true, .traffic_bytes = 8},
    {"lanes_sum", AT(lanes_sum), run_lanes_sum, 1, 1, .traffic_bytes = 4, .only_loads = true},
    {"lanes_sum, part of a group", AT(lanes_sum), run_lanes_sum_part, 1, 1},
    {"lanes_max_pool", AT(lanes_max_pool), run_lanes_max_pool, 4, 1, .bytes_out = true,
     .same_nan = true, .traffic_bytes = 21},
    {"lanes_max_pool no arg", AT(lanes_max_pool), run_lanes_max_pool_no_arg, 4, 1,
     .same_nan = true},
    {"lanes_max_pool_grad", AT(lanes_max_pool_grad), run_lanes_max_pool_grad, 1, 3,
     .byte_limit = 4},
    {"lanes_max_pool_grad 2x2", AT(lanes_max_pool_grad), run_lanes_max_pool_grad_2x2, 1, 2,
     .byte_limit = 4, .traffic_bytes = 18},
    {"lanes_dropout", AT(lanes_dropout), run_lanes_dropout, 1, 1, .traffic_bytes = 8, .flop = 10},
    {"lanes_load_u8", AT(lanes_load_u8), run_lanes_load_u8, 2, 1, .byte_limit = 256,
     .traffic_bytes = 5},
};
#undef AT
enum { N_KERNEL_CASES = sizeof kernel_cases / sizeof kernel_cases[0] };

#endif
