/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/lanes.h"

#include <string.h>

#include "base/size.h"

/* What the choice weighs, in multiply-accumulates. A node by sample pays for its call, for lists of
 * taps and for tiles that stick out; in lanes only for what its kernels cannot hide. */
static const int64_t node_cost = 4000;      /* of a sample, by sample */
static const int64_t node_cost_lanes = 500; /* of a sample in a full group */
static const int64_t element_cost = 1;      /* of reordering one, both ways */
static const int64_t lanes_percent = 105;   /* a multiply-accumulate in lanes against a tile's */
static const int64_t group_bytes = 8 << 20; /* most for all values of a group: a small part of them
                                               lives at a time, in a second-level cache */

static const int64_t most_macs = (int64_t)1 << 32; /* of a node: far more than any small one has */

static bool suits(const tn_implementation *i, const char *name, const tn_node *node,
                  const tn_kernels *kernels) {
    if (i->applies && !i->applies(node, kernels)) return false;
    return name ? strcmp(i->name, name) == 0 : !i->pays || i->pays(node, kernels);
}

const tn_implementation *tn_implementation_of(const tn_node *node, const tn_kernels *kernels,
                                              bool lanes, const tn_tuning *tuning) {
    tn_stored other = lanes ? TN_STORED_BY_SAMPLE : TN_STORED_IN_LANES;
    bool listed = !lanes && node->op->choose;
    const char *name = listed ? node->op->choose(node, kernels, tuning) : NULL;
    for (const tn_implementation *const *i = node->op->implementations; i && *i; i++)
        if ((*i)->stored != other && suits(*i, name, node, kernels)) return *i;
    return NULL;
}

bool tn_node_in_lanes(const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->lanes) return true;
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i]->lanes) return true;
    return false;
}

int tn_shards_of(int n_shards, bool lanes, int64_t batch) {
    while (lanes && n_shards > 1 && (int64_t)n_shards * TN_LANES > batch) n_shards /= 2;
    return n_shards;
}

static bool is_batched(const tn_value *v) { return v && v->shape.batched; }

/* Values in lanes live in tiles, so all nodes must be in one segment: each works on samples, tile
 * by tile, and none waits for a sum over them. What cannot run in lanes gets its values reordered,
 * but not a product: some levels would run it over the whole batch. */
static bool fits_one_segment(const tn_node *node, const tn_kernels *kernels) {
    const tn_implementation *by_sample = tn_implementation_of(node, kernels, false, NULL);
    bool batched = false;
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *v = node->inputs[i];
        if (is_batched(v)) batched = true;
        if (v && v->producer && !is_batched(v)) return false;
    }
    if (!batched) return false;
    if (tn_implementation_of(node, kernels, true, NULL)) return true;
    return by_sample && !by_sample->units && !node->op->macs;
}

static int64_t sample_bytes(const tn_node *node) {
    int64_t bytes = 0;
    for (int i = 0; i < node->n_outputs; i++)
        if (is_batched(node->outputs[i]))
            bytes += tn_shape_sample_elements(&node->outputs[i]->shape) *
                     (int64_t)tn_dtype_bytes(node->outputs[i]->dtype);
    return bytes;
}

static int64_t elements(const tn_node *node) {
    int64_t n = 0;
    for (int i = 0; i < node->n_inputs; i++)
        if (is_batched(node->inputs[i])) n += tn_shape_sample_elements(&node->inputs[i]->shape);
    return n;
}

/* What a sample costs by sample and in lanes. */
typedef struct costs {
    int64_t by_sample, lanes, bytes;
} costs;

/* False for a node that is not small, whose numbers might overflow. */
static bool add_costs(const tn_node *node, const tn_kernels *kernels, costs *c) {
    const tn_implementation *lanes = tn_implementation_of(node, kernels, true, NULL);
    int64_t macs = node->op->macs ? node->op->macs(node) : 0;
    c->bytes += sample_bytes(node);
    if (c->bytes > group_bytes / TN_LANES || macs > most_macs) return false;
    c->by_sample += node_cost + (lanes && lanes->tile_macs ? lanes->tile_macs(node) : macs);
    c->lanes += lanes ? node_cost_lanes + macs * lanes_percent / 100
                      : node_cost + macs + element_cost * elements(node);
    return true;
}

static bool are_worth_it(const tn_graph *graph, const tn_plan_options *options) {
    costs c = {0};
    for (int i = 0; i < graph->n_nodes; i++)
        if (!add_costs(graph->nodes[i], options->kernels, &c)) return false;
    int64_t shards = tn_shards_of(options->n_shards, true, options->max_batch);
    int64_t samples = (options->max_batch + shards - 1) / shards;
    double slots = (double)tn_round_up(samples, TN_LANES) / (double)samples;
    return (double)c.lanes * slots < (double)c.by_sample;
}

bool tn_lanes_suit(const tn_graph *graph, const tn_plan_options *options) {
    bool any = false;
    if (options->lanes == TN_LANES_NEVER) return false;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (!fits_one_segment(graph->nodes[i], options->kernels)) return false;
        any = any || tn_implementation_of(graph->nodes[i], options->kernels, true, NULL);
    }
    return any && (options->lanes == TN_LANES_ALWAYS || are_worth_it(graph, options));
}
