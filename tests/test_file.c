/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a limit, replaced without loss. The system calls that write are defined
 * here anew, so that each in turn can be made to fail. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/file.h"
#include "scratch.h"

/* ---- System calls that fail when told to ---- */

static struct {
    const char *call; /* the kind that fails; NULL for any */
    int countdown;    /* the call that brings it to 0 fails */
    int error;
    const char *failed; /* the kind that did */
    bool short_writes;
} faults;

static bool inject(const char *call) {
    if (faults.countdown == 0 || (faults.call && strcmp(faults.call, call) != 0)) return false;
    if (--faults.countdown > 0) return false;
    faults.failed = call;
    errno = faults.error;
    return true;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    if (inject("write")) return -1;
    if (faults.short_writes && bytes > 1) bytes = bytes / 2;
    return syscall(SYS_write, fd, data, bytes);
}

int fsync(int fd) { return inject("fsync") ? -1 : (int)syscall(SYS_fsync, fd); }

int rename(const char *old, const char *new) {
    return inject("rename") ? -1 : renameat(AT_FDCWD, old, AT_FDCWD, new);
}

int close(int fd) {
    bool fails = inject("close");
    long result = syscall(SYS_close, fd);
    if (fails) errno = faults.error;
    return fails ? -1 : (int)result;
}

static void fail_call(const char *call, int countdown, int error) {
    memset(&faults, 0, sizeof faults);
    faults.call = call;
    faults.countdown = countdown;
    faults.error = error;
}

static void stop_failing(void) { memset(&faults, 0, sizeof faults); }

/* ---- Reading ---- */

static void assert_content(const char *path, const char *expected) {
    void *data = NULL;
    int64_t n = -1;
    tn_error error;
    if (tn_file_read(path, 1 << 20, &data, &n, &error) != TN_OK) fail_msg("%s", error.message);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(data, expected, strlen(expected));
    free(data);
}

static void read_returns_everything(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 20000; bytes = bytes * 3 + 1) {
        char *content = malloc(bytes + 1);
        for (size_t i = 0; i < bytes; i++) content[i] = (char)(i * 7);
        const char *path = scratch_write("read", content, bytes);
        void *data = NULL;
        int64_t n = -1;
        assert_int_equal(tn_file_read(path, (int64_t)bytes, &data, &n, NULL), TN_OK);
        assert_non_null(data);
        assert_int_equal(n, bytes);
        assert_memory_equal(data, content, bytes);
        free(data);
        if (bytes > 0) {
            data = NULL;
            assert_int_equal(tn_file_read(path, (int64_t)bytes - 1, &data, &n, NULL),
                             TN_ERR_UNSUPPORTED);
            assert_null(data);
        }
        free(content);
    }
}

static void read_tells_failures_apart(void **state) {
    (void)state;
    tn_error error;
    void *data = NULL;
    int64_t n = 0;
    const char *file = scratch_write("plain", "x", 1);
    char below[600];
    snprintf(below, sizeof below, "%s/x", file);

    assert_int_equal(tn_file_read(scratch_path("none"), 9, &data, &n, &error), TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "no such file"));
    assert_int_equal(tn_file_read(below, 9, &data, &n, &error), TN_ERR_NOT_FOUND);
    assert_int_equal(tn_file_read(scratch_directory, 9, &data, &n, &error), TN_ERR_IO);
    assert_non_null(strstr(error.message, "is a directory"));
    assert_int_equal(tn_file_read(scratch_write("large", "1234567890", 10), 9, &data, &n, &error),
                     TN_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "larger than 9 bytes"));
    assert_int_equal(tn_file_read("/dev/zero", 100000, &data, &n, &error), TN_ERR_UNSUPPORTED);
    assert_null(data);
}

static void read_takes_pipes(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    static char content[30001];
    memset(content, 'p', 30000);
    assert_int_equal(write(ends[1], content, 30000), 30000);
    close(ends[1]);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    assert_content(path, content);
    close(ends[0]);
}

/* ---- Replacing ---- */

static int count_entries(const char *directory) {
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(entries));) n += entry->d_name[0] != '.';
    closedir(entries);
    return n;
}

static void replace_makes_and_replaces(void **state) {
    (void)state;
    const char *directory = scratch_subdirectory("replace"), *path = scratch_path("replace/file");
    assert_int_equal(tn_file_replace(path, "one", 3, NULL), TN_OK);
    assert_content(path, "one");
    assert_int_equal(tn_file_replace(path, "", 0, NULL), TN_OK);
    assert_content(path, "");
    faults.short_writes = true;
    assert_int_equal(tn_file_replace(path, "three three", 11, NULL), TN_OK);
    stop_failing();
    assert_content(path, "three three");
    assert_int_equal(count_entries(directory), 1);
}

static void replace_works_without_a_slash(void **state) {
    (void)state;
    char here[512];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(scratch_directory), 0);
    tn_status status = tn_file_replace("bare", "b", 1, NULL);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(status, TN_OK);
    assert_content(scratch_path("bare"), "b");
}

