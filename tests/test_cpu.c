/* SPDX-License-Identifier: Apache-2.0 */
#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/philox.h"
#include "cpu/budget.h"
#include "cpu/cgroup.h"
#include "cpu/isa.h"
#include "cpu/pool.h"
#include "cpu/topology.h"
#include "machine_files.h"

/* ---- Pool ---- */

struct tally {
    _Atomic int times[1000];
    _Atomic int64_t sum;
    _Atomic int wrong_thread;
    int n_threads;
};

static void count_task(void *context, int64_t task, int thread) {
    struct tally *tally = context;
    atomic_fetch_add(&tally->times[task], 1);
    atomic_fetch_add(&tally->sum, task);
    if (thread < 0 || thread >= tally->n_threads) atomic_fetch_add(&tally->wrong_thread, 1);
}

static tn_pool *make_pool(int n_threads) {
    tn_pool *pool = NULL;
    tn_error error;
    assert_int_equal(tn_pool_create(n_threads, &pool, &error), TN_OK);
    assert_int_equal(tn_pool_threads(pool), n_threads);
    return pool;
}

static void check_each_task_runs_once(tn_pool *pool) {
    static const int sizes[] = {0, 1, 2, 3, 7, 100, 1000};
    for (int i = 0; i < 7; i++) {
        struct tally tally = {.n_threads = tn_pool_threads(pool)};
        tn_parallel_for(pool, sizes[i], count_task, &tally);
        for (int task = 0; task < 1000; task++)
            assert_int_equal(tally.times[task], task < sizes[i] ? 1 : 0);
        assert_int_equal(tally.wrong_thread, 0);
    }
}

static void every_task_runs_once(void **state) {
    (void)state;
    check_each_task_runs_once(NULL);
    for (int n_threads = 1; n_threads <= 5; n_threads++) {
        tn_pool *pool = make_pool(n_threads);
        check_each_task_runs_once(pool);
        tn_pool_free(pool);
    }
}

static void null_pool_is_one_thread(void **state) {
    (void)state;
    assert_int_equal(tn_pool_threads(NULL), 1);
    tn_pool_free(NULL);
}

static void pool_of_no_threads_is_refused(void **state) {
    (void)state;
    tn_pool *pool = NULL;
    tn_error error = {""};
    assert_int_equal(tn_pool_create(0, &pool, &error), TN_ERR_ARGUMENT);
    assert_int_equal(tn_pool_create(-3, &pool, &error), TN_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "-3"));
    assert_null(pool);
}

/* Each thread writes where it sees fit without atomics: ThreadSanitizer watches that the caller may
 * read afterwards, and the workers what the caller wrote before. */
struct sums {
    int64_t input, n_tasks;
    int64_t output[64];
};

static void copy_input(void *context, int64_t task, int thread) {
    struct sums *sums = context;
    (void)thread;
    sums->output[task] = sums->input + task;
}

static void sleep_us(uint32_t us) {
    struct timespec time = {0, (long)us * 1000};
    nanosleep(&time, NULL);
}

/* Pauses around the time that workers spin, so that calls meet them spinning, going to sleep,
 * asleep, and waking. */
static void pause_sometimes(tn_random *random) {
    uint32_t choice = tn_random_below(random, 64);
    if (choice == 0) sleep_us(tn_random_below(random, 150));
    if (choice >= 56) {
        uint32_t turns = tn_random_below(random, 20000);
        for (volatile uint32_t i = 0; i < turns; i++) {
        }
    }
}

static void many_tiny_calls_lose_nothing(void **state) {
    (void)state;
    tn_random random = tn_random_begin(5, TN_PURPOSE_TEST, 0);
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        tn_pool *pool = make_pool(n_threads);
        struct sums sums = {0};
        for (int round = 0; round < 25000; round++) {
            sums.input = round;
            sums.n_tasks = tn_random_below(&random, round % 100 == 0 ? 65 : 6);
            tn_parallel_for(pool, sums.n_tasks, copy_input, &sums);
            for (int64_t i = 0; i < sums.n_tasks; i++)
                if (sums.output[i] != round + i) fail_msg("round %d: task %d", round, (int)i);
            pause_sometimes(&random);
        }
        tn_pool_free(pool);
    }
}

