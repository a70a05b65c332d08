/* SPDX-License-Identifier: Apache-2.0 */
/* test_budget.c: the core budget, the advice and pinning on machines that nobody here has. A
 * machine is one of hwloc's synthetic topologies, or a list of cores for what those cannot
 * describe; it is written down as the kernel would, and what is found there must agree with hwloc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <hwloc.h>

#include "cpu/fork_join.h"
#include "cpu/pin.h"
#include "cpu/pool.h"
#include "cpu/topology.h"
#include "machine_files.h"

enum { MAX_CPUS = 1024 };

typedef struct files {
    const char *path, *text;
} files;

/* threads and cores are those of the mask; pinned asks for that many threads under TN_PIN_AUTO. */
typedef struct machine {
    const char *name, *synthetic, *cores; /* either of the two */
    const char *mask;                     /* NULL: all */
    files cgroup[6];
    int packages, numa_nodes;
    int threads, n_cores, n_threads;
    const char *reason, *advice; /* part of the text */
    int pins_for;                /* this many threads are pinned; 0: no number is */
} machine;

#define NESTED "0::/user.slice/job.scope\n"
#define GROUP_OF_JOB "/sys/fs/cgroup/user.slice/job.scope/cpu.max"
#define GROUP_OF_USER "/sys/fs/cgroup/user.slice/cpu.max"

static const machine machines[] = {
    {"laptop", "pack:1 core:4 pu:2", .packages = 1, .numa_nodes = 1, .threads = 8, .n_cores = 4,
     .n_threads = 4, .reason = "no cgroup quota", .advice = "4 hyper-threads are left idle"},
    {"machine without SMT", "pack:1 core:6 pu:1", .packages = 1, .numa_nodes = 1, .threads = 6,
     .n_cores = 6, .n_threads = 6, .reason = "6 physical cores", .advice = "nothing to disable"},
    {"two sockets, two memory nodes", "pack:2 [numa] l3:1 core:4 pu:2", .packages = 2,
     .numa_nodes = 2, .threads = 16, .n_cores = 8, .n_threads = 8, .reason = "8 physical cores",
     .advice = "8 hyper-threads are left idle"},
    {"four memory nodes in a socket", "pack:1 numa:4 l3:2 core:8 pu:2", .packages = 1,
     .numa_nodes = 4, .threads = 128, .n_cores = 64, .n_threads = 64, .reason = "64 physical cores",
     .advice = "64 hyper-threads are left idle"},
    {"one socket of two by cpuset", "pack:2 [numa] l3:1 core:4 pu:2", .mask = "0-7", .packages = 2,
     .numa_nodes = 2, .threads = 8, .n_cores = 4, .n_threads = 4, .reason = "4 physical cores",
     .advice = "4 hyper-threads are left idle", .pins_for = 4},
    {"a thread of each core", "pack:1 core:4 pu:2", .mask = "0,2,4,6", .packages = 1,
     .numa_nodes = 1, .threads = 4, .n_cores = 4, .n_threads = 4, .advice = "holds one per core",
     .pins_for = 4},
    {"the odd thread of two cores", "pack:1 core:4 pu:2", .mask = "3,5", .packages = 1,
     .numa_nodes = 1, .threads = 2, .n_cores = 2, .n_threads = 2, .advice = "holds one per core",
     .pins_for = 2},
    {"both threads of one core", "pack:1 core:4 pu:2", .mask = "2-3", .packages = 1,
     .numa_nodes = 1, .threads = 2, .n_cores = 1, .n_threads = 1, .reason = "1 physical core in",
     .advice = "1 hyper-thread is left idle", .pins_for = 2},
    {"four threads in a core", "pack:1 core:8 pu:4", .mask = "4-9", .packages = 1, .numa_nodes = 1,
     .threads = 6, .n_cores = 2, .n_threads = 2, .advice = "4 hyper-threads are left idle",
     .pins_for = 2},
    {"processors beyond 64", "pack:2 core:64 pu:1", .mask = "62-65,127", .packages = 2,
     .numa_nodes = 1, .threads = 5, .n_cores = 5, .n_threads = 5, .pins_for = 5},
    {"two fast cores with SMT, four slow without", .cores = "0-1 2-3 4 5 6 7", .threads = 8,
     .n_cores = 6, .n_threads = 6, .reason = "6 physical cores",
     .advice = "2 hyper-threads are left idle"},
    {"the slow cores only", .cores = "0-1 2-3 4 5 6 7", .mask = "4-7", .threads = 4, .n_cores = 4,
     .n_threads = 4, .pins_for = 4},
    {"neighbours numbered apart", .cores = "0,4 1,5 2,6 3,7", .mask = "1-2,5-6", .threads = 4,
     .n_cores = 2, .n_threads = 2, .advice = "2 hyper-threads are left idle", .pins_for = 2},
    {"container with a quota", "pack:1 core:8 pu:2",
     .cgroup = {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "250000 100000\n"}},
     .packages = 1, .numa_nodes = 1, .threads = 16, .n_cores = 8, .n_threads = 2,
     .reason = "quota of 2.5 CPUs, rounded down", .advice = "hyper-threads too"},
    {"quota and mask", "pack:1 core:8 pu:2", .mask = "0-3",
     .cgroup = {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "400000 100000\n"}},
     .packages = 1, .numa_nodes = 1, .threads = 4, .n_cores = 2, .n_threads = 2,
     .reason = "within the cgroup quota of 4", .advice = "2 hyper-threads are left idle"},
    {"nested groups, the inner less", "pack:1 core:8 pu:1",
     .cgroup = {{"/proc/self/cgroup", NESTED},
                {GROUP_OF_JOB, "300000 100000\n"},
                {GROUP_OF_USER, "600000 100000\n"}},
     .packages = 1, .numa_nodes = 1, .threads = 8, .n_cores = 8, .n_threads = 3,
     .advice = "quota is the limit"},
    {"nested groups, the outer less", "pack:1 core:8 pu:1",
     .cgroup = {{"/proc/self/cgroup", NESTED},
                {GROUP_OF_JOB, "max 100000\n"},
                {GROUP_OF_USER, "50000 100000\n"}},
     .packages = 1, .numa_nodes = 1, .threads = 8, .n_cores = 8, .n_threads = 1,
     .reason = "at least one thread", .advice = "quota is the limit"},
    {"version 1, nested", "pack:2 [numa] core:4 pu:1",
     .cgroup = {{"/proc/self/cgroup", "4:cpu,cpuacct:/docker/a\n2:memory:/docker/a\n"},
                {"/sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us", "-1\n"},
                {"/sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us", "100000\n"},
                {"/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "600000\n"},
                {"/sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n"}},
     .packages = 2, .numa_nodes = 2, .threads = 8, .n_cores = 8, .n_threads = 6,
     .reason = "quota of 6 CPUs", .advice = "quota is the limit"},
};
enum { N_MACHINES = sizeof machines / sizeof *machines };

