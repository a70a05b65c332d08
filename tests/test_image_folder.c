/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/status.h"
#include "scratch.h"

#include "picture_files.h"

typedef struct said {
    int n;
    char last[1024];
} said;

static void on_log(void *user, const char *message) {
    said *s = user;
    s->n++;
    snprintf(s->last, sizeof s->last, "%s", message);
}

static tn_dataset *open_or_fail(const char *path, tn_split split, const tn_dataset_options *options,
                                tn_dataset_info *info) {
    tn_dataset *dataset = NULL;
    tn_error error;
    if (tn_dataset_open(path, split, options, &dataset, &error) != TN_OK)
        fail_msg("%s", error.message);
    *info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, info);
    return dataset;
}

static void assert_refused(const char *path, tn_split split, const tn_dataset_options *options,
                           tn_status expected, const char *reason, const char *file) {
    tn_dataset *dataset = NULL;
    tn_error error = {""};
    tn_status status = tn_dataset_open(path, split, options, &dataset, &error);
    if (status != expected || !strstr(error.message, reason) || !strstr(error.message, file))
        fail_msg("expected %d \"%s\" of %s, got %d \"%s\"", expected, reason, file, status,
                 error.message);
    assert_null(dataset);
}

/* NAME/cat with values 10, 11, ... and NAME/dog with 100, 101, ..., of 4x6 grey pixels. */
static const char *make_set(const char *name, int n_cats, int n_dogs) {
    static char path[512];
    static const char *const classes[] = {"cat", "dog"};
    char file[256];
    strcpy(path, scratch_subdirectory(name));
    for (int c = 0; c < 2; c++) {
        snprintf(file, sizeof file, "%s/%s", name, classes[c]);
        scratch_subdirectory(file);
        for (int i = 0; i < (c ? n_dogs : n_cats); i++) {
            snprintf(file, sizeof file, "%s/%s/%03d.png", name, classes[c], i);
            picture_write_plain_png(file, 4, 6, 1, (c ? 100 : 10) + i);
        }
    }
    return path;
}

static const char *join(const char *a, const char *b) {
    static char joined[4][256];
    static int next;
    char *path = joined[next++ % 4];
    snprintf(path, sizeof joined[0], "%s/%s", a, b);
    return path;
}

/* ---- What is there ---- */

static void every_tenth_is_a_test_picture(void **state) {
    (void)state;
    const char *path = make_set("tenth", 21, 10);
    tn_dataset_info info;
    tn_dataset *train = open_or_fail(path, TN_TRAIN, NULL, &info);
    assert_string_equal(info.name, "tenth");
    assert_int_equal(info.n, 19 + 9);
    assert_int_equal(info.height, 4);
    assert_int_equal(info.width, 6);
    assert_int_equal(info.channels, 1);
    assert_int_equal(info.n_classes, 2);
    assert_string_equal(info.class_names[0], "cat");
    assert_string_equal(info.class_names[1], "dog");
    assert_int_equal(info.n_skipped, 0);
    for (int i = 0, cat = 10; i < 19; i++, cat++) {
        if (cat == 19 || cat == 29) cat++;
        assert_int_equal(tn_dataset_images(train)[24 * i + 23], cat);
        assert_int_equal(tn_dataset_labels(train)[i], 0);
    }
    assert_int_equal(tn_dataset_images(train)[24 * 19], 100);
    assert_int_equal(tn_dataset_labels(train)[19], 1);
    tn_dataset_free(train);
    tn_dataset *test = open_or_fail(path, TN_TEST, NULL, &info);
    assert_int_equal(info.n, 3);
    assert_int_equal(tn_dataset_images(test)[0], 19);
    assert_int_equal(tn_dataset_images(test)[24], 29);
    assert_int_equal(tn_dataset_images(test)[48], 109);
    assert_int_equal(tn_dataset_labels(test)[2], 1);
    assert_true(info.mean > 52.3 / 255 && info.mean < 52.4 / 255);
    tn_dataset_free(test);
}

static void too_few_for_a_test_picture(void **state) {
    (void)state;
    assert_refused(make_set("few", 9, 9), TN_TEST, NULL, TN_ERR_FORMAT, "no test pictures", "few");
}

