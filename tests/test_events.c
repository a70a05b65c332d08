/* SPDX-License-Identifier: Apache-2.0 */
/* Event files: CRC-32C, histograms, and files taken apart by a reader of their own. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "data/image.h"
#include "event_reader.h"
#include "report/histogram.h"
#include "scratch.h"

static tn_events *open_events(const char *dir) {
    tn_events *events = NULL;
    tn_error error;
    if (tn_events_open(dir, &events, &error) != TN_OK) fail_msg("%s", error.message);
    return events;
}

/* ---- CRC-32C ------------------------------------------------------------------------------- */

/* RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void crc32c_has_the_published_values(void **state) {
    (void)state;
    uint8_t data[32];
    memset(data, 0, 32);
    assert_int_equal(tn_crc32c(data, 32), 0x8a9136aa);
    memset(data, 0xff, 32);
    assert_int_equal(tn_crc32c(data, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) data[i] = (uint8_t)i;
    assert_int_equal(tn_crc32c(data, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++) data[i] = (uint8_t)(31 - i);
    assert_int_equal(tn_crc32c(data, 32), 0x113fdb5c);
    static const uint8_t read_command[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
        0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
        0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    assert_int_equal(tn_crc32c(read_command, 48), 0xd9963a56);
    assert_int_equal(tn_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(tn_crc32c("", 0), 0);
}

/* ---- Histograms ---------------------------------------------------------------------------- */

static void histogram_counts_all_values_between_its_limits(void **state) {
    (void)state;
    static const float values[] = {0, -1.5f, 1e-20f, 3, 3, 1e30f, -FLT_MAX, 0.25f};
    tn_histogram h;
    tn_histogram_fill(values, 8, &h);
    assert_int_equal(h.n, 8);
    assert_true(h.min == -FLT_MAX && h.max == (double)1e30f);
    double n = 0;
    for (int i = 0; i < h.n_buckets; i++) {
        int64_t inside = 0;
        for (int k = 0; k < 8; k++)
            inside += values[k] < h.limits[i] && (i == 0 || values[k] >= h.limits[i - 1]);
        assert_int_equal(h.counts[i], inside);
        if (i > 0) assert_true(h.limits[i] > h.limits[i - 1]);
        if (i > 0) assert_true(h.counts[i] > 0 || h.counts[i - 1] > 0);
        n += h.counts[i];
    }
    assert_true(n == 8);
    assert_true(h.limits[h.n_buckets - 1] == DBL_MAX);
}

static void histogram_buckets_grow_by_a_tenth(void **state) {
    (void)state;
    float value = 1;
    tn_histogram h;
    tn_histogram_fill(&value, 1, &h);
    assert_int_equal(h.n_buckets, 3); /* empty, the value, empty */
    assert_true(h.counts[1] == 1);
    double ratio = h.limits[1] / h.limits[0];
    assert_true(fabs(ratio - 1.1) < 1e-9);
    assert_true(h.sum == 1 && h.sum_squares == 1);
}

static void histogram_leaves_out_what_is_not_finite(void **state) {
    (void)state;
    static const float values[] = {NAN, INFINITY, 2, -INFINITY};
    tn_histogram h;
    tn_histogram_fill(values, 4, &h);
    assert_int_equal(h.n, 1);
    assert_true(h.min == 2 && h.max == 2 && h.sum == 2 && h.sum_squares == 4);
    tn_histogram_fill(values, 2, &h);
    assert_int_equal(h.n, 0);
    assert_true(h.min == 0 && h.max == 0 && h.sum == 0);
    assert_int_equal(h.n_buckets, 1);
    tn_histogram_fill(NULL, 0, &h);
    assert_int_equal(h.n, 0);
}

/* ---- Files --------------------------------------------------------------------------------- */

static void a_file_begins_with_its_version(void **state) {
    (void)state;
    const char *dir = scratch_path("new/and/deep");
    assert_int_equal(tn_events_close(open_events(dir), NULL), TN_OK);
    event_file file = only_file(dir);
    assert_int_equal(file.n, 1);
    assert_text(get(file.events[0], 3), "brain.Event:2");
    free(file.data);
}

