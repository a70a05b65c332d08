/* SPDX-License-Identifier: Apache-2.0 */
/* bench-kernels: checks every kernel of every level that runs here against the reference, then
 * times it on one core beside the roofs of the same run (Williams, Waterman, Patterson: "Roofline",
 * 2009): the multiply-add peak, and what loads, stores and copies reach in each cache. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandwidth.h"
#include "base/arena.h"
#include "base/philox.h"
#include "base/size.h"
#include "cpu/isa.h"
#include "data/augment.h"
#include "fma_peak.h"
#include "kernel_cases.h"
#include "shape_cases.h"
#include "timing.h"

enum {
    N = 1024,
    TAPS = 9,
    CHANNELS = 32,
    DEPTH = TAPS * CHANNELS,
    IMAGE_WIDTH = 28,
    PANEL_ROWS = 26
};

typedef struct settings {
    const char *level; /* NULL for all */
    double turn_ns;    /* of one repetition */
    int n_places;
} settings;

/* ---- Roofs ---------------------------------------------------------------------------------- */

/* Where the data of a kernel is. */
typedef enum level_of_cache { IN_L1, IN_L2, IN_MEMORY, N_PLACES } level_of_cache;

typedef struct place {
    const char *name;
    int64_t n;      /* elements of each of a kernel's vectors, a multiple of 16 */
    int64_t stream; /* bytes for measuring the bandwidth */
} place;

typedef struct roofs {
    double peak; /* GFLOP/s */
    double bandwidth[N_PLACES][BENCH_N_STREAMS];
} roofs;

/* Four vectors fit half of a usual L1, or L2; one alone is larger than all caches together. */
static void set_places(place *places) {
    tn_cpu_info info = TN_INIT(tn_cpu_info);
    bool known = tn_cpu_inspect(&info, NULL) == TN_OK && info.l3_bytes > 0;
    int64_t last = tn_min_i64(known ? info.l3_bytes : 32 << 20, 128 << 20);
    places[IN_L1] = (place){"L1", 1024, 16 << 10};
    places[IN_L2] = (place){"L2", 8192, 128 << 10};
    places[IN_MEMORY] = (place){"memory", last / 2, 2 * last};
}

static roofs measure_roofs(const char *level, const place *places, const settings *s) {
    roofs r = {.peak = bench_fma_peak(level, NULL, BENCH_OWN, 5e6)};
    printf("%-6s multiply-add peak %.1f GFLOP/s\n", level, r.peak);
    for (int p = 0; p < s->n_places; p++) {
        for (int k = 0; k < BENCH_N_STREAMS; k++)
            r.bandwidth[p][k] = bench_bandwidth((bench_stream)k, places[p].stream, s->turn_ns);
        printf("%-6s %s: loads %.1f, stores %.1f, copies %.1f, merges %.1f GB/s\n", "",
               places[p].name, r.bandwidth[p][BENCH_LOAD], r.bandwidth[p][BENCH_STORE],
               r.bandwidth[p][BENCH_COPY], r.bandwidth[p][BENCH_MERGE]);
    }
    return r;
}

/* ---- Kernels over vectors ------------------------------------------------------------------- */

typedef struct timed_case {
    const tn_kernels *kernels;
    const kernel_case *c;
    int64_t n;
    case_data data;
} timed_case;

static void call_case(void *context) {
    const timed_case *t = context;
    t->c->run(t->kernels, t->n, &t->data);
}

static void *allocate(size_t bytes) {
    void *memory = tn_aligned_alloc(bytes);
    if (memory == NULL) {
        fprintf(stderr, "bench-kernels: out of memory\n");
        exit(1);
    }
    return memory;
}

