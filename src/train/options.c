/* SPDX-License-Identifier: Apache-2.0 */
#include "train/options.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "cpu/topology.h"
#include "data/augment.h"
#include "train/optimizer.h"

/* Bounds that no honest use reaches, so that products of options cannot overflow. */
enum { MAX_EPOCHS = 1000 * 1000, MAX_THREADS = 1024, MAX_KEEP = 1000 * 1000 };

static void set_int(int64_t *option, int64_t recipe) {
    if (*option == 0) *option = recipe;
}

static void set_number(double *option, double recipe) {
    if (*option == 0) *option = recipe;
}

/* A rate and a decay of weights that suit one optimiser do not suit another. */
static void resolve_optimizer(const tn_recipe *recipe, tn_train_options *o) {
    if (o->optimizer == TN_OPTIMIZER_DEFAULT) o->optimizer = recipe->optimizer;
    const tn_optimizer_rule *rule = tn_optimizer_rule_of(o->optimizer);
    if (!rule) return; /* tn_train_options_check refuses it */
    bool own = o->optimizer == recipe->optimizer;
    set_number(&o->lr, own ? recipe->lr : rule->usual_lr);
    set_number(&o->weight_decay,
               own && recipe->weight_decay != 0 ? recipe->weight_decay : rule->usual_weight_decay);
    set_number(&o->momentum, 0.9);
}

static void resolve(const tn_model *model, const tn_dataset *dataset, tn_train_options *o) {
    const tn_recipe *recipe = &model->recipe;
    set_int(&o->epochs, recipe->epochs);
    set_int(&o->batch_size, recipe->batch_size);
    if (o->schedule == TN_SCHEDULE_DEFAULT) o->schedule = recipe->schedule;
    resolve_optimizer(recipe, o);
    set_int(&o->accumulate, 1);
    set_int(&o->bn_group, o->batch_size);
    set_number(&o->label_smoothing, recipe->label_smoothing);
    if (o->n_threads == 0) o->n_threads = tn_core_budget();
    if (o->checkpoint_keep == 0) o->checkpoint_keep = 3;
    if (!dataset) return;
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, &info);
    set_int(&o->limit, info.n);
}

void tn_train_resolve(const tn_model *model, const tn_dataset *dataset, tn_train_options *options) {
    if (!model || !options) return;
    /* A caller of another version has a structure of another size. */
    size_t size = options->size;
    tn_train_options all = TN_INIT(tn_train_options);
    size_t shared = size < sizeof all ? size : sizeof all;
    memcpy(&all, options, shared);
    resolve(model, dataset, &all);
    all.size = size;
    memcpy(options, &all, shared);
}

static tn_status check_int(const char *name, int64_t value, int64_t least, int64_t most,
                           tn_error *error) {
    if (value >= least && value <= most) return TN_OK;
    return tn_fail(error, TN_ERR_ARGUMENT, "cannot train: %s is %lld, not in %lld to %lld", name,
                   (long long)value, (long long)least, (long long)most);
}

static tn_status check_number(const char *name, double value, bool fits, const char *range,
                              tn_error *error) {
    if (fits) return TN_OK;
    return tn_fail(error, TN_ERR_ARGUMENT, "cannot train: the %s is %g, not %s", name, value,
                   range);
}

