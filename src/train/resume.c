/* SPDX-License-Identifier: Apache-2.0 */
/* resume.c: a run's checkpoints, there and back. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/fingerprint.h"
#include "train/schedule.h"
#include "train/training.h"

#define FORMAT "tenon-checkpoint-1"

/* The largest file looked at: 16 GiB. */
static const int64_t max_file_bytes = INT64_C(1) << 34;

/* ---- What a run is ------------------------------------------------------------------------ */

enum { MAX_IDENTITY = 24, MAX_ENTRIES = MAX_IDENTITY + 12 };

static void add_entry(tn_arena *arena, tn_checkpoint_entry *entries, int *n, const char *key,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A value of NULL tells that memory ran out. */
static void add_entry(tn_arena *arena, tn_checkpoint_entry *entries, int *n, const char *key,
                      const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    entries[(*n)++] = (tn_checkpoint_entry){key, tn_arena_strdup(arena, text)};
}

/* The shortest decimal that reads back as the same number, in any locale. */
static const char *number_text(double number, char text[32]) {
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    for (char *c = text; *c; c++)
        if (*c == ',') *c = '.';
    return text;
}

/* A hexadecimal number without a decimal point, whose sign depends on the locale. */
static const char *exact_text(double number, char text[32]) {
    int exponent;
    if (isnan(number)) return "nan";
    if (isinf(number)) return number > 0 ? "inf" : "-inf";
    int64_t mantissa = (int64_t)ldexp(fabs(frexp(number, &exponent)), 53);
    snprintf(text, 32, "%s0x%llxp%d", signbit(number) ? "-" : "", (unsigned long long)mantissa,
             mantissa ? exponent - 53 : 0);
    return text;
}

static tn_status check_entries(const tn_checkpoint_entry *entries, int n, tn_error *error) {
    for (int i = 0; i < n; i++)
        if (!entries[i].value) return tn_fail_memory(error);
    return TN_OK;
}

/* "crop=2,flip,rotate=10", as the command takes it; "none". */
static const char *augmentation_text(const tn_augmentation *a, char text[256]) {
    char number[32];
    int n = 0;
    text[0] = '\0';
    if (a->crop > 0) n += snprintf(text + n, 32, ",crop=%lld", (long long)a->crop);
    if (a->shift > 0) n += snprintf(text + n, 40, ",shift=%s", number_text(a->shift, number));
    if (a->rotate > 0) n += snprintf(text + n, 40, ",rotate=%s", number_text(a->rotate, number));
    if (a->scale > 0) n += snprintf(text + n, 40, ",scale=%s", number_text(a->scale, number));
    if (a->flip) n += snprintf(text + n, 8, ",flip");
    if (a->cutout > 0) n += snprintf(text + n, 32, ",cutout=%lld", (long long)a->cutout);
    if (a->mixup > 0) n += snprintf(text + n, 40, ",mixup=%s", number_text(a->mixup, number));
    return n > 0 ? text + 1 : "none";
}

static void identify_model_and_data(tn_training *run, int *n) {
    tn_arena *arena = &run->arena;
    tn_checkpoint_entry *e = run->identity;
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(run->dataset, &info);
    char graph[65], data[65];
    tn_fingerprint_graph(run->model->graph, graph);
    tn_fingerprint_data(run->dataset, data);
    add_entry(arena, e, n, "format", FORMAT);
    add_entry(arena, e, n, "model", "%s", run->model->name);
    /* the data before the graph, which holds its mean and deviation */
    add_entry(arena, e, n, "data", "%s", info.name);
    add_entry(arena, e, n, "data_images", "%lld", (long long)info.n);
    add_entry(arena, e, n, "data_sha256", "%s", data);
    add_entry(arena, e, n, "graph_sha256", "%s", graph);
}

tn_status tn_training_identify(tn_training *run, tn_error *error) {
    const tn_train_options *o = &run->options;
    tn_arena *arena = &run->arena;
    tn_checkpoint_entry *e = tn_arena_alloc(arena, MAX_IDENTITY * sizeof *e);
    if (!e) return tn_fail_memory(error);
    int n = 0;
    char text[32], augmentation[256];
    run->identity = e;
    identify_model_and_data(run, &n);
    add_entry(arena, e, &n, "epochs", "%lld", (long long)o->epochs);
    add_entry(arena, e, &n, "batch_size", "%lld", (long long)o->batch_size);
    add_entry(arena, e, &n, "bn_group", "%lld", (long long)o->bn_group);
    add_entry(arena, e, &n, "optimizer", "%s", tn_optimizer_name(o->optimizer));
    add_entry(arena, e, &n, "schedule", "%s", tn_schedule_name(o->schedule));
    add_entry(arena, e, &n, "lr", "%s", number_text(o->lr, text));
    add_entry(arena, e, &n, "momentum", "%s", number_text(run->trainer.rule.momentum, text));
    add_entry(arena, e, &n, "weight_decay", "%s", number_text(o->weight_decay, text));
    add_entry(arena, e, &n, "label_smoothing", "%s", number_text(o->label_smoothing, text));
    add_entry(arena, e, &n, "augment", "%s", augmentation_text(&o->augment, augmentation));
    add_entry(arena, e, &n, "held_out", "%s", number_text(o->held_out, text));
    add_entry(arena, e, &n, "limit", "%lld", (long long)o->limit);
    add_entry(arena, e, &n, "seed", "%llu", (unsigned long long)o->seed);
    add_entry(arena, e, &n, "shards", "%d", run->model->recipe.n_shards);
    add_entry(arena, e, &n, "kernels", "%s", run->trainer.kernels.level);
    run->n_identity = n;
    return check_entries(e, n, error);
}

/* ---- Writing ------------------------------------------------------------------------------ */

static tn_status add_state(const tn_training *run, tn_checkpoint *c, tn_error *error) {
    const tn_training_state *s = &run->state;
    tn_arena *arena = &c->arena;
    c->entries = tn_arena_alloc(arena, MAX_ENTRIES * sizeof *c->entries);
    if (!c->entries) return tn_fail_memory(error);
    memcpy(c->entries, run->identity, (size_t)run->n_identity * sizeof *c->entries);
    int n = run->n_identity;
    char text[32];
    add_entry(arena, c->entries, &n, "tenon_version", "%s", TN_VERSION);
    add_entry(arena, c->entries, &n, "step", "%lld", (long long)s->step);
    add_entry(arena, c->entries, &n, "epoch", "%lld", (long long)(s->step / run->steps_per_epoch));
    add_entry(arena, c->entries, &n, "step_in_epoch", "%lld",
              (long long)(s->step % run->steps_per_epoch));
    add_entry(arena, c->entries, &n, "epoch_loss", "%s", exact_text(s->epoch.loss, text));
    add_entry(arena, c->entries, &n, "epoch_correct", "%lld", (long long)s->epoch.n_correct);
    add_entry(arena, c->entries, &n, "last_loss", "%s", exact_text(s->last_loss, text));
    add_entry(arena, c->entries, &n, "last_accuracy", "%s", exact_text(s->last_accuracy, text));
    add_entry(arena, c->entries, &n, "held_out_loss", "%s", exact_text(s->held_out_loss, text));
    add_entry(arena, c->entries, &n, "held_out_accuracy", "%s",
              exact_text(s->held_out_accuracy, text));
    c->n_entries = n;
    return check_entries(c->entries, n, error);
}

/* "conv1.weight", "optimizer.momentum/conv1.weight"; NULL when out of memory. */
static const char *tensor_name(const tn_training *run, int vector, int parameter, tn_arena *arena) {
    const char *name = run->model->graph->parameters[parameter]->name;
    if (vector == 0) return name;
    return tn_arena_printf(arena, "optimizer.%s/%s",
                           tn_optimizer_state_name(&run->trainer.rule, vector - 1), name);
}

static tn_status add_tensor(const tn_training *run, int vector, int parameter, tn_checkpoint *c,
                            tn_error *error) {
    const tn_shape *shape = &run->model->graph->parameters[parameter]->shape;
    tn_checkpoint_tensor *tensor = &c->tensors[c->n_tensors++];
    float *data = tn_arena_alloc(&c->arena, (size_t)tn_shape_elements(shape) * sizeof *data);
    tensor->name = tensor_name(run, vector, parameter, &c->arena);
    if (!data || !tensor->name) return tn_fail_memory(error);
    tn_trainer_get(&run->trainer, vector, parameter, data);
    tensor->rank = shape->rank;
    memcpy(tensor->dims, shape->dims, sizeof tensor->dims);
    tensor->data = data;
    return TN_OK;
}

static tn_status collect(const tn_training *run, tn_checkpoint *c, tn_error *error) {
    int n_vectors = tn_trainer_n_vectors(&run->trainer);
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
    if (status == TN_OK) status = tn_checkpoint_serialise(&c, &bytes, &n_bytes, error);
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

static tn_status read_state(const tn_training *run, const tn_checkpoint *c, tn_training_state *s,
                            tn_error *error) {
    int64_t epoch, place, per_epoch = run->steps_per_epoch;
    TN_TRY(read_count(c, "step", run->steps, &s->step, error));
    TN_TRY(read_count(c, "epoch", run->options.epochs, &epoch, error));
    TN_TRY(read_count(c, "step_in_epoch", per_epoch - 1, &place, error));
    if (s->step != epoch * per_epoch + place)
        return tn_fail(error, TN_ERR_FORMAT, "its step %lld is not step %lld of epoch %lld",
                       (long long)s->step, (long long)place, (long long)epoch);
    s->epoch.n = place * run->options.batch_size; /* only the last batch may be smaller */
    TN_TRY(read_number(c, "epoch_loss", true, &s->epoch.loss, error));
    TN_TRY(read_count(c, "epoch_correct", s->epoch.n, &s->epoch.n_correct, error));
    TN_TRY(read_number(c, "last_loss", false, &s->last_loss, error));
    TN_TRY(read_number(c, "last_accuracy", false, &s->last_accuracy, error));
    TN_TRY(read_number(c, "held_out_loss", false, &s->held_out_loss, error));
    return read_number(c, "held_out_accuracy", false, &s->held_out_accuracy, error);
}

static const char *data_name(const tn_training *run) {
    for (int i = 0; i < run->n_identity; i++)
        if (strcmp(run->identity[i].key, "data") == 0) return run->identity[i].value;
    return "";
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
                   "it was made with %s %s, but this run has %s (give what it was made with, or "
                   "train anew in another directory)",
                   key, its, mine);
}

/* The name of a data set is not compared: the same images may lie elsewhere. */
static tn_status check_identity(const tn_training *run, const tn_checkpoint *c, tn_error *error) {
    for (int i = 0; i < run->n_identity; i++) {
        const tn_checkpoint_entry *mine = &run->identity[i];
        const char *its = tn_checkpoint_find(c, mine->key);
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
    int n_vectors = tn_trainer_n_vectors(&run->trainer);
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
