/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h: a directory that lives as long as a test program; give scratch_make and scratch_remove
 * to cmocka_run_group_tests. Include after cmocka.h. */
#ifndef TN_TESTS_SCRATCH_H
#define TN_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_directory[64];

static inline int scratch_make(void **state) {
    (void)state;
    strcpy(scratch_directory, "/tmp/tenon-test-XXXXXX");
    return mkdtemp(scratch_directory) ? 0 : -1;
}

static inline int scratch_unlink(const char *path, const struct stat *info, int type,
                                 struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline int scratch_remove(void **state) {
    (void)state;
    return nftw(scratch_directory, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a name in the directory; good for eight calls, then the first is overwritten. */
static inline const char *scratch_path(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_directory, name);
    return path;
}

static inline const char *scratch_subdirectory(const char *name) {
    const char *path = scratch_path(name);
    if (mkdir(path, 0777) != 0) fail_msg("cannot make %s", path);
    return path;
}

static inline const char *scratch_write(const char *name, const void *data, size_t bytes) {
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || (bytes && fwrite(data, bytes, 1, file) != 1) || fclose(file) != 0)
        fail_msg("cannot write %s", path);
    return path;
}

#endif
