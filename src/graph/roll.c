/* SPDX-License-Identifier: Apache-2.0 */
/* roll.c: which steps go by rows. Where a sample's values do not stay in a core's second-level
 * cache, a run of steps saves writing and reading them, and pays with more calls and with weights
 * read again for every block of rows. Where there are fewer samples than threads, bands of rows
 * keep all of them busy, and pay with rows at their borders computed twice. No bit depends on it.
 * Each segment is cut into the runs that together save most (dynamic programming). */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/cost.h"
#include "graph/images.h"
#include "graph/rows.h"

/* A call beyond the first for a sample; the threads meeting once. */
static const double call_s = 2e-7, join_s = 10e-6;
/* What is left of moving values where arithmetic goes on meanwhile: about so much of the gain was
 * found in a VGG-like network, less in MobileNetV2. */
static const double exposed = 0.5;

/* A run of steps, what it saves, and how. */
typedef struct choice {
    double saved_s; /* not above 0: it is none */
    int64_t block;
    int n_bands;
    bool by_channels;
} choice;

typedef struct chooser {
    tn_plan *plan;
    const tn_plan_options *options;
    tn_row_walk walk;
    int most_bands;  /* of a sample, in the segment at hand */
    double weight_s; /* for reading a byte of weights */
} chooser;

/* ---- What a block takes ---------------------------------------------------------------------- */

static int64_t sample_bytes(const tn_value *v) {
    return tn_shape_sample_elements(&v->shape) * (int64_t)tn_dtype_bytes(v->dtype);
}

/* Bytes that a block in the middle of the image works on, and of them those that are moved on. */
typedef struct block_bytes {
    double all, kept;
} block_bytes;

/* Whether a step writes over the rows of its input, which nobody needs any more. */
static bool lies_over_input(const tn_row_walk *w, int s, const int64_t *before) {
    const tn_node *node = w->plan->steps[w->first + s].node;
    const tn_value *x = node->inputs[0];
    int made = x ? w->made[x->id] - w->first : -1;
    return node->op->in_place && made >= 0 && made < s && w->used[x->id] == w->first + s &&
           !tn_row_walk_is_whole(w, node->outputs[0]) && w->row[x->id] >= before[made];
}

static block_bytes bytes_of_block(const chooser *c, int64_t block) {
    const tn_row_walk *w = &c->walk;
    int64_t before[TN_ROLL_STEPS], after[TN_ROLL_STEPS], heights[TN_ROLL_STEPS];
    int64_t height = tn_row_walk_height(w, w->n - 1), group = tn_row_walk_group(w);
    int64_t to = tn_min_i64(height, tn_round_up((height + block) / 2, group));
    block_bytes sum = {0, 0};
    tn_row_walk_ends(w, to, true, after);
    tn_row_walk_ends(w, tn_max_i64(0, to - block), true, before);
    for (int s = 0; s < w->n; s++) heights[s] = tn_row_walk_height(w, s);
    tn_row_walk_needed(w, before, heights);
    for (int s = 0; s < w->n; s++) {
        const tn_node *node = w->plan->steps[w->first + s].node;
        for (int k = 0; k < node->n_outputs; k++) {
            const tn_value *v = node->outputs[k];
            double row = (double)sample_bytes(v) / (double)heights[s];
            int64_t kept = before[s] - tn_min_i64(w->row[v->id], before[s]);
            if (tn_row_walk_is_whole(w, v)) kept = 0;
            if (k == 0 && kept == 0 && lies_over_input(w, s, before)) continue;
            sum.kept += row * (double)kept;
            sum.all += row * (double)(after[s] - before[s] + kept);
        }
    }
    return sum;
}

/* Rows of the last step's output, so many that a block stays within the budget, and few enough that
 * all blocks are about as high; always whole groups. One group if that is too much, 0 if by far. */
