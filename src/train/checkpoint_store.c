/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define PREFIX "step-"
#define SUFFIX ".safetensors"

/* What is put behind the directory's name: a slash, the longest file name, a temporary's mark. */
enum { NAME_ROOM = 96 };

/* A file system without locks is used without. */
static tn_status take(tn_store *store, tn_error *error) {
    store->lock = open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->lock < 0) {
        tn_fail_errno(error, errno, "cannot write checkpoints to %s", store->dir);
        return TN_ERR_IO;
    }
    store->locked = flock(store->lock, LOCK_EX | LOCK_NB) == 0;
    if (!store->locked && errno == EWOULDBLOCK)
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot write checkpoints to %s: another training run is using it (wait for "
                       "it, or choose another directory)",
                       store->dir);
    return TN_OK;
}

/* Whether name is a checkpoint's, followed by `rest` (compared if exact, else only begun with). */
static bool is_checkpoint(const char *name, const char *rest, bool exact, int64_t *step) {
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) return false;
    const char *digits = name + strlen(PREFIX);
    size_t n = strspn(digits, "0123456789");
    if (n < 9 || n > 18 || (n > 9 && digits[0] == '0')) return false;
    if (strncmp(digits + n, SUFFIX, strlen(SUFFIX)) != 0) return false;
    const char *behind = digits + n + strlen(SUFFIX);
    if (exact ? strcmp(behind, rest) != 0 : strncmp(behind, rest, strlen(rest)) != 0) return false;
    if (step) *step = strtoll(digits, NULL, 10);
    return true;
}

/* With the lock held nobody is writing: every temporary is left from a run that was killed. */
static void remove_temporaries(const tn_store *store) {
    DIR *dir = opendir(store->dir);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (is_checkpoint(entry->d_name, TN_FILE_TEMPORARY_MARK, false, NULL))
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

static tn_status probe(const tn_store *store, tn_error *error) {
    char path[TN_STORE_PATH_MAX + NAME_ROOM];
    /* Named like a temporary, so that one left by a killed run is removed like one. */
    snprintf(path, sizeof path, "%s/" PREFIX "000000000" SUFFIX TN_FILE_TEMPORARY_MARK "probe",
             store->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int failed = fd < 0 ? errno : 0;
    if (fd >= 0) {
        if (write(fd, "tenon\n", 6) != 6) failed = errno ? errno : ENOSPC;
        if (close(fd) != 0 && !failed) failed = errno;
        unlink(path);
    }
    if (!failed) return TN_OK;
    tn_fail_errno(error, failed, "cannot write checkpoints to %s", store->dir);
    return TN_ERR_IO;
}

tn_status tn_store_open(const char *dir, int keep, tn_store *store, tn_error *error) {
    *store = (tn_store){.lock = -1, .keep = keep, .last_step = -1};
    size_t length = strlen(dir);
    while (length > 1 && dir[length - 1] == '/') length--;
    if (length == 0 || length + NAME_ROOM >= sizeof store->dir)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot write checkpoints: the directory's name %s",
                       length == 0 ? "is empty" : "is too long");
    memcpy(store->dir, dir, length);
    store->dir[length] = '\0';
    int reason = tn_directory_make(store->dir, &store->made);
    if (reason != 0) {
        tn_fail_errno(error, reason, "cannot write checkpoints to %s", store->dir);
        return TN_ERR_IO;
    }
    TN_TRY(take(store, error));
    if (store->locked) remove_temporaries(store);
    return probe(store, error);
}

void tn_store_close(tn_store *store) {
    /* Only who holds the lock may: the directory of another run may be empty, too. */
    if (store->locked && store->made) rmdir(store->dir); /* stays if something is in it */
    if (store->lock >= 0) close(store->lock);
    *store = (tn_store){.lock = -1};
}

static int newest_first(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x > y ? -1 : x < y;
}

static tn_status read_steps(DIR *dir, int64_t **steps, int *n, tn_error *error) {
    int room = 0;
    int64_t step;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_checkpoint(entry->d_name, "", true, &step)) continue;
        if (*n == room) {
            room = 2 * room + 8;
            int64_t *larger = realloc(*steps, (size_t)room * sizeof **steps);
            if (!larger) return tn_fail_memory(error);
            *steps = larger;
        }
        (*steps)[(*n)++] = step;
    }
    if (*n > 0) qsort(*steps, (size_t)*n, sizeof **steps, newest_first);
    return TN_OK;
}

tn_status tn_store_list(const tn_store *store, int64_t **steps, int *n, tn_error *error) {
    *steps = NULL;
    *n = 0;
    DIR *dir = opendir(store->dir);
    if (!dir) return tn_fail_errno(error, errno, "cannot read %s", store->dir);
    tn_status status = read_steps(dir, steps, n, error);
    closedir(dir);
    if (status != TN_OK) {
        free(*steps);
        *steps = NULL;
    }
    return status;
}

void tn_store_path(const tn_store *store, int64_t step, char path[TN_STORE_PATH_MAX]) {
    snprintf(path, TN_STORE_PATH_MAX, "%.*s/" PREFIX "%09lld" SUFFIX, TN_STORE_PATH_MAX - NAME_ROOM,
             store->dir, (long long)step);
}

/* What cannot be removed is left: the new checkpoint is safe, and that is what counts. */
static void remove_old(const tn_store *store, int64_t newest) {
    int64_t *steps;
    int n, kept = 0;
    if (tn_store_list(store, &steps, &n, NULL) != TN_OK) return;
    for (int i = 0; i < n; i++) {
        if (steps[i] > newest || ++kept <= store->keep) continue;
        char path[TN_STORE_PATH_MAX];
        tn_store_path(store, steps[i], path);
        unlink(path);
    }
    free(steps);
}

tn_status tn_store_write(tn_store *store, int64_t step, const void *bytes, size_t n_bytes,
                         tn_error *error) {
    char path[TN_STORE_PATH_MAX];
    tn_store_path(store, step, path);
    TN_TRY(tn_file_replace(path, bytes, n_bytes, error));
    memcpy(store->last, path, sizeof path);
    store->last_step = step;
    remove_old(store, step);
    return TN_OK;
}
