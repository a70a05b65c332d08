/* SPDX-License-Identifier: Apache-2.0 */
/* conv_depthwise.c: convolutions of each channel by itself. No product of matrices is in them, so
 * channels are the lanes and the taps are walked. Weights are packed as taps of channels. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/conv_parts.h"

static bool is_depthwise(const conv_geometry *g) {
    return g->groups > 1 && g->cg == 1 && g->og == 1;
}

/* In parts a panel is nr wide: where it begins says which tap is the first. */
enum { ONE_WIDE = 1 };

/* ---- Forward and input gradient ----------------------------------------------------------- */

/* The pixels of a part of an image, taps run after run. */
static void run_part(const tn_run *run, const conv_part *part, tn_depthwise d, const real *more) {
    const conv_packed *p = run->packed;
    const real *weights = d.w;
    int64_t first;
    d.rows = conv_part_pixels(part, run->rows, &first);
    d.taps = part->depth;
    d.x_row = p->parts.a_row + part->row + first;
    d.y_row = p->parts.c_row + part->row + first;
    for (int64_t r = 0; r < part->runs && d.rows > 0; r++) {
        d.w = weights + (part->panel + r * part->run_rows) * d.step;
        d.offset = p->parts.offset + part->offset + r * part->depth;
        d.adds = r > 0;
        if (r == part->runs - 1) {
            d.more = more;
            d.activation = run->node->activation;
        }
        run->kernels->depthwise(&d);
    }
}

static void run_parts(const tn_run *run, const conv_image *from, const conv_image *to,
                      const real *bias) {
    const conv_packed *p = run->packed;
    const conv_parts *parts = &p->parts;
    const tn_channels share = tn_run_channels(run, to->channels, TN_TILE_MAX_NR);
    const real *x = (const real *)tn_run_in_image(run, 0) + share.begin;
    const real *more = tn_run_more(run);
    real *y = (real *)tn_run_out_image(run, 0) + share.begin;
    if (more) more += share.begin;
    for (int64_t n = 0; n < run->n; n++) {
        const tn_depthwise d = {.channels = share.end - share.begin,
                                .step = to->channels,
                                .w = p->weights + share.begin,
                                .x = x + n * from->height * from->width * from->channels,
                                .bias = bias ? bias + share.begin : NULL,
                                .y = y + n * to->height * to->width * to->channels};
        for (int i = 0; i < parts->n_parts; i++) run_part(run, &parts->parts[i], d, more);
        if (more) more += to->height * to->width * to->channels;
    }
}

static bool forward_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_geometry_of(node);
    return !kernels->naive && is_depthwise(&g);
}

static int64_t forward_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_geometry_of(node);
    conv_parts parts = {.images = 1};
    conv_parts_add_forward(&parts, &g, ONE_WIDE);
    return conv_packed_bytes(&parts, g.r * g.s * g.c);
}

static void forward_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_geometry_of(run->node);
    conv_parts counted = {.images = 1};
    conv_parts_add_forward(&counted, &g, ONE_WIDE);
    conv_packed *p = conv_packed_begin(packed, &counted);
    conv_parts_add_forward(&p->parts, &g, ONE_WIDE);
    run->kernels->transpose(g.c, g.r * g.s, run->in[1], g.r * g.s, p->weights, g.c);
}

static void run_forward(const tn_run *run) {
    const conv_geometry g = conv_geometry_of(run->node);
    const conv_image from = conv_input_image(&g), to = conv_output_image(&g);
    run_parts(run, &from, &to, run->in[2]);
}

const tn_implementation tn_conv_depthwise = {.name = "depthwise",
                                             .applies = forward_applies,
                                             .packed_bytes = forward_packed_bytes,
                                             .pack = forward_pack,
                                             .rows_in = conv_rows_in,
                                             .shares_channels = true,
                                             .run = run_forward};

static bool input_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_input_geometry(node);
    return !kernels->naive && is_depthwise(&g);
}

static int64_t input_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const conv_geometry g = conv_grad_input_geometry(node);
    conv_parts parts = {.images = 1};
    conv_parts_add_input(&parts, &g, ONE_WIDE);
    return conv_packed_bytes(&parts, g.r * g.s * g.c);
}

