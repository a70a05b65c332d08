/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of every level that runs here against the reference, over all tails, alignments and
 * extreme values, between pages that must not be touched. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/philox.h"
#include "cpu/isa.h"
#include "kernel_cases.h"

enum { MAX_N = 70, MAX_LEVELS = 8, DEPTH = 70 };

static int levels_here(tn_kernels tables[MAX_LEVELS]) {
    int n = 0;
    for (const char *const *level = tn_kernel_levels(); *level != NULL; level++)
        if (tn_kernels_init(&tables[n], *level, tn_isa_detect())) n++;
    assert_in_range(n, 1, MAX_LEVELS);
    assert_string_equal(tables[0].level, "ref");
    return n;
}

/* ---- Memory between pages that may not be touched ------------------------------------------- */

/* bytes of memory that end just before a forbidden page (at_end) or begin just after one; what is
 * left of the readable part is filled with a canary. */
typedef struct guarded {
    uint8_t *map, *data;
    size_t map_bytes, slot_bytes, bytes;
} guarded;

enum { CANARY = 0xa5 };

static guarded guarded_new(size_t max_bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = {.slot_bytes = (max_bytes + page - 1) / page * page};
    g.map_bytes = g.slot_bytes + 2 * page;
    g.map = mmap(NULL, g.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + page, g.slot_bytes, PROT_READ | PROT_WRITE), 0);
    return g;
}

static void guarded_free(guarded *g) { munmap(g->map, g->map_bytes); }

static void *guarded_place(guarded *g, size_t bytes, bool at_end) {
    uint8_t *slot = g->map + (g->map_bytes - g->slot_bytes) / 2;
    assert_true(bytes <= g->slot_bytes);
    memset(slot, CANARY, g->slot_bytes);
    g->bytes = bytes;
    g->data = at_end ? slot + g->slot_bytes - bytes : slot;
    return g->data;
}

static void guarded_check(const guarded *g, const char *what) {
    const uint8_t *slot = g->map + (g->map_bytes - g->slot_bytes) / 2;
    for (const uint8_t *p = slot; p < slot + g->slot_bytes; p++)
        if ((p < g->data || p >= g->data + g->bytes) && *p != CANARY)
            fail_msg("%s: wrote %td bytes from its output", what, p - g->data);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

typedef enum pattern { RANDOM, INTEGERS, EXTREMES, TIES, N_PATTERNS } pattern;

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float draw(tn_random *random, pattern p) {
    static const uint32_t extremes[] = {
        0x7fc00000u, 0xffc12345u, 0x7fe54321u, 0x7f800000u, 0xff800000u, 0x00000000u,
        0x80000000u, 0x00000001u, 0x80000001u, 0x007fffffu, 0x00800000u, 0x80800000u,
        0x7f7fffffu, 0xff7fffffu, 0x3f800000u, 0xbf800000u, 0x33800000u, 0x42b00000u,
    };
    enum { N_EXTREMES = sizeof extremes / sizeof extremes[0] };
    switch (p) {
    case RANDOM: return (float)(2 * tn_random_uniform(random) - 1);
    case INTEGERS: return (float)tn_random_below(random, 17) - 8;
    case TIES: return from_bits(tn_random_below(random, 2) ? 0x80000000u : 0);
    default: return from_bits(extremes[tn_random_below(random, N_EXTREMES)]);
    }
}

static void fill(tn_random *random, pattern p, float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = draw(random, p);
}

static bool same(float a, float b, bool same_nan) {
    if (!same_nan && a != a && b != b) return true;
    return memcmp(&a, &b, sizeof a) == 0;
}

/* ---- The case list -------------------------------------------------------------------------- */

typedef struct arena {
    guarded in[CASE_MAX_IN], out[CASE_MAX_OUT], bytes_in, bytes_out;
} arena;

static void for_each_slot(arena *a, void (*visit)(guarded *slot)) {
    for (int i = 0; i < CASE_MAX_IN; i++) visit(&a->in[i]);
    for (int i = 0; i < CASE_MAX_OUT; i++) visit(&a->out[i]);
    visit(&a->bytes_in);
    visit(&a->bytes_out);
}

static void slot_new(guarded *slot) { *slot = guarded_new(MAX_N * sizeof(float)); }

/* The same numbers for the same seed, wherever they are placed. */
static case_data prepare(arena *a, const kernel_case *c, int64_t n, pattern p, bool at_end,
                         uint64_t seed) {
    tn_random random = tn_random_begin(seed, TN_PURPOSE_TEST, (uint64_t)n);
    size_t bytes = (size_t)n * sizeof(float);
    case_data data;
    for (int i = 0; i < CASE_MAX_IN; i++) {
        data.in[i] = guarded_place(&a->in[i], bytes, at_end);
        fill(&random, p, data.in[i], n);
    }
    for (int i = 0; i < CASE_MAX_OUT; i++) {
        data.out[i] = guarded_place(&a->out[i], bytes, at_end);
        fill(&random, p, data.out[i], n);
    }
    data.bytes_in = guarded_place(&a->bytes_in, (size_t)n, at_end);
    data.bytes_out = guarded_place(&a->bytes_out, (size_t)n, at_end);
    for (int64_t i = 0; i < n; i++) {
        data.bytes_in[i] = 0;
        if (c->byte_limit > 0)
            data.bytes_in[i] = (uint8_t)tn_random_below(&random, (uint32_t)c->byte_limit);
        data.bytes_out[i] = 0xee;
    }
    return data;
}

static void compare(const kernel_case *c, const char *level, int64_t n, pattern p,
                    const case_data *expected, const case_data *got) {
    for (int o = 0; o < CASE_MAX_OUT; o++)
        for (int64_t i = 0; i < n; i++)
            if (!same(expected->out[o][i], got->out[o][i], c->same_nan))
                fail_msg("%s, %s, n %d, pattern %d: output %d[%d] is %a, ref has %a", c->name,
                         level, (int)n, (int)p, o, (int)i, (double)got->out[o][i],
                         (double)expected->out[o][i]);
    for (int64_t i = 0; i < n; i++)
        if (expected->bytes_out[i] != got->bytes_out[i])
            fail_msg("%s, %s, n %d, pattern %d: byte [%d] is %d, ref has %d", c->name, level,
                     (int)n, (int)p, (int)i, got->bytes_out[i], expected->bytes_out[i]);
    assert_int_equal(c->bytes_out && n > 0 && got->bytes_out[0] == 0xee, false);
}

static void check_arena(arena *a, const char *what) {
    for (int o = 0; o < CASE_MAX_OUT; o++) guarded_check(&a->out[o], what);
    guarded_check(&a->bytes_out, what);
}

static void check_case(const kernel_case *c, arena *ref_arena, arena *arena_of_level) {
    tn_kernels tables[MAX_LEVELS];
    int n_levels = levels_here(tables);
    for (int64_t n = 0; n <= MAX_N; n++)
        for (pattern p = 0; p < N_PATTERNS; p++)
            for (int l = 0; l < n_levels; l++)
                for (int at_end = 0; at_end < 2; at_end++) {
                    if (n == 0 && c->run == run_transpose) continue;
                    case_data expected = prepare(ref_arena, c, n, p, true, 1);
                    case_data got = prepare(arena_of_level, c, n, p, at_end, 1);
                    c->run(&tables[0], n, &expected);
                    c->run(&tables[l], n, &got);
                    compare(c, tables[l].level, n, p, &expected, &got);
                    check_arena(arena_of_level, c->name);
                }
}

/* One test per entry of kernel_cases, which is its initial state. */
static void levels_agree(void **state) {
    arena ref_arena, arena_of_level;
    for_each_slot(&ref_arena, slot_new);
    for_each_slot(&arena_of_level, slot_new);
    check_case(*state, &ref_arena, &arena_of_level);
    for_each_slot(&ref_arena, guarded_free);
    for_each_slot(&arena_of_level, guarded_free);
}

/* The reference itself, on values that can be checked by hand. */
static void reference_is_right(void **state) {
    tn_kernels k;
    (void)state;
    assert_true(tn_kernels_init(&k, "ref", 0));
    const float x[4] = {-1, 2, NAN, -0.0f}, z[4] = {1, -3, 1, 0.0f};
    const float *const taps[2] = {x, z};
    float y[4];
    uint8_t arg[4];
    k.relu(4, x, y);
    assert_true(y[0] == 0 && y[1] == 2 && y[2] != y[2] && y[3] == 0);
    k.relu_grad(4, x, z, y);
    assert_true(y[0] == 0 && y[1] == -3 && y[2] == 0 && y[3] == 0);
    k.max_pool(2, taps, 4, y, arg);
    assert_true(y[0] == 1 && y[1] == 2 && y[2] != y[2] && y[3] == 0 && signbit(y[3]));
    assert_true(arg[0] == 1 && arg[1] == 0 && arg[2] == 0 && arg[3] == 0);

    float w[1] = {2}, v[1] = {10}, g[1] = {1};
    tn_sgd_step sgd = {.lr = 0.5f, .momentum = 0.5f, .weight_decay = 0.25f, .scale = 1};
    k.sgd(&sgd, 1, g, w, v);
    assert_true(v[0] == 6.5f && w[0] == -1.25f);
    sgd.weight_decay = 0;
    sgd.scale = 2;
    sgd.nesterov = true;
    k.sgd(&sgd, 1, g, w, v);
    assert_true(v[0] == 5.25f && w[0] == -1.25f - 0.5f * (2 + 0.5f * 5.25f));
    float m[1] = {0}, v2[1] = {4};
    w[0] = 1;
    tn_adam_step adam = {.step_size = 1,
                         .inv_sqrt_correction2 = 1,
                         .beta1 = 0.5f,
                         .rest1 = 0.5f,
                         .beta2 = 1,
                         .keep = 1};
    k.adam(&adam, 1, g, w, m, v2);
    assert_true(m[0] == 0.5f && v2[0] == 4 && w[0] == 0.75f);
    adam.keep = 0.5f;
    k.adam(&adam, 1, g, w, m, v2);
    assert_true(m[0] == 0.75f && v2[0] == 4 && w[0] == 0);

    float squares[1] = {7}, deltas[1] = {4};
    w[0] = 1;
    k.adadelta(&(tn_adadelta_step){.lr = 1, .rho = 0.5f, .rest = 0.5f}, 1, g, w, squares, deltas);
    assert_true(squares[0] == 4 && deltas[0] == 2.5f && w[0] == 0);
    w[0] = 1;
    squares[0] = 7;
    k.rmsprop(&(tn_rmsprop_step){.lr = 1, .alpha = 0.5f, .rest = 0.5f}, 1, g, w, squares);
    assert_true(squares[0] == 4 && w[0] == 0.5f);
    w[0] = 1;
    k.average(1, 0.25f, squares, w);
    assert_true(w[0] == 1.75f);
    assert_true(k.sum_squares(0, z) == 0 && k.sum_squares(3, z) == 11);
}

/* ---- Dropout -------------------------------------------------------------------------------- */

static uint32_t drawn_word(uint64_t element) {
    uint32_t counter[4] = {(uint32_t)(element / 8), case_counter[1], case_counter[2],
                           case_counter[3]};
    uint32_t out[4];
    tn_philox(case_key, counter, out);
    return out[element % 8 / 2] >> (element % 2 ? 16 : 0) & 0xffff;
}

static void check_dropout(const tn_kernels *k, int64_t first, uint32_t threshold) {
    enum { N = 300 };
    float x[N], y[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i + 1);
    k->dropout(N, case_key, case_counter, first, threshold, 0.5f, x, y);
    for (int i = 0; i < N; i++) {
        uint32_t word = drawn_word((uint64_t)first + (uint64_t)i);
        float expected = word >= threshold ? 0.5f * x[i] : 0;
        if (!same(y[i], expected, true))
            fail_msg("%s: dropout from %lld, threshold %u: element %d", k->level, (long long)first,
                     threshold, i);
    }
}

static void dropout_follows_philox(void **state) {
    static const uint32_t thresholds[] = {0,     1,     16384,       32768,
                                          65535, 65536, 0x80000000u, 0xffffffffu};
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int t = 0; t < 8; t++) {
            for (int64_t first = 0; first <= 70; first++)
                check_dropout(&tables[l], first, thresholds[t]);
            check_dropout(&tables[l], (INT64_C(1) << 34) - 301, thresholds[t]);
        }
    /* A word that equals the threshold is kept. */
    for (int l = 0; l < n_levels; l++)
        for (uint64_t element = 0; element < 64; element++)
            check_dropout(&tables[l], 0, drawn_word(element));
}

