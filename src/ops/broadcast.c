/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/broadcast.h"

#include "base/size.h"

/* Dimension of axis i of `rank` aligned axes; 1 where the operand has none. */
static int64_t aligned_dim(const tn_shape *shape, int rank, int i) {
    int k = i - (rank - shape->rank);
    return k < 0 ? 1 : shape->dims[k];
}

static tn_status broadcast_shape(const tn_node *node, tn_shape *y, tn_error *error) {
    const tn_shape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
    char text[2][TN_SHAPE_TEXT];
    *y = (tn_shape){.rank = a->rank > b->rank ? a->rank : b->rank,
                    .batched = a->batched || b->batched};
    for (int i = 0; i < y->rank; i++) {
        int64_t p = aligned_dim(a, y->rank, i), q = aligned_dim(b, y->rank, i);
        if (p != q && p != 1 && q != 1)
            return tn_fail(error, TN_ERR_FORMAT, "shapes %s and %s do not broadcast",
                           tn_shape_text(a, text[0]), tn_shape_text(b, text[1]));
        y->dims[i] = p == 1 ? q : p;
    }
    const tn_shape *in[] = {a, b};
    for (int i = 0; i < 2; i++) {
        bool samples_first =
            in[i]->batched ? in[i]->rank == y->rank : aligned_dim(in[i], y->rank, 0) == 1;
        if (y->batched && !samples_first)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "shapes %s and %s: the batch must be the first dimension of both or one",
                           tn_shape_text(a, text[0]), tn_shape_text(b, text[1]));
    }
    return TN_OK;
}

tn_status tn_infer_broadcast(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    if (node->inputs[0]->dtype != TN_FLOAT32 || node->inputs[1]->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "inputs must be float32");
    node->outputs[0]->dtype = TN_FLOAT32;
    return broadcast_shape(node, &node->outputs[0]->shape, error);
}

bool tn_broadcast_rows(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_shape *x = &node->inputs[i]->shape;
        if (!x->batched && x->rank > 1 && x->dims[x->rank - 2] != 1) return false;
    }
    return tn_rows_same(node, input, out, in);
}

/* Steps of an operand along the canonical axes of y. */
static void operand_steps(const tn_shape *shape, int rank, int64_t channels, int64_t *step) {
    int64_t next = 1;
    bool last = shape->batched && shape->rank == 4 && channels > 1;
    for (int i = 0; i < rank; i++) step[i] = 0;
    if (last) {
        const int64_t *d = shape->dims;
        step[1] = d[1] > 1 ? 1 : 0;
        step[3] = d[3] > 1 ? d[1] : 0;
        step[2] = d[2] > 1 ? d[1] * d[3] : 0;
        step[0] = d[1] * d[2] * d[3];
        return;
    }
    for (int k = shape->rank - 1; k >= 0; k--) {
        int axis = k + rank - shape->rank;
        bool sample = shape->batched && k == 0;
        step[axis] = shape->dims[k] > 1 || sample ? next : 0;
        next *= shape->dims[k];
    }
}

/* Merges an axis into the one before it where both operands allow. */
static void push_axis(tn_walk *w, int64_t dim, int64_t step_a, int64_t step_b) {
    if (dim == 1) return;
    int last = w->rank - 1;
    if (w->rank > 0 && w->step[0][last] == step_a * dim && w->step[1][last] == step_b * dim) {
        w->dims[last] *= dim;
        w->step[0][last] = step_a;
        w->step[1][last] = step_b;
        return;
    }
    w->dims[w->rank] = dim;
    w->step[0][w->rank] = step_a;
    w->step[1][w->rank++] = step_b;
}

tn_walk tn_walk_make(const tn_shape *y, int64_t channels, int64_t n, const tn_shape *a,
                     const tn_shape *b) {
    int64_t step_a[TN_MAX_RANK], step_b[TN_MAX_RANK];
    tn_walk w = {0};
    bool last = y->batched && y->rank == 4 && channels > 1;
    operand_steps(a, y->rank, channels, step_a);
    operand_steps(b, y->rank, channels, step_b);
    for (int i = 0; i < y->rank; i++) {
        static const int channels_last[4] = {0, 2, 3, 1};
        int axis = last ? channels_last[i] : i;
        int64_t dim = axis == 0 && y->batched ? n : y->dims[axis];
        push_axis(&w, dim, step_a[axis], step_b[axis]);
    }
    if (w.rank == 0) w = (tn_walk){.rank = 1, .dims = {1}};
    return w;
}

