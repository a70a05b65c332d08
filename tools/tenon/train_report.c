/* SPDX-License-Identifier: Apache-2.0 */
/* train_report.c: what tenon train says before it trains, and its results for programs. */
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "command.h"
#include "fine_tune.h"
#include "json.h"
#include "message.h"
#include "text.h"
#include "threads.h"
#include "training.h"

/* Of both splits. */
static int64_t count_skipped(const training *job) {
    tn_dataset_info train = TN_INIT(tn_dataset_info), test = TN_INIT(tn_dataset_info);
    tn_dataset_describe(job->data, &train);
    tn_dataset_describe(job->test, &test);
    return train.n_skipped + test.n_skipped;
}

static void announce_pinning(const training *job) {
    const tn_train_options *t = &job->options;
    char why[160];
    if (t->n_threads == 1) return;
    bool pinned = tn_cpu_pins(t->n_threads, t->pin, why, sizeof why);
    say(job->out, "               ");
    threads_say_pinning(job->out, 15, pinned, why);
}

void training_announce(const training *job) {
    const tn_train_options *t = &job->options;
    if (!job->out) return;
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_model_info model = TN_INIT(tn_model_info);
    tn_dataset_describe(job->data, &data);
    tn_model_describe(job->model, &model);
    char count[TEXT_NUMBER], name[512];
    int64_t n = t->limit > 0 && t->limit < data.n ? t->limit : data.n;
    say(job->out, "Training %s (%s parameters) on %s\n",
        text_clean(name, sizeof name, job->model_name), text_count(count, model.parameters),
        data.name);
    say(job->out, "  data         %s %s images of %" PRId64 "x%" PRId64 ", %d classes",
        text_count(count, n), data.channels == 1 ? "grey" : "colour", data.width, data.height,
        data.n_classes);
    if (n < data.n) say(job->out, " (the first of %s)", text_count(count, data.n));
    if (t->held_out > 0) say(job->out, ", %g %% held out", 100 * t->held_out);
    int64_t n_skipped = count_skipped(job);
    if (n_skipped > 0)
        say(job->out, ", %s bad file%s left out", text_count(count, n_skipped),
            n_skipped == 1 ? "" : "s");
    say(job->out, "\n");
    char recipe[TRAINING_RECIPE_TEXT];
    training_describe_recipe(job, recipe);
    say(job->out, "  recipe       ");
    text_wrap(job->out, recipe, 15, 90);
    fine_tune_announce(job);
    say(job->out, "  processor    %s, %s kernels\n", job->cpu.model, job->cpu.level);
    say(job->out, "  threads      %d: %s\n", t->n_threads > 0 ? t->n_threads : job->cpu.n_threads,
        t->n_threads > 0 && t->n_threads != job->cpu.n_threads ? "as asked for" : job->cpu.reason);
    say(job->out, "               ");
    text_wrap(job->out, job->cpu.advice, 15, 90);
    announce_pinning(job);
    if (job->tuning_name)
        say(job->out, "  tuning       %s\n", text_clean(name, sizeof name, job->tuning_name));
    if (t->checkpoint_dir)
        say(job->out, "  checkpoints  %s%s\n", t->checkpoint_dir,
            job->checkpoint ? "" : ", removed after success");
    if (job->tensorboard) say(job->out, "  events       %s, for TensorBoard\n", job->tensorboard);
    say(job->out, "  output       %s%s\n\n", job->output_path,
        access(job->output_path, F_OK) == 0 ? ", replaces the file that is there" : "");
    fflush(job->out);
}

void training_report_choice(const training *job) {
    const tn_train_result *r = &job->result;
    if (r->ended_early)
        say(job->out,
            "ended early  after epoch %" PRId64 ": the held-out loss has not fallen since "
            "epoch %" PRId64 "\n",
            r->epochs, r->epochs - job->options.patience);
    if (r->best_epoch > 0)
        say(job->out,
            "kept         the weights of epoch %" PRId64 ", the best on the held-out images\n",
            r->best_epoch);
}

static void put_tuning(const training *job, json_t *o) {
    tn_tuning_info tuning = TN_INIT(tn_tuning_info);
    if (job->tuning) tn_tuning_describe(job->tuning, &tuning);
    json_put_text(o, "tuning_sha256", job->tuning ? tuning.sha256 : NULL);
}

int training_write_json(const training *job) {
    if (!job->json) return EXIT_DONE;
    const tn_train_result *r = &job->result;
    json_t *o = json_object();
    json_put_model(o, job->model_name, job->trained);
    json_put_text(o, "data", job->data_name);
    json_put_integer(o, "skipped", count_skipped(job));
    json_put_real(o, "test_accuracy", job->evaluation.n > 0 ? job->evaluation.accuracy : NAN);
    json_put_real(o, "test_loss", job->evaluation.n > 0 ? job->evaluation.loss : NAN);
    json_put_real(o, "loss", r->loss);
    json_put_real(o, "train_accuracy", r->accuracy);
    json_put_real(o, "held_out_accuracy", r->held_out_accuracy);
    json_put_real(o, "held_out_loss", r->held_out_loss);
    json_put_real(o, "seconds", r->seconds);
    json_put_real(o, "images_per_s", r->images_per_s);
    json_put_integer(o, "threads", r->n_threads);
    json_put_bool(o, "pinned", r->pinned);
    json_put_integer(o, "epochs", r->epochs);
    json_put_integer(o, "steps", r->steps);
    json_put_integer(o, "batch_size", r->batch_size);
    training_put_recipe(job, o);
    fine_tune_put_json(job, o);
    json_put_integer(o, "best_epoch", r->best_epoch);
    json_put_bool(o, "ended_early", r->ended_early);
    json_put_integer(o, "seed", (int64_t)job->options.seed);
    json_put_text(o, "mode", "reference");
    json_put_text(o, "level", job->cpu.level);
    put_tuning(job, o);
    json_put_bool(o, "resumed", r->resumed);
    json_put_bool(o, "stopped", r->stopped);
    json_put_text(o, "output", r->stopped ? NULL : job->output_path);
    if (!r->stopped) json_put_integer(o, "output_bytes", job->output_bytes);
    bool kept = r->checkpoint[0] && (r->stopped || job->checkpoint);
    json_put_text(o, "checkpoint", kept ? r->checkpoint : NULL);
    return json_write(o, job->json);
}