/* Taps in the order of the parts: phase by phase. */
static void input_pack(const tn_run *run, void *packed) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const real *w = run->in[1];
    int64_t taps = g.r * g.s;
    conv_parts counted = {.images = 1};
    conv_parts_add_input(&counted, &g, ONE_WIDE);
    conv_packed *p = conv_packed_begin(packed, &counted);
    conv_parts_add_input(&p->parts, &g, ONE_WIDE);
    real *to = p->weights;
    for (int64_t phase = 0; phase < g.stride_h * g.stride_w; phase++)
        for (int64_t k = 0; k < taps; k++) {
            if (!conv_phase_meets(phase / g.stride_w, k / g.s, g.dilation_h, g.stride_h) ||
                !conv_phase_meets(phase % g.stride_w, k % g.s, g.dilation_w, g.stride_w))
                continue;
            for (int64_t c = 0; c < g.c; c++) *to++ = w[c * taps + k];
        }
}

static void run_input(const tn_run *run) {
    const conv_geometry g = conv_grad_input_geometry(run->node);
    const conv_image from = conv_output_image(&g), to = conv_input_image(&g);
    run_parts(run, &from, &to, NULL);
}

const tn_implementation tn_conv_grad_input_depthwise = {.name = "depthwise",
                                                        .applies = input_applies,
                                                        .packed_bytes = input_packed_bytes,
                                                        .pack = input_pack,
                                                        .rows_in = conv_grad_input_rows_in,
                                                        .run = run_input};

/* ---- Weight gradient ---------------------------------------------------------------------- */

static bool weight_applies(const tn_node *node, const tn_kernels *kernels) {
    const conv_geometry g = conv_grad_weight_geometry(node);
    return !kernels->naive && is_depthwise(&g);
}

/* Workspace: where pixels and taps lie in the padded image, the gradient as taps of channels, the
 * image. */
typedef struct weight_room {
    int64_t *x_row, *offset;
    real *dw, *image;
} weight_room;

static int64_t weight_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const conv_geometry g = conv_grad_weight_geometry(node);
    int64_t image = conv_is_padded(&g) ? conv_padded_h(&g) * conv_padded_w(&g) * g.c : 0;
    return tn_product_steps_bytes(g.p * g.q + g.r * g.s) +
           (g.r * g.s * g.c + image) * (int64_t)sizeof(real);
}

static weight_room weight_lists(const tn_run *run, const conv_geometry *g) {
    weight_room room = {.x_row = run->workspace};
    int64_t pixels = g->p * g->q, taps = g->r * g->s, width = conv_padded_w(g);
    room.offset = room.x_row + pixels;
    room.dw = (real *)(void *)((char *)run->workspace + tn_product_steps_bytes(pixels + taps));
    room.image = room.dw + taps * g->c;
    for (int64_t i = 0; i < pixels; i++)
        room.x_row[i] = (i / g->q * g->stride_h * width + i % g->q * g->stride_w) * g->c;
    for (int64_t t = 0; t < taps; t++)
        room.offset[t] = (t / g->s * g->dilation_h * width + t % g->s * g->dilation_w) * g->c;
    return room;
}

static void run_weight(const tn_run *run) {
    const conv_geometry g = conv_grad_weight_geometry(run->node);
    const weight_room room = weight_lists(run, &g);
    int64_t taps = g.r * g.s;
    run->kernels->transpose(g.c, taps, run->out[0], taps, room.dw, g.c);
    for (int64_t n = 0; n < run->n; n++) {
        const real *x = (const real *)run->in[0] + n * g.h * g.w * g.c;
        if (conv_is_padded(&g)) {
            conv_pad_image(x, g.h, g.w, g.c, g.pad_top, g.pad_left, g.pad_bottom, g.pad_right,
                           room.image);
            x = room.image;
        }
        const tn_depthwise_weight d = {.rows = g.p * g.q,
                                       .taps = taps,
                                       .channels = g.c,
                                       .x = x,
                                       .dy = (const real *)run->in[1] + n * g.p * g.q * g.o,
                                       .x_row = room.x_row,
                                       .offset = room.offset,
                                       .dw = room.dw};
        run->kernels->depthwise_weight(&d);
    }
    run->kernels->transpose(taps, g.c, room.dw, g.c, run->out[0], taps);
}

const tn_implementation tn_conv_grad_weight_depthwise = {.name = "depthwise",
                                                         .applies = weight_applies,
                                                         .workspace_bytes = weight_workspace,
                                                         .run = run_weight};
