/* SPDX-License-Identifier: Apache-2.0 */
/* test_tiles.c: results are the same bits whatever the tiles, on any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "graph/model.h"
#include "sanitized.h"

enum { SIDE = 28, CLASSES = 10, MOST_THREADS = 4 };

static const int64_t tiles[] = {1, 2, 3, 5, 7, 16};
enum { N_TILES = sizeof tiles / sizeof *tiles };

/* Of the tiles number t: sanitizers meet all tiles and all threads, but not each with each. */
static bool is_tried(int t, int n_threads) {
    return !SANITIZED || n_threads == 1 + t % MOST_THREADS;
}

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

static tn_model *build(const char *name) {
    tn_model_options options = TN_INIT(tn_model_options);
    tn_model *model;
    options.seed = 3;
    check(tn_model_build(name, &options, &model, &error));
    return model;
}

static void draw_pixels(uint8_t *pixels, int64_t n) {
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, 0);
    for (int64_t i = 0; i < n; i++) pixels[i] = (uint8_t)tn_random_below(&random, 256);
}

static tn_dataset *draw_dataset(int64_t n) {
    uint8_t *pixels = malloc((size_t)(n * SIDE * SIDE));
    int32_t *labels = malloc((size_t)n * sizeof *labels);
    tn_dataset *dataset;
    assert_true(pixels && labels);
    draw_pixels(pixels, n * SIDE * SIDE);
    for (int64_t i = 0; i < n; i++) labels[i] = (int32_t)(i % CLASSES);
    check(tn_dataset_create("noise", n, SIDE, SIDE, 1, CLASSES, pixels, labels, &dataset, &error));
    free(pixels);
    free(labels);
    return dataset;
}

static void train_once(const tn_model *model, const tn_dataset *dataset, int64_t tile,
                       int64_t tile_rows, int n_threads, char hex[65]) {
    tn_train_options options = TN_INIT(tn_train_options);
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_model *trained;
    tn_dataset_describe(dataset, &info);
    options.epochs = 2; /* the second step meets the weights of the first */
    options.batch_size = info.n;
    options.tile = tile;
    options.tile_rows = tile_rows;
    options.n_threads = n_threads;
    check(tn_train(model, dataset, &options, &trained, NULL, &error));
    tn_model_weights_sha256(trained, hex);
    tn_model_free(trained);
}

/* n images in one batch: with 16 shards, 40 are two or three for each, 160 are ten. */
static void train_all(const char *name, int64_t n) {
    tn_model *model = build(name);
    tn_dataset *dataset = draw_dataset(n);
    char expected[65], hex[65];
    train_once(model, dataset, 0, 0, 1, expected);
    for (int t = 0; t < N_TILES; t++)
        for (int threads = 1; threads <= MOST_THREADS; threads++) {
            if (!is_tried(t, threads)) continue;
            train_once(model, dataset, tiles[t], 0, threads, hex);
            if (strcmp(hex, expected) != 0)
                fail_msg("%s: tiles of %d on %d threads give other weights", name, (int)tiles[t],
                         threads);
        }
    for (int t = 0; t < N_TILES; t++) { /* all samples of a shard, or three, by rows */
        train_once(model, dataset, t % 2 * 3, tiles[t], 1 + t % 2, hex);
        if (strcmp(hex, expected) != 0)
            fail_msg("%s: %d rows at a time give other weights", name, (int)tiles[t]);
    }
    tn_dataset_free(dataset);
    tn_model_free(model);
}

static void classify(const tn_model *model, int64_t tile, int64_t tile_rows, int n_threads,
                     const uint8_t *pixels, int64_t n, int64_t max_batch, float *scores) {
    tn_session_options options = TN_INIT(tn_session_options);
    tn_session *session;
    options.tile = tile;
    options.tile_rows = tile_rows;
    options.n_threads = n_threads;
    options.max_batch = max_batch;
    check(tn_session_create(model, &options, &session, &error));
    check(tn_session_classify(session, pixels, n, scores, &error));
    tn_session_free(session);
}

static void infer_all(const char *name) {
    enum { N = 22, BATCH = 17 }; /* a whole batch and a part of one */
    static uint8_t pixels[N * SIDE * SIDE];
    static float expected[N * CLASSES], scores[N * CLASSES];
    tn_model *model = build(name);
    draw_pixels(pixels, sizeof pixels);
    classify(model, 0, 0, 1, pixels, N, N, expected);
    for (int t = 0; t < N_TILES; t++)
        for (int threads = 1; threads <= MOST_THREADS; threads++) {
            if (!is_tried(t, threads)) continue;
            classify(model, tiles[t], 0, threads, pixels, N, BATCH, scores);
            if (memcmp(scores, expected, sizeof scores) != 0)
                fail_msg("%s: tiles of %d on %d threads give other scores", name, (int)tiles[t],
                         threads);
        }
    tn_model_free(model);
}

static void mnist_cnn_trains_alike(void **state) {
    (void)state;
    train_all("mnist-cnn", 40);
}

static void resnet20_trains_alike(void **state) {
    (void)state;
    train_all("resnet20", 40);
}

static void lenet_trains_alike(void **state) {
    (void)state;
    train_all("lenet", 160);
}

static void models_infer_alike(void **state) {
    (void)state;
    infer_all("mnist-cnn");
    infer_all("resnet20");
    infer_all("lenet");
}

/* One image at a time, in bands if there are threads for it. Not by samples in lanes, which are
 * other bits. */
static void images_by_rows_are_classified_alike(void **state) {
    (void)state;
    enum { N = 3, MOST = 7 };
    static uint8_t pixels[N * SIDE * SIDE];
    float expected[N * CLASSES], scores[N * CLASSES];
    tn_model *model = build("mnist-cnn");
    draw_pixels(pixels, sizeof pixels);
    classify(model, 0, 0, 1, pixels, N, 1, expected);
    for (int t = 0; t < N_TILES; t++)
        for (int threads = 1; threads <= MOST; threads++) {
            classify(model, 0, tiles[t], threads, pixels, N, 1 + t % 2, scores);
            if (memcmp(scores, expected, sizeof scores) != 0)
                fail_msg("%d rows on %d threads give other scores", (int)tiles[t], threads);
        }
    tn_model_free(model);
}

static void negative_tiles_are_refused(void **state) {
    (void)state;
    tn_model *model = build("lenet"), *trained;
    tn_dataset *dataset = draw_dataset(10);
    tn_session *session;
    tn_session_options inference = TN_INIT(tn_session_options);
    tn_train_options training = TN_INIT(tn_train_options);
    inference.tile_rows = training.tile_rows = -1;
    assert_int_equal(tn_session_create(model, &inference, &session, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "or -1 rows"));
    assert_int_equal(tn_train(model, dataset, &training, &trained, NULL, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "rows of a tile is -1"));
    inference.tile_rows = training.tile_rows = 0;
    inference.tile = training.tile = -1;
    assert_int_equal(tn_session_create(model, &inference, &session, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "tiles of -1"));
    assert_int_equal(tn_train(model, dataset, &training, &trained, NULL, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "samples of a tile is -1"));
    tn_dataset_free(dataset);
    tn_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mnist_cnn_trains_alike),
                                       cmocka_unit_test(resnet20_trains_alike),
                                       cmocka_unit_test(lenet_trains_alike),
                                       cmocka_unit_test(models_infer_alike),
                                       cmocka_unit_test(images_by_rows_are_classified_alike),
                                       cmocka_unit_test(negative_tiles_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
