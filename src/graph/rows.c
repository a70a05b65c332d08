/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/rows.h"

#include <stdlib.h>

#include "base/size.h"
#include "graph/images.h"

/* Higher images are not rolled: products of two heights must not overflow. */
static const int64_t most_rows = 1 << 20;

/* ---- Uses ------------------------------------------------------------------------------------ */

tn_status tn_row_walk_create(const tn_plan *plan, tn_row_walk *w, tn_error *error) {
    size_t n = (size_t)plan->graph->n_values + 1;
    *w = (tn_row_walk){.plan = plan};
    w->made = malloc(n * sizeof *w->made);
    w->used = malloc(n * sizeof *w->used);
    w->row = calloc(n, sizeof *w->row);
    if (!w->made || !w->used || !w->row) return tn_fail_memory(error);
    for (size_t i = 0; i < n; i++) w->made[i] = w->used[i] = -1;
    for (int s = 0; s < plan->n_steps; s++) {
        const tn_node *node = plan->steps[s].node;
        for (int i = 0; i < node->n_outputs; i++) w->made[node->outputs[i]->id] = s;
        for (int i = 0; i < node->n_inputs; i++)
            if (node->inputs[i]) w->used[node->inputs[i]->id] = s;
    }
    for (int i = 0; i < plan->graph->n_outputs; i++)
        w->used[plan->graph->outputs[i]->id] = plan->n_steps;
    return TN_OK;
}

void tn_row_walk_free(tn_row_walk *w) {
    free(w->made);
    free(w->used);
    free(w->row);
    *w = (tn_row_walk){0};
}

bool tn_step_has_rows(const tn_plan_step *step) {
    const tn_node *node = step->node;
    int64_t height = tn_image_rows(node, node->outputs[0]);
    if (!step->implementation->rows_in || step->units > 0 || step->reduces) return false;
    if (height < 1 || height > most_rows) return false;
    if (node->n_inputs > TN_USUAL_INPUTS || node->n_outputs > TN_USUAL_OUTPUTS) return false;
    for (int i = 0; i < node->n_outputs; i++) {
        const tn_shape *y = &node->outputs[i]->shape;
        if (!y->batched || y->rank != 4 || tn_image_rows(node, node->outputs[i]) != height)
            return false;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        const tn_value *x = node->inputs[i];
        tn_rows in;
        if (!x || !x->shape.batched) continue;
        if (tn_image_rows(node, x) < 1 || tn_image_rows(node, x) > most_rows ||
            !step->implementation->rows_in(node, i, (tn_rows){0, height}, &in))
            return false;
    }
    return true;
}

static const tn_plan_step *step_at(const tn_row_walk *w, int s) {
    return &w->plan->steps[w->first + s];
}

int64_t tn_row_walk_height(const tn_row_walk *w, int s) {
    const tn_node *node = step_at(w, s)->node;
    return tn_image_rows(node, node->outputs[0]);
}

bool tn_row_walk_is_whole(const tn_row_walk *w, const tn_value *v) {
    return w->used[v->id] >= w->first + w->n;
}

/* The place in the run of the step that makes input i of step s; -1 if that is none of the run. */
static int maker(const tn_row_walk *w, int s, int i) {
    const tn_value *x = step_at(w, s)->node->inputs[i];
    int made = x && x->shape.batched ? w->made[x->id] : -1;
    return made >= w->first && made < w->first + w->n ? made - w->first : -1;
}

static tn_rows rows_in(const tn_row_walk *w, int s, int i, int64_t begin, int64_t end) {
    const tn_plan_step *step = step_at(w, s);
    tn_rows in = {0, 0};
    step->implementation->rows_in(step->node, i, (tn_rows){begin, end}, &in);
    return in;
}

/* ---- How far --------------------------------------------------------------------------------- */

/* Sets the row of what each step makes: of values stored whole, as many of theirs as `rows` are of
 * the last step's; of the rest none, or all. */
static void begin_walk(const tn_row_walk *w, int64_t rows, bool to_height) {
    int64_t last = tn_row_walk_height(w, w->n - 1);
    for (int s = 0; s < w->n; s++) {
        const tn_node *node = step_at(w, s)->node;
        int64_t height = tn_row_walk_height(w, s);
        for (int k = 0; k < node->n_outputs; k++) {
            bool whole = tn_row_walk_is_whole(w, node->outputs[k]);
            w->row[node->outputs[k]->id] = whole ? height * rows / last : to_height ? height : 0;
        }
    }
}

static int64_t group_of(const tn_row_walk *w, int s) {
    return tn_max_i64(1, step_at(w, s)->implementation->row_group);
}

