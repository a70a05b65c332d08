/* SPDX-License-Identifier: Apache-2.0 */
/* conv_lanes_winograd.c: convolutions of samples in lanes with fewer products: Winograd's algorithm
 * along the rows of images only, F(4, 5) and F(6, 3), with 8 products for 4·5 or 6·3. Rows of the
 * window are terms of the sum like channels, so that products are deep and few channels do. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "ops/conv_geometry.h"
#include "ops/lanes.h"

enum {
    PARTS = TN_LANES_WINOGRAD_PARTS,
    GAP = 16, /* between parts: a power of two apart, they would meet in few places of a cache */
    BAND_BYTES = 128 << 10 /* of the parts of y that wait for their transform, in a cache */
};

static int64_t tiles_of(const conv_geometry *g) {
    int64_t points = PARTS + 1 - g->s;
    return (g->q + points - 1) / points;
}

static bool suits(const conv_geometry *g, const tn_kernels *kernels) {
    return !kernels->naive && !kernels->direct && !g->volume && (g->s == 3 || g->s == 5) &&
           g->stride_h == 1 && g->stride_w == 1 && g->dilation_h == 1 && g->dilation_w == 1;
}

/* Whether fewer products outweigh the transforms of so many tiles, in the time of a vector's
 * multiply-add. `share` is that of the peak which products reach. */
static const double direct_share = 0.9, share = 0.85, worth = 0.95;
enum { INPUT_COST = 50, OUTPUT_COST = 60, GRADIENT_COST = 45, BACK_COST = 60, SUM_COST = 8 };

/* Of a group of channels and its outputs. */
static double direct_macs(const conv_geometry *g) {
    return (double)(g->p * g->q) * (double)(g->r * g->s) * (double)(g->cg * g->og);
}

static double macs(const conv_geometry *g) {
    return (double)(g->p * tiles_of(g)) * (double)(PARTS * g->r) * (double)(g->cg * g->og);
}

static double x_tiles(const conv_geometry *g) { return (double)(g->cg * g->h * tiles_of(g)); }
static double y_tiles(const conv_geometry *g) { return (double)(g->og * g->p * tiles_of(g)); }

/* Numbers in a row of tiles, from part to part for all rows of x, y and dx, and for weights. */
static int64_t row_of(const conv_geometry *g) { return tiles_of(g) * TN_LANES; }
static int64_t x_step(const conv_geometry *g) { return g->cg * conv_padded_h(g) * row_of(g) + GAP; }
static int64_t y_step(const conv_geometry *g) { return g->og * g->p * row_of(g) + GAP; }
static int64_t dx_step(const conv_geometry *g) { return g->cg * g->h * row_of(g) + GAP; }
static int64_t w_step(const conv_geometry *g) { return g->r * g->cg * g->og + GAP; }

static tn_lanes_winograd x_rows(const conv_geometry *g) {
    return (tn_lanes_winograd){.taps = (int)g->s,
                               .tiles = tiles_of(g),
                               .width = g->w,
                               .before = g->pad_left,
                               .row_step = g->w * TN_LANES};
}

static tn_lanes_winograd y_rows(const conv_geometry *g) {
    return (tn_lanes_winograd){.taps = (int)g->s,
                               .rows = g->og * g->p,
                               .tiles = tiles_of(g),
                               .width = g->q,
                               .row_step = g->q * TN_LANES};
}

static void clear_rows(real *parts, int64_t step, int64_t numbers) {
    for (int k = 0; k < PARTS; k++) memset(parts + k * step, 0, (size_t)numbers * sizeof(real));
}

/* The parts of x [part][channel][padded row][tile]. */
static void transform_x(const tn_run *run, const conv_geometry *g, const real *x, real *parts) {
    int64_t row = row_of(g), above = g->pad_top * row, below = g->pad_bottom * row;
    bool together = above == 0 && below == 0;
    tn_lanes_winograd w = x_rows(g);
    w.rows = together ? g->cg * g->h : g->h;
    w.part_step = x_step(g);
    for (int64_t c = 0; c < (together ? 1 : g->cg); c++) {
        real *channel = parts + c * conv_padded_h(g) * row;
        w.image = x + c * g->h * g->w * TN_LANES;
        w.parts = channel + above;
        run->kernels->lanes_winograd_input(&w);
        clear_rows(channel, w.part_step, above);
        clear_rows(w.parts + g->h * row, w.part_step, below);
    }
}