static void replace_keeps_mode_and_link(void **state) {
    (void)state;
    struct stat info;
    const char *path = scratch_write("private", "old", 3), *link = scratch_path("link");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("private", link), 0);
    assert_int_equal(tn_file_replace(link, "new", 3, NULL), TN_OK);
    assert_content(path, "new");
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);

    mode_t mask = umask(027);
    assert_int_equal(tn_file_replace(scratch_path("fresh"), "f", 1, NULL), TN_OK);
    umask(mask);
    assert_int_equal(stat(scratch_path("fresh"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void replace_writes_devices_directly(void **state) {
    (void)state;
    struct stat info;
    assert_int_equal(tn_file_replace("/dev/null", "x", 1, NULL), TN_OK);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    tn_error error;
    assert_int_equal(tn_file_replace("/dev/full", "x", 1, &error), TN_ERR_IO);
    assert_non_null(strstr(error.message, "No space left"));
}

static void replace_tells_failures_apart(void **state) {
    (void)state;
    tn_error error;
    assert_int_equal(tn_file_replace(scratch_directory, "x", 1, &error), TN_ERR_IO);
    assert_non_null(strstr(error.message, "is a directory"));
    assert_int_equal(tn_file_replace(scratch_path("no/file"), "x", 1, &error), TN_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "no such directory"));
}

/* Fails the k-th call of any kind, for every k, until nothing is left to fail. */
static void replace_survives_each_failing_call(void **state) {
    (void)state;
    const char *directory = scratch_subdirectory("faults"), *path = scratch_path("faults/file");
    int n_failures = 0;
    for (int k = 1;; k++) {
        stop_failing();
        assert_int_equal(tn_file_replace(path, "old", 3, NULL), TN_OK);
        tn_error error = {""};
        fail_call(NULL, k, EIO);
        tn_status status = tn_file_replace(path, "newer", 5, &error);
        const char *failed = faults.failed;
        stop_failing();
        assert_int_equal(count_entries(directory), 1);
        if (!failed) {
            assert_int_equal(status, TN_OK);
            break;
        }
        n_failures++;
        /* write, fsync, close, rename; then the directory: fsync, close */
        bool renamed = k > 4;
        assert_content(path, renamed ? "newer" : "old");
        assert_int_equal(status, k == 6 ? TN_OK : TN_ERR_IO);
        if (status != TN_OK) assert_non_null(strstr(error.message, "Input/output error"));
    }
    assert_int_equal(n_failures, 6);
}

static void replace_retries_after_an_interruption(void **state) {
    (void)state;
    fail_call("write", 1, EINTR);
    tn_status status = tn_file_replace(scratch_path("interrupted"), "whole", 5, NULL);
    stop_failing();
    assert_int_equal(status, TN_OK);
    assert_content(scratch_path("interrupted"), "whole");
}

static void replace_in_a_read_only_directory(void **state) {
    (void)state;
    const char *directory = scratch_subdirectory("locked"), *path = scratch_path("locked/file");
    assert_int_equal(tn_file_replace(path, "old", 3, NULL), TN_OK);
    assert_int_equal(chmod(directory, 0555), 0);
    assert_int_equal(chmod(scratch_directory, 0755), 0);
    bool root = geteuid() == 0;
    if (root) assert_int_equal(seteuid(65534), 0); /* root may write anywhere */
    tn_error error = {""};
    tn_status status = tn_file_replace(path, "new", 3, &error);
    if (root) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(status, TN_ERR_IO);
    assert_non_null(strstr(error.message, "Permission denied"));
    assert_content(path, "old");
}

static void replace_on_a_full_disk(void **state) {
    (void)state;
    const char *directory = scratch_subdirectory("full"), *path = scratch_path("full/file");
    if (mount("tmpfs", directory, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: only root can mount a small file system\n");
        skip();
    }
    char *large = calloc(2, 1 << 20);
    tn_error error = {""};
    tn_status first = tn_file_replace(path, "old", 3, NULL);
    tn_status second = tn_file_replace(path, large, 2 << 20, &error);
    int n_entries = count_entries(directory);
    void *data = NULL;
    int64_t n = 0;
    tn_status third = tn_file_read(path, 9, &data, &n, NULL);
    umount(directory);
    assert_int_equal(first, TN_OK);
    assert_int_equal(second, TN_ERR_IO);
    assert_non_null(strstr(error.message, "No space left"));
    assert_int_equal(n_entries, 1);
    assert_int_equal(third, TN_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(data, "old", 3);
    free(data);
    free(large);
}

/* ---- Directories -------------------------------------------------------------------------- */

static void directories_are_made_where_missing(void **state) {
    (void)state;
    bool made = false;
    struct stat info;
    const char *deep = scratch_path("a/b//c/");
    assert_int_equal(tn_directory_make(deep, &made), 0);
    assert_true(made);
    assert_true(stat(deep, &info) == 0 && S_ISDIR(info.st_mode));
    assert_int_equal(tn_directory_make(scratch_path("a/b/c"), &made), 0);
    assert_false(made);
    assert_int_equal(tn_directory_make(scratch_path("a/d"), NULL), 0);
    assert_int_equal(tn_directory_make("/", NULL), 0);
    assert_int_equal(tn_directory_make("", NULL), ENOENT);
    const char *file = scratch_write("not-a-directory", "x", 1);
    char below[1024];
    snprintf(below, sizeof below, "%s/d", file);
    assert_int_equal(tn_directory_make(below, NULL), ENOTDIR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_returns_everything),
        cmocka_unit_test(read_tells_failures_apart),
        cmocka_unit_test(read_takes_pipes),
        cmocka_unit_test(replace_makes_and_replaces),
        cmocka_unit_test(replace_works_without_a_slash),
        cmocka_unit_test(replace_keeps_mode_and_link),
        cmocka_unit_test(replace_writes_devices_directly),
        cmocka_unit_test(replace_tells_failures_apart),
        cmocka_unit_test(replace_survives_each_failing_call),
        cmocka_unit_test(replace_retries_after_an_interruption),
        cmocka_unit_test(replace_in_a_read_only_directory),
        cmocka_unit_test(replace_on_a_full_disk),
        cmocka_unit_test(directories_are_made_where_missing),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
