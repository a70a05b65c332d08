/* SPDX-License-Identifier: Apache-2.0 */
/* machine_files.h: machines made of files, as the kernel shows them below /proc and /sys, in a
 * temporary directory that is the state of a test case. */
#ifndef TN_TESTS_MACHINE_FILES_H
#define TN_TESTS_MACHINE_FILES_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int make_root(void **state) {
    char template[] = "/tmp/tenon-cpu-XXXXXX";
    if (!mkdtemp(template)) return -1;
    *state = strdup(template);
    return *state ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *stat, int type,
                               struct FTW *ftw) {
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int remove_root(void **state) {
    int failed = nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return failed;
}

static inline void put(const char *root, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        assert_true(mkdir(full, 0777) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static inline void put_siblings(const char *root, int cpu, const char *name, const char *list) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
    put(root, path, list);
}

#endif
