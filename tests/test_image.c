/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <png.h>
#include <zlib.h>

#include "data/image.h"
#include "scratch.h"

/* ---- PNG files made by hand: chunks of our own choice, whether libpng would write them or not
 * ---- */

typedef struct png_file {
    uint8_t *bytes;
    size_t n;
} png_file;

static void put_32(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void add_chunk(png_file *file, const char *type, const void *data, size_t n) {
    file->bytes = realloc(file->bytes, file->n + n + 12);
    uint8_t *chunk = file->bytes + file->n;
    put_32(chunk, (uint32_t)n);
    memcpy(chunk + 4, type, 4);
    if (n) memcpy(chunk + 8, data, n);
    put_32(chunk + 8 + n, (uint32_t)crc32(0, chunk + 4, (uInt)n + 4));
    file->n += n + 12;
}

static png_file begin_png(uint32_t width, uint32_t height, int depth, int colour_type,
                          int interlace) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    png_file file = {malloc(8), 8};
    memcpy(file.bytes, signature, 8);
    uint8_t header[13] = {
        [8] = (uint8_t)depth, [9] = (uint8_t)colour_type, [12] = (uint8_t)interlace};
    put_32(header, width);
    put_32(header + 4, height);
    add_chunk(&file, "IHDR", header, sizeof header);
    return file;
}

/* IDAT from bytes as they are (filter bytes included), and IEND. */
static void end_png(png_file *file, const void *data, size_t n) {
    uLongf n_packed = compressBound((uLong)n);
    uint8_t *packed = malloc(n_packed);
    assert_int_equal(compress2(packed, &n_packed, data, (uLong)n, 9), Z_OK);
    add_chunk(file, "IDAT", packed, n_packed);
    add_chunk(file, "IEND", NULL, 0);
    free(packed);
}

/* rows without filter bytes, row_bytes each. */
static void end_png_rows(png_file *file, const uint8_t *rows, size_t height, size_t row_bytes) {
    uint8_t *data = malloc(height * (row_bytes + 1));
    for (size_t y = 0; y < height; y++) {
        data[y * (row_bytes + 1)] = 0;
        memcpy(data + y * (row_bytes + 1) + 1, rows + y * row_bytes, row_bytes);
    }
    end_png(file, data, height * (row_bytes + 1));
    free(data);
}

static void assert_pixels(const png_file *file, int64_t height, int64_t width, int64_t channels,
                          const uint8_t *expected) {
    uint8_t *pixels = malloc((size_t)(height * width * channels));
    bool resized = true;
    tn_error error;
    if (tn_image_decode(file->bytes, (int64_t)file->n, height, width, channels, TN_FIT_STRETCH,
                        pixels, &resized, &error) != TN_OK)
        fail_msg("%s", error.message);
    assert_false(resized);
    assert_memory_equal(pixels, expected, (size_t)(height * width * channels));
    free(pixels);
}

static void assert_refused(const uint8_t *bytes, size_t n, tn_status expected, const char *reason) {
    uint8_t pixels[4];
    uint8_t *copy = malloc(n ? n : 1); /* lets the sanitizer see a read beyond n */
    memcpy(copy, bytes, n);
    tn_error error = {""};
    tn_status status =
        tn_image_decode(copy, (int64_t)n, 2, 2, 1, TN_FIT_STRETCH, pixels, NULL, &error);
    free(copy);
    if (status != expected || !strstr(error.message, reason))
        fail_msg("expected %d \"%s\", got %d \"%s\"", expected, reason, status, error.message);
}

/* ---- Pixels ---- */