/* A task that waits until all the others run too: it ends only if no thread was left asleep. */
struct meeting {
    _Atomic int arrived, too_late;
    int expected;
};

static void meet(void *context, int64_t task, int thread) {
    struct meeting *meeting = context;
    (void)task;
    (void)thread;
    atomic_fetch_add(&meeting->arrived, 1);
    time_t deadline = time(NULL) + 30;
    while (atomic_load(&meeting->arrived) < meeting->expected) {
        if (time(NULL) > deadline) {
            atomic_store(&meeting->too_late, 1);
            return;
        }
        sched_yield();
    }
}

static void no_wake_up_is_lost(void **state) {
    (void)state;
    tn_random random = tn_random_begin(6, TN_PURPOSE_TEST, 0);
    for (int n_threads = 2; n_threads <= 4; n_threads++) {
        tn_pool *pool = make_pool(n_threads);
        for (int round = 0; round < 1500; round++) {
            int expected = 2 + (int)tn_random_below(&random, (uint32_t)n_threads - 1);
            struct meeting meeting = {.expected = expected};
            tn_parallel_for(pool, expected, meet, &meeting);
            assert_int_equal(meeting.too_late, 0);
            assert_int_equal(meeting.arrived, expected);
            pause_sometimes(&random);
            if (round % 4 == 0) sleep_us(30 + tn_random_below(&random, 60));
        }
        tn_pool_free(pool);
    }
}

/* The other side: the caller is done first and has to be woken. */
static void work_longer_elsewhere(void *context, int64_t task, int thread) {
    struct tally *tally = context;
    if (thread != 0) sleep_us(300);
    count_task(tally, task, thread);
}

static void caller_waits_for_slow_workers(void **state) {
    (void)state;
    for (int n_threads = 2; n_threads <= 3; n_threads++) {
        tn_pool *pool = make_pool(n_threads);
        for (int round = 0; round < 200; round++) {
            struct tally tally = {.n_threads = n_threads};
            tn_parallel_for(pool, 50, work_longer_elsewhere, &tally);
            assert_int_equal(tally.sum, 50 * 49 / 2);
        }
        tn_pool_free(pool);
    }
}

static void pools_start_and_end_in_any_state(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        tn_pool *pool = make_pool(1 + round % 4);
        struct tally tally = {.n_threads = 4};
        if (round % 3) tn_parallel_for(pool, 8, count_task, &tally);
        if (round % 5 == 0) sleep_us(100);
        tn_pool_free(pool);
        assert_int_equal(tally.sum, round % 3 ? 28 : 0);
    }
}

struct environment {
    struct meeting meeting;
    _Atomic int not_flushed, wrongly_rounded, unblocked_workers, blocked_callers;
};

static void look_around(void *context, int64_t task, int thread) {
    struct environment *environment = context;
    meet(&environment->meeting, task, thread);
    volatile float small = 1e-38f, tenth = 0.1f;
    if (small * tenth != 0) atomic_fetch_add(&environment->not_flushed, 1);
    volatile float one = 1, tiny = 1e-10f;
    if (one + tiny != 1) atomic_fetch_add(&environment->wrongly_rounded, 1);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    bool blocked = sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM);
    if (thread == 0) atomic_fetch_add(&environment->blocked_callers, blocked);
    if (thread != 0) atomic_fetch_add(&environment->unblocked_workers, !blocked);
}

static void signals_go_to_the_caller(void **state) {
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    tn_pool *pool = make_pool(3);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++) assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    struct environment environment = {.meeting.expected = 3};
    tn_parallel_for(pool, 3, look_around, &environment);
    assert_int_equal(environment.meeting.too_late, 0);
    assert_int_equal(environment.unblocked_workers, 0);
    assert_int_equal(environment.blocked_callers, 0);
    tn_pool_free(pool);
}

/* The part of the float mode that a program sets, and one that rounds upwards, flushing nothing. */
#if defined(__x86_64__)
enum { ROUNDS_UPWARDS = 0x1F80 | 0x4000 };
static unsigned float_mode(void) { return _mm_getcsr() & 0xFFC0; }
static void set_float_mode(unsigned mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
enum { ROUNDS_UPWARDS = 1 << 22 };
static unsigned float_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (unsigned)mode;
}
static void set_float_mode(unsigned mode) {
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
}
#else
enum { ROUNDS_UPWARDS = -1 };
static unsigned float_mode(void) { return 0; }
static void set_float_mode(unsigned mode) { (void)mode; }
#endif

