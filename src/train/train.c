/* SPDX-License-Identifier: Apache-2.0 */
/* train.c: a training run from first check to trained model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "train/options.h"
#include "train/order.h"
#include "train/training.h"

static double seconds_now(void) { return 1e-9 * (double)tn_now_ns(); }

static bool has_store(const tn_training *run) { return run->store.dir[0] != '\0'; }

/* ---- Before the first step ---------------------------------------------------------------- */

static tn_status choose_images(tn_training *run, tn_error *error) {
    const tn_train_options *o = &run->options;
    run->n_held_out = tn_order_held_out(o->limit, o->held_out);
    run->n_train = o->limit - run->n_held_out;
    if (o->held_out > 0 && (run->n_held_out == 0 || run->n_train == 0))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot train: of %lld images, %lld would be held out and %lld trained on",
                       (long long)o->limit, (long long)run->n_held_out, (long long)run->n_train);
    run->images_per_step = o->batch_size * o->accumulate;
    run->steps_per_epoch = (run->n_train - 1) / run->images_per_step + 1;
    run->steps = run->steps_per_epoch * o->epochs;
    int64_t warmup = llround(o->warmup * (double)run->steps_per_epoch);
    run->course = (tn_course){o->schedule, o->lr, run->steps, tn_min_i64(warmup, run->steps - 1)};
    run->images = malloc((size_t)o->limit * sizeof *run->images);
    run->order = malloc((size_t)run->n_train * sizeof *run->order);
    run->order_epoch = -1;
    if (!run->images || !run->order) return tn_fail_memory(error);
    tn_order_split(o->seed, o->limit, run->n_held_out, run->images);
    return TN_OK;
}

static tn_status open_store(tn_training *run, tn_error *error) {
    const tn_train_options *o = &run->options;
    if (!o->checkpoint_dir) return TN_OK;
    const tn_graph *graph = run->model->graph;
    for (int i = 0; i < graph->n_parameters; i++)
        TN_TRY(tn_checkpoint_check_name(graph->parameters[i]->name, error));
    TN_TRY(tn_store_open(o->checkpoint_dir, o->checkpoint_keep, &run->store, error));
    int64_t *steps;
    int n;
    TN_TRY(tn_store_list(&run->store, &steps, &n, error));
    free(steps);
    if (n > 0 && !o->resume)
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "%s already holds checkpoints (add --resume to go on from them, or remove "
                       "it)",
                       run->store.dir);
    return TN_OK;
}

static tn_status prepare(tn_training *run, bool *resumed, tn_error *error) {
    const tn_train_options *o = &run->options;
    TN_TRY(tn_train_options_check(run->model, run->dataset, o, error));
    TN_TRY(choose_images(run, error));
    TN_TRY(open_store(run, error));
    TN_TRY(tn_trainer_create(run->model, run->dataset, o,
                             tn_min_i64(o->batch_size, tn_max_i64(run->n_train, run->n_held_out)),
                             run->n_held_out > 0, &run->trainer, error));
    run->state = (tn_training_state){
        .last_loss = NAN, .last_accuracy = NAN, .held_out = tn_held_out_begin()};
    if (!has_store(run)) return TN_OK;
    TN_TRY(tn_training_identify(run, error));
    return o->resume ? tn_training_resume(run, resumed, error) : TN_OK;
}

/* ---- The loop ----------------------------------------------------------------------------- */

/* What this call of tn_train has done; not part of the state that checkpoints hold. */
typedef struct effort_made {
    double begin;
    int64_t steps, images;
} effort_made;

static tn_progress progress_of(const tn_training *run, const effort_made *effort, double lr,
                               bool epoch_end) {
    const tn_training_state *s = &run->state;
    int64_t per_epoch = run->steps_per_epoch, max_steps = run->options.max_steps;
    int64_t last = max_steps > 0 ? tn_min_i64(max_steps, run->steps) : run->steps;
    double seconds = seconds_now() - effort->begin;
    return (tn_progress){
        .size = sizeof(tn_progress),
        .epoch = (s->step - 1) / per_epoch + 1,
        .epochs = run->options.epochs,
        .step = s->step,
        .steps = run->steps,
        .step_in_epoch = (s->step - 1) % per_epoch + 1,
        .steps_per_epoch = per_epoch,
        .loss = s->epoch.loss / (double)s->epoch.n,
        .accuracy = (double)s->epoch.n_correct / (double)s->epoch.n,
        .held_out_loss = epoch_end ? s->held_out.loss : NAN,
        .held_out_accuracy = epoch_end ? s->held_out.accuracy : NAN,
        .lr = lr,
        .images_per_s = seconds > 0 ? (double)effort->images / seconds : 0,
        .seconds = seconds,
        .seconds_left = seconds * (double)(last - s->step) / (double)effort->steps,
        .epoch_end = epoch_end,
    };
}