static float *random_floats(tn_random *random, int64_t n) {
    enum { DRAWN = 1024 };
    float *x = allocate((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n && i < DRAWN; i++) x[i] = (float)tn_random_uniform(random) - 0.4f;
    for (int64_t i = DRAWN; i < n; i++) x[i] = x[i - DRAWN];
    return x;
}

static case_data make_data(const kernel_case *c, int64_t n) {
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, 0);
    case_data d = {0};
    for (int i = 0; i < c->n_in; i++) d.in[i] = random_floats(&random, n);
    for (int i = 0; i < c->n_out; i++) {
        d.out[i] = random_floats(&random, n);
        for (int64_t j = 0; j < n; j++) d.out[i][j] = fabsf(d.out[i][j]);
    }
    d.bytes_in = allocate((size_t)n);
    d.bytes_out = allocate((size_t)n);
    uint32_t limit = (uint32_t)(c->byte_limit ? c->byte_limit : 1);
    for (int64_t i = 0; i < n; i++) d.bytes_in[i] = (uint8_t)((uint32_t)i * 2654435761u % limit);
    memset(d.bytes_out, 0, (size_t)n);
    return d;
}

static void free_data(case_data *d) {
    for (int i = 0; i < CASE_MAX_IN; i++) free(d->in[i]);
    for (int i = 0; i < CASE_MAX_OUT; i++) free(d->out[i]);
    free(d->bytes_in);
    free(d->bytes_out);
}

static bool equals_ref(const tn_kernels *ref, const tn_kernels *kernels, const kernel_case *c,
                       int64_t n) {
    case_data expected = make_data(c, n), got = make_data(c, n);
    c->run(ref, n, &expected);
    c->run(kernels, n, &got);
    bool equal = memcmp(expected.bytes_out, got.bytes_out, (size_t)n) == 0;
    for (int i = 0; i < c->n_out; i++)
        equal = equal && memcmp(expected.out[i], got.out[i], (size_t)n * sizeof(float)) == 0;
    free_data(&expected);
    free_data(&got);
    return equal;
}

/* The rate at which bytes move, the part of its roof that this is, and which roof: what takes the
 * longer at its best, moving the bytes or computing. */
static void print_rate(bench_work work, double ns, const double *bandwidth, double peak) {
    double moved = work.only_loads ? bandwidth[BENCH_LOAD]
                                   : fmax(bandwidth[BENCH_COPY], bandwidth[BENCH_MERGE]);
    double moving = work.bytes / moved, computing = work.flop / peak;
    printf(" %8.1f %4.0f %% %-5s", work.bytes / ns, 100 * fmax(moving, computing) / ns,
           computing > moving ? "peak"
           : work.only_loads  ? "loads"
                              : "moves");
}

static bool bench_case(const tn_kernels *ref, const tn_kernels *kernels, const kernel_case *c,
                       const place *places, const roofs *r, const settings *s) {
    bool equal = equals_ref(ref, kernels, c, places[IN_L1].n);
    if (equal && c->traffic_bytes == 0) return true;
    const bench_work work = {
        .flop = c->flop, .bytes = c->traffic_bytes, .only_loads = c->only_loads};
    printf("%-6s %-20s %-7s", kernels->level, c->name, equal ? "equal" : "DIFFERS");
    for (int p = 0; p < s->n_places; p++) {
        timed_case t = {.kernels = kernels, .c = c, .n = places[p].n};
        t.data = make_data(c, t.n);
        double ns = bench_time_call(call_case, &t, s->turn_ns) / (double)t.n;
        if (p == IN_L1) printf(" %8.3f", ns);
        print_rate(work, ns, r->bandwidth[p], r->peak);
        free_data(&t.data);
    }
    printf("\n");
    return equal;
}

/* ---- Kernels over shapes -------------------------------------------------------------------- */

typedef struct timed_shape {
    const tn_kernels *kernels;
    const bench_shape_case *c;
    bench_shape_data *data;
} timed_shape;

static void call_shape(void *context) {
    const timed_shape *t = context;
    t->c->run(t->kernels, t->data);
}

static const char *compare_shapes(const bench_shape_case *c, const bench_shape_data *expected,
                                  const bench_shape_data *got) {
    if (memcmp(expected->places, got->places, sizeof got->places) != 0) return NULL;
    if (memcmp(expected->y, got->y, sizeof got->y) == 0) return "equal";
    for (int i = 0; i < SHAPE_NUMBERS; i++)
        if (!(fabsf(expected->y[i] - got->y[i]) <= c->error)) return NULL;
    return c->error > 0 ? "near" : NULL;
}

