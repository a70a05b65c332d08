/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "terminal.h"
#include "text.h"

enum column {
    COLUMN_NAME,
    COLUMN_OP,
    COLUMN_KERNEL,
    COLUMN_PLACE,
    COLUMN_MACS,
    COLUMN_IN,
    COLUMN_OUT,
    COLUMN_EXPECTED,
    COLUMN_TOOK,
    COLUMN_RATE,
    COLUMNS
};
enum { CELL = 200, LEAST_NAME = 8 };

typedef struct row {
    char cell[COLUMNS][CELL];
} row;

static const row header = {
    {"node", "operator", "kernel", "to", "MACs", "in", "out", "exp. ms", "took ms", "GF/s"}};

static bool is_right_aligned(enum column c) { return c >= COLUMN_MACS; }

/* ---- Cells ----------------------------------------------------------------------------------- */

/* Three digits and a prefix: 5.54M; nothing for 0. */
static void print_scaled(char cell[static CELL], int64_t n) {
    static const char prefixes[] = " kMGTPE";
    double value = (double)n;
    int prefix = 0;
    if (n == 0) return;
    for (; value >= 999.5; value /= 1000) prefix++;
    int digits = prefix == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(cell, CELL, "%.*f%.*s", digits, value, prefix > 0, &prefixes[prefix]);
}

static void print_ms(char cell[static CELL], double seconds) {
    snprintf(cell, CELL, "%.3f", 1e3 * seconds);
}

static double gflops(int64_t macs, double seconds) {
    return seconds > 0 ? 2e-9 * (double)macs / seconds : 0;
}

static void print_rate(char cell[static CELL], int64_t macs, double seconds) {
    double rate = gflops(macs, seconds);
    if (macs > 0) snprintf(cell, CELL, "%.*f", rate < 9.95 ? 1 : 0, rate);
}

/* "tile"; or "8 rows" of what is in memory by rows only, "tile, 8 rows" of what is whole but made
 * so. */
static void print_place(char cell[static CELL], const tn_plan_node_info *n) {
    text_clean(cell, CELL, n->held ? "" : n->place);
    size_t used = strlen(cell);
    if (n->rows > 0)
        snprintf(cell + used, CELL - used, "%s%" PRId64 " row%s", used > 0 ? ", " : "", n->rows,
                 n->rows == 1 ? "" : "s");
}

static void fill_node(const tn_plan_report *report, int i, row *r) {
    tn_plan_node_info n = TN_INIT(tn_plan_node_info);
    tn_plan_report_describe_node(report, i, &n);
    text_clean(r->cell[COLUMN_NAME], CELL, n.name);
    char op[CELL];
    snprintf(op, sizeof op, "%s%s", n.again ? "+ " : "", n.op);
    text_clean(r->cell[COLUMN_OP], CELL, op);
    text_clean(r->cell[COLUMN_KERNEL], CELL, n.implementation);
    print_place(r->cell[COLUMN_PLACE], &n);
    print_scaled(r->cell[COLUMN_MACS], n.macs);
    print_scaled(r->cell[COLUMN_IN], n.bytes_in);
    print_scaled(r->cell[COLUMN_OUT], n.bytes_out);
    print_ms(r->cell[COLUMN_EXPECTED], n.expected_cpu_s);
    print_ms(r->cell[COLUMN_TOOK], n.measured_cpu_s);
    print_rate(r->cell[COLUMN_RATE], n.macs, n.measured_cpu_s);
}

