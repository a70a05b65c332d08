/* SPDX-License-Identifier: Apache-2.0 */
/* batch_norm.c: y = (x - mean) / √(variance + epsilon) · scale + bias for each channel (Ioffe and
 * Szegedy 2015). ONNX BatchNormalization. By itself it takes the running statistics; in a training
 * graph those of the batch stand in (batch_norm_train.c). */
#include "ops/batch_norm.h"

#include <math.h>

#include "base/size.h"
#include "ops/elementwise.h"
#include "ops/lanes.h"

static const tn_attr attrs[] = {
    {"epsilon", TN_ATTR_FLOAT, offsetof(tn_batch_norm_attrs, epsilon), false, 1e-5f, NULL},
    {"momentum", TN_ATTR_FLOAT, offsetof(tn_batch_norm_attrs, momentum), false, 0.9f, NULL},
    {"training_mode", TN_ATTR_INT, offsetof(tn_batch_norm_attrs, training_mode), false, 0, NULL},
    {0}};

enum { X, SCALE, BIAS, MEAN, VARIANCE, N_INPUTS, N_MOVED = 2 };

/* ---- What both halves share ------------------------------------------------------------------ */

tn_norm_form tn_norm_form_of(const tn_shape *x, int64_t stored_channels) {
    tn_norm_form f = {.channels = x->dims[1], .blocks = 1, .rows = 1, .width = x->dims[1]};
    for (int i = 2; i < x->rank; i++) f.rows *= x->dims[i];
    if (f.rows == 1 || stored_channels == f.channels) return f;
    f.blocks = f.channels;
    f.width = 1;
    return f;
}

tn_norm_form tn_norm_form_of_run(const tn_run *run, int x) {
    const tn_value *v = run->node->inputs[x];
    tn_norm_form f = tn_norm_form_of(&v->shape, run->in_channels[x]);
    int64_t rows = tn_max_i64(1, tn_image_rows(run->node, v));
    f.rows = f.rows / rows * (run->in_rows[x].end - run->in_rows[x].begin);
    return f;
}

int64_t tn_norm_group_begin(int64_t batch, int64_t n_groups, int64_t g) {
    return (g * batch + n_groups - 1) / n_groups;
}

tn_status tn_norm_check(const tn_node *node, int first, int n, tn_error *error) {
    const tn_shape *x = &node->inputs[0]->shape;
    char text[TN_SHAPE_TEXT];
    if (node->inputs[0]->dtype != TN_FLOAT32 || x->rank < 2)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "input must be float32 [samples][channels]...");
    for (int i = first; i < first + n; i++) {
        const tn_value *v = node->inputs[i];
        if (v->shape.batched)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" depends on the batch", v->name);
        if (v->dtype != TN_FLOAT32 || v->shape.rank != 1 || v->shape.dims[0] != x->dims[1])
            return tn_fail(error, TN_ERR_FORMAT,
                           "input \"%s\" has shape %s, but there are %lld channels", v->name,
                           tn_shape_text(&v->shape, text), (long long)x->dims[1]);
    }
    return TN_OK;
}

/* ---- Coefficients of fixed statistics -------------------------------------------------------- */

static void make_coefficients(int64_t n, double epsilon, const void *const in[4],
                              real *coefficients) {
    const real *scale = in[0], *bias = in[1], *mean = in[2], *variance = in[3];
    for (int64_t k = 0; k < n; k++) {
        double inverse = 1 / sqrt((double)variance[k] + epsilon);
        coefficients[TN_NORM_MEAN * n + k] = mean[k];
        coefficients[TN_NORM_INVERSE * n + k] = (real)inverse;
        coefficients[TN_NORM_FACTOR * n + k] = (real)((double)scale[k] * inverse);
        coefficients[TN_NORM_BIAS * n + k] = bias[k];
    }
}

/* For the gradient: inputs scale, bias, mean, variance. */
static tn_status infer_coefficients(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->shape =
        (tn_shape){.rank = 3, .dims = {1, TN_NORM_ROWS, node->inputs[0]->shape.dims[0]}};
    return TN_OK;
}

static void run_coefficients(const tn_run *run) {
    const tn_batch_norm_attrs *a = run->node->attrs;
    make_coefficients(run->node->inputs[0]->shape.dims[0], a->epsilon, run->in, run->out[0]);
}

static const tn_implementation fixed_coefficients = {.name = "any", .run = run_coefficients};
static const tn_implementation *const fixed_implementations[] = {&fixed_coefficients, NULL};

