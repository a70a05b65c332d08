/* SPDX-License-Identifier: Apache-2.0 */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "train/checkpoint.h"
#include "train/frozen.h"

static tn_status create_passes(tn_trainer *trainer, const tn_train_options *options,
                               const bool *frozen, bool can_evaluate, tn_error *error) {
    double smoothing = options->label_smoothing > 0 ? options->label_smoothing : 0;
    tn_pass_options pass = {.label_smoothing = smoothing,
                            .max_batch = trainer->max_batch,
                            .tile = options->tile,
                            .tile_rows = options->tile_rows,
                            .n_shards = trainer->model->recipe.n_shards,
                            .n_groups = (int)(options->batch_size / options->bn_group),
                            .gradients = true,
                            .frozen = frozen,
                            .augment = &options->augment,
                            .kernels = &trainer->kernels,
                            .tuning = options->tuning,
                            .pool = trainer->pool};
    TN_TRY(tn_pass_create(trainer->model, &pass, &trainer->training, error));
    if (trainer->training.n_trained == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot train %s: its first output depends on no parameter that %s",
                       trainer->model->name, frozen ? "is not frozen" : "can be trained");
    if (!can_evaluate) return TN_OK;
    pass.label_smoothing = 0;
    pass.n_shards = 1;
    pass.gradients = false;
    pass.augment = NULL;
    return tn_pass_create(trainer->model, &pass, &trainer->evaluation, error);
}

/* Adds a vector of zeros to the carried. */
static tn_status carry(tn_trainer *trainer, const char *before, const char *name, real **vector,
                       tn_error *error) {
    tn_carried *c = &trainer->carried[trainer->n_carried];
    c->flat = tn_pass_vector(&trainer->training);
    if (!c->flat) return tn_fail_memory(error);
    snprintf(c->name, sizeof c->name, "%s%s", before, name);
    trainer->n_carried++;
    *vector = c->flat;
    return TN_OK;
}

static tn_status create_carried(tn_trainer *trainer, const tn_train_options *options,
                                tn_error *error) {
    const tn_optimizer_rule *rule = tn_optimizer_rule_of(options->optimizer);
    const tn_optimizer_settings settings = tn_optimizer_settings_of(options);
    TN_TRY(carry(trainer, "", "", &trainer->weights, error));
    trainer->vectors.weights = trainer->weights;
    for (int s = 0; s < tn_optimizer_n_states(rule, &settings); s++)
        TN_TRY(carry(trainer, TN_CHECKPOINT_OPTIMIZER, rule->states[s], &trainer->vectors.states[s],
                     error));
    if (trainer->ema > 0)
        TN_TRY(carry(trainer, TN_CHECKPOINT_TRAINING, "average", &trainer->average, error));
    if (options->keep_best)
        TN_TRY(carry(trainer, TN_CHECKPOINT_TRAINING, "best", &trainer->best, error));
    return TN_OK;
}

static tn_status create_vectors(tn_trainer *trainer, bool accumulates, bool can_evaluate,
                                tn_error *error) {
    trainer->gradients = trainer->vectors.gradients = tn_pass_vector(&trainer->training);
    if (!trainer->gradients) return tn_fail_memory(error);
    if (accumulates) {
        trainer->further = tn_pass_vector(&trainer->training);
        if (!trainer->further) return tn_fail_memory(error);
    }
    if (can_evaluate) {
        trainer->evaluated = tn_pass_vector(&trainer->evaluation);
        if (!trainer->evaluated) return tn_fail_memory(error);
    }
    const tn_graph *graph = trainer->model->graph;
    for (int i = 0; i < graph->n_parameters; i++) {
        tn_trainer_set(trainer, 0, i, graph->parameters[i]->data);
        /* The average begins as the weights, so it needs no correction for a start from zero. */
        if (trainer->average)
            tn_plan_arrange(trainer->training.plan, i, graph->parameters[i]->data,
                            trainer->average);
    }
    return TN_OK;
}