static void fill_sum(const tn_plan_segment_info *s, row *r) {
    strcpy(r->cell[COLUMN_OP], "sum");
    print_scaled(r->cell[COLUMN_MACS], s->macs);
    print_scaled(r->cell[COLUMN_IN], s->bytes_in);
    print_scaled(r->cell[COLUMN_OUT], s->bytes_out);
    print_ms(r->cell[COLUMN_EXPECTED], s->expected_cpu_s);
    print_ms(r->cell[COLUMN_TOOK], s->measured_cpu_s);
    print_rate(r->cell[COLUMN_RATE], s->macs, s->measured_cpu_s);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* The columns must fit into `room`: names of nodes take what is left, or go if that is little. */
static void fit_widths(int widths[COLUMNS], int room) {
    int rest = room;
    for (int c = COLUMN_NAME + 1; c < COLUMNS; c++)
        rest -= widths[c] + (is_right_aligned(c) ? 1 : 2);
    int name = rest - 2;
    if (name > widths[COLUMN_NAME]) name = widths[COLUMN_NAME];
    widths[COLUMN_NAME] = name < LEAST_NAME && name < widths[COLUMN_NAME] ? 0 : name;
    if (rest < 0) widths[COLUMN_OP] = widths[COLUMN_OP] + rest > 8 ? widths[COLUMN_OP] + rest : 8;
}

static void print_row(FILE *out, const row *r, const int widths[COLUMNS]) {
    char fitted[4 * CELL + 1];
    for (int c = 0; c < COLUMNS; c++) {
        if (widths[c] == 0) continue;
        if (c == COLUMNS - 1 && !r->cell[c][0]) break; /* no space at the end of a line */
        if (is_right_aligned(c))
            say(out, " %*s%s", widths[c] - text_columns(r->cell[c]), "", r->cell[c]);
        else
            say(out, "%s  ", text_fit(fitted, sizeof fitted, r->cell[c], widths[c]));
    }
    say(out, "\n");
}

static void print_segment_title(FILE *out, int i, const tn_plan_info *plan,
                                const tn_plan_segment_info *s) {
    char expected[CELL], took[CELL], tasks[TEXT_NUMBER], title[512];
    print_ms(expected, s->expected_s);
    print_ms(took, s->measured_s);
    int n = snprintf(title, sizeof title, "segment %d of %d: ", i + 1, plan->n_segments);
    if (s->n_bands > 1)
        n += snprintf(title + n, sizeof title - (size_t)n, "%d %s of each sample, ", s->n_bands,
                      s->by_channels ? "shares of the channels" : "bands");
    else if (s->tiled)
        n += snprintf(title + n, sizeof title - (size_t)n, "tiles of %" PRId64 "%s, ", s->tile,
                      s->by_shard ? " by shard" : "");
    else
        n += snprintf(title + n, sizeof title - (size_t)n, "whole batch, ");
    snprintf(title + n, sizeof title - (size_t)n, "%s task%s; expected %s ms, took %s",
             text_count(tasks, s->n_tasks), s->n_tasks == 1 ? "" : "s", expected, took);
    say(out, "\n%s\n", title);
}

static void print_segment(FILE *out, const tn_plan_report *report, const tn_plan_info *plan, int i,
                          const row *rows, const int *widths) {
    tn_plan_segment_info s = TN_INIT(tn_plan_segment_info);
    row sum = {{{0}}};
    tn_plan_report_describe_segment(report, i, &s);
    print_segment_title(out, i, plan, &s);
    print_row(out, &header, widths);
    for (int k = s.first_node; k < s.first_node + s.n_nodes; k++) print_row(out, &rows[k], widths);
    fill_sum(&s, &sum);
    print_row(out, &sum, widths);
}

static void widen(int widths[COLUMNS], const row *r) {
    for (int c = 0; c < COLUMNS; c++)
        if (text_columns(r->cell[c]) > widths[c]) widths[c] = text_columns(r->cell[c]);
}

static bool print_segments(FILE *out, const tn_plan_report *report, const tn_plan_info *plan) {
    row *rows = calloc((size_t)plan->n_nodes + 1, sizeof *rows);
    int widths[COLUMNS] = {0};
    if (!rows) return fail("out of memory") == EXIT_DONE;
    widen(widths, &header);
    for (int i = 0; i < plan->n_nodes; i++) {
        fill_node(report, i, &rows[i]);
        widen(widths, &rows[i]);
    }
    for (int i = 0; i < plan->n_segments; i++) {
        tn_plan_segment_info s = TN_INIT(tn_plan_segment_info);
        row sum = {{{0}}};
        tn_plan_report_describe_segment(report, i, &s);
        fill_sum(&s, &sum);
        widen(widths, &sum);
    }
    fit_widths(widths, terminal_width(out));
    for (int i = 0; i < plan->n_segments; i++) print_segment(out, report, plan, i, rows, widths);
    free(rows);
    return true;
}

static void print_memory_line(FILE *out, const char *what, int64_t bytes, const char *note) {
    char size[TEXT_NUMBER];
    say(out, "  %-15s %8s%s%s\n", what, text_bytes(size, bytes), *note ? "  " : "", note);
}

static void print_memory(FILE *out, const tn_plan_info *p) {
    char each[64], shards[64];
    snprintf(each, sizeof each, "for each of %d thread%s", p->n_threads,
             p->n_threads == 1 ? "" : "s");
    snprintf(shards, sizeof shards, "gradients of %d shard%s", p->n_shards,
             p->n_shards == 1 ? "" : "s");
    say(out, "\nmemory\n");
    print_memory_line(out, "parameters", p->parameter_bytes,
                      p->training ? "without gradients and optimiser" : "");
    print_memory_line(out, "packed weights", p->packed_bytes, "as kernels like them");
    print_memory_line(out, "batch", p->batch_bytes, "values that cross segments");
    if (p->partial_bytes > 0) print_memory_line(out, "partial", p->partial_bytes, shards);
    print_memory_line(out, "tile", p->tile_bytes, each);
    print_memory_line(out, "workspace", p->workspace_bytes, each);
    print_memory_line(out, "total", p->total_bytes, "");
}

static bool any_again(const tn_plan_report *report, int n_nodes) {
    for (int i = 0; i < n_nodes; i++) {
        tn_plan_node_info n = TN_INIT(tn_plan_node_info);
        tn_plan_report_describe_node(report, i, &n);
        if (n.again) return true;
    }
    return false;
}

bool plan_table_print(FILE *out, const tn_plan_report *report) {
    tn_plan_info p = TN_INIT(tn_plan_info);
    char batch[TEXT_NUMBER], expected[CELL], took[CELL], packing[CELL], summing[CELL];
    tn_plan_report_describe(report, &p);
    print_ms(expected, p.expected_s);
    print_ms(took, p.measured_s);
    print_ms(packing, p.packing_s);
    print_ms(summing, p.summing_s);
    say(out, "%s, batch of %s, %d thread%s, %s kernels\n",
        p.training ? "a step of training" : "inference", text_count(batch, p.batch_size),
        p.n_threads, p.n_threads == 1 ? "" : "s", p.level);
    say(out, "expected %s ms, took %s: %.1f GFLOP/s\n", expected, took,
        gflops(p.macs, p.measured_s));
    if (p.training) {
        say(out, "beside segments: packing weights %s ms, summing gradients %s\n", packing,
            summing);
        say(out, "not counted: gathering the images of a step, the step of the optimiser\n");
    }
    say(out, "a core reaches %.1f GFLOP/s; GB/s: %.0f from L2, %.0f from L3, %.0f from memory\n",
        2e-9 * p.macs_per_s, 1e-9 * p.l2_bytes_per_s, 1e-9 * p.l3_bytes_per_s,
        1e-9 * p.memory_bytes_per_s);
    say(out, "Times in the tables add up all threads, those above them are by the clock.\n");
    if (any_again(report, p.n_nodes))
        say(out,
            "Nodes marked + are computed again, which is cheaper than keeping their values.\n");
    if (!print_segments(out, report, &p)) return false;
    print_memory(out, &p);
    return true;
}

/* ---- For programs ---------------------------------------------------------------------------- */

static void put_us(json_t *object, const char *key, double seconds) {
    json_put_real(object, key, 1e6 * seconds);
}

static json_t *node_json(const tn_plan_report *report, int i) {
    tn_plan_node_info n = TN_INIT(tn_plan_node_info);
    json_t *o = json_object();
    tn_plan_report_describe_node(report, i, &n);
    json_put_text(o, "name", n.name);
    json_put_text(o, "operator", n.op);
    json_put_text(o, "implementation", n.implementation);
    json_put_text(o, "place", n.place);
    json_put_integer(o, "rows", n.rows);
    json_put_bool(o, "held", n.held);
    json_put_bool(o, "again", n.again);
    json_put_integer(o, "macs", n.macs);
    json_put_integer(o, "bytes_in", n.bytes_in);
    json_put_integer(o, "bytes_out", n.bytes_out);
    put_us(o, "expected_cpu_us", n.expected_cpu_s);
    put_us(o, "measured_cpu_us", n.measured_cpu_s);
    json_put_real(o, "gflops", gflops(n.macs, n.measured_cpu_s));
    return o;
}

static json_t *segment_json(const tn_plan_report *report, int i) {
    tn_plan_segment_info s = TN_INIT(tn_plan_segment_info);
    json_t *o = json_object(), *nodes = json_array();
    tn_plan_report_describe_segment(report, i, &s);
    json_put_bool(o, "tiled", s.tiled);
    json_put_bool(o, "by_shard", s.by_shard);
    json_put_integer(o, "tile", s.tile);
    json_put_integer(o, "bands", s.n_bands);
    json_put_text(o, "bands_of", s.by_channels ? "channels" : "rows");
    json_put_integer(o, "tasks", s.n_tasks);
    json_put_integer(o, "macs", s.macs);
    json_put_integer(o, "bytes_in", s.bytes_in);
    json_put_integer(o, "bytes_out", s.bytes_out);
    put_us(o, "expected_us", s.expected_s);
    put_us(o, "measured_us", s.measured_s);
    put_us(o, "expected_cpu_us", s.expected_cpu_s);
    put_us(o, "measured_cpu_us", s.measured_cpu_s);
    for (int k = s.first_node; k < s.first_node + s.n_nodes; k++)
        json_array_append_new(nodes, node_json(report, k));
    json_object_set_new(o, "nodes", nodes);
    return o;
}

static json_t *memory_json(const tn_plan_info *p) {
    json_t *o = json_object();
    json_put_integer(o, "parameter_bytes", p->parameter_bytes);
    json_put_integer(o, "packed_bytes", p->packed_bytes);
    json_put_integer(o, "batch_bytes", p->batch_bytes);
    json_put_integer(o, "partial_bytes", p->partial_bytes);
    json_put_integer(o, "tile_bytes", p->tile_bytes);
    json_put_integer(o, "workspace_bytes", p->workspace_bytes);
    json_put_integer(o, "total_bytes", p->total_bytes);
    return o;
}

json_t *plan_table_json(const tn_plan_report *report) {
    tn_plan_info p = TN_INIT(tn_plan_info);
    json_t *o = json_object(), *segments = json_array();
    tn_plan_report_describe(report, &p);
    json_put_bool(o, "training", p.training);
    json_put_integer(o, "batch_size", p.batch_size);
    json_put_integer(o, "threads", p.n_threads);
    json_put_integer(o, "shards", p.n_shards);
    json_put_text(o, "level", p.level);
    json_put_integer(o, "macs", p.macs);
    put_us(o, "expected_us", p.expected_s);
    put_us(o, "measured_us", p.measured_s);
    put_us(o, "packing_us", p.packing_s);
    put_us(o, "summing_us", p.summing_s);
    json_put_integer(o, "runs", p.n_runs);
    json_put_real(o, "core_gflops", 2e-9 * p.macs_per_s);
    json_put_real(o, "l2_bytes_per_s", p.l2_bytes_per_s);
    json_put_real(o, "l3_bytes_per_s", p.l3_bytes_per_s);
    json_put_real(o, "memory_bytes_per_s", p.memory_bytes_per_s);
    json_object_set_new(o, "memory", memory_json(&p));
    for (int i = 0; i < p.n_segments; i++) json_array_append_new(segments, segment_json(report, i));
    json_object_set_new(o, "segments", segments);
    return o;
}
