/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/conv_parts.h"

#include "base/size.h"

/* Pixels [begin, end) of an axis, which all meet taps [lo, hi). */
typedef struct band {
    int64_t begin, end, lo, hi;
} band;

static int64_t source_of(const conv_axis *a, int64_t i, int64_t k) {
    return a->source + i * a->pixel_step + k * a->tap_step;
}

static bool meets(const conv_axis *a, int64_t i, int64_t k) {
    int64_t at = source_of(a, i, k);
    return at >= 0 && at < a->size;
}

/* The band that begins at pixel i; taps inside follow each other, since places are linear in k. */
static band band_at(const conv_axis *a, int64_t i) {
    band b = {.begin = i, .end = i + 1};
    while (b.lo < a->taps && !meets(a, i, b.lo)) b.lo++;
    for (b.hi = b.lo; b.hi < a->taps && meets(a, i, b.hi);) b.hi++;
    if (b.lo == b.hi) b.lo = b.hi = 0;
    for (; b.end < a->pixels; b.end++) {
        int64_t e = b.end;
        bool same = b.hi > b.lo ? meets(a, e, b.lo) && meets(a, e, b.hi - 1) &&
                                      (b.lo == 0 || !meets(a, e, b.lo - 1)) &&
                                      (b.hi == a->taps || !meets(a, e, b.hi))
                                : a->taps == 0;
        if (!same) break;
    }
    return b;
}

typedef struct adding {
    conv_parts *to;
    const conv_axis *h, *w;
    const conv_image *from, *image;
    int64_t depth, panel, nr;
} adding;

/* Where the taps of a part are, run after run. */
static void list_offsets(const adding *a, const band *x, const conv_part *part, int64_t *offset) {
    int64_t taps = a->depth == 0 ? 0 : part->runs * part->depth / a->depth, width = x->hi - x->lo;
    for (int64_t k = 0; k < taps; k++) {
        int64_t place = k / width * a->h->tap_step * a->from->width + k % width * a->w->tap_step;
        for (int64_t c = 0; c < a->depth; c++) *offset++ = place * a->from->channels + c;
    }
}

/* Which pixels of the images are read and computed; r is the first row of the kernel. */
static void list_pixels(const adding *a, const band *y, const band *x, const conv_part *part,
                        int64_t *a_row, int64_t *c_row) {
    const conv_image *from = a->from, *image = a->image;
    bool reads = part->runs * part->depth > 0;
    for (int64_t n = 0; n < a->to->images; n++)
        for (int64_t i = y->begin; i < y->end; i++)
            for (int64_t j = x->begin; j < x->end; j++) {
                int64_t source =
                    !reads ? 0
                           : source_of(a->h, i, y->lo) * from->width + source_of(a->w, j, x->lo);
                *a_row++ = (n * from->height * from->width + source) * from->channels;
                int64_t row = a->h->first + i * a->h->step, column = a->w->first + j * a->w->step;
                *c_row++ = ((n * image->height + row) * image->width + column) * image->channels;
            }
}

/* The pixels of two bands. Whole rows of the kernel are one run of the panels; parts of rows are a
 * run each. */
static void add_part(const adding *a, const band *y, const band *x) {
    conv_parts *p = a->to;
    int64_t width = x->hi - x->lo, height = width > 0 ? y->hi - y->lo : 0;
    bool whole = width == a->w->taps || height == 0;
    conv_part part = {.rows = (y->end - y->begin) * (x->end - x->begin),
                      .runs = whole ? 1 : height,
                      .depth = (whole ? height : 1) * width * a->depth,
                      .top = a->h->first + y->begin * a->h->step,
                      .height = y->end - y->begin,
                      .step = a->h->step,
                      .width = x->end - x->begin,
                      .row = p->n_rows,
                      .offset = p->n_offsets,
                      .panel = a->panel + (y->lo * a->w->taps + x->lo) * a->depth * a->nr,
                      .panel_depth = a->h->taps * a->w->taps * a->depth,
                      .run_rows = a->w->taps * a->depth};
    p->n_rows += part.rows * p->images;
    p->n_offsets += part.runs * part.depth;
    p->n_parts++;
    if (!p->parts) return;
    p->parts[p->n_parts - 1] = part;
    list_pixels(a, y, x, &part, p->a_row + part.row, p->c_row + part.row);
    list_offsets(a, x, &part, p->offset + part.offset);
}

void conv_parts_add(conv_parts *parts, const conv_axis *h, const conv_axis *w,
                    const conv_image *from, const conv_image *to, int64_t depth, int64_t panel,
                    int64_t nr) {
    const adding a = {parts, h, w, from, to, depth, panel, nr};
    band y, x;
    for (int64_t i = 0; i < h->pixels; i = y.end) {
        y = band_at(h, i);
        for (int64_t j = 0; j < w->pixels; j = x.end) {
            x = band_at(w, j);
            add_part(&a, &y, &x);
        }
    }
}

int64_t conv_images_together(int64_t pixels) {
    enum { ENOUGH_PIXELS = 512, MOST_IMAGES = 8 };
    return tn_max_i64(1, tn_min_i64(ENOUGH_PIXELS / tn_max_i64(1, pixels), MOST_IMAGES));
}

static int64_t parts_bytes(const conv_parts *p) {
    return tn_round_up(p->n_parts * (int64_t)sizeof(conv_part), 64) +
           tn_product_steps_bytes(2 * p->n_rows + p->n_offsets);
}