/* Strides and groups are powers of two or do not fit anyway. */
int64_t tn_row_walk_group(const tn_row_walk *w) {
    enum { MOST = 16 };
    int64_t last = tn_row_walk_height(w, w->n - 1), group = 1;
    for (int s = 0; s < w->n; s++)
        while (group < MOST && tn_row_walk_height(w, s) * group / last % group_of(w, s) != 0)
            group *= 2;
    return group;
}

void tn_row_walk_ends(const tn_row_walk *w, int64_t rows, bool in_groups,
                      int64_t end[TN_ROLL_STEPS]) {
    begin_walk(w, rows, false);
    for (int s = w->n - 1; s >= 0; s--) {
        const tn_node *node = step_at(w, s)->node;
        end[s] = 0;
        for (int k = 0; k < node->n_outputs; k++)
            end[s] = tn_max_i64(end[s], w->row[node->outputs[k]->id]);
        if (in_groups)
            end[s] = tn_min_i64(tn_round_up(end[s], group_of(w, s)), tn_row_walk_height(w, s));
        for (int i = 0; i < node->n_inputs && end[s] > 0; i++) {
            if (maker(w, s, i) < 0) continue;
            int64_t *row = &w->row[node->inputs[i]->id];
            *row = tn_max_i64(*row, rows_in(w, s, i, 0, end[s]).end);
        }
    }
}

void tn_row_walk_begins(const tn_row_walk *w, int64_t rows, int64_t begin[TN_ROLL_STEPS]) {
    begin_walk(w, rows, true);
    for (int s = w->n - 1; s >= 0; s--) {
        const tn_node *node = step_at(w, s)->node;
        int64_t height = tn_row_walk_height(w, s);
        begin[s] = height;
        for (int k = 0; k < node->n_outputs; k++)
            begin[s] = tn_min_i64(begin[s], w->row[node->outputs[k]->id]);
        for (int i = 0; i < node->n_inputs && begin[s] < height; i++) {
            if (maker(w, s, i) < 0) continue;
            int64_t *row = &w->row[node->inputs[i]->id];
            *row = tn_min_i64(*row, rows_in(w, s, i, begin[s], height).begin);
        }
    }
}

void tn_row_walk_needed(const tn_row_walk *w, const int64_t done[TN_ROLL_STEPS],
                        const int64_t end[TN_ROLL_STEPS]) {
    for (int s = 0; s < w->n; s++) {
        const tn_node *node = step_at(w, s)->node;
        for (int k = 0; k < node->n_outputs; k++) w->row[node->outputs[k]->id] = INT64_MAX;
    }
    for (int s = 0; s < w->n; s++)
        for (int i = 0; i < step_at(w, s)->node->n_inputs && done[s] < end[s]; i++) {
            if (maker(w, s, i) < 0) continue;
            int64_t *row = &w->row[step_at(w, s)->node->inputs[i]->id];
            *row = tn_min_i64(*row, rows_in(w, s, i, done[s], end[s]).begin);
        }
}

/* ---- Bands ----------------------------------------------------------------------------------- */

static int64_t band_begin(const tn_row_walk *w, int band, int n_bands) {
    return tn_row_walk_height(w, w->n - 1) * band / n_bands;
}

bool tn_row_walk_divides(const tn_row_walk *w, int n_bands) {
    int64_t begin[TN_ROLL_STEPS], end[TN_ROLL_STEPS], last = tn_row_walk_height(w, w->n - 1);
    for (int band = 0; band < n_bands; band++) {
        int64_t from = band_begin(w, band, n_bands), to = band_begin(w, band + 1, n_bands);
        tn_row_walk_begins(w, from, begin);
        tn_row_walk_ends(w, to, false, end);
        for (int s = 0; s < w->n; s++) {
            const tn_node *node = step_at(w, s)->node;
            int64_t height = tn_row_walk_height(w, s);
            for (int k = 0; k < node->n_outputs; k++)
                if (tn_row_walk_is_whole(w, node->outputs[k]) &&
                    (begin[s] != height * from / last || end[s] != height * to / last))
                    return false;
        }
    }
    return true;
}

/* ---- The schedule ---------------------------------------------------------------------------- */

/* A band on its way down. */
typedef struct progress {
    const tn_row_walk *walk;
    tn_held *held;
    int64_t done[TN_ROLL_STEPS]; /* rows that each step has computed end here */
    int64_t end[TN_ROLL_STEPS];  /* and will, when the band is finished */
    int64_t base[TN_ROLL_STEPS]
                [TN_USUAL_OUTPUTS]; /* the first row in memory of values held by rows */
} progress;