/* The example digits are images of the test set, bit for bit, and show what their names say. */
static void example_digits_are_mnist(void **state) {
    (void)state;
    const char *source = getenv("TENON_SOURCE");
    if (!source) fail_msg("the tests need TENON_SOURCE, the path of the source tree");
    char path[512];
    snprintf(path, sizeof path, "%s/examples/digits", source);
    tn_dataset *mnist = NULL;
    assert_int_equal(tn_dataset_open("mnist", TN_TEST, NULL, &mnist, NULL), TN_OK);
    DIR *entries = opendir(path);
    assert_non_null(entries);
    int n_digits = 0, seen = 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!strstr(entry->d_name, ".png")) continue;
        uint8_t pixels[28 * 28];
        bool resized = true;
        snprintf(path, sizeof path, "%s/examples/digits/%.255s", source, entry->d_name);
        assert_int_equal(tn_image_read(path, 28, 28, 1, TN_FIT_STRETCH, pixels, &resized, NULL),
                         TN_OK);
        assert_false(resized);
        int digit = entry->d_name[0] - '0';
        bool found = false;
        for (int i = 0; i < 10000 && !found; i++)
            found = tn_dataset_labels(mnist)[i] == digit &&
                    memcmp(tn_dataset_images(mnist) + 784 * i, pixels, 784) == 0;
        if (!found) fail_msg("%s is no image of a %d in the test set", entry->d_name, digit);
        n_digits++;
        seen |= 1 << digit;
    }
    closedir(entries);
    tn_dataset_free(mnist);
    assert_true(n_digits >= 10);
    assert_int_equal(seen, 0x3ff);
}

/* With and without chunks that tempt a decoder to change the values. */
static void grey_passes_unchanged(void **state) {
    (void)state;
    uint8_t all[256];
    for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
    for (int kind = 0; kind < 4; kind++) {
        static const uint8_t linear[4] = {0, 1, 0x86, 0xa0}, usual[4] = {0, 0, 0xb1, 0x8f};
        png_file file = begin_png(16, 16, 8, 0, 0);
        if (kind == 1) add_chunk(&file, "gAMA", usual, 4);
        if (kind == 2) add_chunk(&file, "gAMA", linear, 4);
        if (kind == 3) add_chunk(&file, "sRGB", "\1", 1);
        end_png_rows(&file, all, 16, 16);
        assert_pixels(&file, 16, 16, 1, all);
        free(file.bytes);
    }
}

static void grey_of_other_depths_is_scaled(void **state) {
    (void)state;
    png_file file = begin_png(4, 1, 1, 0, 0);
    end_png_rows(&file, (uint8_t[]){0xa0}, 1, 1);
    assert_pixels(&file, 1, 4, 1, (uint8_t[]){255, 0, 255, 0});
    free(file.bytes);
    file = begin_png(4, 1, 2, 0, 0);
    end_png_rows(&file, (uint8_t[]){0x1b}, 1, 1);
    assert_pixels(&file, 1, 4, 1, (uint8_t[]){0, 85, 170, 255});
    free(file.bytes);
    file = begin_png(4, 1, 4, 0, 0);
    end_png_rows(&file, (uint8_t[]){0x01, 0xef}, 1, 2);
    assert_pixels(&file, 1, 4, 1, (uint8_t[]){0, 17, 238, 255});
    free(file.bytes);
    file = begin_png(4, 1, 16, 0, 0);
    end_png_rows(&file, (uint8_t[]){0, 0, 0x12, 0x34, 0x7f, 0xff, 0xff, 0xff}, 1, 8);
    assert_pixels(&file, 1, 4, 1, (uint8_t[]){0, 18, 127, 255}); /* round(v / 257) */
    free(file.bytes);
}

static void grey_becomes_colour(void **state) {
    (void)state;
    png_file file = begin_png(2, 1, 8, 0, 0);
    end_png_rows(&file, (uint8_t[]){7, 200}, 1, 2);
    assert_pixels(&file, 1, 2, 3, (uint8_t[]){7, 7, 7, 200, 200, 200});
    free(file.bytes);
}

