/* SPDX-License-Identifier: Apache-2.0 */
/* bench_speed.c: tenon bench without --tune: how fast a model is run, in each mode, by one request
 * at a time on all threads (latency) and by one request on each (throughput). */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "json.h"
#include "latency.h"
#include "message.h"
#include "model.h"
#include "text.h"

enum { MODES = 2, ROUNDS = 5, MOST_REQUESTS = 1024 };

static const tn_mode modes[MODES] = {TN_MODE_REFERENCE, TN_MODE_FP32};

const char *const bench_hint_names[] = {"latency", "throughput", NULL};

/* What is run: images if the model classifies such, else the model's own tensors. */
typedef struct input {
    bool images;
    int64_t batch;
    const uint8_t *pixels; /* n_batches batches */
    uint8_t *noise;        /* those pixels, if they are nobody else's */
    int64_t n_batches, batch_bytes, n_scores;
    tn_tensor *tensors; /* [n_tensors], for a batch */
    int n_tensors;
} input;

/* One session with a thread that runs it. */
typedef struct requester {
    const input *in;
    tn_session *session;
    float *scores;
    double seconds; /* to go on for */
    latencies times;
    double took; /* until the end of the last run */
    int64_t next;
    tn_status status;
    tn_error error;
} requester;

/* A mode and a hint. */
typedef struct trial {
    tn_mode mode;
    int hint; /* an index of bench_hint_names */
    int n_requesters;
    requester *requesters;
    latencies times;
    double rates[ROUNDS]; /* images/s */
    percentiles latency;
    double images_per_s, least, most;
} trial;

/* ---- Input ----------------------------------------------------------------------------------- */

/* The same in every run of the program; good enough to keep anything from being constant. */
static uint8_t noise_at(uint64_t i) {
    return (uint8_t)((i * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407)) >> 56);
}

static bool take_images(const bench *job, const tn_model_info *m, input *in) {
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    in->batch_bytes = in->batch * m->channels * m->height * m->width;
    in->n_scores = in->batch * m->n_classes;
    if (job->data) {
        tn_dataset_describe(job->data, &data);
        if (data.channels != m->channels || data.height != m->height || data.width != m->width)
            return fail("cannot run %s on %s: it takes images of %" PRId64 "x%" PRId64
                        " with %" PRId64 " channels",
                        job->model_name, job->data_name, m->height, m->width,
                        m->channels) == EXIT_DONE;
        in->n_batches = data.n / in->batch;
        in->pixels = tn_dataset_images(job->data);
        return in->n_batches > 0 || fail("%s has fewer images than a batch of %" PRId64,
                                         job->data_name, in->batch) == EXIT_DONE;
    }
    in->n_batches = 1;
    in->pixels = in->noise = malloc((size_t)in->batch_bytes + 1);
    for (int64_t i = 0; i < in->batch_bytes && in->noise; i++) in->noise[i] = noise_at((uint64_t)i);
    return in->noise || fail("out of memory") == EXIT_DONE;
}

static bool take_tensors(const bench *job, const tn_model_info *m, input *in) {
    in->tensors = calloc((size_t)m->n_inputs + 1, sizeof *in->tensors);
    for (int i = 0; i < m->n_inputs && in->tensors; i++) {
        tn_tensor *t = &in->tensors[in->n_tensors++];
        tn_model_describe_input(job->model, i, t);
        if (t->rank > 0 && t->dims[0] == 1) {
            t->dims[0] = in->batch;
            t->bytes *= (size_t)in->batch;
        }
        t->data = calloc(1, t->bytes + 1);
        float *numbers = t->data;
        if (!numbers) return fail("out of memory") == EXIT_DONE;
        for (size_t k = 0; t->dtype == TN_FLOAT32 && k < t->bytes / sizeof *numbers; k++)
            numbers[k] = (float)noise_at(k) / 255;
    }
    return in->tensors || fail("out of memory") == EXIT_DONE;
}

static void input_free(input *in) {
    free(in->noise);
    for (int i = 0; i < in->n_tensors; i++) free(in->tensors[i].data);
    free(in->tensors);
}

/* ---- Running --------------------------------------------------------------------------------- */

static tn_status run_once(requester *r) {
    const input *in = r->in;
    if (!in->images)
        return tn_session_run(r->session, in->tensors, in->n_tensors, NULL, 0, &r->error);
    const uint8_t *pixels = in->pixels + r->next++ % in->n_batches * in->batch_bytes;
    return tn_session_classify(r->session, pixels, in->batch, r->scores, &r->error);
}

