/* SPDX-License-Identifier: Apache-2.0 */
/* recompute.c: values computed again instead of kept. A value that one tiled segment makes and
 * another uses would be stored for the whole batch. Where its nodes cost less than that, copies of
 * them go into the later segment, before the first use. Nodes are functions of their inputs, the
 * step and the sample, so no bit changes; and the choice depends on shapes only. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/cost.h"

/* Nodes in the copy of one value at most; hostile graphs have no cheap way to make it more. */
enum { MOST_NODES = 16 };

/* What is known of a value. */
typedef struct fate {
    int step, segment; /* that compute it; -1 */
    int n_later;       /* tiled segments that use it after its own */
    int last_seen;     /* the last of them */
    bool here;         /* its own segment uses it, too */
    bool fixed;        /* must be in memory for the batch whatever others do */
    bool again;        /* is computed again wherever n_later counts */
    tn_value *copy;    /* in segment copied_in */
    int copied_in;
} fate;

/* An input of a node to be replaced. Only at the end: until then nodes are copied as they were. */
typedef struct patch {
    tn_value **input, *copy;
} patch;

typedef struct recomputation {
    tn_plan *plan;
    fate *fates;         /* by id of the values there were before */
    tn_level level;      /* where values for the batch live */
    tn_plan_step *steps; /* the new list */
    int n_steps, room;
    patch *patches;
    int n_patches;
} recomputation;

static double sample_bytes(const tn_value *v) {
    return (double)tn_shape_sample_elements(&v->shape) * (double)tn_dtype_bytes(v->dtype);
}

/* ---- What crosses ---------------------------------------------------------------------------- */

static void note_input(recomputation *r, const tn_value *v, int segment) {
    fate *f = &r->fates[v->id];
    if (f->segment == segment) f->here = true;
    if (f->segment < 0 || f->segment == segment) return;
    if (r->plan->segments[segment].whole) f->fixed = true;
    if (f->last_seen != segment) f->n_later++;
    f->last_seen = segment;
}

static void note_steps(recomputation *r) {
    const tn_plan *plan = r->plan;
    const tn_graph *graph = plan->graph;
    for (int i = 0; i < graph->n_values; i++)
        r->fates[i] = (fate){.step = -1, .segment = -1, .last_seen = -1, .copied_in = -1};
    for (int s = 0; s < plan->n_segments; s++) {
        const tn_segment *segment = &plan->segments[s];
        for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
            const tn_node *node = plan->steps[i].node;
            for (int k = 0; k < node->n_inputs; k++)
                if (node->inputs[k]) note_input(r, node->inputs[k], s);
            for (int k = 0; k < node->n_outputs; k++) {
                fate *f = &r->fates[node->outputs[k]->id];
                f->step = i;
                f->segment = s;
                f->fixed =
                    segment->whole || plan->steps[i].reduces || !node->outputs[k]->shape.batched;
            }
        }
    }
    for (int i = 0; i < graph->n_outputs; i++) r->fates[graph->outputs[i]->id].fixed = true;
}

static bool is_stored(const fate *f) {
    return f->segment < 0 || f->fixed || (f->n_later > 0 && !f->again);
}

/* ---- The choice ------------------------------------------------------------------------------ */

/* Adds to *seconds what making a sample of v again takes; false if that is too long a chain. */
static bool add_chain(const recomputation *r, const tn_value *v, int *n_nodes, double *seconds) {
    const tn_plan_step *step = &r->plan->steps[r->fates[v->id].step];
    if (++*n_nodes > MOST_NODES) return false;
    *seconds += tn_cost_of_node(step->node, &step->implementation->cost, 1, &tn_roofline_usual);
    for (int i = 0; i < step->node->n_inputs; i++) {
        const tn_value *u = step->node->inputs[i];
        if (!u || !u->shape.batched) continue;
        if (is_stored(&r->fates[u->id]))
            *seconds += sample_bytes(u) / tn_roofline_usual.bytes_per_s[r->level];
        else if (!add_chain(r, u, n_nodes, seconds))
            return false;
    }
    return true;
}

/* Writing a value reads its place into the cache first, and later writes it back: two ways. */
static double cost_of_keeping(const recomputation *r, const tn_value *v) {
    return sample_bytes(v) * (2 + r->fates[v->id].n_later) /
           tn_roofline_usual.bytes_per_s[r->level];
}

static bool is_cheaper_again(const recomputation *r, const tn_value *v) {
    const fate *f = &r->fates[v->id];
    int n_nodes = 0;
    double seconds = 0;
    if (f->fixed || !f->here || f->n_later == 0) return false;
    return add_chain(r, v, &n_nodes, &seconds) && seconds * f->n_later < cost_of_keeping(r, v);
}

