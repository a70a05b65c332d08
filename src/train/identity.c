/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c: all that determines the result of a run, by which its checkpoints know it. */
#include <stdio.h>

#include "ops/tuning.h"
#include "train/entries.h"
#include "train/fingerprint.h"
#include "train/frozen.h"
#include "train/training.h"

#define FORMAT "tenon-checkpoint-1"

enum { MAX_IDENTITY = 64 };

static void add_model_and_data(const tn_training *run, tn_entries *e) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_dataset_describe(run->dataset, &info);
    char graph[65], data[65];
    tn_fingerprint_graph(run->model->graph, graph);
    tn_fingerprint_data(run->dataset, data);
    tn_entries_add(e, "format", FORMAT);
    tn_entries_add(e, "model", run->model->name);
    /* the data before the graph, which holds its mean and deviation */
    tn_entries_add(e, "data", info.name);
    tn_entries_add_count(e, "data_images", info.n);
    tn_entries_add(e, "data_sha256", data);
    tn_entries_add(e, "graph_sha256", graph);
}

/* "crop=2,flip,rotate=10", as the command takes it; "none". */
static const char *augmentation_text(const tn_augmentation *a, char text[256]) {
    char number[32];
    int n = 0;
    text[0] = '\0';
    if (a->crop > 0) n += snprintf(text + n, 32, ",crop=%lld", (long long)a->crop);
    if (a->shift > 0)
        n += snprintf(text + n, 40, ",shift=%s", tn_entries_number_text(a->shift, number));
    if (a->rotate > 0)
        n += snprintf(text + n, 40, ",rotate=%s", tn_entries_number_text(a->rotate, number));
    if (a->scale > 0)
        n += snprintf(text + n, 40, ",scale=%s", tn_entries_number_text(a->scale, number));
    if (a->flip) n += snprintf(text + n, 8, ",flip");
    if (a->cutout > 0) n += snprintf(text + n, 32, ",cutout=%lld", (long long)a->cutout);
    if (a->mixup > 0)
        n += snprintf(text + n, 40, ",mixup=%s", tn_entries_number_text(a->mixup, number));
    return n > 0 ? text + 1 : "none";
}

static void add_recipe(const tn_train_options *o, tn_entries *e) {
    const tn_optimizer_settings settings = tn_optimizer_settings_of(o);
    tn_entries_add_count(e, "epochs", o->epochs);
    tn_entries_add_count(e, "batch_size", o->batch_size);
    tn_entries_add_count(e, "accumulate", o->accumulate);
    tn_entries_add_count(e, "bn_group", o->bn_group);
    tn_entries_add(e, "optimizer", tn_optimizer_rule_of(o->optimizer)->name);
    tn_entries_add(e, "schedule", tn_schedule_name(o->schedule));
    tn_entries_add_number(e, "lr", o->lr);
    tn_entries_add_number(e, "warmup", o->warmup);
    tn_entries_add_number(e, "momentum", settings.momentum);
    tn_entries_add(e, "nesterov", settings.nesterov ? "true" : "false");
    tn_entries_add_number(e, "weight_decay", settings.weight_decay);
    tn_entries_add(e, "decay_all", settings.decay_all ? "true" : "false");
    tn_entries_add_number(e, "clip_norm", o->clip_norm);
    tn_entries_add_number(e, "label_smoothing", o->label_smoothing > 0 ? o->label_smoothing : 0);
    char augmentation[256];
    tn_entries_add(e, "augment", augmentation_text(&o->augment, augmentation));
    tn_entries_add_number(e, "ema", o->ema);
    tn_entries_add_number(e, "held_out", o->held_out);
    tn_entries_add_count(e, "patience", o->patience);
    tn_entries_add(e, "keep_best", o->keep_best ? "true" : "false");
    tn_entries_add_count(e, "limit", o->limit);
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    tn_entries_add(e, "seed", seed);
}

/* How pixels become what the model takes: no part of its graph. */
static void add_preprocessing(const tn_preprocessing *p, tn_entries *e) {
    char text[512] = TN_PIXELS_AS_THEY_ARE, number[2][32];
    if (!tn_preprocessing_is_none(p)) {
        int n = snprintf(text, sizeof text, "scale %s%s",
                         tn_entries_number_text(p->scale, number[0]), p->bgr ? ", bgr" : "");
        for (int k = 0; k < 4; k++)
            n += snprintf(text + n, sizeof text - (size_t)n, ", mean %s std %s",
                          tn_entries_number_text(p->mean[k], number[0]),
                          tn_entries_number_text(p->std[k], number[1]));
    }
    tn_entries_add(e, "pixels", text);
}

static void add_kernels(const tn_kernels *kernels, tn_entries *e) {
    char text[64];
    snprintf(text, sizeof text, "%s%s", kernels->level,
             kernels->direct ? " without Winograd's algorithm" : "");
    tn_entries_add(e, "kernels", text);
}

tn_status tn_training_identify(tn_training *run, tn_error *error) {
    const tn_tuning *tuning = run->options.tuning;
    char frozen[TN_FROZEN_TEXT];
    tn_entries e;
    TN_TRY(tn_frozen_describe(run->model->graph, run->options.freeze, run->options.n_freeze, frozen,
                              error));
    TN_TRY(tn_entries_begin(&run->arena, MAX_IDENTITY, &e, error));
    add_model_and_data(run, &e);
    add_recipe(&run->options, &e);
    tn_entries_add(&e, "frozen", frozen);
    add_preprocessing(&run->model->preprocessing, &e);
    tn_entries_add_count(&e, "shards", run->model->recipe.n_shards);
    add_kernels(&run->trainer.kernels, &e);
    tn_entries_add(&e, "choices", CONV_CHOICES_BUILT_IN);
    tn_entries_add(&e, "tuning", tuning ? tuning->sha256 : "none");
    run->identity = e.items;
    run->n_identity = e.n;
    return tn_entries_end(&e, error);
}
