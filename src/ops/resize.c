/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c: an image, or any tensor, with other numbers of places along its axes. ONNX Resize.
 * Linear and cubic ones are made axis by axis, the innermost first. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "ops/axes.h"
#include "ops/box.h"
#include "ops/convert.h"
#include "ops/resize_axis.h"

static const tn_attr attrs[] = {
    {"mode", TN_ATTR_STRING, offsetof(tn_resize_attrs, mode), false, 0, "nearest"},
    {"coordinate_transformation_mode", TN_ATTR_STRING, offsetof(tn_resize_attrs, coordinate_mode),
     false, 0, "half_pixel"},
    {"nearest_mode", TN_ATTR_STRING, offsetof(tn_resize_attrs, nearest_mode), false, 0,
     "round_prefer_floor"},
    {"keep_aspect_ratio_policy", TN_ATTR_STRING, offsetof(tn_resize_attrs, policy), false, 0,
     "stretch"},
    {"cubic_coeff_a", TN_ATTR_FLOAT, offsetof(tn_resize_attrs, cubic_coeff_a), false, -0.75, NULL},
    {"extrapolation_value", TN_ATTR_FLOAT, offsetof(tn_resize_attrs, extrapolation_value), false, 0,
     NULL},
    {"exclude_outside", TN_ATTR_INT, offsetof(tn_resize_attrs, exclude_outside), false, 0, NULL},
    {"antialias", TN_ATTR_INT, offsetof(tn_resize_attrs, antialias), false, 0, NULL},
    {"axes", TN_ATTR_INTS, offsetof(tn_resize_attrs, axes), false, 0, NULL},
    {"roi", TN_ATTR_FLOATS, offsetof(tn_resize_attrs, roi), false, 0, NULL},
    {"scales", TN_ATTR_FLOATS, offsetof(tn_resize_attrs, scales), false, 0, NULL},
    {"sizes", TN_ATTR_INTS, offsetof(tn_resize_attrs, sizes), false, 0, NULL},
    {0}};

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* The one scale that keeps the aspect within the sizes, or that fills them. */
static double common_scale(const tn_resize_attrs *a, const tn_shape *x, const int *axis) {
    bool larger = strcmp(a->policy, "not_smaller") == 0;
    double scale = larger ? 0 : (double)INFINITY;
    for (int k = 0; k < a->sizes.n; k++) {
        double own = (double)a->sizes.v[k] / (double)x->dims[axis[k]];
        scale = larger ? fmax(scale, own) : fmin(scale, own);
    }
    return scale;
}

/* Number k of the scales or sizes, for an axis of so many places. */
static tn_status resize_axis(const tn_resize_attrs *a, int k, double common, tn_resize_axis *to,
                             tn_error *error) {
    int listed = a->roi.n / 2;
    if (a->scales.n > 0) {
        to->scale = (double)a->scales.v[k];
        float length = (float)to->n * a->scales.v[k]; /* in float32, as all files expect */
        if (!(length >= 0 && length <= (float)TN_MAX_ELEMENTS && to->scale > 0))
            return tn_fail(error, TN_ERR_FORMAT, "scales holds %g", to->scale);
        to->m = (int64_t)floorf(length);
    } else {
        if (a->sizes.v[k] < 1 || a->sizes.v[k] > TN_MAX_ELEMENTS)
            return tn_fail(error, TN_ERR_FORMAT, "sizes holds %lld", (long long)a->sizes.v[k]);
        bool stretch = strcmp(a->policy, "stretch") == 0;
        to->m = stretch ? a->sizes.v[k] : (int64_t)floor(common * (double)to->n + 0.5);
        to->scale = stretch ? (double)to->m / (double)to->n : common;
    }
    if (to->n < 1 && to->m > 0)
        return tn_fail(error, TN_ERR_FORMAT, "nothing to make %lld places from", (long long)to->m);
    if (k < listed) {
        to->begin = (double)a->roi.v[k];
        to->end = (double)a->roi.v[listed + k];
    }
    return TN_OK;
}

