/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.h: the table of arithmetic on raw pointers. One table per instruction set ("level"),
 * filled from the plain-C reference and overwritten by what the level has; the block sizes stand
 * beside the pointers they belong to. Kernels know no tensors, graphs or threads.
 *
 * Contracts common to all: n counts elements and may be 0; pointers need no alignment beyond that
 * of their type; nothing is read or written outside the stated ranges; outputs may not overlap
 * inputs unless said. An element's bits do not depend on its place in a vector or tail. */
#ifndef TN_KERNELS_KERNELS_H
#define TN_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/real.h"
#include "base/status.h"
#include "kernels/activation.h"

/* The largest mr and nr of any level. Each mr divides TN_TILE_ROWS and each nr TN_TILE_MAX_NR: work
 * and what is stored are cut there, into whole tiles. */
enum { TN_TILE_MAX_MR = 16, TN_TILE_MAX_NR = 16, TN_TILE_ROWS = 24 };

/* Rows of a convolution or matmul, up to nr columns of them:
 *     c[c_row[i] + j] = activation(start + Σ_{r < runs} Σ_{t < depth}
 *                       a[a_row[i] + offset[r·depth + t]] · b[r·b_run + t·ldb + j]
 *                       + more[c_row[i] + j])
 *                                                                i < rows, j < columns <= nr
 * offset   [runs · depth] in numbers, the same for all rows: the taps and channels of a convolution
 * b        rows of nr numbers, whatever `columns` is; rows of a run are ldb apart
 * start    what c holds if `adds`, else bias[j], or 0 if bias is NULL
 * more     NULL is 0; added last
 * Order: r and t ascending, one accumulator per element, fused multiply-add where the level has
 * one; equal bits for any choice of rows and any cut of the depth into successive calls. */
typedef struct tn_panel {
    int64_t rows, runs, depth, columns;
    const real *a;
    const int64_t *a_row, *offset;
    const real *b;
    int64_t b_run, ldb;
    const real *bias;
    real *c;
    const int64_t *c_row;
    bool adds;
    const real *more;
    tn_activation activation;
} tn_panel;
typedef void tn_panel_fn(const tn_panel *panel);

/* A product of matrices so small that lists of pointers would take as long as it does:
 *     c[i·c_row + j] = (adds ? c[i·c_row + j] : 0) + Σ_t a[i·a_row + t·a_step] · B[t][j]
 *                                                       i < rows, t < depth, j < panels · nr
 * b      panels of nr columns, b_panel apart, their rows b_step apart: nr if each is [depth][nr]
 * Order and rounding as in a panel. */
typedef struct tn_matmul {
    int64_t rows, depth, panels;
    const real *a;
    int64_t a_row, a_step;
    const real *b;
    int64_t b_panel, b_step;
    real *c;
    int64_t c_row;
    bool adds;
} tn_matmul;
typedef void tn_matmul_fn(const tn_matmul *product);

/* An mr×nr tile of the gradient of a weight. Its depth, the samples, is cut into n_parts (a power
 * of two, at most TN_TILE_MAX_PARTS), each summed by itself from 0 in order; the sums are added as
 * a tree, ((0+1)+(2+3))+...
 *     c[i][j] = Tree_s Σ_t a[t·mr + i] · b[t·nr + j]   i < m, j < nr, begin[s] <= t < begin[s+1]
 * a and b are packed; rows of a from m on are there, but do not matter. */
enum { TN_TILE_MAX_PARTS = 64 };
typedef struct tn_tree_tile {
    const real *a, *b;
    real *c[TN_TILE_MAX_MR];
    int m, n_parts;
    const int64_t *begin;
} tn_tree_tile;
typedef void tn_tree_tile_fn(const tn_tree_tile *tile);

/* A sample's row dealt out to the packed a of tree tiles, which lie `step` apart:
 *     tiles[i / mr · step + i % mr] = x[i]                                          i < n */
typedef void tn_deal_row_fn(int64_t n, const real *x, real *tiles, int64_t step);