static tn_status report(tn_training *run, const effort_made *effort, double lr, bool epoch_end,
                        tn_error *error) {
    if (!run->options.on_progress && !run->options.events) return TN_OK;
    tn_progress progress = progress_of(run, effort, lr, epoch_end);
    if (run->options.on_progress) run->options.on_progress(run->options.user, &progress);
    return tn_training_tell(run, &progress, error);
}

static tn_status fail_numeric(const tn_training *run, const char *what, tn_error *error) {
    char kept[TN_STORE_PATH_MAX + 64] = "";
    if (has_store(run) && run->store.last[0])
        snprintf(kept, sizeof kept, "; the last good checkpoint is %s", run->store.last);
    else if (has_store(run))
        snprintf(kept, sizeof kept, "; no checkpoint had been written yet");
    int64_t step = run->state.step;
    return tn_fail(error, TN_ERR_NUMERIC,
                   "%s at step %lld (epoch %lld); lower the learning rate (--lr %g)%s", what,
                   (long long)step, (long long)((step - 1) / run->steps_per_epoch + 1),
                   run->options.lr / 10, kept);
}

static tn_status take_step(tn_training *run, effort_made *effort, double *lr, tn_error *error) {
    tn_training_state *s = &run->state;
    int64_t epoch = s->step / run->steps_per_epoch;
    int64_t first = s->step % run->steps_per_epoch * run->images_per_step;
    int64_t n = tn_min_i64(run->images_per_step, run->n_train - first);
    if (epoch != run->order_epoch) {
        tn_order_shuffle(run->options.seed, epoch, run->n_train, run->images + run->n_held_out,
                         run->order);
        run->order_epoch = epoch;
    }
    *lr = tn_schedule_lr(&run->course, s->step);
    tn_tally tally = tn_trainer_step(&run->trainer, s->step, *lr, run->order + first, n);
    s->step++;
    tn_tally_add(&s->epoch, &tally);
    effort->steps++;
    effort->images += n;
    if (isfinite(tally.loss)) return TN_OK;
    return fail_numeric(run, isnan(tally.loss) ? "loss is nan" : "loss is infinite", error);
}

/* Must be called before weights are written or handed out. The loss of a step is that of the
 * weights before it, so the newest weights may be broken while every loss was fine. */
static tn_status check_weights(const tn_training *run, tn_error *error) {
    if (tn_trainer_is_finite(&run->trainer)) return TN_OK;
    return fail_numeric(run, "weights are not finite", error);
}

static tn_status end_epoch(tn_training *run, const effort_made *effort, double lr,
                           tn_error *error) {
    tn_training_state *s = &run->state;
    if (run->n_held_out > 0) {
        tn_tally held_out;
        TN_TRY(tn_trainer_evaluate(&run->trainer, run->images, run->n_held_out, &held_out, error));
        bool best = tn_held_out_judge(&s->held_out, s->step / run->steps_per_epoch,
                                      held_out.loss / (double)held_out.n,
                                      (double)held_out.n_correct / (double)held_out.n);
        if (best && run->options.keep_best) tn_trainer_keep_best(&run->trainer);
    }
    TN_TRY(report(run, effort, lr, true, error));
    s->last_loss = s->epoch.loss / (double)s->epoch.n;
    s->last_accuracy = (double)s->epoch.n_correct / (double)s->epoch.n;
    s->epoch = (tn_tally){0};
    return TN_OK;
}

static bool is_checkpoint_due(const tn_training *run) {
    int64_t every = run->options.checkpoint_every;
    return run->state.step % (every > 0 ? every : run->steps_per_epoch) == 0;
}

static bool is_stop_asked(const tn_training *run) {
    const tn_train_options *o = &run->options;
    return (o->stop && *o->stop) || (o->max_steps > 0 && run->state.step >= o->max_steps);
}