static bool bench_shape(const tn_kernels *ref, const tn_kernels *kernels, const bench_shape_case *c,
                        const roofs *r, const settings *s) {
    bench_shape_data *expected = allocate(sizeof *expected), *got = allocate(sizeof *got);
    bench_shape_data_fill(expected);
    bench_shape_data_fill(got);
    if (c->expect != NULL)
        c->expect(kernels, expected);
    else
        c->run(ref, expected);
    const bench_work work = c->run(kernels, got);
    const char *verdict = compare_shapes(c, expected, got);
    timed_shape t = {.kernels = kernels, .c = c, .data = got};
    double ns = bench_time_call(call_shape, &t, s->turn_ns);
    printf("%-6s %-20s %-7s %8.1f", kernels->level, c->name, verdict ? verdict : "DIFFERS", ns);
    if (work.flop > 0)
        printf(" %8.1f", work.flop / ns);
    else
        printf(" %8s", "");
    print_rate(work, ns, r->bandwidth[IN_L1], r->peak);
    printf("\n");
    free(expected);
    free(got);
    return verdict != NULL;
}

/* ---- Panels --------------------------------------------------------------------------------- */

typedef struct timed_panel {
    const tn_kernels *kernels;
    tn_panel panel;
    float *a, *b, *c;
    int64_t a_row[PANEL_ROWS], c_row[PANEL_ROWS], offset[DEPTH];
} timed_panel;

static void call_panel(void *context) {
    const timed_panel *t = context;
    t->kernels->panel(&t->panel);
}

/* A 3×3 convolution at neighbouring pixels of an image: the rows of a overlap, and lie in the same
 * bank of the cache as they do in a network. The numbers are small integers, on which every order
 * of summation is exact. */
static void make_panel(timed_panel *t, const tn_kernels *kernels, int64_t rows, int64_t depth) {
    int64_t channels = depth / TAPS, nr = kernels->nr, image = 3 * IMAGE_WIDTH * channels;
    t->kernels = kernels;
    t->a = allocate((size_t)image * sizeof(float));
    t->b = allocate((size_t)(depth * nr) * sizeof(float));
    t->c = allocate((size_t)(rows * nr) * sizeof(float));
    for (int64_t i = 0; i < image; i++) t->a[i] = (float)(i % 7 - 3);
    for (int64_t i = 0; i < depth * nr; i++) t->b[i] = (float)(i % 5 - 2);
    for (int64_t i = 0; i < rows; i++) t->a_row[i] = i * channels, t->c_row[i] = i * nr;
    for (int64_t i = 0; i < depth; i++) {
        int64_t tap = i / channels, pixel = tap / 3 * IMAGE_WIDTH + tap % 3;
        t->offset[i] = pixel * channels + i % channels;
    }
    t->panel = (tn_panel){.rows = rows,
                          .runs = 1,
                          .depth = depth,
                          .columns = nr,
                          .a = t->a,
                          .a_row = t->a_row,
                          .offset = t->offset,
                          .b = t->b,
                          .ldb = nr,
                          .bias = t->b,
                          .c = t->c,
                          .c_row = t->c_row,
                          .activation = {TN_ACTIVATION_CLIP, 0, INFINITY}};
}

static bool panel_is_exact(const timed_panel *t) {
    int64_t nr = t->kernels->nr;
    for (int64_t i = 0; i < t->panel.rows; i++)
        for (int64_t j = 0; j < nr; j++) {
            double sum = (double)t->panel.bias[j];
            for (int64_t d = 0; d < t->panel.depth; d++)
                sum += (double)t->a[t->a_row[i] + t->offset[d]] * (double)t->b[d * nr + j];
            if (t->c[i * nr + j] != (float)fmax(0, sum)) return false;
        }
    return true;
}