/* The transforms of Winograd's convolution F(4×4, 3×3): between an image, whose rows are row_step
 * and pixels pixel_step numbers apart, and 36 parts, part_step apart; each number of a pixel by
 * itself.
 *     input    6×6 pixels of x into parts      weight   3×3 taps into parts
 *     output   parts into 4×4 pixels of y, result = activation(y + bias + more), where
 *              more[i] belongs to result[i]; NULL is none of either
 *     gradient 4×4 pixels of dy into parts     taps     parts into 3×3 taps, result += taps
 * Such that the parts of y are products of those of x and of the weight, and those of the weight's
 * gradient of those of x and of dy. The points of Cook's and Toom's algorithm are 0, ±A, ±B and
 * infinity, chosen to round little (test_kernels.c holds the bound). */
#define TN_WINOGRAD_A (5.0 / 8)
#define TN_WINOGRAD_B (3.0 / 2)
enum { TN_WINOGRAD_IN = 6, TN_WINOGRAD_OUT = 4 };
/* Those of F(2×2, 3×3), by names that end in 2x2: of 4×4 pixels of x and 2×2 of y, in 16 parts. The
 * points are 0, ±1 and infinity. */
enum { TN_WINOGRAD_SMALL_IN = 4, TN_WINOGRAD_SMALL_OUT = 2 };
typedef struct tn_winograd {
    int64_t channels;
    const real *image;
    real *result; /* of output */
    int64_t row_step, pixel_step;
    real *parts;
    int64_t part_step;
    const real *bias, *more;
    tn_activation activation;
} tn_winograd;
typedef void tn_winograd_fn(const tn_winograd *winograd);

/* The numbers of a matrix x[i·ld + j], j < n, that are not zero (NaN is not), row after row, and
 * their places j, ascending; those of row i from begin[i] on, of rows + 1. values and places have
 * room for rows · n + TN_NONZERO_SLACK, all of which may be written. */
enum { TN_NONZERO_SLACK = 16 };
typedef void tn_nonzero_fn(int64_t rows, int64_t n, const real *x, int64_t ld, real *values,
                           int32_t *places, int64_t *begin);

/* A matrix of few entries, listed row by row, times another:
 *     y[i·y_row + j] += Σ_{begin[i] <= e < end[i]} values[e] · matrix[places[e]·ld + j]
 *                                                                  i < rows, j < n
 * e ascends, fused multiply-add where the level has one; from_zero, y need not be initialised.
 * Otherwise rows of y may overlap: what meets there is added in an order of the level's own. */
typedef struct tn_sparse_product {
    int64_t rows;
    const int64_t *begin, *end;
    const real *values;
    const int32_t *places;
    const real *matrix;
    int64_t ld, n;
    real *y;
    int64_t y_row;
    bool from_zero;
} tn_sparse_product;
typedef void tn_sparse_product_fn(const tn_sparse_product *product);

/* Each channel convolved by itself, at a list of pixels, channels innermost:
 *     y[y_row[i] + k] = activation(start + Σ_t x[x_row[i] + offset[t] + k] · w[t·step + k]
 *                                  + more[y_row[i] + k])
 *                                                       i < rows, t < taps, k < channels
 * where start is what y holds if `adds`, else bias[k] (0 if bias is NULL), and more may be
 * NULL. t ascends; fused multiply-add where the level has one. */
typedef struct tn_depthwise {
    int64_t rows, taps, channels;
    int64_t step; /* from tap to tap of w; pixels so far apart are taken for neighbours */
    const real *x, *w, *bias;
    const int64_t *x_row, *offset, *y_row;
    real *y;
    bool adds;
    const real *more;
    tn_activation activation;
} tn_depthwise;
typedef void tn_depthwise_fn(const tn_depthwise *depthwise);

/* Its weight gradient: dw[t·channels + k] += Σ_i x[x_row[i] + offset[t] + k] · dy[i·channels + k],
 * i ascending. */
typedef struct tn_depthwise_weight {
    int64_t rows, taps, channels;
    const real *x, *dy;
    const int64_t *x_row, *offset;
    real *dw;
} tn_depthwise_weight;
typedef void tn_depthwise_weight_fn(const tn_depthwise_weight *depthwise);

/* dst[j·ld_dst + i] = src[i·ld_src + j], i < rows, j < columns */
typedef void tn_transpose_fn(int64_t rows, int64_t columns, const real *src, int64_t ld_src,
                             real *dst, int64_t ld_dst);

