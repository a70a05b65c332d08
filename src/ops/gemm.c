/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c: y = alpha · A' · B' + beta · C, the fully connected layer. ONNX Gemm.
 *
 * A is [n][k] and, where it is a batch, its samples are the rows. A weight B is stored [k][o], its
 * k in the order in which the samples of A are stored. Large weights run over the whole batch,
 * split over outputs; small ones tile by tile. */
#include "ops/gemm.h"

#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/elementwise.h"
#include "ops/lanes.h"
#include "ops/sum_to.h"
#include "ops/tiles.h"

static const tn_attr attrs[] = {
    {"alpha", TN_ATTR_FLOAT, offsetof(tn_gemm_attrs, alpha), false, 1, NULL},
    {"beta", TN_ATTR_FLOAT, offsetof(tn_gemm_attrs, beta), false, 1, NULL},
    {"transA", TN_ATTR_INT, offsetof(tn_gemm_attrs, trans_a), false, 0, NULL},
    {"transB", TN_ATTR_INT, offsetof(tn_gemm_attrs, trans_b), false, 0, NULL},
    {0}};

/* Weights of at least so many numbers are not worth streaming once for every tile of samples. */
static const int64_t large_weight = 1 << 16;
/* Columns of the forward pass and rows of both gradients that make a unit of work. */
enum { UNIT_OUTPUTS = 16, UNIT_INPUTS = 96 };
/* Of so many outputs, more make a unit: one row alone takes several panels at a time. */
enum { MANY_OUTPUTS = 512, LARGE_UNIT = 64 };

static int64_t outputs_of(const tn_node *gemm) { return gemm->outputs[0]->shape.dims[1]; }

static bool stored(const tn_value *b) {
    return b->kind == TN_VALUE_PARAMETER || b->kind == TN_VALUE_CONSTANT;
}

/* C must broadcast to the output at any batch. */
static tn_status check_c(const tn_node *node, const tn_shape *y, tn_error *error) {
    const tn_value *c = node->n_inputs > 2 ? node->inputs[2] : NULL;
    if (!c) return TN_OK;
    bool fits = c->shape.rank <= 2 && c->dtype == TN_FLOAT32;
    for (int i = 0; i < c->shape.rank && fits; i++) {
        int64_t dim = c->shape.dims[i], of_y = y->dims[i + 2 - c->shape.rank];
        bool of_samples = y->batched && i == 0 && c->shape.rank == 2;
        if (c->shape.batched && i == 0)
            fits = of_samples;
        else
            fits = dim == 1 || (dim == of_y && !of_samples);
    }
    if (fits) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "input \"%s\" does not broadcast to the output", c->name);
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_gemm_attrs *g = node->attrs;
    const tn_value *a = node->inputs[0], *b = node->inputs[1];
    if (a->shape.rank != 2 || b->shape.rank != 2)
        return tn_fail(error, TN_ERR_FORMAT, "inputs have %d and %d dimensions, not 2 and 2",
                       a->shape.rank, b->shape.rank);
    if (a->dtype != TN_FLOAT32 || b->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "inputs must be float32");
    if ((a->shape.batched && g->trans_a) || b->shape.batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "the batch must be the rows of the first input");
    int64_t k = a->shape.dims[g->trans_a ? 0 : 1], k_b = b->shape.dims[g->trans_b ? 1 : 0];
    if (k != k_b)
        return tn_fail(error, TN_ERR_FORMAT, "weight takes %lld numbers but input \"%s\" has %lld",
                       (long long)k_b, a->name, (long long)k);
    tn_shape y = {.rank = 2,
                  .batched = a->shape.batched,
                  .dims = {a->shape.dims[g->trans_a ? 1 : 0], b->shape.dims[g->trans_b ? 0 : 1]}};
    TN_TRY(check_c(node, &y, error));
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = TN_FLOAT32;
    return TN_OK;
}

bool tn_gemm_is_large(int64_t k, int64_t o) { return k * o >= large_weight; }

bool tn_gemm_in_panels(int64_t k, int64_t o) {
    return tn_gemm_is_large(k, o) && o % TN_GEMM_PANEL == 0;
}

/* Canonical [o][c·hw] or [c·hw][o] becomes [hw·c][o] or its panels; nothing to do is said in one
 * way only, so that nodes can share a weight. */
