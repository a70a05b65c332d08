/* SPDX-License-Identifier: Apache-2.0 */
#include "shape_cases.h"

#include <math.h>
#include <string.h>

/* ---- Shapes --------------------------------------------------------------------------------- */

/* Three rows of an image with 32 channels, of which a 3×3 convolution makes one. */
enum { WIDTH = SHAPE_PIXELS + 2, CHANNELS = 32 };
enum { MATMUL_ROWS = 36 };            /* tiles of a group */
enum { SAMPLES = 64 };                /* of a weight's gradient */
enum { DEALT_ROWS = 8, DEALT = 192 }; /* rows dealt out, and the numbers of each */
enum { LISTED_CHANNELS = 64 };
enum { SPARSE = 3 * CHANNELS }; /* columns of a sparse product's matrix */
enum { LANES_OUTPUTS = 10 };
enum { OUTER_DEPTH = 64, OUTER_OUTPUTS = 50 };

void bench_shape_data_fill(bench_shape_data *d) {
    for (int i = 0; i < SHAPE_NUMBERS; i++) {
        d->x[i] = (float)(i % 7 - 3);
        d->w[i] = (float)(i % 5 - 2);
        d->y[i] = (float)(i % 3);
        d->few[i] = i % 4 == 1 ? (float)(i % 9 + 1) : 0;
        d->places[i] = 0;
    }
    for (int t = 0; t < SHAPE_TAPS; t++) d->tap[t] = (t / 3 * WIDTH + t % 3) * CHANNELS;
    for (int i = 0; i < SHAPE_PIXELS; i++) d->pixel[i] = d->result[i] = i * CHANNELS;
    for (int t = 0; t < SHAPE_DEPTH; t++) {
        d->point[t] = (t / 3 * WIDTH + t % 3) * TN_LANES;
        d->weight[t] = t * LANES_OUTPUTS;
    }
    for (int s = 0; s <= SHAPE_PARTS; s++) d->begin[s] = s * SAMPLES / SHAPE_PARTS;
    for (int e = 0; e < SHAPE_ENTRIES; e++) d->row[e] = 4 * e;
}

static double bytes_of(int64_t numbers) { return (double)numbers * sizeof(float); }

/* ---- A part of Winograd's algorithm --------------------------------------------------------- */

static bench_work run_matmul(const tn_kernels *k, bench_shape_data *d) {
    int64_t panels = CHANNELS / k->nr, columns = panels * k->nr;
    k->matmul(&(tn_matmul){.rows = MATMUL_ROWS,
                           .depth = CHANNELS,
                           .panels = panels,
                           .a = d->x,
                           .a_row = CHANNELS,
                           .a_step = 1,
                           .b = d->w,
                           .b_panel = (int64_t)CHANNELS * k->nr,
                           .b_step = k->nr,
                           .c = d->y,
                           .c_row = columns});
    return (bench_work){.flop = 2.0 * MATMUL_ROWS * CHANNELS * (double)columns,
                        .bytes = bytes_of(MATMUL_ROWS * (CHANNELS + columns) + CHANNELS * columns)};
}

static void expect_matmul(const tn_kernels *k, bench_shape_data *d) {
    int nr = k->nr, columns = CHANNELS / nr * nr;
    for (int i = 0; i < MATMUL_ROWS; i++)
        for (int j = 0; j < columns; j++) {
            float sum = 0;
            for (int t = 0; t < CHANNELS; t++)
                sum += d->x[i * CHANNELS + t] * d->w[(j / nr * CHANNELS + t) * nr + j % nr];
            d->y[i * columns + j] = sum;
        }
}

/* ---- Gradients of large weights ------------------------------------------------------------- */

static bench_work run_tree_tile(const tn_kernels *k, bench_shape_data *d) {
    tn_tree_tile tile = {
        .a = d->x, .b = d->w, .m = k->mr, .n_parts = SHAPE_PARTS, .begin = d->begin};
    for (int i = 0; i < k->mr; i++) tile.c[i] = d->y + (ptrdiff_t)i * k->nr;
    k->tree_tile(&tile);
    return (bench_work){.flop = 2.0 * SAMPLES * k->mr * k->nr,
                        .bytes = bytes_of(SAMPLES * (k->mr + k->nr) + k->mr * k->nr)};
}

