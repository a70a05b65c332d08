/* SPDX-License-Identifier: Apache-2.0 */
/* place.c: a place for every value. Values that live within one tiled segment are in memory for a
 * tile; those that cross segments, for the whole batch; both reuse what is dead. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/memory.h"
#include "graph/plan_parts.h"

/* What is known of a value. Moments are steps for values of a tile, segments for those of a batch.
 */
typedef struct use {
    int def_step, last_step, def_segment, last_segment; /* -1: never */
    int item;                                           /* in the lifetimes of its place kind; -1 */
    int parameter;                                      /* whose gradient it is; -1 */
    bool output;                                        /* of the graph */
    bool early; /* lives in a segment, but is made where its copy for the batch shall be */
    tn_place place;
} use;

typedef struct placer {
    tn_plan *plan;
    tn_value *const *gradients;
    use *uses; /* by value id */
    tn_lifetime *batch, *tile;
    int n_batch, n_tile;
} placer;

static int64_t value_sample_bytes(const tn_value *v) {
    return v->shape.batched
               ? tn_shape_sample_elements(&v->shape) * (int64_t)tn_dtype_bytes(v->dtype)
               : 0;
}

static int64_t value_bytes(const tn_value *v, int64_t samples) {
    if (v->lanes) samples = tn_round_up(samples, TN_LANES);
    if (v->shape.batched) return value_sample_bytes(v) * samples;
    return tn_shape_elements(&v->shape) * (int64_t)tn_dtype_bytes(v->dtype);
}

/* ---- Uses ------------------------------------------------------------------------------------ */

static void note_step(placer *p, int step, int segment) {
    const tn_node *node = p->plan->steps[step].node;
    for (int i = 0; i < node->n_outputs; i++) {
        use *u = &p->uses[node->outputs[i]->id];
        u->def_step = u->last_step = step;
        u->def_segment = u->last_segment = segment;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        if (!node->inputs[i]) continue;
        p->uses[node->inputs[i]->id].last_step = step;
        p->uses[node->inputs[i]->id].last_segment = segment;
    }
}

static tn_status note_uses(placer *p, tn_error *error) {
    const tn_graph *graph = p->plan->graph;
    for (int i = 0; i < graph->n_values; i++)
        p->uses[i] = (use){-1, -1, -1, -1, .item = -1, .parameter = -1};
    for (int s = 0; s < p->plan->n_segments; s++) {
        const tn_segment *segment = &p->plan->segments[s];
        for (int i = 0; i < segment->n_steps; i++) note_step(p, segment->first_step + i, s);
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        use *u = &p->uses[graph->outputs[i]->id];
        u->output = true;
        u->last_segment = p->plan->n_segments;
        u->last_step = p->plan->n_steps;
    }
    for (int i = 0; p->gradients && i < graph->n_parameters; i++) {
        if (!p->gradients[i]) continue;
        use *u = &p->uses[p->gradients[i]->id];
        if (u->def_step < 0 || u->parameter >= 0 || p->gradients[i]->shape.batched)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "parameter \"%s\": its gradient is another's",
                           graph->parameters[i]->name);
        u->parameter = i;
    }
    return TN_OK;
}

/* ---- In place -------------------------------------------------------------------------------- */

/* The rows of a value held by rows; NULL of one that is stored whole. */
static const tn_held *held(const placer *p, const tn_value *v) {
    return p->plan->held && p->plan->held[v->id].bytes > 0 ? &p->plan->held[v->id] : NULL;
}

/* In a roll, only memory for the rows of one block: others are still read in the next. */
static bool shares_rows(const placer *p, int step) {
    const tn_node *node = p->plan->steps[step].node;
    const tn_held *x = node->inputs[0] ? held(p, node->inputs[0]) : NULL;
    const tn_held *y = held(p, node->outputs[0]);
    return x && y && !x->keeps && !y->keeps && x->bytes == y->bytes;
}

