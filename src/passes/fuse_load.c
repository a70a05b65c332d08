/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_load.c: normalisation, written as nodes behind LoadPixels, becomes part of loading. */
#include <stdlib.h>

#include "ops/ops.h"
#include "passes/affine.h"

static bool add_constant(tn_graph *graph, int64_t n, const double *numbers, tn_value **constant) {
    float *data = malloc((size_t)n * sizeof *data);
    if (!data) return false;
    for (int64_t k = 0; k < n; k++) data[k] = (float)numbers[k];
    tn_status status = tn_graph_add_constant(graph, NULL, 1, &n, data, constant, NULL);
    free(data);
    return status == TN_OK;
}

/* What follows `load` is gathered as long as it can be; the last value is then that of load. */
static void fuse(tn_rewrite *rewrite, tn_node *load, tn_affine *affine) {
    enum { MOST = 8 };
    tn_node *next, *gathered[MOST];
    int n = 0;
    for (tn_value *v = load->outputs[0]; n < MOST; n++) {
        next = tn_rewrite_only_user(rewrite, v);
        if (!next || !tn_affine_compose(rewrite, affine, next, v)) break;
        gathered[n] = next;
        v = next->outputs[0];
    }
    if (n == 0 ||
        !add_constant(rewrite->graph, affine->channels, affine->scale, &load->inputs[1]) ||
        !add_constant(rewrite->graph, affine->channels, affine->offset, &load->inputs[2]))
        return;
    load->n_inputs = 3;
    tn_rewrite_set_output(load, gathered[n - 1]->outputs[0]);
    for (int i = 0; i < n; i++) tn_rewrite_remove(rewrite, gathered[i]);
}

void tn_pass_fuse_load(tn_rewrite *rewrite) {
    for (int i = 0; i < rewrite->graph->n_nodes; i++) {
        tn_node *load = rewrite->graph->nodes[i];
        tn_affine affine;
        if (!load || load->op != &tn_op_load_pixels || load->n_inputs > 1) continue;
        if (!tn_affine_begin(&affine, load->outputs[0]->shape.dims[1])) return;
        fuse(rewrite, load, &affine);
        free(affine.scale);
    }
}