static bool bench_panel(const tn_kernels *kernels, int64_t rows, int64_t depth, double peak,
                        const settings *s) {
    timed_panel *t = allocate(sizeof *t);
    make_panel(t, kernels, rows, depth);
    call_panel(t);
    bool exact = panel_is_exact(t);
    double ns = bench_time_call(call_panel, t, s->turn_ns);
    double gflops = 2.0 * (double)(rows * kernels->nr * depth) / ns;
    printf("%-6s panel %2dx%-2d depth %-4d %-7s %8.1f GFLOP/s %4.0f %% peak\n", kernels->level,
           (int)rows, kernels->nr, (int)depth, exact ? "equal" : "DIFFERS", gflops,
           100 * gflops / peak);
    free(t->a);
    free(t->b);
    free(t->c);
    free(t);
    return exact;
}

/* ---- Augmentation --------------------------------------------------------------------------- */

/* An image that is changed anew by each call. */
typedef struct timed_augmentation {
    tn_augmentation options;
    tn_image_shape shape;
    tn_augment_key key;
    uint8_t *src, *dst, *scratch;
} timed_augmentation;

static void call_augment(void *context) {
    timed_augmentation *t = context;
    t->key.place++;
    const tn_image_change change = tn_augment_draw(&t->options, &t->shape, &t->key);
    tn_augment(&change, &t->shape, t->src, t->dst, t->scratch);
}

static void bench_augmentation(const char *name, tn_augmentation options, tn_image_shape shape,
                               const settings *s) {
    size_t bytes = (size_t)(shape.height * shape.width * shape.channels);
    size_t scratch = (size_t)tn_augment_scratch_bytes(&shape);
    timed_augmentation t = {.options = options, .shape = shape};
    t.src = allocate(bytes);
    t.dst = allocate(bytes);
    t.scratch = allocate(scratch);
    memset(t.scratch, 0, scratch);
    for (size_t i = 0; i < bytes; i++) t.src[i] = (uint8_t)(i * 31);
    double ns = bench_time_call(call_augment, &t, s->turn_ns);
    printf("any    %-20s %dx%dx%d %8.2f us/image\n", name, (int)shape.height, (int)shape.width,
           (int)shape.channels, ns * 1e-3);
    free(t.src);
    free(t.dst);
    free(t.scratch);
}

static void bench_augmentations(const settings *s) {
    const tn_image_shape shapes[] = {{28, 28, 1}, {32, 32, 3}};
    for (int i = 0; i < 2; i++) {
        bench_augmentation("crop, flip", (tn_augmentation){.crop = 2, .flip = true}, shapes[i], s);
        bench_augmentation("rotate, shift", (tn_augmentation){.rotate = 10, .shift = 2}, shapes[i],
                           s);
    }
}

/* ---- Are these all? ------------------------------------------------------------------------- */

/* The row that times the kernel which tn_kernels has there, or NULL. */
static const char *name_of_row(size_t member) {
    if (member == offsetof(tn_kernels, panel)) return "panel";
    for (int i = 0; i < bench_n_shape_cases; i++)
        if (bench_shape_cases[i].member == member) return bench_shape_cases[i].name;
    for (int i = 0; i < N_KERNEL_CASES; i++)
        if (kernel_cases[i].member == member && kernel_cases[i].traffic_bytes > 0)
            return kernel_cases[i].name;
    return NULL;
}

/* The pointers of the table follow each other from the first, the panel, to its end. */
static bool every_kernel_has_a_row(void) {
    const char *before = "depth_block";
    bool all = true;
    for (size_t at = offsetof(tn_kernels, panel); at < sizeof(tn_kernels);
         at += sizeof(tn_panel_fn *)) {
        const char *name = name_of_row(at);
        if (name == NULL)
            fprintf(stderr,
                    "bench-kernels: no time for a kernel: the member of tn_kernels after %s has no "
                    "row (add one to bench/shape_cases.c or tests/kernel_cases.h)\n",
                    before);
        all = all && name != NULL;
        before = name != NULL ? name : "that";
    }
    return all;
}

/* ---- Program -------------------------------------------------------------------------------- */