static void *run_on(void *user) {
    requester *r = user;
    double begin = clock_seconds(), before = begin;
    do {
        r->status = run_once(r);
        double now = clock_seconds();
        if (r->status == TN_OK && !latencies_add(&r->times, now - before)) {
            snprintf(r->error.message, sizeof r->error.message, "out of memory");
            r->status = TN_ERR_MEMORY;
        }
        before = now;
    } while (r->status == TN_OK && before - begin < r->seconds);
    r->took = before - begin;
    return NULL;
}

/* All at once; the calling thread is the first. */
static tn_status run_round(trial *t, double seconds, double *images_per_s, tn_error *error) {
    pthread_t threads[MOST_REQUESTS];
    int n_started = 1;
    *images_per_s = 0;
    for (int i = 0; i < t->n_requesters; i++) t->requesters[i].seconds = seconds;
    while (n_started < t->n_requesters &&
           pthread_create(&threads[n_started], NULL, run_on, &t->requesters[n_started]) == 0)
        n_started++;
    run_on(&t->requesters[0]);
    for (int i = 1; i < n_started; i++) pthread_join(threads[i], NULL);
    if (n_started < t->n_requesters) {
        snprintf(error->message, sizeof error->message, "cannot start thread %d of %d",
                 n_started + 1, t->n_requesters);
        return TN_ERR_IO;
    }
    for (int i = 0; i < t->n_requesters; i++) {
        requester *r = &t->requesters[i];
        *error = r->error;
        if (r->status != TN_OK) return r->status;
        *images_per_s += (double)(r->times.n * r->in->batch) / r->took;
        if (!latencies_add_all(&t->times, &r->times)) {
            snprintf(error->message, sizeof error->message, "out of memory");
            return TN_ERR_MEMORY;
        }
        r->times.n = 0;
    }
    return TN_OK;
}

static tn_status open_requester(const bench *job, const trial *t, requester *r, tn_error *error) {
    tn_session_options options = TN_INIT(tn_session_options);
    options.mode = t->mode;
    options.max_batch = r->in->batch;
    options.n_threads = bench_hint_names[t->hint][0] == 'l' ? (int)job->n_threads : 1;
    options.images_only = r->in->images;
    r->scores = malloc((size_t)r->in->n_scores * sizeof *r->scores + 1);
    if (!r->scores) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return TN_ERR_MEMORY;
    }
    return r == t->requesters ? tn_session_create(job->model, &options, &r->session, error)
                              : tn_session_clone(t->requesters[0].session, &r->session, error);
}

static tn_status trial_open(const bench *job, const input *in, trial *t, tn_error *error) {
    t->requesters = calloc((size_t)t->n_requesters, sizeof *t->requesters);
    if (!t->requesters) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return TN_ERR_MEMORY;
    }
    for (int i = 0; i < t->n_requesters; i++) {
        t->requesters[i].in = in;
        tn_status status = open_requester(job, t, &t->requesters[i], error);
        if (status != TN_OK) return status;
    }
    return TN_OK;
}

static void trial_free(trial *t) {
    for (int i = 0; i < t->n_requesters && t->requesters; i++) {
        tn_session_free(t->requesters[i].session);
        free(t->requesters[i].scores);
        free(t->requesters[i].times.items);
    }
    free(t->requesters);
    free(t->times.items);
}

