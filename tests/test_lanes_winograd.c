/* SPDX-License-Identifier: Apache-2.0 */
/* test_lanes_winograd.c: Winograd's algorithm for samples in lanes: its transforms against the
 * convolution of a row, its three passes against double precision, beside the same passes computed
 * directly. Prints a table of docs/numerics.md. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "base/size.h"
#include "cpu/isa.h"
#include "graph/images.h"
#include "ops/conv_geometry.h"

enum { MAX_LEVELS = 8, PARTS = TN_LANES_WINOGRAD_PARTS };

static int levels_here(tn_kernels tables[MAX_LEVELS]) {
    int n = 0;
    for (const char *const *level = tn_kernel_levels(); *level; level++)
        if (tn_kernels_init(&tables[n], *level, tn_isa_detect())) n++;
    return n;
}

static void fill(tn_random *random, float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)(2 * tn_random_uniform(random) - 1);
}

/* ---- Transforms ------------------------------------------------------------------------------ */

enum { ROWS = 2, MOST_WIDTH = 15, MOST_TILES = 5, MOST_TAPS = 5, WEIGHTS = 19, GUARD = 16 };

/* Rows of x and y in lanes; one weight for all rows. Behind x and y is what must stay. */
typedef struct line {
    float x[ROWS * MOST_WIDTH * TN_LANES + GUARD], y[ROWS * MOST_WIDTH * TN_LANES + GUARD];
    float dw[MOST_TAPS * WEIGHTS + GUARD], w[MOST_TAPS * WEIGHTS];
    float v[PARTS * ROWS * MOST_TILES * TN_LANES], m[PARTS * ROWS * MOST_TILES * TN_LANES];
    float u[PARTS * WEIGHTS];
    int taps;
    int64_t width, before, out, tiles;
} line;

static const float guard = 77;

static void guard_all(line *l) {
    for (int i = 0; i < GUARD; i++) {
        l->x[ROWS * l->width * TN_LANES + i] = guard;
        l->y[ROWS * l->out * TN_LANES + i] = guard;
        l->dw[l->taps * WEIGHTS + i] = guard;
    }
}

static void expect_guards(const line *l) {
    for (int i = 0; i < GUARD; i++) {
        assert_true(l->x[ROWS * l->width * TN_LANES + i] == guard);
        assert_true(l->y[ROWS * l->out * TN_LANES + i] == guard);
        assert_true(l->dw[l->taps * WEIGHTS + i] == guard);
    }
}

/* `before` zeros in front of a row of x and as many behind. */
static line line_make(int taps, int64_t width, int64_t before) {
    line l = {.taps = taps, .width = width, .before = before};
    tn_random random = tn_random_begin(3, TN_PURPOSE_TEST, (uint64_t)(width * 8 + before));
    l.out = width + 2 * before - taps + 1;
    l.tiles = (l.out + 8 - taps) / (9 - taps);
    fill(&random, l.x, ROWS * width * TN_LANES);
    fill(&random, l.y, ROWS * l.out * TN_LANES);
    fill(&random, l.w, MOST_TAPS * WEIGHTS);
    fill(&random, l.dw, MOST_TAPS * WEIGHTS);
    guard_all(&l);
    return l;
}

static tn_lanes_winograd x_line(line *l, float *parts) {
    return (tn_lanes_winograd){.taps = l->taps,
                               .rows = ROWS,
                               .tiles = l->tiles,
                               .width = l->width,
                               .before = l->before,
                               .row_step = l->width * TN_LANES,
                               .image = l->x,
                               .result = l->x,
                               .parts = parts,
                               .part_step = ROWS * l->tiles * TN_LANES};
}

static tn_lanes_winograd y_line(line *l, float *parts) {
    tn_lanes_winograd w = x_line(l, parts);
    w.width = l->out;
    w.row_step = l->out * TN_LANES;
    w.image = w.result = l->y;
    return w;
}

/* The parts of `numbers` weights of each tap. */
static void transform_weight(const tn_kernels *k, line *l, int64_t numbers) {
    const tn_lanes_winograd w = {.taps = l->taps,
                                 .width = numbers,
                                 .row_step = WEIGHTS,
                                 .image = l->w,
                                 .parts = l->u,
                                 .part_step = WEIGHTS};
    k->lanes_winograd_weight(&w);
}

/* Parts times those of weight number i. */
static void multiply_parts(const line *l, const float *from, int64_t i, float *to) {
    int64_t step = ROWS * l->tiles * TN_LANES;
    for (int p = 0; p < PARTS; p++)
        for (int64_t k = 0; k < step; k++)
            to[p * step + k] = from[p * step + k] * l->u[p * WEIGHTS + i];
}