static int64_t block_that_fits(const chooser *c, int64_t rows) {
    enum { PROBE = 9 };
    int64_t group = tn_row_walk_group(&c->walk);
    double one = bytes_of_block(c, group).all;
    if (one > 8 * TN_TILE_BYTES) return 0;
    double step = (bytes_of_block(c, PROBE * group).all - one) / (PROBE - 1);
    double fit = step > 0 ? 1 + (TN_TILE_BYTES - one) / step : (double)rows;
    int64_t groups = (rows + group - 1) / group;
    int64_t block = fit < 1 ? 1 : fit > (double)groups ? groups : (int64_t)fit;
    int64_t n = (groups + block - 1) / block;
    return tn_min_i64((groups + n - 1) / n * group, rows);
}

/* ---- What a run saves ------------------------------------------------------------------------ */

/* Seconds for writing and reading the values of a whole sample between steps that would leave the
 * second-level cache, rather than blocks of them in a nearer level. After bytes_of_block, which has
 * left in walk.row whether a step of the run reads a value. */
static double moving_s(const chooser *c, tn_level near) {
    const tn_row_walk *w = &c->walk;
    const tn_roofline *r = &tn_roofline_usual;
    double seconds = 0;
    for (int s = 0; s < w->n; s++) {
        const tn_node *node = w->plan->steps[w->first + s].node;
        for (int k = 0; k < node->n_outputs; k++) {
            const tn_value *v = node->outputs[k];
            int64_t bytes = sample_bytes(v);
            bool read = w->row[v->id] != INT64_MAX;
            if (bytes <= TN_TILE_BYTES || !read) continue;
            tn_level level = tn_roofline_level(r, 2 * bytes * c->options->n_threads, false);
            int ways = tn_row_walk_is_whole(w, v) ? 1 : 2;
            seconds +=
                ways * (double)bytes * (1 / r->bytes_per_s[level] - 1 / r->bytes_per_s[near]);
        }
    }
    return seconds;
}

/* Bytes of weights, as they are packed, that a call of a step reads. */
static double step_weights(const tn_plan_step *step) {
    double bytes = 0;
    double times =
        step->implementation->cost.weights > 0 ? (double)step->implementation->cost.weights : 1;
    for (int i = 0; i < step->node->n_inputs; i++) {
        const tn_value *v = step->node->inputs[i];
        if (v && !v->shape.batched)
            bytes += times * (double)tn_shape_elements(&v->shape) * sizeof(real);
    }
    return bytes;
}

/* Of those that the run reads for each block. */
static double weight_bytes(const chooser *c) {
    double bytes = 0;
    for (int s = 0; s < c->walk.n; s++) bytes += step_weights(&c->plan->steps[c->walk.first + s]);
    return bytes;
}

/* What walking a sample in blocks saves, if all of them together have so many rows. */
static double rolling_saves(const chooser *c, int64_t rows, int64_t block) {
    const tn_roofline *r = &tn_roofline_usual;
    const block_bytes bytes = bytes_of_block(c, block);
    double n_blocks = (double)((rows + block - 1) / block), weights = weight_bytes(c);
    tn_level near = tn_roofline_level(r, (int64_t)bytes.all, true);
    double paid = n_blocks * (c->walk.n * call_s + 2 * bytes.kept / r->bytes_per_s[near]);
    if (tn_roofline_level(r, (int64_t)(bytes.all + weights), true) != TN_LEVEL_L2)
        paid += (n_blocks - 1) * weights /
                r->bytes_per_s[tn_roofline_level(r, (int64_t)weights, false)];
    return exposed * moving_s(c, near) - paid;
}

/* Seconds for the rows [begin, end) of each step, in whole groups, with its weights read once. */
static double computing_s(const chooser *c, const int64_t *begin, const int64_t *end) {
    double seconds = 0;
    for (int s = 0; s < c->walk.n; s++) {
        const tn_plan_step *step = &c->plan->steps[c->walk.first + s];
        int64_t group = tn_max_i64(1, step->implementation->row_group);
        int64_t height = tn_round_up(tn_row_walk_height(&c->walk, s), group);
        int64_t rows = tn_round_up(end[s], group) - begin[s] / group * group;
        seconds += tn_cost_of_node(step->node, &step->implementation->cost, 1, &tn_roofline_usual) *
                       (double)tn_max_i64(0, rows) / (double)height +
                   step_weights(step) * c->weight_s;
    }
    return seconds;
}

