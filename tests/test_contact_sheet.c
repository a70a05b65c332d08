/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: PNG files, the font, and sheets of mistakes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "report/font.h"
#include "report/png.h"
#include "scratch.h"

/* ---- PNG ----------------------------------------------------------------------------------- */

static void a_picture_is_read_back(void **state) {
    (void)state;
    uint8_t pixels[5 * 7 * 3], back[5 * 7 * 3];
    for (int i = 0; i < 105; i++) pixels[i] = (uint8_t)(i * 37);
    for (int channels = 1; channels <= 3; channels += 2) {
        const char *path = scratch_path("picture.png");
        bool resized = true;
        assert_int_equal(tn_image_write(path, 5, 7, channels, pixels, NULL), TN_OK);
        assert_int_equal(tn_image_read(path, 5, 7, channels, TN_FIT_STRETCH, back, &resized, NULL),
                         TN_OK);
        assert_memory_equal(back, pixels, (size_t)(35 * channels));
        assert_false(resized);
    }
}

static void impossible_pictures_are_refused(void **state) {
    (void)state;
    tn_error error;
    static const uint8_t pixels[4];
    const char *path = scratch_path("none.png");
    static const int64_t shapes[][3] = {{0, 1, 1},        {1, 0, 1},         {1, 1, 2},
                                        {-1, 1, 1},       {1, INT64_MAX, 1}, {1 << 21, 1, 1},
                                        {1, 1, INT64_MAX}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t *s = shapes[i];
        assert_int_equal(tn_image_write(path, s[0], s[1], s[2], pixels, &error), TN_ERR_ARGUMENT);
        assert_non_null(strstr(error.message, path));
    }
    assert_int_equal(tn_image_write(path, 1, 1, 1, NULL, &error), TN_ERR_ARGUMENT);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_missing_directory_is_reported(void **state) {
    (void)state;
    tn_error error;
    static const uint8_t pixel = 3;
    const char *path = scratch_path("no/such/p.png");
    assert_int_equal(tn_image_write(path, 1, 1, 1, &pixel, &error), TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, path));
}

/* ---- The font ------------------------------------------------------------------------------ */

