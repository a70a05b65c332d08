/* SPDX-License-Identifier: Apache-2.0 */
/* test_preprocessing.c: how pixels become what a model from another program takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx_builder.h"
#include "train_fixture.h"

static tn_error error;

enum { SIDE = 4, CHANNELS = 3, PIXELS = SIDE * SIDE, N = 5, CLASSES = CHANNELS * PIXELS };

/* Flatten: the scores are what goes in. With `image` among the metadata, if not NULL. */
static tn_model *mirror(const char *image) {
    builder b;
    size_t n;
    tn_model *model = NULL;
    builder_begin(&b);
    builder_input(&b, "x", DIMS(0, CHANNELS, SIDE, SIDE));
    builder_output(&b, "y", DIMS(0, CLASSES));
    builder_node(&b, "Flatten", "", "x", "y");
    if (image) builder_metadata(&b, "image", image);
    void *bytes = builder_pack(&b, &n);
    builder_end(&b);
    if (tn_model_load_memory(bytes, n, &model, &error) != TN_OK) fail_msg("%s", error.message);
    free(bytes);
    return model;
}

static const tn_preprocessing usual = {.size = sizeof usual,
                                       .scale = 255,
                                       .mean = {103.94, 116.78, 123.68},
                                       .std = {57.5, 57, 58.5},
                                       .bgr = true,
                                       .resize_shorter = 8};

static void fill(uint8_t *pixels, int64_t n) {
    for (int64_t i = 0; i < n; i++) pixels[i] = (uint8_t)(i * 89 % 253);
}

/* What a model with preprocessing p gets of images [N][SIDE][SIDE][CHANNELS]. */
static void check_inputs(const tn_model *model, const tn_preprocessing *p, tn_mode mode) {
    static uint8_t pixels[N * CLASSES];
    static float y[N * CLASSES];
    tn_session *session;
    tn_session_options o = TN_INIT(tn_session_options);
    o.mode = mode;
    fill(pixels, N * CLASSES);
    assert_int_equal(tn_session_create(model, &o, &session, &error), TN_OK);
    assert_int_equal(tn_session_classify(session, pixels, N, y, &error), TN_OK);
    for (int i = 0; i < N * CLASSES; i++) {
        int n = i / CLASSES, c = i / PIXELS % CHANNELS, at = i % PIXELS;
        int from = p->bgr ? CHANNELS - 1 - c : c;
        double x = (double)pixels[(n * PIXELS + at) * CHANNELS + from] / 255;
        double expected = (x * p->scale - p->mean[c]) / p->std[c];
        if (fabs((double)y[i] - expected) > 3e-6 * (1 + fabs(expected)))
            fail_msg("element %d is %g, not %g", i, (double)y[i], expected);
    }
    tn_session_free(session);
}

static void pixels_are_prepared_as_told(void **state) {
    (void)state;
    tn_model *model = mirror(NULL);
    tn_preprocessing p = TN_INIT(tn_preprocessing);
    tn_model_get_preprocessing(model, &p);
    assert_true(p.scale == 1 && p.std[2] == 1 && p.mean[0] == 0 && !p.bgr);
    check_inputs(model, &p, TN_MODE_REFERENCE);
    for (int bgr = 0; bgr < 2; bgr++) {
        p = usual;
        p.bgr = bgr;
        assert_int_equal(tn_model_set_preprocessing(model, &p, &error), TN_OK);
        check_inputs(model, &p, TN_MODE_REFERENCE);
        check_inputs(model, &p, TN_MODE_FP32);
    }
    tn_model_free(model);
}

static void check_usual(const tn_model *model) {
    tn_preprocessing p = TN_INIT(tn_preprocessing);
    tn_model_get_preprocessing(model, &p);
    assert_true(p.scale == usual.scale && p.bgr && p.resize_shorter == usual.resize_shorter);
    for (int k = 0; k < CHANNELS; k++)
        assert_true(p.mean[k] == usual.mean[k] && p.std[k] == usual.std[k]);
}

static void it_is_kept_in_the_file(void **state) {
    (void)state;
    char path[] = "/tmp/tenon-preprocessing-XXXXXX.onnx";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    close(fd);
    tn_model *model = mirror(NULL), *loaded;
    assert_int_equal(tn_model_set_preprocessing(model, &usual, &error), TN_OK);
    assert_int_equal(tn_model_save(model, path, &error), TN_OK);
    assert_int_equal(tn_model_load(path, &loaded, &error), TN_OK);
    check_usual(loaded);
    check_inputs(loaded, &usual, TN_MODE_FP32);
    tn_model_free(model);
    tn_model_free(loaded);
    unlink(path);
}

static void metadata_tells_it(void **state) {
    (void)state;
    tn_preprocessing p = TN_INIT(tn_preprocessing);
    tn_model *model = mirror("{\"mean\": [0.5, 0.25, 0.125], \"color\": \"bgr\"}");
    tn_model_get_preprocessing(model, &p);
    assert_true(p.mean[1] == 0.25 && p.std[1] == 1 && p.bgr && p.scale == 1);
    tn_model_free(model);
    /* Of another program, or no sense: as if there were none. */
    static const char *const odd[] = {"",
                                      "[1]",
                                      "{\"std\": [0.1, -1, 1]}",
                                      "{\"mean\": \"x\"}",
                                      "{\"std\": [1e300, 1, 1]}",
                                      "{\"resize_shorter\": 2}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        model = mirror(odd[i]);
        p = TN_INIT(tn_preprocessing);
        tn_model_get_preprocessing(model, &p);
        assert_true(p.std[0] == 1 && p.mean[0] == 0 && p.resize_shorter == 0);
        tn_model_free(model);
    }
}

