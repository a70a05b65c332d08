/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/sha256.h"
#include "base/status.h"
#include "scratch.h"

/* Lets the package's folder vanish: its absence cannot be arranged otherwise. */
static bool hide_packages;

int stat(const char *restrict path, struct stat *restrict info) {
    if (hide_packages && strncmp(path, "/usr/share/datasets", 19) == 0) {
        errno = ENOENT;
        return -1;
    }
    return fstatat(AT_FDCWD, path, info, 0);
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

/* ---- MNIST as it lies in the tree ---- */

static const char *data_root(void) {
    const char *root = getenv("TENON_DATA");
    if (!root) fail_msg("the tests need TENON_DATA, the path of the data folder");
    return root;
}

static void mnist_has_its_known_numbers(void **state) {
    (void)state;
    /* Images of each digit; their sums are 60000 and 10000. */
    static const int64_t expected[2][10] = {
        {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949},
        {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}};
    static const int64_t n[2] = {60000, 10000};
    for (int split = 0; split < 2; split++) {
        tn_dataset_info info;
        tn_dataset *mnist = open_or_fail("mnist", (tn_split)split, &info);
        assert_string_equal(info.name, "mnist");
        assert_int_equal(info.n, n[split]);
        assert_int_equal(info.channels, 1);
        assert_int_equal(info.height, 28);
        assert_int_equal(info.width, 28);
        assert_int_equal(info.n_classes, 10);
        int64_t count[10] = {0};
        for (int64_t i = 0; i < info.n; i++) {
            int32_t label = tn_dataset_labels(mnist)[i];
            assert_in_range(label, 0, 9);
            count[label]++;
        }
        assert_memory_equal(count, expected[split], sizeof count);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(info.class_names[i][0], '0' + i);
            assert_int_equal(info.class_names[i][1], '\0');
        }
        if (split == TN_TRAIN) {
            assert_true(fabs(info.mean - 0.1307) < 0.00005);
            assert_true(fabs(info.std - 0.3081) < 0.00005);
            assert_int_equal(tn_dataset_labels(mnist)[0], 5);
        }
        tn_dataset_free(mnist);
    }
}

static void sha256_of_file(const char *path, bool inflate, char hex[65]) {
    tn_sha256 sha;
    tn_sha256_begin(&sha);
    static uint8_t buffer[1 << 16];
    FILE *raw = inflate ? NULL : fopen(path, "rb");
    gzFile gz = inflate ? gzopen(path, "rb") : NULL;
    if (!raw && !gz) fail_msg("cannot open %s", path);
    for (;;) {
        int64_t got =
            raw ? (int64_t)fread(buffer, 1, sizeof buffer, raw) : gzread(gz, buffer, sizeof buffer);
        if (got <= 0) break;
        tn_sha256_add(&sha, buffer, (size_t)got);
    }
    if (raw) fclose(raw);
    if (gz) gzclose(gz);
    tn_sha256_end(&sha, hex);
}

/* The table rows are "| `file` | size | `sha256` |". */
static void assert_row(const char *readme, const char *file, const char *hex) {
    char start[128];
    snprintf(start, sizeof start, "| `%s` |", file);
    const char *row = strstr(readme, start), *found = row ? strstr(row, hex) : NULL;
    const char *line_end = row ? strchr(row, '\n') : NULL;
    if (!found || !line_end || found > line_end)
        fail_msg("the README gives another SHA-256 for %s than %s", file, hex);
}

static void mnist_files_match_their_readme(void **state) {
    (void)state;
    static const char *const files[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    static char readme[8192];
    char path[512], hex[65];
    snprintf(path, sizeof path, "%s/mnist/README.md", data_root());
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("cannot open %s", path);
    readme[fread(readme, 1, sizeof readme - 1, file)] = '\0';
    fclose(file);
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.gz", files[i]);
        snprintf(path, sizeof path, "%s/mnist/%s", data_root(), name);
        sha256_of_file(path, false, hex);
        assert_row(readme, name, hex);
        sha256_of_file(path, true, hex);
        assert_row(readme, files[i], hex);
    }
}

