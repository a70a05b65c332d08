/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in .npy files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/npy.h"
#include "scratch.h"

/* A .npy file of a header and data; the header is padded to a multiple of 64 as numpy does. */
typedef struct npy_file {
    uint8_t bytes[512];
    size_t n;
} npy_file;

static npy_file make_npy(int major, const char *text, const void *data, size_t n_data) {
    npy_file file = {.n = 0};
    size_t prefix = major == 1 ? 10 : 12, end = (prefix + strlen(text) + 1 + 63) / 64 * 64;
    size_t length = end - prefix;
    uint8_t start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)major, 0, (uint8_t)length};
    memset(file.bytes, ' ', end);
    memcpy(file.bytes, start, prefix);
    memcpy(file.bytes + prefix, text, strlen(text));
    file.bytes[end - 1] = '\n';
    if (n_data) memcpy(file.bytes + end, data, n_data);
    file.n = end + n_data;
    return file;
}

static void assert_refused(const uint8_t *bytes, size_t n, tn_status expected, const char *reason) {
    uint8_t *copy = malloc(n ? n : 1); /* lets the sanitizer see a read beyond n */
    memcpy(copy, bytes, n);
    tn_tensor tensor = {.rank = 77};
    tn_error error = {""};
    tn_status status = tn_npy_parse(copy, (int64_t)n, &tensor, &error);
    free(copy);
    if (status != expected || !strstr(error.message, reason))
        fail_msg("expected %d \"%s\", got %d \"%s\" for %.*s", expected, reason, status,
                 error.message, n > 80 ? 70 : 0, (const char *)bytes + 10);
    assert_int_equal(tensor.rank, 77);
}

static const float numbers[6] = {0.5f, -1, 2, 3e30f, -0.0f, 5};

/* ---- Files as numpy writes them ---- */

static void good_headers_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tn_dtype dtype;
        int rank;
        int64_t dims[3];
        size_t bytes;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", TN_FLOAT32, 2, {2, 3}, 24},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (24,), }", TN_UINT8, 1, {24}, 24},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 6, 1), }",
         TN_INT32,
         3,
         {1, 6, 1},
         24},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }", TN_INT64, 1, {3}, 24},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", TN_FLOAT32, 0, {0}, 4},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 7), }", TN_FLOAT32, 2, {0, 7}, 0},
        {"{'shape':(2,3),'fortran_order':False,'descr':'<f4'}", TN_FLOAT32, 2, {2, 3}, 24},
        {"{ 'descr' : '<f4' , 'shape' : ( 2 , 3 , ) , 'fortran_order' : False , }",
         TN_FLOAT32,
         2,
         {2, 3},
         24},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int major = 1; major <= 2; major++) {
            npy_file file = make_npy(major, cases[i].text, numbers, cases[i].bytes);
            tn_tensor tensor = {0};
            tn_error error;
            if (tn_npy_parse(file.bytes, (int64_t)file.n, &tensor, &error) != TN_OK)
                fail_msg("%s: %s", cases[i].text, error.message);
            assert_null(tensor.name);
            assert_int_equal(tensor.dtype, cases[i].dtype);
            assert_int_equal(tensor.rank, cases[i].rank);
            assert_memory_equal(tensor.dims, cases[i].dims, (size_t)tensor.rank * sizeof(int64_t));
            assert_int_equal(tensor.bytes, cases[i].bytes);
            assert_memory_equal(tensor.data, numbers, cases[i].bytes);
            tn_tensor_free(&tensor);
            assert_null(tensor.data);
        }
}

/* ---- Files that are not ---- */

static void bad_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tn_status status;
        const char *reason;
    } cases[] = {
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }", TN_ERR_UNSUPPORTED, "'<c8'"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", TN_ERR_UNSUPPORTED, "'>f4'"},
        {"{'descr': '|b1', 'fortran_order': False, 'shape': (24,), }", TN_ERR_FORMAT, "is no bool"},
        {"{'descr': '', 'fortran_order': False, 'shape': (6,), }", TN_ERR_UNSUPPORTED, "''"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", TN_ERR_UNSUPPORTED,
         "Fortran order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2,3), }",
         TN_ERR_UNSUPPORTED, "9 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", TN_ERR_FORMAT,
         "needs 20 bytes, 24 follow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }", TN_ERR_FORMAT,
         "needs 28 bytes, 24 follow"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
         TN_ERR_FORMAT, "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387910,), }",
         TN_ERR_FORMAT, "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551622,), }",
         TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [6], }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6L,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'shape': (6,), }", TN_ERR_FORMAT, "damaged"},
        {"{'fortran_order': False, 'shape': (6,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", TN_ERR_FORMAT,
         "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': (6,), }", TN_ERR_FORMAT,
         "damaged"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (6,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (6,), }", TN_ERR_FORMAT, "damaged"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), } x", TN_ERR_FORMAT, "damaged"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", TN_ERR_FORMAT,
         "damaged"},
        {"{}", TN_ERR_FORMAT, "damaged"},
        {"", TN_ERR_FORMAT, "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        npy_file file = make_npy(1, cases[i].text, numbers, sizeof numbers);
        assert_refused(file.bytes, file.n, cases[i].status, cases[i].reason);
    }
}

