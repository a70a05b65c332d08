/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint format and the directory of checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/checkpoint.h"
#include "train/checkpoint_store.h"

/* ---- The format --------------------------------------------------------------------------- */

static const float weights[6] = {1, -2, 3.5f, 4, 5e-20f, -6e20f};
static const float momenta[2] = {0.25f, -0.125f};

static tn_checkpoint_entry entries[] = {{"model", "lenet \"quoted\" \xc3\xa9"}, {"step", "312"}};
static tn_checkpoint_tensor tensors[] = {
    {"conv1.weight", 2, {2, 3}, weights},
    {"empty", 2, {0, 4}, weights},
    {"optimizer.momentum/fc.bias", 1, {2}, momenta},
    {"scalar", 0, {0}, momenta},
};
static const tn_checkpoint example = {
    .entries = entries, .n_entries = 2, .tensors = tensors, .n_tensors = 4};

static void serialise(uint8_t **bytes, size_t *n) {
    void *file;
    assert_int_equal(tn_checkpoint_serialise(&example, NULL, NULL, &file, n, NULL), TN_OK);
    *bytes = file;
}

/* Data that is written where it goes gives the same file as data that is there. */
static void write_tensor(const void *user, int i, float *data) {
    assert_ptr_equal(user, &example);
    static const int elements[] = {6, 0, 2, 1};
    for (int k = 0; k < elements[i]; k++) data[k] = tensors[i].data[k];
}

static void data_may_come_last(void **fixture) {
    (void)fixture;
    tn_checkpoint_tensor bare[4];
    memcpy(bare, tensors, sizeof bare);
    for (int i = 0; i < 4; i++) bare[i].data = NULL;
    const tn_checkpoint without = {
        .entries = entries, .n_entries = 2, .tensors = bare, .n_tensors = 4};
    uint8_t *expected;
    void *bytes;
    size_t n[2];
    serialise(&expected, &n[0]);
    assert_int_equal(tn_checkpoint_serialise(&without, write_tensor, &example, &bytes, &n[1], NULL),
                     TN_OK);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(expected, bytes, n[0]);
    free(expected);
    free(bytes);
}

static void round_trip(void **fixture) {
    (void)fixture;
    uint8_t *bytes;
    size_t n;
    tn_checkpoint c;
    serialise(&bytes, &n);
    assert_int_equal(tn_checkpoint_parse(bytes, n, TN_CHECKPOINT_VERIFY, &c, NULL), TN_OK);
    assert_int_equal(c.n_entries, 2);
    assert_string_equal(tn_checkpoint_find(&c, "model"), entries[0].value);
    assert_string_equal(tn_checkpoint_find(&c, "step"), "312");
    assert_null(tn_checkpoint_find(&c, "sha256"));
    assert_int_equal(c.n_tensors, 4);
    for (int i = 0; i < 4; i++) {
        const tn_checkpoint_tensor *t = tn_checkpoint_tensor_find(&c, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->rank, tensors[i].rank);
        size_t elements = 1;
        for (int k = 0; k < t->rank; k++) {
            assert_int_equal(t->dims[k], tensors[i].dims[k]);
            elements *= (size_t)t->dims[k];
        }
        if (elements) assert_memory_equal(t->data, tensors[i].data, elements * sizeof(float));
    }
    assert_null(tn_checkpoint_tensor_find(&c, "conv1.bias"));
    tn_checkpoint_free(&c);
    free(bytes);
}

static void every_flipped_bit_is_noticed(void **fixture) {
    (void)fixture;
    uint8_t *bytes;
    size_t n;
    tn_checkpoint c;
    serialise(&bytes, &n);
    for (size_t i = 0; i < 8 * n; i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(tn_checkpoint_parse(bytes, n, TN_CHECKPOINT_VERIFY, &c, NULL),
                         TN_ERR_FORMAT);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    free(bytes);
}

static void every_truncation_is_noticed(void **fixture) {
    (void)fixture;
    uint8_t *bytes;
    size_t n;
    tn_checkpoint c;
    serialise(&bytes, &n);
    for (size_t length = 0; length < n; length++) {
        /* In memory of exactly this size, so that the sanitiser sees a read beyond it. */
        uint8_t *part = malloc(length + 1);
        memcpy(part + 1, bytes, length);
        assert_int_equal(tn_checkpoint_parse(part + 1, length, TN_CHECKPOINT_VERIFY, &c, NULL),
                         TN_ERR_FORMAT);
        assert_int_equal(tn_checkpoint_parse(part + 1, length, TN_CHECKPOINT_SKIP_SUMS, &c, NULL),
                         TN_ERR_FORMAT);
        free(part);
    }
    free(bytes);
}

/* Parses a header with so many bytes of data behind it, without check sums. */
static tn_status parse_header(const char *header, size_t data_bytes, tn_error *error) {
    size_t length = strlen(header);
    uint8_t *file = calloc(1, 8 + length + data_bytes);
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> (8 * i));
    memcpy(file + 8, header, length);
    tn_checkpoint c;
    tn_status status =
        tn_checkpoint_parse(file, 8 + length + data_bytes, TN_CHECKPOINT_SKIP_SUMS, &c, error);
    if (status == TN_OK) tn_checkpoint_free(&c);
    free(file);
    return status;
}