/* ---- Fashion-MNIST, if its package is installed ---- */

static void fashion_mnist_is_found(void **state) {
    (void)state;
    if (access("/usr/share/datasets/fashion-mnist", F_OK) != 0) {
        print_message("skipped: Debian's package dataset-fashion-mnist is not installed\n");
        skip();
    }
    tn_dataset_info info;
    tn_dataset *fashion = open_or_fail("fashion-mnist", TN_TRAIN, &info);
    assert_string_equal(info.name, "fashion-mnist");
    assert_int_equal(info.n, 60000);
    assert_int_equal(info.n_classes, 10);
    assert_string_equal(info.class_names[0], "T-shirt/top");
    assert_string_equal(info.class_names[tn_dataset_labels(fashion)[0]], "Ankle boot");
    assert_true(fabs(info.mean - 0.2860) < 0.00005); /* as PyTorch's users know them */
    assert_true(fabs(info.std - 0.3530) < 0.00005);
    tn_dataset_free(fashion);
}

static void missing_package_is_named(void **state) {
    (void)state;
    hide_packages = true;
    tn_dataset *dataset = NULL;
    tn_error error = {""};
    tn_status status = tn_dataset_open("fashion-mnist", TN_TRAIN, NULL, &dataset, &error);
    hide_packages = false;
    assert_int_equal(status, TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "apt-get install dataset-fashion-mnist"));
}

/* ---- Small sets of our own ---- */

static const uint8_t two_images[] = {0, 0, 8, 3, 0, 0, 0, 2,   0,  0,
                                     0, 2, 0, 0, 0, 1, 0, 255, 51, 102};

static const char *write_set(const char *directory, const uint8_t *labels, uint8_t n_labels) {
    const char *path = scratch_subdirectory(directory);
    char name[256];
    snprintf(name, sizeof name, "%s/train-images-idx3-ubyte", directory);
    scratch_write(name, two_images, sizeof two_images);
    uint8_t file[64] = {0, 0, 8, 1, 0, 0, 0, n_labels};
    memcpy(file + 8, labels, n_labels);
    snprintf(name, sizeof name, "%s/train-labels-idx1-ubyte", directory);
    scratch_write(name, file, 8 + (size_t)n_labels);
    return path;
}

static void directories_are_opened(void **state) {
    (void)state;
    char path[512], here[512];
    strcpy(path, write_set("own", (uint8_t[]){3, 0}, 2));
    static const char *const endings[] = {"", "/", "//", "/../own"};
    for (int i = 0; i < 4; i++) {
        char name[600];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        tn_dataset_info info;
        tn_dataset *own = open_or_fail(name, TN_TRAIN, &info);
        assert_string_equal(info.name, "own");
        assert_int_equal(info.n, 2);
        assert_int_equal(info.height, 2);
        assert_int_equal(info.width, 1);
        assert_int_equal(info.n_classes, 4);
        assert_string_equal(info.class_names[3], "3");
        assert_memory_equal(tn_dataset_images(own), two_images + 16, 4);
        assert_int_equal(tn_dataset_labels(own)[0], 3);
        assert_int_equal(tn_dataset_labels(own)[1], 0);
        assert_true(fabs(info.mean - 0.4) < 1e-12); /* 0, 1, 0.2, 0.4 */
        assert_true(fabs(info.std - sqrt(0.3 - 0.16)) < 1e-12);
        tn_dataset_free(own);
    }
    /* A bare name that is a directory here. */
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(scratch_directory), 0);
    tn_dataset *own = NULL;
    tn_status status = tn_dataset_open("own", TN_TRAIN, NULL, &own, NULL);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(status, TN_OK);
    tn_dataset_free(own);
}

