/* SPDX-License-Identifier: Apache-2.0 */
/* bench-layers: times single operators, forward and backward, at the shapes that real networks
 * have, each beside the multiply-add peak of the same moment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "fma_peak.h"
#include "layer_case.h"
#include "ops/ops.h"
#include "timing.h"

#define CONV(o, c, k, attributes)                                                                  \
    { "Conv", attributes, {o, c, k, k}, true }
#define CONV_ONLY(o, c, k, attributes)                                                             \
    {                                                                                              \
        "Conv", attributes, { o, c, k, k }                                                         \
    }
#define GEMM(o, k)                                                                                 \
    { "Gemm", "transB=1", {o, k}, true }
#define RELU                                                                                       \
    { "Relu", "" }
#define POOL                                                                                       \
    { "MaxPool", "kernel_shape=2,2 strides=2,2" }
#define PAD "pads=1,1,1,1"
#define BY_2 " strides=2,2"

static const layer_case cases[] = {
    {"conv 32-64 3x3 on 26x26", {32, 26, 26}, {CONV_ONLY(64, 32, 3, "")}},
    {"relu, conv 32-64 3x3 on 26x26, relu, pool",
     {32, 26, 26},
     {RELU, CONV(64, 32, 3, ""), RELU, POOL}},
    {"conv 32-64 3x3 on 26x26, pool", {32, 26, 26}, {CONV(64, 32, 3, ""), POOL}},
    {"conv 1-32 3x3 on 28x28, relu, mean",
     {1, 28, 28},
     {CONV(32, 1, 3, ""), RELU, {"AveragePool", "kernel_shape=2,2 strides=2,2"}},
     true},
    {"conv 1-32 3x3 on 28x28, relu, conv 32-64",
     {1, 28, 28},
     {CONV(32, 1, 3, ""), RELU, CONV(64, 32, 3, "")},
     true},
    {"conv 1-16 3x3 on 28x28, relu, conv 16-32",
     {1, 28, 28},
     {CONV_ONLY(16, 1, 3, PAD), RELU, CONV(32, 16, 3, PAD)},
     true},
    {"conv 3-16 3x3 on 32x32", {3, 32, 32}, {CONV_ONLY(16, 3, 3, PAD)}, true},
    {"conv 16-16 3x3 on 28x28", {16, 28, 28}, {CONV_ONLY(16, 16, 3, PAD)}},
    {"conv 32-32 3x3 on 14x14", {32, 14, 14}, {CONV_ONLY(32, 32, 3, PAD)}},
    {"conv 64-64 3x3 on 7x7", {64, 7, 7}, {CONV_ONLY(64, 64, 3, PAD)}},
    {"conv 16-32 3x3 on 28x28 by 2", {16, 28, 28}, {CONV_ONLY(32, 16, 3, PAD BY_2)}},
    {"conv 32-64 3x3 on 14x14 by 2", {32, 14, 14}, {CONV_ONLY(64, 32, 3, PAD BY_2)}},
    {"conv 16-32 1x1 on 28x28 by 2", {16, 28, 28}, {CONV_ONLY(32, 16, 1, BY_2)}},
    {"conv 64-256 1x1 on 14x14", {64, 14, 14}, {CONV_ONLY(256, 64, 1, "")}},
    {"conv 256-64 1x1 on 14x14", {256, 14, 14}, {CONV_ONLY(64, 256, 1, "")}},
    {"conv 64 3x3 depthwise on 28x28", {64, 28, 28}, {CONV_ONLY(64, 1, 3, PAD " group=64")}},
    {"conv 3-10 5x5 on 28x28, pool, relu", {3, 28, 28}, {CONV(10, 3, 5, ""), POOL, RELU}, true},
    {"conv 10-20 5x5 on 12x12, pool, relu", {10, 12, 12}, {CONV(20, 10, 5, ""), POOL, RELU}},
    {"gemm 9216-128", {9216}, {GEMM(128, 9216)}},
    {"gemm 9216-128, relu, dropout", {9216}, {GEMM(128, 9216), RELU, {"Dropout", "ratio=.5"}}},
    {"gemm 128-10", {128}, {GEMM(10, 128)}},
    {"gemm 320-50", {320}, {GEMM(50, 320)}},
    {"pool 2x2 64 on 24x24", {64, 24, 24}, {POOL}},
    {"relu, pool 2x2 16 on 28x28", {16, 28, 28}, {RELU, POOL}},
    {"pool 3x3 by 2 64 on 28x28", {64, 28, 28}, {{"MaxPool", "kernel_shape=3,3 " PAD BY_2}}},
    {"relu 64 on 24x24", {64, 24, 24}, {RELU}},
};
enum { N_CASES = sizeof cases / sizeof cases[0], MAX_ROUNDS = 15, TILE_SAMPLES = 16 };

typedef struct settings {
    const char *only; /* "" for all */
    int n_threads, rounds;
    int64_t batch;
    double turn_ns; /* of each measurement of a node or of the peak */
} settings;

typedef struct row_result {
    double ns; /* of one sample */
    double gflops, part_of_peak;
} row_result;

/* One thread can be timed without those who use its core, too; several wait for each other. */
static bench_clock clock_for(const tn_pool *pool) {
    return tn_pool_threads(pool) == 1 ? BENCH_OWN : BENCH_WALL;
}

static double ns_per_call(planned_case *p, int step, int64_t times) {
    bench_clock clock = clock_for(p->pool);
    double start = bench_now_ns(clock);
    planned_case_run(p, step, times);
    return (bench_now_ns(clock) - start) / (double)times;
}