static void expect_tree_tile(const tn_kernels *k, bench_shape_data *d) {
    for (int i = 0; i < k->mr; i++)
        for (int j = 0; j < k->nr; j++) {
            float sum = 0;
            for (int t = 0; t < SAMPLES; t++) sum += d->x[t * k->mr + i] * d->w[t * k->nr + j];
            d->y[i * k->nr + j] = sum;
        }
}

static bench_work run_deal_row(const tn_kernels *k, bench_shape_data *d) {
    for (int s = 0; s < DEALT_ROWS; s++)
        k->deal_row(DEALT, d->x + (ptrdiff_t)s * DEALT, d->y + (ptrdiff_t)s * k->mr,
                    (int64_t)DEALT_ROWS * k->mr);
    return (bench_work){.bytes = bytes_of(2 * DEALT_ROWS * DEALT)};
}

/* Not those of the reference: its tiles have another height. */
static void expect_deal_row(const tn_kernels *k, bench_shape_data *d) {
    for (int s = 0; s < DEALT_ROWS; s++)
        for (int i = 0; i < DEALT; i++)
            d->y[(i / k->mr * DEALT_ROWS + s) * k->mr + i % k->mr] = d->x[s * DEALT + i];
}

/* ---- Winograd ------------------------------------------------------------------------------- */

/* The additions and multiplications of a transform are those of kernels/vec/winograd.h along one
 * axis, for each row or column. */
enum {
    PARTS = TN_WINOGRAD_IN * TN_WINOGRAD_IN,
    RESULTS = TN_WINOGRAD_OUT * TN_WINOGRAD_OUT,
    INPUT_FLOP = (6 + 6) * 22,
    WEIGHT_FLOP = (3 + 6) * 15,
    OUTPUT_FLOP = (6 + 4) * 16 + 2 * RESULTS,
    GRADIENT_FLOP = (4 + 6) * 19,
    TAPS_FLOP = (6 + 3) * 13 + SHAPE_TAPS,
    SMALL_PARTS = TN_WINOGRAD_SMALL_IN * TN_WINOGRAD_SMALL_IN,
    SMALL_RESULTS = TN_WINOGRAD_SMALL_OUT * TN_WINOGRAD_SMALL_OUT,
    SMALL_INPUT_FLOP = (4 + 4) * 4,
    SMALL_WEIGHT_FLOP = (3 + 4) * 5,
    SMALL_OUTPUT_FLOP = (4 + 2) * 4 + 2 * SMALL_RESULTS,
    SMALL_GRADIENT_FLOP = (2 + 4) * 4,
    SMALL_TAPS_FLOP = (4 + 3) * 4 + SHAPE_TAPS
};

static tn_winograd into_parts(bench_shape_data *d, int width) {
    return (tn_winograd){.channels = CHANNELS,
                         .image = d->x,
                         .row_step = (int64_t)width * CHANNELS,
                         .pixel_step = CHANNELS,
                         .parts = d->y,
                         .part_step = CHANNELS};
}

static tn_winograd out_of_parts(bench_shape_data *d, int width) {
    return (tn_winograd){.channels = CHANNELS,
                         .result = d->y,
                         .row_step = (int64_t)width * CHANNELS,
                         .pixel_step = CHANNELS,
                         .parts = d->x,
                         .part_step = CHANNELS,
                         .bias = d->w,
                         .activation = {TN_ACTIVATION_CLIP, 0, INFINITY}};
}

static bench_work run_winograd_input(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = into_parts(d, TN_WINOGRAD_IN);
    k->winograd_input(&w);
    return (bench_work){.flop = INPUT_FLOP * CHANNELS, .bytes = bytes_of(2 * PARTS * CHANNELS)};
}

