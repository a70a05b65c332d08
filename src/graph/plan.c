/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c: layouts, live nodes, implementations, segments; places are in place.c. */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/lanes.h"
#include "graph/layout.h"
#include "graph/plan_parts.h"

enum { MOST_TILE_SAMPLES = 16 };

/* ---- Live nodes and implementations ---------------------------------------------------------- */

/* Marks the producers of what is wanted, and of what they need. live is by node id. */
static void mark_live(const tn_graph *graph, tn_value *const *gradients, bool *live) {
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i]->producer) live[graph->outputs[i]->producer->id] = true;
    for (int i = 0; gradients && i < graph->n_parameters; i++)
        if (gradients[i] && gradients[i]->producer) live[gradients[i]->producer->id] = true;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const tn_node *node = graph->nodes[i];
        for (int k = 0; k < node->n_inputs && live[i]; k++)
            if (node->inputs[k] && node->inputs[k]->producer)
                live[node->inputs[k]->producer->id] = true;
    }
}

static bool any_batched(const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->shape.batched) return true;
    return node->n_outputs > 0 && node->outputs[0]->shape.batched;
}

static tn_status fail_choice(const tn_node *node, const char *name, tn_error *error) {
    if (!name)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "node \"%s\" (%s): nothing here can run it",
                       node->name, node->op->name);
    return tn_fail(error, TN_ERR_MISMATCH,
                   "node \"%s\" (%s): the tuning names \"%s\", which cannot run it (measure it "
                   "anew)",
                   node->name, node->op->name, name);
}

static tn_status choose(const tn_kernels *kernels, const tn_tuning *tuning, const tn_node *node,
                        tn_plan_step *step, tn_error *error) {
    *step = (tn_plan_step){.node = node, .packed = -1};
    step->implementation = tn_implementation_of(node, kernels, tn_node_in_lanes(node), tuning);
    if (!step->implementation)
        return fail_choice(node, node->op->choose ? node->op->choose(node, kernels, tuning) : NULL,
                           error);
    const tn_implementation *chosen = step->implementation;
    bool batched = any_batched(node);
    step->units = chosen->units ? chosen->units(node) : 0;
    if (!batched && step->units == 0) step->units = 1;
    step->reduces =
        step->units == 0 && node->op->reduces_samples && !node->outputs[0]->shape.batched;
    if (step->units == 0 && !node->outputs[0]->shape.batched && !step->reduces)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "node \"%s\" (%s): mixes samples of a batch",
                       node->name, node->op->name);
    return TN_OK;
}

/* ---- Segments -------------------------------------------------------------------------------- */

typedef struct schedule {
    tn_plan *plan;
    tn_plan_step *waiting; /* live nodes in graph order */
    int n_waiting;
    bool *done;      /* by place in waiting */
    bool *available; /* by value id */
} schedule;

static bool ready(const schedule *s, const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *v = node->inputs[i];
        if (v && v->producer && !s->available[v->id]) return false;
    }
    return true;
}

static void set_available(schedule *s, const tn_node *node) {
    for (int i = 0; i < node->n_outputs; i++) s->available[node->outputs[i]->id] = true;
}

/* Moves all steps that can run now, of one kind, into a new segment; false if there are none. */
static bool take_segment(schedule *s, bool whole) {
    tn_plan *plan = s->plan;
    tn_segment segment = {.first_step = plan->n_steps, .whole = whole};
    for (int i = 0; i < s->n_waiting; i++) {
        const tn_plan_step *step = &s->waiting[i];
        if (s->done[i] || (step->units > 0) != whole || !ready(s, step->node)) continue;
        s->done[i] = true;
        plan->steps[plan->n_steps++] = *step;
        if (step->reduces) segment.by_shard = true;
        if (!whole && !step->reduces) set_available(s, step->node);
    }
    segment.n_steps = plan->n_steps - segment.first_step;
    if (segment.n_steps == 0) return false;
    for (int i = segment.first_step; i < plan->n_steps; i++) set_available(s, plan->steps[i].node);
    plan->segments[plan->n_segments++] = segment;
    return true;
}

/* Bytes that one sample needs in all values that the segment touches. */
static int64_t sample_bytes(const tn_plan *plan, const tn_segment *segment) {
    int64_t bytes = 0;
    for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
        const tn_node *node = plan->steps[i].node;
        for (int k = 0; k < node->n_outputs; k++)
            if (node->outputs[k]->shape.batched)
                bytes += tn_shape_sample_elements(&node->outputs[k]->shape) *
                         (int64_t)tn_dtype_bytes(node->outputs[k]->dtype);
    }
    return bytes;
}

static void size_tiles(tn_plan *plan, const tn_plan_options *options) {
    for (int i = 0; i < plan->n_segments; i++) {
        tn_segment *segment = &plan->segments[i];
        int64_t tile = TN_TILE_BYTES / tn_max_i64(1, sample_bytes(plan, segment));
        int n_shards = tn_shards_of(plan->n_shards, plan->lanes, plan->max_batch);
        int64_t parts = segment->by_shard ? n_shards : options->n_threads;
        tile = tn_min_i64(tile, (plan->max_batch + parts - 1) / parts);
        segment->tile = tn_max_i64(1, tn_min_i64(tile, MOST_TILE_SAMPLES));
        if (options->tile > 0) segment->tile = tn_min_i64(options->tile, plan->max_batch);
        if (plan->lanes) segment->tile = tn_round_up(segment->tile, TN_LANES);
        if (segment->whole) segment->tile = plan->max_batch;
    }
}