/* The parts of dy [part][output][row][tile]. */
static void transform_dy(const tn_run *run, const conv_geometry *g, const real *dy, real *parts) {
    tn_lanes_winograd w = y_rows(g);
    w.image = dy;
    w.parts = parts;
    w.part_step = y_step(g);
    run->kernels->lanes_winograd_gradient(&w);
}

/* ---- Weights --------------------------------------------------------------------------------- */

static int64_t packed_bytes(const conv_geometry *g) {
    return g->groups * PARTS * w_step(g) * (int64_t)sizeof(real);
}

/* The parts of row r of a window of one group, from taps that lie tap by tap at w. */
static void pack_row(const tn_kernels *kernels, const conv_geometry *g, int64_t r, const real *w,
                     real *parts) {
    int64_t tap = g->cg * g->og;
    const tn_lanes_winograd row = {.taps = (int)g->s,
                                   .width = tap,
                                   .row_step = tap,
                                   .image = w,
                                   .parts = parts + r * tap,
                                   .part_step = w_step(g)};
    kernels->lanes_winograd_weight(&row);
}

/* ---- Forward --------------------------------------------------------------------------------- */

static int64_t list_bytes(int64_t n) { return tn_round_up(n * (int64_t)sizeof(int64_t), 64); }

static int64_t depth_of(const conv_geometry *g) { return g->r * g->cg; }

/* Rows of y that are made together. */
static int64_t band_of(const conv_geometry *g) {
    int64_t bytes = PARTS * g->og * row_of(g) * (int64_t)sizeof(real);
    return tn_min_i64(g->p, tn_max_i64(1, BAND_BYTES / bytes));
}

static int64_t band_step(const conv_geometry *g) { return g->og * band_of(g) * row_of(g) + GAP; }

/* Workspace: where the rows of a window and its channels are, parts of x, of a band of y. */
static int64_t forward_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_geometry_of(node);
    return list_bytes(depth_of(&g)) + PARTS * (x_step(&g) + band_step(&g)) * (int64_t)sizeof(real);
}

static void forward_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_geometry_of(run->node);
    const real *w = run->in[1];
    for (int64_t i = 0; i < g.groups * g.r; i++)
        pack_row(run->kernels, &g, i % g.r, w + i * g.s * g.cg * g.og,
                 (real *)packed + i / g.r * PARTS * w_step(&g));
}

static void list_x(const conv_geometry *g, int64_t *offset) {
    for (int64_t r = 0; r < g->r; r++)
        for (int64_t c = 0; c < g->cg; c++) *offset++ = (c * conv_padded_h(g) + r) * row_of(g);
}

/* A band of rows: parts of x at the first one to parts of y [part][output][row][tile]. */
static void multiply_x(const tn_run *run, const conv_geometry *g, int64_t rows, const real *x,
                       const real *w, real *y) {
    tn_lanes_product product = {.rows = 1,
                                .columns = rows * tiles_of(g),
                                .x_column = TN_LANES,
                                .y_column = TN_LANES,
                                .outputs = g->og,
                                .y_output = rows * row_of(g),
                                .depth = depth_of(g),
                                .w_step = g->og,
                                .w_output = 1,
                                .offset = run->workspace};
    for (int k = 0; k < PARTS; k++) {
        product.x = x + k * x_step(g);
        product.w = w + k * w_step(g);
        product.y = y + k * band_step(g);
        run->kernels->lanes_product(&product);
    }
}