static void one_label_makes_two_classes(void **state) {
    (void)state;
    tn_dataset_info info;
    tn_dataset *zeros = open_or_fail(write_set("zeros", (uint8_t[]){0, 0}, 2), TN_TRAIN, &info);
    assert_int_equal(info.n_classes, 2);
    tn_dataset_free(zeros);
}

static void environment_comes_first(void **state) {
    (void)state;
    char root[512], old[512];
    strcpy(root, scratch_subdirectory("root"));
    strcpy(old, data_root());
    write_set("root/mnist", (uint8_t[]){7, 1}, 2);
    scratch_subdirectory("root/fashion-mnist"); /* empty: passed over for a full one */
    setenv("TENON_DATA", root, 1);
    tn_dataset *dataset = NULL;
    tn_status status = tn_dataset_open("mnist", TN_TRAIN, NULL, &dataset, NULL);
    hide_packages = true;
    tn_error error = {""};
    tn_dataset *empty = NULL;
    tn_status empty_status = tn_dataset_open("fashion-mnist", TN_TRAIN, NULL, &empty, &error);
    hide_packages = false;
    tn_dataset *full = NULL;
    bool installed = access("/usr/share/datasets/fashion-mnist", F_OK) == 0;
    if (installed)
        assert_int_equal(tn_dataset_open("fashion-mnist", TN_TEST, NULL, &full, NULL), TN_OK);
    tn_dataset_free(full);
    setenv("TENON_DATA", old, 1);

    assert_int_equal(status, TN_OK);
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, &info);
    assert_int_equal(info.n, 2);
    assert_int_equal(info.n_classes, 10);
    tn_dataset_free(dataset);
    assert_int_equal(empty_status, TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "train-images-idx3-ubyte.gz"));
}

static void raw_and_gzipped_files_mix(void **state) {
    (void)state;
    char path[512];
    strcpy(path, write_set("mixed", (uint8_t[]){1, 2}, 2));
    assert_int_equal(remove(scratch_path("mixed/train-images-idx3-ubyte")), 0);
    gzFile gz = gzopen(scratch_path("mixed/train-images-idx3-ubyte.gz"), "wb");
    assert_int_equal(gzwrite(gz, two_images, sizeof two_images), sizeof two_images);
    assert_int_equal(gzclose(gz), Z_OK);
    tn_dataset_info info;
    tn_dataset *mixed = open_or_fail(path, TN_TRAIN, &info);
    assert_memory_equal(tn_dataset_images(mixed), two_images + 16, 4);
    tn_dataset_free(mixed);
}

static void bad_sets_are_refused(void **state) {
    (void)state;
    char path[512];
    assert_refused("no-such-set", TN_TRAIN, TN_ERR_NOT_FOUND, "/usr/share/datasets/no-such-set");
    assert_refused("no-such-set", TN_TRAIN, TN_ERR_NOT_FOUND, data_root());
    assert_refused("./no-such-set", TN_TRAIN, TN_ERR_NOT_FOUND, "./no-such-set: no such directory");
    assert_refused("", TN_TRAIN, TN_ERR_ARGUMENT, "empty");
    assert_refused(NULL, TN_TRAIN, TN_ERR_ARGUMENT, "empty");
    assert_refused("mnist", (tn_split)2, TN_ERR_ARGUMENT, "split");

    strcpy(path, write_set("three", (uint8_t[]){0, 1, 2}, 3));
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "3 labels for 2 images");
    assert_refused(path, TN_TEST, TN_ERR_NOT_FOUND, "t10k-images-idx3-ubyte");
    assert_int_equal(remove(scratch_path("three/train-labels-idx1-ubyte")), 0);
    assert_refused(path, TN_TRAIN, TN_ERR_NOT_FOUND, "train-labels-idx1-ubyte");
    scratch_write("three/train-labels-idx1-ubyte", two_images, sizeof two_images);
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "3 dimensions, labels need 1");
    scratch_write("three/train-images-idx3-ubyte", (uint8_t[]){0, 0, 8, 1, 0, 0, 0, 1, 5}, 9);
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "1 dimensions, images need 3");
    scratch_write("three/train-images-idx3-ubyte", two_images, sizeof two_images - 1);
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT,
                   "three/train-images-idx3-ubyte: header promises 2 images, the file ends after 1 "
                   "(download it again)");

    scratch_subdirectory("known");
    assert_refused(write_set("known/mnist", (uint8_t[]){9, 10}, 2), TN_TRAIN, TN_ERR_FORMAT,
                   "label 10 of image 1 is out of range");
}