static bool bench_level(const tn_kernels *ref, const tn_kernels *kernels, const place *places,
                        const settings *s) {
    roofs r = measure_roofs(kernels->level, places, s);
    bool good = true;
    for (int m = 1; m <= kernels->mr; m++) good &= bench_panel(kernels, m, DEPTH, r.peak, s);
    for (int64_t depth = TAPS; depth <= DEPTH; depth *= 2)
        good &= bench_panel(kernels, PANEL_ROWS, depth, r.peak, s);
    printf("%-6s %-20s %-7s %8s %8s %8s %-12s\n", "level", "kernel", "", "ns", "GFLOP/s", "GB/s",
           "L1");
    for (int i = 0; i < bench_n_shape_cases; i++)
        good &= bench_shape(ref, kernels, &bench_shape_cases[i], &r, s);
    printf("%-6s %-20s %-7s %8s", "level", "kernel", "", "ns/n L1");
    for (int p = 0; p < s->n_places; p++) printf(" %8s %-12s", "GB/s", places[p].name);
    printf("\n");
    for (int i = 0; i < N_KERNEL_CASES; i++)
        good &= bench_case(ref, kernels, &kernel_cases[i], places, &r, s);
    printf("%-6s multiply-add peak, once more %.1f GFLOP/s\n\n", kernels->level,
           bench_fma_peak(kernels->level, NULL, BENCH_OWN, 5e6));
    return good;
}

/* Each level; data beyond the first cache for the best one only. */
static int bench_levels(const settings *s) {
    tn_kernels ref, kernels;
    place places[N_PLACES];
    unsigned isa = tn_isa_detect();
    bool good = every_kernel_has_a_row(), found = false;
    set_places(places);
    tn_kernels_init(&ref, "ref", 0);
    for (const char *const *level = tn_kernel_levels(); *level != NULL; level++) {
        if (s->level != NULL && strcmp(s->level, *level) != 0) continue;
        if (!tn_kernels_init(&kernels, *level, isa)) continue;
        found = true;
        settings here = *s;
        if (strcmp(*level, tn_kernels_best(isa)) != 0) here.n_places = 1;
        good &= bench_level(&ref, &kernels, places, &here);
    }
    if (!found) {
        fprintf(stderr, "bench-kernels: --level %s: no such level runs here (see --help)\n",
                s->level);
        return 2;
    }
    if (s->level == NULL) bench_augmentations(s);
    if (!good)
        fprintf(stderr, "bench-kernels: some kernel has no row or differs from the reference\n");
    return good ? 0 : 1;
}

static void print_help(FILE *file) {
    fputs(
        "usage: bench-kernels [--level LEVEL] [--quick]\n"
        "Checks the kernels against the reference and times them on one core; then augmentation,\n"
        "an image at a time. Tiles are shown with the part of the multiply-add peak they reach;\n"
        "then kernels whose work is a matter of shapes (products, transforms, lists), their data\n"
        "in L1; then those over vectors, in L1 (for the best level in L2 and memory, too). These\n"
        "have the bytes they read and write, and the part of the roof that binds: loads, moves\n"
        "(copies or merges of two vectors into a third) or the multiply-add peak, as measured in\n"
        "this run. A division or root counts as one operation, so kernels with those stay well\n"
        "below; one that works in place may be above, since what it stores to is in the cache.\n"
        "A peak that differs much between start and end means a busy machine: measure again.\n"
        "Fails if a kernel differs, or if one of the table is not among those timed.\n"
        "  --quick  nothing in memory, and too short for numbers to be good\n"
        "levels:",
        file);
    for (const char *const *level = tn_kernel_levels(); *level != NULL; level++)
        fprintf(file, " %s", *level);
    fputs("\n", file);
}

int main(int argc, char **argv) {
    settings s = {.turn_ns = 3e5, .n_places = N_PLACES};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--quick") == 0) {
            s.turn_ns = 1e3;
            s.n_places = IN_MEMORY;
        } else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc) {
            s.level = argv[++i];
        } else {
            print_help(stderr);
            return 2;
        }
    }
    return bench_levels(&s);
}