static tn_status resolve_axes(const tn_resize_attrs *a, const tn_shape *x, int axis[TN_MAX_RANK],
                              tn_error *error) {
    bool seen[TN_MAX_RANK];
    int n = a->axes.n > 0 ? a->axes.n : x->rank;
    if ((a->scales.n > 0) == (a->sizes.n > 0) || a->scales.n + a->sizes.n != n)
        return tn_fail(error, TN_ERR_FORMAT, "%d scales and %d sizes for %d axes", a->scales.n,
                       a->sizes.n, n);
    TN_TRY(tn_axes_mark(&a->axes, x->rank, seen, error));
    for (int k = 0; k < n; k++)
        TN_TRY(tn_axis_resolve(a->axes.n > 0 ? a->axes.v[k] : k, x->rank, &axis[k], error));
    if (a->roi.n != 0 && a->roi.n != 2 * n && strcmp(a->coordinate_mode, "tf_crop_and_resize") == 0)
        return tn_fail(error, TN_ERR_FORMAT, "roi has %d numbers for %d axes", a->roi.n, n);
    return TN_OK;
}

/* All axes of x; those of a batch's samples stay. */
static tn_status resolve(const tn_resize_attrs *a, const tn_shape *x,
                         tn_resize_axis axes[TN_MAX_RANK], tn_error *error) {
    int axis[TN_MAX_RANK];
    TN_TRY(resolve_axes(a, x, axis, error));
    double common = common_scale(a, x, axis);
    for (int i = 0; i < x->rank; i++) axes[i] = (tn_resize_axis){x->dims[i], x->dims[i], 1, 0, 1};
    for (int k = 0; k < a->scales.n + a->sizes.n; k++) {
        bool samples = x->batched && axis[k] == 0;
        bool kept = a->scales.n > 0 ? a->scales.v[k] == 1 : a->sizes.v[k] == 1;
        if (samples && !kept)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "scales or sizes change axis 0, the batch");
        if (!samples) TN_TRY(resize_axis(a, k, common, &axes[axis[k]], error));
    }
    return TN_OK;
}

/* Lists for some axes become lists for all: not all versions of ONNX have the former. */
static void list_all_axes(tn_resize_attrs *a, const tn_shape *x) {
    tn_resize_attrs all = *a;
    int listed = a->axes.n;
    if (listed == 0 || strcmp(a->policy, "stretch") != 0) return;
    all.axes.n = 0;
    all.scales.n = a->scales.n > 0 ? x->rank : 0;
    all.sizes.n = a->sizes.n > 0 ? x->rank : 0;
    all.roi.n = a->roi.n > 0 ? 2 * x->rank : 0;
    for (int i = 0; i < x->rank; i++) {
        all.scales.v[i] = 1;
        all.sizes.v[i] = i == 0 && x->batched ? 1 : x->dims[i];
        all.roi.v[i] = 0;
        all.roi.v[x->rank + i] = 1;
    }
    for (int k = 0; k < listed; k++) {
        int axis = (int)(a->axes.v[k] < 0 ? a->axes.v[k] + x->rank : a->axes.v[k]);
        all.scales.v[axis] = a->scales.v[k];
        all.sizes.v[axis] = a->sizes.v[k];
        all.roi.v[axis] = a->roi.v[k];
        all.roi.v[x->rank + axis] = a->roi.v[listed + k];
    }
    *a = all;
}

static bool is_kept(const tn_resize_axis *a) {
    return a->n == a->m && a->scale == 1 && a->begin == 0 && a->end == 1;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    const tn_resize_attrs *a = node->attrs;
    const tn_value *x = node->inputs[0];
    tn_resize_axis axes[TN_MAX_RANK];
    tn_shape y = x->shape;
    int64_t largest = 1;
    TN_TRY(tn_resize_check(a, error));
    TN_TRY(resolve(a, &x->shape, axes, error));
    if (tn_resize_mode_of(a) != TN_RESIZE_NEAREST && x->dtype != TN_FLOAT32)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "mode %s of %s (float32 only)", a->mode,
                       tn_dtype_name(x->dtype));
    for (int i = 0; i < y.rank; i++) {
        y.dims[i] = axes[i].m;
        if (a->antialias && axes[i].scale < 1)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "antialias is not supported");
        if (!tn_size_mul(largest, tn_max_i64(1, tn_max_i64(axes[i].n, axes[i].m)), &largest) ||
            largest > TN_MAX_ELEMENTS) /* what lies between the axes */
            return tn_fail(error, TN_ERR_FORMAT, "the result is too large");
    }
    list_all_axes(node->attrs, &x->shape);
    node->outputs[0]->shape = y;
    node->outputs[0]->dtype = x->dtype;
    return TN_OK;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

