/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/passes.h"

#include <stdlib.h>

#include "passes/rewrite.h"

static tn_pass_fn *const training[] = {tn_pass_fuse_load,
                                       tn_pass_pool_first,
                                       tn_pass_fuse_pool,
                                       tn_pass_fuse_end,
                                       tn_pass_fuse_norm,
                                       tn_pass_fuse_loss,
                                       NULL};

/* Each may make room for the others, so they are repeated until no node goes. */
static tn_pass_fn *const simplifying[] = {tn_pass_drop_dead,       tn_pass_fold_constants,
                                          tn_pass_drop_identities, tn_pass_merge_common,
                                          tn_pass_recognise,       tn_pass_make_gemm,
                                          tn_pass_fold_affine,     tn_pass_fold_pad,
                                          tn_pass_drop_dead,       NULL};

/* A Relu costs less at the end of a product than behind a pool of fewer elements. */
static tn_pass_fn *const fusing[] = {
    tn_pass_fuse_load,  tn_pass_fuse_gelu, tn_pass_fuse_silu, tn_pass_fuse_end,
    tn_pass_pool_first, tn_pass_fuse_pool, tn_pass_drop_dead, NULL};

enum { MOST_ROUNDS = 8 };

/* ---- One pass -------------------------------------------------------------------------------- */

/* What is used outside counts more than any graph has nodes. */
enum { OUTSIDE = 1 << 28 };

static void rewrite_end(tn_rewrite *r) {
    free(r->uses);
    free(r->users);
    free(r->instead);
}

static tn_status rewrite_begin(tn_rewrite *r, tn_error *error) {
    const tn_graph *g = r->graph;
    size_t n = (size_t)g->n_values + 1;
    r->n_values = g->n_values;
    r->uses = calloc(n, sizeof *r->uses);
    r->users = calloc(n, sizeof(tn_node *));
    r->instead = calloc(n, sizeof(tn_value *));
    if (!r->uses || !r->users || !r->instead) {
        rewrite_end(r);
        return tn_fail_memory(error);
    }
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_inputs; k++) {
            const tn_value *v = g->nodes[i]->inputs[k];
            if (!v) continue;
            r->uses[v->id]++;
            r->users[v->id] = g->nodes[i];
        }
    for (int i = 0; i < g->n_outputs; i++) r->uses[g->outputs[i]->id] |= OUTSIDE;
    for (int i = 0; r->gradients && i < g->n_parameters; i++)
        if (r->gradients[i]) r->uses[r->gradients[i]->id] |= OUTSIDE;
    for (int i = 0; i < g->n_updates; i++) r->uses[g->updates[i]->value->id] |= OUTSIDE;
    return TN_OK;
}

static void close_gaps(tn_rewrite *r) {
    tn_graph *g = r->graph;
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!g->nodes[i]) continue;
        g->nodes[n] = g->nodes[i];
        g->nodes[n]->id = n;
        tn_rewrite_settle(r, g->nodes[n]);
        n++;
    }
    g->n_nodes = n;
}

static tn_status run_list(tn_pass_fn *const *list, tn_rewrite r, tn_error *error) {
    for (; *list; list++) {
        TN_TRY(rewrite_begin(&r, error));
        (*list)(&r);
        close_gaps(&r);
        rewrite_end(&r);
    }
    return TN_OK;
}

tn_status tn_passes_run(tn_graph *graph, tn_value *const *gradients, tn_error *error) {
    return run_list(training, (tn_rewrite){.graph = graph, .gradients = gradients}, error);
}

tn_status tn_passes_simplify(tn_graph *graph, tn_error *error) {
    for (int round = 0, before = -1; round < MOST_ROUNDS && graph->n_nodes != before; round++) {
        before = graph->n_nodes;
        TN_TRY(run_list(simplifying, (tn_rewrite){.graph = graph, .inference = true}, error));
    }
    return TN_OK;
}

tn_status tn_passes_optimise(tn_graph *graph, tn_error *error) {
    TN_TRY(tn_passes_simplify(graph, error));
    return run_list(fusing, (tn_rewrite){.graph = graph, .inference = true}, error);
}

/* ---- What passes do -------------------------------------------------------------------------- */

tn_node *tn_rewrite_user(const tn_rewrite *r, const tn_value *v, const tn_op *op, int k) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (node && node->op == op && k < node->n_inputs && node->inputs[k] == v) return node;
    }
    return NULL;
}

bool tn_rewrite_used(const tn_rewrite *r, const tn_value *v, int times) {
    return v->id < r->n_values && r->uses[v->id] == times;
}

tn_node *tn_rewrite_only_user(const tn_rewrite *r, const tn_value *v) {
    tn_node *user = tn_rewrite_used(r, v, 1) ? r->users[v->id] : NULL;
    if (user) tn_rewrite_settle(r, user);
    return user && r->graph->nodes[user->id] == user ? user : NULL;
}

void tn_rewrite_remove(tn_rewrite *r, tn_node *node) { r->graph->nodes[node->id] = NULL; }

void tn_rewrite_exchange(tn_rewrite *r, tn_node *a, tn_node *b) {
    int id = a->id;
    r->graph->nodes[a->id = b->id] = a;
    r->graph->nodes[b->id = id] = b;
}

void tn_rewrite_set_output(tn_node *node, tn_value *v) {
    node->outputs[0] = v;
    v->producer = node;
}

void tn_rewrite_settle(const tn_rewrite *r, tn_node *node) {
    for (int k = 0; k < node->n_inputs; k++)
        while (node->inputs[k] && node->inputs[k]->id < r->n_values &&
               r->instead[node->inputs[k]->id])
            node->inputs[k] = r->instead[node->inputs[k]->id];
}

bool tn_rewrite_is_inside(const tn_rewrite *r, const tn_value *v) {
    return v->id < r->n_values && r->uses[v->id] < OUTSIDE;
}

void tn_rewrite_replace(tn_rewrite *r, tn_value *v, tn_value *other) {
    r->instead[v->id] = other;
    if (other->id >= r->n_values) return;
    r->uses[other->id] += r->uses[v->id];
    if (r->users[v->id]) r->users[other->id] = r->users[v->id];
}

/* What makes v makes y instead, which has a name that must stay. */
static bool take_over(tn_rewrite *r, tn_value *v, tn_value *y) {
    tn_node *producer = v->producer;
    if (!producer || !tn_rewrite_is_inside(r, v)) return false;
    for (int k = 0; k < producer->n_outputs; k++)
        if (producer->outputs[k] == v) producer->outputs[k] = y;
    y->producer = producer;
    r->uses[v->id]--; /* by the node that is removed */
    tn_rewrite_replace(r, v, y);
    return true;
}

bool tn_rewrite_bypass(tn_rewrite *r, tn_node *node, tn_value *v) {
    tn_value *y = node->outputs[0];
    if (v->id >= r->n_values || y->id >= r->n_values) return false;
    if (tn_rewrite_is_inside(r, y)) {
        r->uses[v->id]--;
        tn_rewrite_replace(r, y, v);
    } else if (!take_over(r, v, y)) {
        return false;
    }
    tn_rewrite_remove(r, node);
    return true;
}
