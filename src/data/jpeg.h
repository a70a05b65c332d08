/* SPDX-License-Identifier: Apache-2.0 */
/* jpeg.h: JPEG through libjpeg-turbo. The picture is turned upright as its Exif data says. */
#ifndef TN_DATA_JPEG_H
#define TN_DATA_JPEG_H

#include "data/pixels.h"

/* Whether the bytes begin as a JPEG file does. */
bool tn_jpeg_begins(const uint8_t *bytes, int64_t n);
/* What the headers say, upright. */
tn_status tn_jpeg_measure(const uint8_t *bytes, int64_t n, tn_pixels *header, tn_error *error);
/* pixels->data is the caller's, also after a failure. Whatever libjpeg warns of is damage. */
tn_status tn_jpeg_decode(const uint8_t *bytes, int64_t n, tn_pixels *pixels, tn_error *error);

#endif
