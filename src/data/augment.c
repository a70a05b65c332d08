/* SPDX-License-Identifier: Apache-2.0 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "base/size.h"

/* Places in an image are in units of 2^-32 pixels: a side below 2^15 pixels and a map that enlarges
 * at most 2^11 fold stay far from overflow, and coefficients are exact to less than a thousandth of
 * a pixel. */
enum { PLACE_BITS = 32, WEIGHT_BITS = 8 };
static const int64_t one_pixel = INT64_C(1) << PLACE_BITS;

/* An image shrunk further than this is a dot in any case. */
static const double smallest_scale = 1.0 / 1024;

/* ---- Drawing ------------------------------------------------------------------------------ */

static double between(tn_random *random, double most) {
    return most * (2 * tn_random_uniform(random) - 1);
}

static double whole_between(tn_random *random, int64_t most) {
    return (double)((int64_t)tn_random_below(random, (uint32_t)(2 * most + 1)) - most);
}

/* Always the same draws in the same order, so that asking for one change leaves the others as they
 * were. */
tn_image_change tn_augment_draw(const tn_augmentation *o, const tn_image_shape *shape,
                                const tn_augment_key *key) {
    uint64_t stream = key->step << 32 | (uint32_t)key->place;
    tn_random random = tn_random_begin(key->seed, TN_PURPOSE_AUGMENT, stream);
    tn_image_change d = {.hole = o->cutout};
    d.right = whole_between(&random, o->crop);
    d.down = whole_between(&random, o->crop);
    d.right += between(&random, o->shift);
    d.down += between(&random, o->shift);
    d.degrees = between(&random, o->rotate);
    d.scale = fmax(1 + between(&random, o->scale), smallest_scale);
    d.flip = (tn_random_u32(&random) & 1) && o->flip;
    d.hole_x = tn_random_below(&random, (uint32_t)shape->width);
    d.hole_y = tn_random_below(&random, (uint32_t)shape->height);
    return d;
}

/* ---- The map ------------------------------------------------------------------------------ */

/* Pixel (x, y) shows what was at (xx·x + xy·y + x0, yx·x + yy·y + y0). */
typedef struct map {
    int64_t xx, xy, x0, yx, yy, y0;
} map;

/* By Taylor series within an eighth of a turn, exact to 2^-37 and at right angles; a system's own
 * functions would differ in the last bit from another's. */
static void sine_and_cosine(double degrees, double *sine, double *cosine) {
    const double pi = 3.14159265358979323846;
    int quarters = (int)floor(degrees / 90 + 0.5);
    double t = (degrees - 90 * quarters) * (pi / 180), u = t * t;
    double s = t * (1 - u / 6 *
                            (1 - u * (1.0 / 20) *
                                     (1 - u * (1.0 / 42) * (1 - u * (1.0 / 72) * (1 - u / 110)))));
    double c =
        1 - u * 0.5 *
                (1 - u * (1.0 / 12) *
                         (1 - u * (1.0 / 30) *
                                  (1 - u * (1.0 / 56) * (1 - u * (1.0 / 90) * (1 - u / 132)))));
    bool odd = quarters & 1;
    *sine = (odd ? c : s) * (quarters & 2 ? -1 : 1);
    *cosine = (odd ? -s : c) * (quarters & 2 ? -1 : 1);
}

static int64_t place(double pixels) { return llround(pixels * (double)one_pixel); }

/* The inverse of: mirror, scale and turn about the middle of the image, then move. */
static map make_map(const tn_image_change *d, const tn_image_shape *shape) {
    double sine, cosine;
    sine_and_cosine(d->degrees, &sine, &cosine);
    double mirror = d->flip ? -1 : 1;
    double xx = mirror * cosine / d->scale, xy = mirror * sine / d->scale;
    double yx = -sine / d->scale, yy = cosine / d->scale;
    double middle_x = (double)(shape->width - 1) / 2, middle_y = (double)(shape->height - 1) / 2;
    double moved_x = middle_x + d->right, moved_y = middle_y + d->down;
    return (map){.xx = place(xx),
                 .xy = place(xy),
                 .x0 = place(middle_x - (xx * moved_x + xy * moved_y)),
                 .yx = place(yx),
                 .yy = place(yy),
                 .y0 = place(middle_y - (yx * moved_x + yy * moved_y))};
}

