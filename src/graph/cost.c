/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/cost.h"

#include "base/size.h"
#include "graph/lanes.h"

/* What the register tile keeps of its peak when it works on more than one panel. */
static const double usual_efficiency = 0.9;

/* What a call costs, however little it does. */
static const double call_seconds = 150e-9;

static double max(double a, double b) { return a > b ? a : b; }

static int64_t value_bytes(const tn_value *v, int64_t samples) {
    int64_t each = (int64_t)tn_dtype_bytes(v->dtype);
    return v->shape.batched ? tn_shape_sample_elements(&v->shape) * each * samples
                            : tn_shape_elements(&v->shape) * each;
}

static bool is_batched(const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->shape.batched) return true;
    return node->outputs[0]->shape.batched;
}

/* In double: macs may be INT64_MAX. */
static double macs_of(const tn_node *node, int64_t samples) {
    if (!node->op->macs) return 0;
    return (double)node->op->macs(node) * (is_batched(node) ? (double)samples : 1);
}

static double value_elements(const tn_value *v, int64_t samples) {
    return v->shape.batched ? (double)tn_shape_sample_elements(&v->shape) * (double)samples
                            : (double)tn_shape_elements(&v->shape);
}

static double elements_of(const tn_node *node, int64_t samples) {
    const tn_value *x = node->n_inputs > 0 ? node->inputs[0] : NULL;
    return max(x ? value_elements(x, samples) : 0, value_elements(node->outputs[0], samples));
}

/* Seconds of arithmetic. */
static double compute(const tn_node *node, const tn_cost *cost, int64_t samples,
                      const tn_roofline *r) {
    double efficiency = cost->efficiency > 0 ? (double)cost->efficiency : usual_efficiency;
    double macs = macs_of(node, samples) / efficiency +
                  elements_of(node, samples) * (double)cost->per_element;
    return macs / r->macs_per_s;
}

int64_t tn_segment_tasks(const tn_plan *plan, const tn_segment *segment) {
    int64_t units = 0;
    if (tn_is_banded(plan, segment))
        return plan->max_batch * plan->rolls[segment->first_roll].n_bands;
    if (!segment->whole)
        return segment->by_shard ? tn_shards_of(plan->n_shards, plan->lanes, plan->max_batch)
                                 : (plan->max_batch + segment->tile - 1) / segment->tile;
    for (int i = 0; i < segment->n_steps; i++) units += plan->steps[segment->first_step + i].units;
    return units;
}

/* How often a step of a segment is called for one batch. */
static int64_t calls_of(const tn_plan *plan, const tn_segment *segment, const tn_plan_step *step) {
    const tn_roll *roll = tn_roll_of(plan, (int)(step - plan->steps));
    if (segment->whole) return 1;
    if (roll) return plan->max_batch * roll->n_bands * roll->n_blocks;
    int n_shards = tn_shards_of(plan->n_shards, plan->lanes, plan->max_batch);
    int64_t parts = segment->by_shard ? n_shards : 1;
    int64_t samples = (plan->max_batch + parts - 1) / parts;
    return parts * ((samples + segment->tile - 1) / segment->tile);
}

tn_work tn_work_of(const tn_plan *plan, const tn_plan_step *step) {
    const tn_node *node = step->node;
    tn_work work = {.macs = macs_of(node, plan->max_batch)};
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i]) work.bytes_in += value_bytes(node->inputs[i], plan->max_batch);
    for (int i = 0; i < node->n_outputs; i++)
        if (step->out[i].kind != TN_PLACE_NONE)
            work.bytes_out += value_bytes(node->outputs[i], plan->max_batch);
    return work;
}

