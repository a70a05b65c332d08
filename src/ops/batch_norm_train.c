/* SPDX-License-Identifier: Apache-2.0 */
/* batch_norm_train.c: batch normalisation by the statistics of the batch, in steps that fit the
 * plan: sums over samples (accumulated shard by shard, hence in tree order), coefficients (once for
 * the batch), and what is done to each element. Statistics cover groups of whole shards.
 *
 *     forward   sums = BatchNormSums(x, running mean)
 *               coefficients, mean, variance = BatchNormCoefficients(sums, ...)
 *               y = BatchNormApply(x, coefficients, scale, bias)
 *     backward  sums = BatchNormGradSums(dy, x, coefficients)
 *               factors, dscale, dbias = BatchNormFactors(sums, coefficients)
 *               dx = BatchNormGrad(dy, x, coefficients, factors)
 *
 * A Relu behind the normalisation, and before it the addition of another image, may be part of the
 * nodes (passes/fuse_norm.c puts them there): BatchNormRelu is BatchNormApply with them. Without an
 * addition, dy may be that of the Relu's output in BatchNormReluGradSums and BatchNormReluGrad:
 * they compute again where it was positive. */
#include <math.h>

#include "base/size.h"
#include "ops/batch_norm.h"
#include "ops/elementwise.h"

typedef struct norm_attrs {
    double epsilon;
    int64_t n_groups, pixels; /* pixels of a sample: numbers of one channel */
    bool fixed;               /* the statistics do not depend on x */
} norm_attrs;

/* The shape [groups][rows][channels] of what belongs to a group. */
static tn_shape group_shape(const tn_node *node, int64_t rows, int64_t channels) {
    const norm_attrs *a = node->attrs;
    return (tn_shape){.rank = 3, .dims = {a->n_groups, rows, channels}};
}

/* The samples of a call that belong to one group: those from *i on, before the end. */
static int64_t take_group(const tn_run *run, int64_t *i, int64_t *group) {
    const norm_attrs *a = run->node->attrs;
    int64_t batch = run->step->batch, sample = run->first + *i;
    *group = sample * a->n_groups / batch;
    int64_t end = tn_norm_group_begin(batch, a->n_groups, *group + 1);
    int64_t n = tn_min_i64(end - sample, run->n - *i);
    *i += n;
    return n;
}

/* One call of a kernel: rows that share their channels' numbers. */
typedef struct norm_part {
    int64_t group, offset; /* of the first element of the part in this call's values */
    int64_t rows, channel; /* the first channel of a row */
} norm_part;

typedef void norm_visit(const tn_run *run, const tn_norm_form *form, const norm_part *part);

static void visit_parts(const tn_run *run, int x_input, norm_visit *visit) {
    tn_norm_form f = tn_norm_form_of_run(run, x_input);
    for (int64_t i = 0; i < run->n;) {
        int64_t first = i, group, n = take_group(run, &i, &group);
        for (int64_t b = 0; f.blocks > 1 && b < n * f.blocks; b++)
            visit(run, &f,
                  &(norm_part){group, (first * f.blocks + b) * f.rows, f.rows, b % f.blocks});
        if (f.blocks == 1)
            visit(run, &f, &(norm_part){group, first * f.rows * f.width, n * f.rows, 0});
    }
}

/* Row `row` of a group's numbers in p [groups][rows][channels], from the part's channel on. */
static real *group_row(void *p, const tn_norm_form *f, const norm_part *part, int64_t n_rows,
                       int64_t row) {
    return (real *)p + (part->group * n_rows + row) * f->channels + part->channel;
}

static const real *group_row_in(const void *p, const tn_norm_form *f, const norm_part *part,
                                int64_t n_rows, int64_t row) {
    return (const real *)p + (part->group * n_rows + row) * f->channels + part->channel;
}

/* ---- Sums ------------------------------------------------------------------------------------ */

/* Of x - shift and of its square, for each group. The shift is the running mean: near the mean, so
 * that the variance is no small difference of large numbers. */
enum { SUM, SQUARES, N_SUMS };

static tn_status infer_sums(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    TN_TRY(tn_norm_check(node, 1, 1, error));
    node->outputs[0]->shape = group_shape(node, N_SUMS, node->inputs[0]->shape.dims[1]);
    return TN_OK;
}