/* y[i] = f(x[i]); y may be x */
typedef void tn_unary_fn(int64_t n, const real *x, real *y);
/* y[i] = f(a[i], b[i]); y may be a or b */
typedef void tn_binary_fn(int64_t n, const real *a, const real *b, real *y);
/* y[i] = f(a[i], s); y may be a */
typedef void tn_scalar_fn(int64_t n, const real *a, real s, real *y);
/* y[i] = f(a[i], b[i], s); y may be a or b */
typedef void tn_binary_scalar_fn(int64_t n, const real *a, const real *b, real s, real *y);

/* y[i] = activation(x[i] + more[i]); more may be NULL; y may be x or more */
typedef void tn_activate_fn(const tn_activation *activation, int64_t n, const real *x,
                            const real *more, real *y);

/* y[i] = min(max(x[i], low), high); NaN stays; y may be x */
typedef void tn_clip_fn(int64_t n, const real *x, real low, real high, real *y);
/* Its gradient: dx[i] = low < y[i] < high ? dy[i] : 0; dx may be y or dy. */
typedef void tn_clip_grad_fn(int64_t n, const real *y, const real *dy, real low, real high,
                             real *dx);

/* y[i] = unit · x[i] · scale[i mod period] + offset[i mod period]; period is a multiple of
 * TN_LOAD_PERIOD, and no more than n of its numbers are read */
enum { TN_LOAD_PERIOD = 16 };
typedef void tn_load_u8_fn(int64_t n, const uint8_t *x, real unit, int64_t period,
                           const real *scale, const real *offset, real *y);

/* One output pixel of max pooling, channels innermost:
 *     y[k] = max over t < taps of x[t][k],  arg[k] = the first t that attains it      k < channels
 * taps <= 255. A NaN wins over numbers, the first one. arg may be NULL. */
typedef void tn_max_pool_fn(int taps, const real *const *x, int64_t channels, real *y,
                            uint8_t *arg);
/* Its gradient: dx[arg[k]][k] += dy[k]. */
typedef void tn_max_pool_grad_fn(const uint8_t *arg, const real *dy, int64_t channels,
                                 real *const *dx);

/* A row of n output pixels of max pooling over windows of 2x2 that lie side by side in two rows of
 * pixels, channels innermost:
 *     y[q][k] = max over t < 4 of x_t[q][k],  x_t[q] = (t < 2 ? top : bottom)[2q + t mod 2]
 * by the rules of max_pool, and with relu the maximum of that and 0. arg, which may be NULL, holds
 * for each pixel and each 8 channels 2 bytes, with relu 3: channel k is bit k mod 8 of the first,
 * the lower bit of the winning t, of the second, the upper, and of the third, whether y > 0. Bits
 * of no channel are 0. */
typedef void tn_max_pool_2x2_fn(int64_t n, int64_t channels, const real *top, const real *bottom,
                                bool relu, real *y, uint8_t *arg);
/* Its gradient: dy to the winner (with relu where y > 0), 0 to the others; everything is written.
 */
typedef void tn_max_pool_2x2_grad_fn(int64_t n, int64_t channels, const uint8_t *arg,
                                     const real *dy, bool relu, real *top, real *bottom);

/* y[i] = x[i] · scale where the element is kept, else 0; y may be x. Element i draws the 16-bit
 * word number (first + i) mod 8 (little-endian halves of the four words in order) of Philox with
 * this key and the counter { (first + i) / 8, counter[1], counter[2], counter[3] }, and is kept if
 * word >= threshold. Backward is the same function applied to the gradient. first is at least 0 and
 * below 2^34. */
typedef void tn_dropout_fn(int64_t n, const uint32_t key[2], const uint32_t counter[4],
                           int64_t first, uint32_t threshold, real scale, const real *x, real *y);

/* Row by row, n numbers each: y = x - log Σ exp x, the maximum subtracted first. y may be x. */
typedef void tn_log_softmax_fn(int64_t rows, int64_t n, const real *x, real *y);
/* Its gradient: dx = dy - exp(y) · Σ dy. dx may be dy. */
typedef void tn_log_softmax_grad_fn(int64_t rows, int64_t n, const real *y, const real *dy,
                                    real *dx);

