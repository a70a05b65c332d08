/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/broadcast.h"

#include "base/size.h"
#include "ops/integers.h"

/* Dimension of axis i of `rank` aligned axes; 1 where the operand has none. */
static int64_t aligned_dim(const tn_shape *shape, int rank, int i) {
    int k = i - (rank - shape->rank);
    return k < 0 ? 1 : shape->dims[k];
}

/* Makes y the shape of y and x together. */
static tn_status widen(tn_shape *y, const tn_shape *x, tn_error *error) {
    char text[2][TN_SHAPE_TEXT];
    tn_shape wide = {.rank = x->rank > y->rank ? x->rank : y->rank,
                     .batched = x->batched || y->batched};
    for (int i = 0; i < wide.rank; i++) {
        int64_t p = aligned_dim(y, wide.rank, i), q = aligned_dim(x, wide.rank, i);
        if (p != q && p != 1 && q != 1)
            return tn_fail(error, TN_ERR_FORMAT, "shapes %s and %s do not broadcast",
                           tn_shape_text(y, text[0]), tn_shape_text(x, text[1]));
        wide.dims[i] = p == 1 ? q : p;
    }
    *y = wide;
    return TN_OK;
}

tn_status tn_broadcast_shape(tn_node *node, tn_error *error) {
    tn_shape y = node->inputs[0]->shape;
    char text[2][TN_SHAPE_TEXT];
    for (int i = 1; i < node->n_inputs; i++) TN_TRY(widen(&y, &node->inputs[i]->shape, error));
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_shape *x = &node->inputs[i]->shape;
        bool samples_first = x->batched ? x->rank == y.rank : aligned_dim(x, y.rank, 0) == 1;
        if (y.batched && !samples_first)
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "shape %s against %s: the batch must be the first dimension of all or "
                           "one",
                           tn_shape_text(x, text[0]), tn_shape_text(&y, text[1]));
    }
    node->outputs[0]->shape = y;
    return TN_OK;
}

static tn_status infer_type(tn_node *node, bool integers, tn_error *error) {
    tn_dtype dtype = node->inputs[0]->dtype;
    for (int i = 0; i < node->n_inputs; i++) {
        tn_dtype other = node->inputs[i]->dtype;
        if (other != TN_FLOAT32 && !(integers && tn_is_integer(other)))
            return tn_fail(error, TN_ERR_UNSUPPORTED, "type %s is not supported",
                           tn_dtype_name(other));
        if (other != dtype)
            return tn_fail(error, TN_ERR_FORMAT, "inputs are %s and %s", tn_dtype_name(dtype),
                           tn_dtype_name(other));
    }
    node->outputs[0]->dtype = dtype;
    return tn_broadcast_shape(node, error);
}

tn_status tn_infer_broadcast(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    return infer_type(node, false, error);
}

