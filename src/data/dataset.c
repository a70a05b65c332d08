/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.c: labelled images in memory, from the caller or from what a directory holds. */
#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/size.h"
#include "base/text.h"
#include "data/cifar.h"
#include "data/folder.h"
#include "data/idx_folder.h"
#include "data/image.h"
#include "data/image_folder.h"

#ifndef TN_SHARE_DIR
#define TN_SHARE_DIR "/usr/local/share/tenon"
#endif

enum { n_known_classes = 10, max_folders = 2 };

/* What is known of a data set beyond its files. */
typedef struct known_set {
    const char *name;
    const char *folders[max_folders]; /* in the places of data sets; the second may be NULL */
    const char *install;              /* how to get it; NULL if it comes with Tenon */
    const char *class_names[n_known_classes]; /* NULL if the files tell */
} known_set;

static const char cifar_page[] = "https://www.cs.toronto.edu/~kriz/cifar.html";

static const known_set known_sets[] = {
    {"mnist", {"mnist"}, NULL, {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}},
    {"fashion-mnist",
     {"fashion-mnist"},
     "apt-get install dataset-fashion-mnist",
     {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
      "Ankle boot"}},
    {"cifar-10", {"cifar-10", "cifar-10-batches-bin"}, cifar_page, {NULL}},
    {"cifar-100", {"cifar-100", "cifar-100-binary"}, cifar_page, {NULL}},
};

static const known_set *find_known(const char *name) {
    for (size_t i = 0; i < sizeof known_sets / sizeof *known_sets; i++)
        if (strcmp(name, known_sets[i].name) == 0) return &known_sets[i];
    return NULL;
}

/* ---- What both kinds share ---------------------------------------------------------------- */

/* Exact sums of integers, so the order of pixels does not matter. Neighbours, which are often
 * alike, are counted apart: adding to the number just written would wait for it. */
static void compute_moments(tn_dataset *dataset) {
    enum { APART = 4 };
    int64_t n = dataset->n * dataset->height * dataset->width * dataset->channels;
    int64_t counts[APART][256] = {{0}};
    for (int64_t i = 0; i < n; i++) counts[i % APART][dataset->images[i]]++;
    double sum = 0, sum_of_squares = 0;
    for (int v = 0; v < 256; v++) {
        int64_t count = 0;
        for (int k = 0; k < APART; k++) count += counts[k][v];
        sum += (double)count * v;
        sum_of_squares += (double)count * v * v;
    }
    double mean = sum / (double)n;
    double variance = sum_of_squares / (double)n - mean * mean;
    dataset->mean = mean / 255;
    dataset->std = sqrt(variance > 0 ? variance : 0) / 255;
}

/* Gives those names that the files did not: what is known of the data set, or numbers. */
static tn_status name_classes(tn_dataset *dataset, tn_error *error) {
    if (dataset->class_names) return TN_OK;
    const known_set *known = find_known(dataset->name);
    if (known && (dataset->n_classes != n_known_classes || !known->class_names[0])) known = NULL;
    size_t bytes = (size_t)dataset->n_classes * sizeof *dataset->class_names;
    dataset->class_names = tn_arena_alloc(&dataset->arena, bytes);
    if (!dataset->class_names) return tn_fail_memory(error);
    for (int i = 0; i < dataset->n_classes; i++) {
        dataset->class_names[i] =
            known ? known->class_names[i] : tn_arena_printf(&dataset->arena, "%d", i);
        if (!dataset->class_names[i]) return tn_fail_memory(error);
    }
    return TN_OK;
}

static tn_status new_dataset(const char *name, size_t name_bytes, tn_dataset **dataset,
                             tn_error *error) {
    *dataset = calloc(1, sizeof **dataset);
    if (!*dataset) return tn_fail_memory(error);
    (*dataset)->name = tn_arena_printf(&(*dataset)->arena, "%.*s",
                                       (int)tn_min_i64((int64_t)name_bytes, 4096), name);
    return (*dataset)->name ? TN_OK : tn_fail_memory(error);
}

/* ---- Finding the directory ---------------------------------------------------------------- */

static bool is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static tn_status fail_not_found(tn_arena *arena, const char *name, const char *const *places,
                                int n_places, tn_error *error) {
    const char *looked_at = "";
    for (int i = 0; i < n_places; i++) {
        looked_at = tn_arena_printf(arena, "%s%s%s", looked_at, i ? ", " : "", places[i]);
        if (!looked_at) return tn_fail_memory(error);
    }
    const known_set *known = find_known(name);
    if (known && known->install)
        return tn_fail(error, TN_ERR_NOT_FOUND,
                       "cannot open data set %s: it is not installed (%s; looked at %s)", name,
                       known->install, looked_at);
    return tn_fail(error, TN_ERR_NOT_FOUND,
                   "cannot open data set %s: no such directory (looked at %s; set TENON_DATA to "
                   "the folder that holds it)",
                   name, looked_at);
}

