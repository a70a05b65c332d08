/* SPDX-License-Identifier: Apache-2.0 */
#include "train/descent.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"

/* Elements of one task: 64 KiB of each vector, so that a slice of all four stays in a second-level
 * cache. Norms are sums over slices, so another size means other bits. */
enum { SLICE = 16384 };

typedef struct slice {
    tn_span span;
    int tensor; /* among the trained */
} slice;

/* Sums of squares of a slice. */
typedef struct squares {
    double gradients, weights;
} squares;

struct tn_descent {
    tn_descent_options options;
    const tn_optimizer_rule *rule;
    slice *slices;
    squares *squares; /* [n_slices] */
    int64_t n_slices;
    tn_trained *trained;
    tn_optimizer_step *steps; /* [n_trained], of the step at hand */
    int n_trained;
    tn_descent_vectors vectors; /* of the step at hand */
};

static int64_t slices_of(const tn_span *span) {
    return (span->end - span->begin + SLICE - 1) / SLICE;
}

static void cut(tn_descent *d) {
    slice *s = d->slices;
    for (int t = 0; t < d->n_trained; t++) {
        const tn_span *span = &d->trained[t].span;
        for (int64_t begin = span->begin; begin < span->end; begin += SLICE)
            *s++ = (slice){{begin, tn_min_i64(begin + SLICE, span->end)}, t};
    }
}

tn_status tn_descent_create(const tn_descent_options *options, const tn_trained *trained, int n,
                            tn_descent **descent, tn_error *error) {
    tn_descent *d = calloc(1, sizeof *d);
    if (!d) return tn_fail_memory(error);
    d->options = *options;
    d->rule = tn_optimizer_rule_of(options->kind);
    d->n_trained = n;
    for (int t = 0; t < n; t++) d->n_slices += slices_of(&trained[t].span);
    d->slices = calloc((size_t)d->n_slices + 1, sizeof *d->slices);
    d->squares = calloc((size_t)d->n_slices + 1, sizeof *d->squares);
    d->trained = calloc((size_t)n + 1, sizeof *d->trained);
    d->steps = calloc((size_t)n + 1, sizeof *d->steps);
    if (!d->slices || !d->squares || !d->trained || !d->steps) {
        tn_descent_free(d);
        return tn_fail_memory(error);
    }
    for (int t = 0; t < n; t++) d->trained[t] = trained[t];
    cut(d);
    *descent = d;
    return TN_OK;
}

void tn_descent_free(tn_descent *descent) {
    if (!descent) return;
    free(descent->slices);
    free(descent->squares);
    free(descent->trained);
    free(descent->steps);
    free(descent);
}

/* ---- Tasks -------------------------------------------------------------------------------- */

static void measure_slice(void *context, int64_t task, int thread) {
    (void)thread;
    tn_descent *d = context;
    const tn_span *span = &d->slices[task].span;
    int64_t n = span->end - span->begin;
    tn_sum_squares_fn *sum_squares = d->options.kernels->sum_squares;
    squares *s = &d->squares[task];
    s->gradients = sum_squares(n, d->vectors.gradients + span->begin);
    if (d->rule->per_tensor) s->weights = sum_squares(n, d->vectors.weights + span->begin);
}

typedef struct scaling {
    tn_descent *descent;
    real factor;
} scaling;

static void scale_slice(void *context, int64_t task, int thread) {
    (void)thread;
    const scaling *s = context;
    const tn_span *span = &s->descent->slices[task].span;
    real *g = s->descent->vectors.gradients + span->begin;
    s->descent->options.kernels->mul_scalar(span->end - span->begin, g, s->factor, g);
}

static void move_slice(void *context, int64_t task, int thread) {
    (void)thread;
    const tn_descent *d = context;
    const tn_span *span = &d->slices[task].span;
    const tn_descent_vectors *v = &d->vectors;
    real *states[TN_OPTIMIZER_MAX_STATES];
    for (int s = 0; s < TN_OPTIMIZER_MAX_STATES; s++)
        states[s] = v->states[s] ? v->states[s] + span->begin : NULL;
    d->rule->apply(d->options.kernels, &d->steps[d->slices[task].tensor], span->end - span->begin,
                   v->gradients + span->begin, v->weights + span->begin, states);
}