/* In the order of computing, so that what a value is made from has been decided on. */
static bool choose(recomputation *r) {
    const tn_plan *plan = r->plan;
    double bytes = 0;
    bool any = false;
    for (int i = 0; i < plan->graph->n_values; i++)
        if (r->fates[i].n_later > 0 && plan->graph->values[i]->shape.batched)
            bytes += sample_bytes(plan->graph->values[i]) * (double)plan->max_batch;
    r->level =
        tn_roofline_level(&tn_roofline_usual, bytes < 1e18 ? (int64_t)bytes : INT64_MAX, false);
    for (int s = 0; s < plan->n_steps; s++)
        for (int k = 0; k < plan->steps[s].node->n_outputs; k++) {
            const tn_value *v = plan->steps[s].node->outputs[k];
            r->fates[v->id].again = is_cheaper_again(r, v);
            any |= r->fates[v->id].again;
        }
    return any;
}

/* ---- Copies ---------------------------------------------------------------------------------- */

static tn_status append(recomputation *r, const tn_plan_step *step, tn_error *error) {
    if (r->n_steps == r->room) {
        r->room = 2 * r->room + 16;
        tn_plan_step *grown = realloc(r->steps, (size_t)r->room * sizeof *grown);
        if (!grown) return tn_fail_memory(error);
        r->steps = grown;
    }
    r->steps[r->n_steps++] = *step;
    return TN_OK;
}

/* A node like another one, in the graph's arena but not in its list, which is in the order of
 * computing: the plan alone holds it. */
static tn_status copy_node(tn_graph *graph, const tn_node *node, tn_value *const *inputs,
                           tn_node **copy, tn_error *error) {
    tn_value *more;
    int n_own = node->more ? node->more : node->n_inputs;
    TN_TRY(tn_graph_add_node(graph, node->op, node->name, node->attrs, inputs, n_own, copy, error));
    graph->n_nodes--;
    for (int i = n_own; i < node->n_inputs; i++) (*copy)->inputs[(*copy)->n_inputs++] = inputs[i];
    (*copy)->activation = node->activation;
    (*copy)->more = node->more;
    for (int i = (*copy)->n_outputs; i < node->n_outputs; i++)
        TN_TRY(tn_graph_add_output(graph, *copy, node->outputs[i]->dtype, &node->outputs[i]->shape,
                                   &more, error));
    for (int i = 0; i < node->n_outputs; i++)
        (*copy)->outputs[i]->channels = node->outputs[i]->channels;
    return TN_OK;
}

static tn_status find_in(recomputation *r, tn_value **v, int segment, tn_error *error);

static tn_status copy_step(recomputation *r, int step, int segment, tn_error *error) {
    tn_plan_step copy = r->plan->steps[step];
    tn_value *inputs[TN_MAX_INPUTS] = {NULL};
    tn_node *node;
    for (int i = 0; i < copy.node->n_inputs; i++) {
        inputs[i] = copy.node->inputs[i];
        TN_TRY(find_in(r, &inputs[i], segment, error));
    }
    TN_TRY(copy_node(r->plan->graph, copy.node, inputs, &node, error));
    for (int i = 0; i < node->n_outputs; i++) {
        fate *f = &r->fates[copy.node->outputs[i]->id];
        f->copy = node->outputs[i];
        f->copied_in = segment;
    }
    copy.node = node;
    copy.again = true;
    return append(r, &copy, error);
}

/* Turns *v into what stands for it in a segment: itself, if it is kept or made there; else a copy.
 * No deeper than a chain that has been accepted. */
static tn_status find_in(recomputation *r, tn_value **v, int segment, tn_error *error) {
    if (!*v) return TN_OK;
    const fate *f = &r->fates[(*v)->id];
    if (is_stored(f) || f->segment == segment) return TN_OK;
    if (f->copied_in != segment) TN_TRY(copy_step(r, f->step, segment, error));
    *v = f->copy;
    return TN_OK;
}

static tn_status rewrite(recomputation *r, tn_error *error) {
    tn_plan *plan = r->plan;
    for (int s = 0; s < plan->n_segments; s++) {
        tn_segment *segment = &plan->segments[s];
        int first = r->n_steps;
        for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
            tn_node *node = plan->graph->nodes[plan->steps[i].node->id];
            for (int k = 0; k < node->n_inputs; k++) {
                tn_value *v = node->inputs[k];
                TN_TRY(find_in(r, &v, s, error));
                if (v != node->inputs[k]) r->patches[r->n_patches++] = (patch){&node->inputs[k], v};
            }
            TN_TRY(append(r, &plan->steps[i], error));
        }
        segment->first_step = first;
        segment->n_steps = r->n_steps - first;
    }
    for (int i = 0; i < r->n_patches; i++) *r->patches[i].input = r->patches[i].copy;
    free(plan->steps);
    plan->steps = r->steps;
    plan->n_steps = r->n_steps;
    r->steps = NULL;
    return TN_OK;
}

tn_status tn_plan_recompute(tn_plan *plan, tn_error *error) {
    recomputation r = {.plan = plan};
    tn_status status = TN_OK;
    r.fates = calloc((size_t)plan->graph->n_values + 1, sizeof *r.fates);
    r.patches = calloc((size_t)plan->n_steps * TN_MAX_INPUTS + 1, sizeof *r.patches);
    if (r.fates && r.patches) {
        note_steps(&r);
        if (choose(&r)) status = rewrite(&r, error);
    } else {
        status = tn_fail_memory(error);
    }
    free(r.steps);
    free(r.patches);
    free(r.fates);
    return status;
}
