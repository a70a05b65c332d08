/* SPDX-License-Identifier: Apache-2.0 */
/* tiles.h: products of a gathered and a stored matrix, walked tile by tile. All passes of Conv and
 * Gemm are such products; they differ in what a row, a step of the depth and a column is:
 *
 *                      rows              depth              columns
 *     forward          output pixels     taps × channels    output channels
 *     input gradient   input pixels      taps × outputs     channels
 *     weight gradient  taps × channels   output pixels      output channels        */
#ifndef TN_OPS_TILES_H
#define TN_OPS_TILES_H

#include "kernels/kernels.h"

typedef enum tn_panel_source {
    TN_PANELS_PACKED,    /* b is what tn_panels_pack made, from some row of the depth on */
    TN_PANELS_STORED,    /* b[t·ldb + j] */
    TN_PANELS_TRANSPOSED /* b[j·ldb + t] */
} tn_panel_source;

typedef enum tn_product_start {
    TN_START_ZERO, /* c need not be initialised */
    TN_START_BIAS, /* the same for all rows; likewise */
    TN_START_C     /* adds to c */
} tn_product_start;

/* A matrix that is wanted soon: rows of n numbers, `step` apart. */
typedef struct tn_ahead {
    const real *from;
    int64_t rows, n, step;
} tn_ahead;

/* c[c_row[i] + j] = start[i][j] + Σ_t a[a_row[i] + offset[t]] · B[t][j]
 *                                                       i < rows, t < depth, j < columns
 * and of that, plus more[c_row[i] + j] if there is more, the activation. Order of summation: t
 * ascending, whatever the blocking. */
typedef struct tn_product {
    int64_t rows, depth, columns;
    const real *a;
    const int64_t *a_row, *offset;
    const real *b;
    int64_t ldb;         /* of a matrix that is not packed */
    int64_t panel_depth; /* of a packed one: at least depth, which may be a part of it */
    int64_t runs;        /* of a packed one: so many times the depth, each time with offsets of its
                            own, run_rows rows of a panel further on; 0 is once */
    int64_t run_rows;
    tn_panel_source source;
    tn_product_start start;
    const real *bias; /* [columns], of TN_START_BIAS */
    real *c;
    const int64_t *c_row;
    const real *more;
    tn_activation activation;
    tn_ahead ahead[2]; /* brought into the second-level cache meanwhile; no rows: nothing */
} tn_product;

/* workspace: tn_product_workspace_bytes, unless the source is packed. */
void tn_product_run(const tn_kernels *kernels, const tn_product *product, void *workspace);
int64_t tn_product_workspace_bytes(const tn_kernels *kernels);

/* Writes i·step for i < n, such as rows or offsets that are `step` apart; returns what follows. */
int64_t *tn_product_steps(int64_t *list, int64_t n, int64_t step);
/* Of lists of n steps in all. */
int64_t tn_product_steps_bytes(int64_t n);

/* Panels of nr columns, zero-padded, each [depth][nr], one after the other. */
int64_t tn_panels_elements(const tn_kernels *kernels, int64_t depth, int64_t columns);
/* Rows first..first+n-1 of the depth of one panel, columns from `column`, into panel [n][nr]. */
void tn_panel_pack(const tn_kernels *kernels, tn_panel_source source, const real *b, int64_t ldb,
                   int64_t columns, int64_t column, int64_t first, int64_t n, real *panel);
void tn_panels_pack(const tn_kernels *kernels, tn_panel_source source, const real *b, int64_t ldb,
                    int64_t depth, int64_t columns, real *panels);

#endif