/* The same of samples in lanes: [groups][elements][lanes]. */
static tn_walk walk_in_lanes(const tn_shape *y, int64_t n, const tn_shape *a, const tn_shape *b) {
    const tn_shape *shape[2] = {a, b};
    int64_t step[2][TN_MAX_RANK], of_lane[2];
    tn_walk w = {0};
    for (int k = 0; k < 2; k++) {
        operand_steps(shape[k], y->rank, 1, step[k]);
        of_lane[k] = shape[k]->batched ? 1 : 0;
        for (int i = 0; i < y->rank && shape[k]->batched; i++) step[k][i] *= TN_LANES;
    }
    push_axis(&w, (n + TN_LANES - 1) / TN_LANES, step[0][0], step[1][0]);
    for (int i = 1; i < y->rank; i++) push_axis(&w, y->dims[i], step[0][i], step[1][i]);
    push_axis(&w, TN_LANES, of_lane[0], of_lane[1]);
    return w;
}

tn_walk tn_walk_of(const tn_value *y, int64_t n, const tn_shape *a, const tn_shape *b) {
    return y->lanes ? walk_in_lanes(&y->shape, n, a, b)
                    : tn_walk_make(&y->shape, y->channels, n, a, b);
}

void tn_walk_sum(const tn_walk *w, const tn_kernels *kernels, const real *x, real *y) {
    int inner = w->rank - 1, outer = inner;
    int64_t at[TN_WALK_RANK] = {0}, rows = 1, turns = 1;
    int64_t n = w->dims[inner], step = w->step[1][inner];
    /* Rows of x that come to the same of y. */
    if (inner > 0 && step == 1 && w->step[1][inner - 1] == 0) rows = w->dims[--outer];
    for (int i = 0; i < outer; i++) turns *= w->dims[i];
    for (int64_t turn = 0; turn < turns; turn++, x += rows * n) {
        real *to = y;
        for (int i = 0; i < outer; i++) to += at[i] * w->step[1][i];
        if (step == 1) {
            kernels->sum_rows(rows, n, x, to);
        } else {
            for (int64_t i = 0; i < n; i++) to[i * step] += x[i];
        }
        for (int i = outer - 1; i >= 0 && ++at[i] == w->dims[i]; i--) at[i] = 0;
    }
}

static void broadcast_row(int64_t n, const real *a, int64_t step_a, const real *b, int64_t step_b,
                          tn_binary_fn *vector, tn_scalar_fn *b_scalar, tn_scalar_fn *a_scalar,
                          real *y) {
    if (step_a == 1 && step_b == 1)
        vector(n, a, b, y);
    else if (step_a == 1 && step_b == 0)
        b_scalar(n, a, *b, y);
    else if (step_a == 0 && step_b == 1)
        a_scalar(n, b, *a, y);
    else
        for (int64_t i = 0; i < n; i++) vector(1, a + i * step_a, b + i * step_b, y + i);
}

void tn_broadcast_run(const tn_run *run, tn_binary_fn *vector, tn_scalar_fn *b_scalar,
                      tn_scalar_fn *a_scalar) {
    const tn_node *node = run->node;
    const real *a = run->in[0], *b = run->in[1];
    real *y = run->out[0];
    tn_value of_y = *node->outputs[0]; /* as if the rows to be computed were all */
    if (of_y.shape.rank == 4 && of_y.shape.batched && !of_y.lanes)
        of_y.shape.dims[2] = run->rows.end - run->rows.begin;
    tn_walk w = tn_walk_of(&of_y, run->n, &node->inputs[0]->shape, &node->inputs[1]->shape);
    int inner = w.rank - 1;
    int64_t at[TN_WALK_RANK] = {0}, rows = 1;
    for (int i = 0; i < inner; i++) rows *= w.dims[i];
    for (int64_t row = 0; row < rows; row++, y += w.dims[inner]) {
        int64_t from_a = 0, from_b = 0;
        for (int i = 0; i < inner; i++) {
            from_a += at[i] * w.step[0][i];
            from_b += at[i] * w.step[1][i];
        }
        broadcast_row(w.dims[inner], a + from_a, w.step[0][inner], b + from_b, w.step[1][inner],
                      vector, b_scalar, a_scalar, y);
        for (int i = inner - 1; i >= 0 && ++at[i] == w.dims[i]; i--) at[i] = 0;
    }
}