/* train/ and test/ of plain pictures with a file for each class. */
static const char *make_splits(const char *name, const char *test) {
    static char path[512];
    strcpy(path, scratch_subdirectory(name));
    make_set(join(name, "train"), 3, 2);
    make_set(join(name, test), 1, 2);
    return path;
}

static void splits_have_folders(void **state) {
    (void)state;
    static const char *const tests[] = {"test", "val"};
    for (int i = 0; i < 2; i++) {
        const char *path = make_splits(i ? "with-val" : "with-test", tests[i]);
        tn_dataset_info info;
        tn_dataset_free(open_or_fail(path, TN_TRAIN, NULL, &info));
        assert_int_equal(info.n, 5);
        tn_dataset *test = open_or_fail(path, TN_TEST, NULL, &info);
        assert_int_equal(info.n, 3);
        assert_int_equal(tn_dataset_labels(test)[0], 0);
        assert_int_equal(tn_dataset_labels(test)[1], 1);
        tn_dataset_free(test);
    }
}

static void test_alone_is_for_inference(void **state) {
    (void)state;
    const char *path = scratch_subdirectory("test-alone");
    make_set("test-alone/test", 1, 1);
    tn_dataset_info info;
    tn_dataset_free(open_or_fail(path, TN_TEST, NULL, &info));
    assert_int_equal(info.n, 2);
    assert_refused(path, TN_TRAIN, NULL, TN_ERR_NOT_FOUND, "no folder train", "test-alone");
}

static void names_and_nesting(void **state) {
    (void)state;
    const char *path = make_set("names", 1, 1);
    scratch_subdirectory("names/B");
    scratch_subdirectory("names/.cache");
    scratch_subdirectory("names/B/deep");
    scratch_subdirectory("names/B/deep/er");
    picture_write_plain_png("names/B/deep/er/x.PNG", 4, 6, 1, 1);
    picture_write_plain_jpeg("names/B/a.JPeG", 4, 6, 1, 2);
    picture_write_plain_jpeg("names/B/z.jpg", 4, 6, 1, 3);
    scratch_write("names/B/.DS_Store", "x", 1);
    scratch_write("names/README.md", "about", 5);
    picture_write_plain_png("names/dog/jpeg-by-name.jpg", 4, 6, 1, 4); /* the content tells */
    tn_dataset_info info;
    tn_dataset *dataset = open_or_fail(path, TN_TRAIN, NULL, &info);
    assert_int_equal(info.n_classes, 3);
    assert_string_equal(info.class_names[0], "B"); /* bytewise, capitals first */
    assert_int_equal(info.n, 6);
    static const int values[] = {2, 1, 3, 10, 100, 4}, labels[] = {0, 0, 0, 1, 2, 2};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(tn_dataset_images(dataset)[24 * i], values[i]);
        assert_int_equal(tn_dataset_labels(dataset)[i], labels[i]);
    }
    tn_dataset_free(dataset);
}

/* ---- Size and channels ---- */

static void both_splits_decide_the_channels(void **state) {
    (void)state;
    const char *path = make_splits("colour", "test");
    picture_write_plain_png("colour/test/dog/colour.png", 4, 6, 3, 77);
    tn_dataset_info info;
    tn_dataset *train = open_or_fail(path, TN_TRAIN, NULL, &info);
    assert_int_equal(info.channels, 3);
    for (int k = 0; k < 3; k++) assert_int_equal(tn_dataset_images(train)[k], 10);
    tn_dataset_free(train);
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.channels = 1;
    tn_dataset *test = open_or_fail(path, TN_TEST, &options, &info);
    assert_int_equal(info.channels, 1);
    assert_int_equal(tn_dataset_images(test)[24 * (info.n - 1)], 77);
    tn_dataset_free(test);
}

static void sizes_must_be_chosen(void **state) {
    (void)state;
    const char *path = make_splits("sizes", "test");
    picture_write_plain_png("sizes/test/cat/large.png", 8, 8, 1, 9);
    assert_refused(path, TN_TRAIN, NULL, TN_ERR_MISMATCH, "--image-size 4x6",
                   "sizes/test/cat/large.png is 8 high and 8 wide");
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.height = 5;
    options.width = 3;
    tn_dataset_info info;
    tn_dataset_free(open_or_fail(path, TN_TRAIN, &options, &info));
    assert_int_equal(info.height, 5);
    assert_int_equal(info.width, 3);
    assert_int_equal(info.channels, 1);
}

