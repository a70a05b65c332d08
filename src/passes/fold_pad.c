/* SPDX-License-Identifier: Apache-2.0 */
/* fold_pad.c: zeros put around an image by a node of their own become padding of the Conv that
 * takes it. */
#include <string.h>

#include "ops/ops.h"
#include "passes/rewrite.h"

enum { SPATIAL = 2 }; /* the first axis of those that a Conv pads */

/* Zeros, and only along axes that are the image's. */
static bool is_border_of_zeros(const tn_node *pad) {
    const tn_pad_attrs *a = pad->attrs;
    int rank = pad->inputs[0]->shape.rank;
    if (strcmp(a->mode, "constant") != 0 || a->value != 0 || a->axes.n != 0 ||
        a->pads.n != 2 * rank)
        return false;
    for (int i = 0; i < 2 * rank; i++)
        if (a->pads.v[i] < 0 || (i % rank < SPATIAL && a->pads.v[i] != 0)) return false;
    return true;
}

static void fold(tn_rewrite *r, tn_node *conv, tn_node *pad) {
    tn_conv_attrs *a = conv->attrs;
    const tn_ints *border = &((const tn_pad_attrs *)pad->attrs)->pads;
    int rank = pad->inputs[0]->shape.rank, axes = rank - SPATIAL;
    if (a->pads.n != 2 * axes) return;
    for (int i = 0; i < axes; i++) {
        a->pads.v[i] += border->v[SPATIAL + i];
        a->pads.v[axes + i] += border->v[rank + SPATIAL + i];
    }
    conv->inputs[0] = pad->inputs[0];
    tn_rewrite_remove(r, pad);
}

void tn_pass_fold_pad(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *conv = r->graph->nodes[i];
        if (!conv) continue;
        tn_rewrite_settle(r, conv);
        tn_node *pad = conv->op == &tn_op_conv ? conv->inputs[0]->producer : NULL;
        if (pad && pad->op == &tn_op_pad && tn_rewrite_used(r, conv->inputs[0], 1) &&
            is_border_of_zeros(pad))
            fold(r, conv, pad);
    }
}
