/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c: a part of a tensor at regular steps along its axes. ONNX Slice. */
#include "ops/slice.h"

#include <string.h>

#include "base/size.h"
#include "graph/images.h"
#include "ops/axes.h"
#include "ops/box.h"
#include "ops/ops.h"

static const tn_attr attrs[] = {
    {"starts", TN_ATTR_INTS, offsetof(tn_slice_attrs, starts), true, 0, NULL},
    {"ends", TN_ATTR_INTS, offsetof(tn_slice_attrs, ends), true, 0, NULL},
    {"axes", TN_ATTR_INTS, offsetof(tn_slice_attrs, axes), false, 0, NULL},
    {"steps", TN_ATTR_INTS, offsetof(tn_slice_attrs, steps), false, 0, NULL},
    {0}};

tn_slice tn_slice_all(void) {
    tn_slice s = {0};
    for (int i = 0; i < TN_MAX_RANK; i++) s.step[i] = 1;
    return s;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) {
    return tn_max_i64(low, tn_min_i64(x, high));
}

/* A place counted from the end where negative, which may be as far out as numbers go. */
static int64_t from_begin(int64_t place, int64_t dim) { return place < 0 ? place + dim : place; }

/* The start and the places of entry k along an axis of `dim`. As in ONNX, what is out of bounds is
 * cut off. */
static tn_status resolve_axis(const tn_slice_attrs *a, int k, int64_t dim, int64_t *start,
                              int64_t *step, int64_t *places, tn_error *error) {
    *step = a->steps.n > 0 ? clamp(a->steps.v[k], -TN_MAX_ELEMENTS, TN_MAX_ELEMENTS) : 1;
    if (*step == 0) return tn_fail(error, TN_ERR_FORMAT, "steps holds 0");
    bool back = *step < 0;
    *start = clamp(from_begin(a->starts.v[k], dim), 0, back ? dim - 1 : dim);
    int64_t end = clamp(from_begin(a->ends.v[k], dim), back ? -1 : 0, back ? dim - 1 : dim);
    int64_t room = back ? *start - end : end - *start, each = back ? -*step : *step;
    *places = room > 0 ? (room + each - 1) / each : 0;
    return TN_OK;
}

/* Whether entry k is all of an axis, however long it is. */
static bool is_whole(const tn_slice_attrs *a, int k) {
    return a->starts.v[k] == 0 && a->ends.v[k] >= INT32_MAX &&
           (a->steps.n == 0 || a->steps.v[k] == 1);
}

/* The part, and its dimensions. */
static tn_status resolve(const tn_slice_attrs *a, const tn_shape *x, tn_slice *slice, tn_shape *y,
                         tn_error *error) {
    bool seen[TN_MAX_RANK] = {false};
    *slice = tn_slice_all();
    *y = *x;
    for (int k = 0; k < a->starts.n; k++) {
        int axis;
        TN_TRY(tn_axis_resolve(a->axes.n > 0 ? a->axes.v[k] : k, x->rank, &axis, error));
        if (seen[axis]) return tn_fail(error, TN_ERR_FORMAT, "axis %d is listed twice", axis);
        seen[axis] = true;
        if (axis == 0 && x->batched && !is_whole(a, k))
            return tn_fail(error, TN_ERR_UNSUPPORTED, "axis 0 takes some samples of the batch");
        if (axis == 0 && x->batched) continue;
        TN_TRY(resolve_axis(a, k, x->dims[axis], &slice->start[axis], &slice->step[axis],
                            &y->dims[axis], error));
    }
    return TN_OK;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_slice_attrs *a = node->attrs;
    const tn_value *x = node->inputs[0];
    tn_slice slice;
    if (a->starts.n != a->ends.n || (a->axes.n > 0 && a->axes.n != a->starts.n) ||
        (a->steps.n > 0 && a->steps.n != a->starts.n))
        return tn_fail(error, TN_ERR_FORMAT, "%d starts, %d ends, %d axes and %d steps",
                       a->starts.n, a->ends.n, a->axes.n, a->steps.n);
    node->outputs[0]->dtype = x->dtype;
    return resolve(a, &x->shape, &slice, &node->outputs[0]->shape, error);
}

/* ---- Running --------------------------------------------------------------------------------- */

/* The box of a part: the whole is `from`. *offset is where the part begins in the whole. */
static tn_box box_of(const tn_slice *slice, const tn_stored_axes *whole, const tn_stored_axes *part,
                     int64_t *offset) {
    tn_box box = {0};
    *offset = 0;
    for (int i = 0; i < part->rank; i++) {
        int axis = part->order[i];
        *offset += slice->start[axis] * whole->step[axis];
        tn_box_push(&box, part->dims[axis], slice->step[axis] * whole->step[axis],
                    part->step[axis]);
    }
    return box;
}

