/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_panels.c: products with a large weight, stored in panels (gemm.h), and the gradient of any
 * large weight. All run over the whole batch, divided between threads. Rows of a batch often lie a
 * multiple of 4096 bytes apart, in one set of the first-level cache, so blocks of them are copied
 * side by side before they are used. */
#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/gemm.h"
#include "ops/tiles.h"

enum {
    /* columns and rows of the forward pass that make a unit of work: both whole register tiles */
    UNIT_OUTPUTS = 4 * TN_TILE_MAX_NR,
    UNIT_ROWS = 3 * TN_TILE_ROWS,
    UNIT_PARTS = 24,   /* units of either gradient, while each has at least BLOCK_INPUTS */
    UNIT_INPUTS = 384, /* and at most so many rows of the weight: whole blocks */
    /* of those that the weight gradient takes through all columns at a time */
    BLOCK_INPUTS = 4 * TN_TILE_ROWS,
    BLOCK = 384,    /* of the depth that is copied at a time */
    ROW_GAP = 16,   /* between copied rows */
    TILES_AHEAD = 2 /* how early the weight gradient asks for what it will write */
};

static int64_t blocks(int64_t n, int64_t each) { return (n + each - 1) / each; }

/* Rows of the weight that make a unit of either gradient, of k in all. */
static int64_t unit_inputs(int64_t k) {
    return tn_min_i64(UNIT_INPUTS, tn_round_up(blocks(k, UNIT_PARTS), BLOCK_INPUTS));
}

/* ---- Forward ------------------------------------------------------------------------------ */

static int64_t forward_depth(const tn_node *node) { return node->inputs[0]->shape.dims[1]; }
static int64_t forward_outputs(const tn_node *node) { return node->outputs[0]->shape.dims[1]; }

static bool forward_applies(const tn_node *node, const tn_kernels *kernels) {
    return !kernels->naive && tn_gemm_is_plain(node) && node->outputs[0]->shape.batched &&
           tn_gemm_in_panels(forward_depth(node), forward_outputs(node));
}

static int64_t forward_units(const tn_node *node) {
    return blocks(node->outputs[0]->shape.dims[0], UNIT_ROWS) *
           blocks(forward_outputs(node), UNIT_OUTPUTS);
}

/* Workspace: the lists of a product, the rows of a block, what the product needs. */
typedef struct forward_room {
    int64_t *a_row, *c_row, *offset;
    real *rows;
    void *product;
} forward_room;

static int64_t forward_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)node, (void)n;
    return tn_product_steps_bytes(2 * UNIT_ROWS + BLOCK) +
           (int64_t)sizeof(real) * UNIT_ROWS * (BLOCK + ROW_GAP) +
           tn_product_workspace_bytes(kernels);
}

static forward_room split_forward(const tn_run *run, int64_t o) {
    forward_room room = {.a_row = run->workspace};
    room.c_row = tn_product_steps(room.a_row, UNIT_ROWS, BLOCK + ROW_GAP);
    room.offset = tn_product_steps(room.c_row, UNIT_ROWS, o);
    tn_product_steps(room.offset, BLOCK, 1);
    room.rows =
        (real *)(void *)((char *)run->workspace + tn_product_steps_bytes(2 * UNIT_ROWS + BLOCK));
    room.product = room.rows + UNIT_ROWS * (BLOCK + ROW_GAP);
    return room;
}

/* While panel j of [first, last) and depth t is multiplied: the next panel, and a share of the next
 * block of x, whose rows begin at `row`. */