tn_arrangement tn_gemm_arrange(bool trans_b, const int64_t dims[2], int64_t channels) {
    int64_t c = channels > 1 ? channels : 1, o = dims[trans_b ? 0 : 1], k = dims[trans_b ? 1 : 0];
    int64_t panel = tn_gemm_in_panels(k, o) ? TN_GEMM_PANEL : o;
    if (trans_b)
        return (tn_arrangement){
            .rank = 4, .dims = {o / panel, panel, c, k / c}, .axes = {0, 3, 2, 1}};
    if (c == 1 && panel == o) return (tn_arrangement){0};
    return (tn_arrangement){.rank = 4, .dims = {c, k / c, o / panel, panel}, .axes = {2, 1, 0, 3}};
}

static tn_arrangement arrange(const tn_node *node, int input, const int64_t *in_channels) {
    const tn_gemm_attrs *g = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return tn_gemm_arrange(g->trans_b, node->inputs[1]->shape.dims, in_channels[1]);
}

static int64_t macs(const tn_node *node) {
    const tn_shape *b = &node->inputs[1]->shape, *y = &node->outputs[0]->shape;
    return b->dims[0] * b->dims[1] * (y->batched ? 1 : y->dims[0]);
}

/* ---- Forward ------------------------------------------------------------------------------ */

/* Row i, column j of C broadcast to the output; C is plain. */
static real c_at(const tn_node *node, const real *c, int64_t i, int64_t j) {
    const tn_shape *shape = &node->inputs[2]->shape;
    int64_t rows = shape->rank == 2 ? shape->dims[0] : 1;
    int64_t columns = shape->rank >= 1 ? shape->dims[shape->rank - 1] : 1;
    return c[(rows == 1 && !shape->batched ? 0 : i) * columns + (columns == 1 ? 0 : j)];
}

/* Whether C is one row of outputs. */
static bool is_bias(const tn_node *node) {
    const tn_shape *c = &node->inputs[2]->shape;
    return !c->batched && c->rank > 0 && tn_shape_elements(c) == outputs_of(node) &&
           c->dims[c->rank - 1] == outputs_of(node);
}

static int64_t rows_of(const tn_run *run) {
    const tn_shape *y = &run->node->outputs[0]->shape;
    return y->batched ? run->n : y->dims[0];
}

/* Any strides, plain loops: the oracle, and what is rare. */
static void run_any(const tn_run *run) {
    const tn_node *node = run->node;
    const tn_gemm_attrs *g = node->attrs;
    int64_t rows = rows_of(run), o = outputs_of(node);
    int64_t k = node->inputs[0]->shape.dims[g->trans_a ? 0 : 1];
    int64_t a_row = g->trans_a ? 1 : k, a_k = g->trans_a ? node->inputs[0]->shape.dims[1] : 1;
    bool by_outputs = !stored(node->inputs[1]) && g->trans_b;
    bool in_panels = stored(node->inputs[1]) && tn_gemm_in_panels(k, o);
    const real *a = run->in[0], *b = run->in[1], *c = run->in[2];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < o; j++) {
            real sum = 0;
            for (int64_t t = 0; t < k; t++)
                sum += a[i * a_row + t * a_k] *
                       b[by_outputs ? j * k + t : tn_gemm_place(in_panels, k, o, t, j)];
            sum *= (real)g->alpha;
            if (c) sum += (real)g->beta * c_at(node, c, i, j);
            ((real *)run->out[0])[i * o + j] = sum;
        }
    run->kernels->activate(&node->activation, rows * o, run->out[0], tn_run_more(run), run->out[0]);
}

bool tn_gemm_is_plain(const tn_node *node) {
    if (node->inputs[0]->shape.rank != 2 || !stored(node->inputs[1]) ||
        node->inputs[1]->shape.rank != 2)
        return false;
    if (node->op == &tn_op_mat_mul) return true;
    const tn_gemm_attrs *g = node->attrs;
    return node->op == &tn_op_gemm && !g->trans_a && g->alpha == 1 && g->beta == 1;
}

static bool tiled_applies(const tn_node *node, const tn_kernels *kernels) {
    int64_t k = node->inputs[0]->shape.dims[1];
    return !kernels->naive && tn_gemm_is_plain(node) && !tn_gemm_in_panels(k, outputs_of(node));
}

static int64_t unit_outputs(const tn_node *node) {
    return outputs_of(node) >= MANY_OUTPUTS ? LARGE_UNIT : UNIT_OUTPUTS;
}

int64_t tn_gemm_units(const tn_node *node) {
    const tn_shape *b = &node->inputs[1]->shape;
    if (!node->outputs[0]->shape.batched || b->dims[0] * b->dims[1] < large_weight) return 0;
    return (outputs_of(node) + unit_outputs(node) - 1) / unit_outputs(node);
}