/* sum[k] += Σ_r x[r][k] over rows of `channels` numbers that follow each other; r ascends. */
typedef void tn_sum_rows_fn(int64_t rows, int64_t channels, const real *x, real *sum);

/* What normalisation needs, over rows of `channels` numbers that follow each other; r ascends.
 *     sum[k] += Σ_r d,  squares[k] += Σ_r d·d          d = x[r][k] - shift[k] */
typedef void tn_moments_fn(int64_t rows, int64_t channels, const real *x, const real *shift,
                           real *sum, real *squares);
/* y[r][k] = max(floor, (x[r][k] - shift[k])·scale[k] + offset[k] + more[r][k]); y may be x or more,
 * more may be NULL. floor is 0 for a ReLU, -infinity
 * for none; NaN stays. */
typedef void tn_affine_fn(int64_t rows, int64_t channels, const real *x, const real *shift,
                          const real *scale, const real *offset, const real *more, real floor,
                          real *y);
/* Where a ReLU behind such a y, without more, lets its gradient through: with gate->offset not NULL
 * dy[r][k] below is 0 unless (x[r][k] - shift[k])·scale[k] + offset[k] > 0. */
typedef struct tn_gate {
    const real *scale, *offset;
} tn_gate;
/* sum[k] += Σ_r dy[r][k],  dot[k] += Σ_r dy[r][k]·(x[r][k] - shift[k]) */
typedef void tn_moments_grad_fn(int64_t rows, int64_t channels, const real *dy, const real *x,
                                const real *shift, tn_gate gate, real *sum, real *dot);
/* dx[r][k] = (dy[r][k]·a[k] + (x[r][k] - shift[k])·b[k]) + c[k]; dx may be dy */
typedef void tn_affine_grad_fn(int64_t rows, int64_t channels, const real *dy, const real *x,
                               const real *shift, tn_gate gate, const real *a, const real *b,
                               const real *c, real *dx);

/* SGD with momentum as PyTorch defines it, weight decay as L2:
 *     g' = scale · (g + weight_decay · w);  v = first ? g' : momentum · v + g'
 *     w -= lr · (nesterov ? g' + momentum · v : v)
 * v may be NULL when momentum is 0 (then w -= lr · g'). */
typedef struct tn_sgd_step {
    real lr, momentum, weight_decay, scale;
    bool first, nesterov;
} tn_sgd_step;
typedef void tn_sgd_fn(const tn_sgd_step *step, int64_t n, const real *g, real *w, real *v);

/* Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) as PyTorch defines them:
 *     g' = g + weight_decay · w;  m = beta1·m + rest1·g';  v = beta2·v + rest2·g'²
 *     w = keep · w - step_size · m / (√v · inv_sqrt_correction2 + epsilon)
 * with rest = 1 - beta, step_size = lr / (1 - beta1^t), inv_sqrt_correction2 = 1 / √(1 - beta2^t),
 * made by the caller in double. For Adam keep is 1, for AdamW weight_decay is 0. */
typedef struct tn_adam_step {
    real step_size, inv_sqrt_correction2, beta1, rest1, beta2, rest2, epsilon, weight_decay, keep;
} tn_adam_step;
typedef void tn_adam_fn(const tn_adam_step *step, int64_t n, const real *g, real *w, real *m,
                        real *v);

/* Adadelta (Zeiler 2012) as PyTorch defines it, rest = 1 - rho:
 *     g' = g + weight_decay · w;  v = rho·v + rest·g'²;  d = √(u + epsilon) / √(v + epsilon) · g'
 *     u = rho·u + rest·d²;  w -= lr · d */
typedef struct tn_adadelta_step {
    real lr, rho, rest, epsilon, weight_decay;
} tn_adadelta_step;
typedef void tn_adadelta_fn(const tn_adadelta_step *step, int64_t n, const real *g, real *w,
                            real *v, real *u);

/* RMSprop (Tieleman and Hinton 2012) as PyTorch defines it, rest = 1 - alpha:
 *     g' = g + weight_decay · w;  v = alpha·v + rest·g'²;  w -= lr · g' / (√v + epsilon) */
