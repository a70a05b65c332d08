/* SPDX-License-Identifier: Apache-2.0 */
/* test_random_graphs.c: graphs of all operators put together by chance, planned and run, against
 * plain loops in double over canonical tensors that know nothing of layouts, tiles and places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/philox.h"
#include "base/size.h"
#include "cpu/isa.h"
#include "graph/plan_parts.h"
#include "ops/ops.h"
#include "passes/passes.h"

enum { GRAPHS = 400, BATCH = 5, SHARDS = 4, MOST_OUTPUTS = 8 };

/* ---- Graphs ---------------------------------------------------------------------------------- */

typedef struct maker {
    tn_graph *graph;
    tn_random random;
    tn_value *batched[32]; /* what nodes can go on with */
    int n_batched;
} maker;

static tn_error error;

static void check(tn_status status) {
    if (status != TN_OK) fail_msg("%s", error.message);
}

/* In low..high */
static int64_t pick(maker *m, int64_t low, int64_t high) {
    return low + (int64_t)tn_random_below(&m->random, (uint32_t)(high - low + 1));
}

static bool chance(maker *m, int one_in) { return pick(m, 1, one_in) == 1; }

static tn_value *new_value(maker *m, tn_value_kind kind, tn_shape shape) {
    tn_value *v;
    float *data = NULL;
    int64_t n = tn_shape_elements(&shape);
    if (kind != TN_VALUE_INPUT) {
        data = malloc((size_t)n * sizeof *data + 1);
        for (int64_t i = 0; i < n; i++) data[i] = (float)tn_random_uniform(&m->random) - 0.5f;
    }
    check(tn_graph_add_value(m->graph, kind, NULL, TN_FLOAT32, &shape, data, &v, &error));
    free(data);
    return v;
}

static tn_value *new_weight(maker *m, tn_shape shape) {
    return new_value(m, chance(m, 4) ? TN_VALUE_CONSTANT : TN_VALUE_PARAMETER, shape);
}

/* NULL if the operator does not take this. */
static tn_value *apply(maker *m, const tn_op *op, const void *attrs, tn_value *a, tn_value *b,
                       tn_value *c) {
    tn_value *in[] = {a, b, c}, *y;
    if (tn_graph_apply(m->graph, op, attrs, in, c ? 3 : b ? 2 : 1, &y, &error) != TN_OK)
        return NULL;
    return y;
}

static tn_value *make_conv(maker *m, tn_value *x) {
    tn_conv_attrs a;
    int64_t c = x->shape.dims[1];
    tn_attrs_init(&tn_op_conv, &a);
    a.group = chance(m, 4) ? c : 1;
    a.strides = (tn_ints){2, {pick(m, 1, 2), pick(m, 1, 3)}};
    a.dilations = (tn_ints){2, {pick(m, 1, 2), 1}};
    a.pads = (tn_ints){4, {pick(m, 0, 2), pick(m, 0, 2), pick(m, 0, 2), pick(m, 0, 2)}};
    int64_t o = a.group * pick(m, 1, a.group > 1 ? 2 : 20);
    tn_shape w = {.rank = 4, .dims = {o, c / a.group, pick(m, 1, 3), pick(m, 1, 3)}};
    return apply(m, &tn_op_conv, &a, x, new_weight(m, w),
                 chance(m, 2) ? new_weight(m, (tn_shape){1, {o}, false}) : NULL);
}

static tn_value *make_pool(maker *m, tn_value *x) {
    const tn_op *op = chance(m, 2) ? &tn_op_max_pool : &tn_op_average_pool;
    tn_pool_attrs a;
    tn_attrs_init(op, &a);
    a.kernel_shape = (tn_ints){2, {pick(m, 1, 3), pick(m, 1, 3)}};
    a.strides = (tn_ints){2, {pick(m, 1, 3), pick(m, 1, 2)}};
    a.pads = (tn_ints){4, {pick(m, 0, 1), pick(m, 0, 1), pick(m, 0, 1), pick(m, 0, 1)}};
    a.ceil_mode = pick(m, 0, 1);
    if (op == &tn_op_max_pool) a.dilations = (tn_ints){2, {1, pick(m, 1, 3)}};
    if (op == &tn_op_average_pool) a.count_include_pad = pick(m, 0, 1);
    if (chance(m, 3)) { /* windows of 2x2 side by side have ways of their own */
        a.kernel_shape = a.strides = (tn_ints){2, {2, 2}};
        a.dilations = (tn_ints){2, {1, 1}};
        a.pads = (tn_ints){4, {0, 0, 0, 0}};
    }
    if (chance(m, 2)) x = apply(m, &tn_op_relu, NULL, x, NULL, NULL);
    return apply(m, op, &a, x, NULL, NULL);
}

static tn_value *make_global_pool(maker *m, tn_value *x) {
    const tn_op *op = chance(m, 3) ? &tn_op_global_max_pool : &tn_op_global_average_pool;
    return apply(m, op, NULL, x, NULL, NULL);
}

/* Over any axes but the samples'. */
static tn_value *make_mean(maker *m, tn_value *x) {
    tn_reduce_attrs a = {.keepdims = pick(m, 0, 1)};
    for (int axis = x->shape.rank - 1; axis > 0; axis--)
        if (chance(m, 2)) a.axes.v[a.axes.n++] = chance(m, 2) ? axis : axis - x->shape.rank;
    return a.axes.n > 0 ? apply(m, &tn_op_reduce_mean, &a, x, NULL, NULL) : NULL;
}