int64_t tn_gemm_workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    const tn_shape *y = &node->outputs[0]->shape;
    int64_t rows = y->batched ? n : y->dims[0];
    return tn_product_workspace_bytes(kernels) +
           tn_product_steps_bytes(2 * rows + node->inputs[0]->shape.dims[1]);
}

tn_product_start tn_gemm_start(const tn_run *run, int64_t row, int64_t rows, int64_t first,
                               int64_t last) {
    int64_t o = outputs_of(run->node);
    real *y = (real *)run->out[0] + row * o;
    if (!run->in[2]) return TN_START_ZERO;
    if (is_bias(run->node)) return TN_START_BIAS;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = first; j < last; j++)
            y[i * o + j] = c_at(run->node, run->in[2], row + i, j);
    return TN_START_C;
}

int64_t tn_gemm_row(const tn_run *run, int64_t row, int64_t first, int64_t last,
                    tn_matmul product) {
    int64_t o = outputs_of(run->node), k = run->node->inputs[0]->shape.dims[1];
    int64_t panels = (last - first) / run->kernels->nr, n = panels * run->kernels->nr;
    const tn_product_start start = tn_gemm_start(run, row, 1, first, first + n);
    const real *more = tn_run_more(run);
    real *y = (real *)run->out[0] + row * o + first;
    if (start == TN_START_BIAS) memcpy(y, (const real *)run->in[2] + first, (size_t)n * sizeof *y);
    product.rows = 1;
    product.depth = k;
    product.panels = panels;
    product.a = (const real *)run->in[0] + row * k;
    product.a_step = 1;
    product.c = y;
    product.adds = start != TN_START_ZERO;
    run->kernels->matmul(&product);
    if (more || run->node->activation.kind != TN_ACTIVATION_NONE)
        run->kernels->activate(&run->node->activation, n, y, more ? more + row * o + first : NULL,
                               y);
    return n;
}

void tn_gemm_run(const tn_run *run) {
    const tn_node *node = run->node;
    int64_t rows = rows_of(run), o = outputs_of(node), k = node->inputs[0]->shape.dims[1];
    bool whole = tn_gemm_units(node) > 0;
    int64_t first = whole ? run->begin * unit_outputs(node) : 0;
    int64_t last = whole ? tn_min_i64(o, run->end * unit_outputs(node)) : o;
    if (rows == 1) {
        const tn_matmul row = {
            .b = (const real *)run->in[1] + first, .b_panel = run->kernels->nr, .b_step = o};
        first += tn_gemm_row(run, 0, first, last, row);
    }
    if (first == last) return;
    int64_t *a_row = (int64_t *)((char *)run->workspace + tn_product_workspace_bytes(run->kernels));
    int64_t *c_row = tn_product_steps(a_row, rows, k);
    int64_t *offset = tn_product_steps(c_row, rows, o);
    const real *more = tn_run_more(run);
    tn_product_steps(offset, k, 1);
    const tn_product product = {.rows = rows,
                                .depth = k,
                                .columns = last - first,
                                .a = run->in[0],
                                .a_row = a_row,
                                .offset = offset,
                                .b = (const real *)run->in[1] + first,
                                .ldb = o,
                                .source = TN_PANELS_STORED,
                                .start = tn_gemm_start(run, 0, rows, first, last),
                                .bias = run->in[2] ? (const real *)run->in[2] + first : NULL,
                                .c = (real *)run->out[0] + first,
                                .c_row = c_row,
                                .more = more ? more + first : NULL,
                                .activation = node->activation};
    tn_product_run(run->kernels, &product, run->workspace);
}

static const tn_implementation tiled = {
    .name = "tiles",
    .cost = {.efficiency = 0.1f}, /* of few samples: not a whole tile of rows */
    .applies = tiled_applies,
    .units = tn_gemm_units,
    .workspace_bytes = tn_gemm_workspace_bytes,
    .run = tn_gemm_run};
static const tn_implementation any = {.name = "naive", .run = run_any};
static const tn_implementation *const implementations[] = {&tn_gemm_panels, &tiled, &any,
                                                           &tn_gemm_lanes, NULL};

/* ---- Input gradient: dA[i][k] = Σ_o dy[i][o] · B[k][o] -------------------------------------- */

typedef struct gemm_grad_attrs {
    bool trans_b;
    int64_t k;
} gemm_grad_attrs;

static tn_status input_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const gemm_grad_attrs *g = node->attrs;
    node->outputs[0]->shape = node->inputs[0]->shape;
    node->outputs[0]->shape.dims[1] = g->k;
    return TN_OK;
}

