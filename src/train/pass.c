/* SPDX-License-Identifier: Apache-2.0 */
#include "train/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/tuning.h"
#include "passes/passes.h"
#include "train/training_graph.h"

static tn_status find_trained(tn_pass *pass, tn_value *const *gradients, tn_error *error) {
    const tn_graph *graph = tn_plan_graph(pass->plan);
    pass->trained = calloc((size_t)graph->n_parameters + 1, sizeof *pass->trained);
    if (!pass->trained) return tn_fail_memory(error);
    for (int i = 0; i < graph->n_parameters; i++) {
        const tn_value *parameter = graph->parameters[i];
        if (!gradients[i] || parameter->statistic) continue;
        int64_t begin = tn_plan_parameter_offset(pass->plan, i);
        int64_t end = begin + tn_shape_elements(&parameter->shape);
        pass->trained[pass->n_trained++] =
            (tn_trained){.span = {begin, end}, .is_weight = parameter->shape.rank >= 2};
    }
    return TN_OK;
}

static tn_status find_statistics(tn_pass *pass, tn_error *error) {
    const tn_graph *graph = tn_plan_graph(pass->plan);
    pass->statistics = calloc((size_t)graph->n_updates + 1, sizeof *pass->statistics);
    if (!pass->statistics) return tn_fail_memory(error);
    for (int u = 0; u < graph->n_updates; u++)
        for (int i = 0; i < graph->n_parameters; i++) {
            if (graph->parameters[i] != graph->updates[u]->parameter) continue;
            int64_t begin = tn_plan_parameter_offset(pass->plan, i);
            int64_t end = begin + tn_shape_elements(&graph->parameters[i]->shape);
            pass->statistics[pass->n_statistics++] =
                (tn_statistic){{begin, end}, graph->updates[u]->momentum};
        }
    return TN_OK;
}

void tn_pass_move_statistics(const tn_pass *pass, const real *gradients, real *weights) {
    for (int s = 0; s < pass->n_statistics; s++) {
        const tn_statistic *statistic = &pass->statistics[s];
        real kept = (real)statistic->momentum, moved = (real)(1 - statistic->momentum);
        for (int64_t i = statistic->span.begin; i < statistic->span.end; i++)
            weights[i] = kept * weights[i] + moved * gradients[i];
    }
}

static tn_status create_plan(tn_pass *pass, tn_value *const *gradients,
                             const tn_pass_options *options, tn_error *error) {
    const tn_plan_options plan_options = {.max_batch = options->max_batch,
                                          .n_shards = options->n_shards,
                                          .n_threads = tn_pool_threads(options->pool),
                                          .kernels = options->kernels,
                                          .tile = options->tile,
                                          .tile_rows = options->tile_rows,
                                          .keep_values = options->keep_values,
                                          .tuning = options->tuning};
    TN_TRY(tn_tuning_check_level(options->tuning, options->kernels->level, error));
    TN_TRY(tn_passes_run(pass->graph, options->gradients ? gradients : NULL, error));
    TN_TRY(tn_plan_build(pass->graph, options->gradients ? gradients : NULL, &plan_options,
                         &pass->plan, error));
    TN_TRY(tn_execution_create(pass->plan, options->pool, &pass->execution, error));
    TN_TRY(find_trained(pass, gradients, error));
    return find_statistics(pass, error);
}

static tn_status allocate_results(tn_pass *pass, int64_t max_batch, tn_error *error) {
    size_t n = (size_t)max_batch;
    pass->loss = tn_aligned_alloc(n * sizeof *pass->loss);
    pass->scores = tn_aligned_alloc(n * (size_t)pass->n_classes * sizeof *pass->scores);
    pass->loss_gradient = tn_aligned_alloc(n * sizeof *pass->loss_gradient);
    bool complete = pass->loss && pass->scores && pass->loss_gradient;
    return complete ? TN_OK : tn_fail_memory(error);
}