/* Whether a folder may have the split. Of what cannot be read, the reader shall tell. */
static bool may_hold(tn_arena *arena, const char *place, tn_split split) {
    tn_folder folder;
    tn_idx_pair pair;
    if (tn_folder_list(arena, place, &folder, NULL) != TN_OK || tn_cifar_here(&folder)) return true;
    if (tn_idx_folder_here(&folder))
        return tn_idx_folder_pair(arena, &folder, split, &pair, NULL) != TN_ERR_NOT_FOUND;
    return tn_image_folder_here(&folder);
}

/* The directory a name stands for. A folder of that name without the split's images is passed over
 * as long as another place may have them. */
static tn_status find_by_name(tn_arena *arena, const char *name, tn_split split,
                              const char **directory, tn_error *error) {
    enum { n_roots = 4 };
    const char *own = getenv("TENON_DATA");
    const char *roots[n_roots] = {own && *own ? own : NULL, "./data", TN_SHARE_DIR,
                                  "/usr/share/datasets"};
    const known_set *known = find_known(name);
    const char *places[n_roots * max_folders], *incomplete = NULL;
    int n_places = 0;
    for (int i = 0; i < n_roots * max_folders; i++) {
        const char *root = roots[i / max_folders];
        const char *folder = known             ? known->folders[i % max_folders]
                             : i % max_folders ? NULL
                                               : name;
        if (!root || !folder) continue;
        const char *place = tn_arena_printf(arena, "%s/%s", root, folder);
        if (!place) return tn_fail_memory(error);
        places[n_places++] = place;
        if (!is_directory(place)) continue;
        if (may_hold(arena, place, split)) {
            *directory = place;
            return TN_OK;
        }
        if (!incomplete) incomplete = place;
    }
    if (!incomplete) return fail_not_found(arena, name, places, n_places, error);
    *directory = incomplete;
    return TN_OK;
}

static tn_status find_directory(tn_arena *arena, const char *name, tn_split split,
                                const char **directory, tn_error *error) {
    *directory = name;
    if (is_directory(name)) return TN_OK;
    if (!strchr(name, '/')) return find_by_name(arena, name, split, directory, error);
    return tn_fail(error, TN_ERR_NOT_FOUND, "cannot open data set %s: no such directory", name);
}

/* ---- Reading what is there ---------------------------------------------------------------- */

static tn_status fail_nothing(tn_arena *arena, const tn_folder *folder, tn_error *error) {
    const char *there = tn_folder_describe(arena, folder);
    if (!there) return tn_fail_memory(error);
    return tn_fail(error, TN_ERR_NOT_FOUND,
                   "cannot open data set: %s holds neither IDX files (such as "
                   "train-images-idx3-ubyte.gz), nor CIFAR's binary files, nor a folder of "
                   "pictures for each class (it has %s)",
                   folder->path, there);
}

static tn_status read_folder(tn_dataset *dataset, const tn_folder *folder, tn_split split,
                             const tn_dataset_options *options, tn_error *error) {
    const tn_cifar_kind *cifar = tn_cifar_here(folder);
    if (cifar) return tn_cifar_read(dataset, cifar, folder, split, error);
    if (tn_idx_folder_here(folder)) return tn_idx_folder_read(dataset, folder, split, error);
    if (tn_image_folder_here(folder))
        return tn_image_folder_read(dataset, folder, split, options, error);
    return fail_nothing(&dataset->arena, folder, error);
}

/* Names of folders may be any bytes, while results and models are written as UTF-8. */
static tn_status check_names(const tn_dataset *dataset, const char *directory, tn_error *error) {
    for (int i = 0; i < dataset->n_classes; i++)
        if (!tn_text_is_utf8(dataset->class_names[i]))
            return tn_fail(error, TN_ERR_FORMAT,
                           "cannot open data set: in %s, the name of class %d, %s, is not UTF-8 "
                           "(rename it)",
                           directory, i, dataset->class_names[i]);
    return TN_OK;
}

static tn_status open_files(tn_dataset *dataset, const char *name, tn_split split,
                            const tn_dataset_options *options, tn_error *error) {
    tn_arena *arena = &dataset->arena;
    const char *directory;
    tn_folder folder;
    TN_TRY(find_directory(arena, name, split, &directory, error));
    TN_TRY(tn_folder_list(arena, directory, &folder, error));
    const known_set *known = find_known(dataset->name);
    if (known && known->class_names[0]) dataset->n_classes = n_known_classes;
    TN_TRY(read_folder(dataset, &folder, split, options, error));
    compute_moments(dataset);
    TN_TRY(name_classes(dataset, error));
    return check_names(dataset, directory, error);
}

static tn_status check_options(const tn_dataset_options *o, tn_error *error) {
    if ((o->height == 0) != (o->width == 0))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "pictures of %lldx%lld pixels: give both sides or none", (long long)o->width,
                       (long long)o->height);
    if (o->fit != TN_FIT_CROP && o->fit != TN_FIT_STRETCH)
        return tn_fail(error, TN_ERR_ARGUMENT, "no such way to fit a picture: %d", (int)o->fit);
    if (o->n_threads < 0)
        return tn_fail(error, TN_ERR_ARGUMENT, "%d threads cannot read pictures", o->n_threads);
    return tn_image_check_size(o->height ? o->height : 1, o->width ? o->width : 1,
                               o->channels ? o->channels : 1, error);
}