/* What dividing a sample among threads saves, the band in the middle being the longest. */
static double bands_save(const chooser *c, int64_t rows, int n_bands) {
    int64_t none[TN_ROLL_STEPS] = {0}, begin[TN_ROLL_STEPS], end[TN_ROLL_STEPS];
    if (n_bands < 2 || !tn_row_walk_divides(&c->walk, n_bands)) return 0;
    tn_row_walk_ends(&c->walk, rows, false, end);
    double whole = computing_s(c, none, end);
    tn_row_walk_begins(&c->walk, rows * (n_bands / 2) / n_bands, begin);
    tn_row_walk_ends(&c->walk, rows * (n_bands / 2 + 1) / n_bands, false, end);
    return whole - computing_s(c, begin, end) - 2 * join_s;
}

/* What dividing the channels of the only step's output saves: each thread reads its share of the
 * weights, but all of the input. */
static double channels_save(const chooser *c, int n_shares) {
    const tn_plan_step *step = &c->plan->steps[c->walk.first];
    const int64_t channels = step->node->outputs[0]->shape.dims[1];
    /* A share must be wide enough to make up for reading the input again. */
    enum { LEAST_CHANNELS = 64 };
    static const double for_input = 0.1;
    if (n_shares < 2 || c->walk.n > 1 || !step->implementation->shares_channels ||
        channels / n_shares < LEAST_CHANNELS)
        return 0;
    double computing =
        tn_cost_of_node(step->node, &step->implementation->cost, 1, &tn_roofline_usual);
    double reading = step_weights(step) * c->weight_s;
    return computing + reading - computing * (1 + for_input) / n_shares - reading / n_shares -
           2 * join_s;
}

/* Whether some value of the run would leave the second-level cache. */
static bool is_large(const chooser *c) {
    for (int s = 0; s < c->walk.n; s++) {
        const tn_node *node = c->plan->steps[c->walk.first + s].node;
        for (int k = 0; k < node->n_outputs; k++)
            if (sample_bytes(node->outputs[k]) > TN_TILE_BYTES) return true;
    }
    return false;
}

/* Of the run in c->walk, forced to go by rows: the longest is the best. */
static choice weigh_forced(const chooser *c, int64_t rows) {
    choice found = {.saved_s = c->walk.n - 0.5,
                    .block = tn_min_i64(c->options->tile_rows, rows),
                    .n_bands = (int)tn_min_i64(c->most_bands, rows)};
    if (!tn_row_walk_divides(&c->walk, found.n_bands)) found.n_bands = 1;
    return found;
}

/* Of the run in c->walk. The block is 0 if a longer one cannot pay either. */
static choice weigh(const chooser *c, int64_t rows) {
    choice found = {.block = rows, .n_bands = (int)tn_min_i64(c->most_bands, rows)};
    int64_t block = 0;
    if (is_large(c)) {
        block = block_that_fits(c, rows);
        if (block == 0 && c->most_bands == 1) found.block = 0;
    }
    double rolled = block > 0 && c->walk.n > 1 ? rolling_saves(c, rows, block) : 0;
    double banded = bands_save(c, rows, found.n_bands);
    double shared = channels_save(c, c->most_bands);
    if (shared > 0 && shared > banded) {
        found.by_channels = true;
        found.n_bands = c->most_bands;
        found.saved_s = shared;
        return found;
    }
    if (banded <= 0) found.n_bands = 1;
    if (rolled > 0) found.block = block;
    found.saved_s = (banded > 0 ? banded : 0) + (rolled > 0 ? rolled / found.n_bands : 0);
    return found;
}

/* ---- The choice ------------------------------------------------------------------------------ */

