/* SPDX-License-Identifier: Apache-2.0 */
/* conv_winograd.c: convolutions by 3×3 with a quarter of the products: F(4×4, 3×3), A. Lavin and
 * S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015. Each 4×4 pixels of y come
 * from 6×6 of x by a product for each of 36 parts. A few tiles go through all three stages
 * together, so that their parts stay in the second-level cache. The input gradient is the same with
 * dy as the image and the kernel turned round. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/conv_geometry.h"
#include "ops/conv_parts.h"
#include "ops/tiles.h"
#include "ops/winograd.h"

enum {
    IN = WINOGRAD_IN,
    OUT = WINOGRAD_OUT,
    PARTS = IN * IN,
    GROUP_BYTES = 256 << 10, /* of the parts of tiles that go together */
    WEIGHTS_TO_PARTS = 4,    /* or so much less than the weights, if that is more */
    MOST_TILES = 48,         /* of a group */
    LEAST_TILES = 4          /* of an image */
};

static int64_t tiles_of(int64_t size) { return (size + OUT - 1) / OUT; }

/* One pass: from an image with its pads to another. */
typedef struct pass {
    conv_image from, to;
    int64_t pad_top, pad_left;
} pass;

/* What the rules below know of a way to compute a pass; transforms in the time of a vector's
 * multiply-add, for eight channels of a tile. */
typedef struct form {
    int64_t in, out; /* tiles of x and y; in·in products for each tile and pair of channels */
    double input, output, product_share;
} form;

static const form direct = {3, 1, 0, 0, 0.9}; /* nine products for each pixel */
static const form large = {TN_WINOGRAD_IN, TN_WINOGRAD_OUT, 180, 140, 0.75};
static const form small = {TN_WINOGRAD_SMALL_IN, TN_WINOGRAD_SMALL_OUT, 50, 35, 0.75};

static int64_t tiles_in(const pass *p, const form *f) {
    return (p->to.height + f->out - 1) / f->out * ((p->to.width + f->out - 1) / f->out);
}

/* For one sample. A product of few channels is all beginning and end, that of few tiles fills no
 * register tile. */
static double computing(const pass *p, const form *f) {
    double c = (double)p->from.channels, o = (double)p->to.channels;
    double products = (double)(f->in * f->in) * c * o / 8 / f->product_share;
    return (double)tiles_in(p, f) * (products + f->input * ceil(c / 8) + f->output * ceil(o / 8));
}

/* The same for one of so few samples that it counts how full register tiles are, and what weights
 * take that come from memory. */
static double computing_alone(const pass *p, const form *f, int64_t samples) {
    enum { MR = 6, NEAR_BYTES = 1 << 20 };
    const double for_number = 1.5;
    int64_t rows = tiles_in(p, f) * samples;
    form used = *f;
    used.product_share *= (double)rows / (double)tn_round_up(rows, MR);
    double weights = (double)(f->in * f->in * p->from.channels * p->to.channels);
    bool far = weights * sizeof(real) > NEAR_BYTES;
    return computing(p, &used) + (far ? for_number * weights / (double)samples : 0);
}

/* Whether fewer products outweigh the transforms. F(2×2) pays, by this rule, only where the weights
 * of F(4×4) take too long to read. */
static bool pays(const pass *p, int64_t samples) {
    enum { FEW_SAMPLES = 4 };
    bool is_large = (int)OUT == TN_WINOGRAD_OUT;
    if (tiles_in(p, &large) < LEAST_TILES) return false;
    if (samples > FEW_SAMPLES) return is_large && computing(p, &large) < computing(p, &direct);
    double with_large = computing_alone(p, &large, samples);
    double with_small = computing_alone(p, &small, samples);
    double least = with_large < with_small ? with_large : with_small;
    return (is_large ? with_large : with_small) == least &&
           least < computing_alone(p, &direct, samples);
}

static pass forward_pass(const conv_geometry *g) {
    return (pass){conv_input_image(g), conv_output_image(g), g->pad_top, g->pad_left};
}

