/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c: weights that passes read and change. */
#include <string.h>

#include "passes/rewrite.h"

const float *tn_rewrite_numbers(const tn_rewrite *r, const tn_value *v) {
    bool known =
        v && (v->kind == TN_VALUE_CONSTANT || (r->inference && v->kind == TN_VALUE_PARAMETER));
    return known && v->dtype == TN_FLOAT32 ? v->data : NULL;
}

float *tn_rewrite_own(tn_rewrite *r, tn_node *node, int k) {
    tn_value *v = node->inputs[k];
    size_t bytes = (size_t)tn_shape_elements(&v->shape) * sizeof(float);
    float *numbers = tn_arena_copy(&r->graph->arena, v->data, bytes);
    if (!numbers) return NULL;
    if (!tn_rewrite_used(r, v, 1)) {
        tn_value *own;
        if (tn_graph_add_value(r->graph, v->kind, v->name, v->dtype, &v->shape, NULL, &own, NULL) !=
            TN_OK)
            return NULL;
        if (v->id < r->n_values) r->uses[v->id]--;
        node->inputs[k] = v = own;
    }
    v->data = numbers;
    v->statistic = false;
    return numbers;
}

float *tn_rewrite_add_input(tn_rewrite *r, tn_node *node, int k, const char *word, int64_t n) {
    tn_arena *arena = &r->graph->arena;
    const tn_shape shape = {.rank = 1, .dims = {n}};
    char *name = tn_arena_printf(arena, "%s.%s", node->name, word);
    float *numbers = tn_arena_alloc(arena, (size_t)n * sizeof *numbers + 1);
    tn_value *v;
    if (!name || !numbers ||
        tn_graph_add_value(r->graph, TN_VALUE_PARAMETER, name, TN_FLOAT32, &shape, NULL, &v,
                           NULL) != TN_OK)
        return NULL;
    memset(numbers, 0, (size_t)n * sizeof *numbers);
    v->data = numbers;
    node->inputs[k] = v;
    if (node->n_inputs <= k) node->n_inputs = k + 1;
    return numbers;
}