/* ---- Writing a machine down -------------------------------------------------------------------
 */

static void put_core(const char *root, const char *list, hwloc_const_bitmap_t cpus) {
    unsigned cpu;
    hwloc_bitmap_foreach_begin(cpu, cpus) put_siblings(root, (int)cpu, "core_cpus_list", list);
    hwloc_bitmap_foreach_end();
}

static hwloc_topology_t load_synthetic(const char *text) {
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    if (hwloc_topology_set_synthetic(topology, text) || hwloc_topology_load(topology))
        fail_msg("hwloc does not know \"%s\"", text);
    return topology;
}

static void put_synthetic(const char *root, hwloc_topology_t topology, hwloc_bitmap_t all) {
    char list[256];
    for (hwloc_obj_t core = NULL;
         (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core));) {
        hwloc_bitmap_list_snprintf(list, sizeof list, core->cpuset);
        put_core(root, list, core->cpuset);
        hwloc_bitmap_or(all, all, core->cpuset);
    }
}

static void put_cores(const char *root, const char *cores, hwloc_bitmap_t all) {
    char text[256], *rest = NULL;
    hwloc_bitmap_t one = hwloc_bitmap_alloc();
    snprintf(text, sizeof text, "%s", cores);
    for (char *list = strtok_r(text, " ", &rest); list; list = strtok_r(NULL, " ", &rest)) {
        hwloc_bitmap_list_sscanf(one, list);
        put_core(root, list, one);
        hwloc_bitmap_or(all, all, one);
    }
    hwloc_bitmap_free(one);
}

/* A machine under test, and what holds its mask. */
typedef struct built {
    hwloc_topology_t topology; /* NULL: only a list of cores */
    hwloc_bitmap_t mask;
    cpu_set_t bits[MAX_CPUS / CPU_SETSIZE];
    tn_affinity affinity;
    tn_budget budget;
    tn_cpu_info info;
} built;