static pass input_pass(const conv_geometry *g) {
    return (pass){conv_output_image(g), conv_input_image(g), 2 - g->pad_top, 2 - g->pad_left};
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Large weights come from further away than the parts of more tiles, and once for each group. */
static int64_t group_tiles(const pass *p, const tn_kernels *kernels) {
    int64_t c = p->from.channels, o = p->to.channels, each = PARTS * (int64_t)sizeof(real);
    int64_t bytes = tn_max_i64(GROUP_BYTES, each * c * o / WEIGHTS_TO_PARTS);
    int64_t n = tn_min_i64(MOST_TILES, bytes / (each * (c + o))) / kernels->mr * kernels->mr;
    return tn_max_i64(kernels->mr, n);
}

/* Workspace: one tile of each image, the parts of a group; those of y in rows of whole panels.
 * Without memory only the sizes are set. */
typedef struct room {
    real *patch, *from_parts, *to_parts;
    int64_t tiles, from_step, to_step, to_row;
    tn_channels share; /* of y */
} room;

static room split(const pass *p, const tn_kernels *kernels, tn_channels share, void *memory) {
    room m = {.tiles = group_tiles(p, kernels), .patch = memory, .share = share};
    m.to_row = tn_round_up(share.end - share.begin, kernels->nr);
    m.from_step = m.tiles * p->from.channels + WINOGRAD_GAP;
    m.to_step = m.tiles * m.to_row + WINOGRAD_GAP;
    if (!memory) return m;
    m.from_parts = m.patch + PARTS * tn_max_i64(p->from.channels, p->to.channels);
    m.to_parts = m.from_parts + PARTS * m.from_step;
    return m;
}

static int64_t workspace_bytes(const pass *p, const tn_kernels *kernels) {
    const room m = split(p, kernels, (tn_channels){0, p->to.channels}, NULL);
    int64_t patch = tn_max_i64(p->from.channels, p->to.channels);
    return PARTS * (patch + m.from_step + m.to_step) * (int64_t)sizeof(real);
}

/* ---- The three stages ------------------------------------------------------------------------ */

/* Tiles begin at the same rows of the image whatever rows are wanted: a pixel's bits must not
 * depend on that. */
static tn_rows in_whole_tiles(tn_rows rows) {
    return (tn_rows){rows.begin / OUT * OUT, tiles_of(rows.end) * OUT};
}

/* Where a tile lies: which image, and its first pixel of y. Tiles are walked row by row. */
typedef struct place {
    int64_t image, row, column;
} place;

static place next_place(const pass *p, tn_rows tiled, place at) {
    at.column += OUT;
    if (at.column < p->to.width) return at;
    at.column = 0;
    at.row += OUT;
    if (at.row < tiled.end) return at;
    return (place){at.image + 1, tiled.begin, 0};
}

/* Tile i of a group. */
static void transform_input(const tn_run *run, const pass *p, const room *m, const real *x,
                            place at, int64_t i) {
    int64_t c = p->from.channels;
    x += at.image * p->from.height * p->from.width * c;
    winograd_input_tile(run->kernels->WINOGRAD(input), IN, &p->from, x, at.row - p->pad_top,
                        at.column - p->pad_left, m->patch, m->from_parts + i * c, m->from_step);
}

/* The product of one of n groups. */
static void multiply(const tn_run *run, const pass *p, const room *m, int64_t tiles, int64_t group,
                     int64_t n) {
    int64_t c = p->from.channels, part = tn_panels_elements(run->kernels, c, p->to.channels);
    tn_matmul product = {.rows = tiles,
                         .depth = c,
                         .panels = m->to_row / run->kernels->nr,
                         .a_row = c,
                         .a_step = 1,
                         .b_panel = c * run->kernels->nr,
                         .b_step = run->kernels->nr,
                         .c_row = m->to_row};
    for (int64_t i = 0; i < PARTS; i++) {
        product.a = m->from_parts + i * m->from_step;
        product.b = (const real *)run->packed + i * part + m->share.begin * c;
        product.c = m->to_parts + i * m->to_step;
        tn_fetch_part(run->fetch, group * PARTS + i, n * PARTS);
        run->kernels->matmul(&product);
    }
}

static void transform_output(const tn_run *run, const pass *p, const room *m, real *y, place at,
                             int64_t i, const real *bias) {
    int64_t o = p->to.channels, width = p->to.width, n = m->share.end - m->share.begin;
    int64_t first = tn_max_i64(0, run->rows.begin - at.row);
    int64_t rows = tn_min_i64(OUT, run->rows.end - at.row);
    int64_t columns = tn_min_i64(OUT, width - at.column);
    bool whole = first == 0 && rows == OUT && columns == OUT;
    int64_t from = ((at.image * p->to.height + at.row) * width + at.column) * o + m->share.begin;
    const real *more = tn_run_more(run);
    if (more) more += from;
    y += from;
    const tn_winograd w = {.channels = n,
                           .result = whole ? y : m->patch,
                           .row_step = whole ? width * o : OUT * n,
                           .pixel_step = whole ? o : n,
                           .parts = m->to_parts + i * m->to_row,
                           .part_step = m->to_step,
                           .bias = bias ? bias + m->share.begin : NULL,
                           .more = whole ? more : NULL,
                           .activation = whole ? run->node->activation : (tn_activation){0}};
    run->kernels->WINOGRAD(output)(&w);
    int64_t together = n == o ? columns : 1; /* pixels that are side by side in y, too */
    for (int64_t r = first; r < rows && !whole; r++)
        for (int64_t q = 0; q < columns; q += together) {
            int64_t pixel = (r * width + q) * o;
            run->kernels->activate(&run->node->activation, together * n,
                                   m->patch + (r * OUT + q) * n, more ? more + pixel : NULL,
                                   y + pixel);
        }
}

static void run_pass(const tn_run *run, const pass *p, const real *bias) {
    const room m = split(p, run->kernels, tn_run_channels(run, p->to.channels, run->kernels->nr),
                         run->workspace);
    const tn_rows tiled = in_whole_tiles(run->rows);
    const real *x = tn_run_in_image(run, 0);
    real *y = tn_run_out_image(run, 0);
    int64_t all = run->n * ((tiled.end - tiled.begin) / OUT) * tiles_of(p->to.width);
    place from = {0, tiled.begin, 0}, to = from;
    int64_t n_groups = (all + m.tiles - 1) / m.tiles;
    for (int64_t group = 0; group < n_groups; group++) {
        int64_t n = tn_min_i64(m.tiles, all - group * m.tiles);
        for (int64_t i = 0; i < n; i++, from = next_place(p, tiled, from))
            transform_input(run, p, &m, x, from, i);
        multiply(run, p, &m, n, group, n_groups);
        for (int64_t i = 0; i < n; i++, to = next_place(p, tiled, to))
            transform_output(run, p, &m, y, to, i, bias);
    }
}

/* ---- Weights --------------------------------------------------------------------------------- */

static int64_t weights_elements(const pass *p, const tn_kernels *kernels) {
    return PARTS * tn_panels_elements(kernels, p->from.channels, p->to.channels);
}

/* Panels of each part, of a weight [r][s][from][to] whose taps are tap_step apart, from w on. */
static void pack_weights(const tn_kernels *kernels, const pass *p, const real *w, int64_t tap_step,
                         real *packed) {
    int64_t c = p->from.channels, o = p->to.channels, nr = kernels->nr;
    memset(packed, 0, (size_t)weights_elements(p, kernels) * sizeof *packed);
    for (int64_t j = 0; j < o; j += nr)
        for (int64_t k = 0; k < c; k++) {
            const tn_winograd weight = {.channels = tn_min_i64(nr, o - j),
                                        .image = w + k * o + j,
                                        .row_step = 3 * tap_step,
                                        .pixel_step = tap_step,
                                        .parts = packed + j * c + k * nr,
                                        .part_step = tn_panels_elements(kernels, c, o)};
            kernels->WINOGRAD(weight)(&weight);
        }
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static tn_rows rows_from(const pass *p, tn_rows out) {
    tn_rows tiled = in_whole_tiles(out);
    tiled.end = tn_min_i64(tiled.end, p->to.height);
    return tn_rows_of_windows(tiled, 1, p->pad_top, 3, 1, p->from.height);
}

static bool forward_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const conv_geometry g = conv_geometry_of(node);
    const pass p = forward_pass(&g);
    bool can = conv_rows_in(node, input, out, in);
    if (input == 0) *in = rows_from(&p, out);
    return can;
}

static bool input_rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const conv_geometry g = conv_grad_input_geometry(node);
    const pass p = input_pass(&g);
    bool can = conv_grad_input_rows_in(node, input, out, in);
    *in = rows_from(&p, out);
    return can;
}