/* ---- Tiles ---------------------------------------------------------------------------------- */

/* More rows than two tiles have. */
enum {
    MAX_ROWS = 2 * TN_TILE_MAX_MR + 1,
    MAX_COLUMNS = TN_TILE_MAX_NR,
    A_FLOATS = 3 * DEPTH,
    B_PAD = 5
};

/* Rows of a, b and c each against a forbidden page of their own. */
typedef struct tile_data {
    guarded a_slot[MAX_ROWS], c_slot[MAX_ROWS], b_slot;
    const float *a[MAX_ROWS];
    float *c[MAX_ROWS], *b;
    int64_t a_row[MAX_ROWS], c_row[MAX_ROWS], offset[DEPTH], ldb;
    int nr;
} tile_data;

/* How far apart two rows are, each of which is an array of its own. */
static int64_t numbers_between(const float *from, const float *to) {
    return ((intptr_t)to - (intptr_t)from) / (intptr_t)sizeof(float);
}

static tile_data *tile_data_new(void) {
    tile_data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    for (int i = 0; i < MAX_ROWS; i++) {
        d->a_slot[i] = guarded_new(A_FLOATS * sizeof(float));
        d->c_slot[i] = guarded_new(MAX_COLUMNS * sizeof(float));
    }
    d->b_slot = guarded_new((MAX_COLUMNS + B_PAD) * DEPTH * sizeof(float));
    return d;
}

static void tile_data_free(tile_data *d) {
    for (int i = 0; i < MAX_ROWS; i++) {
        guarded_free(&d->a_slot[i]);
        guarded_free(&d->c_slot[i]);
    }
    guarded_free(&d->b_slot);
    free(d);
}

/* Random offsets into rows of A_FLOATS of which the last is used; b of depth rows of nr. */
static void tile_data_fill(tile_data *d, int nr, int64_t depth, int64_t pad, pattern p,
                           uint64_t seed) {
    tn_random random = tn_random_begin(seed, TN_PURPOSE_TEST, (uint64_t)depth);
    d->ldb = nr + pad;
    d->nr = nr;
    for (int i = 0; i < MAX_ROWS; i++) {
        float *a = guarded_place(&d->a_slot[i], A_FLOATS * sizeof(float), true);
        fill(&random, p, a, A_FLOATS);
        d->a[i] = a;
        d->c[i] = guarded_place(&d->c_slot[i], (size_t)nr * sizeof(float), true);
        fill(&random, p, d->c[i], nr);
        d->a_row[i] = numbers_between(d->a[0], a);
        d->c_row[i] = numbers_between(d->c[0], d->c[i]);
    }
    int64_t n_b = depth == 0 ? 0 : (depth - 1) * d->ldb + nr;
    d->b = guarded_place(&d->b_slot, (size_t)n_b * sizeof(float), true);
    fill(&random, p, d->b, n_b);
    for (int64_t t = 0; t < depth; t++) d->offset[t] = tn_random_below(&random, A_FLOATS);
    if (depth > 0) d->offset[depth / 2] = A_FLOATS - 1;
}