static tn_arrangement input_arrange(const tn_node *node, int input, const int64_t *in_channels) {
    const gemm_grad_attrs *g = node->attrs;
    if (input != 1) return (tn_arrangement){0};
    return tn_gemm_arrange(g->trans_b, node->inputs[1]->shape.dims, in_channels[1]);
}

static int64_t input_units(const tn_node *node) {
    const tn_shape *b = &node->inputs[1]->shape;
    if (b->dims[0] * b->dims[1] < large_weight) return 0;
    return (node->outputs[0]->shape.dims[1] + UNIT_INPUTS - 1) / UNIT_INPUTS;
}

static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    return tn_product_workspace_bytes(kernels) +
           tn_product_steps_bytes(2 * n + node->inputs[0]->shape.dims[1]);
}

static void run_input(const tn_run *run) {
    const tn_node *node = run->node;
    int64_t o = node->inputs[0]->shape.dims[1], k = node->outputs[0]->shape.dims[1];
    bool whole = input_units(node) > 0;
    int64_t first = whole ? run->begin * UNIT_INPUTS : 0;
    int64_t last = whole ? tn_min_i64(k, run->end * UNIT_INPUTS) : k;
    int64_t *a_row = (int64_t *)((char *)run->workspace + tn_product_workspace_bytes(run->kernels));
    int64_t *c_row = tn_product_steps(a_row, run->n, o);
    int64_t *offset = tn_product_steps(c_row, run->n, k);
    tn_product_steps(offset, o, 1);
    const tn_product product = {.rows = run->n,
                                .depth = o,
                                .columns = last - first,
                                .a = run->in[0],
                                .a_row = a_row,
                                .offset = offset,
                                .b = (const real *)run->in[1] + first * o,
                                .ldb = o,
                                .source = TN_PANELS_TRANSPOSED,
                                .c = (real *)run->out[0] + first,
                                .c_row = c_row};
    tn_product_run(run->kernels, &product, run->workspace);
}

static void run_input_naive(const tn_run *run) {
    int64_t o = run->node->inputs[0]->shape.dims[1], k = run->node->outputs[0]->shape.dims[1];
    bool in_panels = tn_gemm_in_panels(k, o);
    const real *dy = run->in[0], *b = run->in[1];
    for (int64_t i = 0; i < run->n; i++)
        for (int64_t t = 0; t < k; t++) {
            real sum = 0;
            for (int64_t j = 0; j < o; j++)
                sum += dy[i * o + j] * b[tn_gemm_place(in_panels, k, o, t, j)];
            ((real *)run->out[0])[i * k + t] = sum;
        }
}

static bool fast_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)node;
    return !kernels->naive;
}

static const tn_implementation input_tiled = {.name = "tiles",
                                              .cost = {.efficiency = 0.1f},
                                              .applies = fast_applies,
                                              .units = input_units,
                                              .workspace_bytes = input_workspace,
                                              .run = run_input};
static const tn_implementation input_naive = {.name = "naive", .run = run_input_naive};
static const tn_implementation *const input_implementations[] = {&tn_gemm_grad_input_sparse,
                                                                 &tn_gemm_grad_input_panels,
                                                                 &input_tiled,
                                                                 &input_naive,
                                                                 &tn_gemm_grad_input_lanes,
                                                                 NULL};

static int64_t input_macs(const tn_node *node) {
    return node->inputs[1]->shape.dims[0] * node->inputs[1]->shape.dims[1];
}

static const tn_op gemm_grad_input = {.name = "GemmGradInput",
                                      .attrs_bytes = sizeof(gemm_grad_attrs),
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_WEIGHTED_GRADIENT,
                                      .infer_shape = input_shape,
                                      .macs = input_macs,
                                      .arrange = input_arrange,
                                      .implementations = input_implementations};

/* ---- Weight gradient: dB[k][o] = Σ_i A[i][k] · dy[i][o] ------------------------------------- */

static tn_status weight_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const gemm_grad_attrs *g = node->attrs;
    int64_t k = node->inputs[0]->shape.dims[1], o = node->inputs[1]->shape.dims[1];
    bool t = g->trans_b;
    node->outputs[0]->shape = (tn_shape){.rank = 2, .dims = {t ? o : k, t ? k : o}};
    return TN_OK;
}

static int64_t weight_macs(const tn_node *node) {
    return node->outputs[0]->shape.dims[0] * node->outputs[0]->shape.dims[1];
}

/* Sums over the samples of this tile, added to what is there. */
static void run_weight_naive(const tn_run *run) {
    int64_t k = run->node->inputs[0]->shape.dims[1], o = run->node->inputs[1]->shape.dims[1];
    const real *a = run->in[0], *dy = run->in[1];
    bool in_panels = tn_gemm_in_panels(k, o);
    real *db = run->out[0];
    for (int64_t i = 0; i < run->n; i++)
        for (int64_t t = 0; t < k; t++)
            for (int64_t j = 0; j < o; j++)
                db[tn_gemm_place(in_panels, k, o, t, j)] += a[i * k + t] * dy[i * o + j];
}