typedef struct tn_rmsprop_step {
    real lr, alpha, rest, epsilon, weight_decay;
} tn_rmsprop_step;
typedef void tn_rmsprop_fn(const tn_rmsprop_step *step, int64_t n, const real *g, real *w, real *v);

/* y[i] += rate · (x[i] - y[i]): y stays what it is where x equals it. */
typedef void tn_average_fn(int64_t n, real rate, const real *x, real *y);

/* y[i] = Σ_k weight[k] · x[k][i], k < n <= 4, k ascending, not fused; y may be any of x. */
typedef void tn_blend_fn(int n, const real *const *x, const real *weight, int64_t count, real *y);

/* Σ x[i]² in double: accumulator i mod 8 takes x[i], i ascending, and the eight are added as
 * ((0+1)+(2+3))+((4+5)+(6+7)). The same bits at every level. */
typedef double tn_sum_squares_fn(int64_t n, const real *x);

/* ---- Lanes ----
 * A value stored in lanes holds its samples in groups of TN_LANES, one to a lane: element e of the
 * l-th sample of a group is at [e·TN_LANES + l]. In what follows a point is TN_LANES numbers, and
 * steps between points are in numbers. */
enum { TN_LANES = 8 };

/* Over a grid of rows × columns points of x and y:
 *     y[i][j·y_output + l] = start + Σ_{t < depth} x[i][offset[t] + l] · w[t·w_step + j·w_output]
 * for all points i, j < outputs, l < TN_LANES, x[i] being row·x_row + column·x_column behind x and
 * y[i] likewise. The start is what y holds if `add`, else bias[j], or 0 if bias is NULL.
 * With `relu` the maximum with 0 follows; NaN stays. Order: t ascending, one accumulator per
 * element, fused multiply-add where the level has one. */
typedef struct tn_lanes_product {
    int64_t rows, columns, x_row, x_column, y_row, y_column;
    int64_t outputs, y_output;
    int64_t depth, w_step, w_output;
    const int64_t *offset;
    const real *x, *w, *bias;
    real *y;
    bool add, relu;
} tn_lanes_product;
typedef void tn_lanes_product_fn(const tn_lanes_product *product);

/* The gradient of w, over such a grid:
 *     dw[w_offset[t] + j] += Σ_{l < lanes} Σ_i x[i][offset[t] + l] · dy[i][j·y_output + l]
 * for t < depth, j < outputs. Order: every lane sums over its points, row by row, in one
 * accumulator from 0, as above; the lanes are added in the tree ((0+1)+(2+3))+((4+5)+(6+7)), 0 in
 * place of those from `lanes` on. */
typedef struct tn_lanes_weight {
    int64_t rows, columns, x_row, x_column, y_row, y_column;
    int64_t outputs, y_output;
    int64_t depth;
    const int64_t *offset, *w_offset;
    const real *x, *dy;
    real *dw;
    int lanes;
} tn_lanes_weight;
typedef void tn_lanes_weight_fn(const tn_lanes_weight *weight);

/* The same for a single point and a dense weight, sample after sample:
 *     dw[k·outputs + j] += Σ_{l < lanes} x[k·TN_LANES + l] · dy[j·TN_LANES + l]    k < depth
 * Order: l ascending, in dw itself, fused where the level has it. */
typedef void tn_lanes_outer_fn(int64_t depth, int64_t outputs, int lanes, const real *x,
                               const real *dy, real *dw);

/* sum[j] += Σ_{l < lanes} Σ_i x[(j·points + i)·TN_LANES + l], the lanes as above; j < outputs. */
typedef void tn_lanes_sum_fn(int64_t outputs, int64_t points, int lanes, const real *x, real *sum);

/* The transforms of Winograd's convolution F(9 - taps, taps) along the rows of images in lanes, for
 * 3 or 5 taps. A row of y is cut into tiles of 9 - taps points, each made from 8 points of x, of
 * which it shares taps - 1 with the next. Tile t of row i is the points at (9 - taps)·t of y and at
 * (9 - taps)·t - before of x, both rows being `width` points, and row_step numbers apart. Part k <
 * 8 of it is the point at parts[k·part_step + (i·tiles + t)·TN_LANES].
 *
 *     input       x into parts, 0 in place of what is beyond its row
 *     output      parts into y, result = max(floor, y + bias)
 *     gradient    dy into parts, 0 likewise: the transpose of output
 *     back        parts into dx, the transpose of input; what two tiles share is their sum
 *
 * Of weights, `width` numbers for each tap, row_step apart, number i of part k is
 * parts[k·part_step + i]:
 *
 *     weight      w into parts
 *     taps        parts into dw, result += dw
 *
 * Such that the parts of y are products of those of x and w, those of dx of those of dy and w, and
 * those of dw of those of x and dy. The points of Cook's and Toom's algorithm are 0, ±1, ±2, ±1/2
 * and infinity. */
