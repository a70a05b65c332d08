/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c: measures which implementation computes each pass of a model's convolutions fastest, as
 * part of whole steps of training: with the caches, tiles and numbers that they meet there. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/plan_trial.h"
#include "base/clock.h"
#include "graph/lanes.h"
#include "ops/tuning.h"

enum { LEAST_ROUNDS = 5, MOST_ROUNDS = 101, MOST_TRIALS = TN_TUNING_MAX_CANDIDATES };
static const double default_seconds = 10;
static const double noise = 0.05; /* a smaller part of the time is no reason for other bits */

/* Of the implementations of one pass. */
typedef struct contest {
    conv_choice_key key;
    int n_nodes, n_candidates;
    const char *candidates[TN_TUNING_MAX_CANDIDATES]; /* the built-in first */
    double ms[TN_TUNING_MAX_CANDIDATES][MOST_ROUNDS];
} contest;

typedef struct tuner {
    tn_plan_report_options options;
    tn_pool *pool;
    contest *contests;
    int n_contests, n_trials, n_rounds;
    /* Trial k has candidate k of each contest, or one of them again if there are fewer. */
    tn_plan_trial trials[MOST_TRIALS];
    tn_tuning *tables[MOST_TRIALS]; /* NULL for the first: what is built in */
    tn_profile profiles[MOST_TRIALS];
} tuner;

/* ---- Who competes ---------------------------------------------------------------------------- */

static contest *contest_of(const tuner *t, const tn_node *node) {
    conv_choice_key key;
    const tn_kernels *kernels = &t->trials[0].kernels;
    if (tn_node_in_lanes(node) || !conv_choice_key_of(node, kernels, &key)) return NULL;
    for (int i = 0; i < t->n_contests; i++)
        if (conv_choice_compare(&t->contests[i].key, &key) == 0) return &t->contests[i];
    return NULL;
}

static void add_contest(tuner *t, const tn_plan_step *step, const tn_kernels *kernels) {
    contest *c = &t->contests[t->n_contests];
    if (tn_node_in_lanes(step->node) || !conv_choice_key_of(step->node, kernels, &c->key)) return;
    c->n_candidates = conv_choice_candidates(step->node, kernels, c->candidates);
    for (int i = 1; i < c->n_candidates; i++)
        if (strcmp(c->candidates[i], step->implementation->name) == 0) {
            c->candidates[i] = c->candidates[0];
            c->candidates[0] = step->implementation->name;
        }
    if (c->n_candidates > 1) t->n_contests++;
}

static tn_status find_contests(tuner *t, tn_error *error) {
    const tn_plan *plan = t->trials[0].plan;
    t->contests = calloc((size_t)plan->n_steps + 1, sizeof *t->contests);
    if (!t->contests) return tn_fail_memory(error);
    t->n_trials = 1;
    for (int i = 0; i < plan->n_steps; i++) {
        const tn_plan_step *step = &plan->steps[i];
        if (!contest_of(t, step->node)) add_contest(t, step, &t->trials[0].kernels);
        contest *c = contest_of(t, step->node);
        if (!c) continue;
        c->n_nodes += !step->again;
        if (c->n_candidates > t->n_trials) t->n_trials = c->n_candidates;
    }
    return TN_OK;
}

static tn_status make_table(tuner *t, int trial, tn_error *error) {
    TN_TRY(tn_tuning_create(t->trials[0].kernels.level, t->n_contests, &t->tables[trial], error));
    tn_tuning *table = t->tables[trial];
    for (int i = 0; i < t->n_contests; i++) {
        const contest *c = &t->contests[i];
        table->rows[table->n_rows++].choice =
            (conv_choice){c->key, c->candidates[trial % c->n_candidates]};
    }
    return tn_tuning_finish(table, error);
}

static tn_status create_trial(tuner *t, const tn_model *model, int trial, tn_error *error) {
    tn_plan_report_options options = t->options;
    options.tuning = t->tables[trial];
    TN_TRY(tn_plan_trial_create(model, &options, t->pool, &t->trials[trial], error));
    tn_profile *p = &t->profiles[trial];
    size_t n_steps = (size_t)t->trials[trial].plan->n_steps;
    p->steps = calloc((size_t)tn_pool_threads(t->pool) * n_steps + 1, sizeof *p->steps);
    p->packs = calloc(n_steps + 1, sizeof *p->packs);
    p->segments = calloc((size_t)t->trials[trial].plan->n_segments + 1, sizeof *p->segments);
    return p->steps && p->packs && p->segments ? TN_OK : tn_fail_memory(error);
}

static tn_status create_trials(tuner *t, const tn_model *model, tn_error *error) {
    TN_TRY(tn_plan_trial_pool(&t->options, &t->pool, error));
    TN_TRY(create_trial(t, model, 0, error));
    TN_TRY(find_contests(t, error));
    for (int k = 1; k < t->n_trials; k++) {
        TN_TRY(make_table(t, k, error));
        TN_TRY(create_trial(t, model, k, error));
    }
    return TN_OK;
}