/* The best cut of the steps [first, first + n): run i ends behind step i and begins at from[i]. */
typedef struct cut {
    double saved_s; /* up to here */
    int from;       /* the step itself if it is in no run */
    choice run;
} cut;

/* The runs of steps from `first` + i on; cuts[i] is for the steps before. */
static void find_runs(chooser *c, int first, int i, int n, cut *cuts) {
    for (int end = i; end < n && end - i < TN_ROLL_STEPS; end++) {
        if (!tn_step_has_rows(&c->plan->steps[first + end])) break;
        c->walk.first = first + i;
        c->walk.n = end - i + 1;
        int64_t rows = tn_row_walk_height(&c->walk, c->walk.n - 1);
        choice run = c->options->tile_rows > 0 ? weigh_forced(c, rows) : weigh(c, rows);
        if (run.block == 0) break;
        if (run.saved_s > 0 && cuts[i].saved_s + run.saved_s > cuts[end + 1].saved_s)
            cuts[end + 1] = (cut){cuts[i].saved_s + run.saved_s, i, run};
    }
}

static void find_cuts(chooser *c, int first, int n, cut *cuts) {
    cuts[0] = (cut){0};
    for (int i = 1; i <= n; i++) cuts[i] = (cut){.saved_s = -1};
    for (int i = 0; i < n; i++) {
        if (cuts[i].saved_s > cuts[i + 1].saved_s)
            cuts[i + 1] = (cut){.saved_s = cuts[i].saved_s, .from = i + 1};
        find_runs(c, first, i, n, cuts);
    }
}

static tn_status add_roll(chooser *c, int first, int end, const choice *run, tn_error *error) {
    tn_plan *plan = c->plan;
    int64_t rows;
    c->walk.first = first;
    c->walk.n = end - first;
    rows = tn_row_walk_height(&c->walk, c->walk.n - 1);
    tn_roll *roll = &plan->rolls[plan->n_rolls++];
    int64_t band = (rows + run->n_bands - 1) / run->n_bands;
    int64_t least = (rows + TN_ROLL_BLOCKS - 1) / TN_ROLL_BLOCKS;
    *roll = (tn_roll){.first_step = first,
                      .n_steps = end - first,
                      .block = tn_max_i64(least, tn_min_i64(run->block, band)),
                      .n_bands = run->n_bands,
                      .by_channels = run->by_channels};
    if (roll->by_channels) roll->block = band = rows;
    roll->n_blocks = (int)((band + roll->block - 1) / roll->block);
    return tn_row_walk_schedule(&c->walk, roll, plan->held, error);
}

/* From the last run to the first, then in their order. */
static tn_status add_rolls(chooser *c, int first, int n, const cut *cuts, tn_error *error) {
    int *ends = malloc(((size_t)n + 1) * sizeof *ends), n_ends = 0;
    tn_status status = ends ? TN_OK : tn_fail_memory(error);
    for (int i = n; i > 0 && ends; i = cuts[i].from == i ? i - 1 : cuts[i].from)
        if (cuts[i].from < i) ends[n_ends++] = i;
    while (n_ends > 0 && status == TN_OK) {
        const cut *at = &cuts[ends[--n_ends]];
        status = add_roll(c, first + at->from, first + ends[n_ends], &at->run, error);
    }
    free(ends);
    return status;
}

/* Training has samples enough, and a shard is one thread's. */
static int most_bands(const chooser *c, const tn_segment *segment) {
    int64_t batch = c->plan->max_batch, n_threads = c->options->n_threads;
    if (segment->by_shard || batch >= n_threads) return 1;
    return (int)(n_threads % batch == 0 ? n_threads / batch : n_threads);
}

static tn_status roll_segment(chooser *c, tn_segment *segment, cut *cuts, tn_error *error) {
    segment->first_roll = c->plan->n_rolls;
    if (segment->whole) return TN_OK;
    c->most_bands = most_bands(c, segment);
    find_cuts(c, segment->first_step, segment->n_steps, cuts);
    TN_TRY(add_rolls(c, segment->first_step, segment->n_steps, cuts, error));
    segment->n_rolls = c->plan->n_rolls - segment->first_roll;
    return TN_OK;
}