tn_status tn_infer_arithmetic(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    return infer_type(node, true, error);
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

/* Merges an axis into the one before it where all operands allow. */
static void push_axis(tn_walk *w, int64_t dim, const int64_t step[TN_WALK_OPERANDS]) {
    if (dim == 1) return;
    int last = w->rank - 1;
    bool merges = w->rank > 0;
    for (int k = 0; k < TN_WALK_OPERANDS && merges; k++) merges = w->step[k][last] == step[k] * dim;
    if (merges)
        w->dims[last] *= dim;
    else
        w->dims[last = w->rank++] = dim;
    for (int k = 0; k < TN_WALK_OPERANDS; k++) w->step[k][last] = step[k];
}

typedef struct axis_steps {
    int64_t of[TN_MAX_RANK][TN_WALK_OPERANDS];
} axis_steps;

/* Steps of all operands along the canonical axes of y; none of operands that are not there. */
static axis_steps steps_of(const tn_shape *const *operands, int n_operands, int rank,
                           int64_t channels) {
    axis_steps steps = {0};
    for (int k = 0; k < n_operands; k++) {
        int64_t step[TN_MAX_RANK];
        operand_steps(operands[k], rank, channels, step);
        for (int i = 0; i < rank; i++) steps.of[i][k] = step[i];
    }
    return steps;
}

static tn_walk walk_by_sample(const tn_shape *y, int64_t channels, int64_t n,
                              const tn_shape *const *operands, int n_operands) {
    axis_steps steps = steps_of(operands, n_operands, y->rank, channels);
    tn_walk w = {0};
    bool last = y->batched && y->rank == 4 && channels > 1;
    for (int i = 0; i < y->rank; i++) {
        static const int channels_last[4] = {0, 2, 3, 1};
        int axis = last ? channels_last[i] : i;
        push_axis(&w, axis == 0 && y->batched ? n : y->dims[axis], steps.of[axis]);
    }
    if (w.rank == 0) w = (tn_walk){.rank = 1, .dims = {1}};
    return w;
}

/* The same of samples in lanes: [groups][elements][lanes]. */
static tn_walk walk_in_lanes(const tn_shape *y, int64_t n, const tn_shape *const *operands,
                             int n_operands) {
    axis_steps steps = steps_of(operands, n_operands, y->rank, 1);
    int64_t of_lane[TN_WALK_OPERANDS] = {0};
    tn_walk w = {0};
    for (int k = 0; k < n_operands; k++) {
        if (!operands[k]->batched) continue;
        of_lane[k] = 1;
        for (int i = 0; i < y->rank; i++) steps.of[i][k] *= TN_LANES;
    }
    push_axis(&w, (n + TN_LANES - 1) / TN_LANES, steps.of[0]);
    for (int i = 1; i < y->rank; i++) push_axis(&w, y->dims[i], steps.of[i]);
    push_axis(&w, TN_LANES, of_lane);
    return w;
}

tn_walk tn_walk_make(const tn_shape *y, int64_t channels, int64_t n, const tn_shape *a,
                     const tn_shape *b) {
    const tn_shape *operands[] = {a, b};
    return walk_by_sample(y, channels, n, operands, 2);
}

static tn_walk walk_of(const tn_value *y, int64_t n, const tn_shape *const *operands,
                       int n_operands) {
    return y->lanes ? walk_in_lanes(&y->shape, n, operands, n_operands)
                    : walk_by_sample(&y->shape, y->channels, n, operands, n_operands);
}

tn_walk tn_walk_of(const tn_value *y, int64_t n, const tn_shape *a, const tn_shape *b) {
    const tn_shape *operands[] = {a, b};
    return walk_of(y, n, operands, 2);
}

tn_walk tn_walk_of_run(const tn_run *run, const tn_shape *const *operands, int n_operands) {
    tn_value y = *run->node->outputs[0]; /* as if the rows to be computed were all */
    if (y.shape.rank == 4 && y.shape.batched && !y.lanes)
        y.shape.dims[2] = run->rows.end - run->rows.begin;
    return walk_of(&y, run->n, operands, n_operands);
}

tn_walk_row tn_walk_begin(const tn_walk *w) {
    int inner = w->rank - 1;
    tn_walk_row row = {.n = w->dims[inner], .first = -w->dims[inner], .left = 1};
    for (int i = 0; i < inner; i++) row.left *= w->dims[i];
    for (int k = 0; k < TN_WALK_OPERANDS; k++) row.step[k] = w->step[k][inner];
    return row;
}

bool tn_walk_next(const tn_walk *w, tn_walk_row *row) {
    if (row->left-- == 0) return false;
    row->first += row->n;
    for (int k = 0; k < TN_WALK_OPERANDS; k++) {
        row->from[k] = 0;
        for (int i = 0; i < w->rank - 1; i++) row->from[k] += row->at[i] * w->step[k][i];
    }
    for (int i = w->rank - 2; i >= 0 && ++row->at[i] == w->dims[i]; i--) row->at[i] = 0;
    return true;
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
    const tn_shape *operands[] = {&run->node->inputs[0]->shape, &run->node->inputs[1]->shape};
    const real *a = run->in[0], *b = run->in[1];
    tn_walk w = tn_walk_of_run(run, operands, 2);
    for (tn_walk_row r = tn_walk_begin(&w); tn_walk_next(&w, &r);)
        broadcast_row(r.n, a + r.from[0], r.step[0], b + r.from[1], r.step[1], vector, b_scalar,
                      a_scalar, (real *)run->out[0] + r.first);
}
