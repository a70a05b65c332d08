/* SPDX-License-Identifier: Apache-2.0 */
/* drop_dead.c: what no output needs goes: nodes, then weights and constants, which would be given a
 * place or written to a file. */
#include <stdlib.h>

#include "passes/rewrite.h"

static void mark_producer(bool *live, const tn_value *v) {
    if (v && v->producer) live[v->producer->id] = true;
}

static void drop_nodes(tn_rewrite *r, bool *live) {
    const tn_graph *g = r->graph;
    for (int i = 0; i < g->n_outputs; i++) mark_producer(live, g->outputs[i]);
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        tn_node *node = g->nodes[i];
        for (int k = 0; k < node->n_inputs && live[i]; k++) mark_producer(live, node->inputs[k]);
        if (!live[i]) tn_rewrite_remove(r, node);
    }
}

static void mark_values(const tn_graph *g, bool *needed) {
    for (int i = 0; i < g->n_inputs; i++) needed[g->inputs[i]->id] = true;
    for (int i = 0; i < g->n_outputs; i++) needed[g->outputs[i]->id] = true;
    for (int i = 0; i < g->n_nodes; i++) {
        const tn_node *node = g->nodes[i];
        for (int k = 0; node && k < node->n_inputs; k++)
            if (node->inputs[k]) needed[node->inputs[k]->id] = true;
        for (int k = 0; node && k < node->n_outputs; k++) needed[node->outputs[k]->id] = true;
    }
}

void tn_pass_drop_dead(tn_rewrite *r) {
    int n_values = r->graph->n_values, n_nodes = r->graph->n_nodes;
    bool *marks = calloc((size_t)(n_values > n_nodes ? n_values : n_nodes) + 1, sizeof *marks);
    if (!marks) return;
    drop_nodes(r, marks);
    for (int i = 0; i < n_nodes; i++) marks[i] = false;
    for (int i = 0; i < n_values; i++) marks[i] = false;
    mark_values(r->graph, marks);
    tn_graph_drop_values(r->graph, marks);
    free(marks);
}