/* Through a new head, and through training. */
static void copies_inherit_it(void **state) {
    fixture *f = *state;
    tn_preprocessing p = TN_INIT(tn_preprocessing), q = p;
    tn_head_options head = TN_INIT(tn_head_options);
    tn_model *replaced, *trained;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    head.n_classes = 11;
    assert_int_equal(tn_model_replace_head(f->lenet, &head, &replaced, &error), TN_OK);
    p.mean[0] = 0.25;
    p.std[0] = 0.5;
    assert_int_equal(tn_model_set_preprocessing(replaced, &p, &error), TN_OK);
    o.max_steps = 1;
    assert_int_equal(tn_train(replaced, f->small, &o, &trained, NULL, &error), TN_STOPPED);
    tn_model_get_preprocessing(trained, &q);
    assert_true(q.mean[0] == 0.25 && q.std[0] == 0.5);
    tn_model_free(trained);
    head.n_classes = 7;
    assert_int_equal(tn_model_replace_head(replaced, &head, &trained, &error), TN_OK);
    tn_model_get_preprocessing(trained, &q);
    assert_true(q.mean[0] == 0.25 && q.std[0] == 0.5);
    tn_model_free(trained);
    tn_model_free(replaced);
}

/* A run is not resumed on images that are prepared in another way. */
static void it_is_part_of_a_checkpoint(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    tn_preprocessing none = TN_INIT(tn_preprocessing), p = none;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 2;
    train(f, &o, TN_STOPPED, &r, hex);
    o.resume = true;
    p.mean[0] = 0.5;
    assert_int_equal(tn_model_set_preprocessing(f->lenet, &p, &error), TN_OK);
    refuse(f->lenet, f->small, &o, TN_ERR_MISMATCH, "pixels in 0..1, but this run has scale 1");
    assert_int_equal(tn_model_set_preprocessing(f->lenet, &none, &error), TN_OK);
    o.max_steps = 3;
    train(f, &o, TN_STOPPED, &r, hex);
    assert_true(r.resumed);
}

static void refuse_preprocessing(tn_model *model, tn_preprocessing p, tn_status expected,
                                 const char *text) {
    assert_int_equal(tn_model_set_preprocessing(model, &p, &error), expected);
    if (!strstr(error.message, text)) fail_msg("\"%s\" is not in: %s", text, error.message);
}

static void what_makes_no_sense_is_refused(void **state) {
    fixture *f = *state;
    tn_model *model = mirror(NULL);
    tn_preprocessing p = usual;
    p.std[1] = -1;
    refuse_preprocessing(model, p, TN_ERR_ARGUMENT, "std above 0");
    p = usual;
    p.mean[0] = NAN;
    refuse_preprocessing(model, p, TN_ERR_ARGUMENT, "all numbers finite");
    p = usual;
    p.scale = 2;
    refuse_preprocessing(model, p, TN_ERR_ARGUMENT, "scale must be 1 or 255");
    p = usual;
    p.resize_shorter = 3;
    refuse_preprocessing(model, p, TN_ERR_ARGUMENT, "shorter side is 3");
    p = usual;
    refuse_preprocessing(f->lenet, p, TN_ERR_MISMATCH, "blue, green and red: there are 1");
    tn_model_free(model);
}

static void classes_can_be_named(void **state) {
    (void)state;
    tn_model_options o = TN_INIT(tn_model_options);
    tn_model_info info = TN_INIT(tn_model_info);
    const char *const names[] = {"cat", "dog"};
    tn_model *model;
    o.n_classes = 2;
    assert_int_equal(tn_model_build("lenet", &o, &model, &error), TN_OK);
    assert_int_equal(tn_model_name_classes(model, 1, names, &error), TN_ERR_MISMATCH);
    assert_int_equal(tn_model_name_classes(model, 2, names, &error), TN_OK);
    tn_model_describe(model, &info);
    assert_string_equal(info.class_names[1], "dog");
    tn_model_free(model);
}

/* A picture of 8 by 16 with a frame of one colour: the middle 4x4 of it when scaled to 4 by 8 is
 * what lies at rows 0 to 8, columns 4 to 12. */
static void the_middle_is_cut_out(void **state) {
    (void)state;
    char path[] = "/tmp/tenon-middle-XXXXXX.png";
    uint8_t picture[8 * 16], cut[4 * 4], zoomed[4 * 4];
    bool resized;
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < 8 * 16; i++) picture[i] = (uint8_t)(10 * (i % 16) + i / 16);
    assert_int_equal(tn_image_write(path, 8, 16, 1, picture, &error), TN_OK);
    assert_int_equal(tn_image_read_middle(path, 4, 4, 4, 1, cut, &resized, &error), TN_OK);
    assert_true(resized);
    assert_int_equal(tn_image_read_middle(path, 8, 4, 4, 1, zoomed, &resized, &error), TN_OK);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 4; x++) {
            /* means of 2x2 pixels; and pixels themselves */
            int corner = 10 * (4 + 2 * x) + 2 * y;
            assert_int_equal(cut[4 * y + x], (2 * corner + 10 + 1 + 1) / 2);
            assert_int_equal(zoomed[4 * y + x], picture[16 * (2 + y) + 6 + x]);
        }
    assert_int_equal(tn_image_read_middle(path, 3, 4, 4, 1, cut, &resized, &error),
                     TN_ERR_ARGUMENT);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_prepared_as_told),
        cmocka_unit_test(it_is_kept_in_the_file),
        cmocka_unit_test(metadata_tells_it),
        cmocka_unit_test(copies_inherit_it),
        cmocka_unit_test(it_is_part_of_a_checkpoint),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(classes_can_be_named),
        cmocka_unit_test(the_middle_is_cut_out),
    };
    return cmocka_run_group_tests(tests, train_set_up, train_tear_down);
}