/* Whether output 0 of a step may lie over its input 0, if both are of the same kind. */
static bool may_share(const placer *p, int step) {
    const tn_node *node = p->plan->steps[step].node;
    const tn_value *x = node->inputs[0], *y = node->outputs[0];
    if (!node->op->in_place || x->kind != TN_VALUE_COMPUTED) return false;
    if (tn_roll_of(p->plan, step) && !shares_rows(p, step)) return false;
    const use *u = &p->uses[x->id];
    return u->last_step == step && !u->output && value_bytes(x, 1) == value_bytes(y, 1);
}

static tn_place_kind kind_of(const placer *p, const tn_plan_step *step, const tn_value *v,
                             bool whole) {
    const use *u = &p->uses[v->id];
    if (step->reduces) return TN_PLACE_PARTIAL;
    if (u->parameter >= 0) return TN_PLACE_GRADIENT;
    if (whole || u->early || u->last_segment != u->def_segment) return TN_PLACE_BATCH;
    return TN_PLACE_TILE;
}

/* What is then copied to the batch is made there. From the last step to the first: copies may
 * follow each other. */
static void note_early(placer *p) {
    for (int s = 0; s < p->plan->n_segments; s++) {
        const tn_segment *segment = &p->plan->segments[s];
        for (int i = segment->first_step + segment->n_steps; i-- > segment->first_step;) {
            const tn_plan_step *step = &p->plan->steps[i];
            if (segment->whole || !step->implementation->copies || !may_share(p, i)) continue;
            use *u = &p->uses[step->node->inputs[0]->id];
            u->early = u->def_segment == s && !step->node->inputs[0]->lanes &&
                       kind_of(p, step, step->node->outputs[0], false) == TN_PLACE_BATCH;
        }
    }
}

/* ---- Parameters and constants ---------------------------------------------------------------- */

static tn_arrangement arrangement_of(const tn_node *node, int input) {
    int64_t channels[TN_MAX_INPUTS] = {0};
    if (!node->op->arrange) return (tn_arrangement){0};
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i]) channels[i] = node->inputs[i]->channels;
    return node->op->arrange(node, input, channels);
}

static bool same_arrangement(const tn_arrangement *a, const tn_arrangement *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] || a->axes[i] != b->axes[i]) return false;
    return true;
}

static int parameter_number(const tn_graph *graph, const tn_value *v) {
    for (int i = 0; i < graph->n_parameters; i++)
        if (graph->parameters[i] == v) return i;
    return -1;
}

static tn_status place_parameters(placer *p, tn_error *error) {
    tn_plan *plan = p->plan;
    const tn_graph *graph = plan->graph;
    for (int i = 0; i < graph->n_parameters; i++) {
        tn_parameter_place *place = &plan->parameters[i];
        place->elements = tn_shape_elements(&graph->parameters[i]->shape);
        place->offset = plan->parameters_size;
        plan->parameters_size += tn_round_up(place->elements, 16);
        p->uses[graph->parameters[i]->id].place =
            (tn_place){TN_PLACE_PARAMETER, place->offset * (int64_t)sizeof(real), 0};
    }
    bool *seen = calloc((size_t)graph->n_parameters + 1, 1);
    if (!seen) return tn_fail_memory(error);
    tn_status status = TN_OK;
    for (int s = 0; s < plan->n_steps && status == TN_OK; s++)
        for (int k = 0; k < plan->steps[s].node->n_inputs; k++) {
            const tn_value *v = plan->steps[s].node->inputs[k];
            if (!v || v->kind != TN_VALUE_PARAMETER) continue;
            int i = parameter_number(graph, v);
            tn_arrangement a = arrangement_of(plan->steps[s].node, k);
            if (seen[i] && !same_arrangement(&a, &plan->parameters[i].arrangement))
                status = tn_fail(error, TN_ERR_UNSUPPORTED,
                                 "parameter \"%s\" is shared by nodes that store it differently",
                                 v->name);
            plan->parameters[i].arrangement = a;
            seen[i] = true;
        }
    free(seen);
    return status;
}