/* Rows [first, first + rows), depth [from, to), added to c. */
static tn_panel panel_of(const tile_data *d, int first, int rows, int64_t from, int64_t to) {
    return (tn_panel){.rows = rows,
                      .runs = 1,
                      .depth = to - from,
                      .columns = d->nr,
                      .a = d->a[0],
                      .a_row = d->a_row + first,
                      .offset = d->offset + from,
                      .b = d->b + from * d->ldb,
                      .ldb = d->ldb,
                      .c = d->c[0],
                      .c_row = d->c_row + first,
                      .adds = true};
}

static void run_panel(const tn_kernels *k, int rows, const tile_data *d, int64_t from, int64_t to) {
    tn_panel p = panel_of(d, 0, rows, from, to);
    k->panel(&p);
}

/* c[i][j] in double, and the bound that its rounding errors obey. */
static double exact_tile(const tile_data *d, int i, int j, int64_t depth, float start,
                         double *bound) {
    double sum = start, magnitude = fabs(sum);
    for (int64_t t = 0; t < depth; t++) {
        double product = (double)d->a[i][d->offset[t]] * d->b[t * d->ldb + j];
        sum += product;
        magnitude += fabs(product);
    }
    *bound = (double)(depth + 1) * 0x1p-23 * magnitude;
    return sum;
}

static void check_tile(const tn_kernels *k, int m, int64_t depth, int64_t pad, tile_data *d) {
    float start[MAX_ROWS][MAX_COLUMNS];
    for (int exactly = 0; exactly < 2; exactly++) {
        tile_data_fill(d, k->nr, depth, pad, exactly ? INTEGERS : RANDOM, 5);
        for (int i = 0; i < MAX_ROWS; i++) memcpy(start[i], d->c[i], (size_t)k->nr * sizeof(float));
        run_panel(k, m, d, 0, depth);
        for (int i = 0; i < MAX_ROWS; i++)
            for (int j = 0; j < k->nr; j++) {
                double bound, sum = exact_tile(d, i, j, depth, start[i][j], &bound);
                if (exactly) bound = 0;
                if (i >= m) sum = start[i][j];
                if (!(fabs(d->c[i][j] - sum) <= bound))
                    fail_msg("%s: panel rows %d depth %d [%d][%d] is %.9g, not %.9g", k->level, m,
                             (int)depth, i, j, (double)d->c[i][j], sum);
            }
        for (int i = 0; i < MAX_ROWS; i++) guarded_check(&d->c_slot[i], "panel");
    }
}

static void panel_computes_sums(void **state) {
    tn_kernels tables[MAX_LEVELS];
    tile_data *d = tile_data_new();
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++) {
        assert_in_range(tables[l].mr, 1, TN_TILE_MAX_MR);
        assert_in_range(tables[l].nr, 1, TN_TILE_MAX_NR);
        assert_int_equal(TN_TILE_ROWS % tables[l].mr, 0);
        assert_int_equal(TN_TILE_MAX_NR % tables[l].nr, 0);
        assert_int_equal(tables[l].depth_block * tables[l].nr * (int64_t)sizeof(float), 16384);
        for (int m = 0; m <= MAX_ROWS; m++)
            for (int64_t depth = 0; depth <= DEPTH; depth++)
                check_tile(&tables[l], m, depth, depth % 2 * B_PAD, d);
    }
    tile_data_free(d);
}

/* Every row is the same bits among any number of rows, at every place, and for any cut. */
static void panel_bits_do_not_depend(void **state) {
    tn_kernels tables[MAX_LEVELS];
    tile_data *whole = tile_data_new(), *part = tile_data_new();
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int m = 1; m <= MAX_ROWS; m++)
            for (int64_t cut = 0; cut <= DEPTH; cut += 7) {
                const tn_kernels *k = &tables[l];
                size_t row_bytes = (size_t)k->nr * sizeof(float);
                tile_data_fill(whole, k->nr, DEPTH, 0, RANDOM, 9);
                tile_data_fill(part, k->nr, DEPTH, 0, RANDOM, 9);
                run_panel(k, MAX_ROWS, whole, 0, DEPTH);
                run_panel(k, m, part, 0, cut);
                run_panel(k, m, part, cut, DEPTH);
                for (int i = 0; i < m; i++) assert_memory_equal(whole->c[i], part->c[i], row_bytes);

                tile_data_fill(part, k->nr, DEPTH, 0, RANDOM, 9);
                tn_panel alone = panel_of(part, m - 1, 1, 0, DEPTH);
                k->panel(&alone);
                assert_memory_equal(whole->c[m - 1], part->c[m - 1], row_bytes);
            }
    tile_data_free(whole);
    tile_data_free(part);
}

/* Runs of the depth are the whole of it, wherever in b they are. */
static void panel_runs_follow_each_other(void **state) {
    enum { RUNS = 3, RUN = 5, B_RUN = 8 };
    tn_kernels tables[MAX_LEVELS];
    tile_data *whole = tile_data_new(), *d = tile_data_new();
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int m = 1; m <= MAX_ROWS; m++) {
            const tn_kernels *k = &tables[l];
            tile_data_fill(whole, k->nr, RUNS * B_RUN, 0, RANDOM, 3);
            tile_data_fill(d, k->nr, RUNS * B_RUN, 0, RANDOM, 3);
            for (int r = 0; r < RUNS; r++) {
                tn_panel run = panel_of(whole, 0, m, r * RUN, (r + 1) * RUN);
                run.b = whole->b + (int64_t)r * B_RUN * k->nr;
                k->panel(&run);
            }
            tn_panel all = panel_of(d, 0, m, 0, RUN);
            all.runs = RUNS;
            all.b_run = (int64_t)B_RUN * k->nr;
            k->panel(&all);
            for (int i = 0; i < m; i++)
                assert_memory_equal(whole->c[i], d->c[i], (size_t)k->nr * sizeof(float));
        }
    tile_data_free(whole);
    tile_data_free(d);
}

/* From 0 or from numbers that are the same for all rows; then nothing below the floor. */
static void panel_starts_and_floors(void **state) {
    tn_kernels tables[MAX_LEVELS];
    tile_data *plain = tile_data_new(), *d = tile_data_new();
    float bias[MAX_COLUMNS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int m = 1; m <= MAX_ROWS; m++)
            for (int biased = 0; biased < 2; biased++) {
                const tn_kernels *k = &tables[l];
                tile_data_fill(plain, k->nr, DEPTH, 0, RANDOM, 4);
                tile_data_fill(d, k->nr, DEPTH, 0, RANDOM, 4);
                for (int j = 0; j < k->nr; j++) bias[j] = biased ? (float)(j % 5) - 2.5f : 0;
                for (int i = 0; i < m; i++)
                    memcpy(plain->c[i], bias, (size_t)k->nr * sizeof(float));
                run_panel(k, m, plain, 0, DEPTH);
                tn_panel panel = panel_of(d, 0, m, 0, DEPTH);
                panel.adds = false;
                panel.bias = biased ? bias : NULL;
                panel.activation = (tn_activation){TN_ACTIVATION_CLIP, 0, INFINITY};
                k->panel(&panel);
                for (int i = 0; i < m; i++)
                    for (int j = 0; j < k->nr; j++)
                        assert_float_equal(d->c[i][j], fmaxf(plain->c[i][j], 0), 0);
            }
    tile_data_free(plain);
    tile_data_free(d);
}

/* Fewer columns have the bits that they have among all; nothing of c or the bias beyond them is
 * read or written. */