static void bad_files_are_refused(void **state) {
    (void)state;
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }";
    for (int major = 1; major <= 2; major++) {
        npy_file good = make_npy(major, text, numbers, sizeof numbers), file = good;
        for (size_t n = 0; n < good.n; n++) assert_refused(good.bytes, n, TN_ERR_FORMAT, "");
        assert_refused(good.bytes, good.n + 1, TN_ERR_FORMAT, "needs 24 bytes, 25 follow");
        file.bytes[0] = 0x92;
        assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "not a .npy file");
        file = good;
        file.bytes[major == 1 ? 9 : 11] = 255; /* the length of the header */
        assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "ends within the header");
        file = good;
        file.bytes[8]--; /* no line feed at the end */
        assert_refused(file.bytes, file.n, TN_ERR_FORMAT, "damaged");
        file = good;
        file.bytes[7] = 1;
        assert_refused(file.bytes, file.n, TN_ERR_UNSUPPORTED, major == 1 ? "1.1" : "2.1");
        file.bytes[6] = 3;
        file.bytes[7] = 0;
        assert_refused(file.bytes, file.n, TN_ERR_UNSUPPORTED, "version 3.0");
        file.bytes[6] = 0;
        assert_refused(file.bytes, file.n, TN_ERR_UNSUPPORTED, "version 0.0");
    }
}

/* Any byte of the header changed to any other: an error, or a tensor that fits the data. */
static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    npy_file good =
        make_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", numbers, 24);
    for (size_t at = 0; at < good.n - 24; at++)
        for (int value = 0; value < 256; value++) {
            npy_file file = good;
            file.bytes[at] = (uint8_t)value;
            tn_tensor tensor = {0};
            if (tn_npy_parse(file.bytes, (int64_t)file.n, &tensor, NULL) != TN_OK) continue;
            assert_int_equal(tensor.bytes, 24);
            assert_memory_equal(tensor.data, numbers, 24);
            tn_tensor_free(&tensor);
        }
}

/* ---- Writing ---- */

static void written_tensors_come_back(void **state) {
    (void)state;
    static const int64_t sizes[TN_N_DTYPES] = {
        [TN_FLOAT32] = 4, [TN_UINT8] = 1,   [TN_INT32] = 4,  [TN_INT64] = 8,
        [TN_FLOAT16] = 2, [TN_FLOAT64] = 8, [TN_BOOL] = 1,   [TN_INT8] = 1,
        [TN_INT16] = 2,   [TN_UINT16] = 2,  [TN_UINT32] = 4, [TN_UINT64] = 8};
    uint8_t data[8 * 256];
    for (int t = 0; t < TN_N_DTYPES; t++) {
        if (t == TN_BFLOAT16) continue; /* which NumPy has not */
        for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(t == TN_BOOL ? i % 2 : i * 37);
        for (int rank = 0; rank <= TN_MAX_RANK; rank++) {
            tn_tensor tensor = {.name = "x", .dtype = (tn_dtype)t, .rank = rank, .data = data};
            int64_t n = 1;
            for (int i = 0; i < rank; i++) n *= tensor.dims[i] = 1 + i % 3;
            tensor.bytes = (size_t)(n * sizes[t]);
            const char *path = scratch_path("tensor.NPY");
            tn_error error;
            if (tn_tensor_save(path, &tensor, &error) != TN_OK) fail_msg("%s", error.message);
            tn_tensor loaded;
            if (tn_tensor_load(path, &loaded, &error) != TN_OK) fail_msg("%s", error.message);
            assert_null(loaded.name);
            assert_int_equal(loaded.dtype, tensor.dtype);
            assert_int_equal(loaded.rank, rank);
            assert_memory_equal(loaded.dims, tensor.dims, (size_t)rank * sizeof(int64_t));
            assert_int_equal(loaded.bytes, tensor.bytes);
            assert_memory_equal(loaded.data, data, loaded.bytes);
            tn_tensor_free(&loaded);
        }
    }
    tn_tensor_free(NULL);
}