static void each_open_makes_a_new_file(void **state) {
    (void)state;
    const char *dir = scratch_path("twice");
    tn_events *a = open_events(dir), *b = open_events(dir);
    char path[1024];
    assert_int_equal(find_files(dir, path), 2);
    assert_int_equal(tn_events_close(a, NULL), TN_OK);
    assert_int_equal(tn_events_close(b, NULL), TN_OK);
}

static void scalars_are_read_back(void **state) {
    (void)state;
    const char *dir = scratch_path("scalars");
    tn_events *events = open_events(dir);
    tn_events_scalar(events, "train/loss", 10, 0.75);
    tn_events_scalar(events, "train/loss", (int64_t)1 << 40, NAN);
    tn_events_scalar(events, "", 0, -1e30);
    assert_int_equal(tn_events_close(events, NULL), TN_OK);
    event_file file = only_file(dir);
    assert_int_equal(file.n, 4);
    assert_true(float_of(get(value_of(file.events[1], "train/loss", 10), 2)) == 0.75f);
    assert_true(isnan(float_of(get(value_of(file.events[2], "train/loss", (int64_t)1 << 40), 2))));
    assert_true(float_of(get(value_of(file.events[3], "", 0), 2)) == -1e30f);
    assert_false(has(file.events[3], 3));
    free(file.data);
}

static void histograms_are_read_back(void **state) {
    (void)state;
    const char *dir = scratch_path("histograms");
    static const float values[] = {-2, 0.5f, 0.5f, NAN};
    tn_events *events = open_events(dir);
    tn_events_histogram(events, "weights/fc", 3, values, 4);
    assert_int_equal(tn_events_close(events, NULL), TN_OK);
    event_file file = only_file(dir);
    stretch histogram = get(value_of(file.events[1], "weights/fc", 3), 5).content;
    static const double expected[] = {-2, 0.5, 3, -1, 4.5};
    for (int i = 0; i < 5; i++) assert_true(real_of(get(histogram, 1 + i)) == expected[i]);
    stretch limits = get(histogram, 6).content, counts = get(histogram, 7).content;
    assert_int_equal(limits.end - limits.at, counts.end - counts.at);
    double sum = 0;
    for (; counts.at < counts.end; counts.at += 8) {
        double n;
        memcpy(&n, counts.at, sizeof n);
        sum += n;
    }
    assert_true(sum == 3);
    free(file.data);
}

static void images_are_read_back(void **state) {
    (void)state;
    const char *dir = scratch_path("images");
    uint8_t pixels[2 * 3 * 3], back[2 * 3 * 3];
    for (int i = 0; i < 18; i++) pixels[i] = (uint8_t)(14 * i);
    tn_events *events = open_events(dir);
    tn_events_image(events, "mistakes/7 taken for 1", 5, 2, 3, 3, pixels);
    tn_events_image(events, "grey", 5, 3, 2, 1, pixels);
    assert_int_equal(tn_events_close(events, NULL), TN_OK);
    event_file file = only_file(dir);
    stretch image = get(value_of(file.events[1], "mistakes/7 taken for 1", 5), 4).content;
    assert_int_equal(get(image, 1).value, 2);
    assert_int_equal(get(image, 2).value, 3);
    assert_int_equal(get(image, 3).value, 3);
    stretch png = get(image, 4).content;
    assert_int_equal(
        tn_image_decode(png.at, png.end - png.at, 2, 3, 3, TN_FIT_STRETCH, back, NULL, NULL),
        TN_OK);
    assert_memory_equal(back, pixels, 18);
    image = get(value_of(file.events[2], "grey", 5), 4).content;
    assert_int_equal(get(image, 1).value, 3);
    assert_int_equal(get(image, 3).value, 1);
    free(file.data);
}

