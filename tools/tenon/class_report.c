/* SPDX-License-Identifier: Apache-2.0 */
#include "class_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "json.h"
#include "terminal.h"
#include "text.h"

enum {
    ALL_SHOWN = 20, /* classes; of more, the worst are */
    CONFUSIONS_SHOWN = 20,
    NAME_COLUMNS = 16,   /* of a class in front of a line */
    HEADING_COLUMNS = 12 /* of a class above the matrix */
};

/* Of one class. A ratio without a denominator is NaN: recall of a class without images, precision
 * of a class that was never predicted. */
typedef struct class_scores {
    int class;
    int64_t images, predicted, correct;
    double precision, recall, f1;
} class_scores;

bool class_report_make(class_report *report, int n_classes, const char **names,
                       const int32_t *labels, const int32_t *predictions, int64_t n) {
    size_t side = (size_t)n_classes;
    *report = (class_report){.n_classes = n_classes, .names = names};
    report->counts = calloc(side * side + 1, sizeof *report->counts);
    if (!report->counts) return false;
    for (int64_t i = 0; i < n; i++)
        report->counts[labels[i] * (int64_t)n_classes + predictions[i]]++;
    return true;
}

void class_report_free(class_report *report) { free(report->counts); }

static int64_t count_of(const class_report *r, int truth, int predicted) {
    return r->counts[truth * (int64_t)r->n_classes + predicted];
}

static class_scores scores_of(const class_report *r, int k) {
    class_scores s = {.class = k, .correct = count_of(r, k, k)};
    for (int i = 0; i < r->n_classes; i++) {
        s.images += count_of(r, k, i);
        s.predicted += count_of(r, i, k);
    }
    double correct = (double)s.correct;
    s.precision = s.predicted > 0 ? correct / (double)s.predicted : NAN;
    s.recall = s.images > 0 ? correct / (double)s.images : NAN;
    s.f1 = s.images + s.predicted > 0 ? 2 * correct / (double)(s.images + s.predicted) : NAN;
    return s;
}

/* ---- The table ------------------------------------------------------------------------------- */

/* The lowest F1 first; a class that neither occurs nor was predicted is no mistake. */
static int worst_first(const void *a, const void *b) {
    const class_scores *x = a, *y = b;
    double fx = isnan(x->f1) ? 2 : x->f1, fy = isnan(y->f1) ? 2 : y->f1;
    if (fx != fy) return fx < fy ? -1 : 1;
    return x->class < y->class ? -1 : x->class > y->class;
}

static char *format_ratio(char text[static TEXT_NUMBER], double ratio) {
    if (isnan(ratio))
        snprintf(text, TEXT_NUMBER, "-");
    else
        text_percent(text, ratio);
    return text;
}

static int name_columns(const class_report *r) {
    int columns = 5; /* of the heading "class" */
    for (int k = 0; k < r->n_classes; k++) {
        int n = text_columns(r->names[k]);
        if (n > columns) columns = n;
    }
    return columns < NAME_COLUMNS ? columns : NAME_COLUMNS;
}

void class_report_print(FILE *out, const class_report *report) {
    int n = report->n_classes, columns = name_columns(report);
    class_scores *scores = malloc((size_t)n * sizeof *scores + 1);
    if (!scores) return;
    for (int k = 0; k < n; k++) scores[k] = scores_of(report, k);
    if (n > ALL_SHOWN) qsort(scores, (size_t)n, sizeof *scores, worst_first);
    fprintf(out, "\n%-*s  %8s  %9s  %9s  %9s\n", columns, "class", "images", "precision", "recall",
            "F1");
    for (int i = 0; i < n && i < ALL_SHOWN; i++) {
        const class_scores *s = &scores[i];
        char name[4 * NAME_COLUMNS + 1], count[TEXT_NUMBER], p[TEXT_NUMBER], r[TEXT_NUMBER],
            f1[TEXT_NUMBER];
        fprintf(out, "%s  %8s  %9s  %9s  %9s\n",
                text_fit(name, sizeof name, report->names[s->class], columns),
                text_count(count, s->images), format_ratio(p, s->precision),
                format_ratio(r, s->recall), format_ratio(f1, s->f1));
    }
    if (n > ALL_SHOWN)
        fprintf(out, "(the %d classes with the lowest F1 of %d; --json FILE has all)\n", ALL_SHOWN,
                n);
    free(scores);
}

/* ---- The matrix ------------------------------------------------------------------------------ */

static int digits(int64_t n) { return snprintf(NULL, 0, "%" PRId64, n); }

/* Columns for a count, with a space before it; 0 if the matrix is too wide. Names get the room that
 * is left. */
