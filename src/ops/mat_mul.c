/* SPDX-License-Identifier: Apache-2.0 */
/* mat_mul.c: products of matrices, which are the last two axes; the others broadcast as numpy has
 * it. ONNX MatMul. A batch of rows meets a stored matrix as in Gemm; all else is done matrix by
 * matrix, plain. */
#include <string.h>

#include "base/size.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/reshape.h"
#include "ops/sum_to.h"
#include "ops/tiles.h"

/* Of the products that gradients are made of: the last two axes of an operand are exchanged. */
typedef struct product_attrs {
    bool trans_a, trans_b;
} product_attrs;

static product_attrs transposes(const tn_node *node) {
    return node->op == &tn_op_mat_mul ? (product_attrs){0} : *(const product_attrs *)node->attrs;
}

static bool is_gemm(const tn_node *node) {
    const tn_value *a = node->inputs[0], *b = node->inputs[1];
    return node->op == &tn_op_mat_mul && a->shape.batched && a->shape.rank == 2 &&
           b->shape.rank == 2 && (b->kind == TN_VALUE_PARAMETER || b->kind == TN_VALUE_CONSTANT);
}

/* ---- Shapes ------------------------------------------------------------------------------- */

/* A vector is a matrix of one row on the left, of one column on the right. */
static tn_shape as_matrix(const tn_shape *x, bool right) {
    tn_shape matrix = *x;
    if (x->rank != 1) return matrix;
    matrix.rank = 2;
    matrix.dims[0] = right ? x->dims[0] : 1;
    matrix.dims[1] = right ? 1 : x->dims[0];
    return matrix;
}

/* Dimension of leading axis i of `leading`, aligned at the last; 1 where x has none. */
static int64_t leading_dim(const tn_shape *x, int leading, int i) {
    int k = i - (leading - (x->rank - 2));
    return k < 0 ? 1 : x->dims[k];
}

/* The samples must be the first axis of the product, and no sum may run over them. */
static bool keeps_samples(const tn_shape *a, const tn_shape *b, int leading, bool trans_a) {
    bool rows = a->batched && a->rank == 2;
    if (rows) return leading == 0 && !trans_a;
    const tn_shape *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        const tn_shape *x = both[i];
        bool fits = x->batched ? leading > 0 && x->rank - 2 == leading
                               : leading == 0 || leading_dim(x, leading, 0) == 1;
        if (!fits) return false;
    }
    return true;
}

/* The product of two matrices, [m][k] and [k][n] once transposed, with their leading axes. */
static tn_status product_shape(const tn_shape *a, const tn_shape *b, product_attrs trans,
                               tn_shape *y, tn_error *error) {
    char text[2][TN_SHAPE_TEXT];
    int leading = (a->rank > b->rank ? a->rank : b->rank) - 2;
    const int64_t *a_last = a->dims + a->rank - 2, *b_last = b->dims + b->rank - 2;
    bool fits = a_last[!trans.trans_a] == b_last[trans.trans_b];
    *y = (tn_shape){.rank = leading + 2, .batched = a->batched || b->batched};
    for (int i = 0; i < leading; i++) {
        int64_t p = leading_dim(a, leading, i), q = leading_dim(b, leading, i);
        fits = fits && (p == q || p == 1 || q == 1);
        y->dims[i] = p == 1 ? q : p;
    }
    y->dims[leading] = a_last[trans.trans_a];
    y->dims[leading + 1] = b_last[!trans.trans_b];
    if (!fits)
        return tn_fail(error, TN_ERR_FORMAT, "shapes %s and %s do not multiply",
                       tn_shape_text(a, text[0]), tn_shape_text(b, text[1]));
    if (y->batched && !keeps_samples(a, b, leading, trans.trans_a))
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "the product of %s and %s mixes samples of the batch, or they are not its "
                       "first axis",
                       tn_shape_text(a, text[0]), tn_shape_text(b, text[1]));
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_shape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
    if (node->inputs[0]->dtype != TN_FLOAT32 || node->inputs[1]->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "inputs must be float32");
    if (a->rank == 0 || b->rank == 0) return tn_fail(error, TN_ERR_FORMAT, "a scalar is no matrix");
    if ((a->batched && a->rank == 1) || (b->batched && b->rank <= 2))
        return tn_fail(error, TN_ERR_UNSUPPORTED, "a sum over the samples of the batch");
    tn_shape left = as_matrix(a, false), right = as_matrix(b, true), y;
    TN_TRY(product_shape(&left, &right, transposes(node), &y, error));
    if (a->rank == 1) {
        y.dims[y.rank - 2] = y.dims[y.rank - 1];
        y.rank--;
    }
    if (b->rank == 1) y.rank--;
    node->outputs[0]->shape = y;
    return TN_OK;
}

