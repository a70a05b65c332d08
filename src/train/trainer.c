/* SPDX-License-Identifier: Apache-2.0 */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"

static tn_status create_passes(tn_trainer *trainer, const tn_train_options *options,
                               bool can_evaluate, tn_error *error) {
    tn_pass_options pass = {.label_smoothing = options->label_smoothing,
                            .max_batch = trainer->max_batch,
                            .n_shards = trainer->model->recipe.n_shards,
                            .n_groups = (int)(options->batch_size / options->bn_group),
                            .gradients = true,
                            .augment = &options->augment,
                            .kernels = &trainer->kernels,
                            .pool = trainer->pool};
    TN_TRY(tn_pass_create(trainer->model, &pass, &trainer->training, error));
    if (trainer->training.n_trained == 0)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot train %s: its first output depends on no trainable parameter",
                       trainer->model->name);
    if (!can_evaluate) return TN_OK;
    pass.label_smoothing = 0;
    pass.n_shards = 1;
    pass.gradients = false;
    pass.augment = NULL;
    return tn_pass_create(trainer->model, &pass, &trainer->evaluation, error);
}

static tn_status create_vectors(tn_trainer *trainer, bool can_evaluate, tn_error *error) {
    trainer->weights = tn_pass_vector(&trainer->training);
    trainer->gradients = tn_pass_vector(&trainer->training);
    if (!trainer->weights || !trainer->gradients) return tn_fail_memory(error);
    for (int s = 0; s < trainer->n_states; s++) {
        trainer->states[s] = tn_pass_vector(&trainer->training);
        if (!trainer->states[s]) return tn_fail_memory(error);
    }
    if (can_evaluate) {
        trainer->evaluated = tn_pass_vector(&trainer->evaluation);
        if (!trainer->evaluated) return tn_fail_memory(error);
    }
    const tn_graph *graph = trainer->model->graph;
    for (int i = 0; i < graph->n_parameters; i++)
        tn_trainer_set(trainer, 0, i, graph->parameters[i]->data);
    return TN_OK;
}

tn_status tn_trainer_create(const tn_model *model, const tn_dataset *dataset,
                            const tn_train_options *options, int64_t max_batch, bool can_evaluate,
                            tn_trainer *trainer, tn_error *error) {
    *trainer = (tn_trainer){.model = model,
                            .dataset = dataset,
                            .rule = tn_optimizer_rule_of(options),
                            .seed = options->seed,
                            .max_batch = max_batch};
    trainer->n_states = tn_optimizer_n_states(&trainer->rule);
    TN_TRY(tn_kernels_select(&trainer->kernels, error));
    TN_TRY(tn_pool_create(options->n_threads, &trainer->pool, error));
    TN_TRY(create_passes(trainer, options, can_evaluate, error));
    return create_vectors(trainer, can_evaluate, error);
}

void tn_trainer_free(tn_trainer *trainer) {
    tn_pass_free(&trainer->training);
    tn_pass_free(&trainer->evaluation);
    tn_pool_free(trainer->pool);
    free(trainer->weights);
    free(trainer->gradients);
    free(trainer->evaluated);
    for (int s = 0; s < TN_OPTIMIZER_MAX_STATES; s++) free(trainer->states[s]);
    *trainer = (tn_trainer){0};
}

tn_tally tn_trainer_step(tn_trainer *trainer, int64_t step, double lr, const uint32_t *which,
                         int64_t n) {
    const tn_step what = {.training = true, .seed = trainer->seed, .number = (uint64_t)step};
    tn_tally tally = tn_pass_run(&trainer->training, trainer->dataset, which, n, &what,
                                 trainer->weights, trainer->gradients);
    tn_optimizer_vectors vectors = {.spans = trainer->training.trained,
                                    .n_spans = trainer->training.n_trained,
                                    .gradients = trainer->gradients,
                                    .weights = trainer->weights};
    for (int s = 0; s < trainer->n_states; s++) vectors.states[s] = trainer->states[s];
    tn_optimizer_step(&trainer->rule, &trainer->kernels, trainer->pool, step, lr, &vectors);
    tn_pass_move_statistics(&trainer->training, trainer->gradients, trainer->weights);
    return tally;
}