static void build(const char *root, const machine *m, built *b) {
    char online[256];
    unsigned cpu;
    *b = (built){.mask = hwloc_bitmap_alloc(), .info = TN_INIT(tn_cpu_info)};
    if (m->synthetic) {
        b->topology = load_synthetic(m->synthetic);
        put_synthetic(root, b->topology, b->mask);
    } else {
        put_cores(root, m->cores, b->mask);
    }
    hwloc_bitmap_list_snprintf(online, sizeof online, b->mask);
    put(root, "/sys/devices/system/cpu/online", online);
    for (int i = 0; i < 6 && m->cgroup[i].path; i++)
        put(root, m->cgroup[i].path, m->cgroup[i].text);
    if (m->mask) hwloc_bitmap_list_sscanf(b->mask, m->mask);
    hwloc_bitmap_foreach_begin(cpu, b->mask) CPU_SET_S((size_t)cpu, sizeof b->bits, b->bits);
    hwloc_bitmap_foreach_end();
    b->affinity = (tn_affinity){b->bits, sizeof b->bits};
    b->budget = tn_budget_of(root, b->bits, sizeof b->bits);
    tn_topology_describe(b->topology, &b->budget, &b->info);
}

static void release(built *b) {
    if (b->topology) hwloc_topology_destroy(b->topology);
    hwloc_bitmap_free(b->mask);
}

/* ---- What must be found -----------------------------------------------------------------------
 */

static int cores_of(const built *b) {
    int n = 0;
    for (hwloc_obj_t core = NULL;
         (core = hwloc_get_next_obj_by_type(b->topology, HWLOC_OBJ_CORE, core));)
        n += hwloc_bitmap_intersects(core->cpuset, b->mask) != 0;
    return n;
}

static void expect(const machine *m, const char *what, int found, int expected) {
    if (found != expected) fail_msg("%s: %d %s instead of %d", m->name, found, what, expected);
}

static void expect_text(const machine *m, const char *text, const char *part) {
    if (part && !strstr(text, part)) fail_msg("%s: \"%s\" lacks \"%s\"", m->name, text, part);
}

static void check_budget(const machine *m, const built *b) {
    expect(m, "threads", b->budget.threads, m->threads);
    expect(m, "cores", b->budget.cores, m->n_cores);
    expect(m, "threads to use", b->budget.n_threads, m->n_threads);
    expect(m, "threads to use, told", b->info.n_threads, m->n_threads);
    expect_text(m, b->info.reason, m->reason);
    expect_text(m, b->info.advice, m->advice);
    if (!b->topology) return;
    expect(m, "cores by hwloc", cores_of(b), m->n_cores);
    expect(m, "threads by hwloc", hwloc_bitmap_weight(b->mask), m->threads);
    expect(m, "sockets", b->info.packages, m->packages);
    expect(m, "memory nodes", b->info.numa_nodes, m->numa_nodes);
    expect(m, "processors online", b->budget.online, b->info.hardware_threads);
}

/* Places are processors of the mask, all different; one per core while there are cores. */
static void check_places(const char *root, const machine *m, const built *b, int n) {
    int cpus[MAX_CPUS];
    cpu_set_t cores[MAX_CPUS / CPU_SETSIZE] = {0};
    assert_true(tn_pin_places(root, &b->affinity, n, cpus));
    for (int i = 0; i < n; i++) {
        if (!hwloc_bitmap_isset(b->mask, (unsigned)cpus[i]))
            fail_msg("%s: thread %d on processor %d", m->name, i, cpus[i]);
        for (int k = 0; k < i; k++) assert_int_not_equal(cpus[i], cpus[k]);
        int core = tn_budget_core_of(root, cpus[i], b->bits, sizeof b->bits);
        CPU_SET_S((size_t)core, sizeof cores, cores);
    }
    expect(m, "cores in use", CPU_COUNT_S(sizeof cores, cores), n < m->n_cores ? n : m->n_cores);
}

static void check_pinning(const char *root, const machine *m, const built *b) {
    char reason[TN_PIN_REASON];
    bool owned = m->pins_for > 0;
    const int numbers[] = {
        1, 2, m->n_cores - 1, m->n_cores, m->threads - 1, m->threads, m->threads + 1};
    for (int i = 0; i < 7; i++) {
        int n = numbers[i];
        bool fits = n > 1 && (n == m->n_cores || n == m->threads);
        bool pins = tn_pin_decide(&b->budget, n, TN_PIN_AUTO, reason);
        if (pins != (owned && fits)) fail_msg("%s: %d threads: %s", m->name, n, reason);
        assert_false(tn_pin_decide(&b->budget, n, TN_PIN_NO, reason));
        assert_int_equal(tn_pin_decide(&b->budget, n, TN_PIN_YES, reason),
                         n > 1 && n <= m->threads);
        if (n <= m->threads) check_places(root, m, b, n);
    }
    if (owned) assert_true(tn_pin_decide(&b->budget, m->pins_for, TN_PIN_AUTO, reason));
}