static void schedule_output(progress *p, tn_row_call *call, int s, int k) {
    const tn_node *node = step_at(p->walk, s)->node;
    const tn_value *v = node->outputs[k];
    int64_t bytes = tn_row_bytes(node, v), *base = &p->base[s][k];
    if (tn_row_walk_is_whole(p->walk, v)) {
        call->out_offset[k] = call->rows.begin * bytes;
        return;
    }
    int64_t keep = tn_max_i64(*base, tn_min_i64(p->walk->row[v->id], call->rows.begin));
    call->kept_offset[k] = (keep - *base) * bytes;
    call->kept_bytes[k] = (call->rows.begin - keep) * bytes;
    call->out_offset[k] = call->kept_bytes[k];
    *base = keep;
    tn_held *held = &p->held[v->id];
    held->bytes = tn_max_i64(held->bytes, (call->rows.end - keep) * bytes);
}

static void schedule_input(const progress *p, tn_row_call *call, int s, int i) {
    const tn_node *node = step_at(p->walk, s)->node;
    const tn_value *x = node->inputs[i];
    if (!x || !x->shape.batched) return;
    int from = maker(p->walk, s, i);
    int64_t base = 0;
    call->in_rows[i] = rows_in(p->walk, s, i, call->rows.begin, call->rows.end);
    if (from >= 0 && !tn_row_walk_is_whole(p->walk, x))
        for (int k = 0; k < step_at(p->walk, from)->node->n_outputs; k++)
            if (step_at(p->walk, from)->node->outputs[k] == x) base = p->base[from][k];
    if (call->in_rows[i].begin == call->in_rows[i].end) return; /* padding only: nothing is read */
    call->in_offset[i] = (call->in_rows[i].begin - base) * tn_row_bytes(node, x);
}

/* Which values the next block needs rows of that are there already. */
static void note_kept(const progress *p) {
    for (int s = 0; s < p->walk->n; s++) {
        const tn_node *node = step_at(p->walk, s)->node;
        for (int k = 0; k < node->n_outputs; k++)
            if (p->walk->row[node->outputs[k]->id] < p->done[s])
                p->held[node->outputs[k]->id].keeps = true;
    }
}

/* The calls of a block, at the end of which `rows` of the last step's are computed. */
static void schedule_block(progress *p, int64_t rows, tn_row_call *calls) {
    int64_t next[TN_ROLL_STEPS];
    tn_row_walk_ends(p->walk, rows, true, next);
    tn_row_walk_needed(p->walk, p->done, p->end);
    note_kept(p);
    for (int s = 0; s < p->walk->n; s++) {
        const tn_node *node = step_at(p->walk, s)->node;
        int64_t end = tn_max_i64(p->done[s], tn_min_i64(next[s], p->end[s]));
        calls[s].rows = (tn_rows){p->done[s], end};
        if (end == p->done[s]) continue;
        for (int k = 0; k < node->n_outputs; k++) schedule_output(p, &calls[s], s, k);
        for (int i = 0; i < node->n_inputs; i++) schedule_input(p, &calls[s], s, i);
        p->done[s] = end;
    }
}

/* Shares of the channels have all rows. */
static void schedule_band(const tn_row_walk *w, const tn_roll *roll, int band, tn_held *held) {
    progress p = {.walk = w, .held = held};
    int64_t from = roll->by_channels ? 0 : band_begin(w, band, roll->n_bands);
    int64_t to = roll->by_channels ? tn_row_walk_height(w, w->n - 1)
                                   : band_begin(w, band + 1, roll->n_bands);
    tn_row_walk_ends(w, to, false, p.end);
    tn_row_walk_begins(w, from, p.done);
    for (int s = 0; s < w->n; s++)
        for (int k = 0; k < TN_USUAL_OUTPUTS; k++) p.base[s][k] = p.done[s];
    for (int block = 0; block < roll->n_blocks; block++)
        schedule_block(&p, tn_min_i64(from + (block + 1) * roll->block, to),
                       &roll->calls[((int64_t)band * roll->n_blocks + block) * w->n]);
}

tn_status tn_row_walk_schedule(const tn_row_walk *w, tn_roll *roll, tn_held *held,
                               tn_error *error) {
    size_t n = (size_t)roll->n_bands * (size_t)roll->n_blocks * (size_t)w->n;
    roll->calls = calloc(n, sizeof *roll->calls);
    if (!roll->calls) return tn_fail_memory(error);
    for (int band = 0; band < roll->n_bands; band++) schedule_band(w, roll, band, held);
    return TN_OK;
}