static int less_first(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void conclude(trial *t) {
    qsort(t->rates, ROUNDS, sizeof *t->rates, less_first);
    t->least = t->rates[0];
    t->images_per_s = t->rates[ROUNDS / 2];
    t->most = t->rates[ROUNDS - 1];
    t->latency = latencies_percentiles(&t->times);
}

/* Trials take turns, so that what disturbs the machine meets all of them. */
static tn_status run_all(trial *trials, int n, double seconds, tn_error *error) {
    double each = seconds / (n * (ROUNDS + 0.5)), unused;
    tn_status status = TN_OK;
    for (int i = 0; i < n && status == TN_OK; i++) {
        status = run_round(&trials[i], each / 2, &unused, error); /* warms up */
        trials[i].times.n = 0;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < n && status == TN_OK; i++)
            status = run_round(&trials[i], each, &trials[i].rates[round], error);
    for (int i = 0; i < n && status == TN_OK; i++) conclude(&trials[i]);
    return status;
}

/* ---- Reports --------------------------------------------------------------------------------- */

static double gflops(const tn_model_info *m, const trial *t) {
    return 2e-9 * (double)m->macs * t->images_per_s;
}

static void print(const bench *job, const input *in, const tn_model_info *m, const trial *trials,
                  int n, double peak) {
    char rate[TEXT_NUMBER], name[512];
    say(job->out, "%s, batches of %" PRId64 ", %d threads, %s kernels\n\n",
        text_clean(name, sizeof name, job->model_name), in->batch, (int)job->n_threads,
        job->cpu.level);
    say(job->out, "%-11s %-10s %9s %9s %9s %12s %9s %6s\n", "hint", "mode", "p50 us", "p90 us",
        "p99 us", "images/s", "GFLOP/s", "peak");
    for (int i = 0; i < n; i++) {
        const trial *t = &trials[i];
        say(job->out, "%-11s %-10s %9.1f %9.1f %9.1f %12s %9.1f %4.0f %%\n",
            bench_hint_names[t->hint], model_mode_name(t->mode), t->latency.p50_us,
            t->latency.p90_us, t->latency.p99_us, text_count(rate, (int64_t)t->images_per_s),
            gflops(m, t), 100 * gflops(m, t) / peak);
    }
    say(job->out,
        "\nlatency: one request at a time on all threads; throughput: one on each. Images/s are "
        "the\n"
        "median of %d turns; GFLOP/s count the products of direct convolution, so that algorithms\n"
        "with fewer may go beyond the peak of multiplying and adding, measured beside it: %.0f.\n",
        ROUNDS, peak);
}

static json_t *trial_json(const tn_model_info *m, const trial *t, double peak) {
    json_t *o = json_object();
    json_put_text(o, "hint", bench_hint_names[t->hint]);
    json_put_text(o, "mode", model_mode_name(t->mode));
    json_put_integer(o, "sessions", t->n_requesters);
    percentiles_put_json(&t->latency, o);
    json_put_integer(o, "runs", t->times.n);
    json_put_real(o, "images_per_s", t->images_per_s);
    json_put_real(o, "images_per_s_least", t->least);
    json_put_real(o, "images_per_s_most", t->most);
    json_put_real(o, "gflops", gflops(m, t));
    json_put_real(o, "share_of_peak", gflops(m, t) / peak);
    return o;
}

static int write_json(const bench *job, const input *in, const tn_model_info *m,
                      const trial *trials, int n, double peak) {
    json_t *o = json_object(), *list = json_array();
    json_put_model(o, job->model_name, job->model);
    json_put_text(o, "data", job->data_name);
    json_put_text(o, "level", job->cpu.level);
    json_put_integer(o, "batch_size", in->batch);
    json_put_integer(o, "threads", job->n_threads);
    json_put_integer(o, "macs", m->macs);
    json_put_real(o, "peak_gflops", peak);
    for (int i = 0; i < n; i++) json_array_append_new(list, trial_json(m, &trials[i], peak));
    json_object_set_new(o, "trials", list);
    return json_write(o, job->json);
}

/* ---- All of it ------------------------------------------------------------------------------- */

/* Of the threads in use; other programs may be in the way, before or after. */
static tn_status measure_peak(const bench *job, double *peak, tn_error *error) {
    tn_cpu_speed speed = TN_INIT(tn_cpu_speed);
    tn_status status = tn_cpu_measure(true, &speed, error);
    double here = job->n_threads == 1 ? speed.peak_gflops_one
                                      : speed.peak_gflops_all; /* of the core budget */
    if (status == TN_OK && here > *peak) *peak = here;
    return status;
}

static int choose_trials(const bench *job, trial *trials) {
    int n = 0;
    for (int hint = 0; bench_hint_names[hint]; hint++)
        for (int m = 0; m < MODES; m++)
            if (job->hint < 0 || job->hint == hint)
                trials[n++] = (trial){.mode = modes[m],
                                      .hint = hint,
                                      .n_requesters = hint == 0 ? 1 : (int)job->n_threads};
    return n;
}

int bench_speed(bench *job) {
    tn_error error = {""};
    tn_model_info m = TN_INIT(tn_model_info);
    trial trials[2 * MODES];
    double peak = 0, seconds = job->seconds > 0 ? job->seconds : 10;
    if (job->n_threads == 0) job->n_threads = job->cpu.n_threads;
    tn_model_describe(job->model, &m);
    input in = {.images = m.height > 0 && m.n_classes > 0 && m.n_inputs == 1,
                .batch = job->batch_size ? job->batch_size : 1};
    int n = choose_trials(job, trials), code = EXIT_FAILED;
    bool taken = in.images ? take_images(job, &m, &in) : take_tensors(job, &m, &in);
    tn_status status = taken ? measure_peak(job, &peak, &error) : TN_OK;
    for (int i = 0; i < n && taken && status == TN_OK; i++)
        status = trial_open(job, &in, &trials[i], &error);
    if (taken && status == TN_OK) status = run_all(trials, n, seconds, &error);
    if (taken && status == TN_OK) status = measure_peak(job, &peak, &error);
    if (taken && status != TN_OK) fail_error(&error);
    if (taken && status == TN_OK) {
        print(job, &in, &m, trials, n, peak);
        code = job->json ? write_json(job, &in, &m, trials, n, peak) : EXIT_DONE;
    }
    for (int i = 0; i < n; i++) trial_free(&trials[i]);
    input_free(&in);
    return code;
}
