/* SPDX-License-Identifier: Apache-2.0 */
/* png.h: PNG through libpng. */
#ifndef TN_DATA_PNG_H
#define TN_DATA_PNG_H

#include "data/pixels.h"

/* Whether the bytes begin as a PNG file does. */
bool tn_png_begins(const uint8_t *bytes, int64_t n);
/* What the header says; nothing behind it is looked at. */
tn_status tn_png_measure(const uint8_t *bytes, int64_t n, tn_pixels *header, tn_error *error);
/* pixels->data is the caller's, also after a failure. */
tn_status tn_png_decode(const uint8_t *bytes, int64_t n, tn_pixels *pixels, tn_error *error);

#endif
