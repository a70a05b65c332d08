/* SPDX-License-Identifier: Apache-2.0 */
/* conv_winograd_weight.c: the weight gradient of a convolution by 3×3, F(3×3, 4×4): the same tiles
 * of x as forward, those of dy in the place of the kernel. The parts are summed over the tiles of
 * a shard's samples, one after the other, and only then turned into 3×3 taps: bits do not depend on
 * how many samples or tiles come together. */
#include <string.h>

#include "base/size.h"
#include "ops/conv_geometry.h"
#include "ops/tiles.h"
#include "ops/winograd.h"

enum {
    IN = WINOGRAD_IN,
    OUT = WINOGRAD_OUT,
    PARTS = IN * IN,
    GROUP_BYTES = 512 << 10, /* of the parts of tiles that go together */
    MOST_TILES = 64
};

static int64_t tiles_of(int64_t size) { return (size + OUT - 1) / OUT; }

static int64_t sample_tiles(const conv_geometry *g) { return tiles_of(g->p) * tiles_of(g->q); }

static int64_t most_tiles(const conv_geometry *g) {
    int64_t bytes = PARTS * (g->c + g->o) * (int64_t)sizeof(real);
    return tn_max_i64(1, tn_min_i64(MOST_TILES, GROUP_BYTES / bytes));
}

/* Of so many that there are, in groups alike. */
static int64_t group_tiles(const conv_geometry *g, int64_t there) {
    int64_t groups = (there + most_tiles(g) - 1) / most_tiles(g);
    return (there + groups - 1) / groups;
}

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    return winograd_suits(&g, kernels);
}

/* In the time of one vector's multiply-add. Products of few tiles are all beginning and end. */
static bool pays(const tn_node *node, const tn_kernels *kernels) {
    const double direct_share = 0.85, ends = 8, input = 180, gradient = 150, taps = 200;
    (void)kernels;
    const conv_geometry g = conv_grad_weight_geometry(node);
    if ((int)OUT < TN_WINOGRAD_OUT) return false;
    double c = (double)g.c, vectors = (double)((g.o + 7) / 8),
           n = (double)group_tiles(&g, sample_tiles(&g));
    double direct = (double)(g.p * g.q) * 9 * c * (double)g.o / 8 / direct_share;
    double tile = PARTS * c * vectors * (n + ends) / n + input * c / 8 + gradient * vectors;
    return (double)sample_tiles(&g) * tile + taps * c * vectors < direct;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Workspace: a patch of an image; the parts of x [tile][c] and of dy in panels of a group's tiles.
 * For a shard: the parts of dw [c][dw_row], rows of whole panels. Without memory only the sizes are
 * set. */
typedef struct room {
    real *patch, *x_parts, *dy_parts, *dw_parts;
    int64_t tiles, x_step, dy_step, dw_step, dw_row;
} room;

static room split(const conv_geometry *g, const tn_kernels *kernels, int64_t tiles, void *memory,
                  void *shard) {
    room m = {.tiles = tiles, .patch = memory, .dw_parts = shard};
    m.dw_row = tn_round_up(g->o, kernels->nr);
    m.x_step = m.tiles * g->c + WINOGRAD_GAP;
    m.dy_step = m.tiles * m.dw_row + WINOGRAD_GAP;
    m.dw_step = g->c * m.dw_row + WINOGRAD_GAP;
    if (!memory) return m;
    m.x_parts = m.patch + PARTS * tn_max_i64(g->c, g->o);
    m.dy_parts = m.x_parts + PARTS * m.x_step;
    return m;
}

static int64_t workspace_bytes(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    int64_t tiles = tn_min_i64(most_tiles(&g), n * sample_tiles(&g));
    const room m = split(&g, kernels, tiles, NULL, NULL);
    return PARTS * (m.x_step + m.dy_step + tn_max_i64(g.c, g.o)) * (int64_t)sizeof(real);
}

static int64_t shard_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    return PARTS * split(&g, kernels, 1, NULL, NULL).dw_step * (int64_t)sizeof(real);
}

/* ---- Running --------------------------------------------------------------------------------- */