/* Zeros behind a header: as many dimensions as n_dims. */
static void write_idx(const char *name, int n_dims, const uint8_t *dims) {
    uint8_t file[256] = {0, 0, 8, (uint8_t)n_dims};
    size_t n = 1;
    for (int i = 0; i < n_dims; i++) {
        file[4 + 4 * i + 3] = dims[i];
        n *= dims[i];
    }
    scratch_write(name, file, 4 + 4 * (size_t)n_dims + n);
}

static void files_of_any_name_are_found(void **state) {
    (void)state;
    char path[512];
    strcpy(path, scratch_subdirectory("any"));
    write_idx("any/Letters-TRAIN-pictures", 4, (uint8_t[]){2, 4, 3, 3});
    write_idx("any/letters-train-classes.idx", 1, (uint8_t[]){2});
    write_idx("any/testing_x", 3, (uint8_t[]){5, 4, 3});
    scratch_write("any/mapping-train-test.txt", "a\nb\n", 4);
    gzFile gz = gzopen(scratch_path("any/testing_y.gz"), "wb");
    assert_int_equal(gzwrite(gz, "\0\0\10\1\0\0\0\5\0\1\2\3\4", 13), 13);
    assert_int_equal(gzclose(gz), Z_OK);
    tn_dataset_info info;
    tn_dataset_free(open_or_fail(path, TN_TRAIN, &info));
    assert_int_equal(info.n, 2);
    assert_int_equal(info.height, 4);
    assert_int_equal(info.width, 3);
    assert_int_equal(info.channels, 3);
    tn_dataset_free(open_or_fail(path, TN_TEST, &info));
    assert_int_equal(info.n, 5);
    assert_int_equal(info.n_classes, 5);
    assert_int_equal(info.channels, 1);
}

static void doubtful_names_are_refused(void **state) {
    (void)state;
    char path[512];
    strcpy(path, scratch_subdirectory("doubt"));
    write_idx("doubt/a-train", 3, (uint8_t[]){2, 4, 3});
    assert_refused(path, TN_TRAIN, TN_ERR_NOT_FOUND, "(it has a-train)");
    assert_refused(path, TN_TEST, TN_ERR_NOT_FOUND, "t10k-images-idx3-ubyte");
    write_idx("doubt/b-train", 3, (uint8_t[]){2, 4, 3});
    assert_refused(path, TN_TRAIN, TN_ERR_NOT_FOUND, "several IDX files of images");
    assert_refused(path, TN_TRAIN, TN_ERR_NOT_FOUND, "a-train, b-train");
    assert_int_equal(remove(scratch_path("doubt/b-train")), 0);
    write_idx("doubt/a-train", 4, (uint8_t[]){2, 4, 3, 2});
    write_idx("doubt/c-train", 1, (uint8_t[]){2});
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "the channels of an image, is 2");
    write_idx("doubt/a-train", 2, (uint8_t[]){2, 4});
    assert_refused(path, TN_TRAIN, TN_ERR_FORMAT, "2 dimensions, images need 3");
}

