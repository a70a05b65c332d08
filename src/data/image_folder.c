/* SPDX-License-Identifier: Apache-2.0 */
#include "data/image_folder.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/size.h"
#include "cpu/pool.h"
#include "cpu/topology.h"
#include "data/image.h"
#include "data/picture_list.h"

/* What the decided shape makes of a data set. */
typedef struct reader {
    tn_picture_list list;
    const tn_dataset_options *options;
    tn_split split;
    int64_t height, width, channels, image_bytes;
    tn_pool *pool;
    int64_t *chosen; /* [n_chosen] places in the list, ascending */
    int64_t n_chosen;
    uint8_t *images;           /* [n_chosen][image_bytes] */
    _Atomic int64_t first_bad; /* of chosen; n_chosen if none */
    atomic_bool out_of_memory;
} reader;

/* ---- On the threads ----------------------------------------------------------------------- */

/* Does one thing with a file that was read; the message gives the reason alone. */
typedef tn_status picture_fn(const reader *r, int64_t i, tn_picture *picture, const void *bytes,
                             int64_t n, tn_error *error);

typedef struct job {
    reader *reader;
    picture_fn *run;
} job;

static tn_status measure(const reader *r, int64_t i, tn_picture *picture, const void *bytes,
                         int64_t n, tn_error *error) {
    (void)r, (void)i;
    tn_pixels header;
    TN_TRY(tn_image_measure(bytes, n, &header, error));
    picture->height = header.height;
    picture->width = header.width;
    picture->channels = header.channels <= 2 ? 1 : 3;
    return TN_OK;
}

static tn_status decode(const reader *r, int64_t i, tn_picture *picture, const void *bytes,
                        int64_t n, tn_error *error) {
    (void)picture;
    return tn_image_decode(bytes, n, r->height, r->width, r->channels, r->options->fit,
                           r->images + i * r->image_bytes, NULL, error);
}

static tn_status run_on_file(const job *j, int64_t i, tn_picture *picture, tn_error *error) {
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_image_load(picture->path, &bytes, &n, error));
    tn_status status = j->run(j->reader, i, picture, bytes, n, error);
    free(bytes);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "cannot read %s", picture->path);
}

static void lower(_Atomic int64_t *least, int64_t value) {
    int64_t seen = atomic_load(least);
    while (value < seen && !atomic_compare_exchange_weak(least, &seen, value)) continue;
}

/* Tasks begin in ascending order: whichever thread finds a bad file, those before it are done. */
static void run_task(void *context, int64_t i, int thread) {
    (void)thread;
    const job *j = context;
    reader *r = j->reader;
    if (!r->options->skip_bad && i > atomic_load(&r->first_bad)) return;
    tn_picture *picture = &r->list.pictures[r->chosen[i]];
    tn_error why = {""};
    tn_status status = run_on_file(j, i, picture, &why);
    if (status == TN_OK) return;
    if (status == TN_ERR_MEMORY || !tn_picture_blame(picture, status, why.message))
        atomic_store(&r->out_of_memory, true);
    lower(&r->first_bad, i);
}

static tn_status run_on_chosen(reader *r, picture_fn *run, tn_error *error) {
    job j = {.reader = r, .run = run};
    atomic_store(&r->first_bad, r->n_chosen);
    tn_parallel_for(r->pool, r->n_chosen, run_task, &j);
    if (atomic_load(&r->out_of_memory)) return tn_fail_memory(error);
    int64_t first = atomic_load(&r->first_bad);
    if (r->options->skip_bad || first == r->n_chosen) return TN_OK;
    const tn_picture *bad = &r->list.pictures[r->chosen[first]];
    return tn_fail(error, bad->status, "%s", bad->problem);
}

/* ---- Steps -------------------------------------------------------------------------------- */

/* Chooses the usable pictures of one split, or of both. */
static void choose(reader *r, bool both) {
    r->n_chosen = 0;
    for (int64_t i = 0; i < r->list.n; i++) {
        const tn_picture *p = &r->list.pictures[i];
        if (!p->problem && (both || p->split == r->split)) r->chosen[r->n_chosen++] = i;
    }
}

static tn_status check_list(const reader *r, tn_error *error) {
    for (int64_t i = 0; i < r->list.n && !r->options->skip_bad; i++) {
        const tn_picture *p = &r->list.pictures[i];
        if (p->problem) return tn_fail(error, p->status, "%s", p->problem);
    }
    return TN_OK;
}

static tn_status fail_sizes(const tn_picture *a, const tn_picture *b, tn_error *error) {
    return tn_fail(error, TN_ERR_MISMATCH,
                   "the pictures differ in size: %s is %lld pixels high and %lld wide, %s is %lld "
                   "high and %lld wide (choose one size, such as --image-size %lldx%lld)",
                   a->path, (long long)a->height, (long long)a->width, b->path,
                   (long long)b->height, (long long)b->width, (long long)a->height,
                   (long long)a->width);
}

/* From the headers of both splits, so that they agree. */
static tn_status decide_shape(reader *r, tn_error *error) {
    const tn_dataset_options *o = r->options;
    r->height = o->height;
    r->width = o->width;
    r->channels = o->channels;
    if (o->height && o->channels) return TN_OK;
    choose(r, true);
    TN_TRY(run_on_chosen(r, measure, error));
    const tn_picture *first = NULL;
    int64_t channels = 1;
    for (int64_t i = 0; i < r->n_chosen; i++) {
        const tn_picture *p = &r->list.pictures[r->chosen[i]];
        if (p->problem) continue;
        if (!first) first = p;
        if (!o->height && (p->height != first->height || p->width != first->width))
            return fail_sizes(first, p, error);
        channels = tn_max_i64(channels, p->channels);
    }
    if (!first) return TN_OK; /* there is none, which is told below */
    if (!o->height) r->height = first->height;
    if (!o->height) r->width = first->width;
    if (!o->channels) r->channels = channels;
    return TN_OK;
}

