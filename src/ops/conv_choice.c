/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/conv_choice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ops/conv_geometry.h"
#include "ops/tuning.h"

/* ---- The table ------------------------------------------------------------------------------- */

enum { FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT, N_PASSES, MOST_LEVELS = 3 };

static const struct {
    const char *word;
    const tn_op *op;
} passes[N_PASSES] = {[FORWARD] = {"forward", &tn_op_conv},
                      [INPUT_GRADIENT] = {"input-gradient", &tn_op_conv_grad_input},
                      [WEIGHT_GRADIENT] = {"weight-gradient", &tn_op_conv_grad_weight}};

/* A convolution and what is behind it; sparse is not asked for forward. */
typedef struct built_in {
    const char *levels[MOST_LEVELS]; /* of kernels; NULL is none */
    conv_choice_key shape;
    const char *implementations[N_PASSES];
} built_in;

/* By 3×3, on square images. */
#define VALID_3X3(c, o, size)                                                                      \
    .input = {c, size, size}, .weight = {o, c, 3, 3}, .strides = {1, 1}, .dilations = {1, 1}
#define SAME_3X3(c, o, size) VALID_3X3(c, o, size), .pads = {1, 1, 1, 1}

/* AVX-512 and NEON have the bits of AVX2, and so its choices. */
#define ALIKE                                                                                      \
    { "avx2", "avx512", "neon" }

/* Those of the built-in networks, on images of 28×28 and 32×32, as `tenon bench --tune` found them.
 */
static const built_in table[] = {
    /* levels  channels, outputs, image  forward     dx          dw */
    {ALIKE, {VALID_3X3(32, 64, 26), .sparse = 1}, {"winograd", "sparse", "sparse"}},
    {ALIKE, {SAME_3X3(16, 16, 28)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(16, 16, 32)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(32, 32, 14)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(32, 32, 16)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(32, 32, 28)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(32, 64, 14)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(64, 64, 7)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(64, 64, 8)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(64, 64, 14)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(64, 128, 7)}, {"winograd", "winograd", "winograd"}},
    {ALIKE, {SAME_3X3(128, 128, 7)}, {"winograd", "winograd", "winograd-2x2"}},
};

enum { N_ROWS = sizeof table / sizeof table[0] };

static bool is_for(const built_in *row, const char *level) {
    for (int i = 0; i < MOST_LEVELS && row->levels[i]; i++)
        if (strcmp(row->levels[i], level) == 0) return true;
    return false;
}

static conv_choice choice_of(const built_in *row, int pass) {
    conv_choice choice = {row->shape, row->implementations[pass]};
    choice.key.op = passes[pass].op;
    if (pass == FORWARD) choice.key.sparse = 0;
    return choice;
}

