/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu/fma_peak.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "base/clock.h"
#include "base/size.h"

enum { ROUNDS = 1000, CHAINS = 12, MAX_LANES = 16 };

/* A round is CHAINS · lanes multiply-adds; the sums go to result [MAX_LANES]. */
typedef void peak_fn(float *result);

/* Keeps the compiler from folding the rounds into one. */
#if defined(__x86_64__)
#define KEEP(vector) __asm__ volatile("" : "+v"(vector))
#elif defined(__aarch64__)
#define KEEP(vector) __asm__ volatile("" : "+w"(vector))
#endif

#if defined(__x86_64__)

__attribute__((target("avx512f"))) static void peak_avx512(float *result) {
    __m512 sum[CHAINS], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_fmadd_ps(sum[i], x, y);
        KEEP(x);
    }
    for (int i = 1; i < CHAINS; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    _mm512_storeu_ps(result, sum[0]);
}

__attribute__((target("avx2,fma"))) static void peak_avx2(float *result) {
    __m256 sum[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++) {
        sum[0] = _mm256_fmadd_ps(sum[0], x, y), sum[1] = _mm256_fmadd_ps(sum[1], x, y);
        sum[2] = _mm256_fmadd_ps(sum[2], x, y), sum[3] = _mm256_fmadd_ps(sum[3], x, y);
        sum[4] = _mm256_fmadd_ps(sum[4], x, y), sum[5] = _mm256_fmadd_ps(sum[5], x, y);
        sum[6] = _mm256_fmadd_ps(sum[6], x, y), sum[7] = _mm256_fmadd_ps(sum[7], x, y);
        sum[8] = _mm256_fmadd_ps(sum[8], x, y), sum[9] = _mm256_fmadd_ps(sum[9], x, y);
        sum[10] = _mm256_fmadd_ps(sum[10], x, y), sum[11] = _mm256_fmadd_ps(sum[11], x, y);
        KEEP(x);
    }
    for (int i = 1; i < CHAINS; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    _mm256_storeu_ps(result, sum[0]);
}

static void peak_sse2(float *result) {
    __m128 sum[CHAINS], x = _mm_set1_ps(0.999f), y = _mm_set1_ps(1e-3f);
    for (int i = 0; i < CHAINS; i++) sum[i] = _mm_set1_ps((float)i);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < CHAINS; i++) sum[i] = _mm_add_ps(_mm_mul_ps(sum[i], x), y);
        KEEP(x);
    }
    for (int i = 1; i < CHAINS; i++) sum[0] = _mm_add_ps(sum[0], sum[i]);
    _mm_storeu_ps(result, sum[0]);
}
#elif defined(__aarch64__)
static void peak_neon(float *result) {
    float32x4_t sum[CHAINS], x = vdupq_n_f32(0.999f), y = vdupq_n_f32(1e-3f);
    for (int i = 0; i < CHAINS; i++) sum[i] = vdupq_n_f32((float)i);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < CHAINS; i++) sum[i] = vfmaq_f32(y, sum[i], x);
        KEEP(x);
    }
    for (int i = 1; i < CHAINS; i++) sum[0] = vaddq_f32(sum[0], sum[i]);
    vst1q_f32(result, sum[0]);
}
#endif

static void peak_plain(float *sum) {
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * 0.999f + 1e-3f;
}

typedef struct peak_run {
    peak_fn *loop;
    int64_t calls;  /* of each thread */
    double *own_ns; /* [n_threads] */
} peak_run;

/* Processor time of the calling thread. */
static double own_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void peak_task(void *context, int64_t task, int thread) {
    const peak_run *run = context;
    float result[MAX_LANES] = {1};
    (void)thread;
    double start = own_now_ns();
    for (int64_t i = 0; i < run->calls; i++) run->loop(result);
    run->own_ns[task] = own_now_ns() - start;
}

/* Calls of the loop in a nanosecond, of all threads together. */
static double rate_of(tn_pool *pool, bool own_time, peak_run *run) {
    int n_threads = tn_pool_threads(pool);
    double own = 0;
    int64_t start = tn_now_ns();
    tn_parallel_for(pool, n_threads, peak_task, run);
    double wall = (double)(tn_now_ns() - start);
    for (int i = 0; i < n_threads; i++) own += (double)run->calls / run->own_ns[i];
    return own_time ? own : (double)(run->calls * n_threads) / wall;
}

double tn_fma_peak(const char *level, tn_pool *pool, bool own_time, double ns) {
    peak_run run = {.loop = peak_plain, .calls = 1};
    int lanes = 1;
#if defined(__x86_64__)
    if (strcmp(level, "avx512") == 0) run.loop = peak_avx512, lanes = 16;
    if (strcmp(level, "avx2") == 0) run.loop = peak_avx2, lanes = 8;
    if (strcmp(level, "sse2") == 0) run.loop = peak_sse2, lanes = 4;
#elif defined(__aarch64__)
    if (strcmp(level, "neon") == 0) run.loop = peak_neon, lanes = 4;
#else
    (void)level;
#endif
    double own_ns[TN_FMA_PEAK_MAX_THREADS];
    run.own_ns = own_ns;
    run.calls = tn_max_i64(1, (int64_t)(ns * rate_of(NULL, true, &run)));
    return 2.0 * CHAINS * ROUNDS * lanes * rate_of(pool, own_time, &run);
}