static bench_work run_winograd_weight(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = into_parts(d, 3);
    k->winograd_weight(&w);
    return (bench_work){.flop = WEIGHT_FLOP * CHANNELS,
                        .bytes = bytes_of((SHAPE_TAPS + PARTS) * CHANNELS)};
}

static bench_work run_winograd_output(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = out_of_parts(d, TN_WINOGRAD_OUT);
    k->winograd_output(&w);
    return (bench_work){.flop = OUTPUT_FLOP * CHANNELS,
                        .bytes = bytes_of((PARTS + RESULTS + 1) * CHANNELS)};
}

static bench_work run_winograd_gradient(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = into_parts(d, TN_WINOGRAD_OUT);
    k->winograd_gradient(&w);
    return (bench_work){.flop = GRADIENT_FLOP * CHANNELS,
                        .bytes = bytes_of((RESULTS + PARTS) * CHANNELS)};
}

static bench_work run_winograd_taps(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = out_of_parts(d, 3);
    k->winograd_taps(&w);
    return (bench_work){.flop = TAPS_FLOP * CHANNELS,
                        .bytes = bytes_of((PARTS + 2 * SHAPE_TAPS) * CHANNELS)};
}

static bench_work run_winograd_input_2x2(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = into_parts(d, TN_WINOGRAD_SMALL_IN);
    k->winograd_input_2x2(&w);
    return (bench_work){.flop = SMALL_INPUT_FLOP * CHANNELS,
                        .bytes = bytes_of(2 * SMALL_PARTS * CHANNELS)};
}

static bench_work run_winograd_weight_2x2(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = into_parts(d, 3);
    k->winograd_weight_2x2(&w);
    return (bench_work){.flop = SMALL_WEIGHT_FLOP * CHANNELS,
                        .bytes = bytes_of((SHAPE_TAPS + SMALL_PARTS) * CHANNELS)};
}

static bench_work run_winograd_output_2x2(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = out_of_parts(d, TN_WINOGRAD_SMALL_OUT);
    k->winograd_output_2x2(&w);
    return (bench_work){.flop = SMALL_OUTPUT_FLOP * CHANNELS,
                        .bytes = bytes_of((SMALL_PARTS + SMALL_RESULTS + 1) * CHANNELS)};
}

static bench_work run_winograd_gradient_2x2(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = into_parts(d, TN_WINOGRAD_SMALL_OUT);
    k->winograd_gradient_2x2(&w);
    return (bench_work){.flop = SMALL_GRADIENT_FLOP * CHANNELS,
                        .bytes = bytes_of((SMALL_RESULTS + SMALL_PARTS) * CHANNELS)};
}

static bench_work run_winograd_taps_2x2(const tn_kernels *k, bench_shape_data *d) {
    const tn_winograd w = out_of_parts(d, 3);
    k->winograd_taps_2x2(&w);
    return (bench_work){.flop = SMALL_TAPS_FLOP * CHANNELS,
                        .bytes = bytes_of((SMALL_PARTS + 2 * SHAPE_TAPS) * CHANNELS)};
}

/* ---- Products with lists -------------------------------------------------------------------- */

/* What may lie behind the last number found is forgotten. */
static bench_work run_nonzero(const tn_kernels *k, bench_shape_data *d) {
    k->nonzero(SHAPE_LISTED, LISTED_CHANNELS, d->few, LISTED_CHANNELS, d->y, d->places, d->listed);
    int64_t count = d->listed[SHAPE_LISTED];
    memset(d->y + count, 0, TN_NONZERO_SLACK * sizeof *d->y);
    memset(d->places + count, 0, TN_NONZERO_SLACK * sizeof *d->places);
    return (bench_work){.bytes = bytes_of(SHAPE_LISTED * LISTED_CHANNELS + 2 * count)};
}

