/* SPDX-License-Identifier: Apache-2.0 */
/* bench-kernels: checks every kernel of every level that runs here against the reference, then
 * times it on data in the first-level cache. One core; medians over repetitions. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/philox.h"
#include "cpu/isa.h"
#include "data/augment.h"
#include "fma_peak.h"
#include "kernel_cases.h"
#include "timing.h"

enum { N = 1024, TAPS = 9, CHANNELS = 32, DEPTH = TAPS * CHANNELS, IMAGE_WIDTH = 28 };

/* ---- The case list -------------------------------------------------------------------------- */

typedef struct timed_case {
    const tn_kernels *kernels;
    const kernel_case *c;
    case_data data;
} timed_case;

static void call_case(void *context) {
    const timed_case *t = context;
    t->c->run(t->kernels, N, &t->data);
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
    float *x = allocate((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)tn_random_uniform(random) - 0.4f;
    return x;
}

static case_data make_data(const kernel_case *c) {
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, 0);
    case_data d;
    for (int i = 0; i < CASE_MAX_IN; i++) d.in[i] = random_floats(&random, N);
    for (int i = 0; i < CASE_MAX_OUT; i++) {
        d.out[i] = random_floats(&random, N);
        for (int j = 0; j < N; j++) d.out[i][j] = fabsf(d.out[i][j]);
    }
    d.bytes_in = allocate(N);
    d.bytes_out = allocate(N);
    for (int i = 0; i < N; i++) {
        d.bytes_in[i] =
            (uint8_t)(c->byte_limit ? tn_random_u32(&random) % (uint32_t)c->byte_limit : 0);
        d.bytes_out[i] = 0;
    }
    return d;
}

static void free_data(case_data *d) {
    for (int i = 0; i < CASE_MAX_IN; i++) free(d->in[i]);
    for (int i = 0; i < CASE_MAX_OUT; i++) free(d->out[i]);
    free(d->bytes_in);
    free(d->bytes_out);
}

static bool equals_ref(const tn_kernels *ref, const tn_kernels *kernels, const kernel_case *c) {
    case_data expected = make_data(c), got = make_data(c);
    c->run(ref, N, &expected);
    c->run(kernels, N, &got);
    bool equal = memcmp(expected.bytes_out, got.bytes_out, N) == 0;
    for (int i = 0; i < CASE_MAX_OUT; i++)
        equal = equal && memcmp(expected.out[i], got.out[i], N * sizeof(float)) == 0;
    free_data(&expected);
    free_data(&got);
    return equal;
}

static bool bench_case(const tn_kernels *ref, const tn_kernels *kernels, const kernel_case *c) {
    bool equal = equals_ref(ref, kernels, c);
    if (equal && c->traffic_bytes == 0) return true;
    timed_case t = {.kernels = kernels, .c = c, .data = make_data(c)};
    double ns = bench_time_call(call_case, &t, 3e5);
    printf("%-6s %-20s %6d %10.1f %9.3f %8.1f GB/s              %s\n", kernels->level, c->name, N,
           ns, ns / N, (double)c->traffic_bytes * N / ns, equal ? "equal" : "DIFFERS");
    free_data(&t.data);
    return equal;
}

/* ---- Tiles ---------------------------------------------------------------------------------- */

typedef struct timed_tile {
    const tn_kernels *kernels;
    int m;
    const float *a[TN_TILE_MAX_MR];
    float *c[TN_TILE_MAX_MR];
    float *a_rows, *c_rows, *b;
    int64_t depth, offset[DEPTH];
} timed_tile;

static void call_tile(void *context) {
    const timed_tile *t = context;
    t->kernels->tile(t->m, t->a, t->offset, t->depth, t->b, t->kernels->nr, t->c);
}

/* A 3×3 convolution of 32 channels at neighbouring pixels of an image: the rows of a overlap, and
 * lie in the same bank of the cache as they do in a network. The numbers are small integers, on
 * which every order of summation is exact. */
static timed_tile make_tile(const tn_kernels *kernels, int m, int64_t depth) {
    timed_tile t = {.kernels = kernels, .m = m, .depth = depth};
    int image_floats = 3 * IMAGE_WIDTH * CHANNELS;
    t.a_rows = allocate((size_t)image_floats * sizeof(float));
    t.c_rows = allocate((size_t)(m * kernels->nr) * sizeof(float));
    t.b = allocate((size_t)(depth * kernels->nr) * sizeof(float));
    for (int i = 0; i < image_floats; i++) t.a_rows[i] = (float)(i % 7 - 3);
    for (int i = 0; i < m * kernels->nr; i++) t.c_rows[i] = (float)(i % 3);
    for (int64_t i = 0; i < depth * kernels->nr; i++) t.b[i] = (float)(i % 5 - 2);
    for (int i = 0; i < m; i++) t.a[i] = t.a_rows + (ptrdiff_t)i * CHANNELS;
    for (int i = 0; i < m; i++) t.c[i] = t.c_rows + (ptrdiff_t)i * kernels->nr;
    for (int64_t i = 0; i < depth; i++) {
        int64_t tap = i / CHANNELS, pixel = tap / 3 * IMAGE_WIDTH + tap % 3;
        t.offset[i] = pixel * CHANNELS + i % CHANNELS;
    }
    return t;
}

