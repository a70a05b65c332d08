/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c: inference through the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>
#include <math.h>
#include <pthread.h>

#include "onnx_builder.h"
#include "sanitized.h"
#include "tenon/tenon.h"

static tn_error error;

static tn_model *lenet(void) {
    tn_model *model;
    assert_int_equal(tn_model_build("lenet", NULL, &model, &error), TN_OK);
    return model;
}

static tn_session *session_of(const tn_model *model, int n_threads, int64_t max_batch) {
    tn_session_options options = TN_INIT(tn_session_options);
    tn_session *session;
    options.n_threads = n_threads;
    options.max_batch = max_batch;
    assert_int_equal(tn_session_create(model, &options, &session, &error), TN_OK);
    return session;
}

static void fill(uint8_t *pixels, float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        pixels[i] = (uint8_t)(i * 37 % 251);
        x[i] = (float)pixels[i] * (1.0f / 255);
    }
}

enum { N = 9, PIXELS = 28 * 28 };

static tn_tensor images(float *x, int64_t n) {
    return (tn_tensor){.name = "images",
                       .dtype = TN_FLOAT32,
                       .rank = 4,
                       .dims = {n, 1, 28, 28},
                       .data = x,
                       .bytes = (size_t)n * PIXELS * sizeof(float)};
}

static tn_tensor scores(float *y, int64_t n) {
    return (tn_tensor){.name = "scores",
                       .dtype = TN_FLOAT32,
                       .rank = 2,
                       .dims = {n, 10},
                       .data = y,
                       .bytes = (size_t)n * 10 * sizeof(float)};
}

/* x [N,2] int64 and w [3] as they are, each under another name. */
static tn_model *identities(void) {
    builder b;
    tn_model *model;
    size_t n;
    builder_begin(&b);
    TnOnnx__ValueInfoProto *x = builder_input(&b, "x", DIMS(0, 2));
    x->type->tensor_type->elem_type = TN_ONNX_INT64;
    builder_output(&b, "y", DIMS(0, 2))->type->tensor_type->elem_type = TN_ONNX_INT64;
    builder_output(&b, "v", DIMS(3));
    builder_tensor(&b, "w", DIMS(3));
    builder_node(&b, "Identity", "of the input", "x", "y");
    builder_node(&b, "Identity", "of the weight", "w", "v");
    void *bytes = builder_pack(&b, &n);
    builder_end(&b);
    assert_int_equal(tn_model_load_memory(bytes, n, &model, &error), TN_OK);
    free(bytes);
    return model;
}

static void inputs_and_weights_can_be_outputs(void **state) {
    (void)state;
    int64_t x[6] = {1, -2, INT64_MAX, INT64_MIN, 0, 5}, y[6] = {0};
    float v[3] = {0};
    const tn_tensor in = {.name = "x", TN_INT64, 2, {3, 2}, x, sizeof x};
    const tn_tensor out[] = {{.name = "y", TN_INT64, 2, {3, 2}, y, sizeof y},
                             {.name = "v", TN_FLOAT32, 1, {3}, v, sizeof v}};
    tn_model *model = identities();
    tn_session *session = session_of(model, 2, 4);
    assert_int_equal(tn_session_run(session, &in, 1, out, 2, &error), TN_OK);
    assert_memory_equal(x, y, sizeof x);
    assert_true(v[0] == 0 && v[1] == 0.125f && v[2] == 0.25f);
    tn_session_free(session);
    tn_model_free(model);
}

/* Tensors, pixels, batches and threads all lead to the same bits. */
static void all_ways_in_agree(void **state) {
    (void)state;
    static uint8_t pixels[N * PIXELS];
    static float x[N * PIXELS];
    float y[4][N * 10];
    tn_model *model = lenet();
    fill(pixels, x, N * PIXELS);
    for (int i = 0; i < 4; i++) {
        tn_session *session = session_of(model, 1 + i % 2, i < 2 ? N : 4);
        tn_tensor in = images(x, N), out = scores(y[i], N);
        if (i == 3) in.name = out.name = NULL; /* by position */
        if (i == 0 || i == 3) {
            for (int64_t k = 0; k < (i == 3 ? 3 : 1); k++) {
                int64_t n = i == 3 ? 3 : N;
                in = images(x + k * n * PIXELS, n);
                out = scores(y[i] + k * n * 10, n);
                assert_int_equal(tn_session_run(session, &in, 1, &out, 1, &error), TN_OK);
            }
        } else {
            assert_int_equal(tn_session_classify(session, pixels, N, y[i], &error), TN_OK);
        }
        assert_memory_equal(y[i], y[0], sizeof y[0]);
        tn_session_free(session);
    }
    tn_model_free(model);
}

