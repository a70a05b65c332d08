/* SPDX-License-Identifier: Apache-2.0 */
/* fold_affine.c: factors and offsets of channels become part of a product next to them.
 * Behind it:     (x·W + b)·s + t = x·(W·s) + (b·s + t), for each output
 * Before it:     (x·s + t)·W + b = x·(s·W) + (t·W + b), for each input; with padding, which is 0
 * and not t, only where t is 0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/affine.h"

enum { WEIGHT = 1, BIAS = 2 };

/* A weight as [groups][outer][each][inner][taps]: number (g, o, e, i, t); an output is (g, o) and
 * an input (g, i) where by_outputs, else the other way round. */
typedef struct weight_form {
    int64_t groups, outer, inner, taps;
    bool by_outputs;
} weight_form;

static bool is_product(const tn_op *op) {
    return op == &tn_op_conv || op == &tn_op_conv_transpose || op == &tn_op_gemm;
}

static weight_form form_of(const tn_node *node) {
    const int64_t *w = node->inputs[WEIGHT]->shape.dims;
    if (node->op == &tn_op_gemm) {
        const tn_gemm_attrs *a = node->attrs;
        return (weight_form){1, w[0], w[1], 1, a->trans_b != 0};
    }
    const tn_conv_attrs *a = node->attrs; /* those of ConvTranspose begin with them */
    int64_t taps = 1;
    for (int i = 2; i < node->inputs[WEIGHT]->shape.rank; i++) taps *= w[i];
    return (weight_form){a->group, w[0] / a->group, w[1], taps, node->op == &tn_op_conv};
}

static int64_t outputs_of(const weight_form *f) {
    return f->groups * (f->by_outputs ? f->outer : f->inner);
}

