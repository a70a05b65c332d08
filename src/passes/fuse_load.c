/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_load.c: normalisation, written as nodes behind LoadPixels, becomes part of loading.
 * Additions and products of constants, one number for each channel, are gathered as x · scale +
 * offset. */
#include <math.h>
#include <stdlib.h>

#include "ops/ops.h"
#include "passes/rewrite.h"

typedef struct gathering {
    int64_t channels;
    double *scale, *offset; /* [channels] */
} gathering;

static bool gathers(const tn_op *op) {
    return op == &tn_op_add || op == &tn_op_sub || op == &tn_op_mul || op == &tn_op_div;
}

/* The input that has one number, or one for each channel of x; NULL if there is none that op takes
 * from this side. */
static const tn_value *constant_of(const tn_node *node, const tn_value *x) {
    bool first = node->inputs[0] == x, commutes = node->op == &tn_op_add || node->op == &tn_op_mul;
    const tn_value *c = node->inputs[first ? 1 : 0];
    if ((!first && !commutes) || c->kind != TN_VALUE_CONSTANT || c->dtype != TN_FLOAT32 ||
        !tn_shape_equal(&node->outputs[0]->shape, &x->shape))
        return NULL;
    for (int i = 0; i < c->shape.rank; i++)
        if (c->shape.dims[i] != 1 && i + x->shape.rank - c->shape.rank != 1) return NULL;
    return c;
}

/* False, and nothing gathered, if numbers would be lost. */
static bool gather(const gathering *g, const tn_op *op, const tn_value *constant) {
    const float *c = constant->data;
    bool single = tn_shape_elements(&constant->shape) == 1;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t k = 0; k < g->channels; k++) {
            double number = (double)c[single ? 0 : k], scale = g->scale[k], offset = g->offset[k];
            if (op == &tn_op_add) offset += number;
            if (op == &tn_op_sub) offset -= number;
            if (op == &tn_op_mul || op == &tn_op_div) {
                scale = op == &tn_op_mul ? scale * number : scale / number;
                offset = op == &tn_op_mul ? offset * number : offset / number;
            }
            if (!isfinite((float)scale) || !isfinite((float)offset)) return false;
            if (pass == 0) continue;
            g->scale[k] = scale;
            g->offset[k] = offset;
        }
    return true;
}

/* The only user of v among the operators that can be gathered. */
static tn_node *next_of(const tn_rewrite *rewrite, const tn_value *v) {
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *node = rewrite->graph->nodes[i];
        if (node && gathers(node->op) && (node->inputs[0] == v || node->inputs[1] == v))
            return tn_rewrite_used(rewrite, v, 1) ? node : NULL;
    }
    return NULL;
}

static bool add_constant(tn_graph *graph, int64_t n, const double *numbers, tn_value **constant) {
    float *data = malloc((size_t)n * sizeof *data);
    if (!data) return false;
    for (int64_t k = 0; k < n; k++) data[k] = (float)numbers[k];
    tn_status status = tn_graph_add_constant(graph, NULL, 1, &n, data, constant, NULL);
    free(data);
    return status == TN_OK;
}

/* What follows `load` is gathered as long as it can be; the last value is then that of load. */
static void fuse(tn_rewrite *rewrite, tn_node *load, const gathering *g) {
    enum { MOST = 8 };
    tn_node *next, *gathered[MOST];
    int n = 0;
    for (tn_value *v = load->outputs[0]; n < MOST && (next = next_of(rewrite, v)); n++) {
        const tn_value *constant = constant_of(next, v);
        if (!constant || !gather(g, next->op, constant)) break;
        gathered[n] = next;
        v = next->outputs[0];
    }
    if (n == 0 || !add_constant(rewrite->graph, g->channels, g->scale, &load->inputs[1]) ||
        !add_constant(rewrite->graph, g->channels, g->offset, &load->inputs[2]))
        return;
    load->n_inputs = 3;
    tn_rewrite_set_output(load, gathered[n - 1]->outputs[0]);
    for (int i = 0; i < n; i++) tn_rewrite_remove(rewrite, gathered[i]);
}

void tn_pass_fuse_load(tn_rewrite *rewrite) {
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *load = rewrite->graph->nodes[i];
        if (!load || load->op != &tn_op_load_pixels || load->n_inputs > 1) continue;
        gathering g = {.channels = load->outputs[0]->shape.dims[1]};
        double *numbers = malloc(2 * (size_t)g.channels * sizeof *numbers + 1);
        if (!numbers) return;
        g.scale = numbers;
        g.offset = numbers + g.channels;
        for (int64_t k = 0; k < g.channels; k++) {
            g.scale[k] = 1;
            g.offset[k] = 0;
        }
        fuse(rewrite, load, &g);
        free(numbers);
    }
}