static row_result measure(planned_case *p, int step, const settings *s) {
    const tn_node *node = p->plan->steps[step].node;
    double ns[MAX_ROUNDS], part[MAX_ROUNDS];
    int64_t samples = planned_case_run(p, step, 1), times = 1;
    double macs = node->op->macs ? (double)node->op->macs(node) : 0;
    while (ns_per_call(p, step, times) * (double)times < s->turn_ns) times *= 2;
    double before = bench_fma_peak(p->plan->kernels.level, p->pool, clock_for(p->pool), s->turn_ns);
    for (int r = 0; r < s->rounds; r++) {
        ns[r] = ns_per_call(p, step, times) / (double)samples;
        double after =
            bench_fma_peak(p->plan->kernels.level, p->pool, clock_for(p->pool), s->turn_ns);
        part[r] = 2 * macs / ns[r] / ((before + after) / 2);
        before = after;
    }
    row_result result = {.ns = bench_median(s->rounds, ns),
                         .part_of_peak = bench_median(s->rounds, part)};
    result.gflops = 2 * macs / result.ns;
    return result;
}

static void print_row(const layer_case *c, const tn_plan_step *step, const row_result *row) {
    double gbytes = (double)planned_step_sample_bytes(step) / row->ns;
    printf("%-42s %-16s %-10s", c->name, step->node->op->name, step->implementation->name);
    if (row->gflops > 0)
        printf(" %8.1f %6.1f %%", row->gflops, 100 * row->part_of_peak);
    else
        printf(" %8s %8s", "", "");
    printf(" %8.1f %10.2f\n", gbytes, row->ns * 1e-3);
    fflush(stdout);
}

/* Whether the row is asked for by the case, the operator or both: "conv 32-64", "GradWeight". */
static bool is_wanted(const char *only, const layer_case *c, const tn_node *node) {
    char row[160];
    snprintf(row, sizeof row, "%s %s", c->name, node->op->name);
    return node->op != &tn_op_reorder && strstr(row, only) != NULL;
}

/* Adds the number of rows printed to *n_rows. */
static tn_status bench_case(const layer_case *c, const tn_kernels *kernels, tn_pool *pool,
                            const settings *s, int *n_rows, tn_error *error) {
    planned_case planned;
    int64_t batch = tn_max_i64(s->batch, TILE_SAMPLES * s->n_threads);
    TN_TRY(planned_case_create(c, batch, kernels, pool, &planned, error));
    for (int i = 0; i < planned.plan->n_steps; i++) {
        const tn_plan_step *step = &planned.plan->steps[i];
        if (!is_wanted(s->only, c, step->node)) continue;
        row_result row = measure(&planned, i, s);
        print_row(c, step, &row);
        ++*n_rows;
    }
    planned_case_free(&planned);
    return TN_OK;
}

static tn_status bench_all(const tn_kernels *kernels, tn_pool *pool, const settings *s, int *n_rows,
                           tn_error *error) {
    printf("level %s, threads %d\n", kernels->level, s->n_threads);
    printf("%-42s %-16s %-10s %8s %8s %8s %10s\n", "layers", "operator", "by", "GFLOP/s", "of peak",
           "GB/s", "us/image");
    for (int i = 0; i < N_CASES; i++)
        TN_TRY(bench_case(&cases[i], kernels, pool, s, n_rows, error));
    printf("multiply-add peak after all: %.1f GFLOP/s\n",
           bench_fma_peak(kernels->level, pool, clock_for(pool), s->turn_ns));
    return TN_OK;
}

static void print_help(FILE *file) {
    fputs(
        "usage: bench-layers [--only TEXT] [--threads N] [--quick]\n"
        "Times the nodes of single layers and of their gradients, batch 64, as training plans\n"
        "them; TENON_CPU chooses the kernels. A node that runs tile by tile repeats one tile per\n"
        "thread, so its data is in the cache. Each row: effective GFLOP/s (as if every product\n"
        "were computed), of the multiply-add peak measured right before and after (medians of\n"
        "interleaved repetitions), bytes of samples read and written, time of one image.\n"
        "One thread is timed by the processor time it gets, several by the clock.\n"
        "  --only TEXT  rows whose layers and operator hold TEXT: \"conv 32-64\", GradWeight\n"
        "  --threads N  1 to 16; default 1\n"
        "  --quick      a look at everything, too short for numbers to be good\n",
        file);
}

/* Returns 0, or the status to exit with plus 1. */
static int parse(int argc, char **argv, settings *s) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout);
            return 1;
        }
        if (strcmp(argv[i], "--quick") == 0) {
            s->batch = 16;
            s->rounds = 1;
            s->turn_ns = 1e5;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            s->only = argv[++i];
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
            char *end;
            long n = strtol(argv[++i], &end, 10);
            s->n_threads = *end == '\0' && n >= 1 && n <= 16 ? (int)n : 0;
        } else {
            s->n_threads = 0;
        }
        if (s->n_threads == 0) {
            print_help(stderr);
            return 3;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    settings s = {.only = "", .n_threads = 1, .rounds = MAX_ROUNDS, .batch = 64, .turn_ns = 2e6};
    int end = parse(argc, argv, &s), n_rows = 0;
    if (end != 0) return end - 1;
    tn_error error;
    tn_kernels kernels;
    tn_pool *pool = NULL;
    tn_status status = tn_kernels_select(&kernels, &error);
    if (status == TN_OK) status = tn_pool_create(s.n_threads, &pool, &error);
    if (status == TN_OK) status = bench_all(&kernels, pool, &s, &n_rows, &error);
    if (status == TN_OK && n_rows == 0)
        status = tn_fail(&error, TN_ERR_ARGUMENT, "no row holds \"%s\" (see --help)", s.only);
    tn_pool_free(pool);
    if (status != TN_OK) fprintf(stderr, "bench-layers: %s\n", error.message);
    return status == TN_OK ? 0 : 1;
}