static void machines_give_what_they_should(void **state) {
    for (int i = 0; i < N_MACHINES; i++) {
        built b;
        char root[256];
        snprintf(root, sizeof root, "%s/%d", (const char *)*state, i);
        assert_int_equal(mkdir(root, 0777), 0);
        build(root, &machines[i], &b);
        check_budget(&machines[i], &b);
        check_pinning(root, &machines[i], &b);
        release(&b);
    }
}

/* A system that does not tell which processors it has may have more than the mask holds. */
static void unknown_machine_is_not_owned(void **state) {
    cpu_set_t two;
    char reason[TN_PIN_REASON];
    CPU_ZERO(&two);
    CPU_SET(0, &two);
    CPU_SET(1, &two);
    const char *const texts[] = {"", "nonsense", "3-1", "0-99999999999", "0-1"};
    for (int i = 0; i < 5; i++) {
        put(*state, "/sys/devices/system/cpu/online", texts[i]);
        tn_budget budget = tn_budget_of(*state, &two, sizeof two);
        assert_false(tn_pin_decide(&budget, 2, TN_PIN_AUTO, reason));
    }
    put(*state, "/sys/devices/system/cpu/online", "0-1,8-9\n");
    tn_budget budget = tn_budget_of(*state, &two, sizeof two);
    assert_int_equal(budget.online, 4);
    assert_true(tn_pin_decide(&budget, 2, TN_PIN_AUTO, reason));
}

/* ---- Threads of this machine ------------------------------------------------------------------
 */

typedef struct seen {
    _Atomic int arrived;
    int n, allowed[8];
} seen;

static void look(void *context, int64_t task, int thread) {
    seen *s = context;
    cpu_set_t mask;
    (void)task;
    s->arrived++;
    while (s->arrived < s->n) sched_yield(); /* so that each thread takes one task */
    sched_getaffinity(0, sizeof mask, &mask);
    s->allowed[thread] = CPU_COUNT(&mask);
}

static void check_pool(tn_pin pin, int n, bool pinned) {
    cpu_set_t before, after;
    seen s = {.n = n};
    tn_pool *pool;
    assert_int_equal(tn_pool_create(n, &pool, NULL), TN_OK);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    tn_pool_pin(pool, pin);
    assert_int_equal(tn_pool_pinned(pool), pinned);
    tn_parallel_for(pool, n, look, &s);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after)); /* the caller's own thread is the caller's */
    for (int i = 1; i < n; i++) assert_int_equal(s.allowed[i], pinned ? 1 : CPU_COUNT(&before));
    tn_pool_free(pool);
}

static void workers_are_pinned_when_asked(void **state) {
    (void)state;
    tn_budget here = tn_budget_here();
    if (here.threads < 2 || here.threads > 8) skip();
    check_pool(TN_PIN_YES, 2, true);
    check_pool(TN_PIN_NO, 2, false);
    check_pool(TN_PIN_YES, 1, false);
    tn_pool_pin(NULL, TN_PIN_YES);
    assert_false(tn_pool_pinned(NULL));
}

static void fork_and_join_take_time(void **state) {
    (void)state;
    tn_pool *pool;
    assert_int_equal(tn_pool_create(2, &pool, NULL), TN_OK);
    double one = tn_fork_join_us(NULL, 0, 11), two = tn_fork_join_us(pool, 0, 11);
    tn_pool_free(pool);
    assert_true(one > 0 && one < 1e6);
    assert_true(two > 0 && two < 1e6);
}

static void more_threads_than_processors_float(void **state) {
    (void)state;
    int n = tn_budget_here().threads + 1;
    if (n > 8) skip();
    check_pool(TN_PIN_YES, n, false);
    check_pool(TN_PIN_AUTO, n, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(machines_give_what_they_should, make_root, remove_root),
        cmocka_unit_test_setup_teardown(unknown_machine_is_not_owned, make_root, remove_root),
        cmocka_unit_test(workers_are_pinned_when_asked),
        cmocka_unit_test(more_threads_than_processors_float),
        cmocka_unit_test(fork_and_join_take_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