#define META "\"__metadata__\":{\"a\":\"b\"}"
#define TENSOR(name, shape, offsets)                                                               \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void hostile_headers_are_refused(void **fixture) {
    (void)fixture;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *message; /* a part of it */
    } cases[] = {
        {"", 0, "not a JSON object"},
        {"[]", 0, "not a JSON object"},
        {"{" META "} x", 0, "not a JSON object"},
        {"{}", 0, "no __metadata__"},
        {"{\"__metadata__\":[]}", 0, "no __metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "not a string"},
        {"{" META "," META "}", 0, "not a JSON object"},
        {"{" META ",\"t\":3}", 0, "type unknown"},
        {"{" META ",\"t\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "F16"},
        {"{" META "," TENSOR("t", "7", "[0,4]") "}", 4, "dimensions"},
        {"{" META "," TENSOR("t", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "dimensions"},
        {"{" META "," TENSOR("t", "[-1]", "[0,4]") "}", 4, "not a count"},
        {"{" META "," TENSOR("t", "[1.0]", "[0,4]") "}", 4, "not a count"},
        {"{" META "," TENSOR("t", "[4294967296,4294967296]", "[0,0]") "}", 0, "impossible"},
        {"{" META "," TENSOR("t", "[4611686018427387904]", "[0,0]") "}", 0, "impossible"},
        {"{" META "," TENSOR("t", "[99999999999999999999]", "[0,0]") "}", 0, "not a JSON object"},
        {"{" META "," TENSOR("t", "[1]", "[0]") "}", 4, "data_offsets"},
        {"{" META "," TENSOR("t", "[1]", "{}") "}", 4, "data_offsets"},
        {"{" META "," TENSOR("t", "[1]", "[-4,0]") "}", 4, "bytes -4 to 0"},
        {"{" META "," TENSOR("t", "[1]", "[4,0]") "}", 4, "bytes 4 to 0"},
        {"{" META "," TENSOR("t", "[2]", "[0,8]") "}", 4, "bytes 0 to 8 of 4"},
        {"{" META "," TENSOR("t", "[2]", "[0,4]") "}", 4, "needs 8 bytes"},
        {"{" META "," TENSOR("t", "[1]", "[0,4]") "}", 8, "end at byte 4 of 8"},
        {"{" META "," TENSOR("t", "[1]", "[4,8]") "}", 8, "hole"},
        {"{" META "," TENSOR("t", "[1]", "[0,4]") "," TENSOR("u", "[1]", "[0,4]") "}", 8,
         "overlap"},
        {"{" META "," TENSOR("t", "[2]", "[0,8]") "," TENSOR("u", "[2]", "[0,8]") "}", 8,
         "overlap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tn_error error;
        assert_int_equal(parse_header(cases[i].header, cases[i].data_bytes, &error), TN_ERR_FORMAT);
        if (!strstr(error.message, cases[i].message))
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].message, error.message);
    }
    assert_int_equal(parse_header("{" META "," TENSOR("t", "[1]", "[0,4]") "," TENSOR(
                                      "u", "[0,3]", "[4,4]") "}  ",
                                  4, NULL),
                     TN_OK);
}

static void impossible_header_length_is_refused(void **fixture) {
    (void)fixture;
    uint8_t file[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    tn_checkpoint c;
    assert_int_equal(tn_checkpoint_parse(file, sizeof file, TN_CHECKPOINT_SKIP_SUMS, &c, NULL),
                     TN_ERR_FORMAT);
    memset(file, 0, 8);
    file[0] = 9;
    assert_int_equal(tn_checkpoint_parse(file, sizeof file, TN_CHECKPOINT_SKIP_SUMS, &c, NULL),
                     TN_ERR_FORMAT);
}

static void reserved_names_are_refused(void **fixture) {
    (void)fixture;
    assert_int_equal(tn_checkpoint_check_name("conv1.weight", NULL), TN_OK);
    assert_int_equal(tn_checkpoint_check_name("__metadata__", NULL), TN_ERR_UNSUPPORTED);
    assert_int_equal(tn_checkpoint_check_name("optimizer.m/w", NULL), TN_ERR_UNSUPPORTED);
    assert_int_equal(tn_checkpoint_check_name("\xff", NULL), TN_ERR_UNSUPPORTED);
}

/* An independent reader: what the file says of itself must hold for it too. */
static void python_reads_the_file(void **fixture) {
    (void)fixture;
    static const char script[] =
        "import hashlib, json, re, struct, sys, zlib\n"
        "raw = open(sys.argv[1], 'rb').read()\n"
        "n = struct.unpack('<Q', raw[:8])[0]\n"
        "header, data = json.loads(raw[8:8 + n]), raw[8 + n:]\n"
        "meta = header.pop('__metadata__')\n"
        "assert (8 + n) % 8 == 0 and all(type(v) is str for v in meta.values())\n"
        "zeroed = raw.replace(meta['sha256'].encode(), b'0' * 64, 1)\n"
        "assert hashlib.sha256(zeroed).hexdigest() == meta['sha256']\n"
        "for name, t in header.items():\n"
        "    a, b = t['data_offsets']\n"
        "    assert t['dtype'] == 'F32'\n"
        "    assert meta['crc32/' + name] == '%08x' % zlib.crc32(data[a:b])\n"
        "a, b = header['conv1.weight']['data_offsets']\n"
        "assert header['conv1.weight']['shape'] == [2, 3]\n"
        "assert struct.unpack('<6f', data[a:b])[:4] == (1, -2, 3.5, 4)\n"
        "assert meta['model'] == 'lenet \"quoted\" \\u00e9' and meta['step'] == '312'\n";
    if (system("python3 -c pass 2>/dev/null") != 0) skip();
    char dir[] = "/tmp/tenon-checkpoint-XXXXXX", path[64], command[4096];
    assert_non_null(mkdtemp(dir));
    uint8_t *bytes;
    size_t n;
    serialise(&bytes, &n);
    snprintf(path, sizeof path, "%s/c.safetensors", dir);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    free(bytes);
    snprintf(command, sizeof command, "python3 - %s <<'END'\n%sEND\n", path, script);
    assert_int_equal(system(command), 0);
    unlink(path);
    rmdir(dir);
}

/* ---- The directory ------------------------------------------------------------------------ */

static int make_directory(void **fixture) {
    char *dir = strdup("/tmp/tenon-store-XXXXXX");
    *fixture = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_directory(void **fixture) {
    char command[256];
    snprintf(command, sizeof command, "chmod -R u+w '%s'; rm -rf '%s'", (char *)*fixture,
             (char *)*fixture);
    int result = system(command);
    free(*fixture);
    return result;
}

static bool exists(const char *dir, const char *name) {
    char path[TN_STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void touch(const char *dir, const char *name) {
    char path[TN_STORE_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    close(fd);
}

static void store_keeps_the_last_ones(void **fixture) {
    char dir[128];
    snprintf(dir, sizeof dir, "%s/made/if/missing///", (char *)*fixture);
    tn_store store;
    tn_error error;
    assert_int_equal(tn_store_open(dir, 2, &store, &error), TN_OK);
    for (int64_t step = 5; step <= 20; step += 5)
        assert_int_equal(tn_store_write(&store, step, "x", 1, &error), TN_OK);
    int64_t *steps;
    int n;
    assert_int_equal(tn_store_list(&store, &steps, &n, &error), TN_OK);
    assert_int_equal(n, 2);
    assert_int_equal(steps[0], 20);
    assert_int_equal(steps[1], 15);
    free(steps);
    assert_true(exists(dir, "step-000000020.safetensors"));
    assert_int_equal(store.last_step, 20);
    assert_int_equal(access(store.last, F_OK), 0);
    /* After falling back to 15, the newer one neither counts nor goes. */
    assert_int_equal(tn_store_write(&store, 17, "x", 1, &error), TN_OK);
    assert_int_equal(tn_store_write(&store, 18, "x", 1, &error), TN_OK);
    assert_true(exists(dir, "step-000000020.safetensors"));
    assert_true(exists(dir, "step-000000018.safetensors"));
    assert_true(exists(dir, "step-000000017.safetensors"));
    assert_false(exists(dir, "step-000000015.safetensors"));
    tn_store_close(&store);
}

static void store_leaves_other_files_alone(void **fixture) {
    const char *dir = *fixture;
    static const char *const others[] = {"notes.txt",
                                         "step-1.safetensors",
                                         "step-000000001.safetensors.bak",
                                         "step-00000000x.safetensors",
                                         "xstep-000000001.safetensors",
                                         "model.onnx.tmp-17-0"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) touch(dir, others[i]);
    touch(dir, "step-000000003.safetensors.tmp-4711-0");
    tn_store store;
    assert_int_equal(tn_store_open(dir, 1, &store, NULL), TN_OK);
    assert_false(exists(dir, "step-000000003.safetensors.tmp-4711-0"));
    assert_int_equal(tn_store_write(&store, 7, "x", 1, NULL), TN_OK);
    int64_t *steps;
    int n;
    assert_int_equal(tn_store_list(&store, &steps, &n, NULL), TN_OK);
    assert_int_equal(n, 1);
    free(steps);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_true(exists(dir, others[i]));
    tn_store_close(&store);
}

static void store_is_for_one_run(void **fixture) {
    tn_store first, second;
    tn_error error;
    assert_int_equal(tn_store_open(*fixture, 1, &first, NULL), TN_OK);
    assert_int_equal(tn_store_open(*fixture, 1, &second, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "another training run is using it"));
    tn_store_close(&second);
    tn_store_close(&first);
    assert_int_equal(tn_store_open(*fixture, 1, &second, NULL), TN_OK);
    tn_store_close(&second);
}

/* One that found a run at work there, and one that wrote nothing. */
static void store_leaves_no_empty_directory(void **fixture) {
    char dir[PATH_MAX];
    tn_store first, second;
    snprintf(dir, sizeof dir, "%s/new", (const char *)*fixture);
    assert_int_equal(tn_store_open(dir, 1, &first, NULL), TN_OK);
    assert_int_equal(tn_store_open(dir, 1, &second, NULL), TN_ERR_ARGUMENT);
    tn_store_close(&second);
    assert_int_equal(access(dir, F_OK), 0);
    tn_store_close(&first);
    assert_int_equal(access(dir, F_OK), -1);

    assert_int_equal(mkdir(dir, 0777), 0);
    assert_int_equal(tn_store_open(dir, 1, &first, NULL), TN_OK);
    tn_store_close(&first);
    assert_int_equal(access(dir, F_OK), 0);
}

static void store_that_cannot_be_written_is_refused(void **fixture) {
    char path[256];
    tn_store store;
    tn_error error;
    touch(*fixture, "file");
    snprintf(path, sizeof path, "%s/file", (char *)*fixture);
    assert_int_equal(tn_store_open(path, 1, &store, &error), TN_ERR_IO);
    assert_non_null(strstr(error.message, "cannot write checkpoints to "));
    tn_store_close(&store);
    snprintf(path, sizeof path, "%s/file/below", (char *)*fixture);
    assert_int_equal(tn_store_open(path, 1, &store, &error), TN_ERR_IO);
    tn_store_close(&store);
    assert_int_equal(tn_store_open("/proc/checkpoints", 1, &store, &error), TN_ERR_IO);
    tn_store_close(&store);
    assert_int_equal(tn_store_open("/proc/self", 1, &store, &error), TN_ERR_IO);
    tn_store_close(&store);
    char endless[2 * TN_STORE_PATH_MAX];
    memset(endless, 'a', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(tn_store_open(endless, 1, &store, &error), TN_ERR_ARGUMENT);
    tn_store_close(&store);
    assert_int_equal(tn_store_open("", 1, &store, &error), TN_ERR_ARGUMENT);
    tn_store_close(&store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(data_may_come_last),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(impossible_header_length_is_refused),
        cmocka_unit_test(reserved_names_are_refused),
        cmocka_unit_test(python_reads_the_file),
        cmocka_unit_test_setup_teardown(store_keeps_the_last_ones, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(store_leaves_other_files_alone, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(store_is_for_one_run, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(store_leaves_no_empty_directory, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(store_that_cannot_be_written_is_refused, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
