/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "data/image.h"
#include "scratch.h"

#include "picture_files.h"

static void decode(const picture_file *file, int64_t height, int64_t width, int64_t channels,
                   uint8_t *pixels) {
    tn_error error;
    bool resized = true;
    if (tn_image_decode(file->bytes, (int64_t)file->n, height, width, channels, TN_FIT_STRETCH,
                        pixels, &resized, &error) != TN_OK)
        fail_msg("%s", error.message);
    assert_false(resized);
}

static void assert_refused(const uint8_t *bytes, size_t n, tn_status expected, const char *reason) {
    uint8_t pixels[4];
    uint8_t *copy = malloc(n); /* lets the sanitizer see a read beyond n */
    memcpy(copy, bytes, n);
    tn_error error = {""};
    tn_status status =
        tn_image_decode(copy, (int64_t)n, 2, 2, 1, TN_FIT_STRETCH, pixels, NULL, &error);
    free(copy);
    if (status != expected || !strstr(error.message, reason))
        fail_msg("expected %d \"%s\", got %d \"%s\"", expected, reason, status, error.message);
}

static void assert_near(const uint8_t *pixels, const uint8_t *expected, size_t n, int tolerance) {
    for (size_t i = 0; i < n; i++)
        if (abs(pixels[i] - expected[i]) > tolerance)
            fail_msg("element %zu is %d instead of %d", i, pixels[i], expected[i]);
}

/* Blocks of 8x8 pixels, each of one value, pass unchanged at quality 100: [2][3] of them. */
enum { BLOCKS_HEIGHT = 16, BLOCKS_WIDTH = 24, BLOCKS_BYTES = BLOCKS_HEIGHT * BLOCKS_WIDTH };
static const uint8_t block_values[6] = {10, 60, 110, 160, 210, 250};

static void fill_blocks(uint8_t *pixels) {
    for (int y = 0; y < BLOCKS_HEIGHT; y++)
        for (int x = 0; x < BLOCKS_WIDTH; x++)
            pixels[y * BLOCKS_WIDTH + x] = block_values[y / 8 * 3 + x / 8];
}

static picture_file blocks_file(const jpeg_choices *choices) {
    uint8_t pixels[BLOCKS_BYTES];
    fill_blocks(pixels);
    return picture_jpeg(BLOCKS_HEIGHT, BLOCKS_WIDTH, pixels, choices);
}

static void grey_passes_unchanged(void **state) {
    (void)state;
    uint8_t expected[BLOCKS_BYTES], pixels[BLOCKS_BYTES];
    fill_blocks(expected);
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1});
    decode(&file, BLOCKS_HEIGHT, BLOCKS_WIDTH, 1, pixels);
    assert_memory_equal(pixels, expected, sizeof pixels);
    free(file.bytes);
}

static void colours_keep_their_order(void **state) {
    (void)state;
    uint8_t expected[8 * 8 * 3], pixels[8 * 8 * 3], grey[8 * 8];
    for (int i = 0; i < 64; i++) memcpy(expected + 3 * i, (uint8_t[]){200, 90, 30}, 3);
    picture_file file = picture_jpeg(8, 8, expected, &(jpeg_choices){.channels = 3});
    decode(&file, 8, 8, 3, pixels);
    assert_near(pixels, expected, sizeof expected, 2);
    decode(&file, 8, 8, 1, grey); /* 0.299 R + 0.587 G + 0.114 B = 116 */
    for (int i = 0; i < 64; i++) assert_in_range(grey[i], 115, 117);
    free(file.bytes);
}

/* A baseline file's scans, and one scan for each coefficient. */
static void progressive_files_are_read(void **state) {
    (void)state;
    static const jpeg_scan_info scans[] = {
        {1, {0}, 0, 0, 0, 1}, {1, {0}, 1, 5, 0, 0}, {1, {0}, 6, 63, 0, 0}, {1, {0}, 0, 0, 1, 0}};
    uint8_t expected[BLOCKS_BYTES], pixels[BLOCKS_BYTES];
    fill_blocks(expected);
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1, .scans = scans, .n_scans = 4});
    decode(&file, BLOCKS_HEIGHT, BLOCKS_WIDTH, 1, pixels);
    assert_memory_equal(pixels, expected, sizeof pixels);
    free(file.bytes);
}

static void endless_scans_are_refused(void **state) {
    (void)state;
    jpeg_scan_info scans[64];
    for (int i = 0; i < 64; i++) scans[i] = (jpeg_scan_info){1, {0}, i, i, 0, 0};
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1, .scans = scans, .n_scans = 64});
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "more than 50 scans");
    free(file.bytes);
}

/* Where a stored pixel belongs, by Exif 2.32, table "Orientation": the sides of the picture that
 * the first row and the first column of the stored one are. */