static tn_value *make_gemm(maker *m, tn_value *x) {
    tn_gemm_attrs a;
    tn_attrs_init(&tn_op_gemm, &a);
    a.trans_b = pick(m, 0, 1);
    if (chance(m, 16)) a.alpha = 0.5; /* and no gradient */
    if (x->shape.rank != 2) return NULL;
    int64_t k = x->shape.dims[1], o = chance(m, 16) ? 1 + 70000 / k : pick(m, 1, 40);
    if (o > 2000) o = 3;
    tn_value *w =
        new_weight(m, a.trans_b ? (tn_shape){2, {o, k}, false} : (tn_shape){2, {k, o}, false});
    const tn_shape c[] = {{1, {o}, false}, {2, {1, o}, false}, {1, {1}, false}, {0}};
    if (chance(m, 16)) w = apply(m, &tn_op_relu, NULL, w, NULL, NULL); /* likewise */
    return apply(m, &tn_op_gemm, &a, x, w, chance(m, 5) ? NULL : new_weight(m, c[pick(m, 0, 3)]));
}

/* Of some of the axes of a sample like x, not all at their full length. */
static tn_shape part_of(maker *m, const tn_shape *x) {
    tn_shape part = {.rank = (int)pick(m, 0, x->rank)};
    for (int i = 0; i < part.rank; i++) {
        int axis = i + x->rank - part.rank;
        part.dims[i] = axis == 0 || chance(m, 3) ? 1 : x->dims[axis];
    }
    return part;
}

/* A function of single numbers, or one of two with a weight that belongs to x. */
static tn_value *make_activation(maker *m, tn_value *x) {
    const tn_alpha_attrs alpha = {chance(m, 4) ? -0.5 : 0.25};
    const tn_hard_sigmoid_attrs hard = {0.75, 0.375};
    const tn_clip_attrs clip = {chance(m, 2) ? -0.3 : -INFINITY, chance(m, 2) ? 0.4 : INFINITY};
    switch (pick(m, 0, 9)) {
    case 0: return apply(m, &tn_op_leaky_relu, &alpha, x, NULL, NULL);
    case 1: return apply(m, &tn_op_elu, &alpha, x, NULL, NULL);
    case 2: return apply(m, &tn_op_sigmoid, NULL, x, NULL, NULL);
    case 3: return apply(m, &tn_op_tanh, NULL, x, NULL, NULL);
    case 4: return apply(m, &tn_op_hard_sigmoid, &hard, x, NULL, NULL);
    case 5: return apply(m, &tn_op_hard_swish, NULL, x, NULL, NULL);
    case 6: return apply(m, &tn_op_clip, &clip, x, NULL, NULL);
    case 7: return apply(m, &tn_op_identity, NULL, x, NULL, NULL);
    default: return apply(m, &tn_op_prelu, NULL, x, new_weight(m, part_of(m, &x->shape)), NULL);
    }
}

/* By numbers that are far enough from 0. */
static tn_value *make_quotient(maker *m, tn_value *a, tn_value *b) {
    const tn_clip_attrs clip = {0.5, 2};
    tn_value *divisor = apply(m, &tn_op_clip, &clip, b, NULL, NULL);
    return divisor ? apply(m, &tn_op_div, NULL, a, divisor, NULL) : NULL;
}

/* With another value, a weight, or something computed from weights alone. */
static tn_value *make_binary(maker *m, tn_value *x) {
    const tn_op *const ops[] = {&tn_op_add, &tn_op_mul, &tn_op_sub};
    const tn_op *op = ops[pick(m, 0, 2)];
    tn_value *other = m->batched[pick(m, 0, m->n_batched - 1)];
    if (chance(m, 2)) other = new_weight(m, part_of(m, &x->shape));
    if (!other->shape.batched && chance(m, 2)) {
        tn_value *scale = new_weight(m, part_of(m, &other->shape));
        other = apply(m, &tn_op_mul, NULL, other, scale, NULL);
        if (other && chance(m, 2)) {
            tn_value *relu = apply(m, &tn_op_relu, NULL, other, NULL, NULL);
            other = apply(m, &tn_op_mul, NULL, other, relu, NULL);
        }
    }
    if (!other) return NULL;
    if (chance(m, 4)) return chance(m, 2) ? make_quotient(m, x, other) : make_quotient(m, other, x);
    return chance(m, 2) ? apply(m, op, NULL, x, other, NULL) : apply(m, op, NULL, other, x, NULL);
}

/* Some divisor of n. */
static int64_t divisor(maker *m, int64_t n) {
    int64_t d = pick(m, 1, n);
    while (n % d != 0) d--;
    return d;
}

/* A sample in two or three dimensions. */
static tn_value *make_reshape(maker *m, tn_value *x) {
    int64_t n = tn_shape_sample_elements(&x->shape), c = divisor(m, n), h = divisor(m, n / c);
    const tn_ints shapes[] = {{4, {1, c, h, -1}}, {4, {0, c, -1, h}}, {3, {-1, c, n / c}}};
    const tn_reshape_attrs a = {.shape = shapes[pick(m, 0, 2)]};
    return apply(m, &tn_op_reshape, &a, x, NULL, NULL);
}

static tn_value *make_transpose(maker *m, tn_value *x) {
    tn_transpose_attrs a = {.perm.n = x->shape.rank};
    for (int i = 0; i < a.perm.n; i++) {
        int other = i > 0 ? (int)pick(m, 1, i) : 0;
        a.perm.v[i] = a.perm.v[other];
        a.perm.v[other] = i;
    }
    return apply(m, &tn_op_transpose, &a, x, NULL, NULL);
}

/* With itself, or something that differs in one axis at most. */
static tn_value *make_concat(maker *m, tn_value *x) {
    tn_value *other = m->batched[pick(m, 0, m->n_batched - 1)];
    for (int axis = 1; axis < x->shape.rank; axis++) {
        const tn_axis_attrs a = {axis};
        tn_value *y = apply(m, &tn_op_concat, &a, x, other, chance(m, 3) ? x : NULL);
        if (y) return y;
    }
    const tn_axis_attrs last = {-1};
    return apply(m, &tn_op_concat, &last, x, x, NULL);
}