/* 0.299 R + 0.587 G + 0.114 B, rounded; greys stay what they are. */
static void colour_becomes_grey(void **state) {
    (void)state;
    const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 10, 20, 30, 77, 77, 77};
    png_file file = begin_png(6, 1, 8, 2, 0);
    end_png_rows(&file, rgb, 1, sizeof rgb);
    assert_pixels(&file, 1, 6, 1, (uint8_t[]){76, 150, 29, 255, 18, 77});
    assert_pixels(&file, 1, 6, 3, rgb);
    free(file.bytes);
}

static void transparency_is_blended_onto_black(void **state) {
    (void)state;
    png_file file = begin_png(4, 1, 8, 4, 0);
    end_png_rows(&file, (uint8_t[]){200, 255, 200, 0, 200, 128, 255, 1}, 1, 8);
    assert_pixels(&file, 1, 4, 1, (uint8_t[]){200, 0, 100, 1});
    assert_pixels(&file, 1, 4, 3, (uint8_t[]){200, 200, 200, 0, 0, 0, 100, 100, 100, 1, 1, 1});
    free(file.bytes);
    file = begin_png(2, 1, 8, 6, 0);
    end_png_rows(&file, (uint8_t[]){255, 0, 100, 51, 255, 255, 255, 0}, 1, 8);
    assert_pixels(&file, 1, 2, 3, (uint8_t[]){51, 0, 20, 0, 0, 0});
    assert_pixels(&file, 1, 2, 1, (uint8_t[]){18, 0}); /* 0.299·51 + 0.114·20 */
    free(file.bytes);
    file = begin_png(2, 1, 8, 0, 0); /* one grey declared transparent */
    add_chunk(&file, "tRNS", (uint8_t[]){0, 9}, 2);
    end_png_rows(&file, (uint8_t[]){9, 10}, 1, 2);
    assert_pixels(&file, 1, 2, 1, (uint8_t[]){0, 10});
    free(file.bytes);
}

static void palettes_are_looked_up(void **state) {
    (void)state;
    png_file file = begin_png(3, 1, 2, 3, 0);
    add_chunk(&file, "PLTE", (uint8_t[]){1, 2, 3, 40, 50, 60, 255, 255, 255}, 9);
    add_chunk(&file, "tRNS", (uint8_t[]){255, 51}, 2);
    end_png_rows(&file, (uint8_t[]){0x18}, 1, 1); /* 0, 1, 2 */
    assert_pixels(&file, 1, 3, 3, (uint8_t[]){1, 2, 3, 8, 10, 12, 255, 255, 255});
    free(file.bytes);
}

/* Adam7: each pass takes the pixels from (y0, x0) in steps of (dy, dx), as the PNG standard's table
 * has it; a pass without pixels has no rows. */
static void interlaced_images_are_assembled(void **state) {
    (void)state;
    uint8_t expected[16];
    for (int i = 0; i < 16; i++) expected[i] = (uint8_t)(i * 15);
    static const struct {
        int y0, x0, dy, dx;
    } passes[] = {{0, 0, 8, 8}, {0, 4, 8, 8}, {4, 0, 8, 4}, {0, 2, 4, 4},
                  {2, 0, 4, 2}, {0, 1, 2, 2}, {1, 0, 2, 1}};
    uint8_t data[64];
    size_t n = 0;
    for (int p = 0; p < 7; p++)
        for (int y = passes[p].y0; passes[p].x0 < 4 && y < 4; y += passes[p].dy) {
            data[n++] = 0;
            for (int x = passes[p].x0; x < 4; x += passes[p].dx) data[n++] = expected[4 * y + x];
        }
    png_file file = begin_png(4, 4, 8, 0, 1);
    end_png(&file, data, n);
    assert_pixels(&file, 4, 4, 1, expected);
    free(file.bytes);
}

/* ---- Size ---- */

