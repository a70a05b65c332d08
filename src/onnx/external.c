/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/size.h"

enum { DATA_LOCATION_EXTERNAL = 1 };

bool tn_external_is(const TnOnnx__TensorProto *proto) {
    return proto->n_external_data > 0 || proto->data_location == DATA_LOCATION_EXTERNAL;
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* Why a location is refused by its text alone; NULL if it is not. */
static const char *refusal(const char *location) {
    if (!*location) return "is empty";
    if (*location == '/') return "is an absolute path";
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t n = strcspn(part, "/");
        if (n == 0) return "has an empty part";
        if (n == 2 && memcmp(part, "..", 2) == 0) return "leads out of the model's directory";
    }
    return NULL;
}

/* Opens what location names below the directory, part by part and following no link; -1 with errno
 * set. Other than regular files must not block. */
static int open_below(int directory, const char *location) {
    int at = directory;
    while (at >= 0) {
        char part[256];
        size_t n = strcspn(location, "/");
        bool last = location[n] == '\0';
        int next = -1;
        if (n < sizeof part) {
            memcpy(part, location, n);
            part[n] = '\0';
            next = openat(at, part,
                          O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY));
        } else {
            errno = ENAMETOOLONG;
        }
        int why = errno;
        if (at != directory) close(at);
        errno = why;
        if (last) return next;
        location += n + 1;
        at = next;
    }
    return -1;
}

static tn_status fail_open(const char *location, int why, tn_error *error) {
    if (why == ELOOP || why == EMLINK)
        return tn_fail(error, TN_ERR_FORMAT, "its data is in \"%s\", a symbolic link", location);
    return tn_fail(error, why == ENOENT ? TN_ERR_NOT_FOUND : TN_ERR_IO,
                   "its data is in \"%s\", which cannot be opened: %s (it belongs beside the "
                   "model's file)",
                   location, strerror(why));
}

static tn_status open_location(tn_external *e, const char *location, tn_error *error) {
    struct stat about;
    const char *why = refusal(location);
    if (e->location && strcmp(e->location, location) == 0) return TN_OK;
    tn_external_close(e);
    if (why) return tn_fail(error, TN_ERR_FORMAT, "its data is in \"%s\", which %s", location, why);
    char *copy = strdup(location);
    if (!copy) return tn_fail_memory(error);
    int directory = open(e->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int file = directory < 0 ? -1 : open_below(directory, location), opened = errno;
    if (directory >= 0) close(directory);
    if (file < 0 || fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {
        free(copy);
        if (file < 0) return fail_open(location, opened, error);
        close(file);
        return tn_fail(error, TN_ERR_FORMAT, "its data is in \"%s\", which is no regular file",
                       location);
    }
    e->location = copy;
    e->file = file;
    e->file_bytes = about.st_size;
    return TN_OK;
}

void tn_external_close(tn_external *e) {
    if (!e->location) return;
    free(e->location);
    e->location = NULL;
    close(e->file);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static bool take_number(const char *text, int64_t *number) {
    *number = 0;
    for (const char *c = text; *c; c++)
        if (*c < '0' || *c > '9' || !tn_size_mul(*number, 10, number) ||
            !tn_size_add(*number, *c - '0', number))
            return false;
    return *text != '\0';
}

/* Other keys than these, such as a checksum, are left alone. */
static tn_status take_entry(const TnOnnx__StringStringEntryProto *entry, const char **location,
                            int64_t *offset, int64_t *length, tn_error *error) {
    const char *key = entry->key ? entry->key : "", *text = entry->value ? entry->value : "";
    bool good = true;
    if (strcmp(key, "location") == 0) *location = text;
    if (strcmp(key, "offset") == 0) good = take_number(text, offset);
    if (strcmp(key, "length") == 0) good = take_number(text, length);
    if (good) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "the %s of its data, \"%s\", is no number", key, text);
}

tn_status tn_external_find(tn_external *e, const TnOnnx__TensorProto *proto, int64_t bytes,
                           int64_t *offset, tn_error *error) {
    const char *location = NULL;
    int64_t length = bytes, end;
    *offset = 0;
    if (!e || !e->directory)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "its data is in another file (load the model from its file, or store the "
                       "weights inside it)");
    for (size_t i = 0; i < proto->n_external_data; i++)
        TN_TRY(take_entry(proto->external_data[i], &location, offset, &length, error));
    if (!location) return tn_fail(error, TN_ERR_FORMAT, "no file is named for its data");
    if (length != bytes)
        return tn_fail(error, TN_ERR_FORMAT, "its shape needs %lld bytes of data, not %lld",
                       (long long)bytes, (long long)length);
    TN_TRY(open_location(e, location, error));
    if (tn_size_add(*offset, bytes, &end) && end <= e->file_bytes) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT,
                   "its data is %lld bytes from %lld on in \"%s\", which holds %lld",
                   (long long)bytes, (long long)*offset, location, (long long)e->file_bytes);
}

tn_status tn_external_read(const tn_external *e, int64_t offset, int64_t bytes, void *to,
                           tn_error *error) {
    for (int64_t done = 0; done < bytes;) {
        ssize_t n = pread(e->file, (char *)to + done, (size_t)(bytes - done), offset + done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            return tn_fail(error, TN_ERR_IO, "cannot read its data from \"%s\": %s", e->location,
                           n < 0 ? strerror(errno) : "the file has become shorter");
        done += n;
    }
    return TN_OK;
}
