/* SPDX-License-Identifier: Apache-2.0 */
/* What Winograd's algorithm costs in accuracy: the three passes of a convolution against double
 * precision, beside the same passes computed directly, at shapes that networks have. Prints the
 * table of docs/numerics.md. */
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

enum { SAMPLES = 2, TAPS = 9, MAX_LEVELS = 8 };

typedef enum pass { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, N_PASSES } pass;

/* The largest error allowed, in units of the root mean square of the exact results. Rounding errors
 * are independent: those of a sum over channels grow with the root of their number, those of a
 * weight gradient's with that of the tiles. */
static double bound_of(const conv_geometry *g, pass p) {
    switch (p) {
    case FORWARD: return 1.5e-6 * sqrt((double)g->c);
    case INPUT_GRADIENT: return 1.5e-6 * sqrt((double)g->o);
    default: return 6e-6 + 8e-7 * sqrt((double)(SAMPLES * g->p * g->q) / 16);
    }
}

typedef struct shape {
    int64_t c, o, size, pad;
} shape;

static const shape shapes[] = {{9, 17, 11, 0},    {16, 16, 28, 1}, {32, 32, 14, 1},
                               {32, 64, 26, 0},   {64, 64, 7, 1},  {64, 64, 56, 1},
                               {256, 256, 14, 1}, {512, 512, 7, 1}};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* ---- One convolution with its gradients ------------------------------------------------------ */

/* Images are [n][row][column][channel], weights [tap row][tap column][c][o]. */
typedef struct layer {
    tn_graph *graph;
    const tn_node *nodes[N_PASSES];
    conv_geometry g;
    float *x, *w, *dy;
    int64_t n_x, n_w, n_y;
} layer;

static void check(tn_status status, const tn_error *error) {
    if (status != TN_OK) fail_msg("%s", error->message);
}

static float *normal(uint64_t stream, int64_t n, double deviation) {
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, stream);
    float *v = malloc((size_t)n * sizeof *v);
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

static void add_nodes(layer *l, const shape *s) {
    const tn_shape images = {.rank = 4, .dims = {SAMPLES, s->c, s->size, s->size}, .batched = true};
    const tn_shape taps = {.rank = 4, .dims = {s->o, s->c, 3, 3}};
    tn_conv_attrs attrs;
    tn_value *in[2], *y, *dy;
    tn_error error = {""};
    float *zeros = calloc((size_t)l->n_w, sizeof *zeros);
    tn_value **gradients = calloc(64, sizeof *gradients);
    assert_true(zeros && gradients);
    check(tn_graph_create(&l->graph, &error), &error);
    check(tn_graph_add_value(l->graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &images, NULL, &in[0],
                             &error),
          &error);
    check(tn_graph_add_value(l->graph, TN_VALUE_PARAMETER, "w", TN_FLOAT32, &taps, zeros, &in[1],
                             &error),
          &error);
    tn_attrs_init(&tn_op_conv, &attrs);
    attrs.pads = (tn_ints){4, {s->pad, s->pad, s->pad, s->pad}};
    check(tn_graph_apply(l->graph, &tn_op_conv, &attrs, in, 2, &y, &error), &error);
    check(tn_graph_add_value(l->graph, TN_VALUE_INPUT, "dy", TN_FLOAT32, &y->shape, NULL, &dy,
                             &error),
          &error);
    check(tn_graph_differentiate(l->graph, y, dy, &in[0], 1, gradients, &error), &error);
    free(zeros);
    free(gradients);
}

static layer layer_create(const shape *s) {
    int64_t out = s->size + 2 * s->pad - 2;
    layer l = {.n_x = SAMPLES * s->size * s->size * s->c,
               .n_w = TAPS * s->c * s->o,
               .n_y = SAMPLES * out * out * s->o};
    add_nodes(&l, s);
    l.nodes[FORWARD] = node_of(l.graph, &tn_op_conv);
    l.nodes[INPUT_GRADIENT] = node_of(l.graph, &tn_op_conv_grad_input);
    l.nodes[WEIGHT_GRADIENT] = node_of(l.graph, &tn_op_conv_grad_weight);
    l.g = conv_geometry_of(l.nodes[FORWARD]);
    l.x = normal(1, l.n_x, 1);
    l.w = normal(2, l.n_w, 1 / sqrt((double)(TAPS * s->c)));
    l.dy = normal(3, l.n_y, 1);
    return l;
}

static void layer_free(layer *l) {
    tn_graph_free(l->graph);
    free(l->x);
    free(l->w);
    free(l->dy);
}

static int64_t result_elements(const layer *l, pass p) {
    return p == FORWARD ? l->n_y : p == INPUT_GRADIENT ? l->n_x : l->n_w;
}

/* ---- In double ------------------------------------------------------------------------------- */

/* Pixel (i, j) of y and the pixel of x under its tap t, which may be in the padding. */
typedef struct pair {
    int64_t x, y; /* first channels */
    bool inside;
} pair;

static pair pair_of(const conv_geometry *g, int64_t n, int64_t i, int64_t j, int64_t t) {
    int64_t row = i + t / 3 - g->pad_top, column = j + t % 3 - g->pad_left;
    return (pair){.x = ((n * g->h + row) * g->w + column) * g->c,
                  .y = ((n * g->p + i) * g->q + j) * g->o,
                  .inside = row >= 0 && row < g->h && column >= 0 && column < g->w};
}