static bench_work run_sparse_product(const tn_kernels *k, bench_shape_data *d) {
    static const int64_t begin = 0, end = SHAPE_ENTRIES;
    k->sparse_product(&(tn_sparse_product){.rows = 1,
                                           .begin = &begin,
                                           .end = &end,
                                           .values = d->x,
                                           .places = d->row,
                                           .matrix = d->w,
                                           .ld = SPARSE,
                                           .n = SPARSE,
                                           .y = d->y});
    return (bench_work){.flop = 2.0 * SHAPE_ENTRIES * SPARSE,
                        .bytes = bytes_of(SHAPE_ENTRIES * (2 + SPARSE) + 2 * SPARSE),
                        .only_loads = true};
}

/* ---- Depthwise convolution ------------------------------------------------------------------ */

static bench_work run_depthwise(const tn_kernels *k, bench_shape_data *d) {
    k->depthwise(&(tn_depthwise){.rows = SHAPE_PIXELS,
                                 .taps = SHAPE_TAPS,
                                 .channels = CHANNELS,
                                 .step = CHANNELS,
                                 .x = d->x,
                                 .w = d->w,
                                 .bias = d->few,
                                 .x_row = d->pixel,
                                 .offset = d->tap,
                                 .y_row = d->result,
                                 .y = d->y,
                                 .activation = {TN_ACTIVATION_CLIP, 0, INFINITY}});
    return (bench_work){.flop = 2.0 * SHAPE_PIXELS * SHAPE_TAPS * CHANNELS,
                        .bytes = bytes_of((3 * WIDTH + SHAPE_TAPS + 1 + SHAPE_PIXELS) * CHANNELS)};
}

static bench_work run_depthwise_weight(const tn_kernels *k, bench_shape_data *d) {
    k->depthwise_weight(&(tn_depthwise_weight){.rows = SHAPE_PIXELS,
                                               .taps = SHAPE_TAPS,
                                               .channels = CHANNELS,
                                               .x = d->x,
                                               .dy = d->w,
                                               .x_row = d->pixel,
                                               .offset = d->tap,
                                               .dw = d->y});
    return (bench_work){.flop = 2.0 * SHAPE_PIXELS * SHAPE_TAPS * CHANNELS,
                        .bytes = bytes_of((3 * WIDTH + SHAPE_PIXELS + 2 * SHAPE_TAPS) * CHANNELS)};
}

/* ---- Lanes ---------------------------------------------------------------------------------- */

/* The points of x (of each of four channels three rows), of the weight, and of the results. */
enum {
    LANES_X = SHAPE_DEPTH / 3 * WIDTH * TN_LANES,
    LANES_W = SHAPE_DEPTH * LANES_OUTPUTS,
    LANES_Y = LANES_OUTPUTS * SHAPE_PIXELS * TN_LANES
};

static bench_work run_lanes_product(const tn_kernels *k, bench_shape_data *d) {
    k->lanes_product(&(tn_lanes_product){.rows = 1,
                                         .columns = SHAPE_PIXELS,
                                         .x_column = TN_LANES,
                                         .y_column = TN_LANES,
                                         .outputs = LANES_OUTPUTS,
                                         .y_output = SHAPE_PIXELS * TN_LANES,
                                         .depth = SHAPE_DEPTH,
                                         .w_step = LANES_OUTPUTS,
                                         .w_output = 1,
                                         .offset = d->point,
                                         .x = d->x,
                                         .w = d->w,
                                         .bias = d->few,
                                         .y = d->y,
                                         .relu = true});
    return (bench_work){.flop = 2.0 * LANES_Y * SHAPE_DEPTH,
                        .bytes = bytes_of(LANES_X + LANES_W + LANES_Y)};
}

static bench_work run_lanes_weight(const tn_kernels *k, bench_shape_data *d) {
    k->lanes_weight(&(tn_lanes_weight){.rows = 1,
                                       .columns = SHAPE_PIXELS,
                                       .x_column = TN_LANES,
                                       .y_column = TN_LANES,
                                       .outputs = LANES_OUTPUTS,
                                       .y_output = SHAPE_PIXELS * TN_LANES,
                                       .depth = SHAPE_DEPTH,
                                       .offset = d->point,
                                       .w_offset = d->weight,
                                       .x = d->x,
                                       .dy = d->w,
                                       .dw = d->y,
                                       .lanes = TN_LANES});
    return (bench_work){.flop = 2.0 * LANES_Y * SHAPE_DEPTH,
                        .bytes = bytes_of(LANES_X + 2 * LANES_W + LANES_Y)};
}