static double x_at(const line *l, const float *x, int64_t row, int64_t column, int lane) {
    if (column < 0 || column >= l->width) return 0;
    return (double)x[(row * l->width + column) * TN_LANES + lane];
}

static double y_at(const line *l, const float *y, int64_t row, int64_t column, int lane) {
    if (column < 0 || column >= l->out) return 0;
    return (double)y[(row * l->out + column) * TN_LANES + lane];
}

static void expect_near(const tn_kernels *k, const char *what, double got, double expected) {
    if (!(fabs(got - expected) < 1e-5))
        fail_msg("%s, %s: %.9g, not %.9g", k->level, what, got, expected);
}

static void check_forward(const tn_kernels *k, line l, bool relu) {
    const line original = l;
    const int number = (int)l.width % WEIGHTS;
    tn_lanes_winograd x = x_line(&l, l.v), y = y_line(&l, l.m);
    k->lanes_winograd_input(&x);
    transform_weight(k, &l, number + 1);
    multiply_parts(&l, l.v, number, l.m);
    y.bias = 0.25f;
    y.floor = relu ? 0 : -INFINITY;
    k->lanes_winograd_output(&y);
    for (int64_t i = 0; i < ROWS * l.out * TN_LANES; i++) {
        int64_t row = i / TN_LANES / l.out, column = i / TN_LANES % l.out;
        double sum = 0.25;
        for (int t = 0; t < l.taps; t++)
            sum += x_at(&original, original.x, row, column + t - l.before, (int)(i % TN_LANES)) *
                   (double)l.w[t * WEIGHTS + number];
        expect_near(k, "output", (double)l.y[i], relu && sum < 0 ? 0 : sum);
    }
    expect_guards(&l);
}

static void check_input_gradient(const tn_kernels *k, line l) {
    const int number = (int)l.width % WEIGHTS;
    tn_lanes_winograd y = y_line(&l, l.m), x = x_line(&l, l.v);
    k->lanes_winograd_gradient(&y);
    transform_weight(k, &l, number + 1);
    multiply_parts(&l, l.m, number, l.v);
    k->lanes_winograd_back(&x);
    for (int64_t i = 0; i < ROWS * l.width * TN_LANES; i++) {
        int64_t row = i / TN_LANES / l.width, column = i / TN_LANES % l.width;
        double sum = 0;
        for (int t = 0; t < l.taps; t++)
            sum += y_at(&l, l.y, row, column + l.before - t, (int)(i % TN_LANES)) *
                   (double)l.w[t * WEIGHTS + number];
        expect_near(k, "back", (double)l.x[i], sum);
    }
    expect_guards(&l);
}

/* Weight number i is that of lane i mod TN_LANES; what lies beyond `numbers` stays as it was. */
static void check_weight_gradient(const tn_kernels *k, line l, int64_t numbers) {
    const line original = l;
    float sums[PARTS * WEIGHTS] = {0};
    int64_t step = ROWS * l.tiles * TN_LANES;
    tn_lanes_winograd x = x_line(&l, l.v), y = y_line(&l, l.m);
    k->lanes_winograd_input(&x);
    k->lanes_winograd_gradient(&y);
    for (int64_t i = 0; i < PARTS * WEIGHTS; i++)
        for (int64_t j = i % WEIGHTS % TN_LANES; j < step; j += TN_LANES)
            sums[i] += l.v[i / WEIGHTS * step + j] * l.m[i / WEIGHTS * step + j];
    const tn_lanes_winograd taps = {.taps = l.taps,
                                    .width = numbers,
                                    .row_step = WEIGHTS,
                                    .result = l.dw,
                                    .parts = sums,
                                    .part_step = WEIGHTS};
    k->lanes_winograd_taps(&taps);
    for (int64_t i = 0; i < l.taps * WEIGHTS; i++) {
        double sum = (double)original.dw[i];
        for (int64_t j = 0; j < ROWS * l.out && i % WEIGHTS < numbers; j++) {
            int64_t row = j / l.out, column = j % l.out;
            int lane = (int)(i % WEIGHTS % TN_LANES);
            sum += x_at(&l, l.x, row, column + i / WEIGHTS - l.before, lane) *
                   y_at(&l, l.y, row, column, lane);
        }
        expect_near(k, "taps", (double)l.dw[i], sum);
    }
    expect_guards(&l);
}

