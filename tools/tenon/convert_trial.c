/* SPDX-License-Identifier: Apache-2.0 */
#include "convert_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "message.h"

const int64_t convert_batches[CONVERT_BATCHES] = {1, 64};

enum { MOST_RUNS = 51 };
static const double most_s = 0.5; /* for the runs of one batch */

/* A session with numbers to run on and room for what it gives. */
typedef struct side {
    tn_session *session;
    tn_tensor *inputs, *outputs;
    int n_inputs, n_outputs;
    double ms[MOST_RUNS];
} side;

static void side_free(side *s) {
    for (int i = 0; i < s->n_inputs && s->inputs; i++) free(s->inputs[i].data);
    for (int i = 0; i < s->n_outputs && s->outputs; i++) free(s->outputs[i].data);
    free(s->inputs);
    free(s->outputs);
    tn_session_free(s->session);
}

/* The same for each model: floats in 0..1, and integers 0, which are no index too large. */
static bool draw(tn_tensor *tensor, int64_t batch) {
    uint32_t state = 1;
    if (tensor->rank > 0 && tensor->dims[0] == 1) {
        tensor->dims[0] = batch;
        tensor->bytes *= (size_t)batch;
    }
    tensor->data = calloc(tensor->bytes + 1, 1);
    if (!tensor->data) return false;
    for (size_t i = 0; tensor->dtype == TN_FLOAT32 && i < tensor->bytes / sizeof(float); i++) {
        state = state * 1664525u + 1013904223u; /* Knuth's linear congruential generator */
        ((float *)tensor->data)[i] = (float)(state >> 8) / (1 << 24);
    }
    return true;
}

static tn_status prepare(const tn_model *model, tn_mode mode, int64_t batch, int n_threads, side *s,
                         tn_error *error) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_session_options options = TN_INIT(tn_session_options);
    options.mode = mode;
    options.max_batch = batch;
    options.n_threads = n_threads;
    tn_model_describe(model, &info);
    s->n_inputs = info.n_inputs;
    s->n_outputs = info.n_outputs;
    s->inputs = calloc((size_t)info.n_inputs + 1, sizeof *s->inputs);
    s->outputs = calloc((size_t)info.n_outputs + 1, sizeof *s->outputs);
    tn_status status = tn_session_create(model, &options, &s->session, error);
    bool room = s->inputs && s->outputs;
    for (int i = 0; i < info.n_inputs && status == TN_OK && room; i++) {
        tn_model_describe_input(model, i, &s->inputs[i]);
        room = draw(&s->inputs[i], batch);
    }
    for (int i = 0; i < info.n_outputs && status == TN_OK && room; i++) {
        status = tn_session_output(s->session, i, batch, &s->outputs[i], error);
        if (status == TN_OK)
            room = (s->outputs[i].data = calloc(s->outputs[i].bytes + 1, 1)) != NULL;
    }
    if (status == TN_OK && !room) {
        strcpy(error->message, "out of memory");
        status = TN_ERR_MEMORY;
    }
    return status;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static tn_status run(side *s, double *ms, tn_error *error) {
    double start = now_s();
    tn_status status =
        tn_session_run(s->session, s->inputs, s->n_inputs, s->outputs, s->n_outputs, error);
    *ms = 1e3 * (now_s() - start);
    return status;
}

static int ascending(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *numbers, int n) {
    qsort(numbers, (size_t)n, sizeof *numbers, ascending);
    return n % 2 ? numbers[n / 2] : (numbers[n / 2 - 1] + numbers[n / 2]) / 2;
}

/* Turn by turn, after one turn for packing weights and waking threads. */
static tn_status race(side *sides, double *before_ms, double *after_ms, tn_error *error) {
    double first, start = 0;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        tn_status status = run(&sides[i], &first, error);
        if (status != TN_OK) return status;
    }
    for (start = now_s(); n == 0 || (n < MOST_RUNS && now_s() - start < most_s); n++)
        for (int i = 0; i < 2; i++) {
            tn_status status = run(&sides[i], &sides[i].ms[n], error);
            if (status != TN_OK) return status;
        }
    *before_ms = median(sides[0].ms, n);
    *after_ms = median(sides[1].ms, n);
    return TN_OK;
}

/* Of one output; what is no number in both is equal. */
static double difference(const tn_tensor *a, const tn_tensor *b) {
    const float *x = a->data, *y = b->data;
    double most = 0, largest = 1e-30;
    if (a->dtype != TN_FLOAT32) return memcmp(a->data, b->data, a->bytes) == 0 ? 0 : 1;
    for (size_t i = 0; i < a->bytes / sizeof(float); i++) {
        if (isnan(x[i]) && isnan(y[i])) continue;
        double d = x[i] == y[i] ? 0 : fabs((double)x[i] - (double)y[i]);
        most = isnan(d) || d > most ? d : most;
        if (fabs((double)x[i]) > largest) largest = fabs((double)x[i]);
    }
    return most / largest;
}

/* false if both cannot run so large a batch, which is no failure for more than one. */
static bool try_batch(const tn_model *before, const tn_model *after, int n_threads, int b,
                      convert_trial *trial) {
    side sides[2] = {{0}, {0}};
    tn_error error = {""};
    int64_t batch = convert_batches[b];
    tn_status status = prepare(before, TN_MODE_REFERENCE, batch, n_threads, &sides[0], &error);
    if (status == TN_OK) status = prepare(after, TN_MODE_FP32, batch, n_threads, &sides[1], &error);
    if (status == TN_OK) status = race(sides, &trial->before_ms[b], &trial->after_ms[b], &error);
    for (int i = 0; i < sides[0].n_outputs && status == TN_OK; i++) {
        double d = difference(&sides[0].outputs[i], &sides[1].outputs[i]);
        if (!(d <= trial->difference)) trial->difference = d;
    }
    for (int i = 0; i < 2; i++) side_free(&sides[i]);
    if (status != TN_OK && batch == 1) fail_error(&error);
    return status == TN_OK || batch > 1;
}

bool convert_try(const tn_model *before, const tn_model *after, int n_threads,
                 convert_trial *trial) {
    *trial = (convert_trial){.difference = 0};
    for (int b = 0; b < CONVERT_BATCHES; b++) {
        trial->before_ms[b] = trial->after_ms[b] = NAN;
        if (!try_batch(before, after, n_threads, b, trial)) return false;
    }
    return true;
}
