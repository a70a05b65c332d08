/* SPDX-License-Identifier: Apache-2.0 */
/* test_quiet.c: counts what a training step asks of the system. A step allocates nothing and takes
 * no mutex; a thread waits and wakes at most once for each join. The functions that would do so are
 * defined here, and so stand in for the C library's in this whole program; joins are counted by the
 * linker's --wrap.
 *
 * For the thread that calls, once for each join means between beginning and end of the call. A
 * worker may be late and do for one join what falls into the time of a later one: of it, the test
 * demands at most k + 1 waits, and wakes, in any k successive joins. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "graph/model.h"
#include "train/options.h"
#include "train/trainer.h"

/* ---- Counting ---------------------------------------------------------------------------------
 */

static _Atomic int64_t allocations, mutexes, waits, wakes, joins;
static _Atomic int64_t excess;    /* waits and wakes beyond those allowed */
static _Atomic int64_t all_joins; /* never reset */
static _Atomic bool system_is_slow;

typedef long syscall_fn(long number, ...);
typedef int mutex_fn(pthread_mutex_t *mutex);
typedef int wait_fn(pthread_cond_t *condition, pthread_mutex_t *mutex);
static syscall_fn *system_call;
static mutex_fn *lock_mutex;
static wait_fn *wait_condition;

/* What glibc calls its own; dlsym would allocate while being asked for malloc. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

void *malloc(size_t bytes) {
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes) {
    allocations++;
    return __libc_calloc(n, bytes);
}

void *realloc(void *memory, size_t bytes) {
    allocations++;
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    allocations++;
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    allocations++;
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    allocations++;
    void *made = __libc_memalign(alignment, bytes);
    if (!made) return ENOMEM;
    *memory = made;
    return 0;
}

void free(void *memory) {
    if (memory) allocations++;
    __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t *mutex) {
    mutexes++;
    if (!lock_mutex) *(void **)&lock_mutex = dlsym(RTLD_NEXT, "pthread_mutex_lock");
    return lock_mutex(mutex);
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    mutexes++;
    if (!wait_condition) *(void **)&wait_condition = dlsym(RTLD_NEXT, "pthread_cond_wait");
    return wait_condition(condition, mutex);
}

/* What one thread did: a level that rises with each, and falls to no less than 0 with each join, is
 * above 2 as soon as there were more than k + 1 in some k joins. */
struct tally {
    int64_t n, level, at_join;
};
static _Thread_local struct tally my_waits, my_wakes;

static void count(struct tally *tally) {
    int64_t now = all_joins, fallen = tally->level - (now - tally->at_join);
    tally->level = (fallen < 0 ? 0 : fallen) + 1;
    tally->at_join = now;
    tally->n++;
    excess += tally->level > 2;
}

static void sleep_us(long us) {
    const struct timespec time = {0, us * 1000};
    nanosleep(&time, NULL);
}

/* A system that takes its time, now more, now less, before it waits or wakes: whatever can happen
 * meanwhile does. */
static void dawdle(void) {
    static _Thread_local unsigned n;
    static const short us[] = {0, 150, 30, 300, 0, 80, 500};
    if (system_is_slow) sleep_us(us[n++ % (sizeof us / sizeof us[0])]);
}

static void count_futex(long operation) {
    bool waiting = operation == FUTEX_WAIT;
    bool waking = operation == FUTEX_WAKE || operation == FUTEX_CMP_REQUEUE;
    if (!waiting && !waking) fail_msg("futex operation %ld is not counted", operation);
    waits += waiting;
    wakes += waking;
    count(waiting ? &my_waits : &my_wakes);
    dawdle();
}

/* All calls that this library makes have up to six arguments. */
long syscall(long number, ...) {
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_futex) count_futex(a[1] & FUTEX_CMD_MASK);
    return system_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void __real_tn_parallel_for(tn_pool *pool, int64_t n_tasks, tn_task_fn *run, void *context);
void __wrap_tn_parallel_for(tn_pool *pool, int64_t n_tasks, tn_task_fn *run, void *context);
void __wrap_tn_parallel_for(tn_pool *pool, int64_t n_tasks, tn_task_fn *run, void *context) {
    bool joining = tn_pool_threads(pool) > 1 && n_tasks > 1;
    joins += joining;
    all_joins += joining;
    my_waits = my_wakes = (struct tally){.at_join = all_joins};
    __real_tn_parallel_for(pool, n_tasks, run, context);
    excess += my_waits.n > 1;
    excess += my_wakes.n > 1;
}

/* ---- Steps ------------------------------------------------------------------------------------
 */

enum { SIDE = 32, BATCH = 32, STEPS = 6, CLASSES = 10 };

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

static tn_dataset *make_dataset(void) {
    static uint8_t pixels[BATCH * SIDE * SIDE];
    int32_t labels[BATCH];
    tn_dataset *dataset;
    for (int i = 0; i < BATCH * SIDE * SIDE; i++) pixels[i] = (uint8_t)(i * 7);
    for (int i = 0; i < BATCH; i++) labels[i] = i % CLASSES;
    check(tn_dataset_create("stripes", BATCH, SIDE, SIDE, 1, CLASSES, pixels, labels, &dataset,
                            &error));
    return dataset;
}

static tn_model *make_model(const char *name) {
    tn_model_options options = TN_INIT(tn_model_options);
    tn_model *model;
    options.channels = 1;
    options.height = options.width = SIDE;
    options.n_classes = CLASSES;
    check(tn_model_build(name, &options, &model, &error));
    return model;
}