bool conv_choice_built_in(int i, const char *level, conv_choice *choice) {
    for (int row = 0; row < N_ROWS; row++)
        if (is_for(&table[row], level) && (i -= N_PASSES) < 0) {
            *choice = choice_of(&table[row], i + N_PASSES);
            return true;
        }
    return false;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static int place_of(const tn_op *op) {
    int i = 0;
    while (i < N_PASSES && passes[i].op != op) i++;
    return i;
}

const char *conv_pass_word(const tn_op *op) { return passes[place_of(op)].word; }

const tn_op *conv_pass_op(const char *word) {
    for (int i = 0; i < N_PASSES; i++)
        if (strcmp(passes[i].word, word) == 0) return passes[i].op;
    return NULL;
}

static conv_choice_key make_key(const tn_op *op, const conv_geometry *g, bool sparse) {
    return (conv_choice_key){.op = op,
                             .input = {g->c, g->h, g->w},
                             .weight = {g->o, g->cg, g->r, g->s},
                             .strides = {g->stride_h, g->stride_w},
                             .pads = {g->pad_top, g->pad_left, g->pad_bottom, g->pad_right},
                             .dilations = {g->dilation_h, g->dilation_w},
                             .sparse = sparse};
}

bool conv_choice_key_of(const tn_node *node, const tn_kernels *kernels, conv_choice_key *key) {
    if (node->n_inputs == 0 || node->inputs[0]->shape.rank == 5) return false; /* volumes */
    if (node->op == &tn_op_conv) {
        const conv_geometry g = conv_geometry_of(node);
        *key = make_key(&tn_op_conv, &g, false);
    } else if (node->op == &tn_op_conv_grad_input) {
        const conv_geometry g = conv_grad_input_geometry(node);
        *key = make_key(node->op, &g, conv_grad_input_is_sparse(node));
    } else if (node->op == &tn_op_conv_grad_weight) {
        const conv_geometry g = conv_grad_weight_geometry(node);
        *key = make_key(node->op, &g, conv_grad_weight_is_sparse(node, kernels));
    } else {
        return false;
    }
    return true;
}

static int compare_numbers(const int64_t *a, const int64_t *b, int n) {
    for (int i = 0; i < n; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

int conv_choice_compare(const conv_choice_key *a, const conv_choice_key *b) {
    int order = compare_numbers(a->input, b->input, 3);
    if (order == 0) order = compare_numbers(a->weight, b->weight, 4);
    if (order == 0) order = compare_numbers(a->strides, b->strides, 2);
    if (order == 0) order = compare_numbers(a->pads, b->pads, 4);
    if (order == 0) order = compare_numbers(a->dilations, b->dilations, 2);
    if (order == 0) order = compare_numbers(&a->sparse, &b->sparse, 1);
    return order != 0 ? order : place_of(a->op) - place_of(b->op);
}

/* Appends ", NAME 1,2" unless all numbers are `usual`. */
static int print_unusual(char *text, size_t room, const char *name, const int64_t *v, int n,
                         int64_t usual) {
    int used = 0, unusual = 0;
    for (int i = 0; i < n; i++) unusual += v[i] != usual;
    for (int i = 0; i < n && unusual; i++)
        used += snprintf(text + used, room - (size_t)used, "%s%s%s%" PRId64, i == 0 ? ", " : "",
                         i == 0 ? name : "", i == 0 ? " " : ",", v[i]);
    return used;
}

char *conv_choice_shape_text(const conv_choice_key *k, char text[CONV_CHOICE_TEXT]) {
    size_t room = CONV_CHOICE_TEXT;
    int n = snprintf(text, room,
                     "%" PRId64 "x%" PRId64 "x%" PRId64 " by %" PRId64 "x%" PRId64 "x%" PRId64
                     "x%" PRId64,
                     k->input[0], k->input[1], k->input[2], k->weight[0], k->weight[1],
                     k->weight[2], k->weight[3]);
    n += print_unusual(text + n, room - (size_t)n, "strides", k->strides, 2, 1);
    n += print_unusual(text + n, room - (size_t)n, "pads", k->pads, 4, 0);
    n += print_unusual(text + n, room - (size_t)n, "dilations", k->dilations, 2, 1);
    snprintf(text + n, room - (size_t)n, "%s", k->sparse ? ", sparse" : "");
    return text;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

int conv_choice_candidates(const tn_node *node, const tn_kernels *kernels, const char **names) {
    int n = 0;
    for (const tn_implementation *const *i = node->op->implementations; *i; i++)
        if ((*i)->stored == TN_STORED_BY_SAMPLE &&
            (!(*i)->applies || (*i)->applies(node, kernels)) && n < TN_TUNING_MAX_CANDIDATES)
            names[n++] = (*i)->name;
    return n;
}

const char *conv_choose(const tn_node *node, const tn_kernels *kernels, const tn_tuning *tuning) {
    conv_choice_key key;
    if (!conv_choice_key_of(node, kernels, &key)) return NULL;
    const char *tuned = tuning ? tn_tuning_find(tuning, &key) : NULL;
    if (tuned) return tuned;
    conv_choice choice;
    for (int i = 0; !kernels->direct && conv_choice_built_in(i, kernels->level, &choice); i++)
        if (conv_choice_compare(&choice.key, &key) == 0) return choice.implementation;
    return NULL;
}
