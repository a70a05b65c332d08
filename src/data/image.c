/* SPDX-License-Identifier: Apache-2.0 */
/* image.c: PNG through libpng. Its simplified interface would blend and convert in linear light and
 * honour gamma; here a pixel's value is what the file stores, as in the tools that models are
 * trained with. */
#include "data/image.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"

enum {
    max_side = 16384,
    max_pixels = 1 << 26,
    max_chunk_bytes = 1 << 20, /* that libpng may allocate for one */
    signature_bytes = 8,
    ihdr_end = 8 + 8 + 8, /* signature, chunk length and type, width and height */
    /* Deflate's best is 1032 to one (RFC 1951); an image that would need more is damaged. */
    max_expansion = 1100
};

static const int64_t max_file_bytes = (int64_t)256 << 20;

/* ---- Decoding ----------------------------------------------------------------------------- */

/* Everything that libpng's longjmp must not lose stands here, not in locals. */
typedef struct decoder {
    const uint8_t *next, *end;
    png_structp png;
    png_infop info;
    jmp_buf failed;
    char reason[128]; /* of libpng's last error */
    int64_t height, width, stored_bytes;
    int channels; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
    uint8_t *pixels;
    png_bytep *rows;
} decoder;

static void on_error(png_structp png, png_const_charp message) {
    decoder *d = png_get_error_ptr(png);
    snprintf(d->reason, sizeof d->reason, "%s", message);
    longjmp(d->failed, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep data, size_t bytes) {
    decoder *d = png_get_io_ptr(png);
    if ((size_t)(d->end - d->next) < bytes) png_error(png, "the file ends early");
    memcpy(data, d->next, bytes);
    d->next += bytes;
}

/* Any PNG becomes 8 bits per channel without a palette. */
static void read_header(decoder *d) {
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info) longjmp(d->failed, 1);
    png_set_read_fn(d->png, d, on_read);
    png_set_user_limits(d->png, max_side, max_side);
    png_set_chunk_malloc_max(d->png, max_chunk_bytes);
    png_set_crc_action(d->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    /* Colour profiles, gamma and texts are passed over, not decompressed; transparency is kept. */
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(d->png, d->info);
    d->height = png_get_image_height(d->png, d->info);
    d->width = png_get_image_width(d->png, d->info);
    d->stored_bytes = d->height * (int64_t)png_get_rowbytes(d->png, d->info);
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    d->channels = png_get_channels(d->png, d->info);
}

/* To the end of the file, so that a cut is noticed. */
static void read_pixels(decoder *d) {
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL);
}

/* Runs a step that libpng may leave by longjmp. */
static tn_status guarded(decoder *d, void (*step)(decoder *), tn_error *error) {
    if (setjmp(d->failed) == 0) {
        step(d);
        return TN_OK;
    }
    if (!d->info || strcmp(d->reason, "Out of memory") == 0) return tn_fail_memory(error);
    return tn_fail(error, TN_ERR_FORMAT, "the PNG data is damaged: %s", d->reason);
}

static tn_status allocate(decoder *d, int64_t file_bytes, tn_error *error) {
    if (d->stored_bytes / max_expansion > file_bytes)
        return tn_fail(error, TN_ERR_FORMAT,
                       "the PNG data is damaged: %lld bytes cannot hold %lldx%lld pixels",
                       (long long)file_bytes, (long long)d->width, (long long)d->height);
    int64_t row_bytes = d->width * d->channels;
    d->pixels = malloc((size_t)(d->height * row_bytes));
    d->rows = malloc((size_t)d->height * sizeof *d->rows);
    if (!d->pixels || !d->rows) return tn_fail_memory(error);
    for (int64_t i = 0; i < d->height; i++) d->rows[i] = d->pixels + i * row_bytes;
    return TN_OK;
}

static uint32_t big_endian_32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* What can be said better than libpng says it. */
static tn_status check_start(const uint8_t *bytes, int64_t n, tn_error *error) {
    if (n < signature_bytes || png_sig_cmp(bytes, 0, signature_bytes) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "it is not a PNG file (convert it to PNG)");
    if (n < ihdr_end) return tn_fail(error, TN_ERR_FORMAT, "the file ends within the header");
    uint32_t width = big_endian_32(bytes + ihdr_end - 8);
    uint32_t height = big_endian_32(bytes + ihdr_end - 4);
    if (width > max_side || height > max_side || (int64_t)width * height > max_pixels)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "the image has %ux%u pixels (at most %d a side and %d million in all)",
                       width, height, max_side, max_pixels / 1000000);
    return TN_OK;
}

static tn_status decode(decoder *d, const uint8_t *bytes, int64_t n, tn_error *error) {
    TN_TRY(check_start(bytes, n, error));
    d->next = bytes;
    d->end = bytes + n;
    TN_TRY(guarded(d, read_header, error));
    TN_TRY(allocate(d, n, error));
    return guarded(d, read_pixels, error);
}

static void free_decoder(decoder *d) {
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->pixels);
    free(d->rows);
}

/* ---- Colour ------------------------------------------------------------------------------- */

/* v · alpha / 255, rounded: v over black. */
static uint8_t blend(int v, int alpha) { return (uint8_t)((v * alpha + 127) / 255); }

/* ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B, in 16-bit fixed point; white stays white. */
static uint8_t luma(const uint8_t rgb[3]) {
    return (uint8_t)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + (1 << 15)) >> 16);
}

/* src [n][n_src], n_src of decoder.channels, to dst [n][n_dst], n_dst 1 or 3; dst may be src if
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
static tn_status convert_decoded(decoder *d, int64_t channels, tn_error *error) {
    int64_t n = d->height * d->width;
    uint8_t *converted = channels <= d->channels ? d->pixels : malloc((size_t)(n * channels));
    if (!converted) return tn_fail_memory(error);
    convert(n, d->pixels, d->channels, converted, channels);
    if (converted != d->pixels) free(d->pixels);
    d->pixels = converted;
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

/* ---- Both together ------------------------------------------------------------------------ */

static tn_status check_size(int64_t height, int64_t width, int64_t channels, tn_error *error) {
    if (height < 1 || width < 1 || height > max_side || width > max_side ||
        height * width > max_pixels || (channels != 1 && channels != 3))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot make an image of %lldx%lld pixels with %lld "
                       "channels (1 or 3 channels, at most %d pixels a side)",
                       (long long)width, (long long)height, (long long)channels, max_side);
    return TN_OK;
}

tn_status tn_image_decode(const void *bytes, int64_t n, int64_t height, int64_t width,
                          int64_t channels, uint8_t *pixels, bool *resized, tn_error *error) {
    TN_TRY(check_size(height, width, channels, error));
    decoder d = {0};
    tn_status status = decode(&d, bytes, n, error);
    if (status == TN_OK) status = convert_decoded(&d, channels, error);
    if (status == TN_OK)
        status =
            tn_image_resize(d.pixels, d.height, d.width, channels, pixels, height, width, error);
    if (status == TN_OK && resized) *resized = d.height != height || d.width != width;
    free_decoder(&d);
    return status;
}

tn_status tn_image_read(const char *path, int64_t height, int64_t width, int64_t channels,
                        uint8_t *pixels, bool *resized, tn_error *error) {
    TN_TRY(check_size(height, width, channels, error));
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_file_read(path, max_file_bytes, &bytes, &n, error));
    tn_status status = tn_image_decode(bytes, n, height, width, channels, pixels, resized, error);
    free(bytes);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot read %s", path);
}