static tn_arrangement arrange(const tn_node *node, int input, const int64_t *in_channels) {
    if (input != 1 || !is_gemm(node)) return (tn_arrangement){0};
    return tn_gemm_arrange(false, node->inputs[1]->shape.dims, in_channels[1]);
}

/* ---- Matrix by matrix --------------------------------------------------------------------- */

/* c[m][n] = a[m][k] · b[k][n] for `matrices` of them, their places given by the leading axes. */
typedef struct geometry {
    int64_t m, k, n, matrices;
    int64_t a_row, a_k; /* steps within a matrix; those of b follow from trans_b */
    bool trans_b;
    int leading;
    int64_t dims[TN_MAX_RANK], a_step[TN_MAX_RANK], b_step[TN_MAX_RANK];
} geometry;

/* Steps of an operand along the leading axes, 0 where it is repeated; true if nowhere. */
static bool leading_steps(const geometry *g, const tn_shape *x, int64_t *step) {
    bool whole = true;
    int64_t next = x->dims[x->rank - 2] * x->dims[x->rank - 1];
    for (int i = g->leading - 1; i >= 0; i--) {
        bool repeated = leading_dim(x, g->leading, i) == 1 && !(x->batched && i == 0);
        step[i] = repeated ? 0 : next;
        if (repeated && g->dims[i] != 1) whole = false;
        if (!repeated) next *= g->dims[i];
    }
    return whole;
}

/* For n samples of a batch. Many left matrices that meet one right matrix are one with many rows.
 */
static geometry geometry_of(const tn_node *node, int64_t n) {
    product_attrs trans = transposes(node);
    tn_shape a = as_matrix(&node->inputs[0]->shape, false);
    tn_shape b = as_matrix(&node->inputs[1]->shape, true);
    int leading = (a.rank > b.rank ? a.rank : b.rank) - 2;
    if (a.batched && a.rank == 2) a.dims[0] = n;
    const int64_t *a_last = a.dims + a.rank - 2, *b_last = b.dims + b.rank - 2;
    geometry g = {.m = a_last[trans.trans_a],
                  .k = a_last[!trans.trans_a],
                  .n = b_last[!trans.trans_b],
                  .matrices = 1,
                  .trans_b = trans.trans_b,
                  .leading = leading};
    g.a_row = trans.trans_a ? 1 : g.k;
    g.a_k = trans.trans_a ? g.m : 1;
    for (int i = 0; i < leading; i++) {
        int64_t dim = leading_dim(&a, leading, i);
        if (dim == 1) dim = leading_dim(&b, leading, i);
        g.dims[i] = i == 0 && node->outputs[0]->shape.batched ? n : dim;
        g.matrices *= g.dims[i];
    }
    bool all_of_a = leading_steps(&g, &a, g.a_step);
    leading_steps(&g, &b, g.b_step);
    bool one_b = true;
    for (int i = 0; i < leading; i++) one_b = one_b && (g.b_step[i] == 0 || g.dims[i] == 1);
    if (one_b && all_of_a && !trans.trans_a) {
        g.m *= g.matrices;
        g.matrices = 1;
        g.leading = 0;
    }
    return g;
}

/* Where the operands of matrix number i begin. */
static void find_matrix(const geometry *g, int64_t i, const real **a, const real **b) {
    for (int axis = g->leading - 1; axis >= 0; axis--) {
        int64_t at = i % g->dims[axis];
        i /= g->dims[axis];
        *a += at * g->a_step[axis];
        *b += at * g->b_step[axis];
    }
}

static void run_naive(const tn_run *run) {
    const geometry g = geometry_of(run->node, run->n);
    bool in_panels = is_gemm(run->node) && tn_gemm_in_panels(g.k, g.n);
    for (int64_t i = 0; i < g.matrices; i++) {
        const real *a = run->in[0], *b = run->in[1];
        real *c = (real *)run->out[0] + i * g.m * g.n;
        find_matrix(&g, i, &a, &b);
        for (int64_t p = 0; p < g.m * g.n; p++) {
            const real *row = a + p / g.n * g.a_row, *column = b + (g.trans_b ? p % g.n * g.k : 0);
            c[p] = 0;
            for (int64_t t = 0; t < g.k; t++)
                c[p] += row[t * g.a_k] *
                        column[g.trans_b ? t : tn_gemm_place(in_panels, g.k, g.n, t, p % g.n)];
        }
    }
}