/* ---- Segments of bands ----------------------------------------------------------------------- */

/* Appends the part of a segment that has these steps and rolls, if any. */
static void append_part(tn_segment *segments, int *n, const tn_segment *whole, int first_step,
                        int end_step, int first_roll, int end_roll) {
    if (first_step == end_step) return;
    segments[*n] = *whole;
    segments[*n].first_step = first_step;
    segments[*n].n_steps = end_step - first_step;
    segments[*n].first_roll = first_roll;
    segments[(*n)++].n_rolls = end_roll - first_roll;
}

/* Bands are tasks: each roll that has some becomes a segment. */
static tn_status split_segments(tn_plan *plan, tn_error *error) {
    size_t room = (size_t)plan->n_segments + 2 * (size_t)plan->n_rolls + 1;
    tn_segment *segments = calloc(room, sizeof *segments);
    int n = 0;
    if (!segments) return tn_fail_memory(error);
    for (int i = 0; i < plan->n_segments; i++) {
        const tn_segment *s = &plan->segments[i];
        int step = s->first_step, roll = s->first_roll, end = s->first_roll + s->n_rolls;
        for (int k = roll; k < end; k++) {
            const tn_roll *r = &plan->rolls[k];
            if (r->n_bands == 1) continue;
            append_part(segments, &n, s, step, r->first_step, roll, k);
            step = r->first_step + r->n_steps;
            roll = k + 1;
            append_part(segments, &n, s, r->first_step, step, k, roll);
        }
        append_part(segments, &n, s, step, s->first_step + s->n_steps, roll, end);
    }
    free(plan->segments);
    plan->segments = segments;
    plan->n_segments = n;
    return TN_OK;
}

/* Weights that do not stay in a cache until the next sample come from memory. */
static void set_weight_speed(chooser *c) {
    const tn_roofline *r = &tn_roofline_usual;
    double bytes = 0;
    for (int i = 0; i < c->plan->n_steps; i++) bytes += step_weights(&c->plan->steps[i]);
    c->weight_s = 1 / r->bytes_per_s[tn_roofline_level(r, (int64_t)bytes, true)];
}

static tn_status roll_all(chooser *c, cut *cuts, tn_error *error) {
    tn_plan *plan = c->plan;
    set_weight_speed(c);
    TN_TRY(tn_row_walk_create(plan, &c->walk, error));
    for (int i = 0; i < plan->n_segments; i++)
        TN_TRY(roll_segment(c, &plan->segments[i], cuts, error));
    return split_segments(plan, error);
}

tn_status tn_plan_roll(tn_plan *plan, const tn_plan_options *options, tn_error *error) {
    chooser c = {.plan = plan, .options = options};
    cut *cuts = calloc((size_t)plan->n_steps + 1, sizeof *cuts);
    plan->rolls = calloc((size_t)plan->n_steps + 1, sizeof *plan->rolls);
    plan->held = calloc((size_t)plan->graph->n_values + 1, sizeof *plan->held);
    tn_status status =
        cuts && plan->rolls && plan->held ? roll_all(&c, cuts, error) : tn_fail_memory(error);
    tn_row_walk_free(&c.walk);
    free(cuts);
    return status;
}

const tn_roll *tn_roll_of(const tn_plan *plan, int step) {
    int low = 0, high = plan->n_rolls;
    while (low < high) { /* the first roll that ends behind the step */
        int middle = (low + high) / 2;
        const tn_roll *r = &plan->rolls[middle];
        if (r->first_step + r->n_steps <= step)
            low = middle + 1;
        else
            high = middle;
    }
    return low < plan->n_rolls && plan->rolls[low].first_step <= step ? &plan->rolls[low] : NULL;
}

bool tn_is_banded(const tn_plan *plan, const tn_segment *segment) {
    return segment->n_rolls == 1 && plan->rolls[segment->first_roll].n_bands > 1;
}