static tn_status check_counts(const tn_train_options *o, tn_error *error) {
    TN_TRY(check_int("the number of epochs", o->epochs, 1, MAX_EPOCHS, error));
    TN_TRY(check_int("the batch size", o->batch_size, 1, INT32_MAX, error));
    TN_TRY(check_int("the largest number of steps", o->max_steps, 0, INT64_MAX, error));
    TN_TRY(check_int("the number of threads", o->n_threads, 1, MAX_THREADS, error));
    TN_TRY(check_int("the number of steps between checkpoints", o->checkpoint_every, 0, INT64_MAX,
                     error));
    TN_TRY(check_int("the number of checkpoints to keep", o->checkpoint_keep, 1, MAX_KEEP, error));
    TN_TRY(check_int("the optimiser", o->optimizer, TN_OPTIMIZER_SGD, TN_OPTIMIZER_LARS, error));
    TN_TRY(check_int("the schedule", o->schedule, TN_SCHEDULE_CONSTANT, TN_SCHEDULE_POLYNOMIAL,
                     error));
    TN_TRY(check_int("the number of batches of a step", o->accumulate, 1, INT32_MAX, error));
    TN_TRY(check_int("the patience", o->patience, 0, MAX_EPOCHS, error));
    TN_TRY(check_int("the pinning", o->pin, TN_PIN_AUTO, TN_PIN_NO, error));
    TN_TRY(check_int("the number of samples of a tile", o->tile, 0, INT32_MAX, error));
    TN_TRY(check_int("the number of rows of a tile", o->tile_rows, 0, INT32_MAX, error));
    if (o->resume && !o->checkpoint_dir)
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot resume: no directory of checkpoints is given (name it with "
                       "--checkpoint)");
    return TN_OK;
}

static tn_status check_numbers(const tn_train_options *o, tn_error *error) {
    TN_TRY(check_number("learning rate", o->lr, o->lr > 0 && o->lr <= 1000,
                        "above 0 and at most 1000", error));
    TN_TRY(check_number("momentum", o->momentum, o->momentum < 1 && isfinite(o->momentum),
                        "below 1", error));
    TN_TRY(check_number("weight decay", o->weight_decay,
                        o->weight_decay <= 1000 && isfinite(o->weight_decay), "at most 1000",
                        error));
    TN_TRY(check_number("label smoothing", o->label_smoothing,
                        o->label_smoothing < 1 && isfinite(o->label_smoothing), "below 1", error));
    TN_TRY(check_number("warm-up", o->warmup, o->warmup >= 0 && o->warmup < (double)o->epochs,
                        "at least 0 and shorter than training", error));
    TN_TRY(check_number("largest norm of gradients", o->clip_norm,
                        o->clip_norm >= 0 && isfinite(o->clip_norm), "at least 0 and finite",
                        error));
    TN_TRY(check_number("decay of the average of weights", o->ema, o->ema >= 0 && o->ema < 1,
                        "in [0, 1)", error));
    return check_number("held-out fraction", o->held_out, o->held_out >= 0 && o->held_out < 1,
                        "in [0, 1)", error);
}

static tn_status check_augmentation(const tn_model *model, const tn_augmentation *a,
                                    tn_error *error) {
    int64_t side = tn_min_i64(model->height, model->width);
    TN_TRY(check_int("the augmentation's crop", a->crop, 0, side / 2, error));
    TN_TRY(check_number("augmentation's shift", a->shift, a->shift >= 0 && a->shift < (double)side,
                        "at least 0 and below the shorter side of the image", error));
    TN_TRY(check_number("augmentation's rotation", a->rotate, a->rotate >= 0 && a->rotate <= 180,
                        "in 0 to 180 degrees", error));
    TN_TRY(check_number("augmentation's scale", a->scale, a->scale >= 0 && a->scale < 1,
                        "in [0, 1)", error));
    TN_TRY(check_int("the augmentation's cutout", a->cutout, 0, side, error));
    TN_TRY(check_number("augmentation's mixup", a->mixup, a->mixup >= 0 && a->mixup <= 10,
                        "in 0 to 10", error));
    if (!tn_augment_wanted(a) || tn_max_i64(model->height, model->width) <= TN_AUGMENT_MAX_SIDE)
        return TN_OK;
    return tn_fail(error, TN_ERR_UNSUPPORTED,
                   "cannot augment images of %lldx%lld: no side may be longer than %d",
                   (long long)model->height, (long long)model->width, TN_AUGMENT_MAX_SIDE);
}