/* The taps of all axes that change, one table behind the other. */
typedef struct tables {
    tn_resize_axis axes[TN_MAX_RANK];
    const tn_resize_taps *taps[TN_MAX_RANK]; /* NULL for an axis that stays */
} tables;

static int64_t tables_bytes(const tn_resize_attrs *a, const tn_shape *x) {
    tn_resize_axis axes[TN_MAX_RANK];
    tn_error unused; /* they have been resolved before */
    int64_t n = 1;
    (void)resolve(a, x, axes, &unused);
    for (int i = 0; i < x->rank; i++) n += is_kept(&axes[i]) ? 0 : axes[i].m;
    return n * (int64_t)sizeof(tn_resize_taps);
}

static tables find_tables(const tn_resize_attrs *a, const tn_shape *x, const void *packed) {
    tables t = {0};
    tn_error unused;
    const tn_resize_taps *next = packed;
    (void)resolve(a, x, t.axes, &unused);
    for (int i = 0; i < x->rank; i++) {
        if (is_kept(&t.axes[i])) continue;
        t.taps[i] = next;
        next += t.axes[i].m;
    }
    return t;
}

static void fill_tables(const tn_resize_attrs *a, const tn_shape *x, void *packed) {
    const tables t = find_tables(a, x, packed);
    tn_resize_taps *to = packed;
    for (int i = 0; i < x->rank; i++)
        for (int64_t j = 0; t.taps[i] && j < t.axes[i].m; j++)
            *to++ = tn_resize_taps_at(a, &t.axes[i], j);
}

static int64_t packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tables_bytes(node->attrs, &node->inputs[0]->shape);
}

static void pack(const tn_run *run, void *packed) {
    fill_tables(run->node->attrs, &run->node->inputs[0]->shape, packed);
}

/* ---- Nearest: copies ------------------------------------------------------------------------- */

typedef struct copying {
    int levels; /* stored axes down to the last that changes */
    const tn_resize_taps *taps[TN_MAX_RANK];
    int64_t places[TN_MAX_RANK];
    int64_t from[TN_MAX_RANK], to[TN_MAX_RANK]; /* bytes from place to place of an axis */
    size_t element_bytes;
    char outside[8]; /* an element that shows nothing of x */
} copying;

static void fill_outside(const copying *c, int64_t bytes, char *y) {
    for (int64_t i = 0; i < bytes; i += (int64_t)c->element_bytes)
        memcpy(y + i, c->outside, c->element_bytes);
}

/* The axes from `level` on. A place that shows the same as the one before it is a copy of that. */
static void copy_nearest(const copying *c, int level, const char *x, char *y) {
    int64_t to = c->to[level], last = -2;
    for (int64_t j = 0; j < c->places[level]; j++, y += to) {
        const tn_resize_taps *taps = c->taps[level] ? &c->taps[level][j] : NULL;
        int64_t place = !taps ? j : taps->n > 0 ? taps->place[0] : -1;
        if (place < 0)
            fill_outside(c, to, y);
        else if (place == last)
            memcpy(y, y - to, (size_t)to);
        else if (level + 1 == c->levels)
            memcpy(y, x + place * c->from[level], (size_t)to);
        else
            copy_nearest(c, level + 1, x + place * c->from[level], y);
        last = place;
    }
}

static void run_nearest(const tn_run *run) {
    const tn_resize_attrs *a = run->node->attrs;
    const tn_value *x = run->node->inputs[0], *y = run->node->outputs[0];
    const tn_stored_axes from = tn_box_axes(run, x, run->in_rows[0]);
    const tn_stored_axes to = tn_box_axes(run, y, run->rows);
    const tables t = find_tables(a, &x->shape, run->packed);
    copying c = {.element_bytes = tn_dtype_bytes(x->dtype)};
    int64_t bytes = (int64_t)c.element_bytes, elements = 1;
    tn_convert_number(a->extrapolation_value, x->dtype, c.outside);
    for (int i = 0; i < to.rank; i++) {
        int axis = to.order[i];
        c.taps[i] = t.taps[axis];
        c.places[i] = to.dims[axis];
        c.from[i] = from.step[axis] * bytes;
        c.to[i] = to.step[axis] * bytes;
        if (c.taps[i]) c.levels = i + 1;
        elements *= to.dims[axis];
    }
    if (c.levels == 0 && elements > 0)
        memcpy(run->out[0], run->in[0], (size_t)(elements * bytes));
    else if (elements > 0)
        copy_nearest(&c, 0, run->in[0], run->out[0]);
}