static void panel_of_few_columns(void **state) {
    tn_kernels tables[MAX_LEVELS];
    tile_data *whole = tile_data_new(), *d = tile_data_new();
    guarded bias_slot = guarded_new(MAX_COLUMNS * sizeof(float));
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int columns = 1; columns <= tables[l].nr; columns++)
            for (int adds = 0; adds < 2; adds++) {
                const tn_kernels *k = &tables[l];
                size_t bytes = (size_t)columns * sizeof(float);
                float *bias = guarded_place(&bias_slot, bytes, true);
                for (int j = 0; j < columns; j++) bias[j] = (float)j;
                tile_data_fill(whole, k->nr, DEPTH, 0, RANDOM, 7);
                tile_data_fill(d, k->nr, DEPTH, 0, RANDOM, 7);
                for (int i = 0; i < MAX_ROWS; i++) {
                    if (!adds) memcpy(whole->c[i], bias, bytes);
                    d->c[i] = guarded_place(&d->c_slot[i], bytes, true);
                    memcpy(d->c[i], whole->c[i], bytes);
                    d->c_row[i] = numbers_between(d->c[0], d->c[i]);
                }
                run_panel(k, MAX_ROWS, whole, 0, DEPTH);
                tn_panel panel = panel_of(d, 0, MAX_ROWS, 0, DEPTH);
                panel.columns = columns;
                panel.adds = adds;
                panel.bias = adds ? NULL : bias;
                k->panel(&panel);
                for (int i = 0; i < MAX_ROWS; i++) {
                    assert_memory_equal(d->c[i], whole->c[i], bytes);
                    guarded_check(&d->c_slot[i], "panel");
                }
            }
    guarded_free(&bias_slot);
    tile_data_free(whole);
    tile_data_free(d);
}

/* Rows in tiles and what is left of them, a as it is and transposed, panels apart; nothing beyond
 * is read or written. */
static void matmul_multiplies(void **state) {
    enum { ROWS = 2 * TN_TILE_MAX_MR + 1, MOST = 5, PANELS = 7 };
    tn_kernels tables[MAX_LEVELS];
    guarded a_slot = guarded_new(ROWS * MOST * sizeof(float));
    guarded b_slot = guarded_new(PANELS * MOST * MAX_COLUMNS * sizeof(float));
    guarded c_slot = guarded_new(ROWS * PANELS * MAX_COLUMNS * sizeof(float));
    float expected[ROWS * PANELS * MAX_COLUMNS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int rows = 0; rows <= ROWS; rows++)
            for (int depth = 0; depth <= MOST; depth++)
                for (int way = 0; way < 8; way++) {
                    tn_random random = tn_random_begin(8, TN_PURPOSE_TEST, (uint64_t)rows);
                    bool turned = way % 2, adds = way / 2 % 2, packed = way / 4;
                    int nr = tables[l].nr, columns = PANELS * nr;
                    float *a = guarded_place(&a_slot, (size_t)(rows * depth) * sizeof *a, true);
                    float *b = guarded_place(&b_slot, (size_t)(depth * columns) * sizeof *b, true);
                    float *c = guarded_place(&c_slot, (size_t)(rows * columns) * sizeof *c, true);
                    fill(&random, INTEGERS, a, rows * depth);
                    fill(&random, INTEGERS, b, depth * columns);
                    fill(&random, INTEGERS, c, rows * columns);
                    for (int i = 0; i < rows; i++)
                        for (int j = 0; j < columns; j++) {
                            float *sum = &expected[i * columns + j];
                            *sum = adds ? c[i * columns + j] : 0;
                            for (int t = 0; t < depth; t++)
                                *sum += a[turned ? t * rows + i : i * depth + t] *
                                        b[packed ? (j / nr * depth + t) * nr + j % nr
                                                 : t * columns + j];
                        }
                    tables[l].matmul(&(tn_matmul){.rows = rows,
                                                  .depth = depth,
                                                  .panels = PANELS,
                                                  .a = a,
                                                  .a_row = turned ? 1 : depth,
                                                  .a_step = turned ? rows : 1,
                                                  .b = b,
                                                  .b_panel = packed ? (int64_t)depth * nr : nr,
                                                  .b_step = packed ? nr : columns,
                                                  .c = c,
                                                  .c_row = columns,
                                                  .adds = adds});
                    assert_memory_equal(c, expected, (size_t)(rows * columns) * sizeof *c);
                    guarded_check(&c_slot, "matmul");
                }
    guarded_free(&a_slot);
    guarded_free(&b_slot);
    guarded_free(&c_slot);
}

/* The rows of a side by side, as tree tiles want them; those from m on are not to be used. */
static void pack_for_tree(const tile_data *d, int mr, int m, float *a) {
    for (int t = 0; t < DEPTH; t++)
        for (int i = 0; i < mr; i++) a[t * mr + i] = i < m ? d->a[i][d->offset[t]] : NAN;
}

/* Parts of several sizes, some of them empty, against tiles of each part added in the tree. */
static void tree_tile_adds_parts(void **state) {
    tn_kernels tables[MAX_LEVELS];
    static float parts[TN_TILE_MAX_PARTS][MAX_ROWS][MAX_COLUMNS], a[DEPTH * MAX_ROWS];
    tile_data *d = tile_data_new();
    int64_t part_row[MAX_ROWS];
    (void)state;
    for (int i = 0; i < MAX_ROWS; i++) part_row[i] = (int64_t)i * MAX_COLUMNS;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int m = 1; m <= tables[l].mr; m++)
            for (int n_parts = 1; n_parts <= TN_TILE_MAX_PARTS; n_parts *= 2) {
                const tn_kernels *k = &tables[l];
                int64_t begin[TN_TILE_MAX_PARTS + 1];
                tile_data_fill(d, k->nr, DEPTH, 0, RANDOM, 6);
                for (int s = 0; s <= n_parts; s++)
                    begin[s] =
                        n_parts > 8 ? s * DEPTH / n_parts : s * s * DEPTH / (n_parts * n_parts);
                for (int s = 0; s < n_parts; s++) {
                    tn_panel panel = panel_of(d, 0, m, begin[s], begin[s + 1]);
                    panel.adds = false;
                    panel.c = parts[s][0];
                    panel.c_row = part_row;
                    k->panel(&panel);
                }
                for (int step = 1; step < n_parts; step *= 2)
                    for (int s = 0; s < n_parts; s += 2 * step)
                        for (int i = 0; i < m; i++)
                            for (int j = 0; j < k->nr; j++) parts[s][i][j] += parts[s + step][i][j];
                pack_for_tree(d, k->mr, m, a);
                tn_tree_tile tile = {.a = a, .b = d->b, .m = m, .n_parts = n_parts, .begin = begin};
                for (int i = 0; i < m; i++) tile.c[i] = d->c[i];
                k->tree_tile(&tile);
                for (int i = 0; i < m; i++)
                    assert_memory_equal(d->c[i], parts[0][i], (size_t)k->nr * sizeof(float));
            }
    tile_data_free(d);
}

/* Neither are numbers read beyond the row nor places of other samples written. */
static void row_is_dealt_to_tiles(void **state) {
    tn_kernels tables[MAX_LEVELS];
    enum { MOST = 3 * TN_TILE_MAX_MR + 1 };
    guarded x_slot = guarded_new(MOST * sizeof(float));
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int n = 0; n <= MOST; n++) {
            int mr = tables[l].mr, step = 2 * mr + 1;
            float tiles[MOST * (2 * TN_TILE_MAX_MR + 1)],
                *x = guarded_place(&x_slot, (size_t)n * 4, true);
            for (int i = 0; i < MOST * step; i++) tiles[i] = -1;
            for (int i = 0; i < n; i++) x[i] = (float)i;
            tables[l].deal_row(n, x, tiles, step);
            for (int i = 0; i < MOST * step; i++) {
                int at = i / step * mr + i % step;
                float expected = i % step < mr && at < n ? (float)at : -1;
                assert_float_equal(tiles[i], expected, 0);
            }
        }
    guarded_free(&x_slot);
}