static void transform_dy(const tn_run *run, const conv_geometry *g, const room *m, const real *dy,
                         int64_t row, int64_t column, int64_t i) {
    const conv_image image = conv_output_image(g);
    int64_t nr = run->kernels->nr;
    bool inside = row + OUT <= g->p && column + OUT <= g->q;
    const real *from = inside ? dy + (row * g->q + column) * g->o : m->patch;
    if (!inside) winograd_cut(&image, dy, row, column, OUT, m->patch);
    for (int64_t j = 0; j < g->o; j += nr) {
        const tn_winograd w = {.channels = tn_min_i64(nr, g->o - j),
                               .image = from + j,
                               .row_step = (inside ? g->q : OUT) * g->o,
                               .pixel_step = g->o,
                               .parts = m->dy_parts + j * m->tiles + i * nr,
                               .part_step = m->dy_step};
        run->kernels->WINOGRAD(gradient)(&w);
    }
}

/* The product of one of n groups. */
static void multiply(const tn_run *run, const conv_geometry *g, const room *m, int64_t tiles,
                     int64_t group, int64_t n) {
    tn_matmul product = {.rows = g->c,
                         .depth = tiles,
                         .panels = m->dw_row / run->kernels->nr,
                         .a_row = 1,
                         .a_step = g->c,
                         .b_panel = m->tiles * run->kernels->nr,
                         .b_step = run->kernels->nr,
                         .c_row = m->dw_row,
                         .adds = group > 0 || !run->begins_shard};
    for (int64_t i = 0; i < PARTS; i++) {
        product.a = m->x_parts + i * m->x_step;
        product.b = m->dy_parts + i * m->dy_step;
        product.c = m->dw_parts + i * m->dw_step;
        run->kernels->matmul(&product);
        tn_fetch_part(run->fetch, group * PARTS + i, n * PARTS);
    }
}

/* All channels at once, unless the parts have gaps between those of x. */
static void add_taps(const tn_run *run, const conv_geometry *g, const room *m) {
    int64_t rows = m->dw_row == g->o ? 1 : g->c, channels = g->c * g->o / rows;
    for (int64_t k = 0; k < rows; k++) {
        const tn_winograd w = {.channels = channels,
                               .parts = m->dw_parts + k * m->dw_row,
                               .part_step = m->dw_step,
                               .result = (real *)run->out[0] + k * channels,
                               .row_step = 3 * g->c * g->o,
                               .pixel_step = g->c * g->o};
        run->kernels->WINOGRAD(taps)(&w);
    }
}

/* Tile i of the call's samples, as number k of a group. */
static void transform(const tn_run *run, const conv_geometry *g, const room *m, int64_t i,
                      int64_t k) {
    const conv_image image = conv_input_image(g);
    int64_t sample = i / sample_tiles(g), place = i % sample_tiles(g), across = tiles_of(g->q);
    int64_t row = place / across * OUT, column = place % across * OUT;
    const real *x = (const real *)run->in[0] + sample * g->h * g->w * g->c;
    const real *dy = (const real *)run->in[1] + sample * g->p * g->q * g->o;
    winograd_input_tile(run->kernels->WINOGRAD(input), IN, &image, x, row - g->pad_top,
                        column - g->pad_left, m->patch, m->x_parts + k * g->c, m->x_step);
    transform_dy(run, g, m, dy, row, column, k);
}

static void run_weight(const tn_run *run) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    int64_t all = run->n * sample_tiles(&g);
    const room m = split(&g, run->kernels, group_tiles(&g, all), run->workspace, run->shard);
    int64_t n_groups = (all + m.tiles - 1) / m.tiles;
    /* Columns of panels beyond the last output are multiplied, but not kept. */
    if (m.dw_row > g.o) memset(m.dy_parts, 0, (size_t)(PARTS * m.dy_step) * sizeof(real));
    for (int64_t group = 0; group < n_groups; group++) {
        int64_t first = group * m.tiles, n = tn_min_i64(m.tiles, all - first);
        for (int64_t k = 0; k < n; k++) transform(run, &g, &m, first + k, k);
        multiply(run, &g, &m, n, group, n_groups);
    }
    if (run->ends_shard) add_taps(run, &g, &m);
}

const tn_implementation WINOGRAD_IMPLEMENTATION(conv_grad_weight) = {
    .name = WINOGRAD_NAME,
    .cost = {.efficiency = WINOGRAD_WEIGHT_EFFICIENCY},
    .applies = applies,
    .pays = pays,
    .workspace_bytes = workspace_bytes,
    .shard_bytes = shard_bytes,
    .fetches = true,
    .run = run_weight};
