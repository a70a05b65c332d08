/* SPDX-License-Identifier: Apache-2.0 */
/* exif.h: the one thing of a camera's notes that changes what is seen. */
#ifndef TN_DATA_EXIF_H
#define TN_DATA_EXIF_H

#include "data/pixels.h"

enum { TN_EXIF_UPRIGHT = 1 };

/* The orientation, 1 to 8, in n bytes of an APP1 segment of a JPEG file (Exif 2.32, section 4.6.5);
 * TN_EXIF_UPRIGHT if there is none: a damaged note does not make a picture unreadable. */
int tn_exif_orientation(const uint8_t *bytes, int64_t n);
/* Whether height and width trade places. */
bool tn_exif_transposes(int orientation);
/* Turns the picture upright. Fails with TN_ERR_MEMORY. */
tn_status tn_exif_turn(tn_pixels *pixels, int orientation, tn_error *error);

#endif
