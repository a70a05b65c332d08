/* SPDX-License-Identifier: Apache-2.0 */
/* level.c: one level of kernels, compiled once per instruction set. The parts are headers, so that
 * all functions are static and only the one that fills the table leaves this file. */
#include <stddef.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/vec/vec.h"

#include "kernels/vec/dropout.h"
#include "kernels/vec/elementwise.h"
#include "kernels/vec/max_pool.h"
#include "kernels/vec/norm.h"
#include "kernels/vec/optimizer.h"
#include "kernels/vec/tile.h"

void VEC_FILL(tn_kernels *kernels) {
    kernels->naive = false;
    kernels->mr = MR;
    kernels->nr = NR;
    kernels->depth_block = PANEL_BYTES / (NR * (int64_t)sizeof(float));
    kernels->tile = tile;
    kernels->transpose = transpose;
    kernels->relu = relu;
    kernels->relu_grad = relu_grad;
    kernels->add = add;
    kernels->mul = mul;
    kernels->add_scalar = add_scalar;
    kernels->mul_scalar = mul_scalar;
    kernels->load_u8 = load_u8;
    kernels->max_pool = max_pool;
    kernels->dropout = dropout;
    kernels->moments = moments;
    kernels->moments_grad = moments_grad;
    kernels->affine = affine;
    kernels->affine_grad = affine_grad;
    kernels->sgd = sgd;
    kernels->adam = adam;
    kernels->adadelta = adadelta;
    kernels->rmsprop = rmsprop;
    kernels->average = average;
}