/* ---- Forward --------------------------------------------------------------------------------- */

static bool forward_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_geometry_of(node);
    return winograd_suits(&g, kernels);
}

static bool forward_pays(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_geometry_of(node);
    const pass p = forward_pass(&g);
    return pays(&p, node->inputs[0]->shape.dims[0]);
}

static int64_t forward_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)n;
    const conv_geometry g = conv_geometry_of(node);
    const pass p = forward_pass(&g);
    return workspace_bytes(&p, kernels);
}

static int64_t forward_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_geometry_of(node);
    const pass p = forward_pass(&g);
    return weights_elements(&p, kernels) * (int64_t)sizeof(real);
}

static void forward_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_geometry_of(run->node);
    const pass p = forward_pass(&g);
    pack_weights(run->kernels, &p, run->in[1], g.c * g.o, packed);
}

static void run_forward(const tn_run *run) {
    const conv_geometry g = conv_geometry_of(run->node);
    const pass p = forward_pass(&g);
    run_pass(run, &p, run->in[2]);
}

const tn_implementation WINOGRAD_IMPLEMENTATION(conv) = {
    .name = WINOGRAD_NAME,
    .cost = {.efficiency = WINOGRAD_EFFICIENCY, .weights = PARTS / 9},
    .applies = forward_applies,
    .pays = forward_pays,
    .workspace_bytes = forward_workspace,
    .packed_bytes = forward_packed_bytes,
    .pack = forward_pack,
    .rows_in = forward_rows_in,
    .row_group = OUT,
    .fetches = true,
    .shares_channels = true,
    .run = run_forward};