static bench_work run_lanes_outer(const tn_kernels *k, bench_shape_data *d) {
    k->lanes_outer(OUTER_DEPTH, OUTER_OUTPUTS, TN_LANES, d->x, d->w, d->y);
    return (bench_work){.flop = 2.0 * OUTER_DEPTH * OUTER_OUTPUTS * TN_LANES,
                        .bytes = bytes_of((OUTER_DEPTH + OUTER_OUTPUTS) * TN_LANES +
                                          2 * OUTER_DEPTH * OUTER_OUTPUTS)};
}

/* Of rows that end within their last tile; the additions and multiplications of a tile are those of
 * kernels/vec/lanes_winograd.h. */
enum {
    LINES = 4,
    LINE_TILES = 3,
    LINE_OUT = 9 - 5,
    LINE_WIDTH = LINE_TILES * LINE_OUT,
    LINE_NUMBERS = 200, /* of each tap of a weight */
    LINE_TILE_NUMBERS = LINES * LINE_TILES * TN_LANES,
    LINE_PARTS = TN_LANES_WINOGRAD_PARTS * LINE_TILE_NUMBERS,
    LINE_INPUT_FLOP = 40,
    LINE_WEIGHT_FLOP = 33,
    LINE_OUTPUT_FLOP = 30,
    LINE_GRADIENT_FLOP = 20,
    LINE_TAPS_FLOP = 39,
    LINE_BACK_FLOP = 44
};

static tn_lanes_winograd lines(bench_shape_data *d, bool into_parts) {
    return (tn_lanes_winograd){.taps = 5,
                               .rows = LINES,
                               .tiles = LINE_TILES,
                               .width = LINE_WIDTH,
                               .before = 2,
                               .row_step = LINE_WIDTH * TN_LANES,
                               .image = d->x,
                               .result = d->y,
                               .parts = into_parts ? d->y : d->x,
                               .part_step = LINE_TILE_NUMBERS};
}

static bench_work line_work(int flop) {
    return (bench_work){.flop = (double)flop * LINE_TILE_NUMBERS,
                        .bytes = bytes_of(LINES * LINE_WIDTH * TN_LANES + LINE_PARTS)};
}

static bench_work run_lanes_winograd_input(const tn_kernels *k, bench_shape_data *d) {
    const tn_lanes_winograd w = lines(d, true);
    k->lanes_winograd_input(&w);
    return line_work(LINE_INPUT_FLOP);
}

static bench_work run_lanes_winograd_output(const tn_kernels *k, bench_shape_data *d) {
    tn_lanes_winograd w = lines(d, false);
    w.bias = 3;
    k->lanes_winograd_output(&w);
    return line_work(LINE_OUTPUT_FLOP);
}

static bench_work run_lanes_winograd_gradient(const tn_kernels *k, bench_shape_data *d) {
    const tn_lanes_winograd w = lines(d, true);
    k->lanes_winograd_gradient(&w);
    return line_work(LINE_GRADIENT_FLOP);
}

static bench_work run_lanes_winograd_back(const tn_kernels *k, bench_shape_data *d) {
    const tn_lanes_winograd w = lines(d, false);
    k->lanes_winograd_back(&w);
    return line_work(LINE_BACK_FLOP);
}

static bench_work line_weight_work(int flop, int numbers) {
    return (bench_work){.flop = (double)flop * LINE_NUMBERS,
                        .bytes = bytes_of(numbers * LINE_NUMBERS)};
}