enum { TN_LANES_WINOGRAD_PARTS = 8 };
typedef struct tn_lanes_winograd {
    int taps;
    int64_t rows, tiles, width, before, row_step;
    const real *image;
    real *result; /* of output, back, taps */
    real *parts;
    int64_t part_step;
    real bias, floor;
} tn_lanes_winograd;
typedef void tn_lanes_winograd_fn(const tn_lanes_winograd *winograd);

/* Max pooling of `columns` neighbouring points of y, each over the same taps, which for the next
 * point are x_column further on; otherwise as max_pool. */
typedef void tn_lanes_max_pool_fn(int taps, const real *const *x, int64_t x_column, int64_t columns,
                                  real *y, uint8_t *arg);
/* Its gradient, point after point: dx[t] += dy where t won. */
typedef void tn_lanes_max_pool_grad_fn(int taps, const uint8_t *arg, const real *dy,
                                       int64_t columns, int64_t x_column, real *const *dx);

/* Dropout of a group of images [channels][points]: lane l draws with counter[1] + l, its elements
 * numbered as those of an image stored [points][channels], from 0; otherwise as dropout. */
typedef void tn_lanes_dropout_fn(int64_t channels, int64_t points, const uint32_t key[2],
                                 const uint32_t counter[4], uint32_t threshold, real scale,
                                 const real *x, real *y);

/* y[(k·points + i)·TN_LANES + l] = unit · x[l·x_sample + i·channels + k] · scale[k] + offset[k],
 * x of l >= lanes taken as 0 */
typedef void tn_lanes_load_u8_fn(int64_t channels, int64_t points, int lanes, const uint8_t *x,
                                 int64_t x_sample, real unit, const real *scale, const real *offset,
                                 real *y);

