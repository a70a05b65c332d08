/* SPDX-License-Identifier: Apache-2.0 */
#include "passes/passes.h"

#include <stdlib.h>

#include "passes/rewrite.h"

static tn_pass_fn *const passes[] = {tn_pass_fuse_load, tn_pass_pool_first, tn_pass_fuse_pool,
                                     tn_pass_fuse_relu, tn_pass_fuse_norm,  tn_pass_fuse_loss};

tn_node *tn_rewrite_user(const tn_rewrite *r, const tn_value *v, const tn_op *op, int k) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (node && node->op == op && k < node->n_inputs && node->inputs[k] == v) return node;
    }
    return NULL;
}

/* What is used outside counts more than any graph has nodes. */
enum { OUTSIDE = 1 << 28 };

bool tn_rewrite_used(const tn_rewrite *r, const tn_value *v, int times) {
    return r->uses[v->id] == times;
}

/* False if out of memory. */
static bool count_uses(tn_rewrite *r) {
    const tn_graph *g = r->graph;
    free(r->uses);
    r->uses = calloc((size_t)g->n_values + 1, sizeof *r->uses);
    if (!r->uses) return false;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_inputs; k++)
            if (g->nodes[i]->inputs[k]) r->uses[g->nodes[i]->inputs[k]->id]++;
    for (int i = 0; i < g->n_outputs; i++) r->uses[g->outputs[i]->id] |= OUTSIDE;
    for (int i = 0; r->gradients && i < g->n_parameters; i++)
        if (r->gradients[i]) r->uses[r->gradients[i]->id] |= OUTSIDE;
    for (int i = 0; i < g->n_updates; i++) r->uses[g->updates[i]->value->id] |= OUTSIDE;
    return true;
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

static void close_gaps(tn_graph *g) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!g->nodes[i]) continue;
        g->nodes[n] = g->nodes[i];
        g->nodes[n]->id = n;
        n++;
    }
    g->n_nodes = n;
}

tn_status tn_passes_run(tn_graph *graph, tn_value *const *gradients, tn_error *error) {
    tn_rewrite r = {.graph = graph, .gradients = gradients};
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        if (!count_uses(&r)) return tn_fail_memory(error);
        passes[i](&r);
        close_gaps(graph);
    }
    free(r.uses);
    return TN_OK;
}
