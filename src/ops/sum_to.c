/* SPDX-License-Identifier: Apache-2.0 */
/* sum_to.c: sums over the axes along which a tensor was repeated. An operator of the engine's own:
 * the gradient of broadcasting. */
#include "ops/sum_to.h"

#include <string.h>

#include "ops/broadcast.h"
#include "ops/elementwise.h"
#include "ops/lanes.h"
#include "ops/ops.h"

/* The sum seen as a tensor of x's rank with 1 in place of the axes summed over, and as what it is
 * given out as: its last `rank` axes, or with `squeeze` the kept axes only. */
typedef struct sum_to_attrs {
    int64_t rank;
    bool squeeze;
    bool keep[TN_MAX_RANK];
} sum_to_attrs;

/* The sum with x's rank. */
static tn_shape kept_shape(const tn_node *node) {
    const sum_to_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    tn_shape kept = {.rank = x->rank, .batched = x->batched && a->keep[0]};
    for (int i = 0; i < x->rank; i++) kept.dims[i] = a->keep[i] ? x->dims[i] : 1;
    return kept;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const sum_to_attrs *a = node->attrs;
    tn_shape kept = kept_shape(node), y = {.batched = kept.batched};
    int first = a->squeeze ? 0 : kept.rank - (int)a->rank;
    for (int i = first; i < kept.rank; i++)
        if (!a->squeeze || a->keep[i]) y.dims[y.rank++] = kept.dims[i];
    node->outputs[0]->shape = y;
    return TN_OK;
}

/* y[...] = Σ x over the axes not kept, in the order in which x is stored; where samples are summed
 * over, added to what the shard's earlier tiles have left in y. */
static void run_any(const tn_run *run) {
    const tn_shape *x_shape = &run->node->inputs[0]->shape;
    tn_shape kept = kept_shape(run->node);
    real *y = run->out[0];
    if (kept.batched || !x_shape->batched)
        memset(y, 0, (size_t)tn_run_elements(run) * sizeof(real));
    tn_walk w = tn_walk_make(x_shape, run->in_channels[0], run->n, x_shape, &kept);
    tn_walk_sum(&w, run->kernels, run->in[0], y);
}

static const tn_implementation any = {.name = "any", .cost = {.per_element = 5}, .run = run_any};

/* In lanes: over the samples and all axes but some that follow each other from axis 1 on. */
static bool lanes_apply(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    const sum_to_attrs *a = node->attrs;
    const tn_shape *x = &node->inputs[0]->shape;
    if (!x->batched || a->keep[0]) return false;
    for (int i = 2; i < x->rank; i++)
        if (a->keep[i] && !a->keep[i - 1]) return false;
    return true;
}

static void run_lanes(const tn_run *run) {
    int64_t each = tn_shape_sample_elements(&run->node->inputs[0]->shape);
    int64_t outputs = tn_shape_elements(&run->node->outputs[0]->shape);
    if (each == 0) return;
    for (int64_t group = 0; group < tn_run_groups(run); group++)
        run->kernels->lanes_sum(outputs, each / outputs, tn_run_lanes(run, group),
                                (const real *)run->in[0] + group * TN_LANES * each, run->out[0]);
}

static const tn_implementation lanes = {
    .name = "lanes", .stored = TN_STORED_IN_LANES, .applies = lanes_apply, .run = run_lanes};
static const tn_implementation *const implementations[] = {&any, &lanes, NULL};

const tn_op tn_op_sum_to = {.name = "SumTo",
                            .attrs_bytes = sizeof(sum_to_attrs),
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_ANY,
                            .reduces_samples = true,
                            .infer_shape = infer_shape,
                            .implementations = implementations};

tn_status tn_sum_to_shape(tn_graph *graph, tn_value *x, const tn_shape *shape, tn_value **sum,
                          tn_error *error) {
    sum_to_attrs a = {.rank = shape->rank};
    bool all = shape->rank == x->shape.rank && shape->batched == x->shape.batched;
    for (int i = 0; i < x->shape.rank; i++) {
        int k = i - (x->shape.rank - shape->rank);
        bool samples = i == 0 && x->shape.batched;
        a.keep[i] = k >= 0 && (samples ? shape->batched : shape->dims[k] == x->shape.dims[i]);
        if (!a.keep[i]) all = false;
    }
    *sum = x;
    return all ? TN_OK : tn_graph_apply(graph, &tn_op_sum_to, &a, &x, 1, sum, error);
}

tn_status tn_sum_to_gradient_negated(tn_graph *graph, tn_value *input, tn_value *x,
                                     tn_error *error) {
    static const float minus_one = -1;
    tn_value *in[2], *d;
    TN_TRY(tn_sum_to_shape(graph, x, &input->shape, &in[0], error));
    TN_TRY(tn_graph_add_constant(graph, NULL, 0, NULL, &minus_one, &in[1], error));
    TN_TRY(tn_graph_apply(graph, &tn_op_mul, NULL, in, 2, &d, error));
    return tn_gradient_add(graph, input, d, error);
}

tn_status tn_sum_to_channels(tn_graph *graph, tn_value *x, tn_value **sum, tn_error *error) {
    const sum_to_attrs a = {.rank = 1, .squeeze = true, .keep = {false, true}};
    return tn_graph_apply(graph, &tn_op_sum_to, &a, &x, 1, sum, error);
}