static tn_value *make_pad(maker *m, tn_value *x) {
    static const char *const modes[] = {"constant", "reflect", "edge"};
    tn_pad_attrs a = {.pads.n = 2 * x->shape.rank, .value = 0.25};
    strcpy(a.mode, modes[pick(m, 0, 2)]);
    for (int i = 0; i < a.pads.n; i++)
        if (i % x->shape.rank != 0 && chance(m, 2))
            a.pads.v[i] = pick(m, a.mode[0] == 'c' ? -1 : 0, 2);
    tn_value *y = apply(m, &tn_op_pad, &a, x, NULL, NULL);
    return y && tn_shape_elements(&y->shape) > 0 ? y : NULL;
}

static tn_value *make_softmax(maker *m, tn_value *x) {
    if (x->shape.rank < 2) return NULL;
    const tn_axis_attrs a = {pick(m, 1, x->shape.rank - 1)};
    return apply(m, &tn_op_softmax, &a, x, NULL, NULL);
}

/* With a weight, or with itself transposed. */
static tn_value *make_mat_mul(maker *m, tn_value *x) {
    int rank = x->shape.rank;
    if (rank < 2) return NULL;
    int64_t k = x->shape.dims[rank - 1];
    if (rank == 2 || chance(m, 2))
        return apply(m, &tn_op_mat_mul, NULL, x,
                     new_weight(m, (tn_shape){2, {k, pick(m, 1, 20)}, false}), NULL);
    tn_transpose_attrs a = {.perm.n = rank};
    for (int i = 0; i < rank; i++) a.perm.v[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    tn_value *t = apply(m, &tn_op_transpose, &a, x, NULL, NULL);
    return apply(m, &tn_op_mat_mul, NULL, x, t, NULL);
}

static tn_value *make_moved(maker *m, tn_value *x) {
    switch (pick(m, 0, 4)) {
    case 0: return make_reshape(m, x);
    case 1: return make_transpose(m, x);
    case 2: return make_concat(m, x);
    case 3: return make_mat_mul(m, x);
    default: return make_pad(m, x);
    }
}

/* By running statistics that are constants, as they have no gradient. */
static tn_value *make_norm(maker *m, tn_value *x) {
    if (x->shape.rank < 2) return NULL;
    const tn_shape shape = {1, {x->shape.dims[1]}, false};
    tn_value *in[5] = {x}, *y;
    tn_batch_norm_attrs a;
    tn_attrs_init(&tn_op_batch_norm, &a);
    a.epsilon = 0.75; /* weights begin above -0.5 */
    for (int k = 1; k < 3; k++) in[k] = new_weight(m, shape);
    for (int k = 3; k < 5; k++) in[k] = new_value(m, TN_VALUE_CONSTANT, shape);
    check(tn_graph_apply(m->graph, &tn_op_batch_norm, &a, in, 5, &y, &error));
    return y;
}

static tn_value *make_node(maker *m) {
    static const tn_axis_attrs first = {1}, last = {-1};
    static const tn_dropout_attrs drop = {.ratio = 0.5};
    tn_value *x = m->batched[chance(m, 2) ? m->n_batched - 1 : pick(m, 0, m->n_batched - 1)];
    bool image = x->shape.rank == 4;
    switch (pick(m, 0, 17)) {
    case 16:
    case 17: return make_norm(m, x);
    case 0: return apply(m, &tn_op_relu, NULL, x, NULL, NULL);
    case 1: return apply(m, &tn_op_dropout, &drop, x, NULL, NULL);
    case 2: return apply(m, &tn_op_flatten, &first, x, NULL, NULL);
    case 3:
        if (chance(m, 6)) return make_softmax(m, x);
        return chance(m, 3) ? apply(m, &tn_op_log_softmax, &last, x, NULL, NULL) : NULL;
    case 4:
    case 5:
    case 6: return make_binary(m, x);
    case 7: return image ? make_pool(m, x) : make_gemm(m, x);
    case 8: return image && chance(m, 2) ? make_global_pool(m, x) : make_mean(m, x);
    case 9:
    case 10:
    case 11: return make_moved(m, x);
    case 12:
    case 13: return make_activation(m, x);
    default: return image ? make_conv(m, x) : make_gemm(m, x);
    }
}

static tn_graph *make_graph(uint64_t number) {
    maker m = {.random = tn_random_begin(11, TN_PURPOSE_TEST, number)};
    check(tn_graph_create(&m.graph, &error));
    for (int64_t i = pick(&m, 1, 3); i > 0; i--) {
        tn_shape shape = {4, {1, pick(&m, 1, 6), pick(&m, 3, 8), pick(&m, 3, 8)}, true};
        if (m.n_batched > 0 && chance(&m, 2)) shape = m.batched[0]->shape;
        if (chance(&m, 5)) shape.rank = 2;
        m.batched[m.n_batched++] = new_value(&m, TN_VALUE_INPUT, shape);
    }
    int n_inputs = m.n_batched;
    for (int tries = (int)pick(&m, 5, 25); tries > 0 || m.n_batched == n_inputs; tries--) {
        tn_value *y = make_node(&m);
        if (y && tn_shape_elements(&y->shape) < 3000) m.batched[m.n_batched++] = y;
    }
    for (int64_t i = pick(&m, 0, 2); i >= 0; i--) /* the last, and any, perhaps twice */
        check(tn_graph_mark_output(
            m.graph, m.batched[i == 0 ? m.n_batched - 1 : pick(&m, n_inputs, m.n_batched - 1)],
            &error));
    return m.graph;
}

/* ---- Plain loops ----------------------------------------------------------------------------- */

/* The numbers of all values of a graph, by id. */
typedef struct numbers {
    double **of;
    int n;
} numbers;

/* The place in a tensor that broadcasts to y of y's element i. */
static int64_t broadcast_index(const tn_shape *y, const tn_shape *x, int64_t i) {
    int64_t index = 0, step = 1;
    for (int axis = y->rank - 1, k = x->rank - 1; k >= 0; axis--, k--) {
        if (x->dims[k] > 1) index += i % y->dims[axis] * step;
        step *= x->dims[k];
        i /= y->dims[axis];
    }
    return index;
}

static double conv_at(const tn_node *node, const double *x, const double *w, int64_t i) {
    const tn_conv_attrs *a = node->attrs;
    const int64_t *xd = node->inputs[0]->shape.dims, *wd = node->inputs[1]->shape.dims;
    const int64_t *yd = node->outputs[0]->shape.dims;
    int64_t q = i % yd[3], p = i / yd[3] % yd[2], o = i / (yd[3] * yd[2]) % yd[1];
    int64_t n = i / (yd[3] * yd[2] * yd[1]), group = o / (wd[0] / a->group);
    double sum = 0;
    for (int64_t k = 0; k < wd[1] * wd[2] * wd[3]; k++) {
        int64_t s = k % wd[3], r = k / wd[3] % wd[2], c = group * wd[1] + k / (wd[3] * wd[2]);
        int64_t row = p * a->strides.v[0] + r * a->dilations.v[0] - a->pads.v[0];
        int64_t column = q * a->strides.v[1] + s * a->dilations.v[1] - a->pads.v[1];
        if (row < 0 || row >= xd[2] || column < 0 || column >= xd[3]) continue;
        sum +=
            x[((n * xd[1] + c) * xd[2] + row) * xd[3] + column] * w[o * wd[1] * wd[2] * wd[3] + k];
    }
    return sum;
}

/* Of MaxPool and AveragePool. */
static double pool_at(const tn_node *node, const double *x, int64_t i) {
    const tn_pool_attrs *a = node->attrs;
    const int64_t *xd = node->inputs[0]->shape.dims, *yd = node->outputs[0]->shape.dims;
    int64_t q = i % yd[3], p = i / yd[3] % yd[2], plane = i / (yd[3] * yd[2]);
    double most = -INFINITY, sum = 0, count = 0;
    for (int64_t k = 0; k < a->kernel_shape.v[0] * a->kernel_shape.v[1]; k++) {
        int64_t s = k % a->kernel_shape.v[1], r = k / a->kernel_shape.v[1];
        int64_t row = p * a->strides.v[0] + r * a->dilations.v[0] - a->pads.v[0];
        int64_t column = q * a->strides.v[1] + s * a->dilations.v[1] - a->pads.v[1];
        if (row >= xd[2] + a->pads.v[2] || column >= xd[3] + a->pads.v[3]) continue;
        bool inside = row >= 0 && row < xd[2] && column >= 0 && column < xd[3];
        if (inside || a->count_include_pad) count++;
        if (!inside) continue;
        most = fmax(most, x[(plane * xd[2] + row) * xd[3] + column]);
        sum += x[(plane * xd[2] + row) * xd[3] + column];
    }
    return node->op == &tn_op_average_pool ? sum / count : most;
}

static double global_pool_at(const tn_node *node, const double *x, int64_t i) {
    const int64_t *xd = node->inputs[0]->shape.dims;
    int64_t pixels = xd[2] * xd[3];
    double most = -INFINITY, sum = 0;
    for (int64_t k = i * pixels; k < (i + 1) * pixels; k++) {
        most = fmax(most, x[k]);
        sum += x[k];
    }
    return node->op == &tn_op_global_max_pool ? most : sum / (double)pixels;
}

/* Goes through all of x and takes what belongs to y's element i. */
static double mean_at(const tn_node *node, const double *x, int64_t i) {
    const tn_reduce_attrs *a = node->attrs;
    const tn_shape *xs = &node->inputs[0]->shape;
    double sum = 0, count = 0;
    for (int64_t k = 0; k < tn_shape_elements(xs); k++) {
        int64_t at = 0, step = 1, rest = k;
        for (int axis = xs->rank - 1, r = a->axes.n - 1; axis >= 0; axis--) {
            if (r >= 0 && a->axes.v[r] == axis) {
                r--;
            } else {
                at += rest % xs->dims[axis] * step;
                step *= xs->dims[axis];
            }
            rest /= xs->dims[axis];
        }
        if (at != i) continue;
        sum += x[k];
        count++;
    }
    return sum / count;
}

static double gemm_at(const tn_node *node, const double *x, const double *w, int64_t i) {
    const tn_gemm_attrs *a = node->attrs;
    int64_t k = node->inputs[0]->shape.dims[1], o = node->outputs[0]->shape.dims[1];
    double sum = 0;
    for (int64_t t = 0; t < k; t++)
        sum += x[i / o * k + t] * (a->trans_b ? w[i % o * k + t] : w[t * o + i % o]);
    return a->alpha * sum;
}

static double log_softmax_at(const tn_node *node, const double *x, int64_t i) {
    const tn_shape *y = &node->outputs[0]->shape;
    int64_t n = y->dims[y->rank - 1];
    const double *row = x + i / n * n;
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) most = fmax(most, row[k]);
    for (int64_t k = 0; k < n; k++) sum += exp(row[k] - most);
    return x[i] - most - log(sum);
}