/* y is at the first row of the band. */
static void transform_y(const tn_run *run, const conv_geometry *g, int64_t rows, real *parts,
                        const real *bias, real *y) {
    tn_lanes_winograd w = y_rows(g);
    w.rows = rows;
    w.part_step = band_step(g);
    w.floor = tn_lanes_relu(run->node) ? 0 : -(real)INFINITY;
    for (int64_t o = 0; o < g->og; o++) {
        w.bias = bias ? bias[o] : 0;
        w.parts = parts + o * rows * row_of(g);
        w.result = y + o * g->p * w.row_step;
        run->kernels->lanes_winograd_output(&w);
    }
}

static void run_forward(const tn_run *run) {
    const conv_geometry g = conv_geometry_of(run->node);
    real *x_parts = (real *)(void *)((char *)run->workspace + list_bytes(depth_of(&g)));
    real *y_parts = x_parts + PARTS * x_step(&g);
    list_x(&g, run->workspace);
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        int64_t group = i % g.groups;
        const real *bias = run->in[2], *x = run->in[0];
        const real *w = (const real *)run->packed + group * PARTS * w_step(&g);
        real *y = (real *)run->out[0] + i * g.og * g.p * g.q * TN_LANES;
        transform_x(run, &g, x + i * g.cg * g.h * g.w * TN_LANES, x_parts);
        for (int64_t p = 0, rows; p < g.p; p += rows) {
            rows = tn_min_i64(band_of(&g), g.p - p);
            multiply_x(run, &g, rows, x_parts + p * row_of(&g), w, y_parts);
            transform_y(run, &g, rows, y_parts, bias ? bias + group * g.og : NULL,
                        y + p * g.q * TN_LANES);
        }
    }
    tn_lanes_end(run);
}

static bool forward_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_geometry_of(node);
    return suits(&g, kernels);
}

static bool forward_pays(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_geometry_of(node);
    double cost = macs(&g) / share + x_tiles(&g) * INPUT_COST + y_tiles(&g) * OUTPUT_COST;
    return cost < worth * direct_macs(&g) / direct_share;
}

static int64_t forward_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_geometry_of(node);
    return packed_bytes(&g);
}

static int64_t forward_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, conv_geometry_of(node).og);
}

const tn_implementation tn_conv_lanes_winograd = {.name = "winograd lanes",
                                                  .stored = TN_STORED_IN_LANES,
                                                  .cost = {.efficiency = 2, .weights = 2},
                                                  .applies = forward_applies,
                                                  .pays = forward_pays,
                                                  .workspace_bytes = forward_workspace,
                                                  .packed_bytes = forward_packed_bytes,
                                                  .pack = forward_pack,
                                                  .tile_macs = forward_tile_macs,
                                                  .run = run_forward};

/* ---- Input gradient -------------------------------------------------------------------------- */
/* The transpose of forward: rows of dx from those rows of dy that the window lets meet them. */

/* Workspace: where the rows and outputs are that a product takes in, parts of dy, parts of dx. */
static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_input_geometry(node);
    return list_bytes(g.r * g.og) + PARTS * (y_step(&g) + dx_step(&g)) * (int64_t)sizeof(real);
}

/* Behind the parts [r][o][c] is room for a row of the window [s][o][c]. */
static int64_t input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_input_geometry(node);
    return packed_bytes(&g) + g.s * g.cg * g.og * (int64_t)sizeof(real);
}

static void input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    int64_t tap = g.cg * g.og;
    real *turned = (real *)packed + g.groups * PARTS * w_step(&g);
    for (int64_t i = 0; i < g.groups * g.r; i++) {
        const real *w = (const real *)run->in[1] + i * g.s * tap;
        for (int64_t s = 0; s < g.s; s++)
            run->kernels->transpose(g.cg, g.og, w + s * tap, g.og, turned + s * tap, g.cg);
        pack_row(run->kernels, &g, i % g.r, turned, (real *)packed + i / g.r * PARTS * w_step(&g));
    }
}

/* Rows r of the window through which row h of x meets y: those with 0 <= h + pad - r < p. */
static tn_steps taps_of_row(const conv_geometry *g, int64_t h) {
    return (tn_steps){tn_max_i64(0, h + g->pad_top - g->p + 1),
                      tn_min_i64(g->r, h + g->pad_top + 1)};
}

