/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: JPEG files, measured, decoded, turned upright and scaled to small images; what is
 * measured must be what is decoded. */
#include <stdlib.h>

#include "data/image.h"
#include "data/jpeg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size, int64_t height, int64_t width,
                   int64_t channels, tn_fit fit) {
    uint8_t *pixels = malloc((size_t)(height * width * channels));
    tn_error error = {""};
    tn_status status =
        tn_image_decode(data, (int64_t)size, height, width, channels, fit, pixels, NULL, &error);
    if (status != TN_OK && !error.message[0]) abort();
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!tn_jpeg_begins(data, (int64_t)size)) return 0;
    tn_pixels header, pixels;
    tn_status measured = tn_jpeg_measure(data, (int64_t)size, &header, NULL);
    tn_status decoded = tn_jpeg_decode(data, (int64_t)size, &pixels, NULL);
    bool same = header.height == pixels.height && header.width == pixels.width &&
                header.channels == pixels.channels;
    if (decoded == TN_OK && (measured != TN_OK || !same)) abort();
    free(pixels.data);
    decode(data, size, 28, 28, 1, TN_FIT_STRETCH);
    decode(data, size, 5, 7, 3, TN_FIT_CROP);
    return 0;
}