static void sum_part(const tn_run *run, const tn_norm_form *f, const norm_part *part) {
    run->kernels->moments(part->rows, f->width, (const real *)run->in[0] + part->offset,
                          (const real *)run->in[1] + part->channel,
                          group_row(run->out[0], f, part, N_SUMS, SUM),
                          group_row(run->out[0], f, part, N_SUMS, SQUARES));
}

static void run_sums(const tn_run *run) { visit_parts(run, 0, sum_part); }

static const tn_implementation sums = {.name = "any", .run = run_sums};
static const tn_implementation *const sums_implementations[] = {&sums, NULL};

/* Inputs x, shift. */
static const tn_op batch_norm_sums = {.name = "BatchNormSums",
                                      .attrs_bytes = sizeof(norm_attrs),
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_IMAGE,
                                      .reduces_samples = true,
                                      .infer_shape = infer_sums,
                                      .implementations = sums_implementations};

/* Of a node that makes rows for each group out of sums, and of two numbers for each channel. */
static void infer_from_sums(tn_node *node, int64_t n_rows) {
    int64_t channels = node->inputs[0]->shape.dims[2];
    node->outputs[0]->shape = group_shape(node, n_rows, channels);
    for (int i = 1; i < 3; i++) node->outputs[i]->shape = (tn_shape){.rank = 1, .dims = {channels}};
}

/* Numbers that a channel has in group g. */
static int64_t numbers_of(const norm_attrs *a, int64_t batch, int64_t g) {
    int64_t begin = tn_norm_group_begin(batch, a->n_groups, g);
    return (tn_norm_group_begin(batch, a->n_groups, g + 1) - begin) * a->pixels;
}

/* ---- Coefficients ---------------------------------------------------------------------------- */

static tn_status infer_coefficients(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    infer_from_sums(node, TN_NORM_ROWS);
    return TN_OK;
}

/* Mean and variance of one channel in one group of n numbers; 0 and 1 of none. */
static void statistics_of(double sum, double squares, double shift, double n, double *mean,
                          double *variance) {
    *mean = n > 0 ? shift + sum / n : shift;
    *variance = n > 0 ? fmax(0, squares / n - sum / n * (sum / n)) : 1;
    if (isnan(sum) || isnan(squares)) *variance = NAN; /* fmax would hide it */
}

/* The running statistics follow the mean over all groups that are not empty; their variance is the
 * unbiased one, as PyTorch's. */
static void run_coefficients(const tn_run *run) {
    const norm_attrs *a = run->node->attrs;
    int64_t channels = run->node->inputs[0]->shape.dims[2], batch = run->step->batch;
    const real *in = run->in[0], *shift = run->in[1], *scale = run->in[2], *bias = run->in[3];
    real *out = run->out[0], *mean_out = run->out[1], *variance_out = run->out[2];
    for (int64_t k = 0; k < channels; k++) {
        double mean_sum = 0, variance_sum = 0, groups = 0;
        for (int64_t g = 0; g < a->n_groups; g++) {
            double n = (double)numbers_of(a, batch, g), mean, variance;
            const real *s = in + g * N_SUMS * channels + k;
            real *c = out + g * TN_NORM_ROWS * channels + k;
            statistics_of((double)s[SUM * channels], (double)s[SQUARES * channels],
                          (double)shift[k], n, &mean, &variance);
            double inverse = 1 / sqrt(variance + a->epsilon);
            c[TN_NORM_MEAN * channels] = (real)mean;
            c[TN_NORM_INVERSE * channels] = (real)inverse;
            c[TN_NORM_FACTOR * channels] = (real)((double)scale[k] * inverse);
            c[TN_NORM_BIAS * channels] = bias[k];
            if (n == 0) continue;
            mean_sum += mean;
            variance_sum += n > 1 ? variance * (n / (n - 1)) : variance;
            groups++;
        }
        mean_out[k] = (real)(mean_sum / groups);
        variance_out[k] = (real)(variance_sum / groups);
    }
}

static const tn_implementation coefficients = {.name = "any", .run = run_coefficients};
static const tn_implementation *const coefficients_implementations[] = {&coefficients, NULL};

