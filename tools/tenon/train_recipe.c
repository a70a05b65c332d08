/* SPDX-License-Identifier: Apache-2.0 */
/* train_recipe.c: the recipe in words and for programs. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "text.h"
#include "training.h"

static void put(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends; what does not fit is cut off. */
static void put(char *text, const char *format, ...) {
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, TRAINING_RECIPE_TEXT - used, format, args);
    va_end(args);
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static double positive(double x) { return x > 0 ? x : 0; }

static bool has_momentum(const tn_train_options *t) {
    return t->optimizer == TN_OPTIMIZER_SGD || t->optimizer == TN_OPTIMIZER_LARS;
}

static void describe_optimizer(const tn_train_options *t, char *text) {
    put(text, ", %s, lr %g %s", training_optimizer_names[t->optimizer - 1], t->lr,
        training_schedule_names[t->schedule - 1]);
    if (t->warmup > 0)
        put(text, " with %g epoch%s of warm-up", t->warmup, t->warmup == 1 ? "" : "s");
    if (has_momentum(t))
        put(text, ", %smomentum %g", t->nesterov ? "Nesterov " : "", positive(t->momentum));
    if (t->weight_decay > 0)
        put(text, ", weight decay %g%s", t->weight_decay, t->decay_all ? " of all" : "");
    if (t->clip_norm > 0) put(text, ", gradients clipped to %g", t->clip_norm);
}

void training_describe_recipe(const training *job, char text[TRAINING_RECIPE_TEXT]) {
    const tn_train_options *t = &job->options;
    char words[512];
    text[0] = '\0';
    put(text, "%" PRId64 " epoch%s, ", t->epochs, plural(t->epochs));
    if (t->accumulate > 1) put(text, "%" PRId64 " ", t->accumulate);
    put(text, "batches of %" PRId64, t->batch_size);
    if (t->accumulate > 1) put(text, " a step");
    describe_optimizer(t, text);
    if (t->label_smoothing > 0) put(text, ", label smoothing %g", t->label_smoothing);
    if (t->bn_group > 0 && t->bn_group != t->batch_size)
        put(text, ", batch normalisation in groups of %" PRId64, t->bn_group);
    if (job->augment) put(text, ", augmented by %s", text_clean(words, sizeof words, job->augment));
    if (t->ema > 0) put(text, ", average of weights with decay %g", t->ema);
    if (t->keep_best) put(text, ", best epoch kept");
    if (t->patience > 0)
        put(text, ", patience of %" PRId64 " epoch%s", t->patience, plural(t->patience));
    put(text, ", seed %" PRIu64, t->seed);
}

void training_put_recipe(const training *job, json_t *o) {
    const tn_train_options *t = &job->options;
    json_put_text(o, "optimizer", training_optimizer_names[t->optimizer - 1]);
    json_put_text(o, "schedule", training_schedule_names[t->schedule - 1]);
    json_put_real(o, "lr", t->lr);
    json_put_real(o, "warmup_epochs", t->warmup);
    json_put_real(o, "momentum", has_momentum(t) ? positive(t->momentum) : 0);
    json_put_bool(o, "nesterov", t->nesterov);
    json_put_real(o, "weight_decay", positive(t->weight_decay));
    json_put_bool(o, "decay_all", t->decay_all);
    json_put_real(o, "clip_norm", t->clip_norm);
    json_put_integer(o, "accumulate", t->accumulate);
    json_put_real(o, "label_smoothing", positive(t->label_smoothing));
    json_put_text(o, "augment", job->augment);
    json_put_integer(o, "bn_group", t->bn_group);
    json_put_real(o, "held_out", t->held_out);
    json_put_real(o, "ema", t->ema);
    json_put_bool(o, "keep_best", t->keep_best);
    json_put_integer(o, "patience", t->patience);
}