/* ---- Input gradient -------------------------------------------------------------------------- */

static bool input_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_input_geometry(node);
    const pass p = input_pass(&g);
    return winograd_suits(&g, kernels) && p.pad_top >= 0 && p.pad_left >= 0;
}

static bool input_pays(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_input_geometry(node);
    const pass p = input_pass(&g);
    return pays(&p, node->inputs[0]->shape.dims[0]);
}

static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)n;
    const conv_geometry g = conv_grad_input_geometry(node);
    const pass p = input_pass(&g);
    return workspace_bytes(&p, kernels);
}

/* Behind the panels is room for the weight [r][s][o][c]. */
static int64_t input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_input_geometry(node);
    const pass p = input_pass(&g);
    return (weights_elements(&p, kernels) + 9 * g.c * g.o) * (int64_t)sizeof(real);
}

static void input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const pass p = input_pass(&g);
    int64_t tap = g.c * g.o;
    real *turned = (real *)packed + weights_elements(&p, run->kernels);
    for (int64_t k = 0; k < 9; k++)
        run->kernels->transpose(g.c, g.o, (const real *)run->in[1] + k * tap, g.o,
                                turned + (8 - k) * tap, g.c);
    pack_weights(run->kernels, &p, turned, tap, packed);
}

static void run_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const pass p = input_pass(&g);
    run_pass(run, &p, NULL);
}

const tn_implementation WINOGRAD_IMPLEMENTATION(conv_grad_input) = {
    .name = WINOGRAD_NAME,
    .cost = {.efficiency = WINOGRAD_EFFICIENCY, .weights = PARTS / 9},
    .applies = input_applies,
    .pays = input_pays,
    .workspace_bytes = input_workspace,
    .packed_bytes = input_packed_bytes,
    .pack = input_pack,
    .rows_in = input_rows_in,
    .row_group = OUT,
    .fetches = true,
    .run = run_input};
