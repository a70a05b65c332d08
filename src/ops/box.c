/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/box.h"

#include <string.h>

void tn_box_push(tn_box *box, int64_t dim, int64_t from, int64_t to) {
    int last = box->rank - 1;
    if (dim == 1) return;
    if (last >= 0 && box->from[last] == from * dim && box->to[last] == to * dim) {
        box->dims[last] *= dim;
        box->from[last] = from;
        box->to[last] = to;
        return;
    }
    box->dims[box->rank] = dim;
    box->from[box->rank] = from;
    box->to[box->rank++] = to;
}

static bool is_empty(const tn_box *box) {
    for (int i = 0; i < box->rank; i++)
        if (box->dims[i] == 0) return true;
    return false;
}

/* A walk over all axes but two, which are the rows and columns of planes. */
typedef struct planes {
    const tn_box *box;
    int row, column; /* axes; -1 if there is none */
    int64_t at[TN_BOX_RANK], from, to;
} planes;

static bool next_plane(planes *p) {
    const tn_box *b = p->box;
    for (int i = b->rank - 1; i >= 0; i--) {
        if (i == p->row || i == p->column) continue;
        p->from += b->from[i];
        p->to += b->to[i];
        if (++p->at[i] < b->dims[i]) return true;
        p->from -= b->dims[i] * b->from[i];
        p->to -= b->dims[i] * b->to[i];
        p->at[i] = 0;
    }
    return false;
}

/* The rows and columns of a plane. */
typedef struct plane {
    int64_t rows, row_from, row_to, columns, from, to;
} plane;

static plane plane_of(const planes *p) {
    const tn_box *b = p->box;
    plane s = {.rows = 1, .columns = 1, .from = 1, .to = 1};
    if (p->row >= 0) {
        s.rows = b->dims[p->row];
        s.row_from = b->from[p->row];
        s.row_to = b->to[p->row];
    }
    if (p->column >= 0) {
        s.columns = b->dims[p->column];
        s.from = b->from[p->column];
        s.to = b->to[p->column];
    }
    return s;
}

static void copy_elements(size_t bytes, int64_t n, const char *x, int64_t from, char *y,
                          int64_t to) {
    int64_t x_step = from * (int64_t)bytes, y_step = to * (int64_t)bytes;
    switch (bytes) { /* known sizes, so that no call is made for an element */
    case 1:
        for (int64_t i = 0; i < n; i++) y[i * y_step] = x[i * x_step];
        return;
    case 2:
        for (int64_t i = 0; i < n; i++) memcpy(y + i * y_step, x + i * x_step, 2);
        return;
    case 4:
        for (int64_t i = 0; i < n; i++) memcpy(y + i * y_step, x + i * x_step, 4);
        return;
    default:
        for (int64_t i = 0; i < n; i++) memcpy(y + i * y_step, x + i * x_step, 8);
    }
}

static void copy_plane(const plane *p, size_t bytes, const char *x, char *y) {
    int64_t size = (int64_t)bytes;
    bool dense = p->from == 1 && p->to == 1;
    for (int64_t i = 0; i < p->rows; i++, x += p->row_from * size, y += p->row_to * size)
        if (dense)
            memcpy(y, x, (size_t)(p->columns * size));
        else
            copy_elements(bytes, p->columns, x, p->from, y, p->to);
}

/* The axis along which the source is contiguous, if planes of it and the last can be transposed. */
static int transposed_axis(const tn_box *box) {
    int inner = box->rank - 1;
    if (inner < 1 || box->to[inner] != 1 || box->from[inner] <= 1) return -1;
    for (int i = 0; i < inner; i++)
        if (box->from[i] == 1 && box->to[i] > 0) return i;
    return -1;
}

void tn_box_copy(const tn_box *box, const tn_kernels *kernels, size_t element_bytes,
                 const void *from, void *to) {
    int across = transposed_axis(box);
    planes p = {.box = box, .row = across >= 0 ? across : box->rank - 2, .column = box->rank - 1};
    if (p.row < 0) p.row = -1;
    if (is_empty(box)) return;
    const plane s = plane_of(&p);
    do {
        const char *x = (const char *)from + p.from * (int64_t)element_bytes;
        char *y = (char *)to + p.to * (int64_t)element_bytes;
        if (across >= 0)
            tn_box_transpose(kernels, element_bytes, s.columns, s.rows, x, s.from, y, s.row_to);
        else
            copy_plane(&s, element_bytes, x, y);
    } while (next_plane(&p));
}

void tn_box_transpose(const tn_kernels *kernels, size_t element_bytes, int64_t rows,
                      int64_t columns, const void *src, int64_t ld_src, void *dst, int64_t ld_dst) {
    int64_t size = (int64_t)element_bytes;
    if (element_bytes == sizeof(real)) { /* which loads and stores, and changes no bits */
        kernels->transpose(rows, columns, src, ld_src, dst, ld_dst);
        return;
    }
    for (int64_t j = 0; j < columns; j++)
        copy_elements(element_bytes, rows, (const char *)src + j * size, ld_src,
                      (char *)dst + j * ld_dst * size, 1);
}

void tn_box_add(const tn_box *box, const tn_kernels *kernels, const real *from, real *to) {
    planes p = {.box = box, .row = -1, .column = box->rank - 1};
    if (is_empty(box)) return;
    const plane s = plane_of(&p);
    do {
        const real *x = from + p.from;
        real *y = to + p.to;
        if (s.from == 1 && s.to == 1)
            kernels->add(s.columns, y, x, y);
        else
            for (int64_t i = 0; i < s.columns; i++) y[i * s.to] += x[i * s.from];
    } while (next_plane(&p));
}

tn_stored_axes tn_box_axes(const tn_run *run, const tn_value *value, tn_rows rows) {
    const tn_shape *shape = &value->shape;
    tn_stored_axes a = {.rank = shape->rank};
    bool last = shape->batched && shape->rank > 2 && value->channels > 1;
    int64_t step = 1;
    for (int i = 0; i < a.rank; i++) {
        a.order[i] = last && i > 0 ? i % (a.rank - 1) + 1 : i;
        a.dims[i] = shape->dims[i];
    }
    if (shape->batched) a.dims[0] = run->n;
    if (shape->batched && a.rank == 4) a.dims[2] = rows.end - rows.begin;
    for (int i = a.rank - 1; i >= 0; i--) {
        a.step[a.order[i]] = step;
        step *= a.dims[a.order[i]];
    }
    return a;
}
