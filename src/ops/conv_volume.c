/* SPDX-License-Identifier: Apache-2.0 */
/* conv_volume.c: convolution of volumes, whose slices are images: slice u of the output is the sum
 * of the convolutions of those slices of the input that the kernel's slices meet, each added to
 * what is there. */
#include "graph/images.h"
#include "ops/conv_geometry.h"
#include "ops/conv_parts.h"

static bool applies(const tn_node *node, const tn_kernels *kernels) {
    return !conv_images_applies(node, kernels);
}

static conv_parts count_parts(const conv_geometry *g, const tn_kernels *kernels) {
    conv_parts parts = {.images = 1};
    conv_parts_add_forward(&parts, g, kernels->nr);
    return parts;
}

/* Of a slice of the kernel, for one group. */
static int64_t panels_of(const conv_geometry *g, const tn_kernels *kernels) {
    return tn_panels_elements(kernels, g->r * g->s * g->cg, g->og);
}

static int64_t packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_geometry_of(node);
    const conv_parts parts = count_parts(&g, kernels);
    return conv_packed_bytes(&parts, g.groups * g.t * panels_of(&g, kernels));
}

static void pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_geometry_of(run->node);
    const conv_parts counted = count_parts(&g, run->kernels);
    conv_packed *p = conv_packed_begin(packed, &counted);
    conv_parts_add_forward(&p->parts, &g, run->kernels->nr);
    int64_t depth = g.r * g.s * g.cg;
    for (int64_t i = 0; i < g.groups * g.t; i++)
        tn_panels_pack(run->kernels, TN_PANELS_STORED, (const real *)run->in[1] + i * depth * g.og,
                       g.og, depth, g.og, p->weights + i * panels_of(&g, run->kernels));
}

/* The slices of the kernel [begin, end) that meet the input from slice u of the output. */
static void slices_met(const conv_geometry *g, int64_t u, int64_t *begin, int64_t *end) {
    int64_t first = u * g->stride_d - g->pad_front;
    *begin = 0;
    while (*begin < g->t && first + *begin * g->dilation_d < 0) ++*begin;
    *end = *begin;
    while (*end < g->t && first + *end * g->dilation_d < g->d) ++*end;
}

/* Where no slice is met, the bias is what is left. */
static void run_padding(const tn_run *run, const conv_geometry *g, const real *more, real *y) {
    const real *bias = run->in[2];
    int64_t n = g->p * g->q * g->o;
    for (int64_t i = 0; i < n; i++) y[i] = bias ? bias[i % g->o] : 0;
    run->kernels->activate(&run->node->activation, n, y, more, y);
}

/* One slice of the output, of one group. */
static void run_slice(const tn_run *run, const conv_geometry *g, int64_t u, tn_product product,
                      const real *more) {
    const conv_packed *p = run->packed;
    const conv_image from = conv_input_image(g), to = conv_output_image(g);
    const real *x = product.a, *panels = product.b;
    int64_t begin, end;
    slices_met(g, u, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        int64_t slice = u * g->stride_d + t * g->dilation_d - g->pad_front;
        product.a = x + slice * g->h * g->w * g->c;
        product.b = panels + t * panels_of(g, run->kernels);
        if (t > begin) product.start = TN_START_C;
        if (t == end - 1) {
            product.more = more;
            product.activation = run->node->activation;
        }
        conv_parts_run(&p->parts, run->kernels, product, 1, (tn_rows){0, g->p}, &from, &to);
    }
}

static void run_volume(const tn_run *run) {
    const conv_geometry g = conv_geometry_of(run->node);
    const conv_packed *p = run->packed;
    const real *bias = run->in[2], *more = tn_run_more(run);
    int64_t y_slice = g.p * g.q * g.o, begin, end;
    for (int64_t i = 0; i < run->n * g.u; i++) {
        const real *x = (const real *)run->in[0] + i / g.u * g.d * g.h * g.w * g.c;
        real *y = (real *)run->out[0] + i * y_slice;
        slices_met(&g, i % g.u, &begin, &end);
        if (begin == end) run_padding(run, &g, more ? more + i * y_slice : NULL, y);
        for (int64_t group = 0; group < g.groups && begin < end; group++) {
            const tn_product product = {.columns = g.og,
                                        .a = x + group * g.cg,
                                        .b = p->weights + group * g.t * panels_of(&g, run->kernels),
                                        .source = TN_PANELS_PACKED,
                                        .start = bias ? TN_START_BIAS : TN_START_ZERO,
                                        .bias = bias ? bias + group * g.og : NULL,
                                        .c = y + group * g.og};
            run_slice(run, &g, i % g.u, product, more ? more + i * y_slice + group * g.og : NULL);
        }
    }
}

const tn_implementation tn_conv_volume = {.name = "volume",
                                          .applies = applies,
                                          .packed_bytes = packed_bytes,
                                          .pack = pack,
                                          .run = run_volume};