/* Element i of a tensor, as its place along each axis. */
static void split(const tn_shape *shape, int64_t i, int64_t at[TN_MAX_RANK]) {
    for (int axis = shape->rank - 1; axis >= 0; axis--) {
        at[axis] = i % shape->dims[axis];
        i /= shape->dims[axis];
    }
}

static int64_t join(const tn_shape *shape, const int64_t *at) {
    int64_t i = 0;
    for (int axis = 0; axis < shape->rank; axis++) i = i * shape->dims[axis] + at[axis];
    return i;
}

static double transpose_at(const tn_node *node, const double *x, int64_t i) {
    const tn_transpose_attrs *a = node->attrs;
    int64_t to[TN_MAX_RANK], from[TN_MAX_RANK];
    split(&node->outputs[0]->shape, i, to);
    for (int axis = 0; axis < a->perm.n; axis++) from[a->perm.v[axis]] = to[axis];
    return x[join(&node->inputs[0]->shape, from)];
}

static double concat_at(const tn_node *node, const double *const *in, int64_t i) {
    const tn_axis_attrs *a = node->attrs;
    const tn_shape *y = &node->outputs[0]->shape;
    int64_t at[TN_MAX_RANK], axis = a->axis < 0 ? a->axis + y->rank : a->axis;
    int k = 0;
    split(y, i, at);
    while (at[axis] >= node->inputs[k]->shape.dims[axis])
        at[axis] -= node->inputs[k++]->shape.dims[axis];
    return in[k][join(&node->inputs[k]->shape, at)];
}