static void panel_keeps_nan_and_infinity(void **state) {
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++) {
        const float x[3] = {NAN, INFINITY, 0};
        float b[3 * MAX_COLUMNS], y[MAX_COLUMNS];
        for (int t = 0; t < 3; t++) {
            int64_t offset[1] = {t};
            for (int j = 0; j < MAX_COLUMNS; j++) b[j] = t == 2 ? INFINITY : 1, y[j] = 1;
            static const int64_t row = 0;
            const tn_panel panel = {
                .rows = 1,
                .runs = 1,
                .depth = 1,
                .columns = tables[l].nr,
                .a = x,
                .a_row = &row,
                .offset = offset,
                .b = b,
                .ldb = tables[l].nr,
                .c = y,
                .c_row = &row,
                .adds = true,
                .activation = {t == 1 ? TN_ACTIVATION_CLIP : TN_ACTIVATION_NONE, 0, INFINITY}};
            tables[l].panel(&panel);
            for (int j = 0; j < tables[l].nr; j++)
                assert_true(t == 1 ? y[j] == INFINITY : y[j] != y[j]);
        }
    }
}

/* ---- Depthwise convolution ------------------------------------------------------------------ */

/* All levels against the reference on small integers, on which every order is exact; the arrays
 * end at forbidden pages. */
static void depthwise_equals_the_reference(void **state) {
    enum { ROWS = 7, MOST_TAPS = 25, MOST_CHANNELS = 43, IMAGE = 12 * MOST_CHANNELS };
    tn_kernels tables[MAX_LEVELS], ref;
    guarded x_slot = guarded_new((IMAGE + MOST_TAPS) * sizeof(float)),
            y_slot = guarded_new(ROWS * MOST_CHANNELS * sizeof(float)),
            w_slot = guarded_new(MOST_TAPS * MOST_CHANNELS * sizeof(float));
    static float expected[MOST_TAPS * MOST_CHANNELS];
    int64_t x_row[ROWS], y_row[ROWS], offset[MOST_TAPS];
    (void)state;
    int n_levels = levels_here(tables);
    assert_true(tn_kernels_init(&ref, "ref", 0));
    for (int l = 0; l < n_levels; l++)
        for (int64_t channels = 1; channels <= MOST_CHANNELS; channels += 1 + channels / 4)
            for (int64_t taps = 0; taps <= MOST_TAPS; taps += 1 + taps / 3) {
                tn_random random = tn_random_begin(8, TN_PURPOSE_TEST, (uint64_t)channels);
                size_t y_bytes = (size_t)(ROWS * channels) * sizeof(float);
                size_t w_bytes = (size_t)(taps * channels) * sizeof(float);
                int64_t n_x = ROWS + taps + channels;
                float *x = guarded_place(&x_slot, (size_t)n_x * sizeof(float), true);
                float *y = guarded_place(&y_slot, y_bytes, true);
                float *w = guarded_place(&w_slot, w_bytes, true);
                fill(&random, INTEGERS, x, n_x);
                fill(&random, INTEGERS, w, taps * channels);
                for (int i = 0; i < ROWS; i++) x_row[i] = ROWS - i, y_row[i] = i * channels;
                for (int64_t t = 0; t < taps; t++) offset[t] = t;
                for (int flags = 0; flags < 4; flags++) {
                    fill(&random, INTEGERS, y, ROWS * channels);
                    memcpy(expected, y, y_bytes);
                    tn_depthwise d = {
                        ROWS,
                        taps,
                        channels,
                        channels,
                        x,
                        w,
                        flags & 2 ? x : NULL,
                        x_row,
                        offset,
                        y_row,
                        expected,
                        flags & 1,
                        NULL,
                        {flags == 3 ? TN_ACTIVATION_NONE : TN_ACTIVATION_CLIP, 0, INFINITY}};
                    ref.depthwise(&d);
                    d.y = y;
                    tables[l].depthwise(&d);
                    assert_memory_equal(y, expected, y_bytes);
                }
                memcpy(expected, w, w_bytes);
                tn_depthwise_weight d = {ROWS, taps, channels, x, y, x_row, offset, expected};
                ref.depthwise_weight(&d);
                d.dw = w;
                tables[l].depthwise_weight(&d);
                assert_memory_equal(w, expected, w_bytes);
                guarded_check(&x_slot, "depthwise");
                guarded_check(&y_slot, "depthwise");
                guarded_check(&w_slot, "depthwise");
            }
    guarded_free(&x_slot);
    guarded_free(&y_slot);
    guarded_free(&w_slot);
}

/* Rows of pixels side by side, some with a gap in the middle, under taps side by side, and some of
 * the channels of an image. */
static void depthwise_of_neighbours_equals_the_reference(void **state) {
    enum { MOST_ROWS = 15, TAPS = 6, MOST = 37, WIDTH = MOST_ROWS + 3 };
    tn_kernels tables[MAX_LEVELS], ref;
    static float x[2 * WIDTH * MOST], w[TAPS * MOST], y[MOST_ROWS * MOST], expected[sizeof y / 4];
    int64_t x_row[MOST_ROWS], y_row[MOST_ROWS], offset[TAPS];
    tn_random random = tn_random_begin(9, TN_PURPOSE_TEST, 0);
    (void)state;
    int n_levels = levels_here(tables);
    assert_true(tn_kernels_init(&ref, "ref", 0));
    fill(&random, INTEGERS, x, sizeof x / sizeof *x);
    fill(&random, INTEGERS, w, sizeof w / sizeof *w);
    for (int l = 0; l < n_levels; l++)
        for (int64_t step = 1; step <= MOST; step += 1 + step / 3)
            for (int64_t rows = 1; rows <= MOST_ROWS; rows++)
                for (int gap = 0; gap < 2; gap++) {
                    for (int64_t i = 0; i < rows; i++) {
                        x_row[i] = (i + (gap && i > rows / 2)) * step;
                        y_row[i] = i * step;
                    }
                    for (int64_t t = 0; t < TAPS; t++) offset[t] = (t / 3 * WIDTH + t % 3) * step;
                    tn_depthwise d = {.rows = rows,
                                      .taps = TAPS,
                                      .channels = (step + 1) / 2,
                                      .step = step,
                                      .x = x,
                                      .w = w,
                                      .x_row = x_row,
                                      .offset = offset,
                                      .y_row = y_row};
                    memset(y, 0, sizeof y);
                    memset(expected, 0, sizeof expected);
                    d.y = expected;
                    ref.depthwise(&d);
                    d.y = y;
                    tables[l].depthwise(&d);
                    assert_memory_equal(y, expected, sizeof y);
                }
}

/* ---- Products with lists -------------------------------------------------------------------- */

/* Three rows of a wider matrix; the end of the last one is the end of memory. */
static void nonzero_finds_all_but_zeros(void **state) {
    enum { MOST = 70, ROWS = 3, GAP = 2, ROOM = ROWS * MOST + TN_NONZERO_SLACK };
    tn_kernels tables[MAX_LEVELS];
    guarded x_slot = guarded_new(ROWS * (MOST + GAP) * sizeof(float));
    float values[ROOM];
    int32_t places[ROOM];
    int64_t begin[ROWS + 1];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int n = 0; n <= MOST; n++)
            for (uint32_t one_of = 1; one_of <= 9; one_of += 4) {
                tn_random random = tn_random_begin(5, TN_PURPOSE_TEST, (uint64_t)n);
                int numbers = ROWS * n + (ROWS - 1) * GAP, at = 0;
                float *x = guarded_place(&x_slot, (size_t)numbers * sizeof(float), true);
                fill(&random, EXTREMES, x, numbers); /* zeros of both signs and NaN among them */
                for (int i = 0; i < numbers; i++)
                    if (tn_random_below(&random, one_of) > 0) x[i] = 0;
                tables[l].nonzero(ROWS, n, x, n + GAP, values, places, begin);
                for (int row = 0; row < ROWS; row++) {
                    assert_int_equal(begin[row], at);
                    for (int i = 0; i < n; i++) {
                        float expected = x[row * (n + GAP) + i];
                        if (expected == 0) continue;
                        assert_true(at < begin[ROWS]);
                        assert_int_equal(places[at], i);
                        assert_true(same(values[at++], expected, true));
                    }
                }
                assert_int_equal(begin[ROWS], at);
                guarded_check(&x_slot, "nonzero");
            }
    guarded_free(&x_slot);
}

