/* SPDX-License-Identifier: Apache-2.0 */
/* resume.c: a run's checkpoints, there and back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/entries.h"
#include "train/training.h"

/* The largest file looked at: 16 GiB. */
static const int64_t max_file_bytes = INT64_C(1) << 34;

/* ---- Writing ------------------------------------------------------------------------------ */

enum { MAX_STATE = 24 };

static void add_held_out(const tn_held_out *h, tn_entries *e) {
    tn_entries_add_exact(e, "held_out_loss", h->loss);
    tn_entries_add_exact(e, "held_out_accuracy", h->accuracy);
    tn_entries_add_count(e, "best_epoch", h->best_epoch);
    tn_entries_add_exact(e, "best_loss", h->best_loss);
    tn_entries_add_exact(e, "best_accuracy", h->best_accuracy);
    tn_entries_add_exact(e, "lowest_loss", h->lowest_loss);
    tn_entries_add_count(e, "epochs_waited", h->waited);
}

static tn_status add_state(const tn_training *run, tn_checkpoint *c, tn_error *error) {
    const tn_training_state *s = &run->state;
    tn_entries e;
    TN_TRY(tn_entries_begin(&c->arena, run->n_identity + MAX_STATE, &e, error));
    memcpy(e.items, run->identity, (size_t)run->n_identity * sizeof *e.items);
    e.n = run->n_identity;
    tn_entries_add(&e, "tenon_version", TN_VERSION);
    tn_entries_add_count(&e, "step", s->step);
    tn_entries_add_count(&e, "epoch", s->step / run->steps_per_epoch);
    tn_entries_add_count(&e, "step_in_epoch", s->step % run->steps_per_epoch);
    tn_entries_add_exact(&e, "epoch_loss", s->epoch.loss);
    tn_entries_add_count(&e, "epoch_correct", s->epoch.n_correct);
    tn_entries_add_exact(&e, "last_loss", s->last_loss);
    tn_entries_add_exact(&e, "last_accuracy", s->last_accuracy);
    add_held_out(&s->held_out, &e);
    c->entries = e.items;
    c->n_entries = e.n;
    return tn_entries_end(&e, error);
}

/* "conv1.weight", "optimizer.momentum/conv1.weight"; NULL when out of memory. */
static const char *tensor_name(const tn_training *run, int vector, int parameter, tn_arena *arena) {
    const char *name = run->model->graph->parameters[parameter]->name;
    if (vector == 0) return name;
    return tn_arena_printf(arena, "%s/%s", run->trainer.carried[vector].name, name);
}

static tn_status add_tensor(const tn_training *run, int vector, int parameter, tn_checkpoint *c,
                            tn_error *error) {
    const tn_shape *shape = &run->model->graph->parameters[parameter]->shape;
    tn_checkpoint_tensor *tensor = &c->tensors[c->n_tensors++];
    tensor->name = tensor_name(run, vector, parameter, &c->arena);
    if (!tensor->name) return tn_fail_memory(error);
    tensor->rank = shape->rank;
    memcpy(tensor->dims, shape->dims, sizeof tensor->dims);
    return TN_OK;
}

/* Tensors are vector after vector, as collect lists them. */
static void fill_tensor(const void *user, int i, float *data) {
    const tn_training *run = user;
    int n_parameters = run->model->graph->n_parameters;
    tn_trainer_get(&run->trainer, i / n_parameters, i % n_parameters, data);
}

static tn_status collect(const tn_training *run, tn_checkpoint *c, tn_error *error) {
    int n_vectors = run->trainer.n_carried;
    int n_parameters = run->model->graph->n_parameters;
    TN_TRY(add_state(run, c, error));
    c->tensors =
        tn_arena_alloc(&c->arena, (size_t)n_vectors * (size_t)n_parameters * sizeof *c->tensors);
    if (!c->tensors) return tn_fail_memory(error);
    for (int v = 0; v < n_vectors; v++)
        for (int i = 0; i < n_parameters; i++) TN_TRY(add_tensor(run, v, i, c, error));
    return TN_OK;
}