/* ---- A step ------------------------------------------------------------------------------- */

/* Returns the factor that the gradients have been scaled by, 1 for none. A norm that is not a
 * number scales nothing: the loss will tell. */
static double clip(tn_descent *d) {
    double total = 0;
    for (int64_t s = 0; s < d->n_slices; s++) total += d->squares[s].gradients;
    double factor = d->options.clip_norm / (sqrt(total) + 1e-6);
    if (!(factor < 1)) return 1;
    scaling all = {d, (real)factor};
    tn_parallel_for(d->options.pool, d->n_slices, scale_slice, &all);
    return factor;
}

/* The learning rate of each weight tensor under LARS; others have the common one. */
static double rate_of(const tn_descent *d, int tensor, int64_t first_slice, double decay, double lr,
                      double clipped) {
    if (!d->rule->per_tensor || !d->trained[tensor].is_weight) return lr;
    squares sum = {0};
    int64_t end = first_slice + slices_of(&d->trained[tensor].span);
    for (int64_t s = first_slice; s < end; s++) {
        sum.gradients += d->squares[s].gradients;
        sum.weights += d->squares[s].weights;
    }
    return lr * tn_lars_factor(sqrt(sum.weights), clipped * sqrt(sum.gradients), decay);
}

void tn_descent_step(tn_descent *d, int64_t step, double lr, const tn_descent_vectors *vectors) {
    const tn_descent_options *o = &d->options;
    double clipped = 1;
    d->vectors = *vectors;
    if (o->clip_norm > 0 || d->rule->per_tensor)
        tn_parallel_for(o->pool, d->n_slices, measure_slice, d);
    if (o->clip_norm > 0) clipped = clip(d);
    int64_t first_slice = 0;
    for (int t = 0; t < d->n_trained; t++) {
        bool decays = d->trained[t].is_weight || o->settings.decay_all;
        double decay = decays ? o->settings.weight_decay : 0;
        double rate = rate_of(d, t, first_slice, decay, lr, clipped);
        d->rule->begin(&o->settings, decay, step, rate, &d->steps[t]);
        first_slice += slices_of(&d->trained[t].span);
    }
    tn_parallel_for(o->pool, d->n_slices, move_slice, d);
}

/* ---- Sums and averages -------------------------------------------------------------------- */

typedef struct addition {
    tn_descent *descent;
    const real *further;
    real *gradients;
} addition;

static void add_slice(void *context, int64_t task, int thread) {
    (void)thread;
    const addition *a = context;
    const tn_span *span = &a->descent->slices[task].span;
    a->descent->options.kernels->add(span->end - span->begin, a->gradients + span->begin,
                                     a->further + span->begin, a->gradients + span->begin);
}

void tn_descent_accumulate(tn_descent *descent, const real *further, real *gradients) {
    addition sum = {descent, further, gradients};
    tn_parallel_for(descent->options.pool, descent->n_slices, add_slice, &sum);
}

typedef struct averaging {
    const tn_kernels *kernels;
    real rate;
    int64_t n;
    const real *weights;
    real *average;
} averaging;

static void average_slice(void *context, int64_t task, int thread) {
    (void)thread;
    const averaging *a = context;
    int64_t begin = task * SLICE;
    a->kernels->average(tn_min_i64(SLICE, a->n - begin), a->rate, a->weights + begin,
                        a->average + begin);
}

void tn_descent_average(tn_descent *descent, double decay, int64_t n, const real *weights,
                        real *average) {
    averaging all = {descent->options.kernels, (real)(1 - decay), n, weights, average};
    tn_parallel_for(descent->options.pool, (n + SLICE - 1) / SLICE, average_slice, &all);
}
