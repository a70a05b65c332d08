/* SPDX-License-Identifier: Apache-2.0 */
/* conv_sparse.c: the gradients of a convolution whose own gradient dy is known to be mostly zero,
 * as behind max pooling, where of each window at most one pixel has any. What is not zero is listed
 * and multiplied by whole rows of the kernel: for one dy[p,q,o], s·c neighbouring numbers of x or
 * dx, for each row r. Nothing is approximated: the products left out are zero (or NaN, of a zero
 * and an infinite number). */
#include <string.h>

#include "base/size.h"
#include "ops/conv_geometry.h"
#include "ops/density.h"

enum {
    BAND = 8 /* rows of dy listed at a time, so that the rows of x that they meet stay close */
};

/* Rows of the kernel are rows of numbers in x, of whole vectors. */
static bool suits(const conv_geometry *g) {
    enum { VECTOR = 8 };
    return g->groups == 1 && g->stride_h == 1 && g->stride_w == 1 && g->dilation_h == 1 &&
           g->dilation_w == 1 && g->c % VECTOR == 0 && g->p > 0 && g->q > 0;
}

static void *take(char **room, int64_t bytes) {
    void *at = *room;
    *room += tn_round_up(bytes, 64);
    return at;
}

static int64_t band_rows(const conv_geometry *g, int64_t first) {
    return tn_min_i64(BAND, g->p - first);
}

static int64_t image_elements(const conv_geometry *g) {
    return conv_padded_h(g) * conv_padded_w(g) * g->c;
}

/* ---- Input: dx[p+r][q+s][c] += dy[p][q][o] · w[o][r][s][c] ---------------------------------- */

bool conv_grad_input_is_sparse(const tn_node *node) {
    return tn_density(node->inputs[0]) <= TN_SPARSE;
}

static bool input_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_input_geometry(node);
    return !kernels->naive && conv_grad_input_is_sparse(node) && suits(&g);
}

/* The numbers of the pixels of a band, pixel after pixel; pixel i has those from begin[i] on. */
typedef struct pixel_lists {
    int64_t *begin;
    real *values;
    int32_t *places; /* outputs */
    real *image;     /* dx with the padding */
} pixel_lists;

static int64_t split_input(const conv_geometry *g, char *room, pixel_lists *lists) {
    char *start = room;
    int64_t pixels = BAND * g->q, most = pixels * g->o + TN_NONZERO_SLACK;
    lists->begin = take(&room, (pixels + 1) * (int64_t)sizeof *lists->begin);
    lists->values = take(&room, most * (int64_t)sizeof *lists->values);
    lists->places = take(&room, most * (int64_t)sizeof *lists->places);
    lists->image = take(&room, conv_is_padded(g) ? image_elements(g) * (int64_t)sizeof(real) : 0);
    return room - start;
}

static int64_t input_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_input_geometry(node);
    pixel_lists lists;
    return split_input(&g, NULL, &lists);
}

static int64_t input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_input_geometry(node);
    return g.r * g.s * g.c * g.o * (int64_t)sizeof(real);
}

/* Stored w[r][s][c][o] becomes [r][o][s][c]. */
static void input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const real *w = run->in[1];
    for (int64_t k = 0; k < g.r * g.s; k++)
        run->kernels->transpose(g.c, g.o, w + k * g.c * g.o, g.o,
                                (real *)packed + (k / g.s * g.o * g.s + k % g.s) * g.c, g.s * g.c);
}

/* Rows [first, first + rows) of dy into dx, an image with padding. One row of the kernel is taken
 * through all pixels before the next: it fits into the first-level cache. */
static void input_band(const tn_run *run, const conv_geometry *g, const pixel_lists *lists,
                       int64_t first, int64_t rows, real *dx) {
    int64_t width = conv_padded_w(g) * g->c;
    tn_sparse_product product = {.rows = g->q,
                                 .values = lists->values,
                                 .places = lists->places,
                                 .ld = g->s * g->c,
                                 .n = g->s * g->c,
                                 .y_row = g->c};
    for (int64_t r = 0; r < g->r; r++) {
        product.matrix = (const real *)run->packed + r * g->o * g->s * g->c;
        for (int64_t p = 0; p < rows; p++) {
            product.begin = lists->begin + p * g->q;
            product.end = product.begin + 1;
            product.y = dx + (first + p + r) * width;
            run->kernels->sparse_product(&product);
        }
    }
}

static void crop(const conv_geometry *g, const real *image, real *dx) {
    int64_t width = conv_padded_w(g);
    for (int64_t i = 0; i < g->h; i++)
        memcpy(dx + i * g->w * g->c, image + ((g->pad_top + i) * width + g->pad_left) * g->c,
               (size_t)(g->w * g->c) * sizeof(real));
}

static void run_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    pixel_lists lists;
    split_input(&g, run->workspace, &lists);
    for (int64_t n = 0; n < run->n; n++) {
        const real *dy = (const real *)run->in[0] + n * g.p * g.q * g.o;
        real *dx = (real *)run->out[0] + n * g.h * g.w * g.c;
        real *image = conv_is_padded(&g) ? lists.image : dx;
        memset(image, 0, (size_t)image_elements(&g) * sizeof(real));
        for (int64_t first = 0; first < g.p; first += BAND) {
            int64_t rows = band_rows(&g, first);
            run->kernels->nonzero(rows * g.q, g.o, dy + first * g.q * g.o, g.o, lists.values,
                                  lists.places, lists.begin);
            input_band(run, &g, &lists, first, rows, image);
        }
        if (conv_is_padded(&g)) crop(&g, image, dx);
    }
}