static double pad_at(const tn_node *node, const double *x, int64_t i) {
    const tn_pad_attrs *a = node->attrs;
    const tn_shape *shape = &node->inputs[0]->shape;
    int64_t at[TN_MAX_RANK];
    split(&node->outputs[0]->shape, i, at);
    for (int axis = 0; axis < shape->rank; axis++) {
        int64_t last = shape->dims[axis] - 1;
        at[axis] -= a->pads.v[axis];
        bool outside = at[axis] < 0 || at[axis] > last;
        if (outside && a->mode[0] == 'c') return a->value;
        if (a->mode[0] == 'e') at[axis] = tn_max_i64(0, tn_min_i64(at[axis], last));
        if (at[axis] < 0) at[axis] = -at[axis];
        if (at[axis] > last) at[axis] = 2 * last - at[axis];
    }
    return x[join(shape, at)];
}

static double mat_mul_at(const tn_node *node, const double *a, const double *b, int64_t i) {
    const tn_shape *left = &node->inputs[0]->shape, *right = &node->inputs[1]->shape;
    int64_t k = left->dims[left->rank - 1], n = right->dims[right->rank - 1];
    int64_t m = left->dims[left->rank - 2], matrix = right->rank == 2 ? 0 : i / (m * n);
    double sum = 0;
    for (int64_t t = 0; t < k; t++) sum += a[i / n * k + t] * b[(matrix * k + t) * n + i % n];
    return sum;
}

static double softmax_at(const tn_node *node, const double *x, int64_t i) {
    const tn_axis_attrs *a = node->attrs;
    const tn_shape *y = &node->outputs[0]->shape;
    int64_t at[TN_MAX_RANK];
    double sum = 0;
    split(y, i, at);
    for (at[a->axis] = 0; at[a->axis] < y->dims[a->axis]; at[a->axis]++)
        sum += exp(x[join(y, at)] - x[i]);
    return 1 / sum;
}

/* Of functions of single numbers. */
static double activation_of(const tn_node *node, double x) {
    const tn_alpha_attrs *alpha = node->attrs;
    const tn_hard_sigmoid_attrs *hard = node->attrs;
    const tn_clip_attrs *clip = node->attrs;
    if (node->op == &tn_op_relu) return fmax(x, 0);
    if (node->op == &tn_op_leaky_relu) return x > 0 ? x : alpha->alpha * x;
    if (node->op == &tn_op_elu) return x > 0 ? x : alpha->alpha * expm1(x);
    if (node->op == &tn_op_sigmoid) return 1 / (1 + exp(-x));
    if (node->op == &tn_op_tanh) return tanh(x);
    if (node->op == &tn_op_hard_sigmoid) return fmin(fmax(hard->alpha * x + hard->beta, 0), 1);
    if (node->op == &tn_op_hard_swish) return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    if (node->op == &tn_op_clip) return fmin(fmax(x, clip->min), clip->max);
    return x; /* Identity, Flatten, Reshape, and Dropout when nobody trains */
}

static double norm_at(const tn_node *node, const numbers *v, int64_t i) {
    const tn_batch_norm_attrs *a = node->attrs;
    const tn_shape *y = &node->outputs[0]->shape;
    int64_t at[TN_MAX_RANK];
    double of_channel[5] = {0};
    split(y, i, at);
    for (int k = 1; k < 5; k++) of_channel[k] = v->of[node->inputs[k]->id][at[1]];
    return (v->of[node->inputs[0]->id][i] - of_channel[3]) / sqrt(of_channel[4] + a->epsilon) *
               of_channel[1] +
           of_channel[2];
}

static bool broadcasts(const tn_node *node, int k) {
    return node->op == &tn_op_add || node->op == &tn_op_mul || node->op == &tn_op_sub ||
           node->op == &tn_op_div || node->op == &tn_op_prelu ||
           (node->op == &tn_op_gemm && k == 2);
}