static void pictures_are_cropped_or_stretched(void **state) {
    (void)state;
    const char *path = make_set("fit", 0, 1);
    picture_write_png("fit/cat/wide.png", 2, 8, 1,
                      (uint8_t[]){9, 9, 9, 10, 20, 7, 7, 7, 9, 9, 9, 30, 40, 7, 7, 7});
    picture_write_png("fit/cat/xtall.png", 4, 2, 1, (uint8_t[]){0, 0, 1, 2, 3, 4, 0, 0});
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.height = options.width = 2;
    tn_dataset_info info;
    tn_dataset *cropped = open_or_fail(path, TN_TRAIN, &options, &info);
    assert_memory_equal(tn_dataset_images(cropped),
                        ((uint8_t[]){10, 20, 30, 40, 1, 2, 3, 4, 100, 100, 100, 100}), 12);
    tn_dataset_free(cropped);
    options.fit = TN_FIT_STRETCH;
    tn_dataset *stretched = open_or_fail(path, TN_TRAIN, &options, &info);
    assert_memory_equal(tn_dataset_images(stretched),
                        ((uint8_t[]){9, 10, 14, 15, 1, 1, 2, 2, 100, 100, 100, 100}), 12);
    tn_dataset_free(stretched);
}

/* Scaled until it covers, then cut: what is wider than asked for loses its sides, whatever the
 * scale. */
static void crops_are_scaled(void **state) {
    (void)state;
    const char *path = make_set("scaled", 1, 1);
    uint8_t pixels[6 * 18];
    for (int i = 0; i < 6 * 18; i++) pixels[i] = i % 18 < 6 ? 0 : i % 18 < 12 ? 50 : 255;
    picture_write_png("scaled/cat/000.png", 6, 18, 1, pixels);
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.height = options.width = 3;
    tn_dataset_info info;
    tn_dataset *cropped = open_or_fail(path, TN_TRAIN, &options, &info);
    for (int i = 0; i < 9; i++) assert_int_equal(tn_dataset_images(cropped)[i], 50);
    tn_dataset_free(cropped);
}