const tn_implementation tn_conv_grad_input_sparse = {.name = "sparse",
                                                     .cost = {.efficiency = 3},
                                                     .applies = input_applies,
                                                     .workspace_bytes = input_workspace,
                                                     .packed_bytes = input_packed_bytes,
                                                     .pack = input_pack,
                                                     .run = run_input};

/* ---- Weight: dw[o][r][s][c] += dy[p][q][o] · x[p+r][q+s][c] --------------------------------- */

bool conv_grad_weight_is_sparse(const tn_node *node, const tn_kernels *kernels) {
    const tn_implementation *winograd = &tn_conv_grad_weight_winograd;
    bool rival = winograd->applies(node, kernels) && winograd->pays(node, kernels);
    return tn_density(node->inputs[1]) <= (rival ? TN_VERY_SPARSE : TN_SPARSE);
}

static bool weight_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    return !kernels->naive && conv_grad_weight_is_sparse(node, kernels) && suits(&g);
}

/* The numbers of the outputs of a band; each output has room for all of its pixels. */
typedef struct output_lists {
    int64_t *first, *end; /* of each output's numbers */
    real *values;         /* [o][BAND · q] */
    int32_t *places;      /* likewise: pixels of x, from the first of the band on */
    int64_t *begin;       /* of the pixels of a row of dy, whose numbers these are: */
    real *row_values;
    int32_t *row_places; /* outputs */
    real *dw;            /* [o][r][s][c] */
    real *image;         /* x with the padding */
} output_lists;

static int64_t split_weight(const conv_geometry *g, char *room, output_lists *lists) {
    char *start = room;
    int64_t most = BAND * g->q * g->o, row = g->q * g->o + TN_NONZERO_SLACK;
    lists->first = take(&room, g->o * (int64_t)sizeof *lists->first);
    lists->end = take(&room, g->o * (int64_t)sizeof *lists->end);
    lists->values = take(&room, most * (int64_t)sizeof *lists->values);
    lists->places = take(&room, most * (int64_t)sizeof *lists->places);
    lists->begin = take(&room, (g->q + 1) * (int64_t)sizeof *lists->begin);
    lists->row_values = take(&room, row * (int64_t)sizeof *lists->row_values);
    lists->row_places = take(&room, row * (int64_t)sizeof *lists->row_places);
    lists->dw = take(&room, g->o * g->r * g->s * g->c * (int64_t)sizeof(real));
    lists->image = take(&room, conv_is_padded(g) ? image_elements(g) * (int64_t)sizeof(real) : 0);
    return room - start;
}

static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_weight_geometry(node);
    output_lists lists;
    return split_weight(&g, NULL, &lists);
}

static void list_outputs(const tn_run *run, const conv_geometry *g, const real *dy, int64_t rows,
                         const output_lists *lists) {
    int64_t most = BAND * g->q, width = conv_padded_w(g);
    for (int64_t o = 0; o < g->o; o++) lists->first[o] = lists->end[o] = o * most;
    for (int64_t p = 0; p < rows; p++) {
        run->kernels->nonzero(g->q, g->o, dy + p * g->q * g->o, g->o, lists->row_values,
                              lists->row_places, lists->begin);
        for (int64_t q = 0; q < g->q; q++)
            for (int64_t e = lists->begin[q]; e < lists->begin[q + 1]; e++) {
                int64_t at = lists->end[lists->row_places[e]]++;
                lists->values[at] = lists->row_values[e];
                lists->places[at] = (int32_t)(p * width + q);
            }
    }
}

/* The rows of dy that are listed; x begins with the row that the first of them meets first. */
static void weight_band(const tn_run *run, const conv_geometry *g, const output_lists *lists,
                        const real *x) {
    for (int64_t r = 0; r < g->r; r++)
        run->kernels->sparse_product(&(tn_sparse_product){.rows = g->o,
                                                          .begin = lists->first,
                                                          .end = lists->end,
                                                          .values = lists->values,
                                                          .places = lists->places,
                                                          .matrix = x + r * conv_padded_w(g) * g->c,
                                                          .ld = g->c,
                                                          .n = g->s * g->c,
                                                          .y = lists->dw + r * g->s * g->c,
                                                          .y_row = g->r * g->s * g->c});
}

/* Stored dw[r][s][c][o] into [o][r][s][c], or back: a matrix into its transpose. */
static void run_weight(const tn_run *run) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    int64_t rows = g.r * g.s * g.c;
    output_lists lists;
    split_weight(&g, run->workspace, &lists);
    run->kernels->transpose(rows, g.o, run->out[0], g.o, lists.dw, rows);
    for (int64_t n = 0; n < run->n; n++) {
        const real *x = (const real *)run->in[0] + n * g.h * g.w * g.c;
        const real *dy = (const real *)run->in[1] + n * g.p * g.q * g.o;
        if (conv_is_padded(&g)) {
            conv_pad_image(x, g.h, g.w, g.c, g.pad_top, g.pad_left, g.pad_bottom, g.pad_right,
                           lists.image);
            x = lists.image;
        }
        for (int64_t first = 0; first < g.p; first += BAND) {
            list_outputs(run, &g, dy + first * g.q * g.o, band_rows(&g, first), &lists);
            weight_band(run, &g, &lists, x + first * conv_padded_w(&g) * g.c);
        }
    }
    run->kernels->transpose(g.o, rows, lists.dw, rows, run->out[0], g.o);
}

const tn_implementation tn_conv_grad_weight_sparse = {.name = "sparse",
                                                      .cost = {.efficiency = 3},
                                                      .applies = weight_applies,
                                                      .workspace_bytes = weight_workspace,
                                                      .run = run_weight};