static const tn_op batch_norm_fixed = {.name = "BatchNormFixed",
                                       .attrs_bytes = sizeof(tn_batch_norm_attrs),
                                       .min_inputs = 4,
                                       .max_inputs = 4,
                                       .n_outputs = 1,
                                       .layout = TN_LAYOUT_PLAIN,
                                       .infer_shape = infer_coefficients,
                                       .implementations = fixed_implementations};

/* ---- The operator ---------------------------------------------------------------------------- */

/* With training_mode, of a model that runs as a whole, what the statistics move to are outputs. */
static tn_status add_moved(tn_graph *graph, tn_node *node, tn_error *error) {
    if (node->inputs[X]->shape.batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "training_mode is 1, which mixes samples of the batch (export the model for "
                       "inference: training turns it on by itself)");
    for (int i = node->n_outputs; i <= N_MOVED; i++) {
        tn_value *moved;
        TN_TRY(tn_graph_add_output(graph, node, TN_FLOAT32, &node->inputs[MEAN + i - 1]->shape,
                                   &moved, error));
    }
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_batch_norm_attrs *a = node->attrs;
    if (!(a->epsilon >= 0 && a->momentum >= 0 && a->momentum <= 1))
        return tn_fail(error, TN_ERR_FORMAT, "epsilon %g and momentum %g", a->epsilon, a->momentum);
    TN_TRY(tn_norm_check(node, SCALE, N_INPUTS - 1, error));
    if (a->training_mode != 0) TN_TRY(add_moved(graph, node, error));
    return tn_infer_same(graph, node, error);
}

/* In lanes a group is like one sample, its lanes being further rows of each channel. */
static tn_norm_form form_in_lanes(const tn_shape *x) {
    tn_norm_form f = tn_norm_form_of(x, 1);
    return (tn_norm_form){f.channels, f.channels, f.rows * TN_LANES, 1};
}

static void normalise(const tn_run *run, const real *coefficients) {
    const tn_value *value = run->node->inputs[X];
    tn_norm_form f = value->lanes ? form_in_lanes(&value->shape) : tn_norm_form_of_run(run, X);
    int64_t samples = value->lanes           ? tn_run_groups(run)
                      : value->shape.batched ? run->n
                                             : value->shape.dims[0];
    const tn_node *node = run->node;
    const real *x = run->in[X], *more = node->more ? run->in[node->more] : NULL;
    real *y = run->out[0];
    bool relu = tn_is_relu(&node->activation);
    int64_t block = f.rows * f.width;
    for (int64_t i = 0; i < samples * f.blocks; i++, x += block, y += block) {
        const real *c = coefficients + i % f.blocks;
        run->kernels->affine(f.rows, f.width, x, c + TN_NORM_MEAN * f.channels,
                             c + TN_NORM_FACTOR * f.channels, c + TN_NORM_BIAS * f.channels, more,
                             relu ? 0 : -(real)INFINITY, y);
        if (!relu && node->activation.kind != TN_ACTIVATION_NONE)
            run->kernels->activate(&node->activation, block, y, NULL, y);
        if (more) more += block;
    }
}

static int64_t coefficient_bytes(const tn_node *node) {
    return TN_NORM_ROWS * node->inputs[X]->shape.dims[1] * (int64_t)sizeof(real);
}

static bool is_stored(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    for (int i = SCALE; i < N_INPUTS; i++)
        if (node->inputs[i]->kind != TN_VALUE_PARAMETER &&
            node->inputs[i]->kind != TN_VALUE_CONSTANT)
            return false;
    return true;
}

static int64_t packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return coefficient_bytes(node);
}

static void pack(const tn_run *run, void *packed) {
    const tn_batch_norm_attrs *a = run->node->attrs;
    make_coefficients(run->node->inputs[X]->shape.dims[1], a->epsilon, run->in + SCALE, packed);
}

static void run_packed(const tn_run *run) { normalise(run, run->packed); }

static int64_t workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    return coefficient_bytes(node);
}

static void run_any(const tn_run *run) {
    pack(run, run->workspace);
    normalise(run, run->workspace);
}

/* ---- The batch's own statistics, of a whole value stored plain ------------------------------- */

static bool in_training_mode(const tn_node *node, const tn_kernels *kernels) {
    const tn_batch_norm_attrs *a = node->attrs;
    (void)kernels;
    return a->training_mode != 0;
}

