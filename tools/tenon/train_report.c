/* SPDX-License-Identifier: Apache-2.0 */
/* train_report.c: what tenon train says before it trains, and its results for programs. */
#include <inttypes.h>
#include <math.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "message.h"
#include "text.h"
#include "training.h"

static void announce_recipe(const training *job) {
    const tn_train_options *t = &job->options;
    say(job->out, "  recipe       %" PRId64 " epoch%s, batches of %" PRId64 ", %s, lr %g %s",
        t->epochs, t->epochs == 1 ? "" : "s", t->batch_size,
        training_optimizer_names[t->optimizer - 1], t->lr,
        training_schedule_names[t->schedule - 1]);
    if (t->optimizer == TN_OPTIMIZER_SGD)
        say(job->out, ", momentum %g", t->momentum > 0 ? t->momentum : 0);
    if (t->weight_decay > 0) say(job->out, ", weight decay %g", t->weight_decay);
    if (t->label_smoothing > 0) say(job->out, ", label smoothing %g", t->label_smoothing);
    say(job->out, ", seed %" PRIu64 "\n", t->seed);
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
    say(job->out, "\n");
    announce_recipe(job);
    say(job->out, "  processor    %s, %s kernels\n", job->cpu.model, job->cpu.level);
    say(job->out, "  threads      %d: %s\n", t->n_threads > 0 ? t->n_threads : job->cpu.n_threads,
        t->n_threads > 0 && t->n_threads != job->cpu.n_threads ? "as asked for" : job->cpu.reason);
    say(job->out, "               ");
    text_wrap(job->out, job->cpu.advice, 15, 90);
    if (t->checkpoint_dir)
        say(job->out, "  checkpoints  %s%s\n", t->checkpoint_dir,
            job->checkpoint ? "" : ", removed after success");
    if (job->tensorboard) say(job->out, "  events       %s, for TensorBoard\n", job->tensorboard);
    say(job->out, "  output       %s%s\n\n", job->output_path,
        access(job->output_path, F_OK) == 0 ? ", replaces the file that is there" : "");
    fflush(job->out);
}

int training_write_json(const training *job) {
    if (!job->json) return EXIT_DONE;
    const tn_train_result *r = &job->result;
    json_t *o = json_object();
    json_put_model(o, job->model_name, job->trained);
    json_put_text(o, "data", job->data_name);
    json_put_real(o, "test_accuracy", job->evaluation.n > 0 ? job->evaluation.accuracy : NAN);
    json_put_real(o, "test_loss", job->evaluation.n > 0 ? job->evaluation.loss : NAN);
    json_put_real(o, "loss", r->loss);
    json_put_real(o, "train_accuracy", r->accuracy);
    json_put_real(o, "held_out_accuracy", r->held_out_accuracy);
    json_put_real(o, "held_out_loss", r->held_out_loss);
    json_put_real(o, "seconds", r->seconds);
    json_put_real(o, "images_per_s", r->images_per_s);
    json_put_integer(o, "threads", r->n_threads);
    json_put_integer(o, "epochs", r->epochs);
    json_put_integer(o, "steps", r->steps);
    json_put_integer(o, "batch_size", r->batch_size);
    json_put_text(o, "optimizer", training_optimizer_names[r->optimizer - 1]);
    json_put_text(o, "schedule", training_schedule_names[r->schedule - 1]);
    json_put_real(o, "lr", r->lr);
    json_put_integer(o, "seed", (int64_t)job->options.seed);
    json_put_text(o, "mode", "reference");
    json_put_text(o, "level", job->cpu.level);
    json_put_bool(o, "resumed", r->resumed);
    json_put_bool(o, "stopped", r->stopped);
    json_put_text(o, "output", r->stopped ? NULL : job->output_path);
    if (!r->stopped) json_put_integer(o, "output_bytes", job->output_bytes);
    bool kept = r->checkpoint[0] && (r->stopped || job->checkpoint);
    json_put_text(o, "checkpoint", kept ? r->checkpoint : NULL);
    return json_write(o, job->json);
}