/* Mostly of nothing, which is not worth a call. */
static void blacken(uint8_t *bytes, int64_t n) {
    if (n > 0) memset(bytes, 0, (size_t)n);
}

/* ---- By copying --------------------------------------------------------------------------- */

static bool moves_whole_pixels(const map *m) {
    return (m->xx == one_pixel || m->xx == -one_pixel) && m->xy == 0 && m->yx == 0 &&
           m->yy == one_pixel && m->x0 % one_pixel == 0 && m->y0 % one_pixel == 0;
}

static inline __attribute__((always_inline)) void mirror(const uint8_t *src, int64_t n,
                                                         int64_t channels, uint8_t *dst) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < channels; c++)
            dst[i * channels + c] = src[(n - 1 - i) * channels + c];
}

/* In the usual cases the number of channels is a constant in the loop. */
static void copy_mirrored(const uint8_t *src, int64_t n, int64_t channels, uint8_t *dst) {
    if (channels == 1)
        mirror(src, n, 1, dst);
    else if (channels == 3)
        mirror(src, n, 3, dst);
    else
        mirror(src, n, channels, dst);
}

static void copy_moved(const map *m, const tn_image_shape *shape, const uint8_t *src,
                       uint8_t *dst) {
    int64_t width = shape->width, channels = shape->channels, pitch = width * channels;
    int64_t x0 = m->x0 / one_pixel, y0 = m->y0 / one_pixel;
    bool mirrored = m->xx < 0;
    /* of the pixels of a row, begin to end - 1 are inside; the leftmost of their sources is first
     */
    int64_t begin = tn_min_i64(tn_max_i64(mirrored ? x0 - width + 1 : -x0, 0), width);
    int64_t end = tn_max_i64(tn_min_i64(mirrored ? x0 + 1 : width - x0, width), begin);
    int64_t first = mirrored ? x0 - end + 1 : x0 + begin;
    for (int64_t y = 0; y < shape->height; y++, dst += pitch) {
        if (y + y0 < 0 || y + y0 >= shape->height || begin == end) {
            blacken(dst, pitch);
            continue;
        }
        const uint8_t *row = src + (y + y0) * pitch + first * channels;
        blacken(dst, begin * channels);
        if (mirrored)
            copy_mirrored(row, end - begin, channels, dst + begin * channels);
        else
            memcpy(dst + begin * channels, row, (size_t)((end - begin) * channels));
        blacken(dst + end * channels, (width - end) * channels);
    }
}

/* ---- By interpolation --------------------------------------------------------------------- */

int64_t tn_augment_scratch_bytes(const tn_image_shape *shape) {
    return (shape->height + 2) * (shape->width + 2) * shape->channels;
}

/* Into the middle of an image with a black border of one pixel. */
static void copy_framed(const tn_image_shape *shape, const uint8_t *src, uint8_t *framed) {
    int64_t pitch = shape->width * shape->channels, framed_pitch = pitch + 2 * shape->channels;
    framed += framed_pitch + shape->channels;
    for (int64_t y = 0; y < shape->height; y++)
        memcpy(framed + y * framed_pitch, src + y * pitch, (size_t)pitch);
}

/* A row of pixels and their sources in the framed image. */
typedef struct span {
    int64_t x, y;   /* of the source of the first pixel */
    int64_t dx, dy; /* from one to the next */
    int64_t n;
} span;