static void letters_differ_and_the_unknown_is_a_question_mark(void **state) {
    (void)state;
    for (uint32_t a = 0x21; a < 0x7f; a++)
        for (uint32_t b = a + 1; b < 0x7f; b++)
            assert_memory_not_equal(tn_font_glyph(a), tn_font_glyph(b), TN_FONT_HEIGHT);
    static const uint8_t blank[TN_FONT_HEIGHT];
    assert_memory_equal(tn_font_glyph(' '), blank, TN_FONT_HEIGHT);
    static const uint32_t unknown[] = {0, '\n', 0x7f, 0x80, 0x100, 0x4e2d, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_ptr_equal(tn_font_glyph(unknown[i]), tn_font_glyph('?'));
    assert_ptr_not_equal(tn_font_glyph(0xfc), tn_font_glyph('?'));
}

/* A capital L, so that rows and columns are not swapped or mirrored. */
static void an_l_looks_like_one(void **state) {
    (void)state;
    const uint8_t *l = tn_font_glyph('L');
    int first = 0, last = TN_FONT_HEIGHT - 1;
    while (!l[first]) first++;
    while (!l[last]) last--;
    assert_true(last - first >= 7);
    assert_int_equal(l[first], 0xc0);
    for (int i = first; i < last; i++) assert_int_equal(l[i] & 0xf0, 0xc0);
    assert_int_equal(l[last], 0xfe);
}

static void text_is_read_as_utf8(void **state) {
    (void)state;
    const char *text = "a\xc3\xbc\xe4\xb8\xad\xf0\x9f\x98\x80z";
    static const uint32_t expected[] = {'a', 0xfc, 0x4e2d, 0x1f600, 'z'};
    assert_int_equal(tn_font_length(text), 5);
    for (int i = 0; i < 5; i++) assert_int_equal(tn_font_next(&text), expected[i]);
    assert_int_equal(*text, 0);
    static const char *const broken[] = {"\xfc", "\xc3", "\xe4\xb8", "\x80\x80", "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        const char *at = broken[i];
        assert_int_equal(tn_font_next(&at), '?');
        assert_ptr_equal(at, broken[i] + 1);
        assert_int_equal(tn_font_length(broken[i]), strlen(broken[i]));
    }
}

/* ---- Sheets -------------------------------------------------------------------------------- */

/* n images; every pixel of image i is its number, red only if in colour. */
static tn_dataset *numbered(int64_t n, int64_t height, int64_t width, int64_t channels) {
    int64_t each = height * width * channels;
    uint8_t *images = calloc((size_t)n, (size_t)each);
    int32_t *labels = calloc((size_t)n, sizeof *labels);
    assert_true(images && labels);
    for (int64_t i = 0; i < n * each; i++)
        images[i] = i % channels == 0 ? (uint8_t)(1 + i / each) : 0;
    tn_dataset *data = NULL;
    assert_int_equal(
        tn_dataset_create("made", n, height, width, channels, 10, images, labels, &data, NULL),
        TN_OK);
    free(images);
    free(labels);
    return data;
}

typedef struct picture {
    int64_t height, width;
    uint8_t *pixels; /* [height][width][3] */
} picture;

static picture read_sheet(const char *path) {
    picture p = {0};
    uint8_t *file;
    int64_t bytes;
    assert_int_equal(tn_file_read(path, 1 << 26, (void **)&file, &bytes, NULL), TN_OK);
    assert_true(bytes > 24);
    for (int i = 0; i < 4; i++) {
        p.width = p.width << 8 | file[16 + i];
        p.height = p.height << 8 | file[20 + i];
    }
    free(file);
    p.pixels = malloc((size_t)(p.height * p.width * 3));
    assert_non_null(p.pixels);
    assert_int_equal(
        tn_image_read(path, p.height, p.width, 3, TN_FIT_STRETCH, p.pixels, NULL, NULL), TN_OK);
    return p;
}

static int64_t count(const picture *p, uint8_t r, uint8_t g, uint8_t b) {
    int64_t n = 0;
    for (int64_t i = 0; i < p->height * p->width; i++)
        n += p->pixels[3 * i] == r && p->pixels[3 * i + 1] == g && p->pixels[3 * i + 2] == b;
    return n;
}

static picture draw(const tn_dataset *data, const char *const *names, int n_names,
                    const tn_mistake *mistakes, int64_t n) {
    tn_error error = {""};
    const char *path = scratch_path("sheet.png");
    if (tn_contact_sheet_write(path, "A title", data, names, n_names, mistakes, n, &error) != TN_OK)
        fail_msg("%s", error.message);
    return read_sheet(path);
}

/* Images that are smaller, as large and larger than a picture on the sheet, and not square. */
static void every_mistake_is_drawn_once(void **state) {
    (void)state;
    static const struct {
        int64_t height, width, channels, drawn_height, drawn_width;
    } cases[] = {{28, 28, 1, 112, 112},   {32, 32, 3, 128, 128}, {224, 224, 3, 224, 224},
                 {300, 600, 3, 128, 256}, {1, 1, 1, 128, 128},   {2, 40, 1, 6, 120}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        tn_dataset *data = numbered(6, cases[k].height, cases[k].width, cases[k].channels);
        tn_mistake mistakes[5];
        for (int i = 0; i < 5; i++)
            mistakes[i] = (tn_mistake){.image = 5 - i, .prediction = i, .probability = 0.5f};
        picture p = draw(data, NULL, 0, mistakes, 5);
        int64_t pixels = cases[k].drawn_height * cases[k].drawn_width;
        for (int i = 1; i <= 6; i++) {
            uint8_t v = (uint8_t)i, other = cases[k].channels == 3 ? 0 : v;
            assert_int_equal(count(&p, v, other, other), i == 1 ? 0 : pixels);
        }
        free(p.pixels);
        tn_dataset_free(data);
    }
}

/* Green ink for what it is, red for what it was taken for: the same name, the same ink. */
static void captions_say_what_is_what(void **state) {
    (void)state;
    static const char *const names[] = {"8", "8", "a rather long name of a class"};
    tn_dataset *data = numbered(1, 28, 28, 1);
    tn_mistake m = {.label = 0, .prediction = 1, .probability = 0.25f};
    picture none = draw(data, names, 3, &m, 0), one = draw(data, names, 3, &m, 1);
    assert_int_equal(count(&none, 0x1a, 0x7f, 0x37), 0);
    assert_int_equal(count(&none, 0xcf, 0x22, 0x2e), 0);
    m.prediction = 2;
    picture cut = draw(data, names, 3, &m, 1);
    int64_t green = count(&one, 0x1a, 0x7f, 0x37), red = count(&one, 0xcf, 0x22, 0x2e);
    assert_true(green > 0 && red > green); /* "what it was taken for" is the longer of two */
    assert_int_equal(count(&cut, 0x1a, 0x7f, 0x37), green);
    assert_true(count(&cut, 0xcf, 0x22, 0x2e) > red);
    assert_true(cut.height > one.height); /* names that are too long for one line take two */
    free(none.pixels);
    free(one.pixels);
    free(cut.pixels);
    tn_dataset_free(data);
}

/* Whatever numbers arrive, nothing is written beside the sheet (the sanitizers watch). */
static void odd_mistakes_are_drawn(void **state) {
    (void)state;
    tn_dataset *data = numbered(2, 28, 28, 1);
    static const char *const names[] = {NULL, ""};
    const tn_mistake odd[] = {
        {.label = -1, .prediction = INT32_MAX, .probability = NAN, .loss = INFINITY},
        {.label = 0, .prediction = 1, .probability = 1, .loss = NAN},
        {.label = 1, .prediction = INT32_MIN, .probability = -3}};
    picture p = draw(data, names, 2, odd, 3);
    assert_int_equal(count(&p, 1, 1, 1), 3 * 112 * 112);
    free(p.pixels);
    tn_dataset_free(data);
}

static void what_is_not_there_cannot_be_drawn(void **state) {
    (void)state;
    tn_error error;
    tn_dataset *data = numbered(2, 28, 28, 1);
    const char *path = scratch_path("never.png");
    static const int64_t images[] = {-1, 2, INT64_MAX};
    for (int i = 0; i < 3; i++) {
        tn_mistake m = {.image = images[i]};
        assert_int_equal(tn_contact_sheet_write(path, "", data, NULL, 0, &m, 1, &error),
                         TN_ERR_ARGUMENT);
        assert_non_null(strstr(error.message, path));
    }
    assert_int_equal(tn_contact_sheet_write(path, "", data, NULL, 0, NULL, 1, &error),
                     TN_ERR_ARGUMENT);
    assert_int_equal(tn_contact_sheet_write(path, "", data, NULL, 0, NULL, -1, &error),
                     TN_ERR_ARGUMENT);
    assert_int_equal(
        tn_contact_sheet_write(scratch_path("no/p.png"), "", data, NULL, 0, NULL, 0, &error),
        TN_ERR_NOT_FOUND);
    assert_int_not_equal(access(path, F_OK), 0);
    tn_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_is_read_back),
        cmocka_unit_test(impossible_pictures_are_refused),
        cmocka_unit_test(a_missing_directory_is_reported),
        cmocka_unit_test(letters_differ_and_the_unknown_is_a_question_mark),
        cmocka_unit_test(an_l_looks_like_one),
        cmocka_unit_test(text_is_read_as_utf8),
        cmocka_unit_test(every_mistake_is_drawn_once),
        cmocka_unit_test(captions_say_what_is_what),
        cmocka_unit_test(odd_mistakes_are_drawn),
        cmocka_unit_test(what_is_not_there_cannot_be_drawn),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