static bool nearest_applies(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tn_resize_mode_of(node->attrs) == TN_RESIZE_NEAREST;
}

static const tn_implementation nearest = {.name = "nearest",
                                          .applies = nearest_applies,
                                          .packed_bytes = packed_bytes,
                                          .pack = pack,
                                          .run = run_nearest};

/* ---- Axis by axis ---------------------------------------------------------------------------- */

/* One axis of a tensor [outer][places][inner]. */
typedef struct pass {
    int64_t outer, inner;
    const tn_resize_axis *axis;
    const tn_resize_taps *taps;
} pass;

static void blend(const tn_run *run, const pass *p, const real *x, real *y) {
    const real value = (real)((const tn_resize_attrs *)run->node->attrs)->extrapolation_value;
    for (int64_t o = 0; o < p->outer; o++, x += p->axis->n * p->inner)
        for (int64_t j = 0; j < p->axis->m; j++, y += p->inner) {
            const tn_resize_taps *t = &p->taps[j];
            const real *from[TN_RESIZE_TAPS];
            for (int k = 0; k < t->n; k++) from[k] = x + t->place[k] * p->inner;
            if (t->n > 0)
                run->kernels->blend(t->n, from, t->weight, p->inner, y);
            else
                for (int64_t i = 0; i < p->inner; i++) y[i] = value;
        }
}

/* Each place of dy gives its parts to the places it was made from. */
static void spread(const tn_run *run, const pass *p, const real *dy, real *dx) {
    memset(dx, 0, (size_t)(p->outer * p->axis->n * p->inner) * sizeof(real));
    for (int64_t o = 0; o < p->outer; o++, dx += p->axis->n * p->inner)
        for (int64_t j = 0; j < p->axis->m; j++, dy += p->inner)
            for (int k = 0; k < p->taps[j].n; k++) {
                real *to = dx + p->taps[j].place[k] * p->inner;
                const real *const from[] = {to, dy};
                const real weight[] = {1, p->taps[j].weight[k]};
                run->kernels->blend(2, from, weight, p->inner, to);
            }
}

/* Elements of the largest tensor on the way: those of a sample, if batched. */
static int64_t most_elements(const tables *t, const tn_shape *x) {
    int64_t n = 1;
    for (int i = x->batched ? 1 : 0; i < x->rank; i++) n *= tn_max_i64(t->axes[i].n, t->axes[i].m);
    return n;
}

/* What lies between the axes, in two places by turns. */
static int64_t blend_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const tables t = find_tables(node->attrs, &node->inputs[0]->shape, NULL);
    return 2 * most_elements(&t, &node->inputs[0]->shape) * (int64_t)sizeof(real);
}

/* All that change of the axes that are stored in `order`, forth from the last or back from the
 * first, of one sample. */
static void run_axes(const tn_run *run, const tables *t, const tn_shape *x,
                     const tn_stored_axes *stored, bool back, const real *from, real *to) {
    real *room[2] = {run->workspace, (real *)run->workspace + most_elements(t, x)};
    int first = x->batched ? 1 : 0, passes = 0, done = 0;
    int64_t dims[TN_MAX_RANK], elements = 1;
    for (int i = first; i < x->rank; i++) {
        const tn_resize_axis *a = &t->axes[stored->order[i]];
        dims[i] = back ? a->m : a->n;
        elements *= dims[i];
        passes += t->taps[stored->order[i]] != NULL;
    }
    if (passes == 0) memcpy(to, from, (size_t)elements * sizeof(real));
    for (int k = first; k < x->rank; k++) {
        int i = back ? k : x->rank - 1 - (k - first);
        pass p = {1, 1, &t->axes[stored->order[i]], t->taps[stored->order[i]]};
        if (!p.taps) continue;
        for (int j = first; j < i; j++) p.outer *= dims[j];
        for (int j = i + 1; j < x->rank; j++) p.inner *= dims[j];
        real *result = ++done == passes ? to : room[done % 2];
        (back ? spread : blend)(run, &p, from, result);
        dims[i] = back ? p.axis->n : p.axis->m;
        from = result;
    }
}