/* Alternates between tiled and whole segments, each as long as possible. */
static tn_status cut_segments(schedule *s, tn_error *error) {
    bool progress = true;
    while (progress) {
        progress = take_segment(s, false);
        if (take_segment(s, true)) progress = true;
    }
    if (s->plan->n_steps < s->n_waiting)
        return tn_fail(error, TN_ERR_FORMAT, "the graph cannot be ordered");
    return TN_OK;
}

static tn_status plan_steps(tn_plan *plan, tn_value *const *gradients,
                            const tn_plan_options *options, tn_error *error) {
    const tn_graph *graph = plan->graph;
    size_t n = (size_t)graph->n_nodes + 1;
    schedule s = {.plan = plan};
    bool *live = calloc(n, 1);
    s.waiting = calloc(n, sizeof *s.waiting);
    s.done = calloc(n, 1);
    s.available = calloc((size_t)graph->n_values + 1, 1);
    plan->steps = calloc(n, sizeof *plan->steps);
    plan->segments = calloc(n, sizeof *plan->segments);
    tn_status status = TN_OK;
    if (!live || !s.waiting || !s.done || !s.available || !plan->steps || !plan->segments)
        status = tn_fail_memory(error);
    if (status == TN_OK) mark_live(graph, gradients, live);
    for (int i = 0; i < graph->n_nodes && status == TN_OK; i++)
        if (live[i])
            status = choose(&plan->kernels, options->tuning, graph->nodes[i],
                            &s.waiting[s.n_waiting++], error);
    if (status == TN_OK) status = cut_segments(&s, error);
    if (status == TN_OK && !options->keep_values) status = tn_plan_recompute(plan, error);
    if (status == TN_OK) status = tn_plan_roll(plan, options, error);
    if (status == TN_OK) size_tiles(plan, options);
    free(live);
    free(s.waiting);
    free(s.done);
    free(s.available);
    return status;
}

/* ---- The plan -------------------------------------------------------------------------------- */

tn_status tn_plan_build(tn_graph *graph, tn_value *const *gradients, const tn_plan_options *options,
                        tn_plan **plan, tn_error *error) {
    if (options->max_batch < 1 || options->max_batch > TN_MAX_ELEMENTS || options->n_shards < 1 ||
        options->n_shards > TN_MAX_SHARDS || (options->n_shards & (options->n_shards - 1)))
        return tn_fail(error, TN_ERR_ARGUMENT, "a batch of %lld in %d shards",
                       (long long)options->max_batch, options->n_shards);
    if (options->tile < 0)
        return tn_fail(error, TN_ERR_ARGUMENT, "a tile of %lld samples", (long long)options->tile);
    if (options->tile_rows < 0)
        return tn_fail(error, TN_ERR_ARGUMENT, "a tile of %lld rows",
                       (long long)options->tile_rows);
    TN_TRY(tn_graph_set_batch(graph, options->max_batch, error));
    bool lanes = tn_lanes_suit(graph, options);
    TN_TRY(tn_layout_assign(graph, options->kernels, lanes, error));
    tn_plan *p = calloc(1, sizeof *p);
    if (!p) return tn_fail_memory(error);
    p->graph = graph;
    p->kernels = *options->kernels;
    p->max_batch = options->max_batch;
    p->n_shards = options->n_shards;
    p->lanes = lanes;
    tn_status status = plan_steps(p, gradients, options, error);
    if (status == TN_OK) status = tn_plan_place(p, gradients, error);
    if (status == TN_OK) tn_plan_fetch(p);
    if (status != TN_OK) {
        tn_plan_free(p);
        return status;
    }
    *plan = p;
    return TN_OK;
}

void tn_plan_free(tn_plan *plan) {
    if (!plan) return;
    for (int i = 0; i < plan->n_rolls; i++) free(plan->rolls[i].calls);
    free(plan->rolls);
    free(plan->held);
    free(plan->steps);
    free(plan->segments);
    free(plan->reductions);
    free(plan->parameters);
    free(plan->outputs);
    free(plan->constants);
    free(plan);
}

const tn_graph *tn_plan_graph(const tn_plan *plan) { return plan->graph; }

int64_t tn_plan_parameters_size(const tn_plan *plan) { return plan->parameters_size; }

int64_t tn_plan_parameter_offset(const tn_plan *plan, int i) { return plan->parameters[i].offset; }

void tn_plan_arrange(const tn_plan *plan, int i, const float *canonical, real *flat) {
    const tn_parameter_place *p = &plan->parameters[i];
    tn_arrange(&p->arrangement, p->elements, canonical, flat + p->offset);
}

void tn_plan_unarrange(const tn_plan *plan, int i, const real *flat, float *canonical) {
    const tn_parameter_place *p = &plan->parameters[i];
    tn_unarrange(&p->arrangement, p->elements, flat + p->offset, canonical);
}