static void look_ahead(const tn_run *run, tn_product *product, int64_t row, int64_t t, int64_t j,
                       int64_t first, int64_t last) {
    int64_t k = forward_depth(run->node), o = forward_outputs(run->node);
    int64_t next = t + product->depth, next_depth = tn_min_i64(product->depth, k - next);
    bool in_block = j + TN_GEMM_PANEL < last;
    int64_t place = in_block ? tn_gemm_place(true, k, o, t, j + TN_GEMM_PANEL)
                             : tn_gemm_place(true, k, o, next, first);
    int64_t share = blocks(product->rows * TN_GEMM_PANEL, last - first);
    int64_t done = tn_min_i64(product->rows, (j - first) / TN_GEMM_PANEL * share);
    product->ahead[0] =
        (tn_ahead){(const real *)run->in[1] + place, in_block ? product->depth : next_depth,
                   TN_GEMM_PANEL, TN_GEMM_PANEL};
    product->ahead[1] = (tn_ahead){(const real *)run->in[0] + (row + done) * k + next,
                                   tn_min_i64(share, product->rows - done), next_depth, k};
}

/* Rows [row, row + rows) and columns [first, last) of y, block after block of the depth. */
static void forward_unit(const tn_run *run, const forward_room *room, int64_t row, int64_t rows,
                         int64_t first, int64_t last) {
    int64_t k = forward_depth(run->node), o = forward_outputs(run->node);
    int64_t block = blocks(k, blocks(k, BLOCK));
    const real *x = (const real *)run->in[0] + row * k;
    tn_product_start start = tn_gemm_start(run, row, rows, first, last);
    tn_product product = {.rows = rows,
                          .columns = TN_GEMM_PANEL,
                          .a = room->rows,
                          .a_row = room->a_row,
                          .offset = room->offset,
                          .ldb = TN_GEMM_PANEL,
                          .source = TN_PANELS_STORED,
                          .c_row = room->c_row};
    for (int64_t t = 0; t < k; t += block) {
        product.depth = tn_min_i64(block, k - t);
        product.start = t == 0 ? start : TN_START_C;
        bool ends = t + product.depth == k;
        product.activation = ends ? run->node->activation : (tn_activation){0};
        const real *more = ends ? tn_run_more(run) : NULL;
        for (int64_t i = 0; i < rows; i++)
            memcpy(room->rows + i * (BLOCK + ROW_GAP), x + i * k + t,
                   (size_t)product.depth * sizeof(real));
        for (int64_t j = first; j < last; j += TN_GEMM_PANEL) {
            product.b = (const real *)run->in[1] + tn_gemm_place(true, k, o, t, j);
            look_ahead(run, &product, row, t, j, first, last);
            product.bias = start == TN_START_BIAS ? (const real *)run->in[2] + j : NULL;
            product.c = (real *)run->out[0] + row * o + j;
            product.more = more ? more + row * o + j : NULL;
            tn_product_run(run->kernels, &product, room->product);
        }
    }
}

static void run_forward(const tn_run *run) {
    int64_t o = forward_outputs(run->node), columns = blocks(o, UNIT_OUTPUTS);
    const forward_room room = split_forward(run, o);
    for (int64_t unit = run->begin; unit < run->end; unit++) {
        int64_t row = unit / columns * UNIT_ROWS, first = unit % columns * UNIT_OUTPUTS;
        int64_t rows = tn_min_i64(UNIT_ROWS, run->n - row);
        int64_t last = tn_min_i64(o, first + UNIT_OUTPUTS), k = forward_depth(run->node);
        if (rows == 1 && run->kernels->nr == TN_GEMM_PANEL) {
            const tn_matmul product = {.b = (const real *)run->in[1] +
                                            tn_gemm_place(true, k, o, 0, first),
                                       .b_panel = k * TN_GEMM_PANEL,
                                       .b_step = TN_GEMM_PANEL};
            (void)tn_gemm_row(run, row, first, last, product);
        } else if (rows > 0) {
            forward_unit(run, &room, row, rows, first, last);
        }
    }
}

const tn_implementation tn_gemm_panels = {.name = "panels",
                                          .cost = {.efficiency = 0.75f},
                                          .applies = forward_applies,
                                          .units = forward_units,
                                          .workspace_bytes = forward_workspace,
                                          .run = run_forward};