static void pictures_are_turned_upright(void **state) {
    (void)state;
    uint8_t stored[BLOCKS_BYTES], expected[BLOCKS_BYTES], pixels[BLOCKS_BYTES];
    const int h = BLOCKS_HEIGHT, w = BLOCKS_WIDTH;
    fill_blocks(stored);
    for (int orientation = 0; orientation <= 9; orientation++) {
        bool lying = orientation >= 5 && orientation <= 8;
        int height = lying ? w : h, width = lying ? h : w;
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                const int to[10][2] = {
                    {y, x},         {y, x}, {y, w - 1 - x}, {h - 1 - y, w - 1 - x},
                    {h - 1 - y, x}, {x, y}, {x, h - 1 - y}, {w - 1 - x, h - 1 - y},
                    {w - 1 - x, y}, {y, x}};
                expected[to[orientation][0] * width + to[orientation][1]] = stored[y * w + x];
            }
        picture_file file = blocks_file(&(jpeg_choices){.channels = 1, .orientation = orientation});
        tn_pixels header;
        assert_int_equal(tn_image_measure(file.bytes, (int64_t)file.n, &header, NULL), TN_OK);
        assert_int_equal(header.height, height);
        assert_int_equal(header.width, width);
        decode(&file, height, width, 1, pixels);
        assert_memory_equal(pixels, expected, sizeof pixels);
        free(file.bytes);
    }
}

static void damaged_notes_are_passed_over(void **state) {
    (void)state;
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1, .orientation = 6});
    uint8_t *note = NULL, pixels[BLOCKS_BYTES];
    for (size_t i = 0; i + 6 < file.n && !note; i++)
        if (memcmp(file.bytes + i, "Exif\0", 6) == 0) note = file.bytes + i;
    assert_non_null(note);
    memset(note + 10, 0xff, 4); /* the directory is beyond the end */
    decode(&file, BLOCKS_HEIGHT, BLOCKS_WIDTH, 1, pixels);
    free(file.bytes);
}

static void every_cut_is_noticed(void **state) {
    (void)state;
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1, .orientation = 3});
    for (size_t n = 1; n < file.n; n++) assert_refused(file.bytes, n, TN_ERR_FORMAT, "");
    free(file.bytes);
}

static void missing_data_is_noticed(void **state) {
    (void)state;
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1});
    memcpy(file.bytes + file.n - 5, "\xff\xd9", 2); /* the end comes three bytes early */
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "the JPEG data is damaged");
    free(file.bytes);
}

/* The frame header: marker, length, precision, height, width. */
static uint8_t *frame_of(const picture_file *file) {
    for (size_t i = 0; i + 9 < file->n; i++)
        if (file->bytes[i] == 0xff && file->bytes[i + 1] == 0xc0) return file->bytes + i;
    fail_msg("there is no frame header");
    return NULL;
}

static void other_kinds_are_refused(void **state) {
    (void)state;
    uint8_t pixels[8 * 8 * 4] = {0};
    picture_file file = picture_jpeg(8, 8, pixels, &(jpeg_choices){.channels = 4});
    assert_refused(file.bytes, file.n, TN_ERR_UNSUPPORTED, "CMYK");
    free(file.bytes);
    file = blocks_file(&(jpeg_choices){.channels = 1});
    uint8_t *frame = frame_of(&file);
    frame[4] = 12;
    assert_refused(file.bytes, file.n, TN_ERR_UNSUPPORTED, "this kind of JPEG is not supported");
    frame[4] = 8;
    frame[1] = 0xc3; /* lossless */
    assert_refused(file.bytes, file.n, TN_ERR_UNSUPPORTED, "this kind of JPEG is not supported");
    free(file.bytes);
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    static const struct {
        int height, width;
        tn_status status;
        const char *reason;
    } cases[] = {{65500, 65500, TN_ERR_UNSUPPORTED, "65500x65500 pixels"},
                 {1, 16385, TN_ERR_UNSUPPORTED, "16385x1 pixels"},
                 {4096, 16384, TN_ERR_FORMAT, "cannot hold"},
                 {8, 0, TN_ERR_FORMAT, "damaged"},
                 {0, 8, TN_ERR_FORMAT, "damaged"}};
    picture_file file = blocks_file(&(jpeg_choices){.channels = 1});
    uint8_t *frame = frame_of(&file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t sides[] = {(uint8_t)(cases[i].height >> 8), (uint8_t)cases[i].height,
                                 (uint8_t)(cases[i].width >> 8), (uint8_t)cases[i].width};
        memcpy(frame + 5, sides, sizeof sides);
        assert_refused(file.bytes, file.n, cases[i].status, cases[i].reason);
    }
    free(file.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grey_passes_unchanged),
        cmocka_unit_test(colours_keep_their_order),
        cmocka_unit_test(progressive_files_are_read),
        cmocka_unit_test(endless_scans_are_refused),
        cmocka_unit_test(pictures_are_turned_upright),
        cmocka_unit_test(damaged_notes_are_passed_over),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(missing_data_is_noticed),
        cmocka_unit_test(other_kinds_are_refused),
        cmocka_unit_test(absurd_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