/* Brings the weights from the training plan's arrangement to the evaluation's. */
static tn_status arrange_evaluated(tn_trainer *trainer, tn_error *error) {
    const tn_graph *graph = trainer->model->graph;
    for (int i = 0; i < graph->n_parameters; i++) {
        int64_t n = tn_shape_elements(&graph->parameters[i]->shape);
        float *canonical = tn_aligned_alloc((size_t)n * sizeof *canonical);
        if (!canonical) return tn_fail_memory(error);
        tn_trainer_get(trainer, 0, i, canonical);
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
        tn_tally part =
            tn_pass_run(&trainer->evaluation, trainer->dataset, which + first,
                        tn_min_i64(trainer->max_batch, n - first), &step, trainer->evaluated, NULL);
        tally->loss += part.loss;
        tally->n_correct += part.n_correct;
        tally->n += part.n;
    }
    return TN_OK;
}

static bool all_finite(const real *v, int64_t n) {
    bool finite = true;
    for (int64_t i = 0; i < n; i++) finite &= isfinite(v[i]) != 0;
    return finite;
}

bool tn_trainer_is_finite(const tn_trainer *trainer) {
    int64_t n = tn_plan_parameters_size(trainer->training.plan);
    bool finite = all_finite(trainer->weights, n);
    for (int s = 0; s < trainer->n_states; s++) finite &= all_finite(trainer->states[s], n);
    return finite;
}

int tn_trainer_n_vectors(const tn_trainer *trainer) { return 1 + trainer->n_states; }

void tn_trainer_get(const tn_trainer *trainer, int vector, int i, float *canonical) {
    const real *flat = vector == 0 ? trainer->weights : trainer->states[vector - 1];
    tn_plan_unarrange(trainer->training.plan, i, flat, canonical);
}

void tn_trainer_set(tn_trainer *trainer, int vector, int i, const float *canonical) {
    real *flat = vector == 0 ? trainer->weights : trainer->states[vector - 1];
    tn_plan_arrange(trainer->training.plan, i, canonical, flat);
}

bool tn_trainer_get_gradient(const tn_trainer *trainer, int i, float *canonical) {
    const tn_pass *pass = &trainer->training;
    int64_t at = tn_plan_parameter_offset(pass->plan, i);
    for (int k = 0; k < pass->n_trained; k++)
        if (at >= pass->trained[k].begin && at < pass->trained[k].end) {
            tn_plan_unarrange(pass->plan, i, trainer->gradients, canonical);
            return true;
        }
    return false;
}

double tn_trainer_gradient_norm(const tn_trainer *trainer) {
    const tn_pass *pass = &trainer->training;
    double sum = 0;
    for (int k = 0; k < pass->n_trained; k++)
        for (int64_t i = pass->trained[k].begin; i < pass->trained[k].end; i++)
            sum += (double)trainer->gradients[i] * (double)trainer->gradients[i];
    return sqrt(sum);
}

/* Gives the parameters of graph the weights at hand. */
static tn_status set_parameters(const tn_trainer *trainer, tn_graph *graph, tn_error *error) {
    for (int i = 0; i < graph->n_parameters; i++) {
        tn_value *parameter = graph->parameters[i];
        size_t bytes = (size_t)tn_shape_elements(&parameter->shape) * sizeof(float);
        float *data = tn_arena_alloc(&graph->arena, bytes);
        if (!data) return tn_fail_memory(error);
        tn_trainer_get(trainer, 0, i, data);
        parameter->data = data;
    }
    return TN_OK;
}

tn_status tn_trainer_model(const tn_trainer *trainer, tn_model **model, tn_error *error) {
    const tn_model *from = trainer->model;
    tn_graph *graph;
    TN_TRY(tn_graph_clone(from->graph, &graph, error));
    tn_status status = set_parameters(trainer, graph, error);
    if (status != TN_OK) {
        tn_graph_free(graph);
        return status;
    }
    tn_model *copy;
    TN_TRY(tn_model_create(graph, from->name, from->n_classes,
                           (const char *const *)from->class_names, from->opset, &copy, error));
    copy->recipe = from->recipe;
    *model = copy;
    return TN_OK;
}