/* Inputs sums, shift, scale, bias; outputs coefficients, and mean and variance of the batch. */
static const tn_op batch_norm_coefficients = {.name = "BatchNormCoefficients",
                                              .attrs_bytes = sizeof(norm_attrs),
                                              .min_inputs = 4,
                                              .max_inputs = 4,
                                              .n_outputs = 3,
                                              .layout = TN_LAYOUT_PLAIN,
                                              .infer_shape = infer_coefficients,
                                              .implementations = coefficients_implementations};

/* ---- The elements ---------------------------------------------------------------------------- */

enum { N_APPLY_INPUTS = 4, MORE = N_APPLY_INPUTS };

static void apply_part(const tn_run *run, const tn_norm_form *f, const norm_part *part) {
    const void *c = run->in[1];
    const real *more = run->in[MORE];
    run->kernels->affine(
        part->rows, f->width, (const real *)run->in[0] + part->offset,
        group_row_in(c, f, part, TN_NORM_ROWS, TN_NORM_MEAN),
        group_row_in(c, f, part, TN_NORM_ROWS, TN_NORM_FACTOR),
        group_row_in(c, f, part, TN_NORM_ROWS, TN_NORM_BIAS), more ? more + part->offset : NULL,
        run->node->op == &tn_op_norm_relu ? 0 : -INFINITY, (real *)run->out[0] + part->offset);
}

static void run_apply(const tn_run *run) { visit_parts(run, 0, apply_part); }

static const tn_implementation apply = {.name = "any", .rows_in = tn_rows_same, .run = run_apply};
static const tn_implementation *const apply_implementations[] = {&apply, NULL};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    return tn_norm_differentiate(graph, node, node->inputs[1], node->inputs[2], node->inputs[3],
                                 false, error);
}

/* Inputs x, coefficients, and scale and bias, which only its gradient looks at: that of x goes
 * through the coefficients, too. */
const tn_op tn_op_norm = {.name = "BatchNormApply",
                          .attrs_bytes = sizeof(norm_attrs),
                          .min_inputs = N_APPLY_INPUTS,
                          .max_inputs = N_APPLY_INPUTS,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_IMAGE,
                          .infer_shape = tn_infer_same,
                          .differentiate = differentiate,
                          .implementations = apply_implementations};

/* A further input, of the shape of x, is added before the maximum with 0. */
const tn_op tn_op_norm_relu = {.name = "BatchNormRelu",
                               .attrs_bytes = sizeof(norm_attrs),
                               .min_inputs = N_APPLY_INPUTS,
                               .max_inputs = N_APPLY_INPUTS + 1,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_IMAGE,
                               .infer_shape = tn_infer_same,
                               .implementations = apply_implementations};

/* ---- The gradient ---------------------------------------------------------------------------- */

/* The Relu that dy, input 0, is behind; coefficients are input 2. */
static tn_gate gate_of(const tn_run *run, const tn_norm_form *f, const norm_part *part) {
    const tn_op *op = run->node->op;
    if (op != &tn_op_norm_relu_grad_sums && op != &tn_op_norm_relu_grad) return (tn_gate){0};
    return (tn_gate){group_row_in(run->in[2], f, part, TN_NORM_ROWS, TN_NORM_FACTOR),
                     group_row_in(run->in[2], f, part, TN_NORM_ROWS, TN_NORM_BIAS)};
}

/* Σ dy and Σ dy·(x - mean) for each group. */
static tn_status infer_grad_sums(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->shape = group_shape(node, N_SUMS, node->inputs[1]->shape.dims[1]);
    return TN_OK;
}

static void grad_sum_part(const tn_run *run, const tn_norm_form *f, const norm_part *part) {
    run->kernels->moments_grad(part->rows, f->width, (const real *)run->in[0] + part->offset,
                               (const real *)run->in[1] + part->offset,
                               group_row_in(run->in[2], f, part, TN_NORM_ROWS, TN_NORM_MEAN),
                               gate_of(run, f, part), group_row(run->out[0], f, part, N_SUMS, SUM),
                               group_row(run->out[0], f, part, N_SUMS, SQUARES));
}

static void run_grad_sums(const tn_run *run) { visit_parts(run, 1, grad_sum_part); }