static void senseless_options_are_refused(void **state) {
    (void)state;
    const char *path = make_set("options", 1, 1);
    static const struct {
        int64_t height, width, channels;
        int fit, n_threads;
        const char *reason;
    } cases[] = {{4, 0, 0, 0, 0, "both sides"},
                 {-1, 4, 0, 0, 0, "cannot make an image"},
                 {1 << 20, 1 << 20, 0, 0, 0, "cannot make an image"},
                 {4, 4, 2, 0, 0, "cannot make an image"},
                 {0, 0, -1, 0, 0, "cannot make an image"},
                 {0, 0, 0, 2, 0, "no such way to fit"},
                 {0, 0, 0, 0, -1, "threads"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_dataset_options options = TN_INIT(tn_dataset_options);
        options.height = cases[i].height;
        options.width = cases[i].width;
        options.channels = cases[i].channels;
        options.fit = (tn_fit)cases[i].fit;
        options.n_threads = cases[i].n_threads;
        assert_refused(path, TN_TRAIN, &options, TN_ERR_ARGUMENT, cases[i].reason, "");
    }
}

/* The need is known before any picture is decoded. */
static void absurd_memory_is_refused(void **state) {
    (void)state;
    const char *path = make_set("memory", 1, 1);
    int64_t image = (int64_t)8192 * 8192 * 3;
    int64_t n = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / image * 10 / 9 + 10;
    if (n > 20000) {
        print_message("skipped: this machine has too much memory\n");
        skip();
    }
    for (int64_t i = 0; i < n; i++) {
        char link[64];
        snprintf(link, sizeof link, "memory/cat/link-%05lld.png", (long long)i);
        assert_int_equal(symlink("000.png", scratch_path(link)), 0);
    }
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.height = options.width = 8192;
    options.channels = 3;
    assert_refused(path, TN_TRAIN, &options, TN_ERR_MEMORY, "--image-size", "MB of memory");
}

static void threads_change_nothing(void **state) {
    (void)state;
    const char *path = make_set("threads", 23, 17);
    char file[64];
    for (int i = 0; i < 20; i++) {
        uint8_t pixels[31 * 17];
        for (int j = 0; j < 31 * 17; j++) pixels[j] = (uint8_t)(j * (i + 3));
        snprintf(file, sizeof file, "threads/cat/x%02d.jpg", i);
        picture_file jpeg = picture_jpeg(31, 17, pixels, &(jpeg_choices){.channels = 1});
        scratch_write(file, jpeg.bytes, jpeg.n - (i % 7 == 3 ? 9 : 0)); /* some are cut */
        free(jpeg.bytes);
    }
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.height = options.width = 12;
    options.channels = 3;
    tn_dataset_info first, other;
    options.n_threads = 1;
    assert_refused(path, TN_TRAIN, &options, TN_ERR_FORMAT, "damaged", "x03.jpg");
    options.skip_bad = true;
    tn_dataset *one = open_or_fail(path, TN_TRAIN, &options, &first);
    assert_true(first.n_skipped > 0);
    for (int n_threads = 2; n_threads <= 5; n_threads++) {
        options.n_threads = n_threads;
        tn_dataset *many = open_or_fail(path, TN_TRAIN, &options, &other);
        assert_int_equal(first.n, other.n);
        assert_int_equal(first.n_skipped, other.n_skipped);
        assert_memory_equal(tn_dataset_labels(one), tn_dataset_labels(many),
                            (size_t)first.n * sizeof(int32_t));
        assert_memory_equal(tn_dataset_images(one), tn_dataset_images(many),
                            (size_t)first.n * 12 * 12 * 3);
        tn_dataset_free(many);
        options.skip_bad = false; /* the first bad one in order is named, whoever found it */
        assert_refused(path, TN_TRAIN, &options, TN_ERR_FORMAT, "damaged", "x03.jpg");
        options.skip_bad = true;
    }
    tn_dataset_free(one);
}

/* ---- Malformed folders ---- */

/* With the bad thing in it, "bad" is refused with a message that names `file` and gives the reason;
 * with skip_bad its other pictures, three of cats and two of dogs, are used. */
static void assert_bad(tn_status status, const char *reason, const char *file, int n_skipped) {
    said heard = {0};
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    const char *path = scratch_path("bad");
    char root[512];
    strcpy(root, path);
    assert_refused(root, TN_TRAIN, &options, status, reason, file);
    options.skip_bad = true;
    options.log = on_log;
    options.user = &heard;
    tn_dataset_info info;
    tn_dataset *dataset = open_or_fail(root, TN_TRAIN, &options, &info);
    assert_int_equal(info.n, 5);
    assert_int_equal(info.n_skipped, n_skipped);
    assert_int_equal(heard.n, n_skipped);
    if (!strstr(heard.last, "left out: ") || !strstr(heard.last, file)) fail_msg("%s", heard.last);
    static const int labels[] = {0, 0, 0, 1, 1}, values[] = {10, 11, 12, 100, 101};
    int first_label = info.n_classes - 2; /* an empty class "aaa" may come first */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tn_dataset_labels(dataset)[i], labels[i] + first_label);
        assert_int_equal(tn_dataset_images(dataset)[24 * i], values[i]);
    }
    tn_dataset_free(dataset);
    assert_int_equal(nftw(root, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void other_files_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    scratch_write("bad/cat/notes.txt", "x", 1);
    assert_bad(TN_ERR_FORMAT, "ends neither in .png", "bad/cat/notes.txt", 1);
}

static void zero_bytes_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    scratch_write("bad/cat/empty.png", "", 0);
    assert_bad(TN_ERR_FORMAT, "the file is empty", "bad/cat/empty.png", 1);
}

/* A PNG file that ends with its header. */
static void write_header(const char *name, uint32_t width, uint32_t height, uint8_t colour_type) {
    uint8_t bytes[33] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for (int i = 0; i < 4; i++) {
        bytes[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        bytes[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    bytes[24] = 8;
    bytes[25] = colour_type;
    scratch_write(name, bytes, sizeof bytes);
}

static void zero_sizes_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    write_header("bad/dog/zero.png", 0, 5, 0);
    assert_bad(TN_ERR_FORMAT, "0x5 pixels", "bad/dog/zero.png", 1);
}

static void absurd_sizes_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    write_header("bad/dog/huge.png", 100000, 100000, 0);
    assert_bad(TN_ERR_UNSUPPORTED, "100000x100000 pixels", "bad/dog/huge.png", 1);
}

static void wrong_channels_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    picture_write_plain_jpeg("bad/cat/print.jpg", 4, 6, 4, 0);
    assert_bad(TN_ERR_UNSUPPORTED, "CMYK", "bad/cat/print.jpg", 1);
    make_set("bad", 3, 2);
    write_header("bad/cat/five.png", 6, 4, 5);
    assert_bad(TN_ERR_FORMAT, "no colour type 5", "bad/cat/five.png", 1);
}

