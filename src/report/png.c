/* SPDX-License-Identifier: Apache-2.0 */
/* png.c: PNG through libpng's simplified interface, which writes 8-bit pixels as they are. */
#include "report/png.h"

#include <png.h>
#include <stdlib.h>

#include "base/file.h"

enum { max_side = 1000 * 1000 }; /* libpng's */

static tn_status encode(png_image *image, const uint8_t *pixels, void **data, size_t *bytes,
                        tn_error *error) {
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(*image);
    void *buffer = malloc(room);
    if (!buffer) return tn_fail_memory(error);
    if (!png_image_write_to_memory(image, buffer, &room, 0, pixels, 0, NULL)) {
        free(buffer);
        return tn_fail(error, TN_ERR_ARGUMENT, "libpng: %s", image->message);
    }
    void *fitted = realloc(buffer, room);
    *data = fitted ? fitted : buffer;
    *bytes = room;
    return TN_OK;
}

tn_status tn_png_encode(int64_t height, int64_t width, int64_t channels, const uint8_t *pixels,
                        void **data, size_t *bytes, tn_error *error) {
    if (!pixels || height < 1 || width < 1 || height > max_side || width > max_side ||
        (channels != 1 && channels != 3))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "no picture has %lldx%lld pixels with %lld channels (1 or 3 channels, at "
                       "most %d pixels a side)",
                       (long long)width, (long long)height, (long long)channels, max_side);
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
    tn_status status = encode(&image, pixels, data, bytes, error);
    png_image_free(&image);
    return status;
}

tn_status tn_image_write(const char *path, int64_t height, int64_t width, int64_t channels,
                         const uint8_t *pixels, tn_error *error) {
    if (!path) return tn_fail(error, TN_ERR_ARGUMENT, "cannot write a picture: the path is NULL");
    void *data = NULL;
    size_t bytes = 0;
    tn_status status = tn_png_encode(height, width, channels, pixels, &data, &bytes, error);
    if (status != TN_OK) return tn_fail_within(error, status, "cannot write %s", path);
    status = tn_file_replace(path, data, bytes, error);
    free(data);
    return status;
}