/* Mean and variance of channel k of x [samples][channels][rows]. */
static void channel_moments(const tn_shape *shape, int64_t rows, const real *x, int64_t k,
                            double *mean, double *variance) {
    double sum = 0, squares = 0, count = (double)(shape->dims[0] * rows);
    for (int64_t i = 0; i < shape->dims[0]; i++)
        for (int64_t j = 0; j < rows; j++) sum += (double)x[(i * shape->dims[1] + k) * rows + j];
    *mean = sum / count;
    for (int64_t i = 0; i < shape->dims[0]; i++)
        for (int64_t j = 0; j < rows; j++) {
            double d = (double)x[(i * shape->dims[1] + k) * rows + j] - *mean;
            squares += d * d;
        }
    *variance = squares / count;
}

static void run_training_mode(const tn_run *run) {
    const tn_batch_norm_attrs *a = run->node->attrs;
    const tn_shape *shape = &run->node->inputs[X]->shape;
    int64_t n = shape->dims[1];
    real *mean = run->out[1], *variance = run->out[2], *coefficients = run->workspace;
    tn_norm_form f = tn_norm_form_of(shape, 1);
    const void *in[] = {run->in[SCALE], run->in[BIAS], mean, variance};
    for (int64_t k = 0; k < n; k++) {
        double m, v;
        channel_moments(shape, f.rows, run->in[X], k, &m, &v);
        mean[k] = (real)m;
        variance[k] = (real)v;
    }
    make_coefficients(n, a->epsilon, in, coefficients);
    normalise(run, coefficients);
    for (int64_t k = 0; k < n; k++) {
        const real *old_mean = run->in[MEAN], *old_variance = run->in[VARIANCE];
        real momentum = (real)a->momentum;
        mean[k] = momentum * old_mean[k] + (1 - momentum) * mean[k];
        variance[k] = momentum * old_variance[k] + (1 - momentum) * variance[k];
    }
}

static const tn_implementation training_mode = {.name = "training mode",
                                                .applies = in_training_mode,
                                                .workspace_bytes = workspace_bytes,
                                                .run = run_training_mode};
static const tn_implementation stored = {.name = "stored",
                                         .stored = TN_STORED_ANYHOW,
                                         .applies = is_stored,
                                         .packed_bytes = packed_bytes,
                                         .pack = pack,
                                         .rows_in = tn_rows_same,
                                         .run = run_packed};
static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .workspace_bytes = workspace_bytes, .run = run_any};
static const tn_implementation *const implementations[] = {&training_mode, &stored, &any, NULL};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *coefficients;
    if (!node->inputs[X]->shape.batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "no gradient without a batch");
    if (tn_gradient_wanted(graph, node->inputs[MEAN]) ||
        tn_gradient_wanted(graph, node->inputs[VARIANCE]))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "its statistics have no gradient");
    TN_TRY(tn_graph_apply(graph, &batch_norm_fixed, node->attrs, node->inputs + SCALE, 4,
                          &coefficients, error));
    return tn_norm_differentiate(graph, node, coefficients, node->inputs[SCALE], node->inputs[BIAS],
                                 true, error);
}

/* Normalisation whose parameters stay as they are must go on computing what it does. */
static bool is_frozen(tn_value *const *inputs) {
    return inputs[MEAN]->frozen || inputs[VARIANCE]->frozen ||
           (inputs[SCALE]->frozen && inputs[BIAS]->frozen);
}

/* Statistics that training cannot move, or is not to, stay as they are. */
static tn_status train(tn_graph *graph, const tn_node *node, tn_value *const *inputs, int n_groups,
                       tn_value **outputs, tn_error *error) {
    bool moves = inputs[MEAN]->statistic && inputs[VARIANCE]->statistic && !is_frozen(inputs);
    if (moves && inputs[X]->shape.batched)
        return tn_norm_by_batch(graph, node->attrs, n_groups, inputs, outputs, error);
    return tn_graph_apply(graph, node->op, node->attrs, inputs, N_INPUTS, outputs, error);
}

static int onnx_outputs(const tn_node *node) { return node->n_outputs; }

const tn_op tn_op_batch_norm = {.name = "BatchNormalization",
                                .onnx_type = "BatchNormalization",
                                .attrs = attrs,
                                .attrs_bytes = sizeof(tn_batch_norm_attrs),
                                .min_inputs = N_INPUTS,
                                .max_inputs = N_INPUTS,
                                .n_outputs = 1,
                                .onnx_outputs = onnx_outputs,
                                .layout = TN_LAYOUT_IMAGE,
                                .in_place = true,
                                .ends = true,
                                .statistics = 1u << MEAN | 1u << VARIANCE,
                                .infer_shape = infer_shape,
                                .differentiate = differentiate,
                                .train = train,
                                .implementations = implementations};