static void damaged_pixels_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    write_header("bad/dog/cut.png", 6, 4, 0);
    assert_bad(TN_ERR_FORMAT, "damaged", "bad/dog/cut.png", 1);
}

static void empty_classes_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    scratch_subdirectory("bad/aaa");
    assert_bad(TN_ERR_FORMAT, "holds no pictures", "bad/aaa", 1);
}

static void link_loops_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    assert_int_equal(symlink("../cat", scratch_path("bad/cat/again")), 0);
    assert_bad(TN_ERR_FORMAT, "leads back", "bad/cat/again", 1);
    make_set("bad", 3, 2); /* to above the class: the dogs are no cats */
    assert_int_equal(symlink("..", scratch_path("bad/cat/up")), 0);
    assert_bad(TN_ERR_FORMAT, "leads back", "bad/cat/up", 1);
    make_set("bad", 3, 2);
    assert_int_equal(symlink("self.png", scratch_path("bad/cat/self.png")), 0);
    assert_bad(TN_ERR_IO, "symbolic links", "bad/cat/self.png", 1);
}

static void links_to_nowhere_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    assert_int_equal(symlink("nowhere.png", scratch_path("bad/dog/gone.png")), 0);
    assert_bad(TN_ERR_NOT_FOUND, "No such file", "bad/dog/gone.png", 1);
    make_set("bad", 3, 2);
    assert_int_equal(symlink("nowhere", scratch_path("bad/elk")), 0);
    assert_bad(TN_ERR_NOT_FOUND, "No such file", "bad/elk", 1);
}

/* Opening a pipe would wait for ever. */
static void pipes_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    assert_int_equal(mkfifo(scratch_path("bad/dog/pipe.png"), 0600), 0);
    assert_bad(TN_ERR_FORMAT, "no regular file", "bad/dog/pipe.png", 1);
}

/* Root reads everything, and so becomes somebody else for a moment. */
static void unreadable_files_are_named(void **state) {
    (void)state;
    char path[512];
    strcpy(path, make_set("secret", 3, 2));
    assert_int_equal(chmod(scratch_directory, 0755), 0);
    assert_int_equal(chmod(scratch_path("secret/cat/002.png"), 0), 0);
    bool root = geteuid() == 0;
    if (root && seteuid(65534) != 0) fail_msg("cannot become an ordinary user");
    tn_dataset *dataset = NULL, *rest = NULL;
    tn_error error = {""};
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    tn_status status = tn_dataset_open(path, TN_TRAIN, &options, &dataset, &error);
    options.skip_bad = true;
    tn_status rest_status = tn_dataset_open(path, TN_TRAIN, &options, &rest, NULL);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, TN_ERR_IO);
    assert_non_null(strstr(error.message, "secret/cat/002.png: Permission denied"));
    assert_int_equal(rest_status, TN_OK);
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(rest, &info);
    assert_int_equal(info.n, 4);
    assert_int_equal(info.n_skipped, 1);
    tn_dataset_free(rest);
}

static void pictures_without_a_class_are_named(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    picture_write_plain_png("bad/lost.png", 4, 6, 1, 0);
    assert_bad(TN_ERR_FORMAT, "in no folder of a class", "bad/lost.png", 1);
}

/* Two links in each folder to the next one would make 2^40 folders of these. */
static void depth_is_bounded(void **state) {
    (void)state;
    make_set("bad", 3, 2);
    char path[256] = "bad/dog";
    for (int i = 0; i < 20; i++) {
        strcat(path, "/d");
        scratch_subdirectory(path);
    }
    assert_bad(TN_ERR_UNSUPPORTED, "more than 16 folders deep", "bad/dog/d/d", 1);
}

