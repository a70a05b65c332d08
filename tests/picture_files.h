/* SPDX-License-Identifier: Apache-2.0 */
/* picture_files.h: PNG and JPEG files for tests, by the libraries' own writers. Include after
 * cmocka.h and scratch.h. */
#ifndef TN_TESTS_PICTURE_FILES_H
#define TN_TESTS_PICTURE_FILES_H

#include <jpeglib.h>
#include <png.h>

typedef struct jpeg_choices {
    int channels;                /* 1 grey, 3 RGB, 4 CMYK */
    int orientation;             /* of an Exif note; 0 for none */
    const jpeg_scan_info *scans; /* of a progressive file; NULL for a baseline one */
    int n_scans;
} jpeg_choices;

typedef struct picture_file {
    uint8_t *bytes;
    size_t n;
} picture_file;

static inline void picture_write_orientation(struct jpeg_compress_struct *jpeg, int orientation) {
    uint8_t note[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                      /* one entry: tag, type SHORT, count 1, value */
                      1, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)orientation, 0, 0,
                      /* no further directory */
                      0, 0, 0, 0};
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, note, sizeof note);
}

/* As exact as JPEG can be: quality 100, no subsampling. */
static inline picture_file picture_jpeg(int height, int width, const uint8_t *pixels,
                                        const jpeg_choices *choices) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n);
    jpeg.image_height = (JDIMENSION)height;
    jpeg.image_width = (JDIMENSION)width;
    jpeg.input_components = choices->channels;
    jpeg.in_color_space = choices->channels == 1   ? JCS_GRAYSCALE
                          : choices->channels == 3 ? JCS_RGB
                                                   : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    jpeg.scan_info = choices->scans;
    jpeg.num_scans = choices->n_scans;
    jpeg_start_compress(&jpeg, TRUE);
    if (choices->orientation) picture_write_orientation(&jpeg, choices->orientation);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + jpeg.next_scanline * jpeg.image_width *
                                                          (unsigned)choices->channels);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (picture_file){bytes, n};
}

/* channels 1 or 3 */
static inline void picture_write_png(const char *name, int height, int width, int channels,
                                     const uint8_t *pixels) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    if (!png_image_write_to_file(&image, scratch_path(name), 0, pixels, 0, NULL))
        fail_msg("cannot write %s: %s", name, image.message);
}

/* One colour all over. */
static inline void picture_write_plain_png(const char *name, int height, int width, int channels,
                                           int value) {
    uint8_t *pixels = malloc((size_t)(height * width * channels));
    memset(pixels, value, (size_t)(height * width * channels));
    picture_write_png(name, height, width, channels, pixels);
    free(pixels);
}

static inline void picture_write_plain_jpeg(const char *name, int height, int width, int channels,
                                            int value) {
    uint8_t *pixels = malloc((size_t)(height * width * channels));
    memset(pixels, value, (size_t)(height * width * channels));
    picture_file file = picture_jpeg(height, width, pixels, &(jpeg_choices){.channels = channels});
    scratch_write(name, file.bytes, file.n);
    free(file.bytes);
    free(pixels);
}

#endif