/* Every use of a constant has its own copy, in the order that this use wants. */
static tn_status place_constants(tn_plan *plan, tn_error *error) {
    int64_t bytes = 0;
    for (int pass = 0; pass < 2; pass++) {
        bytes = 0;
        for (int s = 0; s < plan->n_steps; s++)
            for (int k = 0; k < plan->steps[s].node->n_inputs; k++) {
                const tn_value *v = plan->steps[s].node->inputs[k];
                if (!v || v->kind != TN_VALUE_CONSTANT) continue;
                tn_arrangement a = arrangement_of(plan->steps[s].node, k);
                plan->steps[s].in[k] = (tn_place){TN_PLACE_CONSTANT, bytes, 0};
                if (pass == 1 && v->dtype == TN_FLOAT32)
                    tn_arrange(&a, tn_shape_elements(&v->shape), v->data,
                               (real *)(void *)(plan->constants + bytes));
                else if (pass == 1)
                    memcpy(plan->constants + bytes, v->data, (size_t)value_bytes(v, 1));
                bytes += tn_round_up(value_bytes(v, 1), TN_ALIGNMENT);
            }
        if (pass == 0) plan->constants = tn_aligned_alloc((size_t)bytes);
        if (!plan->constants) return tn_fail_memory(error);
    }
    return TN_OK;
}

/* ---- Computed values ------------------------------------------------------------------------- */

/* From the first to the last step that needs the memory of a tile value: what outlives a block of
 * rows, for as long as the steps go round. */
static void note_roll(const placer *p, const tn_value *v, int *first, int *last) {
    const tn_held *rows = held(p, v);
    const tn_roll *made = tn_roll_of(p->plan, *first), *used = tn_roll_of(p->plan, *last);
    if (rows && !rows->keeps) return;
    if (made) *first = made->first_step;
    if (used) *last = used->first_step + used->n_steps - 1;
}

static void add_lifetime(placer *p, const tn_value *v, int64_t tile, bool share) {
    use *u = &p->uses[v->id];
    bool batch = u->place.kind == TN_PLACE_BATCH;
    tn_lifetime *items = batch ? p->batch : p->tile;
    int first = batch ? u->def_segment : u->def_step, last = batch ? u->last_segment : u->last_step;
    int64_t bytes =
        held(p, v) ? held(p, v)->bytes : value_bytes(v, batch ? p->plan->max_batch : tile);
    if (!batch) note_roll(p, v, &first, &last);
    if (share) {
        u->item = p->uses[v->producer->inputs[0]->id].item;
        if (items[u->item].last < last) items[u->item].last = last;
        return;
    }
    u->item = batch ? p->n_batch++ : p->n_tile++;
    items[u->item] = (tn_lifetime){.bytes = bytes, .first = first, .last = last};
}

/* The partial sums of a shard lie side by side; the total goes where the value is used. */
static void place_partial(placer *p, const tn_value *v) {
    tn_plan *plan = p->plan;
    use *u = &p->uses[v->id];
    u->place = (tn_place){TN_PLACE_PARTIAL, plan->partial_bytes, 0};
    plan->partial_bytes += tn_round_up(value_bytes(v, 1), TN_ALIGNMENT);
}

/* Whether output 0 of a step lies over its input 0, and of which kind it is then. Not where steps
 * run side by side: another may still be reading. A copy in a tile of what is in the batch stays
 * there; what changes it goes to the tile, which is nearer. */
static bool shares_place(const placer *p, const tn_segment *segment, int step,
                         tn_place_kind *kind) {
    if (segment->whole || !may_share(p, step)) return false;
    const tn_plan_step *at = &p->plan->steps[step];
    const use *u = &p->uses[at->node->inputs[0]->id];
    bool copied =
        at->implementation->copies && *kind == TN_PLACE_TILE && u->place.kind == TN_PLACE_BATCH;
    if (u->item < 0 || (u->place.kind != *kind && !copied)) return false;
    *kind = u->place.kind;
    return true;
}