static int64_t workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    const geometry g = geometry_of(node, n);
    return tn_product_workspace_bytes(kernels) + tn_product_steps_bytes(2 * g.m + g.k);
}

static void run_tiles(const tn_run *run) {
    const geometry g = geometry_of(run->node, run->n);
    int64_t *a_row = (int64_t *)((char *)run->workspace + tn_product_workspace_bytes(run->kernels));
    int64_t *c_row = tn_product_steps(a_row, g.m, g.a_row);
    int64_t *offset = tn_product_steps(c_row, g.m, g.n);
    tn_product_steps(offset, g.k, g.a_k);
    for (int64_t i = 0; i < g.matrices; i++) {
        tn_product product = {.rows = g.m,
                              .depth = g.k,
                              .columns = g.n,
                              .a = run->in[0],
                              .a_row = a_row,
                              .offset = offset,
                              .b = run->in[1],
                              .ldb = g.trans_b ? g.k : g.n,
                              .source = g.trans_b ? TN_PANELS_TRANSPOSED : TN_PANELS_STORED,
                              .c = (real *)run->out[0] + i * g.m * g.n,
                              .c_row = c_row};
        find_matrix(&g, i, &product.a, &product.b);
        tn_product_run(run->kernels, &product, run->workspace);
    }
}

/* Of one sample; what geometry_of multiplies is within bounds unless nobody could run it. */
static int64_t macs(const tn_node *node) {
    const geometry g = geometry_of(node, 1);
    int64_t n;
    if (!tn_size_mul(g.m, g.n, &n) || !tn_size_mul(n, g.k, &n) || !tn_size_mul(n, g.matrices, &n))
        return INT64_MAX;
    return n;
}

static bool fast(const tn_node *node, const tn_kernels *kernels) {
    (void)node;
    return !kernels->naive;
}

static bool fast_gemm(const tn_node *node, const tn_kernels *kernels) {
    return !kernels->naive && is_gemm(node);
}

static const tn_implementation gemm = {.name = "tiles",
                                       .applies = fast_gemm,
                                       .units = tn_gemm_units,
                                       .workspace_bytes = tn_gemm_workspace_bytes,
                                       .run = tn_gemm_run};
static const tn_implementation tiles = {
    .name = "tiles", .applies = fast, .workspace_bytes = workspace_bytes, .run = run_tiles};
static const tn_implementation naive = {.name = "naive", .run = run_naive};
static const tn_implementation *const implementations[] = {&tn_gemm_panels, &gemm, &tiles, &naive,
                                                           NULL};

static const tn_op transposed = {.name = "MatMulTransposed",
                                 .attrs_bytes = sizeof(product_attrs),
                                 .min_inputs = 2,
                                 .max_inputs = 2,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_PLAIN,
                                 .infer_shape = infer_shape,
                                 .macs = macs,
                                 .implementations = implementations};

/* ---- Gradient of a matrix that all samples meet: db[k][n] = Σ over rows of a[k] · dy[n] -------
 */

static tn_status weight_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const tn_shape *a = &node->inputs[0]->shape, *dy = &node->inputs[1]->shape;
    node->outputs[0]->shape =
        (tn_shape){.rank = 2, .dims = {a->dims[a->rank - 1], dy->dims[dy->rank - 1]}};
    return TN_OK;
}

/* Rows of a, and so of dy, in n samples. */
static int64_t weight_rows(const tn_node *node, int64_t n) {
    const tn_shape *a = &node->inputs[0]->shape;
    for (int i = 1; i < a->rank - 1; i++) n *= a->dims[i];
    return n;
}

static void run_weight_naive(const tn_run *run) {
    const int64_t *dims = run->node->outputs[0]->shape.dims, k = dims[0], n = dims[1];
    const real *a = run->in[0], *dy = run->in[1];
    real *db = run->out[0];
    for (int64_t i = weight_rows(run->node, run->n); i > 0; i--, a += k, dy += n)
        for (int64_t p = 0; p < k * n; p++) db[p] += a[p / n] * dy[p % n];
}

static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    return tn_product_workspace_bytes(kernels) +
           tn_product_steps_bytes(2 * node->outputs[0]->shape.dims[0] + weight_rows(node, n));
}