static void float_mode_is_fixed_inside_and_restored_after(void **state) {
    (void)state;
    if (ROUNDS_UPWARDS < 0) skip();
    unsigned saved = float_mode();
    for (int n_threads = 0; n_threads <= 3; n_threads++) {
        set_float_mode(ROUNDS_UPWARDS); /* also while the workers start, which inherit it */
        tn_pool *pool = NULL;
        if (n_threads > 0) tn_pool_create(n_threads, &pool, NULL);
        int n_tasks = tn_pool_threads(pool);
        struct environment environment = {.meeting.expected = n_tasks};
        tn_parallel_for(pool, n_tasks, look_around, &environment);
        unsigned restored = float_mode();
        set_float_mode(saved);
        tn_pool_free(pool);
        assert_int_equal(restored, ROUNDS_UPWARDS & ~0x3f);
        assert_int_equal(environment.meeting.arrived, n_tasks);
        assert_int_equal(environment.not_flushed, 0);
        assert_int_equal(environment.wrongly_rounded, 0);
    }
}

/* ---- Instruction sets ---- */

static void isa_agrees_with_the_kernel(void **state) {
    (void)state;
#if defined(__x86_64__)
    char line[8192] = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) skip();
    while (fgets(line, sizeof line, file) && strncmp(line, "flags", 5) != 0) continue;
    fclose(file);
    if (strncmp(line, "flags", 5) != 0) skip();
    line[strcspn(line, "\n")] = ' ';
    unsigned expected = TN_ISA_SSE2;
    if (strstr(line, " avx2 ") && strstr(line, " fma ")) expected |= TN_ISA_AVX2;
    if (strstr(line, " avx512f ") && strstr(line, " avx512vl ") && strstr(line, " avx512bw ") &&
        strstr(line, " avx512dq "))
        expected |= TN_ISA_AVX512;
    assert_int_equal(tn_isa_detect(), expected);
#elif defined(__aarch64__)
    assert_int_equal(tn_isa_detect(), TN_ISA_NEON);
#else
    assert_int_equal(tn_isa_detect(), 0);
#endif
}

/* ---- Core budget: machines made of files ---- */

/* cpus ends with -1. */
static tn_budget budget_of(const char *root, const int *cpus) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (; *cpus >= 0; cpus++) CPU_SET(*cpus, &mask);
    return tn_budget_of(root, &mask, sizeof mask);
}

static void check_cores(const char *root, const int *cpus, int threads, int cores) {
    tn_budget budget = budget_of(root, cpus);
    assert_int_equal(budget.threads, threads);
    assert_int_equal(budget.cores, cores);
    assert_int_equal(budget.n_threads, cores);
    assert_true(budget.quota_cpus == 0);
}

static const int all8[] = {0, 1, 2, 3, 4, 5, 6, 7, -1};

