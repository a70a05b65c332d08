/* SPDX-License-Identifier: Apache-2.0 */
/* autodiff.c: reverse-mode differentiation, graph to graph. */
#include <stdlib.h>

#include "graph/op.h"

/* The differentiation in progress; the graph points to it while operators are asked. */
typedef struct tn_differentiation {
    tn_value **gradients; /* by value id, of the values that were there at the start */
    bool *wanted;
    int n;
} differentiation;

tn_value *tn_gradient_of(const tn_graph *graph, const tn_value *output) {
    const differentiation *d = graph->differentiation;
    return output->id < d->n ? d->gradients[output->id] : NULL;
}

bool tn_gradient_wanted(const tn_graph *graph, const tn_value *input) {
    const differentiation *d = graph->differentiation;
    return input && input->id < d->n && d->wanted[input->id];
}

tn_status tn_gradient_add(tn_graph *graph, tn_value *input, tn_value *gradient, tn_error *error) {
    tn_value **sum = &graph->differentiation->gradients[input->id];
    if (!*sum) {
        *sum = gradient;
        return TN_OK;
    }
    tn_value *terms[] = {*sum, gradient};
    return tn_graph_apply(graph, &tn_op_add, NULL, terms, 2, sum, error);
}

static bool any_wanted(const differentiation *d, const tn_node *node) {
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && d->wanted[node->inputs[i]->id]) return true;
    return false;
}

/* Marks what the gradient must flow through: everything that depends on `also` or a parameter that
 * follows its gradient. */
static void mark_wanted(const tn_graph *graph, tn_value *const *also, int n_also,
                        differentiation *d) {
    for (int i = 0; i < graph->n_parameters; i++)
        d->wanted[graph->parameters[i]->id] =
            !graph->parameters[i]->statistic && !graph->parameters[i]->frozen;
    for (int i = 0; i < n_also; i++) d->wanted[also[i]->id] = true;
    for (int i = 0; i < graph->n_nodes; i++) {
        const tn_node *node = graph->nodes[i];
        if (any_wanted(d, node))
            for (int k = 0; k < node->n_outputs; k++) d->wanted[node->outputs[k]->id] = true;
    }
}

static tn_status differentiate_node(tn_graph *graph, tn_node *node, tn_error *error) {
    const differentiation *d = graph->differentiation;
    bool arrived = false;
    for (int k = 0; k < node->n_outputs; k++)
        if (tn_gradient_of(graph, node->outputs[k])) arrived = true;
    if (!arrived || !any_wanted(d, node)) return TN_OK;
    tn_status status = node->op->differentiate ? node->op->differentiate(graph, node, error)
                                               : tn_fail(error, TN_ERR_UNSUPPORTED,
                                                         "has no gradient (cannot train it)");
    if (status == TN_OK) return TN_OK;
    return tn_fail_within(error, status, "node \"%s\" (%s)", node->name, node->op->name);
}

tn_status tn_graph_differentiate(tn_graph *graph, tn_value *y, tn_value *dy, tn_value *const *also,
                                 int n_also, tn_value **gradients, tn_error *error) {
    differentiation d = {.gradients = gradients, .n = graph->n_values};
    d.wanted = calloc((size_t)d.n, sizeof *d.wanted);
    if (!d.wanted) return tn_fail_memory(error);
    for (int i = 0; i < d.n; i++) gradients[i] = NULL;
    mark_wanted(graph, also, n_also, &d);
    gradients[y->id] = dy;
    graph->differentiation = &d;
    tn_status status = TN_OK;
    for (int i = graph->n_nodes - 1; i >= 0 && status == TN_OK; i--)
        status = differentiate_node(graph, graph->nodes[i], error);
    graph->differentiation = NULL;
    free(d.wanted);
    return status;
}
