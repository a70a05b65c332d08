/* SPDX-License-Identifier: Apache-2.0 */
/* jpeg.c: JPEG through libjpeg-turbo. The decoding transform is the exact integer one, which gives
 * the same bits on every processor. */
#include "data/jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "data/exif.h"

enum {
    /* A block of 64 pixels takes one bit at least in each component (ITU-T T.81, Huffman coding):
     * 512 pixels to a byte of a grey picture. Twice as many cannot be. */
    max_pixels_per_byte = 1024,
    /* A progressive picture of few bytes may ask for any number of passes over all of it; real ones
     * have about ten. */
    max_scans = 50,
    exif_marker = JPEG_APP0 + 1,
    exif_max_bytes = 0xffff
};

/* Everything that libjpeg's longjmp must not lose stands here, not in locals. */
typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    char reason[JMSG_LENGTH_MAX];
    int code; /* of libjpeg's error */
    int orientation;
    tn_pixels *pixels;
} decoder;

static void on_error(j_common_ptr jpeg) {
    decoder *d = jpeg->client_data;
    d->code = jpeg->err->msg_code;
    jpeg->err->format_message(jpeg, d->reason);
    longjmp(d->failed, 1);
}

/* Level -1 is a warning: libjpeg would go on with made-up pixels. Others are traces. */
static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0) on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg) {
    decoder *d = jpeg->client_data;
    if (d->jpeg.input_scan_number <= max_scans) return;
    snprintf(d->reason, sizeof d->reason, "it has more than %d scans", max_scans);
    d->code = 0;
    longjmp(d->failed, 1);
}

static void read_header(decoder *d) {
    jpeg_save_markers(&d->jpeg, exif_marker, exif_max_bytes);
    jpeg_read_header(&d->jpeg, TRUE);
    d->orientation = TN_EXIF_UPRIGHT;
    for (jpeg_saved_marker_ptr m = d->jpeg.marker_list; m; m = m->next)
        if (m->marker == exif_marker && d->orientation == TN_EXIF_UPRIGHT)
            d->orientation = tn_exif_orientation(m->data, m->data_length);
    d->pixels->height = d->jpeg.image_height;
    d->pixels->width = d->jpeg.image_width;
    d->pixels->channels = d->jpeg.num_components;
}

static void read_pixels(decoder *d) {
    d->jpeg.out_color_space = d->pixels->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    d->jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&d->jpeg);
    size_t row_bytes = (size_t)d->pixels->width * (size_t)d->pixels->channels;
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        JSAMPROW row = d->pixels->data + d->jpeg.output_scanline * row_bytes;
        jpeg_read_scanlines(&d->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&d->jpeg);
}

static tn_status fail_libjpeg(const decoder *d, tn_error *error) {
    switch (d->code) {
    case JERR_OUT_OF_MEMORY: return tn_fail_memory(error);
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
        return tn_fail(
            error, TN_ERR_UNSUPPORTED,
            "this kind of JPEG is not supported: %s (convert it to baseline JPEG or PNG)",
            d->reason);
    default: return tn_fail(error, TN_ERR_FORMAT, "the JPEG data is damaged: %s", d->reason);
    }
}

/* Runs a step that libjpeg may leave by longjmp. */
static tn_status guarded(decoder *d, void (*step)(decoder *), tn_error *error) {
    if (setjmp(d->failed) != 0) return fail_libjpeg(d, error);
    step(d);
    return TN_OK;
}

static void create(decoder *d) { jpeg_create_decompress(&d->jpeg); }

static tn_status begin(decoder *d, const uint8_t *bytes, int64_t n, tn_error *error) {
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->jpeg.client_data = d;
    TN_TRY(guarded(d, create, error));
    d->progress.progress_monitor = on_progress;
    d->jpeg.progress = &d->progress;
    jpeg_mem_src(&d->jpeg, bytes, (unsigned long)n);
    TN_TRY(guarded(d, read_header, error));
    if (d->pixels->channels == 4)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "it is a CMYK picture, made for printing (convert it to RGB)");
    if (d->pixels->channels != 1 && d->pixels->channels != 3)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "it has %d channels (pictures need 1, grey, or 3, colour)",
                       d->pixels->channels);
    return tn_pixels_check(d->pixels, "JPEG", n, max_pixels_per_byte, error);
}

bool tn_jpeg_begins(const uint8_t *bytes, int64_t n) {
    return n >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

tn_status tn_jpeg_measure(const uint8_t *bytes, int64_t n, tn_pixels *header, tn_error *error) {
    *header = (tn_pixels){0};
    decoder d = {.pixels = header};
    tn_status status = begin(&d, bytes, n, error);
    jpeg_destroy_decompress(&d.jpeg);
    if (status != TN_OK || !tn_exif_transposes(d.orientation)) return status;
    int64_t height = header->height;
    header->height = header->width;
    header->width = height;
    return TN_OK;
}

tn_status tn_jpeg_decode(const uint8_t *bytes, int64_t n, tn_pixels *pixels, tn_error *error) {
    *pixels = (tn_pixels){0};
    decoder d = {.pixels = pixels};
    tn_status status = begin(&d, bytes, n, error);
    if (status == TN_OK) {
        pixels->data = malloc((size_t)(pixels->height * pixels->width * pixels->channels));
        if (!pixels->data) status = tn_fail_memory(error);
    }
    if (status == TN_OK) status = guarded(&d, read_pixels, error);
    jpeg_destroy_decompress(&d.jpeg);
    return status == TN_OK ? tn_exif_turn(pixels, d.orientation, error) : status;
}
