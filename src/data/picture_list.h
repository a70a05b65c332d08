/* SPDX-License-Identifier: Apache-2.0 */
/* picture_list.h: the pictures in a folder of class folders, before any of them is opened. */
#ifndef TN_DATA_PICTURE_LIST_H
#define TN_DATA_PICTURE_LIST_H

#include "base/arena.h"
#include "base/status.h"
#include "data/folder.h"

/* A picture, or something that should be one. */
typedef struct tn_picture {
    const char *path;
    int32_t label;
    tn_split split;
    tn_status status;                /* TN_OK, or */
    char *problem;                   /* why it cannot be used: a whole message, malloc'ed */
    int64_t height, width, channels; /* if measured; 0 before */
} tn_picture;

typedef struct tn_picture_list {
    int64_t n, capacity;
    tn_picture *pictures; /* training first, then by class, then by path; malloc'ed */
    int n_classes;
    const char **class_names; /* [n_classes], bytewise ascending */
    tn_arena arena;           /* of the strings */
} tn_picture_list;

/* Lists both splits. folder holds class folders, or the folders train and test (or val) that do; of
 * the former, and if only train is there, every tenth picture of a class is a test picture. What
 * cannot be a picture is listed with its problem. Fails with TN_ERR_FORMAT if there are no two
 * classes, TN_ERR_NOT_FOUND if the split that is wanted has no folder, TN_ERR_IO, TN_ERR_MEMORY.
 * The list must be freed also after a failure. */
tn_status tn_picture_list_make(const tn_folder *folder, tn_split wanted, tn_picture_list *list,
                               tn_error *error);
void tn_picture_list_free(tn_picture_list *list);

/* Makes `message` the picture's problem; returns false when out of memory. */
bool tn_picture_blame(tn_picture *picture, tn_status status, const char *message);

#endif