static void assert_resized(const uint8_t *src, int64_t src_height, int64_t src_width,
                           int64_t channels, const uint8_t *expected, int64_t height,
                           int64_t width) {
    uint8_t dst[64];
    assert_int_equal(
        tn_image_resize(src, src_height, src_width, channels, dst, height, width, NULL), TN_OK);
    assert_memory_equal(dst, expected, (size_t)(height * width * channels));
}

static void shrinking_averages_areas(void **state) {
    (void)state;
    assert_resized((uint8_t[]){0, 2, 10, 20, 4, 6, 30, 41}, 2, 4, 1, (uint8_t[]){3, 25}, 1, 2);
    /* 3 to 2: (a + b/2) / 1.5 and (b/2 + c) / 1.5 */
    assert_resized((uint8_t[]){30, 60, 90}, 1, 3, 1, (uint8_t[]){40, 80}, 1, 2);
    assert_resized((uint8_t[]){30, 60, 90}, 3, 1, 1, (uint8_t[]){40, 80}, 2, 1);
    assert_resized((uint8_t[]){1, 10, 100, 3, 20, 200}, 1, 2, 3, (uint8_t[]){2, 15, 150}, 1, 1);
}

static void growing_is_linear_between_centres(void **state) {
    (void)state;
    assert_resized((uint8_t[]){0, 100}, 1, 2, 1, (uint8_t[]){0, 25, 75, 100}, 1, 4);
    assert_resized((uint8_t[]){0, 100}, 2, 1, 1, (uint8_t[]){0, 25, 75, 100}, 4, 1);
    assert_resized((uint8_t[]){9}, 1, 1, 1, (uint8_t[]){9, 9, 9, 9, 9, 9}, 2, 3);
    /* one axis grows, the other shrinks */
    assert_resized((uint8_t[]){0, 0, 100, 100}, 1, 4, 1, (uint8_t[]){0, 100, 0, 100}, 2, 2);
}

static void constant_images_stay_constant(void **state) {
    (void)state;
    static uint8_t src[37 * 41], dst[61 * 61];
    for (int value = 0; value < 256; value += 51) {
        memset(src, value, sizeof src);
        for (int64_t side = 1; side <= 61; side += 5) {
            assert_int_equal(tn_image_resize(src, 37, 41, 1, dst, side, side, NULL), TN_OK);
            for (int64_t i = 0; i < side * side; i++) assert_int_equal(dst[i], value);
        }
    }
}

static void reading_tells_of_resizing(void **state) {
    (void)state;
    png_file file = begin_png(4, 2, 8, 0, 0);
    end_png_rows(&file, (uint8_t[]){0, 2, 10, 20, 4, 6, 30, 41}, 2, 4);
    uint8_t pixels[2];
    bool resized = false;
    assert_int_equal(tn_image_read(scratch_write("small.png", file.bytes, file.n), 1, 2, 1,
                                   TN_FIT_STRETCH, pixels, &resized, NULL),
                     TN_OK);
    assert_true(resized);
    assert_int_equal(pixels[0], 3);
    assert_int_equal(pixels[1], 25);
    free(file.bytes);
}

static void reading_crops_or_stretches(void **state) {
    (void)state;
    png_file file = begin_png(4, 2, 8, 0, 0);
    end_png_rows(&file, (uint8_t[]){0, 2, 10, 20, 4, 6, 30, 40}, 2, 4);
    const char *path = scratch_write("wide.png", file.bytes, file.n);
    uint8_t pixel;
    assert_int_equal(tn_image_read(path, 1, 1, 1, TN_FIT_CROP, &pixel, NULL, NULL), TN_OK);
    assert_int_equal(pixel, 12); /* of 2, 10, 6, 30 */
    assert_int_equal(tn_image_read(path, 1, 1, 1, TN_FIT_STRETCH, &pixel, NULL, NULL), TN_OK);
    assert_int_equal(pixel, 14); /* of all */
    free(file.bytes);
}

/* ---- Damage ---- */

