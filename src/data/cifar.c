/* SPDX-License-Identifier: Apache-2.0 */
#include "data/cifar.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { max_files = 5, max_name_bytes = 256, max_names_bytes = 1 << 16 };

/* Seven times the largest file there is. */
static const int64_t max_file_bytes = (int64_t)1 << 30;

struct tn_cifar_kind {
    int n_classes, label_bytes;
    const char *files[2][max_files]; /* of each split */
    const char *names;
};

static const tn_cifar_kind kinds[] = {
    {.n_classes = 10,
     .label_bytes = 1,
     .files = {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                "data_batch_5.bin"},
               {"test_batch.bin"}},
     .names = "batches.meta.txt"},
    {.n_classes = 100,
     .label_bytes = 2, /* of the superclass, then of the class */
     .files = {{"train.bin"}, {"test.bin"}},
     .names = "fine_label_names.txt"},
};

enum { n_kinds = sizeof kinds / sizeof *kinds };

const tn_cifar_kind *tn_cifar_of_classes(int n_classes) {
    for (int i = 0; i < n_kinds; i++)
        if (kinds[i].n_classes == n_classes) return &kinds[i];
    return NULL;
}

const tn_cifar_kind *tn_cifar_here(const tn_folder *folder) {
    for (int i = 0; i < n_kinds; i++)
        for (int split = 0; split < 2; split++)
            for (int j = 0; j < max_files && kinds[i].files[split][j]; j++)
                if (tn_folder_find(folder, kinds[i].files[split][j], TN_ENTRY_FILE))
                    return &kinds[i];
    return NULL;
}

/* ---- Contents ----------------------------------------------------------------------------- */

tn_status tn_cifar_count(const tn_cifar_kind *kind, int64_t n, int64_t *records, tn_error *error) {
    int64_t record = kind->label_bytes + TN_CIFAR_IMAGE_BYTES;
    if (n == 0) return tn_fail(error, TN_ERR_FORMAT, "the file is empty");
    if (n % record != 0)
        return tn_fail(error, TN_ERR_FORMAT,
                       "%lld bytes are no whole number of images of CIFAR-%d, %lld bytes each "
                       "(download it again)",
                       (long long)n, kind->n_classes, (long long)record);
    *records = n / record;
    return TN_OK;
}

tn_status tn_cifar_unpack(const tn_cifar_kind *kind, const uint8_t *bytes, int64_t records,
                          uint8_t *images, int32_t *labels, tn_error *error) {
    const int64_t plane = TN_CIFAR_SIDE * TN_CIFAR_SIDE;
    for (int64_t i = 0; i < records; i++) {
        labels[i] = bytes[kind->label_bytes - 1];
        if (labels[i] >= kind->n_classes)
            return tn_fail(error, TN_ERR_FORMAT,
                           "label %d of image %lld is out of range (CIFAR-%d has the labels 0 to "
                           "%d)",
                           labels[i], (long long)i, kind->n_classes, kind->n_classes - 1);
        bytes += kind->label_bytes;
        for (int64_t p = 0; p < plane; p++)
            for (int64_t c = 0; c < TN_CIFAR_CHANNELS; c++) *images++ = bytes[c * plane + p];
        bytes += TN_CIFAR_IMAGE_BYTES;
    }
    return TN_OK;
}

tn_status tn_cifar_names(const tn_cifar_kind *kind, const uint8_t *bytes, int64_t n,
                         tn_arena *arena, const char **names, tn_error *error) {
    while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r')) n--;
    int n_names = 0;
    for (int64_t at = 0; at < n && n_names <= kind->n_classes; n_names++) {
        const uint8_t *end = memchr(bytes + at, '\n', (size_t)(n - at));
        int64_t line = end ? end - (bytes + at) : n - at;
        int64_t length = line > 0 && bytes[at + line - 1] == '\r' ? line - 1 : line;
        if (length == 0 || length > max_name_bytes || memchr(bytes + at, 0, (size_t)length))
            return tn_fail(error, TN_ERR_FORMAT, "line %d is not the name of a class", n_names + 1);
        char *name = tn_arena_printf(arena, "%.*s", (int)length, (const char *)(bytes + at));
        if (!name) return tn_fail_memory(error);
        if (n_names < kind->n_classes) names[n_names] = name;
        at += line + 1;
    }
    if (n_names != kind->n_classes)
        return tn_fail(error, TN_ERR_FORMAT, "it does not have %d lines, one for each class",
                       kind->n_classes);
    return TN_OK;
}

/* ---- Files -------------------------------------------------------------------------------- */

static tn_status grow(tn_dataset *dataset, int64_t records, tn_error *error) {
    int64_t n = dataset->n + records;
    uint8_t *images = realloc(dataset->images, (size_t)n * TN_CIFAR_IMAGE_BYTES);
    if (!images) return tn_fail_memory(error);
    dataset->images = images;
    int32_t *labels = realloc(dataset->labels, (size_t)n * sizeof *labels);
    if (!labels) return tn_fail_memory(error);
    dataset->labels = labels;
    return TN_OK;
}

static tn_status append(tn_dataset *dataset, const tn_cifar_kind *kind, const void *bytes,
                        int64_t n, tn_error *error) {
    int64_t records = 0;
    TN_TRY(tn_cifar_count(kind, n, &records, error));
    TN_TRY(grow(dataset, records, error));
    TN_TRY(tn_cifar_unpack(kind, bytes, records,
                           dataset->images + dataset->n * TN_CIFAR_IMAGE_BYTES,
                           dataset->labels + dataset->n, error));
    dataset->n += records;
    return TN_OK;
}

static tn_status append_file(tn_dataset *dataset, const tn_cifar_kind *kind, const char *path,
                             tn_error *error) {
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_file_read(path, max_file_bytes, &bytes, &n, error));
    tn_status status = append(dataset, kind, bytes, n, error);
    free(bytes);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot read %s", path);
}

static tn_status read_names(tn_dataset *dataset, const tn_cifar_kind *kind, const char *path,
                            tn_error *error) {
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_file_read(path, max_names_bytes, &bytes, &n, error));
    size_t names_bytes = (size_t)kind->n_classes * sizeof *dataset->class_names;
    const char **names = tn_arena_alloc(&dataset->arena, names_bytes);
    tn_status status = names ? tn_cifar_names(kind, bytes, n, &dataset->arena, names, error)
                             : tn_fail_memory(error);
    free(bytes);
    if (status != TN_OK) return tn_fail_within(error, status, "cannot read %s", path);
    dataset->class_names = names;
    return TN_OK;
}

tn_status tn_cifar_read(tn_dataset *dataset, const tn_cifar_kind *kind, const tn_folder *folder,
                        tn_split split, tn_error *error) {
    for (int i = 0; i < max_files && kind->files[split][i]; i++) {
        const char *path =
            tn_arena_printf(&dataset->arena, "%s/%s", folder->path, kind->files[split][i]);
        if (!path) return tn_fail_memory(error);
        TN_TRY(append_file(dataset, kind, path, error));
    }
    dataset->height = dataset->width = TN_CIFAR_SIDE;
    dataset->channels = TN_CIFAR_CHANNELS;
    dataset->n_classes = kind->n_classes;
    const tn_entry *names = tn_folder_find(folder, kind->names, TN_ENTRY_FILE);
    return names ? read_names(dataset, kind, names->path, error) : TN_OK;
}