tn_status tn_training_save(tn_training *run, tn_error *error) {
    tn_checkpoint c = {0};
    void *bytes = NULL;
    size_t n_bytes;
    tn_status status = collect(run, &c, error);
    if (status == TN_OK)
        status = tn_checkpoint_serialise(&c, fill_tensor, run, &bytes, &n_bytes, error);
    tn_checkpoint_free(&c);
    if (status == TN_OK)
        status = tn_store_write(&run->store, run->state.step, bytes, n_bytes, error);
    free(bytes);
    return status;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static tn_status fail_entry(const char *key, const char *value, tn_error *error) {
    return value ? tn_fail(error, TN_ERR_FORMAT, "its %s is \"%s\"", key, value)
                 : tn_fail(error, TN_ERR_FORMAT, "it does not tell its %s", key);
}

static tn_status read_count(const tn_checkpoint *c, const char *key, int64_t most, int64_t *count,
                            tn_error *error) {
    const char *text = tn_checkpoint_find(c, key);
    if (!text || !*text || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
        return fail_entry(key, text, error);
    *count = strtoll(text, NULL, 10);
    return *count <= most ? TN_OK : fail_entry(key, text, error);
}

static tn_status read_number(const tn_checkpoint *c, const char *key, bool finite, double *number,
                             tn_error *error) {
    const char *text = tn_checkpoint_find(c, key);
    char *end = NULL;
    if (text) *number = strtod(text, &end);
    if (!text || end == text || *end || (finite && !isfinite(*number)))
        return fail_entry(key, text, error);
    return TN_OK;
}

static tn_status read_held_out(const tn_checkpoint *c, int64_t epoch, tn_held_out *h,
                               tn_error *error) {
    TN_TRY(read_number(c, "held_out_loss", false, &h->loss, error));
    TN_TRY(read_number(c, "held_out_accuracy", false, &h->accuracy, error));
    TN_TRY(read_count(c, "best_epoch", epoch, &h->best_epoch, error));
    TN_TRY(read_number(c, "best_loss", false, &h->best_loss, error));
    TN_TRY(read_number(c, "best_accuracy", false, &h->best_accuracy, error));
    TN_TRY(read_number(c, "lowest_loss", false, &h->lowest_loss, error));
    return read_count(c, "epochs_waited", epoch, &h->waited, error);
}

static tn_status read_state(const tn_training *run, const tn_checkpoint *c, tn_training_state *s,
                            tn_error *error) {
    int64_t epoch, place, per_epoch = run->steps_per_epoch;
    TN_TRY(read_count(c, "step", run->steps, &s->step, error));
    TN_TRY(read_count(c, "epoch", run->options.epochs, &epoch, error));
    TN_TRY(read_count(c, "step_in_epoch", per_epoch - 1, &place, error));
    if (s->step != epoch * per_epoch + place)
        return tn_fail(error, TN_ERR_FORMAT, "its step %lld is not step %lld of epoch %lld",
                       (long long)s->step, (long long)place, (long long)epoch);
    s->epoch.n = place * run->images_per_step; /* only the last step may be smaller */
    TN_TRY(read_number(c, "epoch_loss", true, &s->epoch.loss, error));
    TN_TRY(read_count(c, "epoch_correct", s->epoch.n, &s->epoch.n_correct, error));
    TN_TRY(read_number(c, "last_loss", false, &s->last_loss, error));
    TN_TRY(read_number(c, "last_accuracy", false, &s->last_accuracy, error));
    return read_held_out(c, epoch, &s->held_out, error);
}

static const char *data_name(const tn_training *run) {
    for (int i = 0; i < run->n_identity; i++)
        if (strcmp(run->identity[i].key, "data") == 0) return run->identity[i].value;
    return "";
}

static const char *remedy_of(const char *key) {
    if (strcmp(key, "tuning") == 0) return "give the file that it was made with, or none, as then";
    if (strcmp(key, "choices") == 0) return "use the version of tenon that it was made with";
    if (strcmp(key, "frozen") == 0) return "freeze what was frozen then";
    return "give what it was made with";
}

/* Other images are best told apart by the names of their data sets. */
static tn_status fail_identity(const tn_training *run, const tn_checkpoint *c, const char *key,
                               const char *its, const char *mine, tn_error *error) {
    const char *its_data = tn_checkpoint_find(c, "data"), *my_data = data_name(run);
    if (strncmp(key, "data_", 5) == 0 && its_data && strcmp(its_data, my_data) != 0) {
        key = "data";
        its = its_data;
        mine = my_data;
    }
    return tn_fail(error, TN_ERR_MISMATCH,
                   "it was made with %s %s, but this run has %s (%s, or train anew in another "
                   "directory)",
                   key, its, mine, remedy_of(key));
}

/* NULL if the checkpoint does not tell, and it is not what those of the first version all had. */
static const char *told_by(const tn_checkpoint *c, const char *key) {
    const char *value = tn_checkpoint_find(c, key);
    if (!value && strcmp(key, "frozen") == 0) return "none";
    return !value && strcmp(key, "pixels") == 0 ? TN_PIXELS_AS_THEY_ARE : value;
}

/* The name of a data set is not compared: the same images may lie elsewhere. */
static tn_status check_identity(const tn_training *run, const tn_checkpoint *c, tn_error *error) {
    for (int i = 0; i < run->n_identity; i++) {
        const tn_checkpoint_entry *mine = &run->identity[i];
        const char *its = told_by(c, mine->key);
        if (!its) return fail_entry(mine->key, NULL, error);
        if (strcmp(mine->key, "data") == 0 || strcmp(its, mine->value) == 0) continue;
        return fail_identity(run, c, mine->key, its, mine->value, error);
    }
    return TN_OK;
}

static tn_status restore_tensor(tn_training *run, int vector, int parameter, tn_checkpoint *c,
                                tn_error *error) {
    const tn_shape *shape = &run->model->graph->parameters[parameter]->shape;
    const char *name = tensor_name(run, vector, parameter, &c->arena);
    if (!name) return tn_fail_memory(error);
    const tn_checkpoint_tensor *tensor = tn_checkpoint_tensor_find(c, name);
    if (!tensor) return tn_fail(error, TN_ERR_FORMAT, "it has no tensor \"%s\"", name);
    if (tensor->rank != shape->rank ||
        memcmp(tensor->dims, shape->dims, (size_t)shape->rank * sizeof shape->dims[0]) != 0)
        return tn_fail(error, TN_ERR_FORMAT, "its tensor \"%s\" has another shape than the model's",
                       name);
    tn_trainer_set(&run->trainer, vector, parameter, tensor->data);
    return TN_OK;
}

static tn_status restore(tn_training *run, int64_t step, tn_checkpoint *c, tn_error *error) {
    tn_training_state state = {0};
    int n_vectors = run->trainer.n_carried;
    int n_parameters = run->model->graph->n_parameters;
    TN_TRY(check_identity(run, c, error));
    TN_TRY(read_state(run, c, &state, error));
    if (state.step != step)
        return tn_fail(error, TN_ERR_FORMAT, "it holds step %lld, unlike its name says",
                       (long long)state.step);
    if (c->n_tensors != n_vectors * n_parameters)
        return tn_fail(error, TN_ERR_FORMAT, "it has %d tensors, not %d", c->n_tensors,
                       n_vectors * n_parameters);
    for (int v = 0; v < n_vectors; v++)
        for (int i = 0; i < n_parameters; i++) TN_TRY(restore_tensor(run, v, i, c, error));
    if (!tn_trainer_is_finite(&run->trainer))
        return tn_fail(error, TN_ERR_FORMAT, "it holds numbers that are not finite");
    run->state = state;
    return TN_OK;
}

static tn_status load(tn_training *run, const char *path, int64_t step, tn_error *error) {
    void *bytes;
    int64_t n_bytes;
    TN_TRY(tn_file_read(path, max_file_bytes, &bytes, &n_bytes, error));
    tn_checkpoint c;
    tn_status status = tn_checkpoint_parse(bytes, (size_t)n_bytes, TN_CHECKPOINT_VERIFY, &c, error);
    free(bytes);
    if (status != TN_OK) return status;
    status = restore(run, step, &c, error);
    tn_checkpoint_free(&c);
    return status;
}

/* Whether an older checkpoint may serve instead. */
static bool is_damage(tn_status status) {
    return status == TN_ERR_FORMAT || status == TN_ERR_IO || status == TN_ERR_NOT_FOUND ||
           status == TN_ERR_UNSUPPORTED;
}

static tn_status load_newest(tn_training *run, const int64_t *steps, int n, tn_error *error) {
    char path[TN_STORE_PATH_MAX];
    tn_error why = {{0}}, newest = {{0}};
    for (int i = 0; i < n; i++) {
        tn_store_path(&run->store, steps[i], path);
        tn_status status = load(run, path, steps[i], &why);
        if (status == TN_OK) {
            memcpy(run->store.last, path, sizeof path);
            run->store.last_step = steps[i];
            return TN_OK;
        }
        if (!is_damage(status))
            return tn_fail(error, status, "cannot resume from %s: %s", path, why.message);
        if (i == 0) newest = why;
        if (i + 1 < n)
            tn_training_log(run, "checkpoint %s is damaged: %s; using the one before it", path,
                            why.message);
    }
    tn_store_path(&run->store, steps[0], path);
    return tn_fail(error, TN_ERR_FORMAT,
                   "cannot resume: no checkpoint in %s is whole; %s: %s (train without --resume in "
                   "another directory)",
                   run->store.dir, path, newest.message);
}

tn_status tn_training_resume(tn_training *run, bool *resumed, tn_error *error) {
    int64_t *steps;
    int n;
    *resumed = false;
    TN_TRY(tn_store_list(&run->store, &steps, &n, error));
    if (n == 0) {
        tn_training_log(run, "there is no checkpoint in %s yet: training from the beginning",
                        run->store.dir);
        return TN_OK;
    }
    tn_status status = load_newest(run, steps, n, error);
    *resumed = status == TN_OK;
    free(steps);
    return status;
}
