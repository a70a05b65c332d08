/* SPDX-License-Identifier: Apache-2.0 */
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/size.h"

enum { max_described = 8 };

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Not alphasort, which asks the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

tn_entry tn_entry_of(const char *path) {
    struct stat info;
    const char *slash = strrchr(path, '/');
    tn_entry entry = {.path = path, .name = slash ? slash + 1 : path};
    if (stat(path, &info) != 0) {
        entry.kind = TN_ENTRY_BROKEN;
        entry.reason = errno;
        return entry;
    }
    entry.kind = S_ISREG(info.st_mode)   ? TN_ENTRY_FILE
                 : S_ISDIR(info.st_mode) ? TN_ENTRY_FOLDER
                                         : TN_ENTRY_SPECIAL;
    entry.device = info.st_dev;
    entry.inode = info.st_ino;
    return entry;
}

tn_status tn_folder_list(tn_arena *arena, const char *path, tn_folder *folder, tn_error *error) {
    struct dirent **names = NULL;
    int n = scandir(path, &names, is_visible, by_name);
    if (n < 0) return tn_fail_errno(error, errno, "cannot read %s", path);
    tn_folder listed = {.path = path, .n = n};
    listed.entries = tn_arena_alloc(arena, (size_t)n * sizeof *listed.entries);
    tn_status status = listed.entries ? TN_OK : tn_fail_memory(error);
    for (int i = 0; i < n; i++) {
        const char *entry =
            status == TN_OK ? tn_arena_printf(arena, "%s/%s", path, names[i]->d_name) : NULL;
        if (entry)
            listed.entries[i] = tn_entry_of(entry);
        else if (status == TN_OK)
            status = tn_fail_memory(error);
        free(names[i]);
    }
    free(names);
    if (status == TN_OK) *folder = listed;
    return status;
}

const tn_entry *tn_folder_find(const tn_folder *folder, const char *name, tn_entry_kind kind) {
    for (int64_t i = 0; i < folder->n; i++)
        if (folder->entries[i].kind == kind && strcmp(folder->entries[i].name, name) == 0)
            return &folder->entries[i];
    return NULL;
}

const char *tn_folder_describe(tn_arena *arena, const tn_folder *folder) {
    const char *text = folder->n == 0 ? "nothing" : "";
    int64_t n = tn_min_i64(folder->n, max_described);
    for (int64_t i = 0; i < n && text; i++)
        text = tn_arena_printf(arena, "%s%s%.60s", text, i ? ", " : "", folder->entries[i].name);
    if (text && n < folder->n)
        text = tn_arena_printf(arena, "%s and %lld more", text, (long long)(folder->n - n));
    return text;
}