static const tn_implementation grad_sums = {.name = "any", .run = run_grad_sums};
static const tn_implementation *const grad_sums_implementations[] = {&grad_sums, NULL};

const tn_op tn_op_norm_grad_sums = {.name = "BatchNormGradSums",
                                    .attrs_bytes = sizeof(norm_attrs),
                                    .min_inputs = 3,
                                    .max_inputs = 3,
                                    .n_outputs = 1,
                                    .layout = TN_LAYOUT_IMAGE,
                                    .reduces_samples = true,
                                    .infer_shape = infer_grad_sums,
                                    .implementations = grad_sums_implementations};

/* The same, dy being that of the output of a Relu behind. */
const tn_op tn_op_norm_relu_grad_sums = {.name = "BatchNormReluGradSums",
                                         .attrs_bytes = sizeof(norm_attrs),
                                         .min_inputs = 3,
                                         .max_inputs = 3,
                                         .n_outputs = 1,
                                         .layout = TN_LAYOUT_IMAGE,
                                         .reduces_samples = true,
                                         .infer_shape = infer_grad_sums,
                                         .implementations = grad_sums_implementations};

/* dx = dy·A + (x - mean)·B + C. With N numbers in the group, x̂ = (x - mean)·inverse,
 *     dx = factor · (dy - Σ dy / N - x̂ · Σ dy·x̂ / N)                 (Ioffe and Szegedy 2015) */
enum { A, B, C, N_FACTORS };

static tn_status infer_factors(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    infer_from_sums(node, N_FACTORS);
    return TN_OK;
}

static void run_factors(const tn_run *run) {
    const norm_attrs *a = run->node->attrs;
    int64_t channels = run->node->inputs[0]->shape.dims[2], batch = run->step->batch;
    const real *in = run->in[0], *coefficient = run->in[1];
    real *out = run->out[0], *dscale = run->out[1], *dbias = run->out[2];
    for (int64_t k = 0; k < channels; k++) {
        double scale_sum = 0, bias_sum = 0;
        for (int64_t g = 0; g < a->n_groups; g++) {
            double n = (double)tn_max_i64(1, numbers_of(a, batch, g));
            const real *s = in + g * N_SUMS * channels + k;
            const real *c = coefficient + g * TN_NORM_ROWS * channels + k;
            real *f = out + g * N_FACTORS * channels + k;
            double sum = (double)s[SUM * channels], dot = (double)s[SQUARES * channels];
            double inverse = (double)c[TN_NORM_INVERSE * channels];
            double factor = (double)c[TN_NORM_FACTOR * channels];
            f[A * channels] = (real)factor;
            f[B * channels] = a->fixed ? 0 : (real)(-factor * inverse * inverse * dot / n);
            f[C * channels] = a->fixed ? 0 : (real)(-factor * sum / n);
            bias_sum += sum;
            scale_sum += dot * inverse;
        }
        dscale[k] = (real)scale_sum;
        dbias[k] = (real)bias_sum;
    }
}

static const tn_implementation factors = {.name = "any", .run = run_factors};
static const tn_implementation *const factors_implementations[] = {&factors, NULL};

/* Inputs sums, coefficients; outputs factors, dscale, dbias. */
static const tn_op batch_norm_factors = {.name = "BatchNormFactors",
                                         .attrs_bytes = sizeof(norm_attrs),
                                         .min_inputs = 2,
                                         .max_inputs = 2,
                                         .n_outputs = 3,
                                         .layout = TN_LAYOUT_PLAIN,
                                         .infer_shape = infer_factors,
                                         .implementations = factors_implementations};

static void grad_part(const tn_run *run, const tn_norm_form *f, const norm_part *part) {
    run->kernels->affine_grad(
        part->rows, f->width, (const real *)run->in[0] + part->offset,
        (const real *)run->in[1] + part->offset,
        group_row_in(run->in[2], f, part, TN_NORM_ROWS, TN_NORM_MEAN), gate_of(run, f, part),
        group_row_in(run->in[3], f, part, N_FACTORS, A),
        group_row_in(run->in[3], f, part, N_FACTORS, B),
        group_row_in(run->in[3], f, part, N_FACTORS, C), (real *)run->out[0] + part->offset);
}

