/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/philox.h"
#include "base/sha256.h"
#include "base/size.h"
#include "base/status.h"

#define N_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

/* ---- Philox ---- */

/* The known-answer vectors of Random123 (kat_vectors, philox4x32 10). */
static void philox_matches_published_vectors(void **state) {
    (void)state;
    static const struct {
        uint32_t key[2], counter[4], expected[4];
    } cases[] = {
        {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0xa4093822, 0x299f31d0},
         {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < N_OF(cases); i++) {
        uint32_t out[4];
        tn_philox(cases[i].key, cases[i].counter, out);
        assert_memory_equal(out, cases[i].expected, sizeof out);
    }
}

static void philox_may_write_over_its_counter(void **state) {
    (void)state;
    uint32_t key[2] = {1, 2}, counter[4] = {3, 4, 5, 6}, out[4];
    tn_philox(key, counter, out);
    tn_philox(key, counter, counter);
    assert_memory_equal(out, counter, sizeof out);
}

static void stream_is_philox_of_seed_stream_and_purpose(void **state) {
    (void)state;
    uint64_t seed = 0x0123456789abcdef, stream = 0xfedcba9876543210;
    uint32_t key[2] = {0x89abcdef, 0x01234567};
    tn_random random = tn_random_begin(seed, TN_PURPOSE_ORDER, stream);
    for (uint32_t block = 0; block < 3; block++) {
        uint32_t counter[4] = {block, 0x76543210, 0xfedcba98, TN_PURPOSE_ORDER}, expected[4];
        tn_philox(key, counter, expected);
        for (int i = 0; i < 4; i++) assert_int_equal(tn_random_u32(&random), expected[i]);
    }
}

static void random_below_stays_below(void **state) {
    (void)state;
    static const uint32_t limits[] = {1,          2,          3,          10,        60000,
                                      0x7fffffff, 0x80000000, 0x80000001, 0xffffffff};
    tn_random random = tn_random_begin(7, TN_PURPOSE_TEST, 0);
    for (int i = 0; i < N_OF(limits); i++) {
        uint32_t largest = 0;
        for (int k = 0; k < 20000; k++) {
            uint32_t x = tn_random_below(&random, limits[i]);
            assert_true(x < limits[i]);
            if (x > largest) largest = x;
        }
        assert_true(largest >= limits[i] - 1 - limits[i] / 100);
    }
}

/* Pearson's chi-squared statistic of `draws` draws below n has mean n - 1, variance 2(n - 1): six
 * standard deviations either way. The seeds are fixed, so that the outcome is too. */
static void check_uniform(uint32_t n, const int *counts, int draws) {
    double expected = (double)draws / n, chi2 = 0;
    for (uint32_t i = 0; i < n; i++)
        chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(fabs(chi2 - (n - 1)) < 6 * sqrt(2.0 * (n - 1)));
}

static void random_below_is_uniform(void **state) {
    (void)state;
    enum { DRAWS = 200000 };
    static const uint32_t limits[] = {2, 10, 97, 1000};
    for (int i = 0; i < N_OF(limits); i++) {
        int counts[1000] = {0};
        tn_random random = tn_random_begin(11, TN_PURPOSE_TEST, limits[i]);
        for (int k = 0; k < DRAWS; k++) counts[tn_random_below(&random, limits[i])]++;
        check_uniform(limits[i], counts, DRAWS);
    }
}

/* Below 3·2^30, mapping words without rejection would give a third of the values double weight. */
static void random_below_has_no_bias_for_large_limits(void **state) {
    (void)state;
    enum { DRAWS = 90000 };
    uint32_t n = UINT32_C(3) << 30;
    int residues[3] = {0};
    tn_random random = tn_random_begin(12, TN_PURPOSE_TEST, 0);
    for (int k = 0; k < DRAWS; k++) residues[tn_random_below(&random, n) % 3]++;
    check_uniform(3, residues, DRAWS);
}

static void random_uniform_fills_the_unit_interval(void **state) {
    (void)state;
    enum { DRAWS = 200000, BINS = 64 };
    int counts[BINS] = {0};
    tn_random random = tn_random_begin(13, TN_PURPOSE_TEST, 0);
    for (int k = 0; k < DRAWS; k++) {
        double x = tn_random_uniform(&random);
        assert_true(x >= 0 && x < 1);
        assert_true(ldexp(x, 53) == floor(ldexp(x, 53)));
        counts[(int)(x * BINS)]++;
    }
    check_uniform(BINS, counts, DRAWS);
}

/* The normal distribution cut into pieces of equal chance: at its octiles. */
static void random_normal_is_normal(void **state) {
    (void)state;
    enum { DRAWS = 200000, BINS = 8 };
    static const double octiles[] = {
        -1.1503493803760079, -0.67448975019608171, -0.31863936396437514, 0,
        0.31863936396437514, 0.67448975019608171,  1.1503493803760079};
    int counts[BINS] = {0}, tail = 0;
    double fourth = 0;
    tn_random random = tn_random_begin(14, TN_PURPOSE_TEST, 0);
    for (int k = 0; k < DRAWS; k++) {
        double x = tn_random_normal(&random);
        int bin = 0;
        while (bin < BINS - 1 && x >= octiles[bin]) bin++;
        counts[bin]++;
        tail += fabs(x) > 3;
        fourth += x * x * x * x / DRAWS;
    }
    check_uniform(BINS, counts, DRAWS);
    assert_in_range(tail, 440, 640);           /* 540 expected, deviation 23 */
    assert_true(fabs(fourth - 3) < 5 * 0.022); /* its deviation is sqrt(96 / DRAWS) */
}

static void streams_differ(void **state) {
    (void)state;
    tn_random random[4] = {
        tn_random_begin(1, TN_PURPOSE_WEIGHTS, 0), tn_random_begin(2, TN_PURPOSE_WEIGHTS, 0),
        tn_random_begin(1, TN_PURPOSE_SPLIT, 0), tn_random_begin(1, TN_PURPOSE_WEIGHTS, 1)};
    uint32_t first[4];
    for (int i = 0; i < 4; i++) first[i] = tn_random_u32(&random[i]);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++) assert_int_not_equal(first[i], first[j]);
}