/* ---- Public functions --------------------------------------------------------------------- */

tn_status tn_dataset_open(const char *name, tn_split split, const tn_dataset_options *options,
                          tn_dataset **dataset, tn_error *error) {
    tn_dataset_options o = TN_INIT(tn_dataset_options);
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!name || !*name)
        return tn_fail(error, TN_ERR_ARGUMENT, "the name of the data set is empty");
    if (split != TN_TRAIN && split != TN_TEST)
        return tn_fail(error, TN_ERR_ARGUMENT, "no such split: %d", (int)split);
    TN_TRY(check_options(&o, error));
    size_t end = strlen(name);
    while (end > 1 && name[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && name[begin - 1] != '/') begin--;

    tn_dataset *opened = NULL;
    tn_status status = new_dataset(name + begin, end - begin, &opened, error);
    if (status == TN_OK) status = open_files(opened, name, split, &o, error);
    if (status == TN_OK)
        *dataset = opened;
    else
        tn_dataset_free(opened);
    return status;
}

static tn_status check_created(const tn_dataset *dataset, const uint8_t *images,
                               const int32_t *labels, int64_t *bytes, tn_error *error) {
    int64_t dims[] = {dataset->n, dataset->height, dataset->width, dataset->channels};
    for (int i = 0; i < 4; i++)
        if (dims[i] < 1)
            return tn_fail(error, TN_ERR_ARGUMENT,
                           "a data set of %lldx%lldx%lldx%lld pixels is "
                           "empty",
                           (long long)dims[0], (long long)dims[1], (long long)dims[2],
                           (long long)dims[3]);
    int64_t label_bytes;
    if (!tn_size_product(dims, 4, bytes) || !tn_size_mul(dataset->n, 4, &label_bytes))
        return tn_fail(error, TN_ERR_ARGUMENT, "the dimensions of the data set are too large");
    if (dataset->n_classes < 1)
        return tn_fail(error, TN_ERR_ARGUMENT, "a data set needs classes, not %d",
                       dataset->n_classes);
    if (!images || !labels) return tn_fail(error, TN_ERR_ARGUMENT, "images or labels are NULL");
    for (int64_t i = 0; i < dataset->n; i++)
        if (labels[i] < 0 || labels[i] >= dataset->n_classes)
            return tn_fail(error, TN_ERR_ARGUMENT,
                           "label %d of image %lld is out of range (0 to %d)", labels[i],
                           (long long)i, dataset->n_classes - 1);
    return TN_OK;
}

static tn_status copy_created(tn_dataset *dataset, const uint8_t *images, const int32_t *labels,
                              tn_error *error) {
    int64_t bytes = 0;
    TN_TRY(check_created(dataset, images, labels, &bytes, error));
    size_t label_bytes = (size_t)dataset->n * sizeof *labels;
    dataset->images = malloc((size_t)bytes);
    dataset->labels = malloc(label_bytes);
    if (!dataset->images || !dataset->labels) return tn_fail_memory(error);
    memcpy(dataset->images, images, (size_t)bytes);
    memcpy(dataset->labels, labels, label_bytes);
    compute_moments(dataset);
    return name_classes(dataset, error);
}

tn_status tn_dataset_create(const char *name, int64_t n, int64_t height, int64_t width,
                            int64_t channels, int n_classes, const uint8_t *images,
                            const int32_t *labels, tn_dataset **dataset, tn_error *error) {
    if (!name) name = "";
    tn_dataset *created = NULL;
    tn_status status = new_dataset(name, strlen(name), &created, error);
    if (status == TN_OK) {
        created->n = n;
        created->height = height;
        created->width = width;
        created->channels = channels;
        created->n_classes = n_classes;
        status = copy_created(created, images, labels, error);
    }
    if (status == TN_OK)
        *dataset = created;
    else
        tn_dataset_free(created);
    return status;
}

void tn_dataset_free(tn_dataset *dataset) {
    if (!dataset) return;
    free(dataset->images);
    free(dataset->labels);
    tn_arena_free(&dataset->arena);
    free(dataset);
}

void tn_dataset_describe(const tn_dataset *dataset, tn_dataset_info *info) {
    tn_dataset_info full = {.size = info->size,
                            .name = dataset->name,
                            .n = dataset->n,
                            .channels = dataset->channels,
                            .height = dataset->height,
                            .width = dataset->width,
                            .n_classes = dataset->n_classes,
                            .class_names = dataset->class_names,
                            .mean = dataset->mean,
                            .std = dataset->std,
                            .n_skipped = dataset->n_skipped};
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
}

const uint8_t *tn_dataset_images(const tn_dataset *dataset) { return dataset->images; }

const int32_t *tn_dataset_labels(const tn_dataset *dataset) { return dataset->labels; }
