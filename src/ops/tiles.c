/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/tiles.h"

#include <string.h>

#include "base/size.h"

enum { CACHE_LINE = 64 / sizeof(real) };

/* A block of the depth may be so much longer than the level asks for, rather than leave a rest. */
static int64_t depth_block(const tn_kernels *kernels, int64_t depth) {
    int64_t limit = kernels->depth_block + kernels->depth_block / 2;
    int64_t blocks = (depth + limit - 1) / limit;
    return blocks > 0 ? (depth + blocks - 1) / blocks : 1;
}

int64_t tn_product_workspace_bytes(const tn_kernels *kernels) {
    int64_t limit = kernels->depth_block + kernels->depth_block / 2;
    return limit * kernels->nr * (int64_t)sizeof(real);
}

int64_t *tn_product_steps(int64_t *list, int64_t n, int64_t step) {
    for (int64_t i = 0; i < n; i++) list[i] = i * step;
    return list + n;
}

int64_t tn_product_steps_bytes(int64_t n) { return tn_round_up(n * (int64_t)sizeof(int64_t), 64); }

int64_t tn_panels_elements(const tn_kernels *kernels, int64_t depth, int64_t columns) {
    return depth * tn_round_up(columns, kernels->nr);
}

void tn_panel_pack(const tn_kernels *kernels, tn_panel_source source, const real *b, int64_t ldb,
                   int64_t columns, int64_t column, int64_t first, int64_t n, real *panel) {
    int64_t nr = kernels->nr, width = tn_min_i64(nr, columns - column);
    if (width < nr) memset(panel, 0, (size_t)(n * nr) * sizeof(real));
    if (source == TN_PANELS_TRANSPOSED) {
        kernels->transpose(width, n, b + column * ldb + first, ldb, panel, nr);
        return;
    }
    const real *from = b + first * ldb + column;
    if (width == TN_TILE_MAX_NR) { /* a constant: copied in registers */
        for (int64_t t = 0; t < n; t++)
            memcpy(panel + t * TN_TILE_MAX_NR, from + t * ldb, TN_TILE_MAX_NR * sizeof(real));
        return;
    }
    for (int64_t t = 0; t < n; t++)
        memcpy(panel + t * nr, from + t * ldb, (size_t)width * sizeof(real));
}

void tn_panels_pack(const tn_kernels *kernels, tn_panel_source source, const real *b, int64_t ldb,
                    int64_t depth, int64_t columns, real *panels) {
    for (int64_t j = 0; j < columns; j += kernels->nr, panels += depth * kernels->nr)
        tn_panel_pack(kernels, source, b, ldb, columns, j, 0, depth, panels);
}

/* Rows [first, first + n) of it, as far as there are so many. */
static void fetch_ahead(const tn_ahead *ahead, int64_t first, int64_t n) {
    int64_t end = tn_min_i64(ahead->rows, first + n);
    for (int64_t row = first; row < end; row++)
        for (int64_t t = 0; t < ahead->n; t += CACHE_LINE)
            __builtin_prefetch(ahead->from + row * ahead->step + t, 0, 2);
}

/* A share of the rows against one panel of columns [column, column + nr), while what is wanted next
 * is brought nearer, tile by tile. */
static void multiply_panel(const tn_kernels *kernels, const tn_product *p, tn_panel panel) {
    int64_t tiles = (p->rows + kernels->mr - 1) / kernels->mr, share[2];
    bool looks_ahead = p->ahead[0].rows > 0 || p->ahead[1].rows > 0;
    if (!looks_ahead) {
        kernels->panel(&panel);
        return;
    }
    for (int q = 0; q < 2; q++) share[q] = (p->ahead[q].rows + tiles - 1) / tiles;
    for (int64_t tile = 0; tile < tiles; tile++) {
        panel.rows = tn_min_i64(kernels->mr, p->rows - tile * kernels->mr);
        for (int q = 0; q < 2; q++) fetch_ahead(&p->ahead[q], tile * share[q], share[q]);
        kernels->panel(&panel);
        panel.a_row += kernels->mr;
        panel.c_row += kernels->mr;
    }
}

/* Whether the columns [j, j + nr) are read where they are stored: that takes less time than copying
 * them side by side if few tiles of rows follow. Rows of b far apart share few sets of the cache,
 * so that what one tile has read is gone for the next. */
static bool is_panel(const tn_kernels *kernels, const tn_product *p, int64_t j) {
    enum { NEAR = 4 * TN_TILE_MAX_NR, FEW_TILES = 4 };
    if (p->source != TN_PANELS_STORED || j + kernels->nr > p->columns) return false;
    int64_t tiles = p->ldb <= NEAR ? FEW_TILES : 1;
    return p->ldb == kernels->nr || p->rows <= tiles * kernels->mr;
}

/* The depth [first, first + n) of all columns, of all runs if there are several. */
static void multiply_depth(const tn_kernels *kernels, const tn_product *p, int64_t first, int64_t n,
                           real *room) {
    int64_t runs = tn_max_i64(1, p->runs);
    tn_panel panel = {.rows = p->rows,
                      .runs = runs,
                      .depth = n,
                      .a = p->a,
                      .a_row = p->a_row,
                      .offset = p->offset + first,
                      .b_run = p->run_rows * kernels->nr,
                      .c_row = p->c_row,
                      .adds = p->start == TN_START_C || first > 0};
    bool ends = first + n == p->depth;
    if (ends) panel.activation = p->activation;
    for (int64_t j = 0; j < p->columns; j += kernels->nr) {
        panel.columns = tn_min_i64(kernels->nr, p->columns - j);
        panel.ldb = kernels->nr;
        panel.bias = p->start == TN_START_BIAS ? p->bias + j : NULL;
        panel.c = p->c + j;
        panel.more = ends && p->more ? p->more + j : NULL;
        if (p->source == TN_PANELS_PACKED) {
            panel.b = p->b + j * p->panel_depth + first * kernels->nr;
        } else if (is_panel(kernels, p, j)) {
            panel.b = p->b + first * p->ldb + j;
            panel.ldb = p->ldb;
        } else {
            tn_panel_pack(kernels, p->source, p->b, p->ldb, p->columns, j, first, n, room);
            panel.b = room;
        }
        multiply_panel(kernels, p, panel);
    }
}

/* Run after run, where all of them together are too deep to stay in the cache. */
static void multiply_runs(const tn_kernels *kernels, const tn_product *p) {
    tn_product run = *p;
    run.runs = 1;
    run.more = NULL;
    run.activation = (tn_activation){0};
    for (int64_t r = 0; r < p->runs; r++) {
        run.offset = p->offset + r * p->depth;
        run.b = p->b + r * p->run_rows * kernels->nr;
        run.start = r == 0 ? p->start : TN_START_C;
        if (r == p->runs - 1) {
            run.more = p->more;
            run.activation = p->activation;
        }
        tn_product_run(kernels, &run, NULL);
    }
}

void tn_product_run(const tn_kernels *kernels, const tn_product *p, void *workspace) {
    if (p->runs > 1 && depth_block(kernels, p->runs * p->depth) < p->runs * p->depth) {
        multiply_runs(kernels, p);
        return;
    }
    int64_t block = depth_block(kernels, p->depth), first = 0;
    do { /* once even without depth: c is written */
        int64_t n = tn_min_i64(block, p->depth - first);
        multiply_depth(kernels, p, first, n, workspace);
        first += n;
    } while (first < p->depth);
}
