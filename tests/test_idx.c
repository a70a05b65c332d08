/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "data/idx.h"
#include "scratch.h"

/* 3 images of 2x2 pixels. */
static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0,  0,  0,  2,   0,   0,
                                 0, 2, 0, 1, 2, 3, 4, 5, 60, 70, 80, 255, 254, 253};
enum { header_bytes = 16, data_bytes = 12 };

/* gzip of data, appended to out; the new length of out. */
static size_t compress_to(uint8_t *out, size_t n, size_t room, const void *data, size_t bytes) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)bytes;
    z.next_out = out + n;
    z.avail_out = (uInt)(room - n);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    n = room - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void assert_images(const uint8_t *bytes, size_t n) {
    tn_idx idx;
    tn_error error;
    if (tn_idx_parse(bytes, (int64_t)n, &idx, &error) != TN_OK) fail_msg("%s", error.message);
    assert_int_equal(idx.rank, 3);
    assert_int_equal(idx.dims[0], 3);
    assert_int_equal(idx.dims[1], 2);
    assert_int_equal(idx.dims[2], 2);
    assert_int_equal(idx.bytes, data_bytes);
    assert_memory_equal(idx.data, images + header_bytes, data_bytes);
    tn_idx_free(&idx);
}

/* The copy on the heap lets the sanitizer see a read beyond n. */
static void assert_refused(const uint8_t *bytes, size_t n, tn_status expected, const char *reason) {
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    tn_idx idx = {.rank = 77};
    tn_error error = {""};
    tn_status status = tn_idx_parse(copy, (int64_t)n, &idx, &error);
    free(copy);
    if (status != expected || !strstr(error.message, reason))
        fail_msg("expected %d \"%s\", got %d \"%s\"", expected, reason, status, error.message);
    assert_int_equal(idx.rank, 77); /* written on success only */
}

static void raw_is_read(void **state) {
    (void)state;
    assert_images(images, sizeof images);
}

static void gzip_is_read(void **state) {
    (void)state;
    uint8_t gz[256];
    assert_images(gz, compress_to(gz, 0, sizeof gz, images, sizeof images));
}

static void gzip_members_are_one_stream(void **state) {
    (void)state;
    for (size_t cut = 0; cut <= sizeof images; cut++) {
        uint8_t gz[256];
        size_t n = compress_to(gz, 0, sizeof gz, images, cut);
        n = compress_to(gz, n, sizeof gz, images + cut, sizeof images - cut);
        assert_images(gz, n);
    }
}

static void content_tells_not_the_name(void **state) {
    (void)state;
    tn_idx idx;
    uint8_t gz[256];
    size_t n = compress_to(gz, 0, sizeof gz, images, sizeof images);
    assert_int_equal(tn_idx_read(scratch_write("raw.gz", images, sizeof images), &idx, NULL),
                     TN_OK);
    tn_idx_free(&idx);
    assert_int_equal(tn_idx_read(scratch_write("raw", gz, n), &idx, NULL), TN_OK);
    tn_idx_free(&idx);
}

static void failures_name_the_file(void **state) {
    (void)state;
    tn_idx idx;
    tn_error error;
    const char *path = scratch_write("short", images, sizeof images - 1);
    assert_int_equal(tn_idx_read(path, &idx, &error), TN_ERR_FORMAT);
    char expected[600];
    snprintf(expected, sizeof expected,
             "cannot read %s: header promises 3 images, the file ends after 2 (download it again)",
             path);
    assert_string_equal(error.message, expected);
    assert_int_equal(tn_idx_read(scratch_path("none"), &idx, &error), TN_ERR_NOT_FOUND);
    assert_int_equal(tn_idx_read(scratch_directory, &idx, &error), TN_ERR_IO);
}