static int cell_columns(FILE *out, const class_report *r, int before) {
    int least = 1, longest = 1;
    for (int64_t i = 0; i < (int64_t)r->n_classes * r->n_classes; i++)
        if (digits(r->counts[i]) > least) least = digits(r->counts[i]);
    for (int k = 0; k < r->n_classes; k++) {
        int n = text_columns(r->names[k]);
        if (n > longest) longest = n;
    }
    if (longest > HEADING_COLUMNS) longest = HEADING_COLUMNS;
    int room = (terminal_width(out) - before) / r->n_classes - 1;
    if (room < least) return 0;
    if (room > longest) room = longest;
    return 1 + (room > least ? room : least);
}

/* Right and wrong ones stand out; what did not happen does not. */
static void print_count(FILE *out, bool colour, int columns, int64_t n, bool right) {
    const char *on = !colour ? "" : n == 0 ? "\033[2m" : right ? "\033[32m" : "\033[31m";
    if (n == 0)
        fprintf(out, "%s%*s%s", on, columns, ".", colour ? "\033[0m" : "");
    else
        fprintf(out, "%s%*" PRId64 "%s", on, columns, n, colour ? "\033[0m" : "");
}

static void print_matrix(FILE *out, const class_report *r, int before, int columns) {
    bool colour = terminal_of(out).colour != COLOUR_NONE;
    char name[4 * (NAME_COLUMNS + HEADING_COLUMNS) + 1];
    fprintf(out, "\nrows: what it is; columns: what it was taken for\n%*s", before, "");
    for (int k = 0; k < r->n_classes; k++) {
        int width = text_columns(r->names[k]);
        if (width > columns - 1) width = columns - 1;
        fprintf(out, "%*s%s", columns - width, "", text_fit(name, sizeof name, r->names[k], width));
    }
    fputc('\n', out);
    for (int i = 0; i < r->n_classes; i++) {
        fputs(text_fit(name, sizeof name, r->names[i], before), out);
        for (int k = 0; k < r->n_classes; k++)
            print_count(out, colour, columns, count_of(r, i, k), i == k);
        fputc('\n', out);
    }
}

typedef struct confusion {
    int64_t n;
    int truth, predicted;
} confusion;

/* Puts c into its place among the most frequent ones, of which there are n; returns how many there
 * are then. */
static int insert(confusion most[CONFUSIONS_SHOWN], int n, confusion c) {
    int at = n;
    while (at > 0 && most[at - 1].n < c.n) at--;
    if (at == CONFUSIONS_SHOWN) return n;
    int last = n < CONFUSIONS_SHOWN ? n : CONFUSIONS_SHOWN - 1;
    for (int i = last; i > at; i--) most[i] = most[i - 1];
    most[at] = c;
    return last + 1;
}

static void print_most_frequent(FILE *out, const class_report *r) {
    confusion most[CONFUSIONS_SHOWN];
    char name[2][4 * NAME_COLUMNS + 1], count[TEXT_NUMBER];
    int n = 0, columns = name_columns(r);
    for (int i = 0; i < r->n_classes; i++)
        for (int k = 0; k < r->n_classes; k++)
            if (i != k && count_of(r, i, k) > 0)
                n = insert(most, n, (confusion){count_of(r, i, k), i, k});
    fprintf(out, "\n%-*s  %-*s  %8s\n", columns, "is", columns, "taken for", "images");
    for (int i = 0; i < n; i++)
        fprintf(out, "%s  %s  %8s\n",
                text_fit(name[0], sizeof name[0], r->names[most[i].truth], columns),
                text_fit(name[1], sizeof name[1], r->names[most[i].predicted], columns),
                text_count(count, most[i].n));
    if (n == 0) fprintf(out, "(nothing was taken for anything else)\n");
    fprintf(out, "(a matrix of %d classes is too wide here; --json FILE has it)\n", r->n_classes);
}

void class_report_print_confusion(FILE *out, const class_report *report) {
    int before = name_columns(report), columns = cell_columns(out, report, before);
    if (columns > 0)
        print_matrix(out, report, before, columns);
    else
        print_most_frequent(out, report);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

void class_report_put_json(const class_report *report, json_t *results) {
    json_t *classes = json_array(), *matrix = json_array();
    for (int i = 0; i < report->n_classes; i++) {
        class_scores s = scores_of(report, i);
        json_t *o = json_object(), *row = json_array();
        json_put_integer(o, "class", i);
        json_put_text(o, "class_name", report->names[i]);
        json_put_integer(o, "images", s.images);
        json_put_integer(o, "predicted", s.predicted);
        json_put_integer(o, "correct", s.correct);
        json_put_real(o, "precision", s.precision);
        json_put_real(o, "recall", s.recall);
        json_put_real(o, "f1", s.f1);
        json_array_append_new(classes, o);
        for (int k = 0; k < report->n_classes; k++)
            json_array_append_new(row, json_integer(count_of(report, i, k)));
        json_array_append_new(matrix, row);
    }
    json_object_set_new(results, "classes", classes);
    json_object_set_new(results, "confusion", matrix);
}
