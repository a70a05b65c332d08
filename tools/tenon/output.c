/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

static const char *why_not_writable(const char *path) {
    struct stat file;
    if (stat(path, &file) == 0) {
        if (S_ISDIR(file.st_mode)) return "it is a directory";
        if (access(path, W_OK) != 0) return strerror(errno);
        if (!S_ISREG(file.st_mode)) return NULL; /* written directly, not replaced */
    } else if (errno != ENOENT) {
        return strerror(errno);
    }
    char dir[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof dir) return strerror(ENAMETOOLONG);
    if (n == 0 || path[n - 1] == '/') return "it names no file";
    memcpy(dir, path, n + 1);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    else
        strcpy(dir, ".");
    if (stat(dir, &file) != 0) return errno == ENOENT ? "no such directory" : strerror(errno);
    if (!S_ISDIR(file.st_mode)) return strerror(ENOTDIR);
    return access(dir, W_OK | X_OK) == 0 ? NULL : strerror(errno);
}

bool output_is_writable(const char *path) {
    if (!path || strcmp(path, "-") == 0) return true;
    const char *why = why_not_writable(path);
    if (why) fail("cannot write %s: %s", path, why);
    return !why;
}

/* Whether both name one place in one directory. */
static bool same_entry(const char *a, const char *b) {
    const char *paths[2] = {a, b}, *names[2];
    struct stat dirs[2];
    for (int i = 0; i < 2; i++) {
        const char *slash = strrchr(paths[i], '/');
        char dir[PATH_MAX] = ".";
        if (slash && snprintf(dir, sizeof dir, "%.*s", (int)(slash - paths[i]) + 1, paths[i]) >=
                         (int)sizeof dir)
            return false;
        names[i] = slash ? slash + 1 : paths[i];
        if (stat(dir, &dirs[i]) != 0) return false;
    }
    return strcmp(names[0], names[1]) == 0 && dirs[0].st_dev == dirs[1].st_dev &&
           dirs[0].st_ino == dirs[1].st_ino;
}

/* Devices hold nothing that could be lost. */
static bool same_file(const char *a, const char *b) {
    struct stat s, t;
    bool a_exists = stat(a, &s) == 0, b_exists = stat(b, &t) == 0;
    if (a_exists && b_exists)
        return S_ISREG(s.st_mode) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
    return !a_exists && !b_exists && same_entry(a, b);
}

bool output_is_apart(const char *path, const char *other, const char *what) {
    if (!path || !other || strcmp(path, "-") == 0 || !same_file(path, other)) return true;
    fail("cannot write %s: it is %s (name another file)", path, what);
    return false;
}

/* The library names them step-000000312.safetensors. */
static bool is_checkpoint(const char *name) {
    size_t digits = strspn(name + (strncmp(name, "step-", 5) == 0 ? 5 : 0), "0123456789");
    return strncmp(name, "step-", 5) == 0 && digits > 0 &&
           strcmp(name + 5 + digits, ".safetensors") == 0;
}

static void each_checkpoint(const char *dir, void (*visit)(int dir_fd, const char *name, int *n),
                            int *n) {
    DIR *stream = opendir(dir);
    if (!stream) return;
    for (struct dirent *entry; (entry = readdir(stream));)
        if (is_checkpoint(entry->d_name)) visit(dirfd(stream), entry->d_name, n);
    closedir(stream);
}

static void count_one(int dir_fd, const char *name, int *n) {
    (void)dir_fd, (void)name;
    ++*n;
}

static void remove_one(int dir_fd, const char *name, int *n) {
    *n += unlinkat(dir_fd, name, 0) == 0;
}

bool checkpoints_present(const char *dir) {
    int n = 0;
    each_checkpoint(dir, count_one, &n);
    return n > 0;
}

void checkpoints_remove(const char *dir) {
    int n = 0;
    each_checkpoint(dir, remove_one, &n);
    rmdir(dir); /* stays if something else is in it */
}