/* Options that make no sense without another one. */
static tn_status check_together(const tn_train_options *o, tn_error *error) {
    if (o->n_freeze < 0 || (o->n_freeze > 0 && !o->freeze))
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot train: %d patterns of what to freeze",
                       o->n_freeze);
    if (o->nesterov && (!tn_optimizer_rule_of(o->optimizer)->has_nesterov || !(o->momentum > 0)))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot train: Nesterov's form is one of SGD's momentum (choose sgd and a "
                       "momentum above 0)");
    if (o->held_out == 0 && (o->patience > 0 || o->keep_best))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot train: %s goes by held-out images, and none are held out (add "
                       "--held-out 0.1)",
                       o->keep_best ? "keeping the best weights" : "patience");
    return TN_OK;
}

static tn_status check_model(const tn_model *model, tn_error *error) {
    const tn_graph *graph = model->graph;
    if (model->channels == 0 || graph->n_inputs < 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot train %s: its first input is not an image", model->name);
    if (graph->n_inputs > 1)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot train %s: it has %d inputs, and training binds only an image",
                       model->name, graph->n_inputs);
    const tn_shape *scores = &graph->outputs[0]->shape;
    char text[TN_SHAPE_TEXT];
    if (scores->rank != 2 || !scores->batched)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot train %s: its first output has shape %s, not one score per class",
                       model->name, tn_shape_text(scores, text));
    return TN_OK;
}

/* Groups must be whole shards, so that a sum over a group is a part of the tree over shards. */
static tn_status check_groups(const tn_model *model, const tn_train_options *o, tn_error *error) {
    int64_t n = o->bn_group > 0 ? o->batch_size / o->bn_group : 0;
    if (n > 0 && n * o->bn_group == o->batch_size && n <= model->recipe.n_shards &&
        (n & (n - 1)) == 0)
        return TN_OK;
    return tn_fail(
        error, TN_ERR_ARGUMENT,
        "cannot train: groups of %lld samples for batch normalisation (the batch of %lld "
        "must be 1, 2, 4, ... up to %d groups)",
        (long long)o->bn_group, (long long)o->batch_size, model->recipe.n_shards);
}

static tn_status check_labels(const tn_model *model, const tn_dataset *dataset,
                              const tn_dataset_info *info, int64_t n, tn_error *error) {
    int64_t n_classes = model->graph->outputs[0]->shape.dims[1];
    const int32_t *labels = tn_dataset_labels(dataset);
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= n_classes)
            return tn_fail(error, TN_ERR_MISMATCH,
                           "cannot train %s on %s: the model tells %lld classes apart, but image "
                           "%lld has label %d",
                           model->name, info->name, (long long)n_classes, (long long)i,
                           (int)labels[i]);
    return TN_OK;
}

static tn_status check_data(const tn_model *model, const tn_dataset *dataset,
                            const tn_train_options *o, tn_error *error) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, &info);
    if (info.height != model->height || info.width != model->width ||
        info.channels != model->channels)
        return tn_fail(error, TN_ERR_MISMATCH,
                       "cannot train %s on %s: the model takes images of %lldx%lld with %lld "
                       "channels, the data set has %lldx%lld with %lld",
                       model->name, info.name, (long long)model->height, (long long)model->width,
                       (long long)model->channels, (long long)info.height, (long long)info.width,
                       (long long)info.channels);
    if (info.n > INT32_MAX)
        return tn_fail(error, TN_ERR_UNSUPPORTED, "cannot train on %s: more than %d images",
                       info.name, INT32_MAX);
    TN_TRY(check_int("the number of images to use (--limit)", o->limit, 1, info.n, error));
    return check_labels(model, dataset, &info, o->limit, error);
}

tn_status tn_train_options_check(const tn_model *model, const tn_dataset *dataset,
                                 const tn_train_options *options, tn_error *error) {
    TN_TRY(check_counts(options, error));
    TN_TRY(check_numbers(options, error));
    TN_TRY(check_together(options, error));
    TN_TRY(check_model(model, error));
    TN_TRY(check_groups(model, options, error));
    TN_TRY(check_augmentation(model, &options->augment, error));
    return check_data(model, dataset, options, error);
}
