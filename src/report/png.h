/* SPDX-License-Identifier: Apache-2.0 */
/* png.h: writing PNG pictures. */
#ifndef TN_REPORT_PNG_H
#define TN_REPORT_PNG_H

#include "base/status.h"

/* pixels [height][width][channels], channels 1 or 3, as a PNG file in memory: *bytes of *data
 * (malloc'ed, the caller's). Fails with TN_ERR_ARGUMENT for impossible sizes, TN_ERR_MEMORY; the
 * message gives the reason alone. */
tn_status tn_png_encode(int64_t height, int64_t width, int64_t channels, const uint8_t *pixels,
                        void **data, size_t *bytes, tn_error *error);

#endif
