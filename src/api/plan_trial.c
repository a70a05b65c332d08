/* SPDX-License-Identifier: Apache-2.0 */
#include "api/plan_trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/philox.h"
#include "base/size.h"
#include "cpu/topology.h"
#include "models/pixel_graph.h"
#include "passes/passes.h"
#include "train/options.h"

enum { MOST_RUNS = 11 };
static const int64_t most_ns = 1000 * 1000 * 1000;

/* ---- Inference ------------------------------------------------------------------------------- */

static tn_status build_graph(const tn_model *model, tn_graph **graph, tn_error *error) {
    tn_value *scores;
    if (model->channels == 0 || model->n_classes == 0 || model->graph->n_inputs != 1)
        return tn_graph_clone_lightly(model->graph, graph, error);
    TN_TRY(tn_pixel_graph_build(model, 0, NULL, graph, &scores, error));
    return tn_graph_mark_output(*graph, scores, error);
}

/* Pixels of any value, floats in 0..1, integers 0, which are no index too large. */
static void draw(tn_random *random, tn_dtype dtype, int64_t n, void *data) {
    memset(data, 0, (size_t)n * tn_dtype_bytes(dtype));
    for (int64_t i = 0; i < n && dtype == TN_FLOAT32; i++)
        ((real *)data)[i] = (real)tn_random_below(random, 256) / 255;
    for (int64_t i = 0; i < n && dtype == TN_UINT8; i++)
        ((uint8_t *)data)[i] = (uint8_t)tn_random_below(random, 256);
}

static tn_status draw_inputs(tn_plan_trial *t, tn_error *error) {
    const tn_graph *graph = t->prepared.graph;
    tn_random random = tn_random_begin(0, TN_PURPOSE_TEST, 0);
    t->inputs = calloc((size_t)graph->n_inputs + 1, sizeof *t->inputs);
    t->outputs = calloc((size_t)graph->n_outputs + 1, sizeof *t->outputs);
    if (!t->inputs || !t->outputs) return tn_fail_memory(error);
    for (int i = 0; i < graph->n_inputs; i++) {
        const tn_value *v = graph->inputs[i];
        int64_t n = tn_shape_elements(&v->shape); /* the plan has set the batch */
        t->inputs[i] = tn_aligned_alloc((size_t)n * tn_dtype_bytes(v->dtype));
        if (!t->inputs[i]) return tn_fail_memory(error);
        draw(&random, v->dtype, n, t->inputs[i]);
    }
    return TN_OK;
}

static tn_status create_inference(const tn_model *model, const tn_plan_report_options *options,
                                  tn_plan_trial *t, tn_error *error) {
    t->batch = options->batch_size ? options->batch_size : 64;
    TN_TRY(build_graph(model, &t->prepared.graph, error));
    TN_TRY(tn_passes_optimise(t->prepared.graph, error));
    TN_TRY(tn_prepared_plan(&t->prepared, &t->kernels, t->pool, t->batch, options->tile,
                            options->tile_rows, error));
    t->plan = t->prepared.plan;
    TN_TRY(tn_execution_create_packed(t->plan, t->pool, t->prepared.packed, &t->inference, error));
    t->execution = t->inference;
    return draw_inputs(t, error);
}

/* ---- Training -------------------------------------------------------------------------------- */

static tn_status draw_dataset(const tn_model *model, tn_plan_trial *t, tn_error *error) {
    int64_t bytes;
    if (!tn_size_product((int64_t[]){t->batch, model->channels, model->height, model->width}, 4,
                         &bytes))
        return tn_fail_memory(error);
    uint8_t *pixels = malloc((size_t)bytes + 1);
    int32_t *labels = calloc((size_t)t->batch, sizeof *labels);
    t->which = malloc((size_t)t->batch * sizeof *t->which);
    tn_status status = pixels && labels && t->which ? TN_OK : tn_fail_memory(error);
    if (status == TN_OK) {
        tn_random random = tn_random_begin(0, TN_PURPOSE_TEST, 0);
        draw(&random, TN_UINT8, bytes, pixels);
        int n_classes = (int)tn_max_i64(2, model->n_classes);
        for (int64_t i = 0; i < t->batch; i++) {
            labels[i] = (int32_t)(i % tn_max_i64(1, model->n_classes));
            t->which[i] = (uint32_t)i;
        }
        status = tn_dataset_create("noise", t->batch, model->height, model->width, model->channels,
                                   n_classes, pixels, labels, &t->dataset, error);
    }
    free(pixels);
    free(labels);
    return status;
}

static tn_status create_pass(const tn_model *model, const tn_train_options *o, tn_plan_trial *t,
                             tn_error *error) {
    const tn_pass_options pass = {.label_smoothing =
                                      o->label_smoothing > 0 ? o->label_smoothing : 0,
                                  .max_batch = t->batch,
                                  .tile = o->tile,
                                  .tile_rows = o->tile_rows,
                                  .n_shards = model->recipe.n_shards,
                                  .n_groups = 1,
                                  .gradients = true,
                                  .kernels = &t->kernels,
                                  .tuning = o->tuning,
                                  .pool = t->pool};
    TN_TRY(tn_pass_create(model, &pass, &t->pass, error));
    t->plan = t->pass.plan;
    t->execution = t->pass.execution;
    t->weights = tn_pass_vector(&t->pass);
    t->gradients = tn_pass_vector(&t->pass);
    if (!t->weights || !t->gradients) return tn_fail_memory(error);
    for (int i = 0; i < model->graph->n_parameters; i++)
        tn_plan_arrange(t->plan, i, model->graph->parameters[i]->data, t->weights);
    return TN_OK;
}

