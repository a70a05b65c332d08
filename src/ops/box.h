/* SPDX-License-Identifier: Apache-2.0 */
/* box.h: a box of elements brought from one place to another. What moves elements and computes
 * nothing (Slice, Concat, Tile, Transpose, ...) differs in the steps along each axis only. */
#ifndef TN_OPS_BOX_H
#define TN_OPS_BOX_H

#include "graph/op.h"

enum { TN_BOX_RANK = 2 * TN_MAX_RANK };

/* Element (i, j, ...) goes from i·from[0] + j·from[1] + ... to i·to[0] + j·to[1] + ...; steps are
 * in elements and may be 0 or negative. Begins as {0}, which is a single element. */
typedef struct tn_box {
    int rank;
    int64_t dims[TN_BOX_RANK], from[TN_BOX_RANK], to[TN_BOX_RANK];
} tn_box;

/* Appends an axis, the outermost first; one of a single place is left out, and one that goes on
 * where the one before it ends is merged with it. Fastest in the order in which `to` is stored. */
void tn_box_push(tn_box *box, int64_t dim, int64_t from, int64_t to);
/* Elements of element_bytes: 1, 2, 4 or 8. */
void tn_box_copy(const tn_box *box, const tn_kernels *kernels, size_t element_bytes,
                 const void *from, void *to);
/* to += from, in the order of the box. */
void tn_box_add(const tn_box *box, const tn_kernels *kernels, const real *from, real *to);

/* dst[j·ld_dst + i] = src[i·ld_src + j] for elements of any size, i < rows, j < columns. */
void tn_box_transpose(const tn_kernels *kernels, size_t element_bytes, int64_t rows,
                      int64_t columns, const void *src, int64_t ld_src, void *dst, int64_t ld_dst);

/* How a value is stored in a call: along each axis of its shape the places and the step between
 * them, and the axes in the order in which they are stored. */
typedef struct tn_stored_axes {
    int rank;
    int order[TN_MAX_RANK];
    int64_t dims[TN_MAX_RANK], step[TN_MAX_RANK];
} tn_stored_axes;

/* Of a value whose samples are plain or channels last, and of which the call has these rows. */
tn_stored_axes tn_box_axes(const tn_run *run, const tn_value *value, tn_rows rows);

#endif
