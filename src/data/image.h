/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: PNG and JPEG pictures in memory. */
#ifndef TN_DATA_IMAGE_H
#define TN_DATA_IMAGE_H

#include "base/status.h"
#include "data/pixels.h"

/* What a picture's header says, without pixels; channels tell grey (1, 2) from colour (3, 4). The
 * message gives the reason alone, as below. */
tn_status tn_image_measure(const void *bytes, int64_t n, tn_pixels *header, tn_error *error);

/* tn_image_read of a file already in memory, with the choice of how another shape is made to fit:
 * TN_FIT_CROP cuts the middle out of the picture, to a whole pixel, and scales that. Fails with
 * TN_ERR_FORMAT, TN_ERR_UNSUPPORTED, TN_ERR_ARGUMENT (no such size), TN_ERR_MEMORY; the message
 * gives the reason alone: the caller knows the name. */
tn_status tn_image_decode(const void *bytes, int64_t n, int64_t height, int64_t width,
                          int64_t channels, tn_fit fit, uint8_t *pixels, bool *resized,
                          tn_error *error);

/* Whether such an image may be asked for; else TN_ERR_ARGUMENT. */
tn_status tn_image_check_size(int64_t height, int64_t width, int64_t channels, tn_error *error);

/* Reads a file that may hold a picture: no larger than one is allowed to be. */
tn_status tn_image_load(const char *path, void **bytes, int64_t *n, tn_error *error);

/* Scales src [src_height][src_width][channels] to dst [height][width][channels], each axis by
 * itself: the mean of the covered area when shrinking, linear between pixel centres when growing.
 * Fails with TN_ERR_MEMORY. */
tn_status tn_image_resize(const uint8_t *src, int64_t src_height, int64_t src_width,
                          int64_t channels, uint8_t *dst, int64_t height, int64_t width,
                          tn_error *error);

#endif