static int64_t inputs_of(const weight_form *f) {
    return f->groups * (f->by_outputs ? f->inner : f->outer);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* Of weight number (g, o, i): its output and its input. */
static void ends_of(const weight_form *f, int64_t g, int64_t o, int64_t i, int64_t *output,
                    int64_t *input) {
    *output = f->by_outputs ? g * f->outer + o : g * f->inner + i;
    *input = f->by_outputs ? g * f->inner + i : g * f->outer + o;
}

/* w · of_output · of_input, where NULL is 1. False, and nothing written, if numbers would be lost;
 * to may be NULL: only that is found out. */
static bool scale_weight(const weight_form *f, const float *w, const double *of_output,
                         const double *of_input, float *to) {
    int64_t at = 0, output, input;
    for (int64_t g = 0; g < f->groups; g++)
        for (int64_t o = 0; o < f->outer; o++)
            for (int64_t i = 0; i < f->inner; i++) {
                ends_of(f, g, o, i, &output, &input);
                double scale =
                    (of_output ? of_output[output] : 1) * (of_input ? of_input[input] : 1);
                for (int64_t t = 0; t < f->taps; t++, at++) {
                    float y = (float)((double)w[at] * scale);
                    if (!isfinite(y)) return false;
                    if (to) to[at] = y;
                }
            }
    return true;
}

/* sum[output] += Σ w · offset[input] */
static void add_offsets(const weight_form *f, const float *w, const double *offset, double *sum) {
    int64_t at = 0, output, input;
    for (int64_t g = 0; g < f->groups; g++)
        for (int64_t o = 0; o < f->outer; o++)
            for (int64_t i = 0; i < f->inner; i++) {
                ends_of(f, g, o, i, &output, &input);
                for (int64_t t = 0; t < f->taps; t++, at++)
                    sum[output] += (double)w[at] * offset[input];
            }
}

static bool all_are(int64_t n, const double *numbers, double what) {
    for (int64_t k = 0; k < n; k++)
        if (numbers[k] != what) return false;
    return true;
}

/* ---- Folding --------------------------------------------------------------------------------- */

/* Whether node is a product whose weight and bias are known numbers, one bias for each output. */
static bool can_fold(const tn_rewrite *r, const tn_node *node) {
    if (!is_product(node->op) || !tn_rewrite_numbers(r, node->inputs[WEIGHT])) return false;
    if (node->op == &tn_op_gemm) {
        const tn_gemm_attrs *a = node->attrs;
        if (a->trans_a || a->alpha != 1 || a->beta != 1) return false;
    }
    const weight_form f = form_of(node);
    const tn_value *bias = node->n_inputs > BIAS ? node->inputs[BIAS] : NULL;
    return !bias || (tn_rewrite_numbers(r, bias) && bias->shape.rank == 1 &&
                     bias->shape.dims[0] == outputs_of(&f));
}

/* bias = bias · scale + offset */
static bool fold_bias(tn_rewrite *r, tn_node *node, int64_t n, const double *scale,
                      const double *offset) {
    bool there = node->n_inputs > BIAS && node->inputs[BIAS];
    if (!there && all_are(n, offset, 0)) return true;
    float *bias =
        there ? tn_rewrite_own(r, node, BIAS) : tn_rewrite_add_input(r, node, BIAS, "bias", n);
    if (!bias) return false;
    for (int64_t k = 0; k < n; k++) bias[k] = (float)((double)bias[k] * scale[k] + offset[k]);
    return true;
}

static bool bias_fits(const tn_node *node, int64_t n, const double *scale, const double *offset) {
    const float *bias =
        node->n_inputs > BIAS && node->inputs[BIAS] ? node->inputs[BIAS]->data : NULL;
    for (int64_t k = 0; k < n; k++)
        if (!isfinite((float)((bias ? (double)bias[k] : 0) * scale[k] + offset[k]))) return false;
    return true;
}

/* y = y · scale + offset for each output; false, and nothing done, if that is not possible. */
static bool fold(tn_rewrite *r, tn_node *node, const double *of_output, const double *of_input,
                 const double *offset) {
    const weight_form f = form_of(node);
    int64_t n = outputs_of(&f);
    if (!bias_fits(node, n, of_output, offset) ||
        !scale_weight(&f, node->inputs[WEIGHT]->data, of_output, of_input, NULL))
        return false;
    float *w = tn_rewrite_own(r, node, WEIGHT);
    if (!w || !fold_bias(r, node, n, of_output, offset)) return false;
    return scale_weight(&f, w, of_output, of_input, w);
}

/* The affine node behind a product; false if there is none that can be folded. */
static bool fold_behind(tn_rewrite *r, tn_node *node) {
    tn_value *y = node->outputs[0];
    tn_node *next = tn_rewrite_only_user(r, y);
    tn_affine a;
    const weight_form f = form_of(node);
    if (!next || !tn_affine_begin(&a, outputs_of(&f))) return false;
    bool folded = tn_affine_compose(r, &a, next, y) && fold(r, node, a.scale, NULL, a.offset);
    if (folded) {
        tn_rewrite_set_output(node, next->outputs[0]);
        tn_rewrite_remove(r, next);
    }
    free(a.scale);
    return folded;
}

/* Whether some outputs do not meet all of the window. */
static bool is_padded(const tn_node *node) {
    if (node->op != &tn_op_conv) return node->op == &tn_op_conv_transpose;
    const tn_conv_attrs *a = node->attrs;
    for (int i = 0; i < a->pads.n; i++)
        if (a->pads.v[i] != 0) return true;
    return false;
}

/* What a product takes, without the affine node that made it. */
static void fold_before(tn_rewrite *r, tn_node *node) {
    tn_node *before = node->inputs[0]->producer;
    const weight_form f = form_of(node);
    int64_t n = outputs_of(&f);
    tn_affine a, ones;
    if (!before || !tn_rewrite_used(r, node->inputs[0], 1)) return;
    tn_value *x = before->inputs[0];
    if (before->n_inputs > 1 && before->op != &tn_op_batch_norm && tn_rewrite_numbers(r, x))
        x = before->inputs[1];
    if (!tn_affine_begin(&a, inputs_of(&f))) return;
    if (!tn_affine_begin(&ones, n)) goto end;
    if (tn_affine_compose(r, &a, before, x) &&
        (!is_padded(node) || all_are(a.channels, a.offset, 0))) {
        add_offsets(&f, node->inputs[WEIGHT]->data, a.offset, ones.offset);
        if (fold(r, node, ones.scale, a.scale, ones.offset)) {
            node->inputs[0] = x;
            tn_rewrite_remove(r, before);
        }
    }
    free(ones.scale);
end:
    free(a.scale);
}

void tn_pass_fold_affine(tn_rewrite *r) {
    for (int i = 0; i < r->graph->n_nodes; i++) {
        tn_node *node = r->graph->nodes[i];
        if (!node) continue;
        tn_rewrite_settle(r, node);
        if (!can_fold(r, node)) continue;
        fold_before(r, node);
        while (fold_behind(r, node)) continue;
    }
}