static void other_files_are_refused(void **state) {
    (void)state;
    assert_refused((const uint8_t *)"", 0, TN_ERR_FORMAT, "the file is empty");
    assert_refused((const uint8_t *)"GIF89a", 6, TN_ERR_FORMAT, "neither a PNG nor a JPEG file");
    assert_refused((const uint8_t *)"\x89PNG\r\n\x1a\n", 8, TN_ERR_FORMAT, "within the header");
    tn_error error;
    uint8_t pixel;
    assert_int_equal(
        tn_image_read(scratch_path("none"), 1, 1, 1, TN_FIT_STRETCH, &pixel, NULL, &error),
        TN_ERR_NOT_FOUND);
    assert_int_equal(
        tn_image_read(scratch_directory, 1, 1, 1, TN_FIT_STRETCH, &pixel, NULL, &error), TN_ERR_IO);
    const char *path = scratch_write("text.png", "text", 4);
    assert_int_equal(tn_image_read(path, 1, 1, 1, TN_FIT_STRETCH, &pixel, NULL, &error),
                     TN_ERR_FORMAT);
    assert_non_null(strstr(error.message, path));
}

static void huge_images_are_refused(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        tn_status status;
        const char *reason;
    } cases[] = {
        {100000, 100000, TN_ERR_UNSUPPORTED, "100000x100000 pixels"},
        {16385, 1, TN_ERR_UNSUPPORTED, "16385x1 pixels"},
        {1, 16385, TN_ERR_UNSUPPORTED, "1x16385 pixels"},
        {0xffffffff, 0xffffffff, TN_ERR_UNSUPPORTED, "4294967295x4294967295 pixels"},
        {16384, 4097, TN_ERR_UNSUPPORTED, "16384x4097 pixels"},
        {16384, 4096, TN_ERR_FORMAT, "cannot hold"}, /* allowed, but not in so few bytes */
        {0, 1, TN_ERR_FORMAT, "damaged"},
        {1, 0, TN_ERR_FORMAT, "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        png_file file = begin_png(cases[i].width, cases[i].height, 8, 0, 0);
        end_png(&file, "\0\0", 2);
        assert_refused(file.bytes, file.n, cases[i].status, cases[i].reason);
        free(file.bytes);
    }
}

static void senseless_sizes_are_refused(void **state) {
    (void)state;
    static const int64_t cases[][3] = {{0, 1, 1},     {1, 0, 1},     {1, 1, 0},
                                       {1, 1, 2},     {1, 1, 4},     {-1, 1, 1},
                                       {16385, 1, 1}, {1, 16385, 1}, {16384, 16384, 1}};
    png_file file = begin_png(1, 1, 8, 0, 0);
    end_png_rows(&file, (uint8_t[]){1}, 1, 1);
    const char *path = scratch_write("one.png", file.bytes, file.n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t pixel;
        assert_int_equal(tn_image_read(path, cases[i][0], cases[i][1], cases[i][2], TN_FIT_STRETCH,
                                       &pixel, NULL, NULL),
                         TN_ERR_ARGUMENT);
    }
    free(file.bytes);
}

static void every_cut_is_noticed(void **state) {
    (void)state;
    png_file file = begin_png(2, 2, 8, 0, 0);
    end_png_rows(&file, (uint8_t[]){1, 2, 3, 4}, 2, 2);
    assert_pixels(&file, 2, 2, 1, (uint8_t[]){1, 2, 3, 4});
    for (size_t n = 0; n < file.n; n++) assert_refused(file.bytes, n, TN_ERR_FORMAT, "");
    free(file.bytes);
}