/* ---- Arena ---- */

static void arena_keeps_many_blocks_apart(void **state) {
    (void)state;
    enum { N = 3000 };
    tn_arena arena = {0};
    unsigned char *blocks[N];
    size_t sizes[N];
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, 0);
    for (int i = 0; i < N; i++) {
        sizes[i] = tn_random_below(&random, i % 50 == 0 ? 40000 : 300);
        blocks[i] = tn_arena_alloc(&arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(blocks[i][k], 0);
        memset(blocks[i], i & 255, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(blocks[i][k], i & 255);
    tn_arena_free(&arena);
    assert_null(arena.blocks);
    tn_arena_free(&arena);
}

static void arena_gives_empty_requests_distinct_places(void **state) {
    (void)state;
    tn_arena arena = {0};
    void *first = tn_arena_alloc(&arena, 0), *second = tn_arena_alloc(&arena, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assert_non_null(tn_arena_copy(&arena, NULL, 0));
    tn_arena_free(&arena);
}

/* Not constants, which the compiler would object to. */
static size_t minus(size_t n) {
    static volatile size_t zero = 0;
    return zero - n;
}

static void arena_refuses_huge_sizes(void **state) {
    (void)state;
    tn_arena arena = {0};
    assert_null(tn_arena_alloc(&arena, minus(1)));
    assert_null(tn_arena_alloc(&arena, minus(16)));
    assert_null(tn_arena_alloc(&arena, minus(64)));
    assert_null(tn_arena_alloc(&arena, minus(0) + PTRDIFF_MAX));
    assert_null(tn_arena_alloc(&arena, minus(0) + PTRDIFF_MAX - 16));
    assert_null(arena.blocks);
    char *after = tn_arena_alloc(&arena, 100);
    assert_non_null(after);
    memset(after, 1, 100);
    tn_arena_free(&arena);
}

static void arena_copies_and_formats(void **state) {
    (void)state;
    tn_arena arena = {0};
    char text[] = "conv1.weight";
    char *copy = tn_arena_strdup(&arena, text);
    int *numbers = tn_arena_copy(&arena, (int[]){1, 2, 3}, 3 * sizeof(int));
    char *formatted = tn_arena_printf(&arena, "%s/%d", text, 42);
    text[0] = 'X';
    assert_string_equal(copy, "conv1.weight");
    assert_int_equal(numbers[2], 3);
    assert_string_equal(formatted, "conv1.weight/42");
    char *wide = tn_arena_printf(&arena, "%*d", 100000, 7);
    assert_non_null(wide);
    assert_int_equal(strlen(wide), 100000);
    tn_arena_free(&arena);
}

static void aligned_alloc_aligns_and_refuses(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 1 << 20};
    for (int i = 0; i < N_OF(sizes); i++) {
        unsigned char *memory = tn_aligned_alloc(sizes[i]);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        memset(memory, 1, sizes[i]);
        free(memory);
    }
    assert_null(tn_aligned_alloc(minus(1)));
    assert_null(tn_aligned_alloc(minus(63)));
    assert_null(tn_aligned_alloc(minus(0) + PTRDIFF_MAX));
}

/* ---- Status ---- */

static void fail_writes_the_message_and_returns_the_status(void **state) {
    (void)state;
    tn_error error;
    assert_int_equal(tn_fail(&error, TN_ERR_FORMAT, "%s: %d", "a.onnx", 3), TN_ERR_FORMAT);
    assert_string_equal(error.message, "a.onnx: 3");
    assert_int_equal(tn_fail(NULL, TN_ERR_NUMERIC, "x"), TN_ERR_NUMERIC);
    assert_int_equal(tn_fail_errno(NULL, EIO, "x"), TN_ERR_IO);
    assert_int_equal(tn_fail_within(NULL, TN_ERR_MISMATCH, "x"), TN_ERR_MISMATCH);
    assert_int_equal(tn_fail_memory(NULL), TN_ERR_MEMORY);
    assert_int_equal(tn_fail_memory(&error), TN_ERR_MEMORY);
    assert_string_equal(error.message, "out of memory");
}

static void fail_cuts_long_messages(void **state) {
    (void)state;
    struct {
        tn_error error;
        char guard[16];
    } box;
    char text[5000];
    memset(box.guard, 'g', sizeof box.guard);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tn_fail(&box.error, TN_ERR_FORMAT, "%s", text);
    assert_int_equal(strlen(box.error.message), sizeof box.error.message - 1);
    for (size_t i = 0; i < sizeof box.guard; i++) assert_int_equal(box.guard[i], 'g');
}

/* Cutting "é" (2 bytes), "€" (3) and "𝄞" (4) at every offset leaves whole characters. */
static void fail_cuts_between_characters(void **state) {
    (void)state;
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9D\x84\x9E"};
    for (int c = 0; c < N_OF(characters); c++)
        for (size_t lead = 0; lead < 4; lead++) {
            size_t length = strlen(characters[c]);
            char text[3000] = "";
            memset(text, 'x', lead);
            for (size_t at = lead; at < 2000; at += length) strcpy(text + at, characters[c]);
            tn_error error;
            tn_fail(&error, TN_ERR_FORMAT, "%s", text);
            size_t room = sizeof error.message - 1;
            assert_int_equal(strlen(error.message), lead + (room - lead) / length * length);
        }
}

static void fail_keeps_control_characters_out(void **state) {
    (void)state;
    tn_error error;
    tn_fail(&error, TN_ERR_FORMAT, "a\nb\033[2Jc\177\xC3\xA9");
    assert_string_equal(error.message, "a?b?[2Jc?\xC3\xA9");
}

static void fail_errno_tells_the_reason(void **state) {
    (void)state;
    tn_error error;
    assert_int_equal(tn_fail_errno(&error, EACCES, "cannot read %s", "f"), TN_ERR_IO);
    assert_string_equal(error.message, "cannot read f: Permission denied");
    assert_int_equal(tn_fail_errno(&error, ENOENT, "cannot read %s", "f"), TN_ERR_NOT_FOUND);
    assert_string_equal(error.message, "cannot read f: No such file or directory");
    assert_int_equal(tn_fail_errno(&error, ENOMEM, "x"), TN_ERR_MEMORY);
}

static void fail_errno_keeps_the_reason_behind_a_long_path(void **state) {
    (void)state;
    char path[4000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    tn_error error;
    tn_fail_errno(&error, ENOSPC, "cannot write %s", path);
    const char *end = "p: No space left on device";
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_string_equal(error.message + strlen(error.message) - strlen(end), end);
}

static void fail_within_puts_the_context_first(void **state) {
    (void)state;
    tn_error error;
    tn_fail(&error, TN_ERR_FORMAT, "bad tensor");
    assert_int_equal(tn_fail_within(&error, TN_ERR_FORMAT, "%s", "m.onnx"), TN_ERR_FORMAT);
    assert_string_equal(error.message, "m.onnx: bad tensor");
    for (int i = 0; i < 200; i++) tn_fail_within(&error, TN_ERR_FORMAT, "context %d", i);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_memory_equal(error.message, "context 199: context 198: ", 26);
}

static tn_status try_twice(tn_status first, tn_status second, int *reached) {
    TN_TRY(first);
    *reached = 1;
    TN_TRY(second);
    *reached = 2;
    return TN_OK;
}

static void try_returns_the_first_failure(void **state) {
    (void)state;
    int reached = 0;
    assert_int_equal(try_twice(TN_ERR_IO, TN_OK, &reached), TN_ERR_IO);
    assert_int_equal(reached, 0);
    assert_int_equal(try_twice(TN_OK, TN_STOPPED, &reached), TN_STOPPED);
    assert_int_equal(reached, 1);
    assert_int_equal(try_twice(TN_OK, TN_OK, &reached), TN_OK);
    assert_int_equal(reached, 2);
}

static void every_status_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int i = TN_OK; i <= TN_STOPPED; i++) {
        assert_string_not_equal(tn_status_name((tn_status)i), "unknown");
        for (int j = TN_OK; j < i; j++)
            assert_string_not_equal(tn_status_name((tn_status)i), tn_status_name((tn_status)j));
    }
    assert_string_equal(tn_status_name(TN_ERR_FORMAT), "format");
    assert_string_equal(tn_status_name((tn_status)99), "unknown");
}

/* ---- SHA-256 ---- */

/* FIPS 180-2, appendix B. */
static void sha256_matches_published_vectors(void **state) {
    (void)state;
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (int i = 0; i < N_OF(cases); i++) {
        tn_sha256 sha;
        char hex[65];
        tn_sha256_begin(&sha);
        tn_sha256_add(&sha, cases[i].text, strlen(cases[i].text));
        tn_sha256_end(&sha, hex);
        assert_string_equal(hex, cases[i].hex);
    }
}

static void sha256_of_pieces_is_that_of_the_whole(void **state) {
    (void)state;
    char million[1000];
    memset(million, 'a', sizeof million);
    tn_sha256 sha;
    char hex[65];
    tn_sha256_begin(&sha);
    tn_sha256_add(&sha, NULL, 0);
    for (int i = 0; i < 1000; i++) {
        size_t cut = (size_t)i % sizeof million;
        tn_sha256_add(&sha, million, cut);
        tn_sha256_add(&sha, million + cut, sizeof million - cut);
    }
    tn_sha256_end(&sha, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* ---- Sizes ---- */

static void sizes_detect_overflow(void **state) {
    (void)state;
    int64_t x;
    assert_true(tn_size_add(INT64_MAX - 1, 1, &x));
    assert_true(x == INT64_MAX);
    assert_false(tn_size_add(INT64_MAX, 1, &x));
    assert_true(tn_size_mul(INT64_C(1) << 31, INT64_C(1) << 31, &x));
    assert_true(x == INT64_C(1) << 62);
    assert_false(tn_size_mul(INT64_C(1) << 32, INT64_C(1) << 31, &x));
    assert_true(tn_size_mul(INT64_MAX, 0, &x));
    assert_true(x == 0);
}

static void products_detect_overflow_and_negatives(void **state) {
    (void)state;
    int64_t x;
    assert_true(tn_size_product((int64_t[]){2, 3, 4}, 3, &x));
    assert_true(x == 24);
    assert_true(tn_size_product(NULL, 0, &x));
    assert_true(x == 1);
    assert_false(tn_size_product((int64_t[]){1 << 30, 1 << 30, 8}, 3, &x));
    assert_false(tn_size_product((int64_t[]){-1, -1}, 2, &x));
    assert_false(tn_size_product((int64_t[]){INT64_MAX, 2, 0}, 3, &x));
}

static void rounding_up_reaches_the_next_multiple(void **state) {
    (void)state;
    assert_true(tn_round_up(0, 16) == 0);
    assert_true(tn_round_up(1, 16) == 16);
    assert_true(tn_round_up(16, 16) == 16);
    assert_true(tn_round_up(17, 6) == 18);
    assert_true(tn_min_i64(-1, 2) == -1 && tn_max_i64(-1, 2) == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_matches_published_vectors),
        cmocka_unit_test(philox_may_write_over_its_counter),
        cmocka_unit_test(stream_is_philox_of_seed_stream_and_purpose),
        cmocka_unit_test(random_below_stays_below),
        cmocka_unit_test(random_below_is_uniform),
        cmocka_unit_test(random_below_has_no_bias_for_large_limits),
        cmocka_unit_test(random_uniform_fills_the_unit_interval),
        cmocka_unit_test(random_normal_is_normal),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(arena_keeps_many_blocks_apart),
        cmocka_unit_test(arena_gives_empty_requests_distinct_places),
        cmocka_unit_test(arena_refuses_huge_sizes),
        cmocka_unit_test(arena_copies_and_formats),
        cmocka_unit_test(aligned_alloc_aligns_and_refuses),
        cmocka_unit_test(fail_writes_the_message_and_returns_the_status),
        cmocka_unit_test(fail_cuts_long_messages),
        cmocka_unit_test(fail_cuts_between_characters),
        cmocka_unit_test(fail_keeps_control_characters_out),
        cmocka_unit_test(fail_errno_tells_the_reason),
        cmocka_unit_test(fail_errno_keeps_the_reason_behind_a_long_path),
        cmocka_unit_test(fail_within_puts_the_context_first),
        cmocka_unit_test(try_returns_the_first_failure),
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(sha256_matches_published_vectors),
        cmocka_unit_test(sha256_of_pieces_is_that_of_the_whole),
        cmocka_unit_test(sizes_detect_overflow),
        cmocka_unit_test(products_detect_overflow_and_negatives),
        cmocka_unit_test(rounding_up_reaches_the_next_multiple),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
