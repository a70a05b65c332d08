/* SPDX-License-Identifier: Apache-2.0 */
/* bench-infer: runs a model on one batch again and again, a turn for each line of standard input
 * that holds a number of seconds; prints a line of JSON for each, and one with the first scores
 * when it is ready. For bench/peers/infer.py, which runs other programs in turn. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenon/tenon.h"

enum { MAX_REQUESTERS = 256, MAX_CALLS = 1 << 20, WARM_CALLS = 5, SHOWN_SCORES = 10 };

/* One who asks for an answer, waits for it, and asks again. */
typedef struct requester {
    tn_session *session;
    const tn_tensor *input;
    tn_tensor output;
    double seconds;   /* of this turn */
    int64_t n;        /* answers in it */
    double *times_us; /* [MAX_CALLS] of each */
} requester;

typedef struct job {
    tn_model *model;
    tn_tensor input;
    requester requesters[MAX_REQUESTERS];
    int n_requesters;
    double *sorted; /* [MAX_CALLS * n_requesters] */
} job;

static void die(const char *why) {
    fprintf(stderr, "bench-infer: %s\n", why);
    exit(EXIT_FAILURE);
}

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void ask(requester *r) {
    tn_error error = {""};
    if (tn_session_run(r->session, r->input, 1, &r->output, 1, &error) != TN_OK) die(error.message);
}

static void *ask_for_a_turn(void *context) {
    requester *r = context;
    for (int i = 0; i < WARM_CALLS; i++) ask(r);
    double begin = now_us(), end = begin + 1e6 * r->seconds, before = begin;
    for (r->n = 0; r->n < MAX_CALLS && before < end; r->n++) {
        ask(r);
        double after = now_us();
        r->times_us[r->n] = after - before;
        before = after;
    }
    r->seconds = 1e-6 * (before - begin);
    return NULL;
}

/* A latency hint is one requester with all threads, a throughput hint one thread each. */
static void prepare(job *j, int n_threads, bool throughput) {
    j->n_requesters = throughput ? n_threads : 1;
    for (int i = 0; i < j->n_requesters; i++) {
        tn_error error = {""};
        requester *r = &j->requesters[i];
        tn_session_options options = TN_INIT(tn_session_options);
        options.n_threads = throughput ? 1 : n_threads;
        options.max_batch = j->input.dims[0];
        r->input = &j->input;
        if (tn_session_create(j->model, &options, &r->session, &error) != TN_OK ||
            tn_session_output(r->session, 0, j->input.dims[0], &r->output, &error) != TN_OK)
            die(error.message);
        r->output.data = malloc(r->output.bytes);
        r->times_us = malloc(MAX_CALLS * sizeof *r->times_us);
        if (!r->output.data || !r->times_us) die("out of memory");
        ask(r);
    }
    j->sorted = malloc((size_t)j->n_requesters * MAX_CALLS * sizeof *j->sorted);
    if (!j->sorted) die("out of memory");
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void turn(job *j, double seconds) {
    pthread_t threads[MAX_REQUESTERS];
    size_t n = 0;
    double rate = 0;
    for (int i = 0; i < j->n_requesters; i++) j->requesters[i].seconds = seconds;
    for (int i = 1; i < j->n_requesters; i++)
        if (pthread_create(&threads[i], NULL, ask_for_a_turn, &j->requesters[i]) != 0)
            die("cannot start a thread");
    ask_for_a_turn(&j->requesters[0]);
    for (int i = 1; i < j->n_requesters; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < j->n_requesters; i++) {
        const requester *r = &j->requesters[i];
        memcpy(j->sorted + n, r->times_us, (size_t)r->n * sizeof *r->times_us);
        n += (size_t)r->n;
        rate += (double)(r->n * j->input.dims[0]) / r->seconds;
    }
    qsort(j->sorted, n, sizeof *j->sorted, by_size);
    printf("{\"images_per_s\": %.1f, \"latency_us_p50\": %.2f, \"latency_us_p99\": %.2f}\n", rate,
           j->sorted[n / 2], j->sorted[n - 1 - n / 100]);
    fflush(stdout);
}

static void print_scores(const tn_tensor *output) {
    size_t n = output->bytes / sizeof(float);
    const float *scores = output->data;
    printf("{\"scores\": [");
    for (size_t i = 0; i < n && i < SHOWN_SCORES; i++)
        printf("%s%.9g", i ? ", " : "", (double)scores[i]);
    printf("]}\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    static job j;
    tn_error error = {""};
    char line[64];
    int n_threads = argc == 5 ? atoi(argv[3]) : 0;
    bool throughput = argc == 5 && strcmp(argv[4], "throughput") == 0;
    if (n_threads < 1 || n_threads > MAX_REQUESTERS ||
        (!throughput && strcmp(argv[4], "latency") != 0)) {
        fputs("usage: bench-infer MODEL.onnx INPUT.npy THREADS latency|throughput\n", stderr);
        return 2;
    }
    if (tn_model_load(argv[1], &j.model, &error) != TN_OK ||
        tn_tensor_load(argv[2], &j.input, &error) != TN_OK)
        die(error.message);
    prepare(&j, n_threads, throughput);
    print_scores(&j.requesters[0].output);
    while (fgets(line, sizeof line, stdin)) turn(&j, atof(line));
    for (int i = 0; i < j.n_requesters; i++) {
        tn_session_free(j.requesters[i].session);
        free(j.requesters[i].output.data);
        free(j.requesters[i].times_us);
    }
    free(j.sorted);
    tn_tensor_free(&j.input);
    tn_model_free(j.model);
    return EXIT_SUCCESS;
}
