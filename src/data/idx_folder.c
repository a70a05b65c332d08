/* SPDX-License-Identifier: Apache-2.0 */
#include "data/idx_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/idx.h"

/* The four files, as their authors named them. */
static const char *const mnist_images[] = {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"};
static const char *const mnist_labels[] = {"train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"};

/* ---- Finding the files -------------------------------------------------------------------- */

/* The number of dimensions that a file's first bytes promise, raw or gzipped; 0 if it is not IDX or
 * cannot be read. */
static int peek_rank(const char *path) {
    uint8_t magic[4] = {1};
    gzFile file = gzopen(path, "rb"); /* reads raw files as they are */
    if (!file) return 0;
    int got = gzread(file, magic, sizeof magic);
    gzclose(file);
    bool idx = got == sizeof magic && magic[0] == 0 && magic[1] == 0 && magic[2] >= 0x08 &&
               magic[2] <= 0x0e;
    return idx ? magic[3] : 0;
}

/* A file of MNIST's name, raw or gzipped, or NULL. What is there and broken is for the reader to
 * report. */
static const tn_entry *find_named(const tn_folder *folder, const char *name) {
    size_t length = strlen(name);
    for (int64_t i = 0; i < folder->n; i++) {
        const tn_entry *e = &folder->entries[i];
        bool there = e->kind != TN_ENTRY_BROKEN || e->reason != ENOENT;
        if (there && strncmp(e->name, name, length) == 0 &&
            (!e->name[length] || strcmp(e->name + length, ".gz") == 0))
            return e;
    }
    return NULL;
}

bool tn_idx_folder_here(const tn_folder *folder) {
    for (int split = 0; split < 2; split++)
        if (find_named(folder, mnist_images[split]) || find_named(folder, mnist_labels[split]))
            return true;
    for (int64_t i = 0; i < folder->n; i++)
        if (folder->entries[i].kind == TN_ENTRY_FILE && peek_rank(folder->entries[i].path) > 0)
            return true;
    return false;
}

static bool is_of_split(const char *name, tn_split split) {
    return split == TN_TRAIN ? strcasestr(name, "train") != NULL
                             : strcasestr(name, "test") || strcasestr(name, "t10k");
}

/* The only file of the split with so many dimensions. */
static tn_status find_by_rank(tn_arena *arena, const tn_folder *folder, tn_split split, bool images,
                              const char **path, tn_error *error) {
    const char *what = images ? "images" : "labels", *word = split == TN_TRAIN ? "train" : "test";
    const char *usual = (images ? mnist_images : mnist_labels)[split];
    const tn_entry *found = NULL;
    for (int64_t i = 0; i < folder->n; i++) {
        const tn_entry *e = &folder->entries[i];
        if (e->kind != TN_ENTRY_FILE || !is_of_split(e->name, split)) continue;
        int rank = peek_rank(e->path);
        if (rank == 0 || (rank == 1) == images) continue;
        if (found)
            return tn_fail(error, TN_ERR_NOT_FOUND,
                           "cannot open data set: %s has several IDX files of %s for the %s split: "
                           "%s, %s (put each data set into a folder of its own)",
                           folder->path, what, word, found->name, e->name);
        found = e;
    }
    if (found) {
        *path = found->path;
        return TN_OK;
    }
    const char *there = tn_folder_describe(arena, folder);
    if (!there) return tn_fail_memory(error);
    return tn_fail(error, TN_ERR_NOT_FOUND,
                   "cannot open data set: %s has neither %s nor %s.gz, nor another IDX file of %s "
                   "with \"%s\" in its name (it has %s)",
                   folder->path, usual, usual, what, word, there);
}

static tn_status find_file(tn_arena *arena, const tn_folder *folder, tn_split split, bool images,
                           const char **path, tn_error *error) {
    const tn_entry *named = find_named(folder, (images ? mnist_images : mnist_labels)[split]);
    if (!named) return find_by_rank(arena, folder, split, images, path, error);
    *path = named->path;
    return TN_OK;
}

tn_status tn_idx_folder_pair(tn_arena *arena, const tn_folder *folder, tn_split split,
                             tn_idx_pair *pair, tn_error *error) {
    tn_idx_pair found;
    TN_TRY(find_file(arena, folder, split, true, &found.images, error));
    TN_TRY(find_file(arena, folder, split, false, &found.labels, error));
    *pair = found;
    return TN_OK;
}

/* ---- Reading the files -------------------------------------------------------------------- */

static tn_status check_images(const char *path, const tn_idx *idx, tn_error *error) {
    if (idx->rank != 3 && idx->rank != 4)
        return tn_fail(error, TN_ERR_FORMAT,
                       "cannot read %s: it has %d dimensions, images need 3 (count, height, width) "
                       "or 4 (and channels)",
                       path, idx->rank);
    if (idx->rank == 4 && idx->dims[3] != 1 && idx->dims[3] != 3)
        return tn_fail(error, TN_ERR_FORMAT,
                       "cannot read %s: its last dimension, the channels of an image, is %lld (it "
                       "must be 1 or 3)",
                       path, (long long)idx->dims[3]);
    return TN_OK;
}

static tn_status take_images(tn_dataset *dataset, const char *path, tn_error *error) {
    tn_idx idx;
    TN_TRY(tn_idx_read(path, &idx, error));
    tn_status status = check_images(path, &idx, error);
    if (status != TN_OK) {
        tn_idx_free(&idx);
        return status;
    }
    dataset->n = idx.dims[0];
    dataset->height = idx.dims[1];
    dataset->width = idx.dims[2];
    dataset->channels = idx.rank == 4 ? idx.dims[3] : 1;
    dataset->images = idx.data;
    return TN_OK;
}

/* Known sets have a fixed number of classes; of others the largest label tells. */
static tn_status check_labels(tn_dataset *dataset, const char *path, const tn_idx *idx,
                              tn_error *error) {
    if (idx->rank != 1)
        return tn_fail(error, TN_ERR_FORMAT,
                       "cannot read %s: it has %d dimensions, labels need 1 (count)", path,
                       idx->rank);
    if (idx->bytes != dataset->n)
        return tn_fail(error, TN_ERR_FORMAT,
                       "cannot read %s: it has %lld labels for %lld images (the files do not "
                       "belong together)",
                       path, (long long)idx->bytes, (long long)dataset->n);
    bool known = dataset->n_classes > 0;
    if (!known) dataset->n_classes = 2;
    for (int64_t i = 0; i < idx->bytes; i++) {
        if (idx->data[i] < dataset->n_classes) continue;
        if (known)
            return tn_fail(error, TN_ERR_FORMAT,
                           "cannot read %s: label %d of image %lld is out of range (%s has the "
                           "labels 0 to %d)",
                           path, idx->data[i], (long long)i, dataset->name, dataset->n_classes - 1);
        dataset->n_classes = idx->data[i] + 1;
    }
    return TN_OK;
}

static tn_status take_labels(tn_dataset *dataset, const char *path, tn_error *error) {
    tn_idx idx;
    TN_TRY(tn_idx_read(path, &idx, error));
    tn_status status = check_labels(dataset, path, &idx, error);
    if (status == TN_OK) {
        dataset->labels = malloc((size_t)idx.bytes * sizeof *dataset->labels);
        if (!dataset->labels) status = tn_fail_memory(error);
    }
    for (int64_t i = 0; status == TN_OK && i < idx.bytes; i++) dataset->labels[i] = idx.data[i];
    tn_idx_free(&idx);
    return status;
}

tn_status tn_idx_folder_read(tn_dataset *dataset, const tn_folder *folder, tn_split split,
                             tn_error *error) {
    tn_idx_pair pair;
    TN_TRY(tn_idx_folder_pair(&dataset->arena, folder, split, &pair, error));
    TN_TRY(take_images(dataset, pair.images, error));
    return take_labels(dataset, pair.labels, error);
}