static void every_flipped_bit_is_noticed(void **state) {
    (void)state;
    png_file file = begin_png(2, 2, 8, 0, 0);
    add_chunk(&file, "tEXt", "Title\0x", 7);
    end_png_rows(&file, (uint8_t[]){1, 2, 3, 4}, 2, 2);
    for (size_t bit = 0; bit < 8 * file.n; bit++) {
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        uint8_t pixels[4];
        if (tn_image_decode(file.bytes, (int64_t)file.n, 2, 2, 1, TN_FIT_STRETCH, pixels, NULL,
                            NULL) == TN_OK)
            fail_msg("bit %zu of byte %zu is not checked", bit % 8, bit / 8);
        file.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(file.bytes);
}

static void damaged_data_is_refused(void **state) {
    (void)state;
    png_file file = begin_png(2, 2, 8, 0, 0);
    end_png(&file, "\0\1\2\0\3", 5); /* a pixel too few */
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
    free(file.bytes);
    file = begin_png(2, 2, 8, 0, 0);
    end_png(&file, "\0\1\2\7\3\4", 6); /* no such filter */
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
    free(file.bytes);
    file = begin_png(2, 2, 8, 0, 0);
    add_chunk(&file, "IDAT", "not deflated", 12);
    add_chunk(&file, "IEND", NULL, 0);
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
    free(file.bytes);
    file = begin_png(2, 2, 8, 0, 0);
    add_chunk(&file, "IEND", NULL, 0);
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
    free(file.bytes);
    static const int depths_and_types[][2] = {{3, 0}, {0, 0}, {32, 0}, {8, 1}, {8, 5},
                                              {8, 7}, {1, 2}, {16, 3}, {4, 6}};
    for (size_t i = 0; i < sizeof depths_and_types / sizeof *depths_and_types; i++) {
        file = begin_png(2, 2, depths_and_types[i][0], depths_and_types[i][1], 0);
        end_png_rows(&file, (uint8_t[32]){0}, 2, 16);
        assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
        free(file.bytes);
    }
    file = begin_png(2, 2, 8, 3, 0); /* no palette */
    end_png_rows(&file, (uint8_t[]){0, 0, 0, 0}, 2, 2);
    assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
    free(file.bytes);
}

/* 64 MiB of text in 64 KiB is passed over without being unpacked. */
static void bombs_in_other_chunks_are_passed_over(void **state) {
    (void)state;
    size_t n_text = (size_t)64 << 20;
    uLongf n_packed = compressBound((uLong)n_text);
    uint8_t *text = calloc(1, n_text), *chunk = malloc(n_packed + 16);
    memcpy(chunk, "Title\0\0", 7);
    assert_int_equal(compress2(chunk + 7, &n_packed, text, (uLong)n_text, 9), Z_OK);
    static const char *const types[] = {"zTXt", "iCCP"};
    for (int i = 0; i < 2; i++) {
        png_file file = begin_png(2, 1, 8, 0, 0);
        add_chunk(&file, types[i], chunk, n_packed + 7);
        end_png_rows(&file, (uint8_t[]){5, 6}, 1, 2);
        assert_pixels(&file, 1, 2, 1, (uint8_t[]){5, 6});
        free(file.bytes);
    }
    free(text);
    free(chunk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_digits_are_mnist),
        cmocka_unit_test(grey_passes_unchanged),
        cmocka_unit_test(grey_of_other_depths_is_scaled),
        cmocka_unit_test(grey_becomes_colour),
        cmocka_unit_test(colour_becomes_grey),
        cmocka_unit_test(transparency_is_blended_onto_black),
        cmocka_unit_test(palettes_are_looked_up),
        cmocka_unit_test(interlaced_images_are_assembled),
        cmocka_unit_test(shrinking_averages_areas),
        cmocka_unit_test(growing_is_linear_between_centres),
        cmocka_unit_test(constant_images_stay_constant),
        cmocka_unit_test(reading_tells_of_resizing),
        cmocka_unit_test(reading_crops_or_stretches),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(huge_images_are_refused),
        cmocka_unit_test(senseless_sizes_are_refused),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(damaged_data_is_refused),
        cmocka_unit_test(bombs_in_other_chunks_are_passed_over),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