static tn_status create_training(const tn_model *model, const tn_plan_report_options *options,
                                 tn_plan_trial *t, tn_error *error) {
    tn_train_options o = TN_INIT(tn_train_options);
    o.batch_size = options->batch_size;
    o.n_threads = tn_pool_threads(t->pool);
    o.tile = options->tile;
    o.tile_rows = options->tile_rows;
    o.tuning = options->tuning;
    tn_train_resolve(model, NULL, &o);
    o.limit = t->batch = o.batch_size;
    if (model->channels > 0) TN_TRY(draw_dataset(model, t, error));
    TN_TRY(tn_train_options_check(model, t->dataset, &o, error));
    return create_pass(model, &o, t, error);
}

/* ---- Both ------------------------------------------------------------------------------------ */

static tn_status check(const tn_plan_report_options *o, tn_error *error) {
    if (o->tuning && !o->training)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot plan: a tuning is for training only");
    if (o->batch_size >= 0 && o->batch_size <= INT32_MAX && o->n_threads >= 0 && o->tile >= 0 &&
        o->tile_rows >= 0)
        return TN_OK;
    return tn_fail(error, TN_ERR_ARGUMENT,
                   "cannot plan: %d threads for a batch of %lld in tiles of %lld, or %lld rows",
                   o->n_threads, (long long)o->batch_size, (long long)o->tile,
                   (long long)o->tile_rows);
}

tn_status tn_plan_trial_pool(const tn_plan_report_options *options, tn_pool **pool,
                             tn_error *error) {
    TN_TRY(check(options, error));
    return tn_pool_create(options->n_threads ? options->n_threads : tn_core_budget(), pool, error);
}

tn_status tn_plan_trial_create(const tn_model *model, const tn_plan_report_options *options,
                               tn_pool *pool, tn_plan_trial *trial, tn_error *error) {
    *trial = (tn_plan_trial){.pool = pool};
    TN_TRY(tn_kernels_select(&trial->kernels, error));
    return options->training ? create_training(model, options, trial, error)
                             : create_inference(model, options, trial, error);
}

void tn_plan_trial_free(tn_plan_trial *t) {
    for (int i = 0; t->inputs && i < t->prepared.graph->n_inputs; i++) free(t->inputs[i]);
    free(t->inputs);
    free(t->outputs);
    tn_execution_free(t->inference);
    tn_prepared_free(&t->prepared);
    tn_pass_free(&t->pass);
    tn_dataset_free(t->dataset);
    free(t->which);
    free(t->weights);
    free(t->gradients);
    free(t->profile.steps);
    free(t->profile.segments);
    *t = (tn_plan_trial){0};
}

static void run_once(tn_plan_trial *t) {
    if (t->pass.plan) {
        const tn_step step = {.training = true};
        tn_pass_run(&t->pass, t->dataset, t->which, t->batch, t->batch, &step, t->weights,
                    t->gradients);
        return;
    }
    tn_prepared_run(&t->prepared, t->execution, t->batch, (const void *const *)t->inputs,
                    t->outputs);
}

void tn_plan_trial_step(tn_plan_trial *t, tn_profile *profile) {
    tn_execution_set_profile(t->execution, profile);
    run_once(t);
    tn_execution_set_profile(t->execution, NULL);
}

static tn_status profile_create(const tn_plan_trial *t, tn_profile *p, tn_error *error) {
    size_t n_threads = (size_t)tn_pool_threads(t->pool);
    p->steps = calloc(n_threads * (size_t)t->plan->n_steps + 1, sizeof *p->steps);
    p->segments = calloc((size_t)t->plan->n_segments + 1, sizeof *p->segments);
    return p->steps && p->segments ? TN_OK : tn_fail_memory(error);
}

static int faster_first(const void *a, const void *b) {
    const tn_profile *x = a, *y = b;
    return (x->total > y->total) - (x->total < y->total);
}

/* A run before the others warms caches and pages. */
tn_status tn_plan_trial_run(tn_plan_trial *t, tn_error *error) {
    tn_profile runs[MOST_RUNS] = {{0}};
    tn_status status = TN_OK;
    int n = 0;
    run_once(t);
    for (int64_t begin = tn_now_ns(); n < MOST_RUNS && (n == 0 || tn_now_ns() - begin < most_ns);) {
        status = profile_create(t, &runs[n], error);
        if (status != TN_OK) break;
        tn_plan_trial_step(t, &runs[n++]);
    }
    qsort(runs, (size_t)n, sizeof *runs, faster_first);
    if (status == TN_OK) {
        t->n_runs = n;
        t->profile = runs[n / 2];
        runs[n / 2] = (tn_profile){0};
    }
    for (int i = 0; i < MOST_RUNS; i++) {
        free(runs[i].steps);
        free(runs[i].segments);
    }
    return status;
}