static tn_status create(const tn_model *model, const tn_pass_options *options, tn_value **gradients,
                        tn_pass *pass, tn_error *error) {
    const tn_image_shape image = {model->height, model->width, model->channels};
    const tn_training_graph_options graph = {
        .label_smoothing = options->label_smoothing,
        .n_groups = options->n_groups,
        .mixup = options->augment && options->augment->mixup > 0,
        .frozen = options->frozen,
    };
    TN_TRY(tn_training_graph_build(model, &graph, options->gradients ? gradients : NULL,
                                   &pass->graph, error));
    pass->n_classes = tn_shape_sample_elements(&pass->graph->outputs[TN_TRAINING_SCORES]->shape);
    TN_TRY(create_plan(pass, gradients, options, error));
    TN_TRY(tn_batch_create(&image, options->augment, options->max_batch, options->pool,
                           &pass->batch, error));
    return allocate_results(pass, options->max_batch, error);
}

tn_status tn_pass_create(const tn_model *model, const tn_pass_options *options, tn_pass *pass,
                         tn_error *error) {
    *pass = (tn_pass){0};
    tn_value **gradients = calloc((size_t)model->graph->n_parameters + 1, sizeof(tn_value *));
    tn_status status =
        gradients ? create(model, options, gradients, pass, error) : tn_fail_memory(error);
    free(gradients);
    if (status != TN_OK) tn_pass_free(pass);
    return status;
}

void tn_pass_free(tn_pass *pass) {
    tn_execution_free(pass->execution);
    tn_plan_free(pass->plan);
    tn_graph_free(pass->graph);
    free(pass->trained);
    free(pass->statistics);
    tn_batch_free(&pass->batch);
    free(pass->loss);
    free(pass->scores);
    free(pass->loss_gradient);
    *pass = (tn_pass){0};
}

real *tn_pass_vector(const tn_pass *pass) {
    size_t bytes = (size_t)tn_plan_parameters_size(pass->plan) * sizeof(real);
    real *vector = tn_aligned_alloc(bytes);
    if (vector) memset(vector, 0, bytes);
    return vector;
}

/* Whether the label has the highest score, the first of several; a NaN is never right. */
static bool is_correct(const real *scores, int64_t n_classes, int32_t label) {
    if (isnan(scores[label])) return false;
    for (int64_t k = 0; k < n_classes; k++)
        if (scores[k] > scores[label] || (k < label && scores[k] == scores[label])) return false;
    return true;
}

static int32_t main_label(const tn_batch *batch, int64_t i) {
    return batch->weights2 && batch->weights2[i] > 0.5f ? batch->labels2[i] : batch->labels[i];
}

void tn_tally_add(tn_tally *tally, const tn_tally *further) {
    tally->loss += further->loss;
    tally->n_correct += further->n_correct;
    tally->n += further->n;
}

static tn_tally count(const tn_pass *pass, int64_t n) {
    tn_tally tally = {.n = n};
    for (int64_t i = 0; i < n; i++) {
        tally.loss += (double)pass->loss[i];
        tally.n_correct += is_correct(pass->scores + i * pass->n_classes, pass->n_classes,
                                      main_label(&pass->batch, i));
    }
    return tally;
}

tn_tally tn_pass_run(tn_pass *pass, const tn_dataset *dataset, const uint32_t *which, int64_t n,
                     int64_t n_mean, const tn_step *step, const real *weights, real *gradients) {
    tn_step of_batch = *step;
    of_batch.batch = n;
    const tn_augment_key first = {.seed = step->seed, .step = step->number, .place = step->place};
    tn_batch *batch = &pass->batch;
    tn_batch_gather(batch, dataset, which, n, &first);
    for (int64_t i = 0; i < n; i++) pass->loss_gradient[i] = (real)(1.0 / (double)n_mean);
    const void *inputs[] = {[TN_TRAINING_IMAGES] = batch->images,
                            [TN_TRAINING_LABELS] = batch->labels,
                            [TN_TRAINING_LOSS_GRADIENT] = pass->loss_gradient,
                            [TN_TRAINING_LABELS2] = batch->labels2,
                            [TN_TRAINING_WEIGHTS2] = batch->weights2};
    void *outputs[] = {[TN_TRAINING_LOSS] = pass->loss, [TN_TRAINING_SCORES] = pass->scores};
    const tn_bindings bindings = {.inputs = inputs,
                                  .outputs = outputs,
                                  .parameters = weights,
                                  .gradients = gradients,
                                  .parameters_changed = true};
    tn_execution_run(pass->execution, &bindings, &of_batch);
    return count(pass, n);
}