/* Adds what one pixel and one tap contribute. */
static void add_exactly(const layer *l, pass p, pair at, int64_t tap, double *result) {
    int64_t c = l->g.c, o = l->g.o;
    for (int64_t i = 0; i < c; i++) {
        const float *w = l->w + (tap * c + i) * o, *dy = l->dy + at.y;
        double x = (double)l->x[at.x + i], sum = 0;
        double *y = result + at.y, *dw = result + (tap * c + i) * o;
        switch (p) {
        case FORWARD:
            for (int64_t j = 0; j < o; j++) y[j] += x * (double)w[j];
            break;
        case INPUT_GRADIENT:
            for (int64_t j = 0; j < o; j++) sum += (double)dy[j] * (double)w[j];
            result[at.x + i] += sum;
            break;
        default:
            for (int64_t j = 0; j < o; j++) dw[j] += x * (double)dy[j];
        }
    }
}

static double *exact(const layer *l, pass p) {
    double *result = calloc((size_t)result_elements(l, p), sizeof *result);
    assert_non_null(result);
    for (int64_t n = 0; n < SAMPLES; n++)
        for (int64_t i = 0; i < l->g.p; i++)
            for (int64_t j = 0; j < l->g.q; j++)
                for (int64_t tap = 0; tap < TAPS; tap++) {
                    pair at = pair_of(&l->g, n, i, j, tap);
                    if (at.inside) add_exactly(l, p, at, tap, result);
                }
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
    return memory;
}

static float *run(const layer *l, pass p, const char *name, const tn_kernels *kernels) {
    const tn_node *node = l->nodes[p];
    const tn_implementation *by = implementation_of(node->op, name);
    const tn_step step = {.training = true, .batch = SAMPLES, .n_shards = 1};
    float *result = calloc((size_t)result_elements(l, p), sizeof *result);
    assert_non_null(result);
    tn_run r = {.node = node,
                .kernels = kernels,
                .step = &step,
                .in = {p == INPUT_GRADIENT ? l->dy : l->x, p == WEIGHT_GRADIENT ? l->dy : l->w},
                .out = {result},
                .n = SAMPLES,
                .end = 1,
                .begins_shard = true,
                .ends_shard = true};
    void *packed = room(by->packed_bytes ? by->packed_bytes(node, kernels) : 0);
    r.workspace = room(by->workspace_bytes ? by->workspace_bytes(node, kernels, SAMPLES) : 0);
    r.shard = room(by->shard_bytes ? by->shard_bytes(node, kernels) : 0);
    if (by->pack) by->pack(&r, packed);
    r.packed = packed;
    tn_run_set_whole(&r);
    by->run(&r);
    free(packed);
    free(r.workspace);
    free(r.shard);
    return result;
}

/* The largest error over the root mean square of what is exact. */
static double relative_error(const float *result, const double *expected, int64_t n) {
    double worst = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)result[i] - expected[i]));
        squares += expected[i] * expected[i];
    }
    return worst / sqrt(squares / (double)n);
}

static double error_of(const layer *l, pass p, const char *name, const tn_kernels *kernels,
                       const double *expected) {
    float *result = run(l, p, name, kernels);
    double error = relative_error(result, expected, result_elements(l, p));
    free(result);
    return error;
}

/* ---- The table ------------------------------------------------------------------------------- */

static int levels_here(tn_kernels kernels[MAX_LEVELS]) {
    int n = 0;
    for (const char *const *level = tn_kernel_levels(); *level; level++)
        if (tn_kernels_init(&kernels[n], *level, tn_isa_detect())) n++;
    return n;
}

/* The ways of computing a pass, and what part of the bound each may use. */
static const struct {
    const char *name;
    double part;
} ways[] = {{"winograd", 1}, {"winograd-2x2", 0.5}, {"tiles", 1.5}};
enum { N_WAYS = sizeof ways / sizeof ways[0] };

/* All levels are within the bound; the best one is shown. */
static void check_pass(const layer *l, pass p, const tn_kernels *kernels, int n_levels) {
    double *expected = exact(l, p);
    for (int w = 0; w < N_WAYS; w++)
        for (int k = 0; k < n_levels; k++) {
            double error = error_of(l, p, ways[w].name, &kernels[k], expected);
            if (k == n_levels - 1) print_message(" %.1e |", error);
            assert_true(error < ways[w].part * bound_of(&l->g, p));
        }
    free(expected);
}

static void check_shape(const shape *s, const tn_kernels *kernels, int n_levels) {
    layer l = layer_create(s);
    print_message("| %lld-%lld on %lldx%lld |", (long long)s->c, (long long)s->o,
                  (long long)s->size, (long long)s->size);
    for (int p = 0; p < N_PASSES; p++) check_pass(&l, (pass)p, kernels, n_levels);
    print_message("\n");
    layer_free(&l);
}

static void errors_are_bounded(void **state) {
    static const char *const passes[N_PASSES] = {"forward", "input gradient", "weight gradient"};
    tn_kernels kernels[MAX_LEVELS];
    int n_levels = levels_here(kernels);
    (void)state;
    print_message("level %s\n| channels, image |", kernels[n_levels - 1].level);
    for (int p = 0; p < N_PASSES; p++) print_message(" %s 4x4 | 2x2 | direct |", passes[p]);
    print_message("\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < N_SHAPES; i++) check_shape(&shapes[i], kernels, n_levels);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(errors_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
