/* SPDX-License-Identifier: Apache-2.0 */
/* image.c: pictures of either format, brought to the channels and size that are asked for. */
#include "data/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "data/jpeg.h"
#include "data/png.h"

static const int64_t max_file_bytes = (int64_t)256 << 20;

/* ---- Formats ------------------------------------------------------------------------------ */

tn_status tn_pixels_check(const tn_pixels *header, const char *format, int64_t file_bytes,
                          int64_t max_per_byte, tn_error *error) {
    int64_t height = header->height, width = header->width;
    if (height < 1 || width < 1)
        return tn_fail(error, TN_ERR_FORMAT,
                       "the %s data is damaged: the image has %lldx%lld pixels", format,
                       (long long)width, (long long)height);
    if (height > TN_PIXELS_MAX_SIDE || width > TN_PIXELS_MAX_SIDE || height * width > TN_PIXELS_MAX)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "the image has %lldx%lld pixels (at most %d a side and %d million in all)",
                       (long long)width, (long long)height, TN_PIXELS_MAX_SIDE,
                       TN_PIXELS_MAX / 1000000);
    if (height * width / max_per_byte > file_bytes)
        return tn_fail(error, TN_ERR_FORMAT,
                       "the %s data is damaged: %lld bytes cannot hold %lldx%lld pixels", format,
                       (long long)file_bytes, (long long)width, (long long)height);
    return TN_OK;
}

static tn_status fail_other(int64_t n, tn_error *error) {
    if (n == 0) return tn_fail(error, TN_ERR_FORMAT, "the file is empty");
    return tn_fail(error, TN_ERR_FORMAT, "it is neither a PNG nor a JPEG file (convert it to PNG)");
}

tn_status tn_image_measure(const void *bytes, int64_t n, tn_pixels *header, tn_error *error) {
    if (tn_png_begins(bytes, n)) return tn_png_measure(bytes, n, header, error);
    if (tn_jpeg_begins(bytes, n)) return tn_jpeg_measure(bytes, n, header, error);
    return fail_other(n, error);
}

static tn_status decode(const void *bytes, int64_t n, tn_pixels *pixels, tn_error *error) {
    if (tn_png_begins(bytes, n)) return tn_png_decode(bytes, n, pixels, error);
    if (tn_jpeg_begins(bytes, n)) return tn_jpeg_decode(bytes, n, pixels, error);
    return fail_other(n, error);
}

/* ---- Colour ------------------------------------------------------------------------------- */

/* v · alpha / 255, rounded: v over black. */
static uint8_t blend(int v, int alpha) { return (uint8_t)((v * alpha + 127) / 255); }

/* ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B, in 16-bit fixed point; white stays white. */
static uint8_t luma(const uint8_t rgb[3]) {
    return (uint8_t)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + (1 << 15)) >> 16);
}

/* src [n][n_src], n_src as in tn_pixels, to dst [n][n_dst], n_dst 1 or 3; dst may be src if
 * n_dst <= n_src. */
static void convert(int64_t n, const uint8_t *src, int n_src, uint8_t *dst, int64_t n_dst) {
    int n_colours = n_src >= 3 ? 3 : 1;
    for (int64_t i = 0; i < n; i++, src += n_src, dst += n_dst) {
        int alpha = n_src == n_colours ? 255 : src[n_colours];
        uint8_t rgb[3];
        for (int k = 0; k < 3; k++) rgb[k] = blend(src[k % n_colours], alpha);
        if (n_dst == 3)
            memcpy(dst, rgb, 3);
        else
            dst[0] = n_colours == 3 ? luma(rgb) : rgb[0];
    }
}

/* Brings the decoded pixels to 1 or 3 channels, in their own memory where they fit. */
static tn_status convert_decoded(tn_pixels *p, int64_t channels, tn_error *error) {
    int64_t n = p->height * p->width;
    if (channels == p->channels) return TN_OK;
    uint8_t *converted = channels < p->channels ? p->data : malloc((size_t)(n * channels));
    if (!converted) return tn_fail_memory(error);
    convert(n, p->data, p->channels, converted, channels);
    if (converted != p->data) free(p->data);
    p->data = converted;
    p->channels = (int)channels;
    return TN_OK;
}

/* ---- Size --------------------------------------------------------------------------------- */

/* Element i of n numbers, `stride` apart, stretched to n_out. */
static double sample(const double *x, int64_t stride, int64_t n, int64_t n_out, int64_t i) {
    double scale = (double)n / (double)n_out;
    if (n <= n_out) {
        double position = ((double)i + 0.5) * scale - 0.5; /* pixel centres */
        position = position < 0 ? 0 : position > (double)(n - 1) ? (double)(n - 1) : position;
        int64_t left = (int64_t)position, right = tn_min_i64(left + 1, n - 1);
        double share = position - (double)left;
        return x[left * stride] * (1 - share) + x[right * stride] * share;
    }
    double begin = (double)i * scale, end = begin + scale, sum = 0;
    for (int64_t j = (int64_t)begin; j < n && (double)j < end; j++) {
        double from = (double)j > begin ? (double)j : begin;
        double to = (double)(j + 1) < end ? (double)(j + 1) : end;
        sum += x[j * stride] * (to - from);
    }
    return sum / scale;
}

