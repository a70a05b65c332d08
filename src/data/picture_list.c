/* SPDX-License-Identifier: Apache-2.0 */
#include "data/picture_list.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Folders within a class. Links can make a few folders look like very many. */
    max_depth = 16,
    max_pictures = 100000000,
    test_share = 10, /* one picture in so many */
    unknown_class = -1
};

bool tn_picture_blame(tn_picture *picture, tn_status status, const char *message) {
    free(picture->problem);
    picture->status = status;
    picture->problem = strdup(message);
    return picture->problem != NULL;
}

/* ---- Adding ------------------------------------------------------------------------------- */

static tn_status add(tn_picture_list *list, const tn_picture *picture, tn_error *error) {
    if (list->n == list->capacity) {
        int64_t capacity = list->capacity ? 2 * list->capacity : 256;
        if (capacity > max_pictures)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "cannot read %s: more than %d files",
                           picture->path, max_pictures);
        tn_picture *grown = realloc(list->pictures, (size_t)capacity * sizeof *grown);
        if (!grown) return tn_fail_memory(error);
        list->pictures = grown;
        list->capacity = capacity;
    }
    list->pictures[list->n++] = *picture;
    return TN_OK;
}

/* Adds what cannot be a picture; `why` is the message of what failed. */
static tn_status add_problem(tn_picture_list *list, tn_picture picture, tn_status status,
                             const char *why, tn_error *error) {
    if (!tn_picture_blame(&picture, status, why)) return tn_fail_memory(error);
    tn_status added = add(list, &picture, error);
    if (added != TN_OK) free(picture.problem);
    return added;
}

/* ---- Walking a class ---------------------------------------------------------------------- */

/* A folder on the way down, linked to the one above it; the data set's own has none. */
typedef struct trail {
    const struct trail *above;
    const tn_entry *folder;
    int depth;
} trail;

typedef struct walk {
    tn_picture_list *list;
    const trail *top; /* of the folder that holds the class folders */
    tn_split split;
    int32_t label;
    const char *class_name;
    tn_error *error;
} walk;

static bool looks_like_picture(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    size_t length = strlen(name);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && strcasecmp(name + length - n, endings[i]) == 0) return true;
    }
    return false;
}

/* What speaks against an entry before it is opened: writes why, or returns TN_OK. */
static tn_status judge(const walk *w, const tn_entry *entry, tn_error *why) {
    if (entry->kind == TN_ENTRY_BROKEN)
        return tn_fail_errno(why, entry->reason, "cannot read %s", entry->path);
    if (entry->kind == TN_ENTRY_SPECIAL)
        return tn_fail(why, TN_ERR_FORMAT, "cannot read %s: it is no regular file", entry->path);
    if (!looks_like_picture(entry->name))
        return tn_fail(why, TN_ERR_FORMAT,
                       "cannot read %s: its name ends neither in .png nor in .jpg or .jpeg (move "
                       "it away, or leave it out with --skip-bad)",
                       entry->path);
    if (w->label == unknown_class)
        return tn_fail(why, TN_ERR_MISMATCH,
                       "cannot use %s: there are no training pictures of class %s", entry->path,
                       w->class_name);
    return TN_OK;
}

static tn_status judge_folder(const tn_entry *folder, const trail *above, tn_error *why) {
    for (const trail *t = above; t; t = t->above)
        if (t->folder->device == folder->device && t->folder->inode == folder->inode)
            return tn_fail(why, TN_ERR_FORMAT,
                           "cannot read %s: the link leads back to %s (remove it)", folder->path,
                           t->folder->path);
    if (above->depth == max_depth)
        return tn_fail(why, TN_ERR_UNSUPPORTED, "cannot read %s: more than %d folders deep",
                       folder->path, max_depth);
    return TN_OK;
}

static tn_status walk_folder(const walk *w, const tn_entry *folder, const trail *above) {
    tn_error why = {""};
    tn_folder listed = {.n = 0};
    const tn_picture here = {.path = folder->path, .label = w->label, .split = w->split};
    tn_status status = judge_folder(folder, above, &why);
    if (status == TN_OK) status = tn_folder_list(&w->list->arena, folder->path, &listed, &why);
    if (status == TN_ERR_MEMORY) return tn_fail_memory(w->error);
    if (status != TN_OK) return add_problem(w->list, here, status, why.message, w->error);
    const trail below = {.above = above, .folder = folder, .depth = above->depth + 1};
    for (int64_t i = 0; i < listed.n; i++) {
        const tn_entry *entry = &listed.entries[i];
        if (entry->kind == TN_ENTRY_FOLDER) {
            TN_TRY(walk_folder(w, entry, &below));
            continue;
        }
        tn_picture picture = {.path = entry->path, .label = w->label, .split = w->split};
        status = judge(w, entry, &why);
        if (status == TN_OK)
            TN_TRY(add(w->list, &picture, w->error));
        else
            TN_TRY(add_problem(w->list, picture, status, why.message, w->error));
    }
    return TN_OK;
}

/* ---- A split ------------------------------------------------------------------------------ */

static int32_t find_class(const tn_picture_list *list, const char *name) {
    for (int32_t i = 0; i < list->n_classes; i++)
        if (strcmp(list->class_names[i], name) == 0) return i;
    return unknown_class;
}