/* All sources must have four neighbours in the framed image. */
static inline __attribute__((always_inline)) void
interpolate(const span *s, const uint8_t *framed, int64_t pitch, int64_t channels, uint8_t *dst) {
    int64_t x = s->x, y = s->y;
    for (int64_t i = 0; i < s->n; i++, x += s->dx, y += s->dy, dst += channels) {
        const uint8_t *above = framed + (y >> PLACE_BITS) * pitch + (x >> PLACE_BITS) * channels;
        const uint8_t *below = above + pitch;
        int right = (int)((uint32_t)x >> 24), lower = (int)((uint32_t)y >> 24);
        for (int64_t c = 0; c < channels; c++) {
            int a = 256 * above[c] + right * (above[c + channels] - above[c]);
            int b = 256 * below[c] + right * (below[c + channels] - below[c]);
            dst[c] = (uint8_t)((256 * a + lower * (b - a) + 32768) >> 16);
        }
    }
}

static void interpolate_any(const span *s, const uint8_t *framed, int64_t pitch, int64_t channels,
                            uint8_t *dst) {
    if (channels == 1)
        interpolate(s, framed, pitch, 1, dst);
    else if (channels == 3)
        interpolate(s, framed, pitch, 3, dst);
    else
        interpolate(s, framed, pitch, channels, dst);
}

/* Whether a place of the framed image has neighbours on all sides; the rest is black. */
static bool is_inside(int64_t x, int64_t y, const tn_image_shape *shape) {
    return x >= 0 && y >= 0 && x >> PLACE_BITS <= shape->width && y >> PLACE_BITS <= shape->height;
}

/* What is inside of a row is one piece, since the image is convex. */
static void map_row(const map *m, const tn_image_shape *shape, int64_t row, const uint8_t *framed,
                    uint8_t *dst) {
    int64_t channels = shape->channels, begin = 0, end = shape->width;
    int64_t x = m->xy * row + m->x0, y = m->yy * row + m->y0;
    while (begin < end && !is_inside(x + m->xx * begin, y + m->yx * begin, shape)) begin++;
    while (begin < end && !is_inside(x + m->xx * (end - 1), y + m->yx * (end - 1), shape)) end--;
    const span s = {x + m->xx * begin, y + m->yx * begin, m->xx, m->yx, end - begin};
    blacken(dst, begin * channels);
    interpolate_any(&s, framed, (shape->width + 2) * channels, channels, dst + begin * channels);
    blacken(dst + end * channels, (shape->width - end) * channels);
}

static void map_image(const map *m, const tn_image_shape *shape, const uint8_t *src, uint8_t *dst,
                      uint8_t *framed) {
    /* the frame moves places by a pixel; half a unit of weight makes cutting off bits rounding */
    const int64_t offset = one_pixel + (INT64_C(1) << (PLACE_BITS - WEIGHT_BITS - 1));
    map of_framed = *m;
    of_framed.x0 += offset;
    of_framed.y0 += offset;
    copy_framed(shape, src, framed);
    for (int64_t y = 0; y < shape->height; y++)
        map_row(&of_framed, shape, y, framed, dst + y * shape->width * shape->channels);
}

/* ---- The whole ---------------------------------------------------------------------------- */

/* DeVries, Taylor 2017: the middle is anywhere in the image, so that part of the square may lie
 * outside. */
static void cut_out(const tn_image_change *change, const tn_image_shape *shape, uint8_t *image) {
    int64_t x = change->hole_x - change->hole / 2, y0 = change->hole_y - change->hole / 2;
    int64_t left = tn_max_i64(x, 0), right = tn_min_i64(x + change->hole, shape->width);
    int64_t top = tn_max_i64(y0, 0), bottom = tn_min_i64(y0 + change->hole, shape->height);
    for (int64_t y = top; y < bottom; y++)
        memset(image + (y * shape->width + left) * shape->channels, 0,
               (size_t)((right - left) * shape->channels));
}

bool tn_augment_wanted(const tn_augmentation *o) {
    return o->crop > 0 || o->shift > 0 || o->rotate > 0 || o->scale > 0 || o->flip || o->cutout > 0;
}

void tn_augment(const tn_image_change *change, const tn_image_shape *shape, const uint8_t *src,
                uint8_t *dst, uint8_t *scratch) {
    map m = make_map(change, shape);
    if (moves_whole_pixels(&m))
        copy_moved(&m, shape, src, dst);
    else
        map_image(&m, shape, src, dst, scratch);
    if (change->hole > 0) cut_out(change, shape, dst);
}