static void transforms_convolve_rows(void **state) {
    tn_kernels tables[MAX_LEVELS];
    (void)state;
    int n_levels = levels_here(tables);
    for (int level = 0; level < n_levels; level++)
        for (int taps = 3; taps <= 5; taps += 2)
            for (int64_t width = 1; width <= MOST_WIDTH; width++)
                for (int64_t before = 0; before < 3; before++) {
                    int64_t out = width + 2 * before - taps + 1;
                    if (out < 1 || out > MOST_WIDTH) continue;
                    const line l = line_make(taps, width, before);
                    check_forward(&tables[level], l, width % 2);
                    check_input_gradient(&tables[level], l);
                    check_weight_gradient(&tables[level], l, 1 + (width + before) % WEIGHTS);
                }
}

/* ---- Convolutions ---------------------------------------------------------------------------- */

enum { SAMPLES = 11, N_GROUPS = (SAMPLES + TN_LANES - 1) / TN_LANES, MOST_NAMES = 2 };

typedef enum pass { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, N_PASSES } pass;

typedef struct shape {
    int64_t c, h, w, o, r, s;
    int64_t pads[4], groups;
    bool shown; /* in the table */
} shape;

/* Those of networks; then rows and columns that fill no tile, windows that are larger than the
 * image, padding of all kinds, groups. */
static const shape shapes[] = {
    {1, 28, 28, 10, 5, 5, {0}, 1, true},          {3, 28, 28, 10, 5, 5, {0}, 1, true},
    {10, 12, 12, 20, 5, 5, {0}, 1, true},         {6, 14, 14, 16, 5, 5, {0}, 1, true},
    {8, 28, 28, 16, 3, 3, {1, 1, 1, 1}, 1, true}, {16, 14, 14, 24, 3, 3, {1, 1, 1, 1}, 1, true},
    {2, 7, 5, 3, 5, 5, {1, 0, 2, 3}, 1, false},   {3, 4, 13, 2, 1, 3, {0}, 1, false},
    {4, 3, 2, 6, 3, 5, {2, 3, 1, 4}, 2, false},   {6, 5, 9, 9, 4, 3, {3, 1, 0, 0}, 3, false},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* x and y in lanes, weights as they are stored: [group][r][s][c][o]. */
typedef struct layer {
    tn_graph *graph;
    const tn_node *nodes[N_PASSES];
    conv_geometry g;
    float *x, *w, *dy, *bias;
    int64_t n[N_PASSES]; /* numbers of results */
} layer;

static void check(tn_status status, const tn_error *error) {
    if (status != TN_OK) fail_msg("%s", error->message);
}

static float *normal(uint64_t stream, int64_t n, double deviation) {
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, stream);
    float *v = tn_aligned_alloc((size_t)n * sizeof *v);
    assert_non_null(v);
    for (int64_t i = 0; i < n; i++) v[i] = (float)(deviation * tn_random_normal(&random));
    return v;
}

static const tn_node *node_of(const tn_graph *graph, const tn_op *op) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->op == op) return graph->nodes[i];
    fail_msg("no %s", op->name);
    return NULL;
}

static tn_value *add(tn_graph *graph, tn_value_kind kind, const char *name, const tn_shape *of,
                     const float *data) {
    tn_error error = {""};
    tn_value *v;
    check(tn_graph_add_value(graph, kind, name, TN_FLOAT32, of, data, &v, &error), &error);
    return v;
}

static void add_nodes(layer *l, const shape *s) {
    const tn_shape images = {.rank = 4, .dims = {SAMPLES, s->c, s->h, s->w}, .batched = true};
    const tn_shape taps = {.rank = 4, .dims = {s->o, s->c / s->groups, s->r, s->s}};
    const tn_shape outputs = {.rank = 1, .dims = {s->o}};
    float *zeros = calloc((size_t)(s->o * (s->c * s->r * s->s + 1)), sizeof *zeros);
    tn_value **gradients = calloc(64, sizeof *gradients);
    tn_error error = {""};
    tn_conv_attrs attrs;
    assert_true(zeros && gradients);
    check(tn_graph_create(&l->graph, &error), &error);
    tn_value *in[3] = {add(l->graph, TN_VALUE_INPUT, "x", &images, NULL),
                       add(l->graph, TN_VALUE_PARAMETER, "w", &taps, zeros),
                       add(l->graph, TN_VALUE_PARAMETER, "b", &outputs, zeros)};
    tn_value *y;
    tn_attrs_init(&tn_op_conv, &attrs);
    attrs.group = s->groups;
    attrs.pads = (tn_ints){4, {s->pads[0], s->pads[1], s->pads[2], s->pads[3]}};
    check(tn_graph_apply(l->graph, &tn_op_conv, &attrs, in, 3, &y, &error), &error);
    tn_value *dy = add(l->graph, TN_VALUE_INPUT, "dy", &y->shape, NULL);
    check(tn_graph_differentiate(l->graph, y, dy, &in[0], 1, gradients, &error), &error);
    free(zeros);
    free(gradients);
}