static void sparse_product_equals_the_reference(void **state) {
    enum { MOST = 230, ROWS = 5, ENTRIES = 7 };
    tn_kernels tables[MAX_LEVELS], ref;
    guarded y_slot = guarded_new(2 * MOST * sizeof(float)),
            matrix_slot = guarded_new(ROWS * MOST * sizeof(float));
    const int32_t places[ENTRIES] = {4, 0, 0, 2, 4, 1, 3};
    float values[ENTRIES], expected[2 * MOST];
    (void)state;
    int n_levels = levels_here(tables);
    assert_true(tn_kernels_init(&ref, "ref", 0));
    for (int l = 0; l < n_levels; l++)
        for (int n = 0; n <= MOST; n++)
            for (int entries = 0; entries <= ENTRIES; entries++) {
                bool from_zero = entries % 2;
                tn_random random = tn_random_begin(6, TN_PURPOSE_TEST, (uint64_t)n);
                float *y = guarded_place(&y_slot, (size_t)(2 * n) * sizeof(float), n % 2);
                float *m = guarded_place(&matrix_slot, (size_t)(ROWS * n) * sizeof(float), true);
                fill(&random, INTEGERS, y, 2 * n);
                fill(&random, INTEGERS, m, ROWS * n);
                fill(&random, INTEGERS, values, ENTRIES);
                memcpy(expected, y, (size_t)(2 * n) * sizeof(float));
                const int64_t begin[] = {0, entries / 2}, end[] = {entries / 2, entries};
                tn_sparse_product product = {2, begin, end,      values, places,   m,
                                             n, n,     expected, n,      from_zero};
                ref.sparse_product(&product);
                product.y = y;
                tables[l].sparse_product(&product);
                assert_memory_equal(y, expected, (size_t)(2 * n) * sizeof(float));
                guarded_check(&y_slot, "sparse_product");
                guarded_check(&matrix_slot, "sparse_product");
            }
    guarded_free(&y_slot);
    guarded_free(&matrix_slot);
}

/* ---- Winograd -------------------------------------------------------------------------------- */

enum { WINO_IN = TN_WINOGRAD_IN, WINO_OUT = TN_WINOGRAD_OUT, WINO_CHANNELS = 19 };

/* One of the two forms: its sizes, and its transforms in a table. */
typedef struct wino_form {
    int in, out;
    tn_winograd_fn *input, *weight, *output, *gradient, *taps;
} wino_form;

static wino_form wino_form_of(const tn_kernels *k, bool small) {
    if (small)
        return (wino_form){TN_WINOGRAD_SMALL_IN,   TN_WINOGRAD_SMALL_OUT,  k->winograd_input_2x2,
                           k->winograd_weight_2x2, k->winograd_output_2x2, k->winograd_gradient_2x2,
                           k->winograd_taps_2x2};
    return (wino_form){TN_WINOGRAD_IN,     TN_WINOGRAD_OUT,    k->winograd_input,
                       k->winograd_weight, k->winograd_output, k->winograd_gradient,
                       k->winograd_taps};
}

typedef struct wino_case {
    float image[WINO_IN * WINO_IN * WINO_CHANNELS], taps[3 * 3 * WINO_CHANNELS];
    float bias[WINO_CHANNELS], dy[WINO_OUT * WINO_OUT * WINO_CHANNELS];
    float v[WINO_IN * WINO_IN * WINO_CHANNELS], u[WINO_IN * WINO_IN * WINO_CHANNELS];
} wino_case;

/* y of a tile by the kernels, each channel convolved by itself, into exactly as much memory. */
static void wino_tile(const wino_form *f, wino_case *c, int64_t channels, bool relu, float *y) {
    tn_winograd w = {.channels = channels,
                     .image = c->image,
                     .row_step = f->in * channels,
                     .pixel_step = channels,
                     .parts = c->v,
                     .part_step = channels};
    f->input(&w);
    w.image = c->taps;
    w.row_step = 3 * channels;
    w.parts = c->u;
    f->weight(&w);
    for (int64_t i = 0; i < f->in * f->in * channels; i++) c->v[i] *= c->u[i];
    w.parts = c->v;
    w.result = y;
    w.row_step = f->out * channels;
    w.bias = c->bias;
    if (relu) w.activation = (tn_activation){TN_ACTIVATION_CLIP, 0, INFINITY};
    f->output(&w);
}

static void check_wino_tile(const wino_form *f, wino_case *c, int64_t channels, bool relu,
                            guarded *y_slot) {
    int64_t pixels = f->out * f->out;
    tn_random random = tn_random_begin(9, TN_PURPOSE_TEST, (uint64_t)channels);
    float *y = guarded_place(y_slot, (size_t)(pixels * channels) * sizeof(float), relu);
    fill(&random, RANDOM, c->image, f->in * f->in * channels);
    fill(&random, RANDOM, c->taps, 9 * channels);
    fill(&random, RANDOM, c->bias, channels);
    wino_tile(f, c, channels, relu, y);
    for (int64_t i = 0; i < pixels * channels; i++) {
        int64_t row = i / channels / f->out, column = i / channels % f->out, k = i % channels;
        double expected = (double)c->bias[k];
        for (int t = 0; t < 9; t++)
            expected += (double)c->taps[t * channels + k] *
                        (double)c->image[((row + t / 3) * f->in + column + t % 3) * channels + k];
        if (relu && expected < 0) expected = 0;
        assert_true(fabs((double)y[i] - expected) < 4e-6);
    }
    guarded_check(y_slot, "winograd_output");
}

/* Every level against the convolution itself, in double. */
static void winograd_convolves(void **state) {
    tn_kernels tables[MAX_LEVELS];
    guarded y_slot = guarded_new(WINO_OUT * WINO_OUT * WINO_CHANNELS * sizeof(float));
    static wino_case c;
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int small = 0; small < 2; small++) {
            const wino_form form = wino_form_of(&tables[l], small);
            for (int64_t channels = 1; channels <= WINO_CHANNELS; channels++)
                for (int relu = 0; relu < 2; relu++)
                    check_wino_tile(&form, &c, channels, relu, &y_slot);
        }
    guarded_free(&y_slot);
}

static void check_wino_gradient(const wino_form *f, wino_case *c, int64_t channels,
                                guarded *dw_slot) {
    static float before[9 * WINO_CHANNELS];
    int pixels = f->out * f->out;
    tn_random random = tn_random_begin(10, TN_PURPOSE_TEST, (uint64_t)channels);
    float *dw = guarded_place(dw_slot, (size_t)(9 * channels) * sizeof(float), true);
    fill(&random, RANDOM, c->image, f->in * f->in * channels);
    fill(&random, RANDOM, c->dy, pixels * channels);
    fill(&random, RANDOM, before, 9 * channels);
    memcpy(dw, before, (size_t)(9 * channels) * sizeof(float));
    tn_winograd w = {.channels = channels,
                     .image = c->image,
                     .row_step = f->in * channels,
                     .pixel_step = channels,
                     .parts = c->v,
                     .part_step = channels};
    f->input(&w);
    w.image = c->dy;
    w.row_step = f->out * channels;
    w.parts = c->u;
    f->gradient(&w);
    for (int64_t i = 0; i < f->in * f->in * channels; i++) c->u[i] *= c->v[i];
    w.result = dw;
    w.row_step = 3 * channels;
    f->taps(&w);
    for (int64_t i = 0; i < 9 * channels; i++) {
        int64_t row = i / channels / 3, column = i / channels % 3, k = i % channels;
        double expected = (double)before[i];
        for (int p = 0; p < pixels; p++)
            expected +=
                (double)c->dy[p * channels + k] *
                (double)c->image[((row + p / f->out) * f->in + column + p % f->out) * channels + k];
        assert_true(fabs((double)dw[i] - expected) < 4e-6);
    }
    guarded_check(dw_slot, "winograd_taps");
}