static double element(const tn_node *node, const numbers *v, int64_t i) {
    const tn_shape *y = &node->outputs[0]->shape;
    if (node->op == &tn_op_batch_norm) return norm_at(node, v, i);
    const double *in[3] = {0};
    double other[3] = {0}; /* element i of each input, broadcast */
    for (int k = 0; k < node->n_inputs; k++) {
        in[k] = v->of[node->inputs[k]->id];
        if (broadcasts(node, k)) other[k] = in[k][broadcast_index(y, &node->inputs[k]->shape, i)];
    }
    if (node->op == &tn_op_add) return other[0] + other[1];
    if (node->op == &tn_op_mul) return other[0] * other[1];
    if (node->op == &tn_op_sub) return other[0] - other[1];
    if (node->op == &tn_op_div) return other[0] / other[1];
    if (node->op == &tn_op_prelu) return other[0] * (other[0] > 0 ? 1 : other[1]);
    if (node->op == &tn_op_max_pool || node->op == &tn_op_average_pool)
        return pool_at(node, in[0], i);
    if (node->op == &tn_op_global_max_pool || node->op == &tn_op_global_average_pool)
        return global_pool_at(node, in[0], i);
    if (node->op == &tn_op_reduce_mean) return mean_at(node, in[0], i);
    if (node->op == &tn_op_transpose) return transpose_at(node, in[0], i);
    if (node->op == &tn_op_concat) return concat_at(node, in, i);
    if (node->op == &tn_op_pad) return pad_at(node, in[0], i);
    if (node->op == &tn_op_mat_mul) return mat_mul_at(node, in[0], in[1], i);
    if (node->op == &tn_op_softmax) return softmax_at(node, in[0], i);
    if (node->op == &tn_op_log_softmax) return log_softmax_at(node, in[0], i);
    if (node->op == &tn_op_gemm) return gemm_at(node, in[0], in[1], i) + other[2];
    if (node->op == &tn_op_conv)
        return conv_at(node, in[0], in[1], i) +
               (in[2] ? in[2][i / (y->dims[2] * y->dims[3]) % y->dims[1]] : 0);
    return activation_of(node, in[0][i]);
}

/* Deterministic numbers of an input; exact as floats. */
static double input_number(const tn_value *v, int64_t i) {
    uint32_t out[4];
    tn_philox((const uint32_t[]){(uint32_t)v->id, 3},
              (const uint32_t[]){(uint32_t)i, 0, 0, TN_PURPOSE_TEST}, out);
    return (double)(int32_t)(out[0] >> 8) / (1 << 23) - 1;
}

/* Of value v, in which direction derivatives are taken. */
static double direction(const tn_value *v, int64_t i) { return input_number(v, i + 1000000); }

/* All values of the graph (set to the batch), inputs and parameters moved by step · direction. */
static numbers evaluate(const tn_graph *g, double step) {
    numbers v = {calloc((size_t)g->n_values, sizeof(double *)), g->n_values};
    for (int id = 0; id < g->n_values; id++) {
        const tn_value *x = g->values[id];
        int64_t n = tn_shape_elements(&x->shape);
        v.of[id] = calloc((size_t)n + 1, sizeof(double));
        for (int64_t i = 0; i < n && x->kind != TN_VALUE_COMPUTED; i++) {
            v.of[id][i] = x->data ? (double)((const float *)x->data)[i] : input_number(x, i);
            if (x->kind != TN_VALUE_CONSTANT) v.of[id][i] += step * direction(x, i);
        }
    }
    for (int k = 0; k < g->n_nodes; k++) {
        const tn_node *node = g->nodes[k];
        for (int64_t i = 0; i < tn_shape_elements(&node->outputs[0]->shape); i++)
            v.of[node->outputs[0]->id][i] = element(node, &v, i);
    }
    return v;
}

static void numbers_free(numbers *v) {
    for (int i = 0; i < v->n; i++) free(v->of[i]);
    free(v->of);
}

/* ---- Planned runs ---------------------------------------------------------------------------- */

/* A graph with its backward nodes: outputs are the graph's own, then the gradients of inputs. */
typedef struct backward {
    tn_graph *graph;
    int n_own_inputs, n_own_outputs;
    int input_gradient[MOST_OUTPUTS]; /* the output that is the gradient of input i; -1 */
    int *gradients;                   /* value ids by parameter; -1 */
    bool exists;
} backward;

/* The derivative of Σ r·y over the first output, r a further input. */
static backward differentiate(const tn_graph *forward) {
    backward b = {.n_own_inputs = forward->n_inputs, .n_own_outputs = forward->n_outputs};
    tn_value *r;
    check(tn_graph_clone(forward, &b.graph, &error));
    tn_graph *g = b.graph;
    tn_value *y = g->outputs[forward->n_outputs - 1];
    check(tn_graph_add_value(g, TN_VALUE_INPUT, "r", TN_FLOAT32, &y->shape, NULL, &r, &error));
    tn_value **all = calloc((size_t)g->n_values, sizeof(tn_value *));
    b.gradients = calloc((size_t)g->n_parameters + 1, sizeof(int));
    b.exists = tn_graph_differentiate(g, y, r, g->inputs, b.n_own_inputs, all, &error) == TN_OK;
    for (int i = 0; i < g->n_parameters; i++) {
        const tn_value *d = b.exists ? all[g->parameters[i]->id] : NULL;
        b.gradients[i] = d ? d->id : -1;
    }
    for (int i = 0; i < b.n_own_inputs; i++) {
        tn_value *d = b.exists ? all[g->inputs[i]->id] : NULL;
        b.input_gradient[i] = d ? g->n_outputs : -1;
        if (d) check(tn_graph_mark_output(g, d, &error));
    }
    free(all);
    return b;
}

/* What a run gives: outputs, then gradients of parameters in canonical form. */
typedef struct results {
    float *of[MOST_OUTPUTS + 128];
    int64_t elements[MOST_OUTPUTS + 128];
    int n;
    bool lanes; /* the plan was one for lanes */
} results;

static float *result(results *r, int64_t elements) {
    r->elements[r->n] = elements;
    r->of[r->n] = calloc((size_t)elements + 1, sizeof(float));
    return r->of[r->n++];
}

static void results_free(results *r) {
    for (int i = 0; i < r->n; i++) free(r->of[i]);
}

typedef struct setting {
    const char *level;
    int n_threads;
    int64_t max_batch;
    bool passes, lanes;
    bool inference; /* the passes are those for it */
    int64_t tile_rows;
} setting;