static void classes_only_in_test_are_named(void **state) {
    (void)state;
    const char *root = scratch_path("only");
    char path[512];
    strcpy(path, root);
    make_splits("only", "test");
    scratch_subdirectory("only/test/elk");
    picture_write_plain_png("only/test/elk/1.png", 4, 6, 1, 1);
    picture_write_plain_png("only/test/elk/2.png", 4, 6, 1, 2);
    assert_refused(path, TN_TRAIN, NULL, TN_ERR_MISMATCH, "no training pictures of class elk",
                   "only/test/elk/1.png");
    said heard = {0};
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.skip_bad = true;
    options.log = on_log;
    options.user = &heard;
    tn_dataset_info info;
    tn_dataset_free(open_or_fail(path, TN_TEST, &options, &info));
    assert_int_equal(info.n, 3);
    assert_int_equal(info.n_classes, 2);
    assert_int_equal(info.n_skipped, 2);
    assert_int_equal(heard.n, 2);
    tn_dataset_free(open_or_fail(path, TN_TRAIN, &options, &info));
    assert_int_equal(info.n_skipped, 0); /* these are of the other split */
}

/* Models and results are written as UTF-8, and hours after the data was read. */
static void names_must_be_text(void **state) {
    (void)state;
    const char *path = make_set("text", 1, 1);
    scratch_subdirectory("text/\xc3\xa9lan"); /* in UTF-8 */
    picture_write_plain_png("text/\xc3\xa9lan/1.png", 4, 6, 1, 1);
    tn_dataset_info info;
    tn_dataset *dataset = open_or_fail(path, TN_TRAIN, NULL, &info);
    assert_string_equal(info.class_names[2], "\xc3\xa9lan");
    tn_dataset_free(dataset);
    scratch_subdirectory("text/\xe9lan"); /* in Latin-1 */
    picture_write_plain_png("text/\xe9lan/1.png", 4, 6, 1, 1);
    assert_refused(path, TN_TRAIN, NULL, TN_ERR_FORMAT, "is not UTF-8", "the name of class 3");
}

static void other_folders_are_refused(void **state) {
    (void)state;
    char path[512];
    strcpy(path, scratch_subdirectory("one"));
    assert_refused(path, TN_TRAIN, NULL, TN_ERR_NOT_FOUND, "it has nothing", "one");
    scratch_subdirectory("one/class");
    picture_write_plain_png("one/class/1.png", 4, 6, 1, 1);
    assert_refused(path, TN_TRAIN, NULL, TN_ERR_FORMAT, "two or more classes (it has class)",
                   "one");
    scratch_subdirectory("one/other");
    scratch_write("one/other/1.png", "x", 1);
    assert_int_equal(remove(scratch_path("one/class/1.png")), 0);
    tn_dataset_options options = TN_INIT(tn_dataset_options);
    options.skip_bad = true; /* nothing is left */
    assert_refused(path, TN_TRAIN, &options, TN_ERR_FORMAT, "no training pictures", "one");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tenth_is_a_test_picture),
        cmocka_unit_test(too_few_for_a_test_picture),
        cmocka_unit_test(splits_have_folders),
        cmocka_unit_test(test_alone_is_for_inference),
        cmocka_unit_test(names_and_nesting),
        cmocka_unit_test(both_splits_decide_the_channels),
        cmocka_unit_test(sizes_must_be_chosen),
        cmocka_unit_test(pictures_are_cropped_or_stretched),
        cmocka_unit_test(crops_are_scaled),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(absurd_memory_is_refused),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(zero_bytes_are_named),
        cmocka_unit_test(zero_sizes_are_named),
        cmocka_unit_test(absurd_sizes_are_named),
        cmocka_unit_test(wrong_channels_are_named),
        cmocka_unit_test(damaged_pixels_are_named),
        cmocka_unit_test(empty_classes_are_named),
        cmocka_unit_test(link_loops_are_named),
        cmocka_unit_test(links_to_nowhere_are_named),
        cmocka_unit_test(pipes_are_named),
        cmocka_unit_test(unreadable_files_are_named),
        cmocka_unit_test(pictures_without_a_class_are_named),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(classes_only_in_test_are_named),
        cmocka_unit_test(names_must_be_text),
        cmocka_unit_test(other_folders_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