/* A reader of protocol buffers refuses a string that is not UTF-8. */
static void tags_are_always_utf8(void **state) {
    (void)state;
    const char *dir = scratch_path("tags");
    tn_events *events = open_events(dir);
    tn_events_scalar(events, "M\xc3\xbcll", 1, 1);
    tn_events_scalar(events, "M\xfcll", 1, 1);
    assert_int_equal(tn_events_close(events, NULL), TN_OK);
    event_file file = only_file(dir);
    value_of(file.events[1], "M\xc3\xbcll", 1);
    value_of(file.events[2], "M?ll", 1);
    free(file.data);
}

static void flushed_events_can_be_read_at_once(void **state) {
    (void)state;
    const char *dir = scratch_path("flushed");
    tn_events *events = open_events(dir);
    tn_events_scalar(events, "a", 1, 1);
    tn_events_flush(events);
    event_file file = only_file(dir);
    assert_int_equal(file.n, 2);
    free(file.data);
    assert_int_equal(tn_events_close(events, NULL), TN_OK);
}

/* ---- Failures ------------------------------------------------------------------------------ */

static void a_directory_that_cannot_be_made_is_reported(void **state) {
    (void)state;
    tn_events *events = NULL;
    tn_error error;
    const char *file = scratch_write("file", "x", 1);
    char below[600];
    snprintf(below, sizeof below, "%s/dir", file);
    assert_int_equal(tn_events_open(below, &events, &error), TN_ERR_IO);
    assert_non_null(strstr(error.message, below));
    assert_int_equal(tn_events_open(file, &events, &error), TN_ERR_IO);
    assert_int_equal(tn_events_open("", &events, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_events_open(NULL, &events, &error), TN_ERR_ARGUMENT);
    assert_null(events);
}

static void the_first_failure_sticks(void **state) {
    (void)state;
    tn_error error;
    static const uint8_t pixel = 7;
    tn_events *events = open_events(scratch_path("sticks"));
    tn_events_image(events, "wrong", 1, 1, 1, 2, &pixel);
    tn_events_scalar(events, NULL, 1, 1);
    tn_events_scalar(events, "good", 1, 1);
    assert_int_equal(tn_events_close(events, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "wrong"));
    event_file file = only_file(scratch_path("sticks"));
    assert_int_equal(file.n, 1);
    free(file.data);
    events = open_events(scratch_path("no-tag"));
    tn_events_histogram(events, "none", 1, NULL, 3);
    assert_int_equal(tn_events_close(events, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "none"));
}

static void a_full_disk_is_reported_at_the_end(void **state) {
    (void)state;
    tn_error error;
    const char *dir = scratch_path("full");
    tn_events *events = open_events(dir);
    char path[1024];
    assert_int_equal(find_files(dir, path), 1);
    /* The limit of the file's size stands for the full disk. */
    struct rlimit old, small = {.rlim_cur = 4096};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 1000; i++) tn_events_scalar(events, "a", i, 1);
    tn_status status = tn_events_close(events, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, TN_ERR_IO);
    assert_non_null(strstr(error.message, path));
}

static void nobody_may_be_told(void **state) {
    (void)state;
    tn_events_scalar(NULL, "a", 1, 1);
    tn_events_histogram(NULL, "a", 1, NULL, 0);
    tn_events_image(NULL, "a", 1, 1, 1, 1, NULL);
    tn_events_flush(NULL);
    assert_int_equal(tn_events_close(NULL, NULL), TN_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_has_the_published_values),
        cmocka_unit_test(histogram_counts_all_values_between_its_limits),
        cmocka_unit_test(histogram_buckets_grow_by_a_tenth),
        cmocka_unit_test(histogram_leaves_out_what_is_not_finite),
        cmocka_unit_test(a_file_begins_with_its_version),
        cmocka_unit_test(each_open_makes_a_new_file),
        cmocka_unit_test(scalars_are_read_back),
        cmocka_unit_test(histograms_are_read_back),
        cmocka_unit_test(images_are_read_back),
        cmocka_unit_test(tags_are_always_utf8),
        cmocka_unit_test(flushed_events_can_be_read_at_once),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_reported),
        cmocka_unit_test(the_first_failure_sticks),
        cmocka_unit_test(a_full_disk_is_reported_at_the_end),
        cmocka_unit_test(nobody_may_be_told),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