static void free_tuner(tuner *t) {
    for (int k = 0; k < MOST_TRIALS; k++) {
        tn_plan_trial_free(&t->trials[k]);
        tn_tuning_free(t->tables[k]);
        free(t->profiles[k].steps);
        free(t->profiles[k].packs);
        free(t->profiles[k].segments);
    }
    free(t->contests);
    tn_pool_free(t->pool);
}

/* ---- Measuring ------------------------------------------------------------------------------- */

/* What a trial's nodes took in a round, packing of weights included. */
static void run_trial(tuner *t, int trial, int round) {
    const tn_plan *plan = t->trials[trial].plan;
    tn_profile *p = &t->profiles[trial];
    int n_threads = tn_pool_threads(t->pool);
    memset(p->steps, 0, (size_t)n_threads * (size_t)plan->n_steps * sizeof *p->steps);
    memset(p->packs, 0, (size_t)plan->n_steps * sizeof *p->packs);
    tn_plan_trial_step(&t->trials[trial], p);
    for (int i = 0; i < t->n_contests; i++)
        if (trial < t->contests[i].n_candidates) t->contests[i].ms[trial][round] = 0;
    for (int i = 0; i < plan->n_steps; i++) {
        contest *c = contest_of(t, plan->steps[i].node);
        if (!c || trial >= c->n_candidates) continue;
        int64_t ns = p->packs[i];
        for (int n = 0; n < n_threads; n++) ns += p->steps[(int64_t)n * plan->n_steps + i];
        c->ms[trial][round] += 1e-6 * (double)ns;
    }
}

/* Rounds of all trials, every other one backwards; what a first one warms up does not count. */
static tn_status measure(tuner *t, const tn_tune_options *o, tn_error *error) {
    int64_t begin = tn_now_ns();
    for (int round = -1; round < MOST_ROUNDS; round++) {
        bool over = 1e-9 * (double)(tn_now_ns() - begin) > o->seconds;
        if (round >= LEAST_ROUNDS && over) break;
        for (int i = 0; i < t->n_trials; i++) {
            if (o->stop && *o->stop)
                return t->n_rounds >= LEAST_ROUNDS
                           ? TN_OK
                           : tn_fail(error, TN_STOPPED, "stopped before all was measured");
            run_trial(t, round % 2 ? t->n_trials - 1 - i : i, round < 0 ? 0 : round);
        }
        t->n_rounds = round + 1;
    }
    return TN_OK;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The number that so many hundredths of the others are below. */
static double percentile(int n, const double *values, int percent) {
    double sorted[MOST_ROUNDS];
    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return sorted[n * percent / 100];
}

static bool is_faster(const contest *c, int candidate, int n_rounds) {
    double ratios[MOST_ROUNDS];
    for (int r = 0; r < n_rounds; r++) ratios[r] = c->ms[candidate][r] / c->ms[0][r];
    return percentile(n_rounds, ratios, 75) < 1 - noise;
}

static tn_tuning_row judge(const contest *c, int n_rounds) {
    tn_tuning_row row = {.choice = {c->key, c->candidates[0]},
                         .built_in = c->candidates[0],
                         .n_nodes = c->n_nodes,
                         .n_candidates = c->n_candidates};
    int best = 0;
    for (int i = 0; i < c->n_candidates; i++) {
        row.candidates[i] = c->candidates[i];
        row.ms[i] = percentile(n_rounds, c->ms[i], 50);
        if (i > 0 && row.ms[i] < row.ms[best] && is_faster(c, i, n_rounds)) best = i;
    }
    row.choice.implementation = c->candidates[best];
    return row;
}

static tn_status judge_all(const tuner *t, tn_tuning **made, tn_error *error) {
    tn_tuning *table;
    TN_TRY(tn_tuning_create(t->trials[0].kernels.level, t->n_contests, &table, error));
    for (int i = 0; i < t->n_contests; i++)
        table->rows[table->n_rows++] = judge(&t->contests[i], t->n_rounds);
    tn_status status = tn_tuning_finish(table, error);
    if (status == TN_OK)
        *made = table;
    else
        tn_tuning_free(table);
    return status;
}

/* ---- The interface --------------------------------------------------------------------------- */

static tn_status tune(tuner *t, const tn_model *model, const tn_tune_options *o, tn_tuning **tuning,
                      tn_error *error) {
    TN_TRY(create_trials(t, model, error));
    if (t->n_contests > 0) TN_TRY(measure(t, o, error));
    return judge_all(t, tuning, error);
}

tn_status tn_tune(const tn_model *model, const tn_tune_options *options, tn_tuning **tuning,
                  tn_error *error) {
    tn_tune_options o = TN_INIT(tn_tune_options);
    if (!model || !tuning || (options && options->size == 0))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot tune: model or result is NULL, or the options' size is 0");
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.seconds == 0) o.seconds = default_seconds;
    if (!isfinite(o.seconds) || o.seconds < 0)
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot tune for %g seconds", o.seconds);
    tuner *t = calloc(1, sizeof *t);
    if (!t) return tn_fail_memory(error);
    t->options = TN_INIT(tn_plan_report_options);
    t->options.training = true;
    t->options.batch_size = o.batch_size;
    t->options.n_threads = o.n_threads;
    tn_status status = tune(t, model, &o, tuning, error);
    free_tuner(t);
    free(t);
    return status;
}