/* The weight gradient of a tile, added to what is there, likewise. */
static void winograd_makes_gradients(void **state) {
    tn_kernels tables[MAX_LEVELS];
    guarded dw_slot = guarded_new(9 * WINO_CHANNELS * sizeof(float));
    static wino_case c;
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++)
        for (int small = 0; small < 2; small++) {
            const wino_form form = wino_form_of(&tables[l], small);
            for (int64_t channels = 1; channels <= WINO_CHANNELS; channels++)
                check_wino_gradient(&form, &c, channels, &dw_slot);
        }
    guarded_free(&dw_slot);
}

/* ---- Transposition, log-softmax, exp and log ------------------------------------------------ */

static void transposes_any_shape(void **state) {
    enum { SIDE = 36, LD = 39 };
    tn_kernels tables[MAX_LEVELS];
    float src[SIDE * LD];
    guarded slot = guarded_new(sizeof src);
    (void)state;
    int n_levels = levels_here(tables);
    for (int i = 0; i < SIDE * LD; i++) src[i] = (float)i;
    for (int l = 0; l < n_levels; l++)
        for (int rows = 0; rows <= SIDE; rows++)
            for (int columns = 0; columns <= SIDE; columns++) {
                int n = columns == 0 || rows == 0 ? 0 : (columns - 1) * LD + rows;
                float *dst = guarded_place(&slot, (size_t)n * sizeof(float), true);
                memset(dst, 0xff, (size_t)n * sizeof(float));
                tables[l].transpose(rows, columns, src, LD, dst, LD);
                for (int j = 0, at = 0; j < columns && n > 0; j++)
                    for (int i = 0; i < LD && at < n; i++, at++)
                        assert_true(i < rows ? dst[at] == src[i * LD + j] : dst[at] != dst[at]);
                guarded_check(&slot, "transpose");
            }
    guarded_free(&slot);
}

static void log_softmax_is_accurate(void **state) {
    enum { ROWS = 50, N = 10 };
    tn_kernels tables[MAX_LEVELS];
    float x[ROWS * N], y[ROWS * N], dy[ROWS * N], dx[ROWS * N];
    tn_random random = tn_random_begin(3, TN_PURPOSE_TEST, 0);
    (void)state;
    int n_levels = levels_here(tables);
    for (int i = 0; i < ROWS * N; i++) x[i] = 30 * draw(&random, RANDOM) * (float)(i / N % 3);
    fill(&random, RANDOM, dy, ROWS * N);
    for (int l = 0; l < n_levels; l++) {
        tables[l].log_softmax(ROWS, N, x, y);
        tables[l].log_softmax_grad(ROWS, N, y, dy, dx);
        for (int r = 0; r < ROWS; r++) {
            double max = -INFINITY, sum = 0, sum_dy = 0;
            for (int j = 0; j < N; j++) max = fmax(max, x[r * N + j]);
            for (int j = 0; j < N; j++) sum += exp(x[r * N + j] - max);
            for (int j = 0; j < N; j++) sum_dy += dy[r * N + j];
            for (int j = r * N; j < r * N + N; j++) {
                double expected = x[j] - max - log(sum);
                assert_true(fabs(y[j] - expected) <= 4e-7 * (1 + fabs(expected)));
                assert_true(fabs(dx[j] - (dy[j] - exp(y[j]) * sum_dy)) <= 2e-6);
            }
        }
    }
}

/* |got - exact| in units of the last place of a float near exact. */
static double ulps(float got, double exact) {
    int exponent;
    frexp(exact, &exponent);
    return fabs(got - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void exp_and_log_are_accurate(void **state) {
    double worst_exp = 0, worst_log = 0;
    (void)state;
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 1009) {
        float x = from_bits(bits);
        if (x > 0) worst_log = fmax(worst_log, ulps(tn_log(x), log(x)));
        if (x <= 88.7f) worst_exp = fmax(worst_exp, ulps(tn_exp(x), exp(x)));
        if (x <= 87.3f) worst_exp = fmax(worst_exp, ulps(tn_exp(-x), exp(-x)));
    }
    for (float x = 0.25f; x < 4; x += 0x1p-20f)
        worst_log = fmax(worst_log, ulps(tn_log(x), log(x)));
    for (float x = -87.3f; x < 88.7f; x += 0x1p-12f)
        worst_exp = fmax(worst_exp, ulps(tn_exp(x), exp(x)));
    print_message("exp within %.3f ulp, log within %.3f ulp\n", worst_exp, worst_log);
    assert_true(worst_exp <= 2);
    assert_true(worst_log <= 2);
}

static void exp_and_log_at_the_edges(void **state) {
    (void)state;
    assert_true(tn_exp(0) == 1 && tn_exp(-87.4f) == 0 && tn_exp(-INFINITY) == 0);
    assert_true(tn_exp(88.71f) == INFINITY && tn_exp(INFINITY) == INFINITY);
    assert_true(isfinite(tn_exp(88.7f)) && tn_exp(-87.3f) > 0);
    assert_true(isnan(tn_exp(NAN)) && isnan(tn_log(NAN)));
    assert_true(tn_log(1) == 0 && tn_log(0) == -INFINITY && tn_log(INFINITY) == INFINITY);
    assert_true(isnan(tn_log(-1)) && isnan(tn_log(-INFINITY)));
}

/* sigmoid, tanh and elu with an alpha of 1. */
enum { SIGMOID, TANH, ELU, N_CURVES };

static void run_curve(const tn_kernels *k, int curve, int n, const float *x, float *y) {
    if (curve == SIGMOID) k->sigmoid(n, x, y);
    if (curve == TANH) k->tanh(n, x, y);
    if (curve == ELU) k->elu(n, x, 1, y);
}

static double exact_curve(int curve, double x) {
    if (curve == SIGMOID) return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    if (curve == TANH) return tanh(x);
    return x > 0 ? x : expm1(x);
}

/* Below -87.3 sigmoid may be 0, which is wrong by less than the smallest normal number. */
static double curve_ulps(int curve, float x, float y) {
    if (curve == SIGMOID && x < -87.3f) return y >= 0 && y < 0x1p-126f ? 0 : INFINITY;
    return ulps(y, exact_curve(curve, (double)x));
}

/* From bits on, in steps that reach infinity: positive and negative numbers in turn. */
static void fill_range(uint32_t bits, uint32_t step, int n, float *x) {
    for (int i = 0; i < n; i++) {
        uint32_t at = bits + step * (uint32_t)(i / 2);
        x[i] = from_bits((at < 0x7f800000u ? at : 0x7f800000u) | (i % 2 ? 0x80000000u : 0));
    }
}

/* Over the whole range. */
static void curves_are_accurate_and_agree(void **state) {
    enum { N = 64, STEP = 1009 };
    tn_kernels tables[MAX_LEVELS];
    double worst[N_CURVES] = {0};
    float x[N], expected[N], y[N];
    (void)state;
    int n_levels = levels_here(tables);
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += N / 2 * STEP) {
        fill_range(bits, STEP, N, x);
        for (int curve = 0; curve < N_CURVES; curve++) {
            run_curve(&tables[0], curve, N, x, expected);
            for (int i = 0; i < N; i++)
                if (isfinite(x[i]))
                    worst[curve] = fmax(worst[curve], curve_ulps(curve, x[i], expected[i]));
            for (int l = 1; l < n_levels; l++) {
                run_curve(&tables[l], curve, N, x, y);
                assert_memory_equal(y, expected, sizeof y);
            }
        }
    }
    print_message("sigmoid within %.3f ulp, tanh %.3f, elu %.3f\n", worst[SIGMOID], worst[TANH],
                  worst[ELU]);
    for (int curve = 0; curve < N_CURVES; curve++) assert_true(worst[curve] <= 4);
}