/* Each header raw and gzipped, with data_bytes of data behind it. */
static void bad_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        uint8_t header[28];
        size_t n;
        tn_status status;
        const char *reason, *gz_reason;
    } cases[] = {
        {{1, 0, 8, 3}, 16, TN_ERR_FORMAT, "not an IDX file", NULL},
        {{0, 1, 8, 3}, 16, TN_ERR_FORMAT, "not an IDX file", NULL},
        {{0, 0, 0, 3}, 16, TN_ERR_FORMAT, "type code 0x00", NULL},
        {{0, 0, 0x0a, 3}, 16, TN_ERR_FORMAT, "type code 0x0a", NULL},
        {{0, 0, 0x09, 3}, 16, TN_ERR_UNSUPPORTED, "signed bytes", NULL},
        {{0, 0, 0x0b, 3}, 16, TN_ERR_UNSUPPORTED, "16-bit integers", NULL},
        {{0, 0, 0x0c, 3}, 16, TN_ERR_UNSUPPORTED, "32-bit integers", NULL},
        {{0, 0, 0x0d, 3}, 16, TN_ERR_UNSUPPORTED, "32-bit floats", NULL},
        {{0, 0, 0x0e, 3}, 16, TN_ERR_UNSUPPORTED, "64-bit floats", NULL},
        {{0, 0, 8, 0}, 16, TN_ERR_FORMAT, "no dimensions", NULL},
        {{0, 0, 8, 5}, 24, TN_ERR_UNSUPPORTED, "5 dimensions", NULL},
        {{0, 0, 8, 255}, 24, TN_ERR_UNSUPPORTED, "255 dimensions", NULL},
        {{0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2},
         16,
         TN_ERR_FORMAT,
         "1 in the IDX header "
         "is zero",
         NULL},
        {{0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0},
         16,
         TN_ERR_FORMAT,
         "3 in the IDX header "
         "is zero",
         NULL},
        {{0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
         16,
         TN_ERR_FORMAT,
         "too large",
         NULL},
        /* 2^64: 0 if it wrapped */
        {{0, 0, 8, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0},
         20,
         TN_ERR_FORMAT,
         "too large",
         NULL},
        {{0, 0, 8, 2, 127, 255, 255, 255, 127, 255, 255, 255},
         12,
         TN_ERR_FORMAT,
         "promises 2147483647 images, the file ends after 0",
         "cannot hold"},
        {{0, 0, 8, 1, 0, 1, 0, 0},
         8,
         TN_ERR_FORMAT,
         "promises 65536 labels, the file ends after 12",
         "cannot hold"},
        {{0, 0, 8, 1, 0, 0, 1, 0},
         8,
         TN_ERR_FORMAT,
         "promises 256 labels, the file ends after 12",
         NULL},
        {{0, 0, 8, 1, 0, 0, 0, 11},
         8,
         TN_ERR_FORMAT,
         "1 bytes follow the 11 labels",
         "more than the 11 labels"},
        {{0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1},
         12,
         TN_ERR_FORMAT,
         "11 bytes follow the 1 images",
         "more than the 1 images"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t raw[64] = {0}, gz[256];
        memcpy(raw, cases[i].header, cases[i].n);
        size_t n = cases[i].n + data_bytes;
        assert_refused(raw, n, cases[i].status, cases[i].reason);
        size_t n_gz = compress_to(gz, 0, sizeof gz, raw, n);
        assert_refused(gz, n_gz, cases[i].status,
                       cases[i].gz_reason ? cases[i].gz_reason : cases[i].reason);
    }
}

static void truncation_is_refused(void **state) {
    (void)state;
    uint8_t gz[256];
    size_t n_gz = compress_to(gz, 0, sizeof gz, images, sizeof images);
    for (size_t n = 0; n < sizeof images; n++)
        assert_refused(images, n, TN_ERR_FORMAT,
                       n < header_bytes ? "within the header" : "ends after");
    for (size_t n = 0; n < n_gz; n++) assert_refused(gz, n, TN_ERR_FORMAT, "end");
    assert_refused(gz, n_gz - 1, TN_ERR_FORMAT, "without its checksum");
    for (size_t n = 0; n < sizeof images; n++) { /* whole gzip files of cut content */
        size_t n_cut = compress_to(gz, 0, sizeof gz, images, n);
        assert_refused(gz, n_cut, TN_ERR_FORMAT,
                       n < header_bytes ? "within the header" : "ends after");
    }
}

static void trailing_bytes_are_refused(void **state) {
    (void)state;
    uint8_t raw[sizeof images + 1] = {0}, gz[256];
    memcpy(raw, images, sizeof images);
    assert_refused(raw, sizeof raw, TN_ERR_FORMAT, "1 bytes follow");
    size_t n = compress_to(gz, 0, sizeof gz, images, sizeof images);
    gz[n] = 0;
    gz[n + 1] = 0x1f;
    gz[n + 2] = 0x8b;
    assert_refused(gz, n + 1, TN_ERR_FORMAT, "1 bytes follow the end of the compressed data");
    assert_refused(gz, n + 3, TN_ERR_FORMAT, "3 bytes follow the end of the compressed data");
    memmove(gz + n, gz + n + 1, 2);
    assert_refused(gz, n + 1, TN_ERR_FORMAT, "1 bytes follow the end of the compressed data");
    assert_refused(gz, n + 2, TN_ERR_FORMAT, "checksum"); /* a second member, cut off */
}

/* A damaged file is refused, or the damage was in bits without meaning: flags, time and system in
 * the header, padding after the last block. */
static void flipped_bits_change_nothing_unnoticed(void **state) {
    (void)state;
    uint8_t gz[256];
    size_t n = compress_to(gz, 0, sizeof gz, images, sizeof images);
    int n_accepted = 0;
    for (size_t bit = 0; bit < 8 * n; bit++) {
        gz[bit / 8] ^= (uint8_t)(1 << bit % 8);
        tn_idx idx;
        if (tn_idx_parse(gz, (int64_t)n, &idx, NULL) == TN_OK) {
            assert_memory_equal(idx.data, images + header_bytes, data_bytes);
            tn_idx_free(&idx);
            n_accepted++;
        }
        gz[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(n_accepted <= 8 * 7 + 7);
    gz[n - 8] ^= 1;
    assert_refused(gz, n, TN_ERR_FORMAT, "incorrect data check");
    gz[n - 8] ^= 1;
    gz[n - 1] ^= 1;
    assert_refused(gz, n, TN_ERR_FORMAT, "incorrect length check");
}

/* 64 MiB of zeros behind a header that promises 12: refused after the 13th byte. */
static void bombs_are_refused(void **state) {
    (void)state;
    size_t bytes = (size_t)64 << 20, room = 1 << 20;
    uint8_t *zeros = calloc(1, bytes), *gz = malloc(room);
    assert_non_null(zeros);
    memcpy(zeros, images, header_bytes);
    size_t n = compress_to(gz, 0, room, zeros, bytes);
    assert_refused(gz, n, TN_ERR_FORMAT, "more than the 3 images");
    /* In a second member, too. */
    n = compress_to(gz, 0, room, images, sizeof images);
    n = compress_to(gz, n, room, zeros, bytes);
    assert_refused(gz, n, TN_ERR_FORMAT, "more than the 3 images");
    free(zeros);
    free(gz);
}

/* Large enough to make the memory grow several times. */
static void large_files_arrive_whole(void **state) {
    (void)state;
    enum { n_labels = 1000000 };
    uint8_t *raw = malloc(8 + n_labels), *gz = malloc(2 * n_labels);
    memcpy(raw,
           (uint8_t[]){0, 0, 8, 1, n_labels >> 24, n_labels >> 16 & 255, n_labels >> 8 & 255,
                       n_labels & 255},
           8);
    uint32_t x = 1;
    for (int i = 0; i < n_labels; i++) raw[8 + i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    size_t n = compress_to(gz, 0, 2 * n_labels, raw, 8 + n_labels);
    tn_idx idx;
    assert_int_equal(tn_idx_parse(gz, (int64_t)n, &idx, NULL), TN_OK);
    assert_int_equal(idx.bytes, n_labels);
    assert_memory_equal(idx.data, raw + 8, n_labels);
    tn_idx_free(&idx);
    free(raw);
    free(gz);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_is_read),
        cmocka_unit_test(gzip_is_read),
        cmocka_unit_test(gzip_members_are_one_stream),
        cmocka_unit_test(content_tells_not_the_name),
        cmocka_unit_test(failures_name_the_file),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(truncation_is_refused),
        cmocka_unit_test(trailing_bytes_are_refused),
        cmocka_unit_test(flipped_bits_change_nothing_unnoticed),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(large_files_arrive_whole),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
