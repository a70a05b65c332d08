/* SPDX-License-Identifier: Apache-2.0 */
/* pixels.h: what a decoder of one format delivers, and the limits all of them keep. */
#ifndef TN_DATA_PIXELS_H
#define TN_DATA_PIXELS_H

#include "base/status.h"

enum { TN_PIXELS_MAX_SIDE = 16384, TN_PIXELS_MAX = 1 << 26 };

typedef struct tn_pixels {
    int64_t height, width;
    int channels;  /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
    uint8_t *data; /* [height][width][channels], malloc'ed; NULL if only the header was read */
} tn_pixels;

/* Whether a header of the format may be believed so far: TN_ERR_UNSUPPORTED for too many pixels,
 * TN_ERR_FORMAT for none, and for more than max_per_byte in each of the file's bytes. */
tn_status tn_pixels_check(const tn_pixels *header, const char *format, int64_t file_bytes,
                          int64_t max_per_byte, tn_error *error);

#endif