static void hyper_threads_numbered_after_all_cores(void **state) {
    static const char *const lists[] = {"0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    for (int cpu = 0; cpu < 8; cpu++) put_siblings(*state, cpu, "core_cpus_list", lists[cpu % 4]);
    check_cores(*state, all8, 8, 4);
    check_cores(*state, (int[]){0, 1, 2, 3, -1}, 4, 4);
    check_cores(*state, (int[]){0, 4, -1}, 2, 1);
    check_cores(*state, (int[]){4, 5, -1}, 2, 2);
    check_cores(*state, (int[]){3, 4, 5, 7, -1}, 4, 3);
}

static void hyper_threads_numbered_side_by_side(void **state) {
    static const char *const lists[] = {"0-1\n", "2-3\n", "4-5\n", "6-7\n"};
    for (int cpu = 0; cpu < 8; cpu++)
        put_siblings(*state, cpu, "thread_siblings_list", lists[cpu / 2]);
    check_cores(*state, all8, 8, 4);
    check_cores(*state, (int[]){1, 2, -1}, 2, 2);
    check_cores(*state, (int[]){1, 2, 3, -1}, 3, 2);
    check_cores(*state, (int[]){7, -1}, 1, 1);
}

static void four_threads_in_a_core(void **state) {
    for (int cpu = 0; cpu < 8; cpu++)
        put_siblings(*state, cpu, "core_cpus_list", cpu % 2 ? "1,3,5,7\n" : "0,2,4,6\n");
    check_cores(*state, all8, 8, 2);
    check_cores(*state, (int[]){2, 6, 7, -1}, 3, 2);
}

static void newer_file_is_preferred(void **state) {
    for (int cpu = 0; cpu < 2; cpu++) {
        put_siblings(*state, cpu, "core_cpus_list", "0-1\n");
        put_siblings(*state, cpu, "thread_siblings_list", cpu ? "1\n" : "0\n");
    }
    check_cores(*state, (int[]){0, 1, -1}, 2, 1);
}

static void unknown_processors_count_as_cores(void **state) {
    check_cores(*state, (int[]){0, 1, 900, -1}, 3, 3);
    put_siblings(*state, 0, "core_cpus_list", "");
    put_siblings(*state, 1, "core_cpus_list", "nonsense\n");
    put_siblings(*state, 2, "core_cpus_list", "99999999999999999999-3,\n");
    put_siblings(*state, 3, "core_cpus_list", "5-,-2\n");
    check_cores(*state, (int[]){0, 1, 2, 3, -1}, 4, 4);
    check_cores(*state, (int[]){-1}, 1, 1);
}

static void check_quota(const char *root, double expected) {
    double quota = tn_cgroup_quota(root);
    if (quota != expected) fail_msg("quota %g instead of %g", quota, expected);
}

static void no_cgroup_means_no_quota(void **state) {
    check_quota(*state, 0);
    put(*state, "/proc/self/cgroup", "");
    check_quota(*state, 0);
    put(*state, "/proc/self/cgroup", "0::/\nnonsense\n7:\n:::\n");
    check_quota(*state, 0);
}

static void least_quota_of_version_2_counts(void **state) {
    put(*state, "/proc/self/cgroup", "0::/system.slice/tenon.service\n");
    put(*state, "/sys/fs/cgroup/system.slice/tenon.service/cpu.max", "max 100000\n");
    check_quota(*state, 0);
    put(*state, "/sys/fs/cgroup/system.slice/cpu.max", "350000 100000\n");
    check_quota(*state, 3.5);
    put(*state, "/sys/fs/cgroup/system.slice/tenon.service/cpu.max", "400000 100000\n");
    check_quota(*state, 3.5);
    put(*state, "/sys/fs/cgroup/system.slice/tenon.service/cpu.max", "100000 50000\n");
    check_quota(*state, 2);
    put(*state, "/sys/fs/cgroup/cpu.max", "50000 100000\n");
    check_quota(*state, 0.5);
}

static void version_2_beside_version_1_counts(void **state) {
    put(*state, "/proc/self/cgroup", "4:memory:/x\n0::/a\n");
    put(*state, "/sys/fs/cgroup/unified/a/cpu.max", "200000 100000\n");
    check_quota(*state, 2);
}

static void neighbouring_groups_do_not_count(void **state) {
    put(*state, "/proc/self/cgroup", "0::/a/b\n");
    put(*state, "/sys/fs/cgroup/a/b/c/cpu.max", "100000 100000\n");
    put(*state, "/sys/fs/cgroup/a/d/cpu.max", "100000 100000\n");
    put(*state, "/sys/fs/cgroup/a/b/cpu.max", "900000 100000\n");
    check_quota(*state, 9);
}

static void damaged_quotas_do_not_count(void **state) {
    static const char *const texts[] = {"",          "max",      "100000", "0 100000",
                                        "-1 100000", "100000 0", "x y"};
    put(*state, "/proc/self/cgroup", "0::/a\n");
    for (int i = 0; i < 7; i++) {
        put(*state, "/sys/fs/cgroup/a/cpu.max", texts[i]);
        check_quota(*state, 0);
    }
}

static void groups_outside_of_the_namespace_are_not_followed(void **state) {
    put(*state, "/proc/self/cgroup", "0::/../other\n");
    put(*state, "/sys/fs/other/cpu.max", "100000 100000\n");
    put(*state, "/sys/fs/cgroup/cpu.max", "300000 100000\n");
    check_quota(*state, 3);
}

static void version_1_quotas_count(void **state) {
    put(*state, "/proc/self/cgroup",
        "9:cpuset:/x\n4:cpuacct,cpu:/docker/abc\n1:name=systemd:/y\n0::/\n");
    put(*state, "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
    put(*state, "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
    check_quota(*state, 0);
    put(*state, "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "150000\n");
    check_quota(*state, 1.5);
    put(*state, "/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "100000\n");
    put(*state, "/sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n");
    check_quota(*state, 1);
}

/* Inside a container the mount point is the group itself, while the path is that of the host. */
static void version_1_mount_of_a_container_counts(void **state) {
    put(*state, "/proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n");
    put(*state, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    put(*state, "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    check_quota(*state, 2.5);
}

static void check_cut(const char *root, const char *cpu_max, int n_threads) {
    put(root, "/sys/fs/cgroup/cpu.max", cpu_max);
    assert_int_equal(budget_of(root, (int[]){0, 1, 2, 3, -1}).n_threads, n_threads);
}

static void quota_cuts_the_budget(void **state) {
    put(*state, "/proc/self/cgroup", "0::/\n");
    check_cut(*state, "max 100000\n", 4);
    check_cut(*state, "9223372036854775807 1\n", 4);
    check_cut(*state, "450000 100000\n", 4);
    check_cut(*state, "400000 100000\n", 4);
    check_cut(*state, "399999 100000\n", 3);
    check_cut(*state, "210000 70000\n", 3);
    check_cut(*state, "150000 100000\n", 1);
    check_cut(*state, "10000 100000\n", 1);
}

/* ---- What is told ---- */

static tn_cpu_info explained(int cores, int threads, int allowed_cores, int allowed_threads,
                             double quota) {
    tn_cpu_info info = TN_INIT(tn_cpu_info);
    info.cores = cores;
    info.hardware_threads = threads;
    info.allowed_cores = allowed_cores;
    info.allowed_threads = allowed_threads;
    info.quota_cpus = quota;
    tn_budget_explain(&info);
    assert_true(strlen(info.reason) < sizeof info.reason - 1);
    assert_true(strlen(info.advice) < sizeof info.advice - 1);
    return info;
}

static void reason_names_what_limits(void **state) {
    (void)state;
    static const char mask4[] = "4 physical cores in the affinity mask";
    static const struct {
        double quota;
        const char *rest;
    } cases[] = {{0, ", no cgroup quota"},
                 {6, ", within the cgroup quota of 6 CPUs"},
                 {2, ", cut to the cgroup quota of 2 CPUs"},
                 {2.5, ", cut to the cgroup quota of 2.5 CPUs, rounded down"},
                 {0.5, ", cut to the cgroup quota of 0.5 CPUs, but at least one thread"}};
    for (int i = 0; i < 5; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "%s%s", mask4, cases[i].rest);
        assert_string_equal(explained(4, 4, 4, 4, cases[i].quota).reason, expected);
    }
    assert_string_equal(explained(4, 8, 1, 2, 0).reason,
                        "1 physical core in the affinity mask, no cgroup quota");
}

static void advice_fits_the_machine(void **state) {
    (void)state;
    assert_non_null(strstr(explained(4, 8, 4, 8, 0).advice, "4 hyper-threads are left idle"));
    assert_non_null(strstr(explained(4, 8, 1, 2, 0).advice, "1 hyper-thread is left idle"));
    assert_non_null(strstr(explained(4, 8, 4, 8, 0).advice, "FMA units"));
    assert_non_null(strstr(explained(4, 8, 4, 4, 0).advice, "holds one per core"));
    assert_non_null(strstr(explained(4, 4, 4, 4, 0).advice, "nothing to disable"));
    assert_non_null(strstr(explained(4, 8, 4, 8, 2).advice, "quota is the limit"));
    assert_null(strstr(explained(4, 8, 4, 8, 4).advice, "quota"));
}

/* ---- This machine ---- */

static int hwloc_allowed_cores(void) {
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    hwloc_bitmap_t mask = hwloc_bitmap_alloc();
    assert_int_equal(hwloc_get_cpubind(topology, mask, HWLOC_CPUBIND_THREAD), 0);
    int cores = 0, n = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    for (int i = 0; i < n; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        cores += hwloc_bitmap_intersects(core->cpuset, mask) != 0;
    }
    hwloc_bitmap_free(mask);
    hwloc_topology_destroy(topology);
    return cores;
}

static tn_cpu_info inspect(void) {
    tn_cpu_info info;
    memset(&info, 'x', sizeof info);
    info.size = sizeof info;
    tn_topology_inspect(&info);
    return info;
}

static void inspection_is_consistent(void **state) {
    (void)state;
    tn_cpu_info info = inspect();
    assert_true(info.packages >= 1 && info.numa_nodes >= 1);
    assert_true(info.cores >= info.packages && info.hardware_threads >= info.cores);
    assert_in_range(info.allowed_cores, 1, info.cores);
    assert_in_range(info.allowed_threads, info.allowed_cores, info.hardware_threads);
    assert_in_range(info.n_threads, 1, info.allowed_cores);
    assert_true(info.l1d_bytes >= 0 && info.l2_bytes >= 0 && info.l3_bytes >= 0);
    assert_true(strlen(info.model) > 0 && strlen(info.model) < sizeof info.model);
    assert_true(strlen(info.reason) > 0 && strlen(info.advice) > 0);
}

static void short_way_agrees_with_hwloc(void **state) {
    (void)state;
    tn_cpu_info info = inspect();
    assert_int_equal(info.n_threads, tn_core_budget());
    if (hwloc_allowed_cores() > 0) assert_int_equal(info.allowed_cores, hwloc_allowed_cores());
    cpu_set_t mask;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    assert_int_equal(info.allowed_threads, CPU_COUNT(&mask));
}

static void affinity_mask_limits_the_budget(void **state) {
    (void)state;
    cpu_set_t saved, one;
    assert_int_equal(sched_getaffinity(0, sizeof saved, &saved), 0);
    int cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(cpu, &saved)) cpu--;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    tn_cpu_info info = inspect();
    int budget = tn_core_budget();
    tn_pool *pool = make_pool(3); /* more threads than processors: they must not spin */
    struct meeting meeting = {.expected = 3};
    tn_parallel_for(pool, 3, meet, &meeting);
    tn_pool_free(pool);
    assert_int_equal(sched_setaffinity(0, sizeof saved, &saved), 0);
    assert_int_equal(budget, 1);
    assert_int_equal(info.n_threads, 1);
    assert_int_equal(info.allowed_cores, 1);
    assert_int_equal(info.allowed_threads, 1);
    assert_int_equal(meeting.too_late, 0);
    assert_memory_equal(info.reason, "1 physical core in the affinity mask", 36);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(null_pool_is_one_thread),
        cmocka_unit_test(pool_of_no_threads_is_refused),
        cmocka_unit_test(many_tiny_calls_lose_nothing),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(caller_waits_for_slow_workers),
        cmocka_unit_test(pools_start_and_end_in_any_state),
        cmocka_unit_test(signals_go_to_the_caller),
        cmocka_unit_test(float_mode_is_fixed_inside_and_restored_after),
        cmocka_unit_test(isa_agrees_with_the_kernel),
        WITH_ROOT(hyper_threads_numbered_after_all_cores),
        WITH_ROOT(hyper_threads_numbered_side_by_side),
        WITH_ROOT(four_threads_in_a_core),
        WITH_ROOT(newer_file_is_preferred),
        WITH_ROOT(unknown_processors_count_as_cores),
        WITH_ROOT(no_cgroup_means_no_quota),
        WITH_ROOT(least_quota_of_version_2_counts),
        WITH_ROOT(version_2_beside_version_1_counts),
        WITH_ROOT(neighbouring_groups_do_not_count),
        WITH_ROOT(damaged_quotas_do_not_count),
        WITH_ROOT(groups_outside_of_the_namespace_are_not_followed),
        WITH_ROOT(version_1_quotas_count),
        WITH_ROOT(version_1_mount_of_a_container_counts),
        WITH_ROOT(quota_cuts_the_budget),
        cmocka_unit_test(reason_names_what_limits),
        cmocka_unit_test(advice_fits_the_machine),
        cmocka_unit_test(inspection_is_consistent),
        cmocka_unit_test(short_way_agrees_with_hwloc),
        cmocka_unit_test(affinity_mask_limits_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
