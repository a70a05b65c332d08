/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: worker threads that share out one call at a time.
 *
 * Two words carry a call. `left` counts the tasks that nobody has taken; a thread takes one by
 * lowering it. `pending` counts those not finished; whoever lowers it to 0 ends the call. Workers
 * are not counted in or out: one that the system runs late finds nothing left and delays nobody.
 *
 * The description of the call (`job`) needs no lock. It is written while left and pending are 0 and
 * read only between taking a task and finishing it, when pending keeps the caller waiting.
 *
 * Calls are numbered. Both words of `call` hold the number of the newest; a thread that has seen
 * number v watches call[v % 2]. Call g is announced by storing g first in call[g % 2], then in
 * call[(g - 1) % 2]: a thread that reads g from either finds at least g in the one to watch next.
 *
 * No wake-up is lost. A worker goes to sleep by (1) raising `sleepers`, (2) asking the kernel to
 * sleep while call[v % 2] is v; the caller (3) stores v + 1 there, (4) reads sleepers, all
 * sequentially consistent. If (4) misses (1), then (3) came before (2), and the kernel refuses. The
 * caller sleeps on a word `end` after setting the WAITING bit of pending, which the thread that
 * ends the call finds in the very value that it lowers.
 *
 * In a call each thread waits at most once and wakes at most once, signals aside:
 * - A worker waits at most once for each number v. It returns when the kernel refuses, which means
 *   that call[v % 2] has left v, or when it is woken. Call g wakes those who sleep on
 *   call[(g - 1) % 2], moving the rest of them to call[g % 2]; so whoever sleeps there with v is
 *   woken by no call before v + 1, not even by a call v whose caller is late with waking.
 * - The caller wakes once, at the beginning, and waits once, at the end. The thread that ends the
 *   call may be so late with its wake-up that the caller sleeps at the end of a later one: `end` is
 *   therefore a word that no such wake-up is on its way to. There is one for each worker; one of
 *   them is free, because the worker whose task the caller waits for is not on its way.
 * - A worker wakes only as the one that ends the call. */
#include "cpu/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/arena.h"
#include "cpu/pin.h"

enum {
    CACHE_LINE = 64,
    SPIN_NS = 40 * 1000, /* several times what a futex wake-up costs */
    MAX_TASKS = 1 << 30  /* of one round; a longer call is several rounds */
};
#define STOP UINT32_MAX             /* a value of left: the pool is being freed */
#define WAITING (UINT32_C(1) << 31) /* a bit of pending: the caller sleeps */

/* Values of an `end`. */
enum { END_FREE, END_AWAITED, END_REACHED };

struct worker {
    tn_pool *pool;
    pthread_t id;
    int index;
    _Atomic uint32_t end; /* for the caller to sleep on, whoever ends the call */
};

struct job {
    tn_task_fn *run;
    void *context;
    int64_t first;
    uint32_t n;
};

struct tn_pool {
    _Alignas(CACHE_LINE) _Atomic uint32_t left;
    _Atomic uint32_t call[2];
    _Alignas(CACHE_LINE) _Atomic uint32_t pending;
    _Alignas(CACHE_LINE) _Atomic int sleepers;
    _Alignas(CACHE_LINE) struct job job;
    uint32_t number;       /* of the newest call */
    _Atomic uint32_t *end; /* where the caller sleeps while WAITING */
    int n_threads, n_started;
    bool pinned;
    int64_t spin_ns;
    struct worker workers[];
};

static void futex_wait(_Atomic uint32_t *word, uint32_t while_value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* Wakes n of those who sleep on word; the rest sleep on other from now on. */
static void futex_wake_and_move(_Atomic uint32_t *word, uint32_t value, int n,
                                _Atomic uint32_t *other) {
    syscall(SYS_futex, word, FUTEX_CMP_REQUEUE_PRIVATE, n, (long)INT_MAX, other, value);
}

/* The floating-point mode while tasks run: denormals flushed, rounding to nearest, no traps,
 * whatever the caller has set, so that results depend on neither caller nor thread. */
static unsigned enter_float_mode(void) {
#if defined(__x86_64__)
    unsigned saved = _mm_getcsr();
    _mm_setcsr(0x1F80 | 0x8000 | 0x0040); /* power-on state, FTZ, DAZ */
    return saved;
#elif defined(__aarch64__)
    uint64_t saved, flushing = UINT64_C(1) << 24; /* FZ, nothing else */
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" : : "r"(flushing));
    return (unsigned)saved;
#else
    return 0;
#endif
}

static void leave_float_mode(unsigned saved) {
#if defined(__x86_64__)
    _mm_setcsr(saved);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)saved));