void tn_slice_run(const tn_run *run, const tn_slice *slice, int output) {
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[output];
    const tn_stored_axes whole = tn_box_axes(run, x, run->in_rows[0]);
    const tn_stored_axes part = tn_box_axes(run, y, run->rows);
    int64_t offset, bytes = (int64_t)tn_dtype_bytes(x->dtype);
    tn_box box = box_of(slice, &whole, &part, &offset);
    tn_box_copy(&box, run->kernels, (size_t)bytes, (const char *)run->in[0] + offset * bytes,
                run->out[output]);
}

/* Of all outputs: rows are those of the input only where none are left out. */
bool tn_slice_rows(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    for (int i = 0; i < node->n_outputs; i++)
        if (tn_row_bytes(node, node->outputs[i]) == 0 ||
            tn_image_rows(node, node->outputs[i]) != tn_image_rows(node, node->inputs[0]))
            return false;
    return tn_rows_same(node, input, out, in);
}

static tn_slice slice_of(const tn_node *node) {
    tn_slice slice;
    tn_shape y;
    tn_error unused; /* it has been resolved before */
    (void)resolve(node->attrs, &node->inputs[0]->shape, &slice, &y, &unused);
    return slice;
}

static void run_any(const tn_run *run) {
    const tn_slice slice = slice_of(run->node);
    tn_slice_run(run, &slice, 0);
}

static bool rows_in(const tn_node *node, int input, tn_rows out, tn_rows *in) {
    const tn_slice slice = slice_of(node);
    return slice.start[2] == 0 && slice.step[2] == 1 && tn_slice_rows(node, input, out, in);
}

static const tn_implementation any = {.name = "any", .rows_in = rows_in, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

/* ---- Gradient -------------------------------------------------------------------------------- */

typedef struct place_attrs {
    tn_slice slice;
    tn_shape whole; /* its first dimension is that of the input if batched */
} place_attrs;

static tn_status infer_place(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    const place_attrs *a = node->attrs;
    tn_shape *dx = &node->outputs[0]->shape;
    *dx = a->whole;
    if (dx->batched) dx->dims[0] = node->inputs[0]->shape.dims[0];
    return TN_OK;
}

static void run_place(const tn_run *run) {
    const place_attrs *a = run->node->attrs;
    const tn_value *dy = run->node->inputs[0], *dx = run->node->outputs[0];
    const tn_stored_axes whole = tn_box_axes(run, dx, run->rows);
    const tn_stored_axes part = tn_box_axes(run, dy, run->in_rows[0]);
    int64_t offset, n = 1;
    tn_box box = box_of(&a->slice, &whole, &part, &offset), back = box;
    for (int i = 0; i < whole.rank; i++) n *= whole.dims[i];
    memcpy(back.from, box.to, sizeof back.from);
    memcpy(back.to, box.from, sizeof back.to);
    memset(run->out[0], 0, (size_t)n * sizeof(real));
    tn_box_copy(&back, run->kernels, sizeof(real), run->in[0], (real *)run->out[0] + offset);
}

static const tn_implementation place = {.name = "any", .run = run_place};
static const tn_implementation *const place_implementations[] = {&place, NULL};

static const tn_op slice_grad = {.name = "SliceGrad",
                                 .attrs_bytes = sizeof(place_attrs),
                                 .min_inputs = 1,
                                 .max_inputs = 1,
                                 .n_outputs = 1,
                                 .layout = TN_LAYOUT_IMAGE,
                                 .infer_shape = infer_place,
                                 .implementations = place_implementations};

tn_status tn_slice_gradient(tn_graph *graph, const tn_slice *slice, tn_value *x, tn_value *dy,
                            tn_error *error) {
    const place_attrs a = {*slice, x->shape};
    tn_value *dx;
    TN_TRY(tn_graph_apply(graph, &slice_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, x, dx, error);
}

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const tn_slice slice = slice_of(node);
    return tn_slice_gradient(graph, &slice, node->inputs[0],
                             tn_gradient_of(graph, node->outputs[0]), error);
}

const tn_op tn_op_slice = {.name = "Slice",
                           .onnx_type = "Slice",
                           .attrs = attrs,
                           .attrs_bytes = sizeof(tn_slice_attrs),
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .n_outputs = 1,
                           .layout = TN_LAYOUT_IMAGE,
                           .infer_shape = infer_shape,
                           .differentiate = differentiate,
                           .implementations = implementations};
