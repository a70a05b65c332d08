/* SPDX-License-Identifier: Apache-2.0 */
#include "bandwidth.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "timing.h"

typedef uint64_t block __attribute__((vector_size(32)));
enum { UNROLL = 8 };

typedef struct stream_run {
    block *memory;
    int64_t n; /* blocks, a multiple of 6 · UNROLL */
    void (*run)(struct stream_run *run);
} stream_run;

/* Keeps the compiler from leaving out stores that nobody reads. */
#define TOUCH(memory) __asm__ volatile("" : : "r"(memory) : "memory")

static inline __attribute__((always_inline)) void load(stream_run *run) {
    block sum[UNROLL] = {{0}};
    for (int64_t i = 0; i < run->n; i += UNROLL)
        for (int k = 0; k < UNROLL; k++) sum[k] |= run->memory[i + k];
    for (int k = 1; k < UNROLL; k++) sum[0] |= sum[k];
    run->memory[0] = sum[0];
}

static inline __attribute__((always_inline)) void store(stream_run *run) {
    block value = {1, 2, 3, 4};
    for (int64_t i = 0; i < run->n; i += UNROLL) {
        for (int k = 0; k < UNROLL; k++) run->memory[i + k] = value;
        TOUCH(run->memory);
    }
}

static inline __attribute__((always_inline)) void copy(stream_run *run) {
    const block *from = run->memory;
    block *to = run->memory + run->n / 2;
    for (int64_t i = 0; i < run->n / 2; i += UNROLL) {
        for (int k = 0; k < UNROLL; k++) to[i + k] = from[i + k];
        TOUCH(to);
    }
}

static inline __attribute__((always_inline)) void merge(stream_run *run) {
    int64_t n = run->n / 3;
    const block *a = run->memory, *b = a + n;
    block *to = run->memory + 2 * n;
    for (int64_t i = 0; i < n; i += UNROLL) {
        for (int k = 0; k < UNROLL; k++) to[i + k] = a[i + k] | b[i + k];
        TOUCH(to);
    }
}

/* Each once with the vectors that every processor has, and once with those of 32 bytes. */
static void load_any(stream_run *run) { load(run); }
static void store_any(stream_run *run) { store(run); }
static void copy_any(stream_run *run) { copy(run); }
static void merge_any(stream_run *run) { merge(run); }

#ifdef __x86_64__
__attribute__((target("avx2"))) static void load_avx2(stream_run *run) { load(run); }
__attribute__((target("avx2"))) static void store_avx2(stream_run *run) { store(run); }
__attribute__((target("avx2"))) static void copy_avx2(stream_run *run) { copy(run); }
__attribute__((target("avx2"))) static void merge_avx2(stream_run *run) { merge(run); }
#endif

static void call_stream(void *context) {
    stream_run *run = context;
    run->run(run);
}

double bench_bandwidth(bench_stream stream, int64_t bytes, double repetition_ns) {
    void (*const any[])(stream_run *) = {load_any, store_any, copy_any, merge_any};
    stream_run run = {.run = any[stream]};
#ifdef __x86_64__
    void (*const avx2[])(stream_run *) = {load_avx2, store_avx2, copy_avx2, merge_avx2};
    if (__builtin_cpu_supports("avx2")) run.run = avx2[stream];
#endif
    run.n = bytes / (int64_t)sizeof(block) / (6 * UNROLL) * (6 * UNROLL);
    bytes = run.n * (int64_t)sizeof(block);
    run.memory = tn_aligned_alloc((size_t)bytes);
    if (!run.memory) return 0;
    memset(run.memory, 1, (size_t)bytes);
    double ns = bench_time_call(call_stream, &run, repetition_ns);
    free(run.memory);
    return (double)bytes / ns;
}
