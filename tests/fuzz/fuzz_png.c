/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: PNG files, decoded and scaled to small images; each as it comes, and once more with
 * the checksums of its chunks put right, without which most inputs would end at the first chunk. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size, int64_t height, int64_t width,
                   int64_t channels) {
    uint8_t *pixels = malloc((size_t)(height * width * channels));
    tn_error error = {""};
    bool resized;
    tn_status status = tn_image_decode(data, (int64_t)size, height, width, channels, TN_FIT_STRETCH,
                                       pixels, &resized, &error);
    if (status != TN_OK && !error.message[0]) abort();
    free(pixels);
}

/* Chunks are length, type, data, CRC of type and data. */
static void mend_checksums(uint8_t *data, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        const uint8_t *b = data + at;
        size_t length = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (length > size - at - 12) return;
        uint8_t *crc = data + at + 8 + length;
        uint32_t value = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++) crc[i] = (uint8_t)(value >> (24 - 8 * i));
        at += 12 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    decode(data, size, 28, 28, 1);
    uint8_t *mended = malloc(size + 1);
    memcpy(mended, data, size);
    mend_checksums(mended, size);
    decode(mended, size, 5, 7, 3);
    free(mended);
    return 0;
}