#else
    (void)saved;
#endif
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    for (int i = 0; i < 8; i++) _mm_pause();
#elif defined(__aarch64__)
    for (int i = 0; i < 8; i++) __asm__ volatile("yield");
#endif
}

/* Watches word for a while; true as soon as it is, or is not, value, as wanted. */
static bool spin_until(const _Atomic uint32_t *word, bool equal, uint32_t value, int64_t spin_ns) {
    int64_t end = 0;
    while ((atomic_load_explicit(word, memory_order_acquire) == value) != equal) {
        if (spin_ns == 0) return false;
        int64_t now = now_ns();
        if (end == 0) end = now + spin_ns;
        if (now >= end) return false;
        pause_briefly();
    }
    return true;
}

/* Takes the next task; false if none is left. */
static bool take(tn_pool *pool, uint32_t *left) {
    *left = atomic_load_explicit(&pool->left, memory_order_relaxed);
    while (*left != 0 && *left != STOP)
        if (atomic_compare_exchange_weak_explicit(&pool->left, left, *left - 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

/* Runs tasks until none is left. They are all of one call: the next cannot begin before this
 * thread has reported. */
static void work(tn_pool *pool, int thread) {
    uint32_t done = 0, left;
    while (take(pool, &left)) {
        const struct job *job = &pool->job;
        job->run(job->context, job->first + (job->n - left), thread);
        done++;
    }
    if (done == 0) return;
    uint32_t before = atomic_fetch_sub_explicit(&pool->pending, done, memory_order_acq_rel);
    if (before - done != WAITING) return;
    _Atomic uint32_t *end = pool->end;
    atomic_store_explicit(end, END_REACHED, memory_order_release);
    futex_wake(end, 1);
    atomic_store_explicit(end, END_FREE, memory_order_release);
}

static void *worker_main(void *argument) {
    struct worker *self = argument;
    tn_pool *pool = self->pool;
    uint32_t seen = 0;
    enter_float_mode();
    for (;;) {
        _Atomic uint32_t *watched = &pool->call[seen % 2];
        if (!spin_until(watched, false, seen, pool->spin_ns)) {
            atomic_fetch_add(&pool->sleepers, 1);
            futex_wait(watched, seen);
            atomic_fetch_sub(&pool->sleepers, 1);
        }
        seen = atomic_load_explicit(watched, memory_order_acquire);
        if (atomic_load_explicit(&pool->left, memory_order_relaxed) == STOP) return NULL;
        work(pool, self->index);
    }
}

/* Lets n threads begin, beside those that are awake: left has been set. */
static void announce(tn_pool *pool, int n) {
    uint32_t number = ++pool->number;
    _Atomic uint32_t *old = &pool->call[(number - 1) % 2], *new = &pool->call[number % 2];
    atomic_store_explicit(new, number, memory_order_release);
    atomic_store(old, number);
    int sleepers = atomic_load(&pool->sleepers);
    if (sleepers > 0) futex_wake_and_move(old, number, sleepers < n ? sleepers : n, new);
}

/* Signals are for the caller's threads: workers start with all of them blocked. */
static int start_workers(tn_pool *pool) {
    sigset_t all, saved;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    int failure = 0;
    while (!failure && pool->n_started < pool->n_threads - 1) {
        struct worker *worker = &pool->workers[pool->n_started];
        *worker = (struct worker){.pool = pool, .index = pool->n_started + 1};
        failure = pthread_create(&worker->id, NULL, worker_main, worker);
        if (!failure) pool->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return failure;
}

tn_status tn_pool_create(int n_threads, tn_pool **pool, tn_error *error) {
    if (n_threads < 1)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot start %d threads: a pool has at least 1",
                       n_threads);
    tn_pool *made =
        tn_aligned_alloc(sizeof *made + (size_t)(n_threads - 1) * sizeof made->workers[0]);
    if (!made) return tn_fail_memory(error);
    *made = (tn_pool){
        .n_threads = n_threads,
        /* On a shared processor a spinning thread would hold up the one that it waits for. */
        .spin_ns = n_threads <= tn_budget_here().threads ? SPIN_NS : 0,
    };
    int failure = start_workers(made);
    if (failure) {
        int n_started = made->n_started;
        tn_pool_free(made);
        return tn_fail_errno(error, failure, "cannot start thread %d of %d", n_started + 2,
                             n_threads);
    }
    *pool = made;
    return TN_OK;
}

void tn_pool_free(tn_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->left, STOP);
    announce(pool, INT_MAX);
    for (int i = 0; i < pool->n_started; i++) pthread_join(pool->workers[i].id, NULL);
    free(pool);
}

int tn_pool_threads(const tn_pool *pool) { return pool ? pool->n_threads : 1; }

/* ---- Pinning --------------------------------------------------------------------------------- */

/* A failure leaves no worker bound. */
static bool bind_workers(tn_pool *pool, const int *cpus, const tn_affinity *whole) {
    cpu_set_t *one = CPU_ALLOC(whole->bytes * 8);
    int failure = one ? 0 : ENOMEM;
    for (int i = 0; i < pool->n_started && !failure; i++) {
        CPU_ZERO_S(whole->bytes, one);
        CPU_SET_S((size_t)cpus[pool->workers[i].index], whole->bytes, one);
        failure = pthread_setaffinity_np(pool->workers[i].id, whole->bytes, one);
    }
    for (int i = 0; i < pool->n_started && failure; i++)
        pthread_setaffinity_np(pool->workers[i].id, whole->bytes, whole->mask);
    if (one) CPU_FREE(one);
    return !failure;
}

void tn_pool_pin(tn_pool *pool, tn_pin pin) {
    tn_affinity here;
    char unused[TN_PIN_REASON];
    int n = tn_pool_threads(pool);
    if (n == 1 || !tn_affinity_read(&here)) return;
    tn_budget budget = tn_budget_of("", here.mask, here.bytes);
    int *cpus = calloc((size_t)n, sizeof *cpus);
    if (cpus && tn_pin_decide(&budget, n, pin, unused) && tn_pin_places("", &here, n, cpus))
        pool->pinned = bind_workers(pool, cpus, &here);
    free(cpus);
    CPU_FREE(here.mask);
}

bool tn_pool_pinned(const tn_pool *pool) { return pool && pool->pinned; }

/* ---- Calls ----------------------------------------------------------------------------------- */

static _Atomic uint32_t *free_end(tn_pool *pool) {
    struct worker *worker = pool->workers;
    while (atomic_load_explicit(&worker->end, memory_order_acquire) != END_FREE) worker++;
    return &worker->end;
}

static void wait_for_end(tn_pool *pool) {
    if (spin_until(&pool->pending, true, 0, pool->spin_ns)) return;
    _Atomic uint32_t *end = pool->end = free_end(pool);
    atomic_store_explicit(end, END_AWAITED, memory_order_relaxed);
    if (atomic_fetch_or_explicit(&pool->pending, WAITING, memory_order_acq_rel) == 0)
        atomic_store_explicit(end, END_FREE, memory_order_relaxed);
    while (atomic_load_explicit(end, memory_order_acquire) == END_AWAITED)
        futex_wait(end, END_AWAITED);
}

static void run_round(tn_pool *pool, struct job job) {
    pool->job = job;
    atomic_store_explicit(&pool->pending, job.n, memory_order_relaxed);
    /* Whoever takes a task sees the job, even one that has not heard of this call. */
    atomic_store_explicit(&pool->left, job.n, memory_order_release);
    announce(pool, (int)job.n - 1); /* the caller takes a task too */
    work(pool, 0);
    wait_for_end(pool);
}

void tn_parallel_for(tn_pool *pool, int64_t n_tasks, tn_task_fn *run, void *context) {
    unsigned saved = enter_float_mode();
    if (tn_pool_threads(pool) == 1 || n_tasks <= 1) {
        for (int64_t task = 0; task < n_tasks; task++) run(context, task, 0);
    } else {
        for (int64_t first = 0; first < n_tasks; first += MAX_TASKS) {
            int64_t n = n_tasks - first < MAX_TASKS ? n_tasks - first : MAX_TASKS;
            run_round(pool, (struct job){run, context, first, (uint32_t)n});
        }
    }
    leave_float_mode(saved);
}