static void run_grad(const tn_run *run) { visit_parts(run, 1, grad_part); }

static const tn_implementation grad = {.name = "any", .rows_in = tn_rows_same, .run = run_grad};
static const tn_implementation *const grad_implementations[] = {&grad, NULL};

/* Inputs dy, x, coefficients, factors. */
const tn_op tn_op_norm_grad = {.name = "BatchNormGrad",
                               .attrs_bytes = sizeof(norm_attrs),
                               .min_inputs = 4,
                               .max_inputs = 4,
                               .n_outputs = 1,
                               .layout = TN_LAYOUT_IMAGE,
                               .in_place = true,
                               .infer_shape = tn_infer_same,
                               .implementations = grad_implementations};

/* The same, dy being that of the output of a Relu behind. */
const tn_op tn_op_norm_relu_grad = {.name = "BatchNormReluGrad",
                                    .attrs_bytes = sizeof(norm_attrs),
                                    .min_inputs = 4,
                                    .max_inputs = 4,
                                    .n_outputs = 1,
                                    .layout = TN_LAYOUT_IMAGE,
                                    .in_place = true,
                                    .infer_shape = tn_infer_same,
                                    .implementations = grad_implementations};

/* ---- Putting it together --------------------------------------------------------------------- */

static int64_t pixels_of(const tn_shape *x) {
    int64_t pixels = 1;
    for (int i = 2; i < x->rank; i++) pixels *= x->dims[i];
    return pixels;
}

tn_status tn_norm_differentiate(tn_graph *graph, tn_node *node, tn_value *coefficients_value,
                                tn_value *scale, tn_value *bias, bool fixed, tn_error *error) {
    tn_value *x = node->inputs[0], *dy = tn_gradient_of(graph, node->outputs[0]), *dx, *sums_value;
    const norm_attrs a = {.n_groups = coefficients_value->shape.dims[0],
                          .pixels = pixels_of(&x->shape),
                          .fixed = fixed};
    tn_node *made;
    TN_TRY(tn_graph_apply(graph, &tn_op_norm_grad_sums, &a,
                          (tn_value *[]){dy, x, coefficients_value}, 3, &sums_value, error));
    TN_TRY(tn_graph_add_node(graph, &batch_norm_factors, NULL, &a,
                             (tn_value *[]){sums_value, coefficients_value}, 2, &made, error));
    if (tn_gradient_wanted(graph, scale))
        TN_TRY(tn_gradient_add(graph, scale, made->outputs[1], error));
    if (tn_gradient_wanted(graph, bias))
        TN_TRY(tn_gradient_add(graph, bias, made->outputs[2], error));
    if (!tn_gradient_wanted(graph, x)) return TN_OK;
    TN_TRY(tn_graph_apply(graph, &tn_op_norm_grad, &a,
                          (tn_value *[]){dy, x, coefficients_value, made->outputs[0]}, 4, &dx,
                          error));
    return tn_gradient_add(graph, x, dx, error);
}

tn_status tn_norm_by_batch(tn_graph *graph, const tn_batch_norm_attrs *attrs, int n_groups,
                           tn_value *const in[5], tn_value **y, tn_error *error) {
    tn_value *x = in[0], *scale = in[1], *bias = in[2], *mean = in[3], *variance = in[4];
    const norm_attrs a = {
        .epsilon = attrs->epsilon, .n_groups = n_groups, .pixels = pixels_of(&x->shape)};
    tn_value *sums_value;
    tn_node *made;
    TN_TRY(tn_graph_apply(graph, &batch_norm_sums, &a, (tn_value *[]){x, mean}, 2, &sums_value,
                          error));
    TN_TRY(tn_graph_add_node(graph, &batch_norm_coefficients, NULL, &a,
                             (tn_value *[]){sums_value, mean, scale, bias}, 4, &made, error));
    TN_TRY(tn_graph_add_update(graph, mean, made->outputs[1], attrs->momentum, error));
    TN_TRY(tn_graph_add_update(graph, variance, made->outputs[2], attrs->momentum, error));
    return tn_graph_apply(graph, &tn_op_norm, &a, (tn_value *[]){x, made->outputs[0], scale, bias},
                          4, y, error);
}