static void pause_past_spinning(void) { sleep_us(2000); }

static void reset_counters(void) { allocations = mutexes = waits = wakes = joins = excess = 0; }

/* After a first step, STEPS further ones; before each the workers have time to fall asleep. */
static void run_steps(tn_trainer *trainer) {
    uint32_t which[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) which[i] = i;
    tn_trainer_step(trainer, 0, 0.01, which, BATCH);
    reset_counters();
    for (int64_t step = 1; step <= STEPS; step++) {
        pause_past_spinning();
        tn_trainer_step(trainer, step, 0.01, which, BATCH);
    }
}

static void check_counts(const char *name, int n_threads) {
    int64_t counted[] = {allocations, mutexes, waits, wakes, joins};
    if (counted[0] + counted[1] > 0)
        fail_msg("%s on %d threads: %d allocations and %d mutexes in %d steps", name, n_threads,
                 (int)counted[0], (int)counted[1], STEPS);
    if (n_threads == 1) {
        assert_int_equal(counted[2] + counted[3] + counted[4], 0);
        return;
    }
    assert_true(counted[4] >= STEPS);
    assert_true(counted[2] > 0); /* they did sleep, and this was seen */
    assert_true(counted[3] > 0);
    if (excess > 0)
        fail_msg("%s on %d threads: %d waits and wakes too many", name, n_threads, (int)excess);
}

static void train(const char *name, tn_train_options o) {
    tn_dataset *dataset = make_dataset();
    tn_model *model = make_model(name);
    o.epochs = 1;
    o.batch_size = o.accumulate > 1 ? BATCH / o.accumulate : BATCH;
    for (o.n_threads = 1; o.n_threads <= 4; o.n_threads++) {
        tn_trainer trainer;
        tn_train_options resolved = o;
        tn_train_resolve(model, dataset, &resolved);
        check(tn_trainer_create(model, dataset, &resolved, BATCH, false, &trainer, &error));
        run_steps(&trainer);
        check_counts(name, o.n_threads);
        tn_trainer_free(&trainer);
    }
    tn_model_free(model);
    tn_dataset_free(dataset);
}

static void mnist_cnn_steps_are_quiet(void **state) {
    (void)state;
    train("mnist-cnn", TN_INIT(tn_train_options));
}

static void steps_with_everything_are_quiet(void **state) {
    (void)state;
    tn_train_options o = TN_INIT(tn_train_options);
    o.optimizer = TN_OPTIMIZER_LARS;
    o.clip_norm = 0.1;
    o.accumulate = 2;
    o.ema = 0.99;
    o.augment = (tn_augmentation){.crop = 2, .rotate = 10, .flip = true, .mixup = 0.2};
    train("resnet20", o);
}

/* Tasks of unequal length, so that threads end in all orders, and late. */
static void idle(void *context, int64_t task, int thread) {
    static const short us[] = {0, 200, 0, 50, 400, 0, 100};
    const int64_t *join = context;
    (void)thread;
    sleep_us(us[(*join * 5 + task) % 7]);
}

static void threads_wait_and_wake_once_for_each_join(void **state) {
    enum { JOINS = 300 };
    (void)state;
    for (int n_threads = 2; n_threads <= 4; n_threads++) {
        tn_pool *pool;
        check(tn_pool_create(n_threads, &pool, &error));
        system_is_slow = true;
        reset_counters();
        for (int64_t i = 0; i < JOINS; i++) tn_parallel_for(pool, 2 + i % n_threads, idle, &i);
        int64_t counted[] = {waits, wakes, excess};
        system_is_slow = false;
        tn_pool_free(pool);
        assert_true(counted[0] >
                    JOINS / 20); /* on a busy machine workers come late or not at all */
        assert_true(counted[1] > JOINS / 20);
        if (counted[2] > 0)
            fail_msg("%d threads, %d joins: %d waits and wakes too many", n_threads, JOINS,
                     (int)counted[2]);
    }
}

/* The counters themselves: a test that cannot fail proves nothing. */
static void one_task(void *context, int64_t task, int thread) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    (void)context, (void)task, (void)thread;
    void *volatile memory = malloc(1);
    free(memory);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void counters_count(void **state) {
    enum { TASKS = 8, MOST_JOINS = 500 };
    (void)state;
    tn_pool *pool;
    check(tn_pool_create(2, &pool, &error));
    pause_past_spinning();
    reset_counters();
    int n = 0;
    while (n < MOST_JOINS && (waits == 0 || wakes == 0)) { /* a busy machine runs workers late */
        tn_parallel_for(pool, TASKS, one_task, NULL);
        pause_past_spinning();
        n++;
    }
    int64_t counted[] = {allocations, mutexes, joins, waits, wakes};
    tn_pool_free(pool);
    assert_int_equal(counted[0], 2 * TASKS * n);
    assert_int_equal(counted[1], TASKS * n);
    assert_int_equal(counted[2], n);
    assert_true(counted[3] >= 1);
    assert_true(counted[4] >= 1);
}

int main(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 77; /* the sanitizer has put its own functions there */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 77;
#endif
#endif
    *(void **)&system_call = dlsym(RTLD_NEXT, "syscall");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_count),
        cmocka_unit_test(threads_wait_and_wake_once_for_each_join),
        cmocka_unit_test(mnist_cnn_steps_are_quiet),
        cmocka_unit_test(steps_with_everything_are_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