static void run_weight(const tn_run *run) {
    const int64_t *dims = run->node->outputs[0]->shape.dims, k = dims[0], n = dims[1];
    int64_t rows = weight_rows(run->node, run->n);
    int64_t *a_row = (int64_t *)((char *)run->workspace + tn_product_workspace_bytes(run->kernels));
    int64_t *c_row = tn_product_steps(a_row, k, 1);
    int64_t *offset = tn_product_steps(c_row, k, n);
    tn_product_steps(offset, rows, k);
    const tn_product product = {.rows = k,
                                .depth = rows,
                                .columns = n,
                                .a = run->in[0],
                                .a_row = a_row,
                                .offset = offset,
                                .b = run->in[1],
                                .ldb = n,
                                .source = TN_PANELS_STORED,
                                .start = TN_START_C,
                                .c = run->out[0],
                                .c_row = c_row};
    tn_product_run(run->kernels, &product, run->workspace);
}

static const tn_implementation weight_tiles = {
    .name = "tiles", .applies = fast, .workspace_bytes = weight_workspace, .run = run_weight};
static const tn_implementation weight_naive = {.name = "naive", .run = run_weight_naive};
static const tn_implementation *const weight_implementations[] = {&weight_tiles, &weight_naive,
                                                                  NULL};

/* Inputs a, dy. */
static const tn_op weight_gradient = {.name = "MatMulGradWeight",
                                      .min_inputs = 2,
                                      .max_inputs = 2,
                                      .n_outputs = 1,
                                      .layout = TN_LAYOUT_PLAIN,
                                      .reduces_samples = true,
                                      .infer_shape = weight_shape,
                                      .implementations = weight_implementations};

/* ---- Gradient ----------------------------------------------------------------------------- */

/* x, or if that has other dimensions, x with them. */
static tn_status shaped(tn_graph *graph, tn_value *x, const tn_shape *shape, tn_value **y,
                        tn_error *error) {
    *y = x;
    return x->shape.rank == shape->rank ? TN_OK : tn_reshape_to(graph, x, shape, y, error);
}

/* Delivers to x what a product of matrices left for it, summed over where x was repeated. */
static tn_status deliver(tn_graph *graph, tn_value *x, const tn_shape *matrix, tn_value *d,
                         tn_error *error) {
    TN_TRY(tn_sum_to_shape(graph, d, matrix, &d, error));
    TN_TRY(shaped(graph, d, &x->shape, &d, error));
    return tn_gradient_add(graph, x, d, error);
}

/* da = dy · b', db = a' · dy, vectors being matrices. */
static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *d;
    tn_value *a = node->inputs[0], *b = node->inputs[1], *left, *right;
    if (is_gemm(node)) return tn_gemm_add_gradients(graph, false, a, b, dy, error);
    const tn_shape a_shape = as_matrix(&a->shape, false), b_shape = as_matrix(&b->shape, true);
    tn_shape y_shape;
    TN_TRY(product_shape(&a_shape, &b_shape, (product_attrs){0}, &y_shape, error));
    TN_TRY(shaped(graph, a, &a_shape, &left, error));
    TN_TRY(shaped(graph, b, &b_shape, &right, error));
    TN_TRY(shaped(graph, dy, &y_shape, &dy, error));
    if (tn_gradient_wanted(graph, a)) {
        tn_value *in[] = {dy, right};
        const product_attrs trans = {.trans_b = true};
        TN_TRY(tn_graph_apply(graph, &transposed, &trans, in, 2, &d, error));
        TN_TRY(deliver(graph, a, &a_shape, d, error));
    }
    if (tn_gradient_wanted(graph, b)) {
        tn_value *in[] = {left, dy};
        const product_attrs trans = {.trans_a = true};
        bool one = a_shape.batched && !b_shape.batched && b_shape.rank == 2;
        TN_TRY(tn_graph_apply(graph, one ? &weight_gradient : &transposed, one ? NULL : &trans, in,
                              2, &d, error));
        TN_TRY(deliver(graph, b, &b_shape, d, error));
    }
    return TN_OK;
}

const tn_op tn_op_mat_mul = {.name = "MatMul",
                             .onnx_type = "MatMul",
                             .min_inputs = 2,
                             .max_inputs = 2,
                             .n_outputs = 1,
                             .layout = TN_LAYOUT_WEIGHTED,
                             .infer_shape = infer_shape,
                             .differentiate = differentiate,
                             .macs = macs,
                             .arrange = arrange,
                             .implementations = implementations};