static layer layer_create(const shape *s) {
    layer l = {0};
    add_nodes(&l, s);
    l.nodes[FORWARD] = node_of(l.graph, &tn_op_conv);
    l.nodes[INPUT_GRADIENT] = node_of(l.graph, &tn_op_conv_grad_input);
    l.nodes[WEIGHT_GRADIENT] = node_of(l.graph, &tn_op_conv_grad_weight);
    l.g = conv_geometry_of(l.nodes[FORWARD]);
    l.n[FORWARD] = N_GROUPS * TN_LANES * l.g.o * l.g.p * l.g.q;
    l.n[INPUT_GRADIENT] = N_GROUPS * TN_LANES * l.g.c * l.g.h * l.g.w;
    l.n[WEIGHT_GRADIENT] = l.g.r * l.g.s * l.g.cg * l.g.o;
    l.x = normal(1, l.n[INPUT_GRADIENT], 1);
    l.w = normal(2, l.n[WEIGHT_GRADIENT], 1 / sqrt((double)(l.g.r * l.g.s * l.g.cg)));
    l.dy = normal(3, l.n[FORWARD], 1);
    l.bias = normal(4, l.g.o, 1);
    return l;
}

static void layer_free(layer *l) {
    tn_graph_free(l->graph);
    free(l->x);
    free(l->w);
    free(l->dy);
    free(l->bias);
}

/* In the lanes of no sample is not even a number. */
static bool is_idle(const layer *l, pass p, int64_t i) {
    int64_t group = i / (l->n[p] / N_GROUPS);
    return p != WEIGHT_GRADIENT && group * TN_LANES + i % TN_LANES >= SAMPLES;
}

static void spoil_idle_lanes(layer *l) {
    for (int64_t i = 0; i < l->n[INPUT_GRADIENT]; i++)
        if (is_idle(l, INPUT_GRADIENT, i)) l->x[i] = NAN;
    for (int64_t i = 0; i < l->n[FORWARD]; i++)
        if (is_idle(l, FORWARD, i)) l->dy[i] = NAN;
}

/* ---- In double ------------------------------------------------------------------------------- */

/* Adds the products of point (p, q) of output o with all taps, for each lane of a group. */
static void add_exactly(const layer *l, pass of, int64_t group, int64_t o, int64_t p, int64_t q,
                        double *result) {
    const conv_geometry *g = &l->g;
    int64_t y = (((group * g->o + o) * g->p + p) * g->q + q) * TN_LANES;
    for (int64_t t = 0; t < g->cg * g->r * g->s; t++) {
        int64_t c = t % g->cg, s = t / g->cg % g->s, r = t / g->cg / g->s, part = o / g->og;
        int64_t h = p + r - g->pad_top, w = q + s - g->pad_left;
        if (h < 0 || h >= g->h || w < 0 || w >= g->w) continue;
        int64_t x = (((group * g->c + part * g->cg + c) * g->h + h) * g->w + w) * TN_LANES;
        int64_t tap = (((part * g->r + r) * g->s + s) * g->cg + c) * g->og + o % g->og;
        for (int k = 0; k < TN_LANES && group * TN_LANES + k < SAMPLES; k++) {
            if (of == FORWARD) result[y + k] += (double)l->x[x + k] * (double)l->w[tap];
            if (of == INPUT_GRADIENT) result[x + k] += (double)l->dy[y + k] * (double)l->w[tap];
            if (of == WEIGHT_GRADIENT) result[tap] += (double)l->x[x + k] * (double)l->dy[y + k];
        }
    }
}

static double *exact(const layer *l, pass of) {
    const conv_geometry *g = &l->g;
    double *result = calloc((size_t)l->n[of], sizeof *result);
    assert_non_null(result);
    for (int64_t i = 0; of == FORWARD && i < l->n[FORWARD]; i++)
        result[i] = (double)l->bias[i / (g->p * g->q * TN_LANES) % g->o];
    for (int64_t i = 0; i < N_GROUPS * g->o; i++)
        for (int64_t p = 0; p < g->p; p++)
            for (int64_t q = 0; q < g->q; q++) add_exactly(l, of, i / g->o, i % g->o, p, q, result);
    return result;
}

