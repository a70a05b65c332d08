/* SPDX-License-Identifier: Apache-2.0 */
/* plan_report.c: a plan in rows, as people and programs read it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/plan_trial.h"
#include "graph/cost.h"

struct tn_plan_report {
    tn_arena strings;
    tn_plan_info info;
    tn_plan_segment_info *segments; /* [info.n_segments] */
    tn_plan_node_info *nodes;       /* [info.n_nodes] */
};

/* Numbers of a hostile model may be beyond what int64_t holds. */
static int64_t count(double number) { return number < 9e18 ? (int64_t)number : INT64_MAX; }

static double seconds(int64_t ns) { return 1e-9 * (double)ns; }

/* ---- Nodes ----------------------------------------------------------------------------------- */

static const char *place_name(tn_place_kind kind) {
    switch (kind) {
    case TN_PLACE_INPUT: return "input";
    case TN_PLACE_PARAMETER: return "parameter";
    case TN_PLACE_CONSTANT: return "constant";
    case TN_PLACE_BATCH: return "batch";
    case TN_PLACE_TILE: return "tile";
    case TN_PLACE_PARTIAL: return "partial";
    case TN_PLACE_GRADIENT: return "gradient";
    case TN_PLACE_NONE: break;
    }
    return "";
}

/* "tile+batch": every kind of place that outputs have, once. */
static char *places(tn_arena *arena, const tn_plan_step *step) {
    char text[64] = "";
    for (int i = 0; i < step->node->n_outputs; i++) {
        const char *name = place_name(step->out[i].kind);
        size_t used = strlen(text);
        if (!strstr(text, name))
            snprintf(text + used, sizeof text - used, "%s%s", used ? "+" : "", name);
    }
    return tn_arena_strdup(arena, text);
}

/* Rows that a call of a step makes in the middle of an image. */
static int64_t rows_of(const tn_plan *plan, int step) {
    const tn_roll *roll = tn_roll_of(plan, step);
    if (!roll) return 0;
    const tn_row_call *calls = &roll->calls[roll->n_blocks / 2 * roll->n_steps];
    const tn_rows rows = calls[step - roll->first_step].rows;
    return rows.end - rows.begin;
}

static int64_t measured_ns(const tn_plan_trial *trial, int step) {
    int64_t sum = 0;
    for (int t = 0; t < tn_pool_threads(trial->pool); t++)
        sum += trial->profile.steps[(int64_t)t * trial->plan->n_steps + step];
    return sum;
}

/* With what passes have made the end of it: "ConvAddRelu". */
static char *operator_name(tn_arena *arena, const tn_node *node) {
    static const char *const endings[] = {[TN_ACTIVATION_NONE] = "",
                                          [TN_ACTIVATION_CLIP] = "Clip",
                                          [TN_ACTIVATION_LEAKY_RELU] = "LeakyRelu",
                                          [TN_ACTIVATION_HARD_SWISH] = "HardSwish",
                                          [TN_ACTIVATION_SIGMOID] = "Sigmoid",
                                          [TN_ACTIVATION_SILU] = "Silu"};
    const tn_activation *a = &node->activation;
    return tn_arena_printf(arena, "%s%s%s", node->op->name, node->more ? "Add" : "",
                           tn_is_relu(a) ? "Relu" : endings[a->kind]);
}

static tn_status describe_node(tn_plan_report *r, const tn_plan_trial *trial,
                               const tn_roofline *roofline, int segment, int step,
                               tn_error *error) {
    const tn_plan_step *s = &trial->plan->steps[step];
    const tn_work work = tn_work_of(trial->plan, s);
    tn_plan_node_info *node = &r->nodes[step];
    *node = (tn_plan_node_info){.size = sizeof *node,
                                .name = tn_arena_strdup(&r->strings, s->node->name),
                                .op = operator_name(&r->strings, s->node),
                                .implementation = s->implementation->name,
                                .segment = segment,
                                .again = s->again,
                                .rows = rows_of(trial->plan, step),
                                .held = trial->plan->held[s->node->outputs[0]->id].bytes > 0,
                                .macs = count(work.macs),
                                .bytes_in = work.bytes_in,
                                .bytes_out = work.bytes_out,
                                .place = places(&r->strings, s),
                                .expected_cpu_s = tn_cost_of_step(
                                    trial->plan, &trial->plan->segments[segment], s, roofline),
                                .measured_cpu_s = seconds(measured_ns(trial, step))};
    return node->name && node->op && node->place ? TN_OK : tn_fail_memory(error);
}

static int bands_of(const tn_plan *plan, const tn_segment *segment) {
    return tn_is_banded(plan, segment) ? plan->rolls[segment->first_roll].n_bands : 1;
}

static bool shares_channels(const tn_plan *plan, const tn_segment *segment) {
    return tn_is_banded(plan, segment) && plan->rolls[segment->first_roll].by_channels;
}

/* ---- Segments and the whole ------------------------------------------------------------------ */