static void run_samples(const tn_run *run, const tn_resize_attrs *a, const tn_shape *x,
                        const tn_stored_axes *stored, bool back) {
    const tables t = find_tables(a, x, run->packed);
    int64_t in = tn_shape_sample_elements(&run->node->inputs[0]->shape);
    int64_t out = tn_shape_sample_elements(&run->node->outputs[0]->shape);
    for (int64_t n = 0; n < (x->batched ? run->n : 1) && out > 0; n++)
        run_axes(run, &t, x, stored, back, (const real *)run->in[0] + n * in,
                 (real *)run->out[0] + n * out);
}

static void run_blend(const tn_run *run) {
    const tn_value *y = run->node->outputs[0];
    const tn_stored_axes stored = tn_box_axes(run, y, run->rows);
    run_samples(run, run->node->attrs, &run->node->inputs[0]->shape, &stored, false);
}

static const tn_implementation blending = {.name = "blend",
                                           .cost = {.per_element = 4},
                                           .workspace_bytes = blend_workspace,
                                           .packed_bytes = packed_bytes,
                                           .pack = pack,
                                           .run = run_blend};
static const tn_implementation *const implementations[] = {&nearest, &blending, NULL};

/* ---- Gradient -------------------------------------------------------------------------------- */

typedef struct resize_grad_attrs {
    tn_resize_attrs resize; /* first, as in Resize */
    tn_shape x;             /* its first dimension is that of dy if batched */
} resize_grad_attrs;

static tn_status infer_gradient(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    resize_grad_attrs *a = node->attrs;
    if (a->x.batched) a->x.dims[0] = node->inputs[0]->shape.dims[0];
    node->outputs[0]->shape = a->x;
    return TN_OK;
}

static int64_t gradient_workspace(const tn_node *node, const tn_kernels *kernels, int64_t n) {
    (void)kernels, (void)n;
    const tables t = find_tables(node->attrs, &node->outputs[0]->shape, NULL);
    return 2 * most_elements(&t, &node->outputs[0]->shape) * (int64_t)sizeof(real);
}

static int64_t gradient_packed_bytes(const tn_node *node, const tn_kernels *kernels) {
    (void)kernels;
    return tables_bytes(node->attrs, &node->outputs[0]->shape);
}

static void pack_gradient(const tn_run *run, void *packed) {
    fill_tables(run->node->attrs, &run->node->outputs[0]->shape, packed);
}

static void run_gradient(const tn_run *run) {
    const tn_value *dx = run->node->outputs[0];
    const tn_stored_axes stored = tn_box_axes(run, dx, run->rows);
    run_samples(run, run->node->attrs, &dx->shape, &stored, true);
}

static const tn_implementation spreading = {.name = "spread",
                                            .cost = {.per_element = 4},
                                            .workspace_bytes = gradient_workspace,
                                            .packed_bytes = gradient_packed_bytes,
                                            .pack = pack_gradient,
                                            .run = run_gradient};
static const tn_implementation *const gradient_implementations[] = {&spreading, NULL};

static const tn_op resize_grad = {.name = "ResizeGrad",
                                  .attrs_bytes = sizeof(resize_grad_attrs),
                                  .min_inputs = 1,
                                  .max_inputs = 1,
                                  .n_outputs = 1,
                                  .layout = TN_LAYOUT_CHANNELS_LAST,
                                  .infer_shape = infer_gradient,
                                  .implementations = gradient_implementations};

static tn_status differentiate(tn_graph *graph, tn_node *node, tn_error *error) {
    const resize_grad_attrs a = {*(const tn_resize_attrs *)node->attrs, node->inputs[0]->shape};
    tn_value *dy = tn_gradient_of(graph, node->outputs[0]), *dx;
    TN_TRY(tn_graph_apply(graph, &resize_grad, &a, &dy, 1, &dx, error));
    return tn_gradient_add(graph, node->inputs[0], dx, error);
}

const tn_op tn_op_resize = {.name = "Resize",
                            .onnx_type = "Resize",
                            .attrs = attrs,
                            .attrs_bytes = sizeof(tn_resize_attrs),
                            .min_inputs = 1,
                            .max_inputs = 1,
                            .n_outputs = 1,
                            .layout = TN_LAYOUT_CHANNELS_LAST,
                            .infer_shape = infer_shape,
                            .differentiate = differentiate,
                            .implementations = implementations};
