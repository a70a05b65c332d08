/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: PNG images in memory. */
#ifndef TN_DATA_IMAGE_H
#define TN_DATA_IMAGE_H

#include "base/status.h"

/* tn_image_read of a file already in memory. The message gives the reason alone. */
tn_status tn_image_decode(const void *bytes, int64_t n, int64_t height, int64_t width,
                          int64_t channels, uint8_t *pixels, bool *resized, tn_error *error);

/* Scales src [src_height][src_width][channels] to dst [height][width][channels], each axis by
 * itself: the mean of the covered area when shrinking, linear between pixel centres when growing.
 * Fails with TN_ERR_MEMORY. */
tn_status tn_image_resize(const uint8_t *src, int64_t src_height, int64_t src_width,
                          int64_t channels, uint8_t *dst, int64_t height, int64_t width,
                          tn_error *error);

#endif
