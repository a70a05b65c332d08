/* SPDX-License-Identifier: Apache-2.0 */
/* lanes.h: implementations for samples in lanes (tn_value.lanes), each a row in the list of its
 * operator. A group is TN_LANES samples; the last of a tile may have fewer, and what is in its
 * other lanes counts nowhere. */
#ifndef TN_OPS_LANES_H
#define TN_OPS_LANES_H

#include "graph/op.h"

extern const tn_implementation tn_conv_lanes, tn_conv_grad_input_lanes, tn_conv_grad_weight_lanes;
extern const tn_implementation tn_conv_lanes_winograd, tn_conv_grad_input_lanes_winograd,
    tn_conv_grad_weight_lanes_winograd;
extern const tn_implementation tn_gemm_lanes, tn_gemm_grad_input_lanes, tn_gemm_grad_weight_lanes;
extern const tn_implementation tn_max_pool_lanes, tn_max_pool_grad_lanes;
extern const tn_implementation tn_average_pool_lanes, tn_average_pool_grad_lanes;
extern const tn_implementation tn_global_average_pool_lanes, tn_global_average_pool_grad_lanes;

/* Groups of this call, and samples of one of them. */
int64_t tn_run_groups(const tn_run *run);
int tn_run_lanes(const tn_run *run, int64_t group);

/* How a node that ends with an activation does so: its kernels know Relu; anything else is done to
 * what they have made of all groups. */
bool tn_lanes_relu(const tn_node *node);
void tn_lanes_end(const tn_run *run);

/* Steps of an axis at which a tap lies inside: those i < steps with 0 <= i·stride + at < size; none
 * if end <= begin. */
typedef struct tn_steps {
    int64_t begin, end;
} tn_steps;
tn_steps tn_steps_inside(int64_t at, int64_t stride, int64_t size, int64_t steps);

/* For tile_macs: multiply-accumulates of a product with so many columns, had it whole register
 * tiles of as many as levels usually have. */
int64_t tn_tile_macs(const tn_node *node, int64_t columns);

#endif
