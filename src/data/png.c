/* SPDX-License-Identifier: Apache-2.0 */
/* png.c: PNG through libpng. Its simplified interface would blend and convert in linear light and
 * honour gamma; here a pixel's value is what the file stores, as in the tools that models are
 * trained with. */
#include "data/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    max_chunk_bytes = 1 << 20, /* that libpng may allocate for one */
    signature_bytes = 8,
    ihdr_end = 8 + 8 + 13, /* signature, chunk length and type, content */
    /* Deflate's best is 1032 to one (RFC 1951), and a pixel takes a bit at least; an image that
     * would need more is damaged. */
    max_expansion = 1100,
    max_pixels_per_byte = 8 * max_expansion
};

/* Everything that libpng's longjmp must not lose stands here, not in locals. */
typedef struct decoder {
    const uint8_t *next, *end;
    png_structp png;
    png_infop info;
    jmp_buf failed;
    char reason[128]; /* of libpng's last error */
    tn_pixels *pixels;
    int64_t stored_bytes;
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
    png_set_user_limits(d->png, TN_PIXELS_MAX_SIDE, TN_PIXELS_MAX_SIDE);
    png_set_chunk_malloc_max(d->png, max_chunk_bytes);
    png_set_crc_action(d->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    /* Colour profiles, gamma and texts are passed over, not decompressed; transparency is kept. */
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(d->png, d->info);
    d->pixels->height = png_get_image_height(d->png, d->info);
    d->pixels->width = png_get_image_width(d->png, d->info);
    d->stored_bytes = d->pixels->height * (int64_t)png_get_rowbytes(d->png, d->info);
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    d->pixels->channels = png_get_channels(d->png, d->info);
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
    tn_pixels *p = d->pixels;
    if (d->stored_bytes / max_expansion > file_bytes)
        return tn_fail(error, TN_ERR_FORMAT,
                       "the PNG data is damaged: %lld bytes cannot hold %lldx%lld pixels",
                       (long long)file_bytes, (long long)p->width, (long long)p->height);
    int64_t row_bytes = p->width * p->channels;
    p->data = malloc((size_t)(p->height * row_bytes));
    d->rows = malloc((size_t)p->height * sizeof *d->rows);
    if (!p->data || !d->rows) return tn_fail_memory(error);
    for (int64_t i = 0; i < p->height; i++) d->rows[i] = p->data + i * row_bytes;
    return TN_OK;
}

static uint32_t big_endian_32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool tn_png_begins(const uint8_t *bytes, int64_t n) {
    return n >= signature_bytes && png_sig_cmp(bytes, 0, signature_bytes) == 0;
}

/* IHDR comes first, and says it all (PNG specification, section 11.2.2). */
tn_status tn_png_measure(const uint8_t *bytes, int64_t n, tn_pixels *header, tn_error *error) {
    static const int channels[] = {[0] = 1, [2] = 3, [3] = 3, [4] = 2, [6] = 4};
    if (n < ihdr_end) return tn_fail(error, TN_ERR_FORMAT, "the file ends within the header");
    const uint8_t *ihdr = bytes + ihdr_end - 13;
    *header = (tn_pixels){.width = big_endian_32(ihdr), .height = big_endian_32(ihdr + 4)};
    TN_TRY(tn_pixels_check(header, "PNG", n, max_pixels_per_byte, error));
    size_t colour_type = ihdr[9];
    if (colour_type < sizeof channels / sizeof *channels) header->channels = channels[colour_type];
    if (header->channels == 0)
        return tn_fail(error, TN_ERR_FORMAT, "the PNG data is damaged: there is no colour type %d",
                       ihdr[9]);
    return TN_OK;
}

tn_status tn_png_decode(const uint8_t *bytes, int64_t n, tn_pixels *pixels, tn_error *error) {
    *pixels = (tn_pixels){0};
    TN_TRY(tn_png_measure(bytes, n, pixels, error));
    decoder d = {.next = bytes, .end = bytes + n, .pixels = pixels};
    tn_status status = guarded(&d, read_header, error);
    if (status == TN_OK) status = allocate(&d, n, error);
    if (status == TN_OK) status = guarded(&d, read_pixels, error);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    free(d.rows);
    return status;
}