static void place_outputs(placer *p, int s, int step) {
    const tn_segment *segment = &p->plan->segments[s];
    const tn_plan_step *at = &p->plan->steps[step];
    for (int i = 0; i < at->node->n_outputs; i++) {
        const tn_value *v = at->node->outputs[i];
        use *u = &p->uses[v->id];
        tn_place_kind kind = kind_of(p, at, v, segment->whole);
        bool share = i == 0 && shares_place(p, segment, step, &kind);
        u->place = (tn_place){kind, 0, held(p, v) ? 0 : value_sample_bytes(v)};
        if (kind == TN_PLACE_PARTIAL)
            place_partial(p, v);
        else if (kind == TN_PLACE_GRADIENT)
            u->place.offset = p->plan->parameters[u->parameter].offset * (int64_t)sizeof(real);
        else
            add_lifetime(p, v, segment->tile, share);
    }
}

/* ---- Reductions ------------------------------------------------------------------------------ */

static tn_place gradient_place(const placer *p, const use *u) {
    return (tn_place){TN_PLACE_GRADIENT,
                      p->plan->parameters[u->parameter].offset * (int64_t)sizeof(real), 0};
}

/* Where the sum over shards goes: the gradient vector, or memory of its own. */
static tn_place reduction_target(placer *p, const tn_value *v) {
    use *u = &p->uses[v->id];
    if (u->parameter >= 0) return gradient_place(p, u);
    u->item = p->n_batch++;
    p->batch[u->item] =
        (tn_lifetime){.bytes = value_bytes(v, 1), .first = u->def_segment, .last = u->last_segment};
    return (tn_place){TN_PLACE_BATCH, 0, 0};
}

/* Reductions that a later step needs follow their segment; gradients wait for the end. */
static void list_reductions(placer *p, bool late) {
    tn_plan *plan = p->plan;
    for (int s = 0; s < plan->n_segments; s++) {
        tn_segment *segment = &plan->segments[s];
        if (!late) segment->first_reduction = plan->n_reductions;
        for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
            const tn_node *node = plan->steps[i].node;
            for (int k = 0; k < node->n_outputs && plan->steps[i].reduces; k++) {
                const tn_value *v = node->outputs[k];
                const use *u = &p->uses[v->id];
                if ((u->last_step == u->def_step) != late) continue;
                plan->reductions[plan->n_reductions++] =
                    (tn_reduction){.partial = u->place.offset,
                                   .stride = plan->partial_bytes,
                                   .elements = tn_shape_elements(&v->shape),
                                   .to = reduction_target(p, v)};
                if (u->item >= 0) plan->reductions[plan->n_reductions - 1].to.offset = -1 - v->id;
            }
        }
        if (!late) segment->n_reductions = plan->n_reductions - segment->first_reduction;
    }
}

/* ---- Putting it together --------------------------------------------------------------------- */

static tn_place final_place(const placer *p, const tn_value *v) {
    const use *u = &p->uses[v->id];
    tn_place place = u->place;
    if (place.kind == TN_PLACE_PARTIAL && u->parameter >= 0) return gradient_place(p, u);
    if (u->item < 0) return place;
    bool batch = place.kind == TN_PLACE_BATCH || place.kind == TN_PLACE_PARTIAL;
    place.offset = (batch ? p->batch : p->tile)[u->item].offset;
    if (place.kind == TN_PLACE_PARTIAL) place.kind = TN_PLACE_BATCH; /* the sum, for its users */
    return place;
}