static void run_plan(const tn_plan *plan, const backward *b, const setting *s, results *out) {
    const tn_graph *g = tn_plan_graph(plan);
    tn_pool *pool;
    tn_execution *execution;
    size_t flat = (size_t)tn_plan_parameters_size(plan) * sizeof(real);
    real *parameters = tn_aligned_alloc(flat), *gradients = tn_aligned_alloc(flat);
    float *in[MOST_OUTPUTS];
    memset(parameters, 0, flat);
    memset(gradients, 0xff, flat); /* NaN: nothing may depend on it */
    for (int i = 0; i < g->n_parameters; i++)
        tn_plan_arrange(plan, i, g->parameters[i]->data, parameters);
    for (int i = 0; i < g->n_inputs; i++) {
        int64_t n = tn_shape_sample_elements(&g->inputs[i]->shape) * BATCH;
        in[i] = malloc((size_t)n * sizeof(float)); /* no larger: reads beyond are found */
        for (int64_t k = 0; k < n; k++) in[i][k] = (float)input_number(g->inputs[i], k);
    }
    for (int i = 0; i < g->n_outputs; i++)
        result(out, tn_shape_sample_elements(&g->outputs[i]->shape) *
                        (g->outputs[i]->shape.batched ? BATCH : 1));
    check(tn_pool_create(s->n_threads, &pool, &error));
    check(tn_execution_create(plan, pool, &execution, &error));
    const tn_step step = {.batch = BATCH};
    const tn_bindings bindings = {.inputs = (const void *const *)in,
                                  .outputs = (void *const *)out->of,
                                  .parameters = parameters,
                                  .gradients = gradients};
    for (int i = 0; i < 2; i++) tn_execution_run(execution, &bindings, &step);
    for (int i = 0; i < g->n_parameters; i++)
        if (b->gradients[i] >= 0)
            tn_plan_unarrange(plan, i, gradients,
                              result(out, tn_shape_elements(&g->parameters[i]->shape)));
    for (int i = 0; i < g->n_inputs; i++) free(in[i]);
    free(parameters);
    free(gradients);
    tn_execution_free(execution);
    tn_pool_free(pool);
}

/* False if the plan refuses the gradients, which must then say why. */
static bool run(const backward *b, const setting *s, results *out) {
    tn_graph *g;
    tn_plan *plan;
    tn_kernels kernels;
    *out = (results){0};
    check(tn_graph_clone(b->graph, &g, &error));
    tn_value **gradients = calloc((size_t)g->n_parameters + 1, sizeof(tn_value *));
    for (int i = 0; i < g->n_parameters; i++)
        gradients[i] = b->gradients[i] < 0 ? NULL : g->values[b->gradients[i]];
    assert_true(tn_kernels_init(&kernels, s->level, tn_isa_detect()));
    const tn_plan_options options = {.max_batch = s->max_batch,
                                     .n_shards = SHARDS,
                                     .n_threads = s->n_threads,
                                     .kernels = &kernels,
                                     .tile_rows = s->tile_rows,
                                     .lanes = s->lanes ? TN_LANES_ALWAYS : TN_LANES_NEVER};
    if (s->passes && !s->inference) check(tn_passes_run(g, gradients, &error));
    if (s->passes && s->inference) check(tn_passes_optimise(g, &error));
    bool planned = tn_plan_build(g, gradients, &options, &plan, &error) == TN_OK;
    if (planned) {
        run_plan(plan, b, s, out);
        out->lanes = plan->lanes;
        tn_plan_free(plan);
    } else if (!strstr(error.message, "its gradient is another's") &&
               !strstr(error.message, "store it differently")) {
        fail_msg("%s", error.message);
    }
    free(gradients);
    tn_graph_free(g);
    return planned;
}

/* ---- Comparisons ----------------------------------------------------------------------------- */

/* What the numbers of a result are measured by: small ones may be sums of larger ones that cancel,
 * as does the gradient of a bias before a softmax. */
static double scale_of(const results *r, int i) {
    double own = 0.1, all = 0;
    for (int j = 0; j < r->n; j++)
        for (int64_t k = 0; k < r->elements[j]; k++) {
            double size = fabs((double)r->of[j][k]); /* gcc 12 for ARM fails on fmax here */
            if (size > all) all = size;
            if (j == i && size > own) own = size;
        }
    return fmax(own, all / 100);
}

static void compare(int number, const char *what, const results *a, const results *b,
                    double tolerance) {
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        double most = scale_of(a, i);
        for (int64_t k = 0; k < a->elements[i]; k++)
            if (!(fabs((double)a->of[i][k] - (double)b->of[i][k]) <= tolerance * most))
                fail_msg("graph %d, %s, result %d[%lld]: %.9g against %.9g", number, what, i,
                         (long long)k, (double)a->of[i][k], (double)b->of[i][k]);
    }
}

static void compare_outputs(int number, const tn_graph *plain, const results *r) {
    numbers v = evaluate(plain, 0);
    results expected = {0}, found = *r;
    for (int i = 0; i < plain->n_outputs; i++) {
        const double *y = v.of[plain->outputs[i]->id];
        float *to = result(&expected, tn_shape_elements(&plain->outputs[i]->shape));
        assert_int_equal(expected.elements[i], r->elements[i]);
        for (int64_t k = 0; k < expected.elements[i]; k++) to[k] = (float)y[k];
    }
    found.n = expected.n;
    compare(number, "plain loops", &expected, &found, 1e-4);
    results_free(&expected);
    numbers_free(&v);
}

/* Σ r·y over the output that was differentiated. */
static double objective(const tn_graph *plain, const tn_value *r, double step) {
    numbers v = evaluate(plain, step);
    const tn_value *y = plain->outputs[plain->n_outputs - 1];
    double sum = 0;
    for (int64_t i = 0; i < tn_shape_elements(&y->shape); i++)
        sum += v.of[y->id][i] * input_number(r, i);
    numbers_free(&v);
    return sum;
}