static tn_status describe_segment(tn_plan_report *r, const tn_plan_trial *trial,
                                  const tn_roofline *roofline, int s, tn_error *error) {
    const tn_segment *segment = &trial->plan->segments[s];
    tn_plan_segment_info *info = &r->segments[s];
    double macs = 0, bytes_in = 0, bytes_out = 0;
    *info = (tn_plan_segment_info){.size = sizeof *info,
                                   .tiled = !segment->whole,
                                   .by_shard = segment->by_shard,
                                   .tile = segment->tile,
                                   .n_bands = bands_of(trial->plan, segment),
                                   .by_channels = shares_channels(trial->plan, segment),
                                   .n_tasks = tn_segment_tasks(trial->plan, segment),
                                   .first_node = segment->first_step,
                                   .n_nodes = segment->n_steps,
                                   .measured_s = seconds(trial->profile.segments[s])};
    for (int i = segment->first_step; i < segment->first_step + segment->n_steps; i++) {
        TN_TRY(describe_node(r, trial, roofline, s, i, error));
        macs += (double)r->nodes[i].macs;
        bytes_in += (double)r->nodes[i].bytes_in;
        bytes_out += (double)r->nodes[i].bytes_out;
        info->expected_cpu_s += r->nodes[i].expected_cpu_s;
        info->measured_cpu_s += r->nodes[i].measured_cpu_s;
    }
    info->macs = count(macs);
    info->bytes_in = count(bytes_in);
    info->bytes_out = count(bytes_out);
    info->expected_s = tn_cost_of_segment(trial->plan, segment, info->expected_cpu_s,
                                          tn_pool_threads(trial->pool), roofline);
    return TN_OK;
}

static void describe_memory(tn_plan_info *info, const tn_plan *plan) {
    info->parameter_bytes = plan->parameters_size * (int64_t)sizeof(real);
    info->batch_bytes = plan->batch_bytes;
    info->tile_bytes = plan->tile_bytes;
    info->workspace_bytes = plan->workspace_bytes;
    info->partial_bytes = plan->partial_bytes * plan->n_shards;
    info->packed_bytes = plan->packed_bytes;
    info->total_bytes = info->parameter_bytes + info->batch_bytes + info->partial_bytes +
                        info->packed_bytes +
                        (info->tile_bytes + info->workspace_bytes) * info->n_threads;
}

static tn_status describe(tn_plan_report *r, const tn_plan_trial *trial, bool training,
                          const tn_roofline *roofline, tn_error *error) {
    const tn_plan *plan = trial->plan;
    double macs = 0;
    r->info = (tn_plan_info){.size = sizeof r->info,
                             .training = training,
                             .batch_size = trial->batch,
                             .n_threads = tn_pool_threads(trial->pool),
                             .n_shards = plan->n_shards,
                             .n_segments = plan->n_segments,
                             .n_nodes = plan->n_steps,
                             .measured_s = seconds(trial->profile.total),
                             .packing_s = seconds(trial->profile.pack),
                             .summing_s = seconds(trial->profile.reduce),
                             .n_runs = trial->n_runs,
                             .macs_per_s = roofline->macs_per_s,
                             .l2_bytes_per_s = roofline->bytes_per_s[TN_LEVEL_L2],
                             .l3_bytes_per_s = roofline->bytes_per_s[TN_LEVEL_L3],
                             .memory_bytes_per_s = roofline->bytes_per_s[TN_LEVEL_MEMORY]};
    snprintf(r->info.level, sizeof r->info.level, "%s", trial->kernels.level);
    describe_memory(&r->info, plan);
    r->segments = calloc((size_t)plan->n_segments + 1, sizeof *r->segments);
    r->nodes = calloc((size_t)plan->n_steps + 1, sizeof *r->nodes);
    if (!r->segments || !r->nodes) return tn_fail_memory(error);
    for (int s = 0; s < plan->n_segments; s++) {
        TN_TRY(describe_segment(r, trial, roofline, s, error));
        macs += (double)r->segments[s].macs;
        r->info.expected_s += r->segments[s].expected_s;
    }
    r->info.macs = count(macs);
    return TN_OK;
}

/* ---- The interface --------------------------------------------------------------------------- */

static tn_status report(const tn_model *model, const tn_plan_report_options *options, tn_pool *pool,
                        tn_plan_trial *trial, tn_plan_report *r, tn_error *error) {
    tn_roofline roofline;
    TN_TRY(tn_plan_trial_create(model, options, pool, trial, error));
    TN_TRY(tn_roofline_measure(&trial->kernels, trial->pool, &roofline, error));
    TN_TRY(tn_plan_trial_run(trial, error));
    return describe(r, trial, options->training, &roofline, error);
}

tn_status tn_plan_report_create(const tn_model *model, const tn_plan_report_options *options,
                                tn_plan_report **made, tn_error *error) {
    tn_plan_report_options o = TN_INIT(tn_plan_report_options);
    tn_plan_trial trial = {0};
    tn_pool *pool = NULL;
    if (!model || !made || (options && options->size == 0))
        return tn_fail(error, TN_ERR_ARGUMENT,
                       "cannot report a plan: model or result is NULL, or the options' size is 0");
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    tn_plan_report *r = calloc(1, sizeof *r);
    if (!r) return tn_fail_memory(error);
    tn_status status = tn_plan_trial_pool(&o, &pool, error);
    if (status == TN_OK) status = report(model, &o, pool, &trial, r, error);
    tn_plan_trial_free(&trial);
    tn_pool_free(pool);
    if (status == TN_OK)
        *made = r;
    else
        tn_plan_report_free(r);
    return status;
}

void tn_plan_report_free(tn_plan_report *report) {
    if (!report) return;
    free(report->segments);
    free(report->nodes);
    tn_arena_free(&report->strings);
    free(report);
}

/* Copies what the caller's version of a structure has room for. */
static void copy_out(const void *from, size_t bytes, void *to, size_t size) {
    memcpy(to, from, size < bytes ? size : bytes);
    memcpy(to, &size, sizeof size);
}

void tn_plan_report_describe(const tn_plan_report *report, tn_plan_info *info) {
    copy_out(&report->info, sizeof *info, info, info->size);
}

void tn_plan_report_describe_segment(const tn_plan_report *report, int i,
                                     tn_plan_segment_info *info) {
    copy_out(&report->segments[i], sizeof *info, info, info->size);
}

void tn_plan_report_describe_node(const tn_plan_report *report, int i, tn_plan_node_info *info) {
    copy_out(&report->nodes[i], sizeof *info, info, info->size);
}
