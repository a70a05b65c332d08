/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/cifar.h"
#include "scratch.h"

enum { IMAGE_BYTES = 3072, MAX_RECORD = 2 + IMAGE_BYTES };

/* Pixel p of image i has the red value i + p, the green one i + 2p and the blue one i + 3p. */
static size_t put_record(uint8_t *to, int label_bytes, int label, int i) {
    if (label_bytes == 2) *to++ = 99; /* a superclass that must not count */
    *to++ = (uint8_t)label;
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < 1024; p++) *to++ = (uint8_t)(i + (c + 1) * p);
    return (size_t)(label_bytes + IMAGE_BYTES);
}

/* A file of two images with the labels first and first + 1. */
static void write_batch(const char *name, int label_bytes, int first) {
    uint8_t bytes[2 * MAX_RECORD];
    size_t n = put_record(bytes, label_bytes, first, first);
    n += put_record(bytes + n, label_bytes, first + 1, first + 1);
    scratch_write(name, bytes, n);
}

static const char *make_cifar_10(const char *name) {
    static char path[512];
    static const char names[] = "airplane\nautomobile\r\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\n"
                                "truck\n\n";
    char file[256];
    strcpy(path, scratch_subdirectory(name));
    for (int i = 1; i <= 5; i++) {
        snprintf(file, sizeof file, "%s/data_batch_%d.bin", name, i);
        write_batch(file, 1, i);
    }
    snprintf(file, sizeof file, "%s/test_batch.bin", name);
    write_batch(file, 1, 8);
    snprintf(file, sizeof file, "%s/batches.meta.txt", name);
    scratch_write(file, names, sizeof names - 1);
    return path;
}

static tn_dataset *open_or_fail(const char *name, tn_split split, tn_dataset_info *info) {
    tn_dataset *dataset = NULL;
    tn_error error;
    if (tn_dataset_open(name, split, NULL, &dataset, &error) != TN_OK)
        fail_msg("%s", error.message);
    *info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, info);
    return dataset;
}

static void assert_refused(const char *name, tn_split split, tn_status expected,
                           const char *reason) {
    tn_dataset *dataset = NULL;
    tn_error error = {""};
    tn_status status = tn_dataset_open(name, split, NULL, &dataset, &error);
    if (status != expected || !strstr(error.message, reason))
        fail_msg("expected %d \"%s\", got %d \"%s\"", expected, reason, status, error.message);
    assert_null(dataset);
}

static void assert_image(const tn_dataset *dataset, int64_t place, int label) {
    const uint8_t *pixels = tn_dataset_images(dataset) + place * IMAGE_BYTES;
    assert_int_equal(tn_dataset_labels(dataset)[place], label);
    for (int p = 0; p < 1024; p++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(pixels[3 * p + c], (uint8_t)(label + (c + 1) * p));
}

static void cifar_10_is_read(void **state) {
    (void)state;
    const char *path = make_cifar_10("c10");
    tn_dataset_info info;
    tn_dataset *train = open_or_fail(path, TN_TRAIN, &info);
    assert_int_equal(info.n, 10);
    assert_int_equal(info.height, 32);
    assert_int_equal(info.width, 32);
    assert_int_equal(info.channels, 3);
    assert_int_equal(info.n_classes, 10);
    assert_string_equal(info.class_names[1], "automobile");
    assert_string_equal(info.class_names[9], "truck");
    for (int i = 0; i < 10; i++) assert_image(train, i, i / 2 + 1 + i % 2);
    tn_dataset_free(train);
    tn_dataset *test = open_or_fail(path, TN_TEST, &info);
    assert_int_equal(info.n, 2);
    assert_image(test, 1, 9);
    tn_dataset_free(test);
}

static void cifar_100_is_read(void **state) {
    (void)state;
    const char *path = scratch_subdirectory("c100");
    char root[512];
    strcpy(root, path);
    write_batch("c100/train.bin", 2, 98);
    write_batch("c100/test.bin", 2, 5);
    tn_dataset_info info;
    tn_dataset *train = open_or_fail(root, TN_TRAIN, &info);
    assert_int_equal(info.n, 2);
    assert_int_equal(info.n_classes, 100);
    assert_string_equal(info.class_names[99], "99"); /* without a file of names */
    assert_image(train, 1, 99);
    tn_dataset_free(train);
    tn_dataset_free(open_or_fail(root, TN_TEST, &info));
}

static void known_names_find_it(void **state) {
    (void)state;
    char old[512], root[512];
    const char *data = getenv("TENON_DATA");
    strcpy(old, data ? data : "");
    strcpy(root, scratch_subdirectory("root"));
    make_cifar_10("root/cifar-10-batches-bin");
    setenv("TENON_DATA", root, 1);
    tn_dataset *dataset = NULL;
    tn_error error = {""};
    tn_status status = tn_dataset_open("cifar-10", TN_TEST, NULL, &dataset, NULL);
    tn_dataset *absent = NULL;
    tn_status absent_status = tn_dataset_open("cifar-100", TN_TEST, NULL, &absent, &error);
    setenv("TENON_DATA", old, 1);
    assert_int_equal(status, TN_OK);
    tn_dataset_free(dataset);
    assert_int_equal(absent_status, TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "cifar.html"));
    assert_non_null(strstr(error.message, "cifar-100-binary"));
}

static void damage_is_named(void **state) {
    (void)state;
    char path[512];
    uint8_t record[MAX_RECORD] = {0};
    strcpy(path, make_cifar_10("bad"));
    scratch_write("bad/data_batch_3.bin", record, 3072);
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT,
                   "bad/data_batch_3.bin: 3072 bytes are no whole number");
    scratch_write("bad/data_batch_3.bin", record, 0);
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "bad/data_batch_3.bin: the file is empty");
    put_record(record, 1, 10, 0);
    scratch_write("bad/data_batch_3.bin", record, 3073);
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "label 10 of image 0 is out of range");
    assert_int_equal(remove(scratch_path("bad/data_batch_3.bin")), 0);
    assert_refused(path, TN_TRAIN, TN_ERR_NOT_FOUND, "bad/data_batch_3.bin: no such file");
}

static void names_must_fit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {{"", "10 lines"},
                 {"a\nb\nc\n", "10 lines"},
                 {"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n", "10 lines"},
                 {"a\n\nc\nd\ne\nf\ng\nh\ni\nj\n", "line 2 is not the name"}};
    char path[512];
    strcpy(path, make_cifar_10("named"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_write("named/batches.meta.txt", cases[i].text, strlen(cases[i].text));
        assert_refused(path, TN_TEST, TN_ERR_FORMAT, cases[i].reason);
    }
    char line[300];
    memset(line, 'x', sizeof line);
    scratch_write("named/batches.meta.txt", line, sizeof line);
    assert_refused(path, TN_TEST, TN_ERR_FORMAT, "line 1 is not the name");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar_10_is_read),    cmocka_unit_test(cifar_100_is_read),
        cmocka_unit_test(known_names_find_it), cmocka_unit_test(damage_is_named),
        cmocka_unit_test(names_must_fit),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