static void free_tile(timed_tile *t) {
    free(t->a_rows);
    free(t->c_rows);
    free(t->b);
}

static bool tile_is_exact(const timed_tile *t) {
    for (int i = 0; i < t->m; i++)
        for (int j = 0; j < t->kernels->nr; j++) {
            double sum = (i * t->kernels->nr + j) % 3;
            for (int64_t d = 0; d < t->depth; d++)
                sum += (double)t->a[i][t->offset[d]] * (double)t->b[d * t->kernels->nr + j];
            if (t->c[i][j] != (float)sum) return false;
        }
    return true;
}

static bool bench_tile(const tn_kernels *kernels, int m, int64_t depth, double peak) {
    timed_tile t = make_tile(kernels, m, depth);
    call_tile(&t);
    bool exact = tile_is_exact(&t);
    double ns = bench_time_call(call_tile, &t, 3e5);
    double gflops = 2.0 * m * kernels->nr * (double)depth / ns;
    char name[32];
    snprintf(name, sizeof name, "tile %dx%d", m, kernels->nr);
    printf("%-6s %-20s %6d %10.1f %9s %8.1f GFLOP/s %6.1f %%  %s\n", kernels->level, name,
           (int)depth, ns, "", gflops, 100 * gflops / peak, exact ? "equal" : "DIFFERS");
    free_tile(&t);
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

static void bench_augmentation(const char *name, tn_augmentation options, tn_image_shape shape) {
    size_t bytes = (size_t)(shape.height * shape.width * shape.channels);
    size_t scratch = (size_t)tn_augment_scratch_bytes(&shape);
    timed_augmentation t = {.options = options, .shape = shape};
    t.src = allocate(bytes);
    t.dst = allocate(bytes);
    t.scratch = allocate(scratch);
    memset(t.scratch, 0, scratch);
    for (size_t i = 0; i < bytes; i++) t.src[i] = (uint8_t)(i * 31);
    double ns = bench_time_call(call_augment, &t, 3e5);
    printf("%-6s %-20s %6d %10.1f %9.3f\n", "any", name, (int)bytes, ns, ns / (double)bytes);
    free(t.src);
    free(t.dst);
    free(t.scratch);
}

static void bench_augmentations(void) {
    const tn_image_shape shapes[] = {{28, 28, 1}, {32, 32, 3}};
    for (int i = 0; i < 2; i++) {
        bench_augmentation("crop, flip", (tn_augmentation){.crop = 2, .flip = true}, shapes[i]);
        bench_augmentation("rotate, shift", (tn_augmentation){.rotate = 10, .shift = 2}, shapes[i]);
    }
}

/* ---- Program -------------------------------------------------------------------------------- */

static bool bench_level(const tn_kernels *ref, const tn_kernels *kernels) {
    double peak = bench_fma_peak(kernels->level, NULL, 5e6);
    printf("%-6s %-20s %6s %10s %9s %8.1f GFLOP/s\n", kernels->level, "multiply-add peak", "", "",
           "", peak);
    bool good = true;
    for (int m = 1; m <= kernels->mr; m++) good &= bench_tile(kernels, m, DEPTH, peak);
    good &= bench_tile(kernels, kernels->mr, 9, peak);
    good &= bench_tile(kernels, kernels->mr, 32, peak);
    for (int i = 0; i < N_KERNEL_CASES; i++) good &= bench_case(ref, kernels, &kernel_cases[i]);
    printf("%-6s %-20s %6s %10s %9s %8.1f GFLOP/s\n\n", kernels->level, "peak, once more", "", "",
           "", bench_fma_peak(kernels->level, NULL, 5e6));
    return good;
}

static void print_help(FILE *file) {
    fputs("usage: bench-kernels [--level LEVEL]\n"
          "Checks the kernels against the reference and times them on one core, data in the\n"
          "first-level cache; then augmentation, an image at a time. For tiles n is the depth of\n"
          "the sum. A peak that differs much between start and end means a busy machine:\n"
          "measure again.\n"
          "levels:",
          file);
    for (const char *const *level = tn_kernel_levels(); *level != NULL; level++)
        fprintf(file, " %s", *level);
    fputs("\n", file);
}

int main(int argc, char **argv) {
    const char *only = NULL;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--level") == 0) only = argv[2];
    if (argc != 1 && only == NULL) {
        print_help(stderr);
        return 2;
    }
    tn_kernels ref, kernels;
    bool good = true, found = false;
    tn_kernels_init(&ref, "ref", 0);
    printf("%-6s %-20s %6s %10s %9s %8s\n", "level", "kernel", "n", "ns/call", "ns/n", "rate");
    for (const char *const *level = tn_kernel_levels(); *level != NULL; level++) {
        if (only != NULL && strcmp(only, *level) != 0) continue;
        if (!tn_kernels_init(&kernels, *level, tn_isa_detect())) continue;
        found = true;
        good &= bench_level(&ref, &kernels);
    }
    if (only == NULL) bench_augmentations();
    if (!found) {
        fprintf(stderr, "bench-kernels: --level %s: no such level runs here (see --help)\n", only);
        return 2;
    }
    if (!good) fprintf(stderr, "bench-kernels: some kernel differs from the reference\n");
    return good ? 0 : 1;
}