static bench_work run_lanes_winograd_weight(const tn_kernels *k, bench_shape_data *d) {
    tn_lanes_winograd w = lines(d, true);
    w.width = w.row_step = w.part_step = LINE_NUMBERS;
    k->lanes_winograd_weight(&w);
    return line_weight_work(LINE_WEIGHT_FLOP, 5 + TN_LANES_WINOGRAD_PARTS);
}

static bench_work run_lanes_winograd_taps(const tn_kernels *k, bench_shape_data *d) {
    tn_lanes_winograd w = lines(d, false);
    w.width = w.row_step = w.part_step = LINE_NUMBERS;
    k->lanes_winograd_taps(&w);
    return line_weight_work(LINE_TAPS_FLOP, 2 * 5 + TN_LANES_WINOGRAD_PARTS);
}

/* ---- The list ------------------------------------------------------------------------------- */

const bench_shape_case bench_shape_cases[] = {
    {"matmul", offsetof(tn_kernels, matmul), run_matmul, .expect = expect_matmul},
    {"tree_tile", offsetof(tn_kernels, tree_tile), run_tree_tile, .expect = expect_tree_tile},
    {"deal_row", offsetof(tn_kernels, deal_row), run_deal_row, .expect = expect_deal_row},
    {"winograd_input", offsetof(tn_kernels, winograd_input), run_winograd_input},
    {"winograd_weight", offsetof(tn_kernels, winograd_weight), run_winograd_weight, .error = 1e-5f},
    {"winograd_output", offsetof(tn_kernels, winograd_output), run_winograd_output, .error = 1e-4f},
    {"winograd_gradient", offsetof(tn_kernels, winograd_gradient), run_winograd_gradient,
     .error = 1e-5f},
    {"winograd_taps", offsetof(tn_kernels, winograd_taps), run_winograd_taps, .error = 1e-4f},
    {"winograd_input_2x2", offsetof(tn_kernels, winograd_input_2x2), run_winograd_input_2x2},
    {"winograd_weight_2x2", offsetof(tn_kernels, winograd_weight_2x2), run_winograd_weight_2x2,
     .error = 1e-5f},
    {"winograd_output_2x2", offsetof(tn_kernels, winograd_output_2x2), run_winograd_output_2x2,
     .error = 1e-4f},
    {"winograd_gradient_2x2", offsetof(tn_kernels, winograd_gradient_2x2),
     run_winograd_gradient_2x2, .error = 1e-5f},
    {"winograd_taps_2x2", offsetof(tn_kernels, winograd_taps_2x2), run_winograd_taps_2x2,
     .error = 1e-4f},
    {"nonzero", offsetof(tn_kernels, nonzero), run_nonzero},
    {"sparse_product", offsetof(tn_kernels, sparse_product), run_sparse_product},
    {"depthwise", offsetof(tn_kernels, depthwise), run_depthwise},
    {"depthwise_weight", offsetof(tn_kernels, depthwise_weight), run_depthwise_weight},
    {"lanes_product", offsetof(tn_kernels, lanes_product), run_lanes_product},
    {"lanes_weight", offsetof(tn_kernels, lanes_weight), run_lanes_weight},
    {"lanes_outer", offsetof(tn_kernels, lanes_outer), run_lanes_outer},
    {"lanes_winograd_input", offsetof(tn_kernels, lanes_winograd_input), run_lanes_winograd_input},
    {"lanes_winograd_weight", offsetof(tn_kernels, lanes_winograd_weight),
     run_lanes_winograd_weight, .error = 1e-5f},
    {"lanes_winograd_output", offsetof(tn_kernels, lanes_winograd_output),
     run_lanes_winograd_output},
    {"lanes_winograd_gradient", offsetof(tn_kernels, lanes_winograd_gradient),
     run_lanes_winograd_gradient},
    {"lanes_winograd_taps", offsetof(tn_kernels, lanes_winograd_taps), run_lanes_winograd_taps,
     .error = 1e-4f},
    {"lanes_winograd_back", offsetof(tn_kernels, lanes_winograd_back), run_lanes_winograd_back},
};
const int bench_n_shape_cases = sizeof bench_shape_cases / sizeof bench_shape_cases[0];