static void curves_at_the_edges(void **state) {
    const float x[8] = {0, -0.0f, INFINITY, -INFINITY, NAN, -87.4f, 100, -17.5f};
    float y[8];
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++) {
        const tn_kernels *k = &tables[l];
        k->sigmoid(8, x, y);
        assert_true(y[0] == 0.5f && y[1] == 0.5f && y[2] == 1 && y[3] == 0 && isnan(y[4]));
        assert_true(y[5] == 0 && y[6] == 1);
        k->tanh(8, x, y);
        assert_true(y[0] == 0 && y[1] == 0 && y[2] == 1 && y[3] == -1 && isnan(y[4]));
        assert_true(y[5] == -1 && y[6] == 1 && y[7] == -1);
        k->elu(8, x, 2, y);
        assert_true(y[0] == 0 && y[1] == 0 && y[2] == INFINITY && y[3] == -2 && isnan(y[4]));
        assert_true(y[5] == -2 && y[6] == 100 && y[7] == -2);
    }
}

static void assert_numbers(const float *y, int n, const float *expected) {
    for (int i = 0; i < n; i++) assert_true(fabsf(y[i] - expected[i]) <= 1e-6f);
}

/* Activations on values that can be checked by hand, at every level. */
static void activations_are_right(void **state) {
    enum { N = 5 };
    const float x[N] = {-4, -1.5f, 0, 1.5f, 4}, dy[N] = {2, 4, 6, 8, 10};
    float y[N];
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int l = 0; l < n_levels; l++) {
        const tn_kernels *k = &tables[l];
        k->leaky_relu(N, x, 0.5f, y);
        assert_numbers(y, N, (float[]){-2, -0.75f, 0, 1.5f, 4});
        k->leaky_relu_grad(N, x, dy, 0.5f, y);
        assert_numbers(y, N, (float[]){1, 2, 3, 8, 10});
        k->prelu(N, x, dy, y);
        assert_numbers(y, N, (float[]){-8, -6, 0, 1.5f, 4});
        k->hard_swish(N, x, y);
        assert_numbers(y, N, (float[]){0, -0.375f, 0, 1.125f, 4});
        k->hard_swish_grad(N, x, dy, y);
        assert_numbers(y, N, (float[]){0, 0, 3, 8, 10});
        k->sigmoid_grad(N, x, dy, y);
        assert_numbers(y, N, (float[]){-40, -15, 0, -6, -120});
        k->tanh_grad(N, x, dy, y);
        assert_numbers(y, N, (float[]){-30, -5, 6, -10, -150});
        k->clip(N, x, -1.5f, 2, y);
        assert_numbers(y, N, (float[]){-1.5f, -1.5f, 0, 1.5f, 2});
        k->clip_grad(N, y, dy, -1.5f, 2, y);
        assert_numbers(y, N, (float[]){0, 0, 6, 8, 0});
        k->rsub_scalar(N, x, 1, y);
        assert_numbers(y, N, (float[]){5, 2.5f, 1, -0.5f, -3});
        k->rdiv_scalar(N, dy, 2, y);
        assert_numbers(y, N, (float[]){1, 0.5f, 1.0f / 3, 0.25f, 0.2f});
    }
}

/* ---- Selection ------------------------------------------------------------------------------ */

static void levels_need_their_instructions(void **state) {
    tn_kernels k;
    (void)state;
    assert_true(tn_kernels_init(&k, "ref", 0));
    assert_true(k.naive);
    assert_false(tn_kernels_init(&k, "avx1024", ~0u));
    assert_false(tn_kernels_init(&k, "", ~0u));
    assert_string_equal(tn_kernels_best(0), "ref");
    for (const char *const *level = tn_kernel_levels() + 1; *level != NULL; level++) {
        assert_false(tn_kernels_init(&k, *level, 0));
        if (!tn_kernels_init(&k, *level, tn_isa_detect())) continue;
        assert_string_equal(k.level, *level);
        assert_false(k.naive);
    }
    assert_true(tn_kernels_init(&k, tn_kernels_best(tn_isa_detect()), tn_isa_detect()));
#ifdef __x86_64__
    assert_false(tn_kernels_init(&k, "avx2", TN_ISA_SSE2));
    assert_string_equal(tn_kernels_best(TN_ISA_SSE2), "sse2");
    assert_string_equal(tn_kernels_best(TN_ISA_SSE2 | TN_ISA_AVX2), "avx2");
    assert_string_equal(tn_kernels_best(TN_ISA_SSE2 | TN_ISA_AVX2 | TN_ISA_AVX512), "avx512");
    assert_false(tn_kernels_init(&k, "avx512", TN_ISA_SSE2 | TN_ISA_AVX2));
#endif
}

static void tenon_cpu_selects(void **state) {
    tn_kernels k;
    tn_error error = {""};
    (void)state;
    setenv("TENON_CPU", "ref", 1);
    assert_int_equal(tn_kernels_select(&k, &error), TN_OK);
    assert_string_equal(k.level, "ref");
    for (int empty = 0; empty < 2; empty++) {
        if (empty)
            setenv("TENON_CPU", "", 1);
        else
            unsetenv("TENON_CPU");
        assert_int_equal(tn_kernels_select(&k, &error), TN_OK);
        assert_string_equal(k.level, tn_kernels_best(tn_isa_detect()));
    }
    setenv("TENON_CPU", "z80", 1);
    assert_int_equal(tn_kernels_select(&k, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "TENON_CPU=z80: no such level (use ref"));
    assert_int_equal(tn_kernels_select(&k, NULL), TN_ERR_ARGUMENT);
#ifdef __x86_64__
    const char *best = tn_isa_detect() & TN_ISA_AVX512 ? "avx2 or avx512)"
                       : tn_isa_detect() & TN_ISA_AVX2 ? "sse2 or avx2)"
                                                       : "ref or sse2)";
    assert_non_null(strstr(error.message, best));
    setenv("TENON_CPU", "avx2", 1);
    if (!(tn_isa_detect() & TN_ISA_AVX2)) {
        assert_int_equal(tn_kernels_select(&k, &error), TN_ERR_ARGUMENT);
        assert_string_equal(error.message, "TENON_CPU=avx2: this processor lacks AVX2 and FMA "
                                           "(use ref or sse2)");
    }
#endif
    unsetenv("TENON_CPU");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_right),
        cmocka_unit_test(dropout_follows_philox),
        cmocka_unit_test(panel_computes_sums),
        cmocka_unit_test(panel_bits_do_not_depend),
        cmocka_unit_test(panel_runs_follow_each_other),
        cmocka_unit_test(panel_of_few_columns),
        cmocka_unit_test(depthwise_equals_the_reference),
        cmocka_unit_test(depthwise_of_neighbours_equals_the_reference),
        cmocka_unit_test(winograd_convolves),
        cmocka_unit_test(winograd_makes_gradients),
        cmocka_unit_test(nonzero_finds_all_but_zeros),
        cmocka_unit_test(sparse_product_equals_the_reference),
        cmocka_unit_test(panel_starts_and_floors),
        cmocka_unit_test(matmul_multiplies),
        cmocka_unit_test(tree_tile_adds_parts),
        cmocka_unit_test(row_is_dealt_to_tiles),
        cmocka_unit_test(panel_keeps_nan_and_infinity),
        cmocka_unit_test(transposes_any_shape),
        cmocka_unit_test(log_softmax_is_accurate),
        cmocka_unit_test(exp_and_log_are_accurate),
        cmocka_unit_test(exp_and_log_at_the_edges),
        cmocka_unit_test(curves_are_accurate_and_agree),
        cmocka_unit_test(curves_at_the_edges),
        cmocka_unit_test(activations_are_right),
        cmocka_unit_test(levels_need_their_instructions),
        cmocka_unit_test(tenon_cpu_selects),
    };
    struct CMUnitTest cases[N_KERNEL_CASES];
    for (int i = 0; i < N_KERNEL_CASES; i++)
        cases[i] = (struct CMUnitTest){.name = kernel_cases[i].name,
                                       .test_func = levels_agree,
                                       .initial_state = (void *)&kernel_cases[i]};
    int failed = cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("levels agree", cases, NULL, NULL);
    return failed;
}