/* ---- Input gradient: dA[i][k] = Σ_o dy[i][o] · B[k][o] -------------------------------------- */

static int64_t input_depth(const tn_node *node) { return node->outputs[0]->shape.dims[1]; }
static int64_t input_outputs(const tn_node *node) { return node->inputs[0]->shape.dims[1]; }

static bool input_applies(const tn_node *node, const tn_kernels *kernels) {
    return !kernels->naive && tn_gemm_in_panels(input_depth(node), input_outputs(node));
}

static int64_t input_units(const tn_node *node) {
    return blocks(input_depth(node), unit_inputs(input_depth(node)));
}

/* Workspace: the lists of a product, and a panel [o][nr]. */
static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    int64_t o = input_outputs(node);
    return tn_product_steps_bytes(2 * n + o) +
           tn_panels_elements(kernels, o, kernels->nr) * (int64_t)sizeof(real);
}

/* Up to nr rows of B from `first` on as a panel [o][nr]. */
static void transpose_panel(const tn_run *run, int64_t first, int64_t rows, real *panel) {
    int64_t k = input_depth(run->node), o = input_outputs(run->node), nr = run->kernels->nr;
    if (rows < nr) memset(panel, 0, (size_t)(nr * o) * sizeof(real));
    for (int64_t j = 0; j < o; j += TN_GEMM_PANEL) {
        const real *b = (const real *)run->in[1] + tn_gemm_place(true, k, o, first, j);
        run->kernels->transpose(rows, TN_GEMM_PANEL, b, TN_GEMM_PANEL, panel + j * nr, nr);
    }
}

static void run_input(const tn_run *run) {
    int64_t k = input_depth(run->node), o = input_outputs(run->node), nr = run->kernels->nr;
    int64_t *a_row = run->workspace, *c_row = tn_product_steps(a_row, run->n, o);
    int64_t *offset = tn_product_steps(c_row, run->n, k);
    tn_product_steps(offset, o, 1);
    real *y = run->out[0];
    const real *b = run->in[1];
    real *panel = (real *)(void *)((char *)run->workspace + tn_product_steps_bytes(2 * run->n + o));
    tn_product product = {.rows = run->n,
                          .depth = o,
                          .a = run->in[0],
                          .a_row = a_row,
                          .offset = offset,
                          .b = panel,
                          .panel_depth = o,
                          .source = TN_PANELS_PACKED,
                          .c_row = c_row};
    int64_t unit = unit_inputs(k), end = tn_min_i64(k, run->end * unit);
    for (int64_t first = run->begin * unit; first < end; first += nr) {
        bool last = first + 2 * nr > end; /* whole panel */
        product.columns = tn_min_i64(nr, end - first);
        product.ahead[0] =
            (tn_ahead){b + (first + nr) * TN_GEMM_PANEL, last ? 0 : o / TN_GEMM_PANEL,
                       nr * TN_GEMM_PANEL, k * TN_GEMM_PANEL};
        product.ahead[1] = (tn_ahead){y + first + nr, last ? 0 : run->n, nr, k};
        product.c = y + first;
        transpose_panel(run, first, product.columns, panel);
        tn_product_run(run->kernels, &product, NULL);
    }
}

const tn_implementation tn_gemm_grad_input_panels = {.name = "panels",
                                                     .cost = {.efficiency = 0.75f},
                                                     .applies = input_applies,
                                                     .units = input_units,
                                                     .workspace_bytes = input_workspace,
                                                     .run = run_input};

/* ---- Weight gradient: dB[k][o] = Σ_i A[i][k] · dy[i][o] ------------------------------------- */

static int64_t weight_depth(const tn_node *node) { return node->inputs[0]->shape.dims[1]; }
static int64_t weight_outputs(const tn_node *node) { return node->inputs[1]->shape.dims[1]; }

static bool weight_applies(const tn_node *node, const tn_kernels *kernels) {
    return !kernels->naive && tn_gemm_is_large(weight_depth(node), weight_outputs(node));
}