static void created_sets_are_copies(void **state) {
    (void)state;
    uint8_t pixels[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    int32_t labels[2] = {2, 0};
    tn_dataset *dataset = NULL;
    assert_int_equal(tn_dataset_create("toy", 2, 2, 1, 3, 3, pixels, labels, &dataset, NULL),
                     TN_OK);
    memset(pixels, 0, sizeof pixels);
    memset(labels, 0, sizeof labels);
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, &info);
    assert_string_equal(info.name, "toy");
    assert_int_equal(info.height, 2);
    assert_int_equal(info.width, 1);
    assert_int_equal(info.channels, 3);
    assert_int_equal(info.n_classes, 3);
    assert_string_equal(info.class_names[2], "2");
    assert_int_equal(tn_dataset_images(dataset)[11], 11);
    assert_int_equal(tn_dataset_labels(dataset)[0], 2);
    assert_true(fabs(info.mean * 255 - 5.5) < 1e-12);
    tn_dataset_free(dataset);
    tn_dataset_free(NULL);
}

static void senseless_sets_are_not_created(void **state) {
    (void)state;
    static const struct {
        int64_t n, height, width, channels;
        int n_classes;
        int32_t labels[2];
        const char *reason;
    } cases[] = {
        {2, 1, 1, 1, 2, {0, 2}, "label 2 of image 1 is out of range"},
        {2, 1, 1, 1, 2, {-1, 0}, "label -1 of image 0 is out of range"},
        {0, 1, 1, 1, 2, {0, 0}, "is empty"},
        {2, 0, 1, 1, 2, {0, 0}, "is empty"},
        {2, 1, -1, 1, 2, {0, 0}, "is empty"},
        {2, 1, 1, 0, 2, {0, 0}, "is empty"},
        {2, 1, 1, 1, 0, {0, 0}, "needs classes"},
        {2, INT64_MAX / 2, 2, 2, 2, {0, 0}, "too large"},
        {INT64_MAX / 2, 1, 1, 1, 2, {0, 0}, "too large"},
    };
    static const uint8_t pixels[2] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_dataset *dataset = NULL;
        tn_error error = {""};
        assert_int_equal(tn_dataset_create("toy", cases[i].n, cases[i].height, cases[i].width,
                                           cases[i].channels, cases[i].n_classes, pixels,
                                           cases[i].labels, &dataset, &error),
                         TN_ERR_ARGUMENT);
        if (!strstr(error.message, cases[i].reason)) fail_msg("%s", error.message);
        assert_null(dataset);
    }
}

/* A program built against an older header has a shorter structure. */
static void describe_respects_the_size(void **state) {
    (void)state;
    tn_dataset *dataset = NULL;
    uint8_t pixel = 9;
    int32_t label = 0;
    assert_int_equal(tn_dataset_create(NULL, 1, 1, 1, 1, 1, &pixel, &label, &dataset, NULL), TN_OK);
    tn_dataset_info info = {.size = offsetof(tn_dataset_info, n_classes), .n_classes = -5};
    tn_dataset_describe(dataset, &info);
    assert_int_equal(info.size, offsetof(tn_dataset_info, n_classes));
    assert_int_equal(info.n, 1);
    assert_int_equal(info.n_classes, -5);
    tn_dataset_free(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mnist_has_its_known_numbers),
        cmocka_unit_test(mnist_files_match_their_readme),
        cmocka_unit_test(fashion_mnist_is_found),
        cmocka_unit_test(missing_package_is_named),
        cmocka_unit_test(directories_are_opened),
        cmocka_unit_test(one_label_makes_two_classes),
        cmocka_unit_test(environment_comes_first),
        cmocka_unit_test(raw_and_gzipped_files_mix),
        cmocka_unit_test(bad_sets_are_refused),
        cmocka_unit_test(files_of_any_name_are_found),
        cmocka_unit_test(doubtful_names_are_refused),
        cmocka_unit_test(created_sets_are_copies),
        cmocka_unit_test(senseless_sets_are_not_created),
        cmocka_unit_test(describe_respects_the_size),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