int64_t conv_packed_bytes(const conv_parts *counted, int64_t weights) {
    return tn_round_up((int64_t)sizeof(conv_packed), 64) + parts_bytes(counted) +
           weights * (int64_t)sizeof(real);
}

conv_packed *conv_packed_begin(void *memory, const conv_parts *counted) {
    conv_packed *p = memory;
    char *at = (char *)memory + tn_round_up((int64_t)sizeof *p, 64);
    p->parts = *counted;
    p->parts.parts = (conv_part *)(void *)at;
    p->parts.a_row =
        (int64_t *)(void *)(at + tn_round_up(counted->n_parts * (int64_t)sizeof(conv_part), 64));
    p->parts.c_row = p->parts.a_row + counted->n_rows;
    p->parts.offset = p->parts.c_row + counted->n_rows;
    p->parts.n_parts = p->parts.n_rows = p->parts.n_offsets = 0;
    p->weights = (real *)(void *)(at + parts_bytes(counted));
    return p;
}

/* ---- The two passes -------------------------------------------------------------------------- */

conv_image conv_input_image(const conv_geometry *g) { return (conv_image){g->h, g->w, g->c}; }
conv_image conv_output_image(const conv_geometry *g) { return (conv_image){g->p, g->q, g->o}; }

void conv_parts_add_forward(conv_parts *parts, const conv_geometry *g, int64_t nr) {
    const conv_axis h = {g->p, 0, 1, g->r, -g->pad_top, g->stride_h, g->dilation_h, g->h};
    const conv_axis w = {g->q, 0, 1, g->s, -g->pad_left, g->stride_w, g->dilation_w, g->w};
    const conv_image from = conv_input_image(g), to = conv_output_image(g);
    conv_parts_add(parts, &h, &w, &from, &to, g->cg, 0, nr);
}

bool conv_phase_meets(int64_t phase, int64_t k, int64_t dilation, int64_t stride) {
    return (phase - k * dilation) % stride == 0;
}

/* The pixels of a phase along an axis, and the taps that they meet. */
static conv_axis phase_axis(int64_t phase, int64_t size, int64_t pad, int64_t kernel,
                            int64_t dilation, int64_t stride, int64_t gradient_size) {
    conv_axis a = {.step = stride, .pixel_step = 1, .size = gradient_size};
    int64_t tap = 0, tap_step = 1;
    a.first = ((phase - pad) % stride + stride) % stride;
    a.pixels = a.first < size ? (size - 1 - a.first) / stride + 1 : 0;
    while (tap < kernel && !conv_phase_meets(phase, tap, dilation, stride)) tap++;
    while (tap_step * dilation % stride != 0) tap_step++;
    if (tap == kernel) return a;
    a.taps = (kernel - 1 - tap) / tap_step + 1;
    a.tap_step = -tap_step * dilation / stride;
    a.source = (a.first + pad - tap * dilation) / stride;
    return a;
}

void conv_parts_add_input(conv_parts *parts, const conv_geometry *g, int64_t nr) {
    const conv_image from = conv_output_image(g), to = conv_input_image(g);
    int64_t panel = 0;
    for (int64_t phase = 0; phase < g->stride_h * g->stride_w; phase++) {
        const conv_axis h = phase_axis(phase / g->stride_w, g->h, g->pad_top, g->r, g->dilation_h,
                                       g->stride_h, g->p);
        const conv_axis w = phase_axis(phase % g->stride_w, g->w, g->pad_left, g->s, g->dilation_w,
                                       g->stride_w, g->q);
        conv_parts_add(parts, &h, &w, &from, &to, g->og, panel, nr);
        panel += h.taps * w.taps * g->og * tn_round_up(g->cg, nr);
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

/* How many of a part's rows are above row `row` of the image. */
static int64_t rows_above(const conv_part *part, int64_t row) {
    int64_t above = row > part->top ? (row - part->top + part->step - 1) / part->step : 0;
    return tn_min_i64(above, part->height);
}

int64_t conv_part_pixels(const conv_part *part, tn_rows rows, int64_t *first) {
    int64_t above = rows_above(part, rows.begin);
    *first = above * part->width;
    return (rows_above(part, rows.end) - above) * part->width;
}

void conv_parts_run(const conv_parts *p, const tn_kernels *kernels, tn_product product, int64_t n,
                    tn_rows rows, const conv_image *from, const conv_image *to) {
    const tn_product whole = product;
    for (int64_t sample = 0; sample < n; sample += p->images) {
        int64_t images = tn_min_i64(p->images, n - sample), first;
        product.a = whole.a + sample * from->height * from->width * from->channels;
        product.c = whole.c + sample * to->height * to->width * to->channels;
        if (whole.more) product.more = whole.more + sample * to->height * to->width * to->channels;
        for (const conv_part *part = p->parts; part < p->parts + p->n_parts; part++) {
            int64_t pixels = conv_part_pixels(part, rows, &first);
            if (pixels == 0) continue;
            product.rows = pixels + part->rows * (images - 1);
            product.depth = part->depth;
            product.runs = part->runs;
            product.run_rows = part->run_rows;
            product.a_row = p->a_row + part->row + first;
            product.c_row = p->c_row + part->row + first;
            product.offset = p->offset + part->offset;
            product.b = whole.b + part->panel;
            product.panel_depth = part->panel_depth;
            tn_product_run(kernels, &product, NULL);
        }
    }
}