static void finish_steps(placer *p) {
    tn_plan *plan = p->plan;
    for (int s = 0; s < plan->n_steps; s++) {
        tn_plan_step *step = &plan->steps[s];
        for (int i = 0; i < step->node->n_inputs; i++) {
            const tn_value *v = step->node->inputs[i];
            if (v && v->kind != TN_VALUE_CONSTANT) step->in[i] = final_place(p, v);
        }
        for (int i = 0; i < step->node->n_outputs; i++)
            step->out[i] = step->reduces ? p->uses[step->node->outputs[i]->id].place
                                         : final_place(p, step->node->outputs[i]);
        if (step->implementation->packed_bytes) {
            step->packed = plan->packed_bytes;
            plan->packed_bytes += tn_round_up(
                step->implementation->packed_bytes(step->node, &plan->kernels), TN_ALIGNMENT);
        }
    }
    for (int i = 0; i < plan->n_reductions; i++)
        if (plan->reductions[i].to.offset < 0)
            plan->reductions[i].to =
                final_place(p, plan->graph->values[-1 - plan->reductions[i].to.offset]);
    for (int i = 0; i < plan->graph->n_outputs; i++)
        plan->outputs[i] = final_place(p, plan->graph->outputs[i]);
}

/* Of a segment: what its steps keep for a shard, side by side behind what is for one call. */
static int64_t place_for_shard(tn_plan *plan, const tn_segment *segment, int64_t offset) {
    for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
        tn_plan_step *step = &plan->steps[i];
        if (!step->reduces || !step->implementation->shard_bytes) continue;
        step->shard = offset;
        offset += tn_round_up(step->implementation->shard_bytes(step->node, &plan->kernels),
                              TN_ALIGNMENT);
    }
    return offset;
}

static void size_workspaces(tn_plan *plan) {
    for (int s = 0; s < plan->n_segments; s++) {
        const tn_segment *segment = &plan->segments[s];
        int64_t bytes = 0;
        for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
            const tn_plan_step *step = &plan->steps[i];
            if (!step->implementation->workspace_bytes) continue;
            bytes = tn_max_i64(bytes, step->implementation->workspace_bytes(
                                          step->node, &plan->kernels, segment->tile));
        }
        bytes = place_for_shard(plan, segment, tn_round_up(bytes, TN_ALIGNMENT));
        plan->workspace_bytes = tn_max_i64(plan->workspace_bytes, bytes);
    }
}

static tn_status place_all(placer *p, tn_error *error) {
    tn_plan *plan = p->plan;
    TN_TRY(note_uses(p, error));
    note_early(p);
    TN_TRY(place_parameters(p, error));
    TN_TRY(place_constants(plan, error));
    for (int i = 0; i < plan->graph->n_inputs; i++) {
        const tn_value *v = plan->graph->inputs[i];
        p->uses[v->id].place = (tn_place){TN_PLACE_INPUT, i, value_sample_bytes(v)};
    }
    for (int s = 0; s < plan->n_segments; s++)
        for (int i = 0; i < plan->segments[s].n_steps; i++)
            place_outputs(p, s, plan->segments[s].first_step + i);
    list_reductions(p, false);
    plan->first_late_reduction = plan->n_reductions;
    list_reductions(p, true);
    plan->batch_bytes = tn_memory_place(p->batch, p->n_batch);
    plan->tile_bytes = tn_memory_place(p->tile, p->n_tile);
    if (plan->batch_bytes < 0 || plan->tile_bytes < 0) return tn_fail_memory(error);
    finish_steps(p);
    size_workspaces(plan);
    return TN_OK;
}

tn_status tn_plan_place(tn_plan *plan, tn_value *const *gradients, tn_error *error) {
    const tn_graph *graph = plan->graph;
    size_t n = (size_t)graph->n_values + 1;
    placer p = {.plan = plan, .gradients = gradients};
    p.uses = calloc(n, sizeof *p.uses);
    p.batch = calloc(n, sizeof *p.batch);
    p.tile = calloc(n, sizeof *p.tile);
    plan->parameters = calloc((size_t)graph->n_parameters + 1, sizeof *plan->parameters);
    plan->reductions = calloc(n, sizeof *plan->reductions);
    plan->outputs = calloc((size_t)graph->n_outputs + 1, sizeof *plan->outputs);
    bool room =
        p.uses && p.batch && p.tile && plan->parameters && plan->reductions && plan->outputs;
    tn_status status = room ? place_all(&p, error) : tn_fail_memory(error);
    free(p.uses);
    free(p.batch);
    free(p.tile);
    return status;
}