static bool is_patience_over(const tn_training *run) {
    int64_t patience = run->options.patience;
    return patience > 0 && run->state.held_out.waited >= patience;
}

static tn_status train(tn_training *run, effort_made *effort, tn_error *error) {
    bool stopped = false;
    while (run->state.step < run->steps && !is_patience_over(run) &&
           !(stopped = is_stop_asked(run))) {
        double lr;
        TN_TRY(take_step(run, effort, &lr, error));
        TN_TRY(report(run, effort, lr, false, error));
        if (run->state.step % run->steps_per_epoch == 0) TN_TRY(end_epoch(run, effort, lr, error));
        if (has_store(run) && is_checkpoint_due(run)) {
            TN_TRY(check_weights(run, error));
            TN_TRY(tn_training_save(run, error));
        }
    }
    TN_TRY(check_weights(run, error));
    if (has_store(run) && run->store.last_step != run->state.step)
        TN_TRY(tn_training_save(run, error));
    return stopped ? TN_STOPPED : TN_OK;
}

/* ---- The whole ---------------------------------------------------------------------------- */

static tn_train_result result_of(const tn_training *run, const effort_made *effort, bool resumed,
                                 bool stopped) {
    const tn_training_state *s = &run->state;
    bool within = s->epoch.n > 0;
    tn_train_result r = {
        .size = sizeof r,
        .steps = s->step,
        .epochs = s->step / run->steps_per_epoch,
        .images = effort->images,
        .loss = within ? s->epoch.loss / (double)s->epoch.n : s->last_loss,
        .accuracy = within ? (double)s->epoch.n_correct / (double)s->epoch.n : s->last_accuracy,
        .held_out_loss = s->held_out.loss,
        .held_out_accuracy = s->held_out.accuracy,
        .seconds = seconds_now() - effort->begin,
        .n_threads = tn_pool_threads(run->trainer.pool),
        .pinned = tn_pool_pinned(run->trainer.pool),
        .batch_size = run->options.batch_size,
        .resumed = resumed,
        .stopped = stopped,
        .optimizer = run->options.optimizer,
        .schedule = run->options.schedule,
        .lr = run->options.lr,
        .best_epoch = run->options.keep_best ? s->held_out.best_epoch : 0,
        .ended_early = s->step < run->steps && is_patience_over(run),
    };
    r.images_per_s = r.seconds > 0 ? (double)r.images / r.seconds : 0;
    snprintf(r.checkpoint, sizeof r.checkpoint, "%s", run->store.last);
    return r;
}

static void deliver(const tn_train_result *from, tn_train_result *to) {
    if (!to) return;
    size_t size = to->size;
    memcpy(to, from, size < sizeof *from ? size : sizeof *from);
    to->size = size;
}

static tn_status run_all(tn_training *run, tn_model **trained, tn_train_result *result,
                         tn_error *error) {
    bool resumed = false;
    TN_TRY(prepare(run, &resumed, error));
    effort_made effort = {.begin = seconds_now()};
    run->told = run->state.epoch;
    tn_status status = train(run, &effort, error);
    if (status != TN_OK && status != TN_STOPPED) return status;
    tn_train_result outcome = result_of(run, &effort, resumed, status == TN_STOPPED);
    TN_TRY(tn_trainer_model(&run->trainer, outcome.best_epoch > 0, trained, error));
    deliver(&outcome, result);
    return status;
}

tn_status tn_train(const tn_model *model, const tn_dataset *dataset,
                   const tn_train_options *options, tn_model **trained, tn_train_result *result,
                   tn_error *error) {
    if (!model || !dataset || !trained)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot train: model, data set or result is NULL");
    if ((options && options->size == 0) || (result && result->size == 0))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot train: a structure's size is 0 (set it with TN_INIT)");
    tn_training run = {.model = model,
                       .dataset = dataset,
                       .options = TN_INIT(tn_train_options),
                       .store = {.lock = -1, .last_step = -1}};
    if (options)
        memcpy(&run.options, options, tn_min_i64((int64_t)options->size, sizeof run.options));
    run.options.size = sizeof run.options;
    tn_train_resolve(model, dataset, &run.options);
    tn_status status = run_all(&run, trained, result, error);
    tn_trainer_free(&run.trainer);
    tn_store_close(&run.store);
    tn_arena_free(&run.arena);
    free(run.images);
    free(run.order);
    return status;
}
