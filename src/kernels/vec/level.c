/* SPDX-License-Identifier: Apache-2.0 */
/* level.c: one level of kernels, compiled once per instruction set. The parts are headers, so that
 * all functions are static and only the one that fills the table leaves this file. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/vec/vec.h"

#include "kernels/vec/elementwise.h"
#include "kernels/vec/exp.h"

#include "kernels/vec/activation.h"
#include "kernels/vec/depthwise.h"
#include "kernels/vec/dropout.h"
#include "kernels/vec/lanes_product.h"
#include "kernels/vec/max_pool.h"
#include "kernels/vec/norm.h"
#include "kernels/vec/optimizer.h"
#include "kernels/vec/softmax.h"
#include "kernels/vec/sparse.h"
#include "kernels/vec/tile.h"
#include "kernels/vec/winograd.h"

#ifdef VEC_WIDE

/* These take the numbers of a point, or the channels of a byte, at a time: 8 of them. A level with
 * wider vectors keeps those of the level before it. */
static void fill_narrow(tn_kernels *kernels) { (void)kernels; }

#else

#include "kernels/vec/lanes.h"
#include "kernels/vec/lanes_winograd.h"
#include "kernels/vec/max_pool_2x2.h"

static void fill_narrow(tn_kernels *kernels) {
    kernels->max_pool_2x2 = max_pool_2x2;
    kernels->max_pool_2x2_grad = max_pool_2x2_grad;
    kernels->lanes_weight = lanes_weight;
    kernels->lanes_outer = lanes_outer;
    kernels->lanes_sum = lanes_sum;
    kernels->lanes_winograd_input = lanes_winograd_input;
    kernels->lanes_winograd_weight = lanes_winograd_weight;
    kernels->lanes_winograd_output = lanes_winograd_output;
    kernels->lanes_winograd_gradient = lanes_winograd_gradient;
    kernels->lanes_winograd_taps = lanes_winograd_taps;
    kernels->lanes_winograd_back = lanes_winograd_back;
    kernels->lanes_max_pool = lanes_max_pool;
    kernels->lanes_max_pool_grad = lanes_max_pool_grad;
    kernels->lanes_dropout = lanes_dropout;
    kernels->lanes_load_u8 = lanes_load_u8;
}

#endif

void VEC_FILL(tn_kernels *kernels) {
    kernels->naive = false;
    kernels->mr = MR;
    kernels->nr = NR;
    kernels->depth_block = PANEL_BYTES / (NR * (int64_t)sizeof(float));
    kernels->panel = panel;
    kernels->deal_row = deal_row;
    kernels->matmul = matmul;
    kernels->tree_tile = tree_tile;
    kernels->transpose = transpose;
    kernels->depthwise = depthwise;
    kernels->depthwise_weight = depthwise_weight;
    kernels->winograd_input = wino_4x4_input;
    kernels->winograd_weight = wino_4x4_weight;
    kernels->winograd_output = wino_4x4_output;
    kernels->winograd_gradient = wino_4x4_gradient;
    kernels->winograd_taps = wino_4x4_taps;
    kernels->winograd_input_2x2 = wino_2x2_input;
    kernels->winograd_weight_2x2 = wino_2x2_weight;
    kernels->winograd_output_2x2 = wino_2x2_output;
    kernels->winograd_gradient_2x2 = wino_2x2_gradient;
    kernels->winograd_taps_2x2 = wino_2x2_taps;
    kernels->nonzero = nonzero;
    kernels->sparse_product = sparse_product;
    kernels->relu = relu;
    kernels->relu_grad = relu_grad;
    kernels->add = add;
    kernels->sub = sub;
    kernels->mul = mul;
    kernels->div = divide;
    kernels->add_scalar = add_scalar;
    kernels->sub_scalar = sub_scalar;
    kernels->mul_scalar = mul_scalar;
    kernels->div_scalar = div_scalar;
    kernels->rsub_scalar = rsub_scalar;
    kernels->rdiv_scalar = rdiv_scalar;
    kernels->leaky_relu = leaky_relu;
    kernels->leaky_relu_grad = leaky_relu_grad;
    kernels->prelu = prelu;
    kernels->elu = elu;
    kernels->sigmoid = sigmoid;
    kernels->sigmoid_grad = sigmoid_grad;
    kernels->tanh = hyperbolic_tangent;
    kernels->tanh_grad = tanh_grad;
    kernels->hard_swish = hard_swish;
    kernels->hard_swish_grad = hard_swish_grad;
    kernels->exp_of_negative = exp_of_negatives;
    kernels->activate = activate;
    kernels->clip = clip;
    kernels->clip_grad = clip_grad;
    kernels->load_u8 = load_u8;
    kernels->max_pool = max_pool;
    kernels->dropout = dropout;
    kernels->log_softmax = log_softmax;
    kernels->sum_rows = sum_rows;
    kernels->moments = moments;
    kernels->moments_grad = moments_grad;
    kernels->affine = affine;
    kernels->affine_grad = affine_grad;
    kernels->sgd = sgd;
    kernels->adam = adam;
    kernels->adadelta = adadelta;
    kernels->rmsprop = rmsprop;
    kernels->average = average;
    kernels->blend = blend;
    kernels->lanes_product = lanes_product;
    fill_narrow(kernels);
}