tn_status tn_trainer_create(const tn_model *model, const tn_dataset *dataset,
                            const tn_train_options *options, int64_t max_batch, bool can_evaluate,
                            tn_trainer *trainer, tn_error *error) {
    *trainer = (tn_trainer){.model = model,
                            .dataset = dataset,
                            .seed = options->seed,
                            .max_batch = max_batch,
                            .batch_size = options->batch_size,
                            .ema = options->ema};
    TN_TRY(tn_kernels_select(&trainer->kernels, error));
    trainer->kernels.direct = options->no_winograd;
    TN_TRY(tn_pool_create(options->n_threads, &trainer->pool, error));
    tn_pool_pin(trainer->pool, options->pin);
    bool *frozen;
    TN_TRY(tn_frozen_find(model->graph, options->freeze, options->n_freeze, &frozen, error));
    tn_status status = create_passes(trainer, options, frozen, can_evaluate, error);
    free(frozen);
    if (status != TN_OK) return status;
    const tn_descent_options descent = {.kind = options->optimizer,
                                        .settings = tn_optimizer_settings_of(options),
                                        .clip_norm = options->clip_norm,
                                        .kernels = &trainer->kernels,
                                        .pool = trainer->pool};
    TN_TRY(tn_descent_create(&descent, trainer->training.trained, trainer->training.n_trained,
                             &trainer->descent, error));
    TN_TRY(create_carried(trainer, options, error));
    return create_vectors(trainer, options->accumulate > 1, can_evaluate, error);
}

void tn_trainer_free(tn_trainer *trainer) {
    tn_pass_free(&trainer->training);
    tn_pass_free(&trainer->evaluation);
    tn_descent_free(trainer->descent);
    tn_pool_free(trainer->pool);
    free(trainer->gradients);
    free(trainer->further);
    free(trainer->evaluated);
    for (int v = 0; v < trainer->n_carried; v++) free(trainer->carried[v].flat);
    *trainer = (tn_trainer){0};
}

/* The gradients of the mean loss over all images of a step, batch after batch. */
static tn_tally sum_gradients(tn_trainer *trainer, int64_t step, const uint32_t *which, int64_t n) {
    tn_tally tally = {0};
    tn_step what = {.training = true, .seed = trainer->seed, .number = (uint64_t)step};
    for (int64_t first = 0; first < n; first += trainer->batch_size) {
        what.place = first;
        real *gradients = first == 0 ? trainer->gradients : trainer->further;
        tn_tally part = tn_pass_run(&trainer->training, trainer->dataset, which + first,
                                    tn_min_i64(trainer->batch_size, n - first), n, &what,
                                    trainer->weights, gradients);
        if (first > 0) tn_descent_accumulate(trainer->descent, gradients, trainer->gradients);
        tn_pass_move_statistics(&trainer->training, gradients, trainer->weights);
        tn_tally_add(&tally, &part);
    }
    return tally;
}

tn_tally tn_trainer_step(tn_trainer *trainer, int64_t step, double lr, const uint32_t *which,
                         int64_t n) {
    tn_tally tally = sum_gradients(trainer, step, which, n);
    tn_descent_step(trainer->descent, step, lr, &trainer->vectors);
    if (trainer->average)
        tn_descent_average(trainer->descent, trainer->ema,
                           tn_plan_parameters_size(trainer->training.plan), trainer->weights,
                           trainer->average);
    return tally;
}

static const real *current(const tn_trainer *trainer) {
    return trainer->average ? trainer->average : trainer->weights;
}

/* Brings the weights from the training plan's arrangement to the evaluation's. */
static tn_status arrange_evaluated(tn_trainer *trainer, tn_error *error) {
    const tn_graph *graph = trainer->model->graph;
    for (int i = 0; i < graph->n_parameters; i++) {
        int64_t n = tn_shape_elements(&graph->parameters[i]->shape);
        float *canonical = tn_aligned_alloc((size_t)n * sizeof *canonical);
        if (!canonical) return tn_fail_memory(error);
        tn_plan_unarrange(trainer->training.plan, i, current(trainer), canonical);
        tn_plan_arrange(trainer->evaluation.plan, i, canonical, trainer->evaluated);
        free(canonical);
    }
    return TN_OK;
}