/* ---- By an implementation -------------------------------------------------------------------- */

static const tn_implementation *implementation_of(const tn_op *op, const char *name) {
    for (const tn_implementation *const *i = op->implementations; *i; i++)
        if (strcmp((*i)->name, name) == 0) return *i;
    fail_msg("%s has no implementation %s", op->name, name);
    return NULL;
}

static void *room(int64_t bytes) {
    void *memory = tn_aligned_alloc((size_t)bytes + 64);
    assert_non_null(memory);
    memset(memory, 0xff, (size_t)bytes + 64); /* not numbers */
    return memory;
}

static float *run(const layer *l, pass p, const char *name, const tn_kernels *kernels) {
    const tn_node *node = l->nodes[p];
    const tn_implementation *by = implementation_of(node->op, name);
    const tn_step step = {.training = true, .batch = SAMPLES, .n_shards = 1};
    float *result = calloc((size_t)l->n[p], sizeof *result);
    assert_non_null(result);
    tn_run r = {.node = node,
                .kernels = kernels,
                .step = &step,
                .in = {p == INPUT_GRADIENT ? l->dy : l->x, p == WEIGHT_GRADIENT ? l->dy : l->w,
                       p == FORWARD ? l->bias : NULL},
                .out = {result},
                .n = SAMPLES,
                .end = 1};
    void *packed = room(by->packed_bytes ? by->packed_bytes(node, kernels) : 0);
    r.workspace = room(by->workspace_bytes ? by->workspace_bytes(node, kernels, SAMPLES) : 0);
    if (by->pack) by->pack(&r, packed);
    r.packed = packed;
    tn_run_set_whole(&r);
    by->run(&r);
    free(packed);
    free(r.workspace);
    return result;
}

/* The largest error over the root mean square of what is exact. */
static double error_of(const layer *l, pass p, const char *name, const tn_kernels *kernels,
                       const double *expected) {
    float *result = run(l, p, name, kernels);
    double worst = 0, squares = 0, n = 0;
    for (int64_t i = 0; i < l->n[p]; i++) {
        if (is_idle(l, p, i)) continue;
        double error = fabs((double)result[i] - expected[i]);
        if (!(error <= worst)) worst = error; /* not a number, too */
        squares += expected[i] * expected[i];
        n++;
    }
    free(result);
    return worst / sqrt(squares / n);
}

/* Rounding errors are independent: those of a sum grow with the root of its length; those of the
 * transforms do not. */
static double bound_of(const conv_geometry *g, pass p) {
    switch (p) {
    case FORWARD: return 2e-6 + 1e-6 * sqrt((double)(g->cg * g->r));
    case INPUT_GRADIENT: return 2e-6 + 1e-6 * sqrt((double)(g->og * g->r));
    default: return 1e-5;
    }
}

/* All levels are within the bound; the best one is shown. */
static void check_pass(const layer *l, pass p, const tn_kernels *kernels, int n_levels,
                       bool shown) {
    static const char *const names[] = {"winograd lanes", "lanes"};
    double *expected = exact(l, p);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < n_levels; k++) {
            double error = error_of(l, p, names[i], &kernels[k], expected);
            if (shown && k == n_levels - 1) print_message(" %.1e |", error);
            if (!(error < bound_of(&l->g, p)))
                fail_msg("%s, %s, pass %d: error %.2g", kernels[k].level, names[i], (int)p, error);
        }
    free(expected);
}

static void errors_are_bounded(void **state) {
    tn_kernels kernels[MAX_LEVELS];
    int n_levels = levels_here(kernels);
    (void)state;
    print_message("level %s\n| channels, image, window | forward Winograd | direct |"
                  " input gradient Winograd | direct | weight gradient Winograd | direct |\n"
                  "|---|---|---|---|---|---|---|\n",
                  kernels[n_levels - 1].level);
    for (int i = 0; i < N_SHAPES; i++) {
        const shape *s = &shapes[i];
        layer l = layer_create(s);
        spoil_idle_lanes(&l);
        if (s->shown)
            print_message("| %d-%d on %dx%d by %dx%d |", (int)s->c, (int)s->o, (int)s->h, (int)s->w,
                          (int)s->r, (int)s->s);
        for (int p = 0; p < N_PASSES; p++) check_pass(&l, (pass)p, kernels, n_levels, s->shown);
        if (s->shown) print_message("\n");
        layer_free(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(transforms_convolve_rows),
                                       cmocka_unit_test(errors_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
