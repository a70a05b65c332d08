/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_sparse.c: the input gradient of a product with a large weight, where most of dy is known to
 * be zero, as behind Dropout and Relu. What is not zero is listed, sample by sample, and multiplied
 * by whole rows of the weight: dA[i][k] = Σ_o dy[i][o] · B[k][o]. Nothing is approximated: the
 * products left out are zero (or NaN, of a zero and an infinite number). It runs over the whole
 * batch, divided between threads by rows of the weight. */
#include "base/size.h"
#include "ops/density.h"
#include "ops/gemm.h"

enum {
    COLUMNS = 64,    /* numbers of dA computed at a time, eight vectors, from so many of dy: */
    OUTPUTS = 64,    /* a block of the weight fits the nearest cache */
    SAMPLES = 8,     /* computed while their share of the next block is fetched */
    UNIT_PARTS = 24, /* units of work, while each has at least COLUMNS */
    UNIT_COLUMNS = 6 * COLUMNS, /* and at most so many rows of the weight */
    LINE = 16                   /* numbers that the memory delivers at once */
};

static int64_t depth_of(const tn_node *node) { return node->outputs[0]->shape.dims[1]; }
static int64_t outputs_of(const tn_node *node) { return node->inputs[0]->shape.dims[1]; }

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    return !kernels->naive && tn_gemm_is_large(depth_of(node), outputs_of(node)) &&
           tn_density(node->inputs[0]) <= TN_SPARSE;
}

static int64_t unit_columns(int64_t k) {
    int64_t each = (k + UNIT_PARTS - 1) / UNIT_PARTS;
    return tn_min_i64(UNIT_COLUMNS, tn_round_up(each, COLUMNS));
}

static int64_t units(const tn_node *node) {
    int64_t k = depth_of(node), each = unit_columns(k);
    return (k + each - 1) / each;
}

/* Of a block of outputs: sample i has the numbers from begin[i] on. */
typedef struct sample_lists {
    int64_t *begin;
    real *values;
    int32_t *places;
    real *weight; /* [OUTPUTS][COLUMNS] */
} sample_lists;

static void *take(char **room, int64_t bytes) {
    void *at = *room;
    *room += tn_round_up(bytes, 64);
    return at;
}

static int64_t split(int64_t n, char *room, sample_lists *lists) {
    char *start = room;
    int64_t most = n * OUTPUTS + TN_NONZERO_SLACK;
    lists->begin = take(&room, (n + 1) * (int64_t)sizeof *lists->begin);
    lists->values = take(&room, most * (int64_t)sizeof *lists->values);
    lists->places = take(&room, most * (int64_t)sizeof *lists->places);
    lists->weight = take(&room, OUTPUTS * COLUMNS * (int64_t)sizeof *lists->weight);
    return room - start;
}

static int64_t workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)node, (void)kernels;
    sample_lists lists;
    return split(n, NULL, &lists);
}

/* B[t][j] of stored B. */
static const real *weight_at(const tn_run *run, int64_t t, int64_t j) {
    int64_t k = depth_of(run->node), o = outputs_of(run->node);
    return (const real *)run->in[1] + tn_gemm_place(tn_gemm_in_panels(k, o), k, o, t, j);
}

/* B[t + i][j + l] of i < columns, l < outputs becomes weight[l][i]. */
static void turn_weight(const tn_run *run, int64_t t, int64_t columns, int64_t j, int64_t outputs,
                        real *weight) {
    int64_t o = outputs_of(run->node);
    bool in_panels = tn_gemm_in_panels(depth_of(run->node), o);
    int64_t width = in_panels ? TN_GEMM_PANEL : outputs, step = in_panels ? TN_GEMM_PANEL : o;
    for (int64_t l = 0; l < outputs; l += width)
        run->kernels->transpose(columns, width, weight_at(run, t, j + l), step,
                                weight + l * COLUMNS, COLUMNS);
}

/* While samples [i, i + SAMPLES) are computed, asks for their share of the block of the weight from
 * row t on, and for what they will write then. */
static void look_ahead(const tn_run *run, int64_t i, int64_t t, int64_t j, int64_t outputs) {
    int64_t k = depth_of(run->node), end = tn_min_i64(i + SAMPLES, run->n);
    for (; i < end; i++) {
        const real *dx = (const real *)run->out[0] + i * k + t;
        for (int64_t l = 0; l < COLUMNS; l += LINE) __builtin_prefetch(dx + l, 1);
        for (int64_t l = 0; l < outputs && i < COLUMNS; l += LINE)
            __builtin_prefetch(weight_at(run, t + i, j + l));
    }
}

/* Columns [t, t + columns) of all samples. */
static void run_block(const tn_run *run, const sample_lists *lists, int64_t t, int64_t columns,
                      int64_t j, int64_t outputs, bool is_last) {
    int64_t k = depth_of(run->node);
    turn_weight(run, t, columns, j, outputs, lists->weight);
    for (int64_t i = 0; i < run->n; i += SAMPLES) {
        if (!is_last) look_ahead(run, i, t + COLUMNS, j, outputs);
        run->kernels->sparse_product(&(tn_sparse_product){.rows = tn_min_i64(SAMPLES, run->n - i),
                                                          .begin = lists->begin + i,
                                                          .end = lists->begin + i + 1,
                                                          .values = lists->values,
                                                          .places = lists->places,
                                                          .matrix = lists->weight,
                                                          .ld = COLUMNS,
                                                          .n = columns,
                                                          .y = (real *)run->out[0] + i * k + t,
                                                          .y_row = k,
                                                          .from_zero = j == 0});
    }
}

static void run_sparse(const tn_run *run) {
    int64_t k = depth_of(run->node), o = outputs_of(run->node), unit = unit_columns(k);
    int64_t first = run->begin * unit, end = tn_min_i64(k, run->end * unit);
    sample_lists lists;
    split(run->n, run->workspace, &lists);
    for (int64_t j = 0; j < o; j += OUTPUTS) {
        int64_t outputs = tn_min_i64(OUTPUTS, o - j);
        run->kernels->nonzero(run->n, outputs, (const real *)run->in[0] + j, o, lists.values,
                              lists.places, lists.begin);
        for (int64_t t = first; t < end; t += COLUMNS)
            run_block(run, &lists, t, tn_min_i64(COLUMNS, end - t), j, outputs,
                      t + 2 * COLUMNS > end);
    }
}

const tn_implementation tn_gemm_grad_input_sparse = {.name = "sparse",
                                                     .cost = {.efficiency = 1.2f},
                                                     .applies = applies,
                                                     .units = units,
                                                     .workspace_bytes = workspace_bytes,
                                                     .run = run_sparse};