/* The level from which a value comes, or to which it goes. */
static tn_level level_of(const tn_plan *plan, tn_place place, int64_t bytes, const tn_roofline *r) {
    switch (place.kind) {
    case TN_PLACE_TILE: return tn_roofline_level(r, plan->tile_bytes + plan->workspace_bytes, true);
    case TN_PLACE_PARAMETER:
    case TN_PLACE_CONSTANT:
    case TN_PLACE_PARTIAL: return tn_roofline_level(r, bytes, true);
    case TN_PLACE_BATCH: return tn_roofline_level(r, plan->batch_bytes, false);
    case TN_PLACE_NONE:
    case TN_PLACE_INPUT:
    case TN_PLACE_GRADIENT: break;
    }
    return tn_roofline_level(r, bytes, false);
}

static double move(const tn_plan *plan, const tn_value *v, tn_place place, int64_t calls,
                   const tn_roofline *r) {
    if (!v || place.kind == TN_PLACE_NONE) return 0;
    int64_t bytes = value_bytes(v, plan->max_batch);
    double times = v->shape.batched ? 1 : (double)calls;
    int64_t held = plan->held[v->id].bytes;
    tn_level level = held > 0 ? tn_roofline_level(r, held, true) : level_of(plan, place, bytes, r);
    return times * (double)bytes / r->bytes_per_s[level];
}

static bool meets(const tn_node *node, const tn_value *v) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] == v) return true;
    for (int i = 0; i < node->n_outputs; i++)
        if (node->outputs[i] == v) return true;
    return false;
}

/* Where input i is found: a value of the batch whose tile an earlier node of the segment has just
 * made or read is as near as one of the tile. */
static tn_place found_at(const tn_plan *plan, const tn_segment *segment, const tn_plan_step *step,
                         int i) {
    const tn_place near = {.kind = TN_PLACE_TILE};
    const tn_value *v = step->node->inputs[i];
    if (segment->whole || !v || !v->shape.batched) return step->in[i];
    for (const tn_plan_step *s = plan->steps + segment->first_step; s < step; s++)
        if (meets(s->node, v)) return near;
    return step->in[i];
}

/* A copy that lies over what it copies. */
static bool is_done(const tn_plan_step *step) {
    return step->implementation->copies && step->in[0].kind == step->out[0].kind &&
           step->in[0].offset == step->out[0].offset;
}

double tn_cost_of_step(const tn_plan *plan, const tn_segment *segment, const tn_plan_step *step,
                       const tn_roofline *r) {
    const tn_node *node = step->node;
    int64_t calls = calls_of(plan, segment, step);
    double moving = 0;
    if (is_done(step)) return (double)calls * call_seconds;
    for (int i = 0; i < node->n_inputs; i++)
        moving += move(plan, node->inputs[i], found_at(plan, segment, step, i), calls, r);
    for (int i = 0; i < node->n_outputs; i++)
        moving += move(plan, node->outputs[i], step->out[i], calls, r);
    return max(moving, compute(node, &step->implementation->cost, plan->max_batch, r)) +
           (double)calls * call_seconds;
}

double tn_cost_of_segment(const tn_plan *plan, const tn_segment *segment, double seconds,
                          int n_threads, const tn_roofline *r) {
    int64_t tasks = tn_segment_tasks(plan, segment);
    int64_t rounds = (tasks + n_threads - 1) / n_threads, bytes = 0;
    for (int i = 0; i < segment->n_reductions; i++)
        bytes += plan->reductions[segment->first_reduction + i].elements * (int64_t)sizeof(real) *
                 (plan->n_shards + 1);
    double reducing = (double)bytes / n_threads / r->bytes_per_s[TN_LEVEL_L3];
    return (tasks > 0 ? seconds * (double)rounds / (double)tasks : 0) + reducing;
}

double tn_cost_of_node(const tn_node *node, const tn_cost *cost, int64_t n, const tn_roofline *r) {
    int64_t bytes = 0;
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i]) bytes += value_bytes(node->inputs[i], n);
    for (int i = 0; i < node->n_outputs; i++) bytes += value_bytes(node->outputs[i], n);
    return max((double)bytes / r->bytes_per_s[TN_LEVEL_L2], compute(node, cost, n, r));
}
