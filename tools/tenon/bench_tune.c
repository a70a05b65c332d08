/* SPDX-License-Identifier: Apache-2.0 */
/* bench_tune.c: tenon bench --tune. */
#include <inttypes.h>
#include <string.h>

#include "bench.h"
#include "json.h"
#include "message.h"
#include "text.h"

/* ---- For people ------------------------------------------------------------------------------ */

enum { CANDIDATES = 60 }; /* columns */

static double ms_of(const tn_tuning_choice *c, const char *implementation) {
    for (int i = 0; i < c->n_candidates; i++)
        if (strcmp(c->candidates[i], implementation) == 0) return c->ms[i];
    return 0;
}

static bool is_changed(const tn_tuning_choice *c) {
    return strcmp(c->implementation, c->built_in) != 0;
}

static void print_choice(FILE *out, const tn_tuning_choice *c) {
    char text[256] = "";
    int n = 0;
    for (int i = 0; i < c->n_candidates; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s %.2f  ", c->candidates[i], c->ms[i]);
    say(out, "  %-16s %-*s %s", c->pass, CANDIDATES, text, c->implementation);
    if (is_changed(c)) {
        double saved = 1 - ms_of(c, c->implementation) / ms_of(c, c->built_in);
        say(out, ", %.0f %% less than %s", 100 * saved, c->built_in);
    }
    say(out, "\n");
}

static void print_choices(FILE *out, const tn_tuning *tuning, int n) {
    char shape[sizeof(((tn_tuning_choice *)0)->shape)] = "";
    say(out, "%-18s %-*s %s\n", "convolution", CANDIDATES, "ms of a step, all threads together",
        "choice");
    for (int i = 0; i < n; i++) {
        tn_tuning_choice c = TN_INIT(tn_tuning_choice);
        tn_tuning_describe_choice(tuning, i, &c);
        if (strcmp(shape, c.shape) != 0)
            say(out, "%s (%d layer%s)\n", c.shape, c.n_nodes, c.n_nodes == 1 ? "" : "s");
        memcpy(shape, c.shape, sizeof shape);
        print_choice(out, &c);
    }
}

static void print_sum(FILE *out, const tn_tuning *tuning, int n) {
    double before = 0, after = 0;
    int changed = 0;
    for (int i = 0; i < n; i++) {
        tn_tuning_choice c = TN_INIT(tn_tuning_choice);
        tn_tuning_describe_choice(tuning, i, &c);
        before += ms_of(&c, c.built_in);
        after += ms_of(&c, c.implementation);
        changed += is_changed(&c);
    }
    say(out, "%d of %d choices differ from the built-in", changed, n);
    if (changed > 0) say(out, ": %.1f ms instead of %.1f", after, before);
    say(out, "\n");
}

static void print(const bench *job, const tn_tuning *tuning) {
    tn_tuning_info info = TN_INIT(tn_tuning_info);
    char name[512];
    tn_tuning_describe(tuning, &info);
    if (info.n_choices == 0) {
        say(job->out, "There is no choice: nothing in %s can be computed in several ways.\n",
            text_clean(name, sizeof name, job->model_name));
        return;
    }
    print_choices(job->out, tuning, info.n_choices);
    print_sum(job->out, tuning, info.n_choices);
}

static void announce(const bench *job, const tn_tune_options *options) {
    tn_train_options recipe = TN_INIT(tn_train_options);
    char name[512], batch[TEXT_NUMBER];
    recipe.batch_size = options->batch_size;
    recipe.n_threads = options->n_threads;
    tn_train_resolve(job->model, NULL, &recipe);
    say(job->out, "Tuning %s: a step of training, batch of %s, %d thread%s, %s kernels\n\n",
        text_clean(name, sizeof name, job->model_name), text_count(batch, recipe.batch_size),
        recipe.n_threads, recipe.n_threads == 1 ? "" : "s", job->cpu.level);
    if (job->out) fflush(job->out);
}

/* ---- For programs ---------------------------------------------------------------------------- */

static json_t *choice_json(const tn_tuning_choice *c) {
    json_t *o = json_object(), *ms = json_object();
    json_put_text(o, "pass", c->pass);
    json_put_text(o, "shape", c->shape);
    json_put_integer(o, "layers", c->n_nodes);
    json_put_text(o, "implementation", c->implementation);
    json_put_text(o, "built_in", c->built_in);
    for (int i = 0; i < c->n_candidates; i++) json_put_real(ms, c->candidates[i], c->ms[i]);
    json_object_set_new(o, "ms", ms);
    return o;
}

static int write_json(const bench *job, const tn_tune_options *options, const tn_tuning *tuning) {
    tn_tuning_info info = TN_INIT(tn_tuning_info);
    tn_train_options recipe = TN_INIT(tn_train_options);
    json_t *o = json_object(), *choices = json_array();
    recipe.batch_size = options->batch_size;
    recipe.n_threads = options->n_threads;
    tn_train_resolve(job->model, NULL, &recipe);
    tn_tuning_describe(tuning, &info);
    json_put_model(o, job->model_name, job->model);
    json_put_text(o, "level", info.level);
    json_put_integer(o, "batch_size", recipe.batch_size);
    json_put_integer(o, "threads", recipe.n_threads);
    json_put_text(o, "tuning_sha256", info.sha256);
    json_put_text(o, "output", job->output);
    for (int i = 0; i < info.n_choices; i++) {
        tn_tuning_choice c = TN_INIT(tn_tuning_choice);
        tn_tuning_describe_choice(tuning, i, &c);
        json_array_append_new(choices, choice_json(&c));
    }
    json_object_set_new(o, "choices", choices);
    return json_write(o, job->json);
}

/* ---- Both ------------------------------------------------------------------------------------ */

static bool save(const bench *job, const tn_tuning *tuning) {
    tn_error error;
    if (!job->output) return true;
    if (tn_tuning_save(tuning, job->output, &error) != TN_OK)
        return fail_error(&error) == EXIT_DONE;
    say(job->out, "wrote %s, for tenon train %s --tuning %s\n", job->output, job->model_name,
        job->output);
    return true;
}

int bench_tune(const bench *job) {
    tn_tune_options options = TN_INIT(tn_tune_options);
    tn_tuning *tuning = NULL;
    tn_error error;
    options.batch_size = job->batch_size;
    options.n_threads = (int)job->n_threads;
    options.seconds = job->seconds;
    announce(job, &options);
    if (tn_tune(job->model, &options, &tuning, &error) != TN_OK) return fail_error(&error);
    print(job, tuning);
    int code = save(job, tuning) ? EXIT_DONE : EXIT_FAILED;
    if (code == EXIT_DONE && job->json) code = write_json(job, &options, tuning);
    tn_tuning_free(tuning);
    return code;
}
