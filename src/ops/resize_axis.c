/* SPDX-License-Identifier: Apache-2.0 */
/* resize_axis.c: the formulas are those of ONNX's Resize. */
#include "ops/resize_axis.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

typedef double coordinate_fn(const tn_resize_axis *a, double j);

static double half_pixel(const tn_resize_axis *a, double j) { return (j + 0.5) / a->scale - 0.5; }

/* As half_pixel, about the middle of what the scale makes, of which m is only a part. */
static double half_pixel_symmetric(const tn_resize_axis *a, double j) {
    double adjustment = (double)a->m / (a->scale * (double)a->n);
    return (double)a->n / 2 * (1 - adjustment) + half_pixel(a, j);
}

static double pytorch_half_pixel(const tn_resize_axis *a, double j) {
    return a->m > 1 ? half_pixel(a, j) : 0;
}

static double align_corners(const tn_resize_axis *a, double j) {
    double length = a->scale * (double)a->n;
    return length == 1 ? 0 : j * (double)(a->n - 1) / (length - 1);
}

static double asymmetric(const tn_resize_axis *a, double j) { return j / a->scale; }
static double tf_half_pixel(const tn_resize_axis *a, double j) { return (j + 0.5) / a->scale; }

static double crop(const tn_resize_axis *a, double j) {
    double last = (double)(a->n - 1);
    if (a->m == 1) return 0.5 * (a->begin + a->end) * last;
    return a->begin * last + j * (a->end - a->begin) * last / (double)(a->m - 1);
}

static const struct {
    const char *name;
    coordinate_fn *of;
} coordinates[] = {{"half_pixel", half_pixel},
                   {"half_pixel_symmetric", half_pixel_symmetric},
                   {"pytorch_half_pixel", pytorch_half_pixel},
                   {"align_corners", align_corners},
                   {"asymmetric", asymmetric},
                   {"tf_half_pixel_for_nn", tf_half_pixel},
                   {"tf_crop_and_resize", crop}};
enum { N_COORDINATES = sizeof coordinates / sizeof *coordinates };

static int find_coordinate(const tn_resize_attrs *a) {
    int i = 0;
    while (i < N_COORDINATES && strcmp(coordinates[i].name, a->coordinate_mode) != 0) i++;
    return i;
}

static const char *const modes[] = {"nearest", "linear", "cubic"};
static const char *const nearest_modes[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil"};

static int find(const char *const *names, int n, const char *name) {
    int i = 0;
    while (i < n && strcmp(names[i], name) != 0) i++;
    return i;
}

tn_resize_mode tn_resize_mode_of(const tn_resize_attrs *a) {
    return (tn_resize_mode)find(modes, 3, a->mode);
}

tn_status tn_resize_check(const tn_resize_attrs *a, tn_error *error) {
    if (find(modes, 3, a->mode) == 3)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "mode \"%s\" (nearest, linear or cubic)",
                       a->mode);
    if (find_coordinate(a) == N_COORDINATES)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "coordinate_transformation_mode \"%s\"",
                       a->coordinate_mode);
    if (find(nearest_modes, 4, a->nearest_mode) == 4)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "nearest_mode \"%s\"", a->nearest_mode);
    return TN_OK;
}

static double nearest(const tn_resize_attrs *a, double x) {
    switch (find(nearest_modes, 4, a->nearest_mode)) {
    case 0: return ceil(x - 0.5);
    case 1: return floor(x + 0.5);
    case 2: return floor(x);
    default: return ceil(x);
    }
}

/* Of the four places around x, `fraction` behind the second. Keys 1981, with ONNX's a. */
static void cubic_weights(double a, double fraction, double weight[TN_RESIZE_TAPS]) {
    double f = fraction, far = 1 + f, near = 1 - f, last = 2 - f;
    weight[0] = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a;
    weight[1] = ((a + 2) * f - (a + 3)) * f * f + 1;
    weight[2] = ((a + 2) * near - (a + 3)) * near * near + 1;
    weight[3] = ((a * last - 5 * a) * last + 8 * a) * last - 4 * a;
}

/* Taps from place `first` on. Those outside show the edge, or nothing, the others making up for
 * them. */
static tn_resize_taps place_taps(const tn_resize_attrs *a, int64_t size, double first, int n,
                                 const double *weight) {
    tn_resize_taps taps = {.n = n};
    double sum = 0, last = (double)(size - 1);
    for (int k = 0; k < n; k++) {
        double place = first + k;
        bool inside = place >= 0 && place <= last;
        taps.place[k] = (int64_t)fmin(fmax(place, 0), last);
        taps.weight[k] = (real)(inside || !a->exclude_outside ? weight[k] : 0);
        sum += inside ? weight[k] : 0;
    }
    for (int k = 0; k < n && a->exclude_outside && sum != 0; k++)
        taps.weight[k] = (real)((double)taps.weight[k] / sum);
    return taps;
}

tn_resize_taps tn_resize_taps_at(const tn_resize_attrs *a, const tn_resize_axis *axis, int64_t j) {
    int coordinate = find_coordinate(a);
    double x = coordinates[coordinate].of(axis, (double)j), last = (double)(axis->n - 1);
    double weight[TN_RESIZE_TAPS] = {1}, fraction = x - floor(x);
    if (coordinates[coordinate].of == crop && (x < 0 || x > last)) return (tn_resize_taps){0};
    switch (tn_resize_mode_of(a)) {
    case TN_RESIZE_LINEAR:
        weight[0] = 1 - fraction;
        weight[1] = fraction;
        return place_taps(a, axis->n, floor(x), 2, weight);
    case TN_RESIZE_CUBIC:
        cubic_weights(a->cubic_coeff_a, fraction, weight);
        return place_taps(a, axis->n, floor(x) - 1, 4, weight);
    case TN_RESIZE_NEAREST: break;
    }
    return (tn_resize_taps){
        .n = 1, .place = {(int64_t)fmin(fmax(nearest(a, x), 0), last)}, .weight = {1}};
}
