/* SPDX-License-Identifier: Apache-2.0 */
#include "data/exif.h"

#include <stdlib.h>
#include <string.h>

enum {
    tiff_start = 6, /* behind "Exif\0\0" */
    entry_bytes = 12,
    tag_orientation = 0x0112,
    type_short = 3
};

typedef struct tiff {
    const uint8_t *bytes;
    int64_t n;
    bool big_endian;
} tiff;

/* A number of 2 or 4 bytes; 0 beyond the end. */
static int64_t number(const tiff *t, int64_t at, int size) {
    if (at > t->n - size) return 0;
    int64_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | t->bytes[at + (t->big_endian ? i : size - 1 - i)];
    return value;
}

int tn_exif_orientation(const uint8_t *bytes, int64_t n) {
    if (n < tiff_start + 8 || memcmp(bytes, "Exif\0", tiff_start) != 0) return TN_EXIF_UPRIGHT;
    tiff t = {.bytes = bytes + tiff_start, .n = n - tiff_start};
    t.big_endian = t.bytes[0] == 'M';
    if (memcmp(t.bytes, t.big_endian ? "MM" : "II", 2) != 0 || number(&t, 2, 2) != 42)
        return TN_EXIF_UPRIGHT;
    int64_t directory = number(&t, 4, 4), n_entries = number(&t, directory, 2);
    for (int64_t i = 0; i < n_entries; i++) {
        int64_t entry = directory + 2 + i * entry_bytes;
        if (number(&t, entry, 2) != tag_orientation || number(&t, entry + 2, 2) != type_short)
            continue;
        int64_t value = number(&t, entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : TN_EXIF_UPRIGHT;
    }
    return TN_EXIF_UPRIGHT;
}

bool tn_exif_transposes(int orientation) { return orientation >= 5; }

tn_status tn_exif_turn(tn_pixels *pixels, int orientation, tn_error *error) {
    if (orientation == TN_EXIF_UPRIGHT) return TN_OK;
    bool transposes = tn_exif_transposes(orientation);
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int64_t h = pixels->height, w = pixels->width, c = pixels->channels;
    uint8_t *turned = malloc((size_t)(h * w * c)), *next = turned;
    if (!turned) return tn_fail_memory(error);
    for (int64_t i = 0; i < (transposes ? w : h); i++)
        for (int64_t j = 0; j < (transposes ? h : w); j++, next += c) {
            int64_t y = transposes ? j : i, x = transposes ? i : j;
            if (from_bottom) y = h - 1 - y;
            if (from_right) x = w - 1 - x;
            memcpy(next, pixels->data + (y * w + x) * c, (size_t)c);
        }
    free(pixels->data);
    *pixels = (tn_pixels){.height = transposes ? w : h,
                          .width = transposes ? h : w,
                          .channels = pixels->channels,
                          .data = turned};
    return TN_OK;
}