/* Small weights: sums over the samples of this tile, added to what is there. */
static void run_weight_tile(const tn_run *run) {
    int64_t k = run->node->inputs[0]->shape.dims[1], o = run->node->inputs[1]->shape.dims[1];
    int64_t *a_row = (int64_t *)((char *)run->workspace + tn_product_workspace_bytes(run->kernels));
    int64_t *c_row = tn_product_steps(a_row, k, 1);
    int64_t *offset = tn_product_steps(c_row, k, o);
    tn_product_steps(offset, run->n, k);
    const tn_product product = {.rows = k,
                                .depth = run->n,
                                .columns = o,
                                .a = run->in[0],
                                .a_row = a_row,
                                .offset = offset,
                                .b = run->in[1],
                                .ldb = o,
                                .source = TN_PANELS_STORED,
                                .start = TN_START_C,
                                .c = run->out[0],
                                .c_row = c_row};
    tn_product_run(run->kernels, &product, run->workspace);
}

static int64_t weight_tile_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    return tn_product_workspace_bytes(kernels) +
           tn_product_steps_bytes(2 * node->inputs[0]->shape.dims[1] + n);
}

static const tn_implementation weight_naive = {.name = "naive", .run = run_weight_naive};
static const tn_implementation weight_tiles = {
    .name = "tiles",
    .cost = {.efficiency = 0.06f}, /* sums over few samples */
    .applies = fast_applies,
    .workspace_bytes = weight_tile_workspace,
    .run = run_weight_tile};
static const tn_implementation *const weight_implementations[] = {
    &tn_gemm_grad_weight_whole, &weight_tiles, &weight_naive, &tn_gemm_grad_weight_lanes, NULL};

static const tn_op gemm_grad_weight = {.name = "GemmGradWeight",
                                       .attrs_bytes = sizeof(gemm_grad_attrs),
                                       .min_inputs = 2,
                                       .max_inputs = 2,
                                       .n_outputs = 1,
                                       .layout = TN_LAYOUT_WEIGHTED,
                                       .reduces_samples = true,
                                       .infer_shape = weight_shape,
                                       .macs = weight_macs,
                                       .implementations = weight_implementations};

/* ---- Gradient ----------------------------------------------------------------------------- */

tn_status tn_gemm_add_gradients(tn_graph *graph, bool trans_b, tn_value *a, tn_value *b,
                                tn_value *dy, tn_error *error) {
    const gemm_grad_attrs g = {trans_b, a->shape.dims[1]};
    tn_value *d;
    if (tn_gradient_wanted(graph, b)) {
        tn_value *in[] = {a, dy};
        TN_TRY(tn_graph_apply(graph, &gemm_grad_weight, &g, in, 2, &d, error));
        TN_TRY(tn_gradient_add(graph, b, d, error));
    }
    if (tn_gradient_wanted(graph, a)) {
        tn_value *in[] = {dy, b};
        TN_TRY(tn_graph_apply(graph, &gemm_grad_input, &g, in, 2, &d, error));
        TN_TRY(tn_gradient_add(graph, a, d, error));
    }
    return TN_OK;
}

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_gemm_attrs *g = node->attrs;
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *d;
    tn_value *a = node->inputs[0], *b = node->inputs[1];
    tn_value *c = node->n_inputs > 2 ? node->inputs[2] : NULL;
    if (g->alpha != 1 || (c && g->beta != 1) || !a->shape.batched || !stored(b))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "no gradient with alpha, beta, a computed weight or an input that is no "
                       "batch");
    if (tn_gradient_wanted(graph, c)) {
        TN_TRY(tn_sum_to_shape(graph, dy, &c->shape, &d, error));
        TN_TRY(tn_gradient_add(graph, c, d, error));
    }
    return tn_gemm_add_gradients(graph, g->trans_b, a, b, dy, error);
}

const tn_op tn_op_gemm = {.name = "Gemm",
                          .onnx_type = "Gemm",
                          .attrs = attrs,
                          .attrs_bytes = sizeof(tn_gemm_attrs),
                          .min_inputs = 2,
                          .max_inputs = 3,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_WEIGHTED,
                          .ends = true,
                          .infer_shape = infer_shape,
                          .differentiate = differentiate,
                          .macs = macs,
                          .arrange = arrange,
                          .implementations = implementations};