static void refuse(tn_session *session, tn_tensor in, tn_tensor out, const char *text) {
    error.message[0] = '\0';
    assert_int_equal(tn_session_run(session, &in, 1, &out, 1, &error), TN_ERR_MISMATCH);
    if (!strstr(error.message, text)) fail_msg("\"%s\" lacks \"%s\"", error.message, text);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    static float x[N * PIXELS], y[N * 10];
    tn_model *model = lenet();
    tn_session *session = session_of(model, 1, 4);
    tn_tensor in = images(x, 2), out = scores(y, 2), bad;
    refuse(session, images(x, 5), scores(y, 5), "takes 1 to 4");
    refuse(session, images(x, 0), scores(y, 0), "takes 1 to 4");
    bad = in;
    bad.name = "pictures";
    refuse(session, bad, out, "no input \"pictures\"");
    bad = in;
    bad.dims[2] = 27;
    refuse(session, bad, out, "2x1x27x28, the model wants 2x1x28x28");
    bad = in;
    bad.rank = 3;
    refuse(session, bad, out, "wants 2x1x28x28");
    bad = in;
    bad.dtype = TN_UINT8;
    refuse(session, bad, out, "is uint8, the model's is float32");
    bad = out;
    bad.bytes--;
    refuse(session, in, bad, "has 79 bytes of memory but needs 80");
    bad = out;
    bad.data = NULL;
    refuse(session, in, bad, "has 0 bytes");
    assert_int_equal(tn_session_run(session, NULL, 0, &out, 1, &error), TN_ERR_MISMATCH);
    assert_non_null(strstr(error.message, "\"images\" is not given"));
    tn_session_free(session);
    tn_model_free(model);
}

