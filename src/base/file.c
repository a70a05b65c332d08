/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

/* ---- Reading ------------------------------------------------------------------------------ */

static tn_status fail_too_large(const char *path, int64_t max_bytes, tn_error *error) {
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "cannot read %s: the file is larger than %lld bytes, the most allowed here",
                   path, (long long)max_bytes);
}

/* read() of all that fits, past interruptions; the bytes read or -1. */
static ssize_t read_some(int fd, void *data, size_t bytes) {
    ssize_t got;
    do {
        got = read(fd, data, bytes);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Reads to the end. `expected` is a guess of the size that saves copying. */
static tn_status read_to_end(int fd, const char *path, int64_t expected, int64_t max_bytes,
                             char **data, int64_t *bytes, tn_error *error) {
    int64_t capacity = expected + 1, n = 0; /* + 1: the end shows without growing */
    char *buffer = tn_streamed_alloc((size_t)capacity);
    if (!buffer) return tn_fail_memory(error);
    for (;;) {
        ssize_t got = read_some(fd, buffer + n, (size_t)(capacity - n));
        if (got < 0) {
            int reason = errno;
            free(buffer);
            return tn_fail_errno(error, reason, "cannot read %s", path);
        }
        if (got == 0) break;
        n += got;
        if (n > max_bytes) {
            free(buffer);
            return fail_too_large(path, max_bytes, error);
        }
        if (n == capacity) {
            capacity = capacity > max_bytes / 2 ? max_bytes + 1 : 2 * capacity;
            char *grown = realloc(buffer, (size_t)capacity);
            if (!grown) {
                free(buffer);
                return tn_fail_memory(error);
            }
            buffer = grown;
        }
    }
    *data = buffer;
    *bytes = n;
    return TN_OK;
}

static tn_status read_open(int fd, const char *path, int64_t max_bytes, char **data, int64_t *bytes,
                           tn_error *error) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) return tn_fail_errno(error, errno, "cannot read %s", path);
    if (S_ISDIR(stat.st_mode))
        return tn_fail(error, TN_ERR_IO, "cannot read %s: it is a directory", path);
    bool regular = S_ISREG(stat.st_mode);
    if (regular && stat.st_size > max_bytes) return fail_too_large(path, max_bytes, error);
    int64_t expected = regular ? stat.st_size : 0;
    if (expected < 4095) expected = max_bytes < 4095 ? max_bytes : 4095;
    return read_to_end(fd, path, expected, max_bytes, data, bytes, error);
}

tn_status tn_file_read(const char *path, int64_t max_bytes, void **data, int64_t *bytes,
                       tn_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return tn_fail(error, TN_ERR_NOT_FOUND, "cannot read %s: no such file", path);
        return tn_fail_errno(error, errno, "cannot read %s", path);
    }
    char *content = NULL;
    tn_status status = read_open(fd, path, max_bytes, &content, bytes, error);
    close(fd);
    if (status == TN_OK) *data = content;
    return status;
}

/* ---- Directories -------------------------------------------------------------------------- */

int tn_directory_make(const char *dir, bool *made) {
    char *path = strdup(dir);
    if (!path) return ENOMEM;
    int reason = path[0] ? 0 : ENOENT;
    if (made) *made = false;
    for (char *c = path; reason == 0; c++) {
        bool last = *c == '\0';
        if (c == path || (*c != '/' && !last)) continue;
        *c = '\0';
        bool is_new = mkdir(path, 0777) == 0;
        if (!is_new && errno != EEXIST) reason = errno;
        if (made && is_new) *made = true; /* what is below something new is new */
        if (last) break;
        *c = '/';
    }
    free(path);
    return reason;
}

/* ---- Replacing ---------------------------------------------------------------------------- */

/* All or nothing; 0 or an errno. */
static int write_all(int fd, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        if (written == 0) return ENOSPC;
        data += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* Opens a new file beside path. The mode is the umask's business, as for any program's output. */
static int open_temporary(const char *path, char **temporary) {
    size_t room = strlen(path) + 64;
    *temporary = malloc(room);
    if (!*temporary) {
        errno = ENOMEM;
        return -1;
    }
    for (int attempt = 0; attempt < 1000; attempt++) {
        snprintf(*temporary, room, "%s" TN_FILE_TEMPORARY_MARK "%ld-%d", path, (long)getpid(),
                 attempt);
        int fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

/* Content and mode into the temporary, down to the disk; closes fd. 0 or an errno. */
static int fill_temporary(int fd, const void *data, size_t bytes, const struct stat *old) {
    int reason = write_all(fd, data, bytes);
    /* A file system without modes refuses, and the content matters more. */
    if (old) (void)fchmod(fd, old->st_mode & 0777);
    if (reason == 0 && fsync(fd) != 0) reason = errno;
    if (close(fd) != 0 && reason == 0 && errno != EINTR) reason = errno;
    return reason;
}

/* Makes a rename in the directory of path last. 0 or an errno. */
static int sync_directory(const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!directory) return ENOMEM;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    /* A directory may be writable but not readable; then there is nothing to be done. */
    if (fd < 0) return errno == EACCES ? 0 : errno;
    int reason = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return reason;
}

static tn_status fail_write(const char *path, int reason, tn_error *error) {
    if (reason == ENOMEM) return tn_fail_memory(error);
    if (reason == ENOENT || reason == ENOTDIR)
        return tn_fail(error, TN_ERR_NOT_FOUND, "cannot write %s: no such directory", path);
    return tn_fail_errno(error, reason, "cannot write %s", path);
}

static tn_status replace_regular(const char *path, const struct stat *old, const void *data,
                                 size_t bytes, tn_error *error) {
    char *temporary = NULL;
    int reason = 0;
    int fd = open_temporary(path, &temporary);
    if (fd < 0) {
        reason = errno;
    } else {
        reason = fill_temporary(fd, data, bytes, old);
        if (reason == 0 && rename(temporary, path) != 0) reason = errno;
        if (reason != 0) unlink(temporary);
    }
    free(temporary);
    if (reason == 0) reason = sync_directory(path);
    return reason == 0 ? TN_OK : fail_write(path, reason, error);
}

static tn_status write_special(const char *path, const void *data, size_t bytes, tn_error *error) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return fail_write(path, errno, error);
    int reason = write_all(fd, data, bytes);
    if (close(fd) != 0 && reason == 0) reason = errno;
    return reason == 0 ? TN_OK : fail_write(path, reason, error);
}

tn_status tn_file_replace(const char *path, const void *data, size_t bytes, tn_error *error) {
    struct stat old;
    if (stat(path, &old) != 0) return replace_regular(path, NULL, data, bytes, error);
    if (S_ISDIR(old.st_mode))
        return tn_fail(error, TN_ERR_IO, "cannot write %s: it is a directory", path);
    if (!S_ISREG(old.st_mode)) return write_special(path, data, bytes, error);
    char *target = realpath(path, NULL); /* through links */
    if (!target) return fail_write(path, errno, error);
    tn_status status = replace_regular(target, &old, data, bytes, error);
    free(target);
    return status;
}
