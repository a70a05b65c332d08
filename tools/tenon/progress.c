/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "text.h"

#define REDRAW_SECONDS 0.1

enum { FIELDS = 6, FIELD_SIZE = 64, BAR_MIN = 6, BAR_MAX = 30 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(progress *p, FILE *out) {
    *p = (progress){.out = out, .terminal = terminal_of(out)};
}

void progress_clear(progress *p) {
    if (!p->out || p->drawn_at == 0) return;
    fputs("\r\033[K", p->out);
    fflush(p->out);
    p->drawn_at = 0;
}

/* Fields in the order in which they are shown; an empty one is left out. */
static void fill_fields(char field[FIELDS][FIELD_SIZE], const tn_progress *s, double done) {
    char text[TEXT_NUMBER];
    snprintf(field[0], FIELD_SIZE, "epoch %" PRId64 "/%" PRId64, s->epoch, s->epochs);
    snprintf(field[1], FIELD_SIZE, "%3.0f %%", floor(100 * done));
    snprintf(field[2], FIELD_SIZE, "loss %.4f", s->loss);
    snprintf(field[3], FIELD_SIZE, "accuracy %s", text_percent(text, s->accuracy));
    snprintf(field[4], FIELD_SIZE, "%s images/s", text_count(text, (int64_t)s->images_per_s));
    snprintf(field[5], FIELD_SIZE, "%s left", text_duration(text, s->seconds_left));
}

/* Columns of the fields with two spaces after each, after emptying the least important ones until
 * they fit into width. */
static int fit_fields(char field[FIELDS][FIELD_SIZE], int width) {
    static const int least_important_first[] = {4, 3, 2, 5, 1, 0};
    int columns = 0;
    for (int i = 0; i < FIELDS; i++) columns += (int)strlen(field[i]) + 2;
    for (int i = 0; i < FIELDS && columns > width; i++) {
        char *loser = field[least_important_first[i]];
        columns -= (int)strlen(loser) + 2;
        loser[0] = '\0';
    }
    return columns;
}

static void put_repeated(FILE *file, const char *text, int n) {
    while (n-- > 0) fputs(text, file);
}

static void put_bar(FILE *file, const terminal *t, int columns, double done) {
    int full = (int)(done * columns);
    if (!t->utf8) {
        fputc('[', file);
        put_repeated(file, "#", full * (columns - 2) / columns);
        put_repeated(file, ".", columns - 2 - full * (columns - 2) / columns);
        fputs("]  ", file);
        return;
    }
    bool colour = t->colour != COLOUR_NONE;
    if (colour) fputs("\033[32m", file);
    put_repeated(file, "━", full);
    if (colour) fputs("\033[90m", file);
    put_repeated(file, "─", columns - full);
    fputs(colour ? "\033[0m  " : "  ", file);
}

static void draw_live_line(progress *p, const tn_progress *s) {
    double done =
        s->steps_per_epoch > 0 ? (double)s->step_in_epoch / (double)s->steps_per_epoch : 0;
    char field[FIELDS][FIELD_SIZE], line[2048];
    fill_fields(field, s, done);
    int width = terminal_width(p->out) - 1; /* the last column would wrap on some terminals */
    int bar = width - fit_fields(field, width + 2);
    if (bar > BAR_MAX) bar = BAR_MAX;

    /* one write per redraw, so that no half-drawn line is seen */
    FILE *memory = fmemopen(line, sizeof line, "w");
    if (!memory) return;
    fputs("\r\033[K", memory);
    for (int i = 0; i < FIELDS; i++) {
        if (field[i][0]) fprintf(memory, "%s%s", field[i], i < FIELDS - 1 ? "  " : "");
        if (i == 0 && bar >= BAR_MIN) put_bar(memory, &p->terminal, bar, done);
    }
    long length = ftell(memory);
    fclose(memory);
    if (length > 0) fwrite(line, 1, (size_t)length, p->out);
    fflush(p->out);
}

/* A terminal that is too narrow is spared the rate. */
static void put_epoch_line(progress *p, const tn_progress *s) {
    char percent[TEXT_NUMBER], number[TEXT_NUMBER], rate[FIELD_SIZE], time[TEXT_NUMBER];
    int digits = snprintf(NULL, 0, "%" PRId64, s->epochs);
    int columns = fprintf(p->out, "epoch %*" PRId64 "/%" PRId64 "  loss %.4f  accuracy %7s", digits,
                          s->epoch, s->epochs, s->loss, text_percent(percent, s->accuracy));
    if (!isnan(s->held_out_accuracy))
        columns += fprintf(p->out, "  held out %7s", text_percent(percent, s->held_out_accuracy));
    int rate_columns =
        snprintf(rate, sizeof rate, "  %s images/s", text_count(number, (int64_t)s->images_per_s));
    text_duration(time, s->seconds);
    bool fits = columns + rate_columns + 2 + (int)strlen(time) <= terminal_width(p->out);
    fprintf(p->out, "%s  %s\n", fits || !p->terminal.live ? rate : "", time);
    fflush(p->out);
}

void progress_show(progress *p, const tn_progress *s) {
    if (!p->out) return;
    if (s->epoch_end) {
        progress_clear(p);
        put_epoch_line(p, s);
        return;
    }
    if (!p->terminal.live) return;
    double t = now();
    if (p->drawn_at != 0 && t - p->drawn_at < REDRAW_SECONDS) return;
    p->drawn_at = t;
    draw_live_line(p, s);
}