static int64_t weight_units(const tn_node *node) {
    return blocks(weight_depth(node), unit_inputs(weight_depth(node)));
}

/* Workspace: the panels of dy, the unit's columns of A dealt to tiles, and a tile. */
typedef struct weight_room {
    real *panels, *columns, *tile;
} weight_room;

static int64_t columns_elements(const tn_kernels *kernels, int64_t n) {
    return tn_round_up(UNIT_INPUTS, kernels->mr) * n;
}

static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    int64_t reals = tn_panels_elements(kernels, n, weight_outputs(node)) +
                    columns_elements(kernels, n) + (int64_t)kernels->mr * kernels->nr;
    return reals * (int64_t)sizeof(real);
}

static weight_room split_weight(const tn_run *run, int64_t o) {
    weight_room room = {.panels = run->workspace};
    room.columns = room.panels + tn_panels_elements(run->kernels, run->n, o);
    room.tile = room.columns + columns_elements(run->kernels, run->n);
    return room;
}

/* Rows [first, first + rows) of dB, columns [j, j + nr): each shard is summed by itself in sample
 * order, the shards in their tree. The unit begins at row `unit`. A tile that sticks out to the
 * right is computed aside. */
static void weight_columns(const tn_run *run, const weight_room *room, int64_t unit, int64_t first,
                           int64_t rows, int64_t j) {
    int64_t k = weight_depth(run->node), o = weight_outputs(run->node);
    const tn_kernels *kernels = run->kernels;
    bool in_panels = tn_gemm_in_panels(k, o);
    int64_t width = tn_min_i64(kernels->nr, o - j), step = in_panels ? TN_GEMM_PANEL : o;
    bool aside = width < kernels->nr;
    tn_tree_tile tile = {.b = room->panels + j * run->n,
                         .n_parts = run->step->n_shards,
                         .begin = run->step->shard_begin};
    for (int64_t i = 0; i < rows; i += kernels->mr) {
        tile.m = (int)tn_min_i64(kernels->mr, rows - i);
        tile.a = room->columns + (first - unit + i) * run->n;
        real *db = (real *)run->out[0] + tn_gemm_place(in_panels, k, o, first + i, j);
        for (int r = 0; r < tile.m; r++) {
            tile.c[r] = aside ? room->tile + r * kernels->nr : db + r * step;
            __builtin_prefetch(db + (r + TILES_AHEAD * kernels->mr) * step, 1);
        }
        kernels->tree_tile(&tile);
        for (int r = 0; r < tile.m && aside; r++)
            memcpy(db + r * step, tile.c[r], (size_t)width * sizeof(real));
    }
}

static void run_weight(const tn_run *run) {
    int64_t k = weight_depth(run->node), o = weight_outputs(run->node);
    const weight_room room = split_weight(run, o);
    tn_panels_pack(run->kernels, TN_PANELS_STORED, run->in[1], o, run->n, o, room.panels);
    for (int64_t unit = run->begin; unit < run->end; unit++) {
        int64_t first = unit * unit_inputs(k), rows = tn_min_i64(unit_inputs(k), k - first);
        for (int64_t i = 0; i < run->n; i++)
            run->kernels->deal_row(rows, (const real *)run->in[0] + i * k + first,
                                   room.columns + i * run->kernels->mr, run->n * run->kernels->mr);
        for (int64_t i = 0; i < rows; i += BLOCK_INPUTS)
            for (int64_t j = 0; j < o; j += run->kernels->nr)
                weight_columns(run, &room, first, first + i, tn_min_i64(BLOCK_INPUTS, rows - i), j);
    }
}

const tn_implementation tn_gemm_grad_weight_whole = {.name = "whole",
                                                     .cost = {.efficiency = 0.6f},
                                                     .applies = weight_applies,
                                                     .units = weight_units,
                                                     .workspace_bytes = weight_workspace,
                                                     .run = run_weight};
