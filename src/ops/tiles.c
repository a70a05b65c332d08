/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/tiles.h"

#include <math.h>
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

/* A tile that sticks out of c, and of what it starts with, to the right: computed aside. */
static void narrow_tile(const tn_kernels *kernels, tn_tile *tile, int64_t width) {
    real aside[TN_TILE_MAX_MR][TN_TILE_MAX_NR];
    real *c[TN_TILE_MAX_MR];
    for (int i = 0; i < tile->m; i++) {
        memset(aside[i], 0, (size_t)kernels->nr * sizeof(real));
        memcpy(aside[i], tile->start[i], (size_t)width * sizeof(real));
        c[i] = tile->c[i];
        tile->start[i] = tile->c[i] = aside[i];
    }
    kernels->tile(tile);
    for (int i = 0; i < tile->m; i++) memcpy(c[i], aside[i], (size_t)width * sizeof(real));
}

/* All rows against one panel of columns [column, column + nr) and depth [first, first + n). */
static void multiply_panel(const tn_kernels *kernels, const tn_product *p, int64_t column,
                           int64_t first, int64_t n, const real *panel) {
    static const real zeros[TN_TILE_MAX_NR];
    const real *start = p->start == TN_START_BIAS ? p->bias + column : zeros;
    bool to_c = p->start == TN_START_C || first > 0;
    int64_t width = tn_min_i64(kernels->nr, p->columns - column);
    tn_tile tile = {.offset = p->offset + first,
                    .depth = n,
                    .b = panel,
                    .ldb = kernels->nr,
                    .floor = p->relu && first + n == p->depth ? 0 : -(real)INFINITY};
    int64_t tiles = (p->rows + kernels->mr - 1) / kernels->mr, share[2];
    bool looks_ahead = p->ahead[0].rows > 0 || p->ahead[1].rows > 0;
    for (int q = 0; q < 2 && looks_ahead; q++) share[q] = (p->ahead[q].rows + tiles - 1) / tiles;
    for (int64_t i = 0, part = 0; i < p->rows; i += kernels->mr, part++) {
        tile.m = (int)tn_min_i64(kernels->mr, p->rows - i);
        for (int r = 0; r < tile.m; r++) {
            tile.a[r] = p->a + p->a_row[i + r];
            tile.c[r] = p->c + p->c_row[i + r] + column;
            tile.start[r] = to_c ? tile.c[r] : start;
        }
        for (int q = 0; q < 2 && looks_ahead; q++)
            fetch_ahead(&p->ahead[q], part * share[q], share[q]);
        if (width == kernels->nr)
            kernels->tile(&tile);
        else
            narrow_tile(kernels, &tile, width);
    }
}

void tn_product_run(const tn_kernels *kernels, const tn_product *p, void *workspace) {
    int64_t block = depth_block(kernels, p->depth), first = 0;
    do { /* once even without depth: c is written */
        int64_t n = tn_min_i64(block, p->depth - first);
        for (int64_t j = 0; j < p->columns; j += kernels->nr) {
            const real *panel = p->b + j * p->panel_depth + first * kernels->nr;
            if (p->source == TN_PANELS_STORED && p->ldb == kernels->nr &&
                j + kernels->nr <= p->columns) {
                panel = p->b + first * p->ldb + j; /* a panel as it is */
            } else if (p->source != TN_PANELS_PACKED) {
                tn_panel_pack(kernels, p->source, p->b, p->ldb, p->columns, j, first, n, workspace);
                panel = workspace;
            }
            multiply_panel(kernels, p, j, first, n, panel);
        }
        first += n;
    } while (first < p->depth);
}