tn_status tn_image_resize(const uint8_t *src, int64_t src_height, int64_t src_width,
                          int64_t channels, uint8_t *dst, int64_t height, int64_t width,
                          tn_error *error) {
    int64_t src_row = src_width * channels, row = width * channels;
    if (src_height == height && src_width == width) {
        memcpy(dst, src, (size_t)(height * row));
        return TN_OK;
    }
    double *line = malloc((size_t)src_row * sizeof *line);
    double *wide = malloc((size_t)(src_height * row) * sizeof *wide); /* [src_height][row] */
    tn_status status = line && wide ? TN_OK : tn_fail_memory(error);
    for (int64_t y = 0; status == TN_OK && y < src_height; y++) {
        for (int64_t i = 0; i < src_row; i++) line[i] = src[y * src_row + i];
        for (int64_t i = 0; i < row; i++)
            wide[y * row + i] =
                sample(line + i % channels, channels, src_width, width, i / channels);
    }
    for (int64_t y = 0; status == TN_OK && y < height; y++)
        for (int64_t i = 0; i < row; i++)
            dst[y * row + i] = (uint8_t)floor(sample(wide + i, row, src_height, height, y) + 0.5);
    free(line);
    free(wide);
    return status;
}

/* Keeps the middle, to the nearest pixel: the largest part of the picture whose sides relate as
 * those asked for; or what is height x width once the shorter side is scaled to `shorter`, which is
 * no less than these. */
static void crop(tn_pixels *p, int64_t height, int64_t width, int64_t shorter) {
    int64_t h = tn_min_i64(p->height, (p->width * height + width / 2) / width);
    int64_t w = tn_min_i64(p->width, (p->height * width + height / 2) / height);
    if (shorter > 0) { /* of what is so long when scaled */
        int64_t side = tn_min_i64(p->height, p->width);
        h = (height * side + shorter / 2) / shorter;
        w = (width * side + shorter / 2) / shorter;
    }
    h = tn_max_i64(h, 1);
    w = tn_max_i64(w, 1);
    int64_t top = (p->height - h) / 2, left = (p->width - w) / 2, row = w * p->channels;
    for (int64_t y = 0; y < h; y++)
        memmove(p->data + y * row, p->data + ((top + y) * p->width + left) * p->channels,
                (size_t)row);
    p->height = h;
    p->width = w;
}

/* ---- Both together ------------------------------------------------------------------------ */

tn_status tn_image_check_size(int64_t height, int64_t width, int64_t channels, tn_error *error) {
    if (height < 1 || width < 1 || height > TN_PIXELS_MAX_SIDE || width > TN_PIXELS_MAX_SIDE ||
        height * width > TN_PIXELS_MAX || (channels != 1 && channels != 3))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot make an image of %lldx%lld pixels with %lld "
                       "channels (1 or 3 channels, at most %d pixels a side)",
                       (long long)width, (long long)height, (long long)channels,
                       TN_PIXELS_MAX_SIDE);
    return TN_OK;
}

static tn_status decode_to(const void *bytes, int64_t n, int64_t height, int64_t width,
                           int64_t channels, tn_fit fit, int64_t shorter, uint8_t *pixels,
                           bool *resized, tn_error *error) {
    TN_TRY(tn_image_check_size(height, width, channels, error));
    tn_pixels p = {0};
    tn_status status = decode(bytes, n, &p, error);
    if (status == TN_OK) status = convert_decoded(&p, channels, error);
    bool fits = p.height == height && p.width == width;
    if (status == TN_OK && fit == TN_FIT_CROP) crop(&p, height, width, shorter);
    if (status == TN_OK)
        status = tn_image_resize(p.data, p.height, p.width, channels, pixels, height, width, error);
    if (status == TN_OK && resized) *resized = !fits;
    free(p.data);
    return status;
}

tn_status tn_image_decode(const void *bytes, int64_t n, int64_t height, int64_t width,
                          int64_t channels, tn_fit fit, uint8_t *pixels, bool *resized,
                          tn_error *error) {
    return decode_to(bytes, n, height, width, channels, fit, 0, pixels, resized, error);
}

tn_status tn_image_load(const char *path, void **bytes, int64_t *n, tn_error *error) {
    return tn_file_read(path, max_file_bytes, bytes, n, error);
}

static tn_status read_to(const char *path, int64_t height, int64_t width, int64_t channels,
                         tn_fit fit, int64_t shorter, uint8_t *pixels, bool *resized,
                         tn_error *error) {
    TN_TRY(tn_image_check_size(height, width, channels, error));
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_image_load(path, &bytes, &n, error));
    tn_status status =
        decode_to(bytes, n, height, width, channels, fit, shorter, pixels, resized, error);
    free(bytes);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot read %s", path);
}

tn_status tn_image_read(const char *path, int64_t height, int64_t width, int64_t channels,
                        tn_fit fit, uint8_t *pixels, bool *resized, tn_error *error) {
    return read_to(path, height, width, channels, fit, 0, pixels, resized, error);
}

tn_status tn_image_read_middle(const char *path, int64_t resize_shorter, int64_t height,
                               int64_t width, int64_t channels, uint8_t *pixels, bool *resized,
                               tn_error *error) {
    if (resize_shorter < height || resize_shorter < width || resize_shorter > TN_PIXELS_MAX_SIDE)
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot cut %lldx%lld out of a picture whose shorter side is %lld",
                       (long long)height, (long long)width, (long long)resize_shorter);
    return read_to(path, height, width, channels, TN_FIT_CROP, resize_shorter, pixels, resized,
                   error);
}
