/* SPDX-License-Identifier: Apache-2.0 */
/* make_gemm.c: MatMul of rows and a stored matrix, and the addition of a bias, as exporters write
 * fully connected layers of more than two dimensions, are a Gemm. */
#include "ops/ops.h"
#include "passes/rewrite.h"

static bool suits(const tn_rewrite *r, const tn_node *product) {
    return product->op == &tn_op_mat_mul && product->inputs[0]->shape.rank == 2 &&
           product->inputs[1]->shape.rank == 2 && tn_rewrite_numbers(r, product->inputs[1]);
}

/* The bias that `add` adds to y: a row, or one number. */
static tn_value *bias_of(const tn_rewrite *r, const tn_node *add, const tn_value *y) {
    tn_value *bias = add->inputs[add->inputs[0] == y ? 1 : 0];
    int64_t n = tn_shape_elements(&bias->shape);
    bool row = n == y->shape.dims[1] && bias->shape.rank > 0 &&
               bias->shape.dims[bias->shape.rank - 1] == n;
    if (!tn_rewrite_numbers(r, bias) || bias->shape.rank > 2 || !(row || n == 1)) return NULL;
    return tn_shape_equal(&add->outputs[0]->shape, &y->shape) ? bias : NULL;
}

static void make(tn_rewrite *r, tn_node *product) {
    tn_value *y = product->outputs[0];
    tn_node *add = tn_rewrite_only_user(r, y);
    tn_value *bias = add && add->op == &tn_op_add ? bias_of(r, add, y) : NULL;
    tn_gemm_attrs plain;
    if (!bias) return;
    tn_attrs_init(&tn_op_gemm, &plain);
    void *attrs = tn_arena_copy(&r->graph->arena, &plain, sizeof plain);
    if (!attrs) return;
    product->op = &tn_op_gemm;
    product->attrs = attrs;
    product->inputs[2] = bias;
    product->n_inputs = 3;
    tn_rewrite_set_output(product, add->outputs[0]);
    tn_rewrite_remove(r, add);
}

void tn_pass_make_gemm(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (!node) continue;
        tn_rewrite_settle(r, node);
        if (suits(r, node)) make(r, node);
    }
}