tn_status tn_trainer_evaluate(tn_trainer *trainer, const uint32_t *which, int64_t n,
                              tn_tally *tally, tn_error *error) {
    TN_TRY(arrange_evaluated(trainer, error));
    const tn_step step = {.training = false};
    *tally = (tn_tally){0};
    for (int64_t first = 0; first < n; first += trainer->max_batch) {
        int64_t n_part = tn_min_i64(trainer->max_batch, n - first);
        tn_tally part = tn_pass_run(&trainer->evaluation, trainer->dataset, which + first, n_part,
                                    n_part, &step, trainer->evaluated, NULL);
        tn_tally_add(tally, &part);
    }
    return TN_OK;
}

static bool all_finite(const real *v, int64_t n) {
    bool finite = true;
    for (int64_t i = 0; i < n; i++) finite &= isfinite(v[i]) != 0;
    return finite;
}

void tn_trainer_keep_best(tn_trainer *trainer) {
    size_t n = (size_t)tn_plan_parameters_size(trainer->training.plan);
    memcpy(trainer->best, current(trainer), n * sizeof *trainer->best);
}

bool tn_trainer_is_finite(const tn_trainer *trainer) {
    int64_t n = tn_plan_parameters_size(trainer->training.plan);
    bool finite = true;
    for (int v = 0; v < trainer->n_carried; v++) finite &= all_finite(trainer->carried[v].flat, n);
    return finite;
}

void tn_trainer_get(const tn_trainer *trainer, int vector, int i, float *canonical) {
    tn_plan_unarrange(trainer->training.plan, i, trainer->carried[vector].flat, canonical);
}

void tn_trainer_set(tn_trainer *trainer, int vector, int i, const float *canonical) {
    tn_plan_arrange(trainer->training.plan, i, canonical, trainer->carried[vector].flat);
}

bool tn_trainer_get_gradient(const tn_trainer *trainer, int i, float *canonical) {
    const tn_pass *pass = &trainer->training;
    int64_t at = tn_plan_parameter_offset(pass->plan, i);
    for (int k = 0; k < pass->n_trained; k++)
        if (at >= pass->trained[k].span.begin && at < pass->trained[k].span.end) {
            tn_plan_unarrange(pass->plan, i, trainer->gradients, canonical);
            return true;
        }
    return false;
}

double tn_trainer_gradient_norm(const tn_trainer *trainer) {
    const tn_pass *pass = &trainer->training;
    double sum = 0;
    for (int k = 0; k < pass->n_trained; k++)
        for (int64_t i = pass->trained[k].span.begin; i < pass->trained[k].span.end; i++)
            sum += (double)trainer->gradients[i] * (double)trainer->gradients[i];
    return sqrt(sum);
}

/* Gives the parameters of a clone, whose data is its own, the numbers of a flat vector. */
static void set_parameters(const tn_trainer *trainer, const real *flat, tn_graph *clone) {
    for (int i = 0; i < clone->n_parameters; i++)
        tn_plan_unarrange(trainer->training.plan, i, flat,
                          (float *)(uintptr_t)clone->parameters[i]->data);
}

tn_status tn_trainer_model(const tn_trainer *trainer, bool best, tn_model **model,
                           tn_error *error) {
    const tn_model *from = trainer->model;
    tn_graph *graph;
    TN_TRY(tn_graph_clone(from->graph, &graph, error));
    const real *flat = best ? trainer->best : current(trainer);
    set_parameters(trainer, flat, graph);
    tn_model *copy;
    TN_TRY(tn_model_create(graph, from->name, from->n_classes,
                           (const char *const *)from->class_names, from->opset, &copy, error));
    tn_model_inherit(copy, from);
    *model = copy;
    return TN_OK;
}