/* The gradients along one direction against the difference of two evaluations. */
static void compare_derivative(int number, const tn_graph *plain, const backward *b,
                               const results *r) {
    const tn_graph *g = b->graph;
    double along = 0, sum = 1e-2;
    int at = g->n_outputs;
    for (int i = 0; i < b->n_own_inputs + g->n_parameters; i++) {
        bool input = i < b->n_own_inputs;
        const tn_value *x = input ? g->inputs[i] : g->parameters[i - b->n_own_inputs];
        int k = input ? b->input_gradient[i] : b->gradients[i - b->n_own_inputs] < 0 ? -1 : at++;
        for (int64_t e = 0; k >= 0 && e < r->elements[k]; e++) {
            along += (double)r->of[k][e] * direction(x, e);
            sum += fabs((double)r->of[k][e] * direction(x, e));
        }
    }
    const double step = 1e-7;
    const tn_value *seed = g->inputs[b->n_own_inputs];
    double difference = (objective(plain, seed, step) - objective(plain, seed, -step)) / (2 * step);
    if (!(fabs(along - difference) <= 1e-4 * sum))
        fail_msg("graph %d: derivative %.9g, difference %.9g", number, along, difference);
}

/* The passes for inference, which round otherwise; the same bits in any number of threads and rows
 * at a time. */
static void test_inference(int number, tn_graph *plain) {
    const char *best = tn_kernels_best(tn_isa_detect());
    const setting settings[] = {{"ref", 1, BATCH, true, .inference = true},
                                {best, 1, BATCH, true, .inference = true},
                                {best, 3, 40, true, .inference = true},
                                {best, 2, BATCH, true, .inference = true, .tile_rows = 2},
                                {best, 1, BATCH, true, .inference = true, .lanes = true},
                                {best, 3, 40, true, .inference = true, .lanes = true}};
    enum { SETTINGS = sizeof settings / sizeof *settings };
    backward b = {.graph = plain,
                  .gradients = malloc(((size_t)plain->n_parameters + 1) * sizeof(int))};
    results r[SETTINGS];
    for (int i = 0; i < plain->n_parameters; i++) b.gradients[i] = -1;
    for (int i = 0; i < SETTINGS; i++) {
        if (!run(&b, &settings[i], &r[i])) fail_msg("graph %d: %s", number, error.message);
        compare_outputs(number, plain, &r[i]);
    }
    compare(number, "inference, threads", &r[1], &r[2], 0);
    compare(number, "inference, rows", &r[1], &r[3], 0);
    compare(number, "inference, threads, lanes", &r[4], &r[5], 0);
    for (int i = 0; i < SETTINGS; i++) results_free(&r[i]);
    free(b.gradients);
}

/* Whether there are gradients. */
static bool test_graph(int number, int *in_lanes) {
    tn_graph *plain = make_graph((uint64_t)number);
    backward b = differentiate(plain);
    const char *best = tn_kernels_best(tn_isa_detect());
    const setting settings[] = {{"ref", 1, BATCH},
                                {best, 1, BATCH},
                                {best, 3, 40},
                                {best, 2, BATCH, true},
                                {"ref", 1, BATCH, true},
                                {"ref", 1, BATCH, .lanes = true},
                                {best, 1, BATCH, .lanes = true},
                                {best, 3, 40, .lanes = true},
                                {best, 2, BATCH, true, .lanes = true},
                                {best, 1, BATCH, .tile_rows = 1 + number % 4},
                                {best, 2, 40, true, .tile_rows = 1 + number % 3},
                                {best, 7, BATCH, .tile_rows = 1 + number % 5},
                                {"ref", 2, BATCH, .tile_rows = 2}};
    enum { SETTINGS = sizeof settings / sizeof *settings };
    results r[SETTINGS];
    bool differentiated = b.exists && run(&b, &settings[0], &r[0]);
    if (!differentiated) { /* without gradients it must run all the same, or say what is shared */
        for (int i = 0; i < b.graph->n_parameters; i++) b.gradients[i] = -1;
        if (!run(&b, &settings[0], &r[0])) goto end;
    }
    for (int i = 1; i < SETTINGS; i++) assert_true(run(&b, &settings[i], &r[i]));
    check(tn_graph_set_batch(plain, BATCH, &error));
    compare_outputs(number, plain, &r[0]);
    if (differentiated) compare_derivative(number, plain, &b, &r[0]);
    compare(number, "levels", &r[0], &r[1], 1e-4);
    compare(number, "threads", &r[1], &r[2], 0);
    compare(number, "passes", &r[1], &r[3], 0);
    compare(number, "passes of the reference", &r[0], &r[4], 0);
    compare(number, "lanes", &r[0], &r[5], 1e-4);
    compare(number, "levels, lanes", &r[5], &r[6], 1e-4);
    compare(number, "threads, lanes", &r[6], &r[7], 0);
    compare(number, "passes, lanes", &r[6], &r[8], 0);
    compare(number, "rows", &r[1], &r[9], 0);
    compare(number, "rows, passes", &r[1], &r[10], 0);
    compare(number, "rows, threads", &r[1], &r[11], 0);
    compare(number, "rows of the reference", &r[0], &r[12], 0);
    test_inference(number, plain);
    *in_lanes += r[6].lanes;
    for (int i = 0; i < SETTINGS; i++) results_free(&r[i]);
end:
    free(b.gradients);
    tn_graph_free(b.graph);
    tn_graph_free(plain);
    return differentiated;
}

static void graphs_by_chance_run_as_plain_loops_do(void **state) {
    (void)state;
    int differentiated = 0, in_lanes = 0;
    for (int number = 0; number < GRAPHS; number++) differentiated += test_graph(number, &in_lanes);
    assert_true(differentiated > GRAPHS / 2); /* it does test what it is for */
    assert_true(in_lanes > GRAPHS / 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(graphs_by_chance_run_as_plain_loops_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