/* From row r of the window and its row of dy on. */
static void list_dy(const conv_geometry *g, int64_t *offset) {
    for (int64_t r = 0; r < g->r; r++)
        for (int64_t o = 0; o < g->og; o++) *offset++ = (o * g->p - r) * row_of(g);
}

static void multiply_rows(const tn_run *run, const conv_geometry *g, int64_t h, int64_t rows,
                          tn_steps r, const real *dy, const real *w, real *dx) {
    tn_lanes_product product = {.rows = 1,
                                .columns = rows * tiles_of(g),
                                .x_column = TN_LANES,
                                .y_column = TN_LANES,
                                .outputs = g->cg,
                                .y_output = g->h * row_of(g),
                                .depth = (r.end - r.begin) * g->og,
                                .w_step = g->cg,
                                .w_output = 1,
                                .offset = run->workspace};
    for (int k = 0; k < PARTS; k++) {
        product.x = dy + k * y_step(g) + (h + g->pad_top - r.begin) * row_of(g);
        product.w = w + k * w_step(g) + r.begin * g->og * g->cg;
        product.y = dx + k * dx_step(g) + h * row_of(g);
        run->kernels->lanes_product(&product);
    }
}

/* Rows that meet y through the same rows of the window go together. */
static void multiply_dy(const tn_run *run, const conv_geometry *g, const real *dy, const real *w,
                        real *dx) {
    for (int64_t h = 0, end; h < g->h; h = end) {
        const tn_steps r = taps_of_row(g, h);
        for (end = h + 1; end < g->h; end++) {
            const tn_steps next = taps_of_row(g, end);
            if (next.begin != r.begin || next.end != r.end) break;
        }
        multiply_rows(run, g, h, end - h, r, dy, w, dx);
    }
}

static void transform_dx(const tn_run *run, const conv_geometry *g, real *parts, real *dx) {
    tn_lanes_winograd w = x_rows(g);
    w.rows = g->cg * g->h;
    w.parts = parts;
    w.part_step = dx_step(g);
    w.result = dx;
    run->kernels->lanes_winograd_back(&w);
}

static void run_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    real *dy_parts = (real *)(void *)((char *)run->workspace + list_bytes(g.r * g.og));
    real *dx_parts = dy_parts + PARTS * y_step(&g);
    list_dy(&g, run->workspace);
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        const real *w = (const real *)run->packed + i % g.groups * PARTS * w_step(&g);
        transform_dy(run, &g, (const real *)run->in[0] + i * g.og * g.p * g.q * TN_LANES, dy_parts);
        multiply_dy(run, &g, dy_parts, w, dx_parts);
        transform_dx(run, &g, dx_parts, (real *)run->out[0] + i * g.cg * g.h * g.w * TN_LANES);
    }
}

static bool input_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_input_geometry(node);
    return suits(&g, kernels);
}

static bool input_pays(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_input_geometry(node);
    double cost = macs(&g) / share + y_tiles(&g) * GRADIENT_COST + x_tiles(&g) * BACK_COST;
    return cost < worth * direct_macs(&g) / direct_share;
}

static int64_t input_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, conv_grad_input_geometry(node).cg);
}

const tn_implementation tn_conv_grad_input_lanes_winograd = {
    .name = "winograd lanes",
    .stored = TN_STORED_IN_LANES,
    .cost = {.efficiency = 2, .weights = 2},
    .applies = input_applies,
    .pays = input_pays,
    .workspace_bytes = input_workspace,
    .packed_bytes = input_packed_bytes,
    .pack = input_pack,
    .tile_macs = input_tile_macs,
    .run = run_input};

/* ---- Weight gradient ------------------------------------------------------------------------- */

/* Workspace: two lists, parts of x, of dy and of dw. */
static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_weight_geometry(node);
    int64_t parts = PARTS * (x_step(&g) + y_step(&g) + w_step(&g));
    return list_bytes(2 * depth_of(&g)) + parts * (int64_t)sizeof(real);
}