/* Moves every tenth picture of the class, which begins at `first`, to the test split. */
static void share_out(tn_picture_list *list, int64_t first) {
    int64_t place = 0;
    for (int64_t i = first; i < list->n; i++)
        if (!list->pictures[i].problem && ++place % test_share == 0)
            list->pictures[i].split = TN_TEST;
}

static tn_status walk_class(walk *w, const tn_entry *folder, bool shares) {
    int64_t first = w->list->n;
    w->class_name = folder->name;
    w->label = find_class(w->list, folder->name);
    TN_TRY(walk_folder(w, folder, w->top));
    if (shares) share_out(w->list, first);
    if (w->list->n > first) return TN_OK;
    tn_error why;
    const tn_picture here = {.path = folder->path, .label = w->label, .split = w->split};
    tn_fail(&why, TN_ERR_FORMAT, "cannot read %s: the folder of the class holds no pictures",
            folder->path);
    return add_problem(w->list, here, TN_ERR_FORMAT, why.message, w->error);
}

/* A picture beside the class folders is of no class; what else lies there is not looked at. */
static tn_status walk_split(walk *w, const tn_folder *classes, bool shares) {
    for (int64_t i = 0; i < classes->n; i++) {
        const tn_entry *entry = &classes->entries[i];
        if (entry->kind == TN_ENTRY_FOLDER) {
            TN_TRY(walk_class(w, entry, shares));
        } else if (entry->kind == TN_ENTRY_BROKEN || looks_like_picture(entry->name)) {
            tn_error why;
            const tn_picture here = {
                .path = entry->path, .label = unknown_class, .split = w->split};
            tn_status status =
                entry->kind == TN_ENTRY_BROKEN
                    ? tn_fail_errno(&why, entry->reason, "cannot read %s", entry->path)
                    : tn_fail(&why, TN_ERR_FORMAT, "cannot use %s: it is in no folder of a class",
                              entry->path);
            TN_TRY(add_problem(w->list, here, status, why.message, w->error));
        }
    }
    return TN_OK;
}

/* An empty folder is a class, too: where it is skipped, labels stay what they are. */
static tn_status name_classes(tn_picture_list *list, const tn_folder *classes, tn_error *error) {
    size_t bytes = (size_t)classes->n * sizeof *list->class_names;
    list->class_names = tn_arena_alloc(&list->arena, bytes);
    if (!list->class_names) return tn_fail_memory(error);
    for (int64_t i = 0; i < classes->n; i++)
        if (classes->entries[i].kind == TN_ENTRY_FOLDER)
            list->class_names[list->n_classes++] = classes->entries[i].name;
    if (list->n_classes >= 2) return TN_OK;
    const char *there = tn_folder_describe(&list->arena, classes);
    if (!there) return tn_fail_memory(error);
    return tn_fail(error, TN_ERR_FORMAT,
                   "cannot open data set: %s needs a folder of pictures for each of two or more "
                   "classes (it has %s)",
                   classes->path, there);
}

/* ---- Both splits -------------------------------------------------------------------------- */

/* What the two splits are taken from; folder is NULL where there is none. */
typedef struct source {
    const tn_entry *folder;
    tn_folder classes;
} source;

static tn_status open_source(tn_picture_list *list, const tn_folder *root, const char *name,
                             source *s, tn_error *error) {
    s->folder = tn_folder_find(root, name, TN_ENTRY_FOLDER);
    return s->folder ? tn_folder_list(&list->arena, s->folder->path, &s->classes, error) : TN_OK;
}

static tn_status walk_source(tn_picture_list *list, const trail *root, const source *s,
                             tn_split split, bool shares, tn_error *error) {
    const trail below = {.above = root, .folder = s->folder};
    walk w = {.list = list, .top = s->folder ? &below : root, .split = split, .error = error};
    return walk_split(&w, &s->classes, shares);
}

tn_status tn_picture_list_make(const tn_folder *folder, tn_split wanted, tn_picture_list *list,
                               tn_error *error) {
    *list = (tn_picture_list){0};
    source train = {0}, test = {0};
    const tn_entry self = tn_entry_of(folder->path);
    const trail root = {.folder = &self};
    TN_TRY(open_source(list, folder, "train", &train, error));
    TN_TRY(open_source(list, folder, "test", &test, error));
    if (!test.folder) TN_TRY(open_source(list, folder, "val", &test, error));
    if (!train.folder && test.folder) {
        if (wanted == TN_TRAIN)
            return tn_fail(error, TN_ERR_NOT_FOUND,
                           "cannot open data set: %s has a folder %s, but no folder train",
                           folder->path, test.folder->name);
        TN_TRY(name_classes(list, &test.classes, error));
        return walk_source(list, &root, &test, TN_TEST, false, error);
    }
    if (!train.folder) train.classes = *folder;
    TN_TRY(name_classes(list, &train.classes, error));
    TN_TRY(walk_source(list, &root, &train, TN_TRAIN, !test.folder, error));
    return test.folder ? walk_source(list, &root, &test, TN_TEST, false, error) : TN_OK;
}

void tn_picture_list_free(tn_picture_list *list) {
    for (int64_t i = 0; i < list->n; i++) free(list->pictures[i].problem);
    free(list->pictures);
    tn_arena_free(&list->arena);
    *list = (tn_picture_list){0};
}