/* Memory is promised to whoever asks, and taken away only when used. */
static tn_status check_memory(int64_t bytes, tn_error *error) {
    int64_t present = 0;
    bool known = tn_size_mul(sysconf(_SC_PHYS_PAGES), sysconf(_SC_PAGESIZE), &present);
    if (!known || present <= 0 || bytes <= present) return TN_OK;
    return tn_fail(error, TN_ERR_MEMORY,
                   "the pictures need %lld MB of memory, this machine has %lld MB (make them "
                   "smaller: --image-size)",
                   (long long)(bytes >> 20), (long long)(present >> 20));
}

static tn_status allocate(reader *r, tn_dataset *dataset, tn_error *error) {
    int64_t bytes;
    const int64_t dims[] = {r->n_chosen, r->height, r->width, r->channels};
    TN_TRY(tn_image_check_size(r->height, r->width, r->channels, error));
    if (!tn_size_product(dims, 4, &bytes))
        return tn_fail(error, TN_ERR_MEMORY, "the pictures need too much memory");
    TN_TRY(check_memory(bytes, error));
    r->image_bytes = bytes / r->n_chosen;
    r->images = dataset->images = malloc((size_t)bytes);
    dataset->labels = malloc((size_t)r->n_chosen * sizeof *dataset->labels);
    return dataset->images && dataset->labels ? TN_OK : tn_fail_memory(error);
}

static tn_status fail_none(const reader *r, const tn_folder *folder, tn_error *error) {
    if (r->split == TN_TRAIN)
        return tn_fail(error, TN_ERR_FORMAT,
                       "cannot open data set: %s has no training pictures that can be used",
                       folder->path);
    return tn_fail(error, TN_ERR_FORMAT,
                   "cannot open data set: %s has no test pictures that can be used (put them into "
                   "a folder test; without one, every tenth picture of a class is one)",
                   folder->path);
}

/* Closes the gaps that bad files left. */
static void gather(const reader *r, tn_dataset *dataset) {
    for (int64_t i = 0; i < r->n_chosen; i++) {
        const tn_picture *p = &r->list.pictures[r->chosen[i]];
        if (p->problem) continue;
        int64_t n = dataset->n++;
        if (n < i)
            memcpy(r->images + n * r->image_bytes, r->images + i * r->image_bytes,
                   (size_t)r->image_bytes);
        dataset->labels[n] = p->label;
    }
}

static void report_skipped(const reader *r, tn_dataset *dataset) {
    for (int64_t i = 0; i < r->list.n; i++) {
        const tn_picture *p = &r->list.pictures[i];
        if (!p->problem || p->split != r->split) continue;
        dataset->n_skipped++;
        tn_error line;
        tn_fail(&line, p->status, "left out: %s", p->problem);
        if (r->options->log) r->options->log(r->options->user, line.message);
    }
}

static tn_status adopt(const reader *r, tn_dataset *dataset, tn_error *error) {
    dataset->height = r->height;
    dataset->width = r->width;
    dataset->channels = r->channels;
    dataset->n_classes = r->list.n_classes;
    size_t bytes = (size_t)dataset->n_classes * sizeof *dataset->class_names;
    dataset->class_names = tn_arena_alloc(&dataset->arena, bytes);
    if (!dataset->class_names) return tn_fail_memory(error);
    for (int i = 0; i < dataset->n_classes; i++) {
        dataset->class_names[i] = tn_arena_strdup(&dataset->arena, r->list.class_names[i]);
        if (!dataset->class_names[i]) return tn_fail_memory(error);
    }
    return TN_OK;
}

static tn_status read_all(reader *r, tn_dataset *dataset, const tn_folder *folder,
                          tn_error *error) {
    TN_TRY(tn_picture_list_make(folder, r->split, &r->list, error));
    TN_TRY(check_list(r, error));
    r->chosen = malloc((size_t)(r->list.n + 1) * sizeof *r->chosen);
    if (!r->chosen) return tn_fail_memory(error);
    int n_threads = r->options->n_threads ? r->options->n_threads : tn_core_budget();
    TN_TRY(tn_pool_create((int)tn_max_i64(1, tn_min_i64(n_threads, r->list.n)), &r->pool, error));
    TN_TRY(decide_shape(r, error));
    choose(r, false);
    if (r->n_chosen == 0) return fail_none(r, folder, error);
    TN_TRY(allocate(r, dataset, error));
    TN_TRY(run_on_chosen(r, decode, error));
    gather(r, dataset);
    report_skipped(r, dataset);
    return dataset->n == 0 ? fail_none(r, folder, error) : adopt(r, dataset, error);
}

bool tn_image_folder_here(const tn_folder *folder) {
    for (int64_t i = 0; i < folder->n; i++)
        if (folder->entries[i].kind == TN_ENTRY_FOLDER) return true;
    return false;
}

tn_status tn_image_folder_read(tn_dataset *dataset, const tn_folder *folder, tn_split split,
                               const tn_dataset_options *options, tn_error *error) {
    reader r = {.options = options, .split = split};
    tn_status status = read_all(&r, dataset, folder, error);
    tn_pool_free(r.pool);
    tn_picture_list_free(&r.list);
    free(r.chosen);
    return status;
}
