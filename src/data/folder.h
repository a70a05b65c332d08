/* SPDX-License-Identifier: Apache-2.0 */
/* folder.h: what a directory holds. */
#ifndef TN_DATA_FOLDER_H
#define TN_DATA_FOLDER_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum tn_entry_kind {
    TN_ENTRY_FILE = 0,
    TN_ENTRY_FOLDER,
    TN_ENTRY_SPECIAL, /* a device, pipe or socket: opening it may never return */
    TN_ENTRY_BROKEN   /* cannot be told, such as a link to nowhere; `reason` is the errno */
} tn_entry_kind;

typedef struct tn_entry {
    const char *name, *path;
    tn_entry_kind kind; /* of what a link points to */
    int reason;
    dev_t device; /* these two tell whether folders are the same */
    ino_t inode;
} tn_entry;

typedef struct tn_folder {
    const char *path;
    int64_t n;
    tn_entry *entries; /* by name, bytewise; without those that begin with a dot */
} tn_folder;

/* The entry of one path, which it keeps. */
tn_entry tn_entry_of(const char *path);
/* Strings and entries live in the arena. Fails with TN_ERR_NOT_FOUND, TN_ERR_IO, TN_ERR_MEMORY. */
tn_status tn_folder_list(tn_arena *arena, const char *path, tn_folder *folder, tn_error *error);
/* The entry of that name and kind, or NULL. */
const tn_entry *tn_folder_find(const tn_folder *folder, const char *name, tn_entry_kind kind);
/* "a, b, c and 5 more" for messages, "nothing" for an empty folder; NULL when out of memory. */
const char *tn_folder_describe(tn_arena *arena, const tn_folder *folder);

#endif