static void the_output_tells_its_shape(void **state) {
    (void)state;
    tn_model *model = lenet();
    tn_session *session = session_of(model, 1, 8);
    tn_tensor out;
    assert_int_equal(tn_session_output(session, 0, 7, &out, &error), TN_OK);
    assert_int_equal(out.rank, 2);
    assert_int_equal(out.dims[0], 7);
    assert_int_equal(out.bytes, 7 * 10 * 4);
    assert_int_equal(tn_session_output(session, 1, 7, &out, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_session_output(session, 0, 9, &out, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_session_output(session, 0, INT64_MAX, &out, &error), TN_ERR_ARGUMENT);
    tn_session_free(session);
    tn_model_free(model);
}

/* Accuracy and loss against a plain computation from the scores. */
static void evaluation_counts_right(void **state) {
    (void)state;
    static uint8_t pixels[N * PIXELS];
    static float x[N * PIXELS];
    int32_t labels[N], predictions[N];
    float y[N * 10];
    double loss = 0;
    tn_dataset *data;
    tn_model *model = lenet();
    tn_session *session = session_of(model, 2, 4);
    tn_evaluation e = TN_INIT(tn_evaluation);
    fill(pixels, x, N * PIXELS);
    assert_int_equal(tn_session_classify(session, pixels, N, y, &error), TN_OK);
    for (int i = 0; i < N; i++) {
        int best = 0;
        double sum = 0;
        for (int k = 0; k < 10; k++) {
            if (y[i * 10 + k] > y[i * 10 + best]) best = k;
            sum += exp((double)y[i * 10 + k]);
        }
        labels[i] = i < 5 ? best : (best + 1) % 10;
        loss += log(sum) - (double)y[i * 10 + labels[i]];
    }
    assert_int_equal(tn_dataset_create("made up", N, 28, 28, 1, 10, pixels, labels, &data, &error),
                     TN_OK);
    assert_int_equal(tn_session_evaluate(session, data, predictions, NULL, &e, &error), TN_OK);
    assert_int_equal(e.n_correct, 5);
    assert_true(fabs(e.loss - loss / N) < 1e-5);
    for (int i = 0; i < 5; i++) assert_int_equal(predictions[i], labels[i]);
    tn_dataset_free(data);
    tn_session_free(session);
    tn_model_free(model);
}

/* Against a plain search, with every second image mistaken. */
static void mistakes_are_the_worst_ones(void **state) {
    (void)state;
    static uint8_t pixels[N * PIXELS];
    static float x[N * PIXELS];
    int32_t labels[N], predictions[N];
    float y[N * 10], losses[N];
    tn_mistake mistakes[N];
    int64_t n = -1;
    tn_dataset *data;
    tn_model *model = lenet();
    tn_session *session = session_of(model, 2, 2);
    tn_evaluation e = TN_INIT(tn_evaluation);
    fill(pixels, x, N * PIXELS);
    assert_int_equal(tn_session_classify(session, pixels, N, y, &error), TN_OK);
    for (int i = 0; i < N; i++) {
        int best = 0;
        for (int k = 0; k < 10; k++)
            if (y[i * 10 + k] > y[i * 10 + best]) best = k;
        labels[i] = i % 2 ? (best + i) % 10 : best;
    }
    assert_int_equal(tn_dataset_create("made up", N, 28, 28, 1, 10, pixels, labels, &data, &error),
                     TN_OK);
    assert_int_equal(tn_session_evaluate(session, data, predictions, losses, &e, &error), TN_OK);
    int wrong = N - (int)e.n_correct;
    assert_true(wrong >= 3);
    for (int64_t most = 0; most <= N; most++) {
        assert_int_equal(
            tn_session_mistakes(session, data, predictions, losses, most, mistakes, &n, &error),
            TN_OK);
        assert_int_equal(n, most < wrong ? most : wrong);
    }
    for (int i = 0; i < wrong; i++) {
        const tn_mistake *m = &mistakes[i];
        double sum = 0;
        assert_int_not_equal(m->label, m->prediction);
        assert_int_equal(m->label, labels[m->image]);
        assert_int_equal(m->prediction, predictions[m->image]);
        assert_true(m->loss == losses[m->image]);
        if (i > 0) assert_true(m->loss <= mistakes[i - 1].loss);
        for (int k = 0; k < 10; k++) sum += exp((double)y[m->image * 10 + k]);
        double p = exp((double)y[m->image * 10 + m->prediction]) / sum;
        assert_true(fabs(m->probability - p) < 1e-6);
    }
    predictions[0] = 10;
    assert_int_equal(
        tn_session_mistakes(session, data, predictions, losses, 1, mistakes, &n, &error),
        TN_ERR_ARGUMENT);
    assert_int_equal(tn_session_mistakes(session, data, NULL, losses, 1, mistakes, &n, &error),
                     TN_ERR_ARGUMENT);
    tn_dataset_free(data);
    tn_session_free(session);
    tn_model_free(model);
}

static void data_of_another_size_is_refused(void **state) {
    (void)state;
    static uint8_t pixels[20 * 20];
    int32_t label = 3;
    tn_dataset *data;
    tn_evaluation e = TN_INIT(tn_evaluation);
    tn_model *model = lenet();
    tn_session *session = session_of(model, 1, 1);
    assert_int_equal(tn_dataset_create("small", 1, 20, 20, 1, 10, pixels, &label, &data, &error),
                     TN_OK);
    assert_int_equal(tn_session_evaluate(session, data, NULL, NULL, &e, &error), TN_ERR_MISMATCH);
    assert_non_null(strstr(error.message, "1x20x20"));
    tn_dataset_free(data);
    tn_session_free(session);
    tn_model_free(model);
}

static void a_batch_beyond_memory_is_refused(void **state) {
    (void)state;
    tn_model *model = lenet();
    tn_session *session;
    tn_session_options options = TN_INIT(tn_session_options);
    options.max_batch = (int64_t)1 << 40;
    assert_int_equal(tn_session_create(model, &options, &session, &error), TN_ERR_MEMORY);
    assert_non_null(strstr(error.message, "use a smaller batch"));
    options.max_batch = INT64_MAX;
    assert_int_not_equal(tn_session_create(model, &options, &session, &error), TN_OK);
    tn_model_free(model);
}

static void an_unknown_level_is_refused(void **state) {
    (void)state;
    tn_model *model = lenet();
    tn_session *session;
    setenv("TENON_CPU", "abacus", 1);
    assert_int_equal(tn_session_create(model, NULL, &session, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "abacus"));
    unsetenv("TENON_CPU");
    tn_model_free(model);
}

/* ---- Several threads ------------------------------------------------------------------------- */

enum { AT_ONCE = 4, ROUNDS = 20 };

typedef struct request {
    tn_session *session;
    const uint8_t *pixels;
    const float *x;
    float y[2][N * 10]; /* by pixels, by tensors */
    tn_status status;
    bool tensors;
} request;

static void *serve(void *user) {
    request *r = user;
    tn_error own;
    for (int i = 0; i < ROUNDS && r->status == TN_OK; i++) {
        tn_tensor in = images((float *)(uintptr_t)r->x, N), out = scores(r->y[1], N);
        r->status = tn_session_classify(r->session, r->pixels, N, r->y[0], &own);
        if (r->status == TN_OK && r->tensors)
            r->status = tn_session_run(r->session, &in, 1, &out, 1, &own);
    }
    return NULL;
}

/* Each on a thread of its own, all at once, from the first call on: whoever is first prepares. */
static void clones_run_at_once(void **state) {
    (void)state;
    static uint8_t pixels[N * PIXELS];
    static float x[N * PIXELS];
    float expected[N * 10];
    request requests[AT_ONCE] = {0};
    pthread_t threads[AT_ONCE];
    tn_model *model = lenet();
    fill(pixels, x, N * PIXELS);
    tn_session *first = session_of(model, 1, N);
    assert_int_equal(tn_session_classify(first, pixels, N, expected, &error), TN_OK);
    tn_session_free(first);
    first = session_of(model, 1, N);
    for (int i = 0; i < AT_ONCE; i++) {
        requests[i] = (request){.pixels = pixels, .x = x, .tensors = true, .session = first};
        if (i > 0) assert_int_equal(tn_session_clone(first, &requests[i].session, &error), TN_OK);
    }
    for (int i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &requests[i]), 0);
    for (int i = 0; i < AT_ONCE; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < AT_ONCE; i++) {
        assert_int_equal(requests[i].status, TN_OK);
        assert_memory_equal(requests[i].y[0], expected, sizeof expected);
        assert_memory_equal(requests[i].y[1], expected, sizeof expected);
        tn_session_free(requests[i].session); /* the first one first */
    }
    tn_model_free(model);
}

/* Clones have options and threads as the session has, whether it lives or not. */
static void a_clone_is_like_its_session(void **state) {
    (void)state;
    static uint8_t pixels[N * PIXELS];
    static float x[N * PIXELS];
    float y[2][N * 10];
    tn_session_options options = TN_INIT(tn_session_options);
    tn_session *session, *clone, *another;
    tn_tensor out;
    tn_model *model = lenet();
    options.n_threads = 2;
    options.max_batch = 5;
    options.images_only = true;
    fill(pixels, x, N * PIXELS);
    assert_int_equal(tn_session_create(model, &options, &session, &error), TN_OK);
    assert_int_equal(tn_session_clone(session, &clone, &error), TN_OK);
    assert_int_equal(tn_session_classify(session, pixels, N, y[0], &error), TN_OK);
    tn_session_free(session);
    assert_int_equal(tn_session_clone(clone, &another, &error), TN_OK);
    tn_session_free(clone);
    assert_int_equal(tn_session_threads(another), 2);
    assert_int_equal(tn_session_output(another, 0, 6, &out, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_session_classify(another, pixels, N, y[1], &error), TN_OK);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    /* Tensors are taken although it was made for images. */
    tn_tensor in = images(x, 5);
    out = scores(y[1], 5);
    memset(y[1], 0, sizeof y[1]);
    assert_int_equal(tn_session_run(another, &in, 1, &out, 1, &error), TN_OK);
    assert_memory_equal(y[0], y[1], 5 * 10 * sizeof(float));
    tn_session_free(another);
    tn_model_free(model);
}

static size_t bytes_in_use(void) {
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

/* A session of one thread more must not cost the weights (4.8 MB) once more. */
static void clones_share_the_weights(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* sanitizers allocate by themselves */
    tn_model *model;
    tn_session *first, *clones[AT_ONCE];
    tn_session_options options = TN_INIT(tn_session_options);
    options.n_threads = 1;
    options.max_batch = 1;
    options.images_only = true;
    assert_int_equal(tn_model_build("mnist-cnn", NULL, &model, &error), TN_OK);
    size_t before = bytes_in_use();
    assert_int_equal(tn_session_create(model, &options, &first, &error), TN_OK);
    size_t one = bytes_in_use() - before;
    assert_true(one > 4000000 && one < 12000000); /* once as arranged, part of it packed */
    for (int i = 0; i < AT_ONCE; i++)
        assert_int_equal(tn_session_clone(first, &clones[i], &error), TN_OK);
    assert_true(bytes_in_use() - before - one < AT_ONCE * (size_t)600000);
    for (int i = 0; i < AT_ONCE; i++) tn_session_free(clones[i]);
    tn_session_free(first);
    tn_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_ways_in_agree),
                                       cmocka_unit_test(inputs_and_weights_can_be_outputs),
                                       cmocka_unit_test(what_does_not_fit_is_refused),
                                       cmocka_unit_test(the_output_tells_its_shape),
                                       cmocka_unit_test(evaluation_counts_right),
                                       cmocka_unit_test(mistakes_are_the_worst_ones),
                                       cmocka_unit_test(data_of_another_size_is_refused),
                                       cmocka_unit_test(a_batch_beyond_memory_is_refused),
                                       cmocka_unit_test(an_unknown_level_is_refused),
                                       cmocka_unit_test(clones_run_at_once),
                                       cmocka_unit_test(a_clone_is_like_its_session),
                                       cmocka_unit_test(clones_share_the_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