typedef struct tn_kernels {
    const char *level; /* "ref", "sse2", "avx2", ... */
    /* Operators use their plain loops instead of tiles: the oracle of the tests. */
    bool naive;
    /* No convolution goes by Winograd's algorithm: to measure what its rounding costs. */
    bool direct;

    int mr, nr;
    /* Rows of b that keep a panel of nr columns in half of the first-level cache. */
    int64_t depth_block;
    tn_panel_fn *panel;
    tn_matmul_fn *matmul;
    tn_tree_tile_fn *tree_tile;
    tn_deal_row_fn *deal_row;
    tn_transpose_fn *transpose;
    tn_winograd_fn *winograd_input, *winograd_weight, *winograd_output;
    tn_winograd_fn *winograd_gradient, *winograd_taps;
    tn_winograd_fn *winograd_input_2x2, *winograd_weight_2x2, *winograd_output_2x2;
    tn_winograd_fn *winograd_gradient_2x2, *winograd_taps_2x2;
    tn_nonzero_fn *nonzero;
    tn_sparse_product_fn *sparse_product;
    tn_depthwise_fn *depthwise;
    tn_depthwise_weight_fn *depthwise_weight;

    tn_unary_fn *relu;       /* max(x, 0); NaN stays */
    tn_binary_fn *relu_grad; /* a = y of relu, b = dy: y > 0 ? dy : 0 */
    tn_binary_fn *add, *sub, *mul, *div;
    tn_scalar_fn *add_scalar, *sub_scalar, *mul_scalar, *div_scalar;
    tn_scalar_fn *rsub_scalar, *rdiv_scalar; /* s - a, s / a */
    tn_scalar_fn *leaky_relu;                /* a > 0 ? a : s·a */
    tn_binary_scalar_fn *leaky_relu_grad;    /* a = x of leaky_relu, b = dy: a > 0 ? b : s·b */
    tn_binary_fn *prelu;                     /* a > 0 ? a : b·a */
    tn_scalar_fn *elu;                       /* a > 0 ? a : s·(exp a - 1) */
    tn_unary_fn *sigmoid, *tanh;             /* within 4 ulp; 0 where sigmoid is below 1.2e-38 */
    tn_binary_fn *sigmoid_grad, *tanh_grad;  /* a = y, b = dy: b·(a·(1 - a)), b·(1 - a·a) */
    tn_unary_fn *hard_swish;                 /* x·min(max(x/6 + 1/2, 0), 1) */
    tn_binary_fn *hard_swish_grad;           /* a = x, b = dy: b·(a/3 + 1/2) inside ±3 */
    tn_unary_fn *exp_of_negative;            /* tn_exp of x <= 0 or NaN */
    tn_activate_fn *activate;
    tn_clip_fn *clip;
    tn_clip_grad_fn *clip_grad;
    tn_load_u8_fn *load_u8;
    tn_max_pool_fn *max_pool;
    tn_max_pool_grad_fn *max_pool_grad;
    tn_max_pool_2x2_fn *max_pool_2x2;
    tn_max_pool_2x2_grad_fn *max_pool_2x2_grad;
    tn_dropout_fn *dropout;
    tn_log_softmax_fn *log_softmax;
    tn_log_softmax_grad_fn *log_softmax_grad;
    tn_sum_rows_fn *sum_rows;
    tn_moments_fn *moments;
    tn_moments_grad_fn *moments_grad;
    tn_affine_fn *affine;
    tn_affine_grad_fn *affine_grad;
    tn_sgd_fn *sgd;
    tn_adam_fn *adam;
    tn_adadelta_fn *adadelta;
    tn_rmsprop_fn *rmsprop;
    tn_average_fn *average;
    tn_blend_fn *blend;
    tn_sum_squares_fn *sum_squares;

    tn_lanes_product_fn *lanes_product;
    tn_lanes_weight_fn *lanes_weight;
    tn_lanes_outer_fn *lanes_outer;
    tn_lanes_sum_fn *lanes_sum;
    tn_lanes_winograd_fn *lanes_winograd_input, *lanes_winograd_weight, *lanes_winograd_output;
    tn_lanes_winograd_fn *lanes_winograd_gradient, *lanes_winograd_taps, *lanes_winograd_back;
    tn_lanes_max_pool_fn *lanes_max_pool;
    tn_lanes_max_pool_grad_fn *lanes_max_pool_grad;
    tn_lanes_dropout_fn *lanes_dropout;
    tn_lanes_load_u8_fn *lanes_load_u8;
} tn_kernels;

/* Natural exponential and logarithm of this library, the same bits on every machine (the double
 * build uses libm's): within 2 ulp; exp of less than -87.3 is 0, of more than 88.7 infinity. */
real tn_exp(real x);
real tn_log(real x);
/* exp x - 1 of x <= 0, accurate near 0 too. */
real tn_expm1(real x);

/* The levels this build has, worst first; NULL-terminated. */
const char *const *tn_kernel_levels(void);
/* Fills the table of a level; false if the name is unknown or isa (of tn_isa_detect) lacks what it
 * needs. */
bool tn_kernels_init(tn_kernels *kernels, const char *level, unsigned isa);
/* The best level of isa. */
const char *tn_kernels_best(unsigned isa);
/* The level that TENON_CPU asks for, or the best of this machine; on an unusable TENON_CPU fails
 * and lists what would work. */
tn_status tn_kernels_select(tn_kernels *kernels, tn_error *error);

/* Each level's part of the table (an implementation detail of kernels.c). */
void tn_kernels_fill_ref(tn_kernels *kernels);
void tn_kernels_fill_ref_lanes(tn_kernels *kernels);          /* called by the former, */
void tn_kernels_fill_ref_winograd(tn_kernels *kernels);       /* likewise */
void tn_kernels_fill_ref_lanes_winograd(tn_kernels *kernels); /* likewise */
void tn_kernels_fill_sse2(tn_kernels *kernels);
void tn_kernels_fill_avx2(tn_kernels *kernels);
void tn_kernels_fill_avx512(tn_kernels *kernels);
void tn_kernels_fill_neon(tn_kernels *kernels);

#endif