static void senseless_tensors_are_not_written(void **state) {
    (void)state;
    float data[6] = {0};
    const tn_tensor good = {
        .dtype = TN_FLOAT32, .rank = 2, .dims = {2, 3}, .data = data, .bytes = sizeof data};
    tn_tensor cases[7];
    for (int i = 0; i < 7; i++) cases[i] = good;
    cases[0].bytes = sizeof data - 1;
    cases[1].data = NULL;
    cases[2].dims[0] = -1;
    cases[3].dims[0] = INT64_MAX / 2;
    cases[4].rank = TN_MAX_RANK + 1;
    cases[5].rank = -1;
    cases[6].dtype = (tn_dtype)TN_N_DTYPES;
    const char *path = scratch_path("senseless.npy");
    for (int i = 0; i < 7; i++) {
        tn_error error = {""};
        assert_int_equal(tn_tensor_save(path, &cases[i], &error), TN_ERR_ARGUMENT);
        assert_non_null(strstr(error.message, path));
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void failures_name_the_file(void **state) {
    (void)state;
    float x = 1;
    tn_tensor tensor = {.dtype = TN_FLOAT32, .rank = 0, .data = &x, .bytes = sizeof x}, loaded;
    tn_error error;
    assert_int_equal(tn_tensor_save(scratch_path("x.txt"), &tensor, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, ".npy or .pb"));
    assert_int_equal(tn_tensor_load(scratch_path("x"), &loaded, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_tensor_load(".npy", &loaded, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_tensor_load(scratch_path("x.npy"), &loaded, &error), TN_ERR_NOT_FOUND);
    assert_int_equal(tn_tensor_save(scratch_path("no/x.npy"), &tensor, &error), TN_ERR_NOT_FOUND);
    const char *path = scratch_write("junk.npy", "junk", 4);
    assert_int_equal(tn_tensor_load(path, &loaded, &error), TN_ERR_FORMAT);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, "not a .npy file"));
}

/* ---- Against numpy ---- */

/* Runs a script in the scratch directory with Debian's Python: its exit status. */
static int run_python(const char *script) {
    scratch_write("script.py", script, strlen(script));
    char command[512];
    snprintf(command, sizeof command, "cd %s && /usr/bin/python3 script.py", scratch_directory);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void numpy_agrees(void **state) {
    (void)state;
    if (system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0) {
        print_message("skipped: /usr/bin/python3 has no numpy (apt-get install python3-numpy)\n");
        skip();
    }
    assert_int_equal(
        run_python(
            "import numpy as np\n"
            "x = np.arange(120).reshape(2, 3, 4, 5)\n"
            "for t in ['f4', 'u1', 'i4', 'i8', 'f2', 'f8', 'i1', 'i2', 'u2', 'u4', 'u8', '?']:\n"
            "    np.save('np-' + t + '.npy', x.astype(t))\n"
            "np.save('f.npy', np.asfortranarray(x.astype('f4')))\n"
            "with open('v2.npy', 'wb') as f:\n"
            "    np.lib.format.write_array(f, x.astype('f4'), version=(2, 0))\n"),
        0);
    static const char *const types[] = {"f4", "u1", "i4", "i8", "f2", "f8",
                                        "i1", "i2", "u2", "u4", "u8", "?"};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        char name[32];
        tn_tensor tensor;
        tn_error error;
        snprintf(name, sizeof name, "np-%s.npy", types[t]);
        if (tn_tensor_load(scratch_path(name), &tensor, &error) != TN_OK)
            fail_msg("%s", error.message);
        assert_int_equal(tensor.rank, 4);
        assert_int_equal(tensor.dims[3], 5);
        if (t == 0) assert_true(((float *)tensor.data)[119] == 119);
        if (t == 3) assert_int_equal(((int64_t *)tensor.data)[119], 119);
        snprintf(name, sizeof name, "tn-%s.npy", types[t]);
        assert_int_equal(tn_tensor_save(scratch_path(name), &tensor, NULL), TN_OK);
        tn_tensor_free(&tensor);
    }
    tn_tensor tensor;
    assert_int_equal(tn_tensor_load(scratch_path("f.npy"), &tensor, NULL), TN_ERR_UNSUPPORTED);
    assert_int_equal(tn_tensor_load(scratch_path("v2.npy"), &tensor, NULL), TN_OK);
    assert_true(((float *)tensor.data)[119] == 119);
    tensor.rank = 0;
    assert_int_equal(tn_tensor_save(scratch_path("tn-scalar.npy"), &tensor, NULL), TN_OK);
    tn_tensor_free(&tensor);
    assert_int_equal(
        run_python(
            "import numpy as np\n"
            "x = np.arange(120).reshape(2, 3, 4, 5)\n"
            "for t in ['f4', 'u1', 'i4', 'i8', 'f2', 'f8', 'i1', 'i2', 'u2', 'u4', 'u8', '?']:\n"
            "    y = np.load('tn-' + t + '.npy')\n"
            "    assert y.dtype == t and np.array_equal(x.astype(t), y)\n"
            "    a, b = (open(p + t + '.npy', 'rb').read() for p in ('np-', "
            "'tn-'))\n"
            "    assert a == b, t\n"
            "assert np.load('tn-scalar.npy').shape == ()\n"),
        0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_read),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(written_tensors_come_back),
        cmocka_unit_test(senseless_tensors_are_not_written),
        cmocka_unit_test(failures_name_the_file),
        cmocka_unit_test(numpy_agrees),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