/* Channel by channel, so that the rows of one serve all of the window. */
static void list_weight(const conv_geometry *g, int64_t *offset, int64_t *w_offset) {
    for (int64_t c = 0; c < g->cg; c++)
        for (int64_t r = 0; r < g->r; r++) {
            *offset++ = (c * conv_padded_h(g) + r) * row_of(g);
            *w_offset++ = (r * g->cg + c) * g->og;
        }
}

/* Of one group of samples. */
static void multiply_both(const tn_run *run, const conv_geometry *g, const real *x, const real *dy,
                          int lanes, real *dw) {
    const int64_t *offset = run->workspace;
    tn_lanes_weight product = {.rows = 1,
                               .columns = g->p * tiles_of(g),
                               .x_column = TN_LANES,
                               .y_column = TN_LANES,
                               .outputs = g->og,
                               .y_output = g->p * row_of(g),
                               .depth = depth_of(g),
                               .offset = offset,
                               .w_offset = offset + depth_of(g),
                               .lanes = lanes};
    clear_rows(dw, w_step(g), w_step(g));
    for (int k = 0; k < PARTS; k++) {
        product.x = x + k * x_step(g);
        product.dy = dy + k * y_step(g);
        product.dw = dw + k * w_step(g);
        run->kernels->lanes_weight(&product);
    }
}

static void add_taps(const tn_run *run, const conv_geometry *g, real *parts, real *dw) {
    int64_t tap = g->cg * g->og;
    tn_lanes_winograd row = {
        .taps = (int)g->s, .width = tap, .row_step = tap, .part_step = w_step(g)};
    for (int64_t r = 0; r < g->r; r++) {
        row.parts = parts + r * tap;
        row.result = dw + r * g->s * tap;
        run->kernels->lanes_winograd_taps(&row);
    }
}

static void run_weight(const tn_run *run) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    int64_t *offset = run->workspace;
    real *x_parts = (real *)(void *)((char *)run->workspace + list_bytes(2 * depth_of(&g)));
    real *dy_parts = x_parts + PARTS * x_step(&g), *dw_parts = dy_parts + PARTS * y_step(&g);
    list_weight(&g, offset, offset + depth_of(&g));
    for (int64_t i = 0; i < tn_run_groups(run) * g.groups; i++) {
        int64_t group = i % g.groups;
        transform_x(run, &g, (const real *)run->in[0] + i * g.cg * g.h * g.w * TN_LANES, x_parts);
        transform_dy(run, &g, (const real *)run->in[1] + i * g.og * g.p * g.q * TN_LANES, dy_parts);
        multiply_both(run, &g, x_parts, dy_parts, tn_run_lanes(run, i / g.groups), dw_parts);
        add_taps(run, &g, dw_parts, (real *)run->out[0] + group * g.r * g.s * g.cg * g.og);
    }
}

static bool weight_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    return suits(&g, kernels);
}

/* Here, too, every element is a sum over lanes. */
static bool weight_pays(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_weight_geometry(node);
    double sums = (double)(g.r * g.cg) * (double)g.og * SUM_COST;
    double cost =
        macs(&g) / share + PARTS * sums + x_tiles(&g) * INPUT_COST + y_tiles(&g) * GRADIENT_COST;
    return cost < worth * (direct_macs(&g) / direct_share + (double)g.s * sums);
}

static int64_t weight_tile_macs(const tn_node *node) {
    return tn_tile_macs(node, conv_grad_weight_geometry(node).og);
}

const tn_implementation tn_conv_grad_weight_lanes_winograd = {.name = "winograd lanes",
                                                              .stored = TN_STORED_IN_LANES,
                                                              .cost = {.efficiency = 1.5F},
                                                              .applies = weight_applies,
                                                              .pays = weight_pays,
                                                              .workspace_bytes = weight_workspace,
                                                              .tile_macs = weight_tile_macs,
                                                              .run = run_weight};
