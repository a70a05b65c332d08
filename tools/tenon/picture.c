/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"

#include "terminal.h"
#include "text.h"

enum { GAP = 2 };

typedef struct rgb {
    int r, g, b;
} rgb;

/* How many times a picture is shrunk to fit, at least 1. */
static double shrinking(const picture *p) {
    double across = (double)p->width / PICTURE_COLUMNS;
    double down = (double)p->height / (2 * PICTURE_ROWS);
    double s = across > down ? across : down;
    return s > 1 ? s : 1;
}

static int shrunk(int64_t size, double s) {
    int n = (int)((double)size / s + 0.5);
    return n > 0 ? n : 1;
}

/* The mean of the pixels of cell i of n along an axis of `size` pixels: begin <= pixel < end. */
static void cell_range(int64_t size, int i, int n, int64_t *begin, int64_t *end) {
    *begin = size * i / n;
    *end = size * (i + 1) / n;
    if (*end <= *begin) *end = *begin + 1;
}

static rgb cell_colour(const picture *p, int x, int columns, int y, int rows) {
    if (y >= rows) return (rgb){0, 0, 0};
    int64_t x0, x1, y0, y1, sum[3] = {0, 0, 0};
    cell_range(p->width, x, columns, &x0, &x1);
    cell_range(p->height, y, rows, &y0, &y1);
    int64_t n = (x1 - x0) * (y1 - y0);
    for (int64_t i = y0; i < y1; i++)
        for (int64_t j = x0; j < x1; j++)
            for (int c = 0; c < 3; c++)
                sum[c] += p->pixels[(i * p->width + j) * p->channels + (p->channels == 3 ? c : 0)];
    return (rgb){(int)(sum[0] / n), (int)(sum[1] / n), (int)(sum[2] / n)};
}

/* ITU-R BT.601 */
static int grey(rgb c) { return (299 * c.r + 587 * c.g + 114 * c.b + 500) / 1000; }

/* The palette of 256: a cube of 6×6×6 colours from 16, 24 greys 8, 18, ... 238 from 232. */
static int palette_index(rgb c) {
    int g = grey(c);
    bool colourful = c.r != c.g || c.g != c.b;
    if (colourful)
        return 16 + 36 * ((c.r * 5 + 127) / 255) + 6 * ((c.g * 5 + 127) / 255) +
               (c.b * 5 + 127) / 255;
    if (g < 4) return 16;
    if (g > 246) return 231;
    int step = (g - 8 + 5) / 10;
    return 232 + (step > 23 ? 23 : step);
}

static void put_half_blocks(FILE *out, terminal_colour colour, rgb top, rgb bottom) {
    if (colour == COLOUR_24_BIT)
        fprintf(out, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", top.r, top.g, top.b, bottom.r, bottom.g,
                bottom.b);
    else
        fprintf(out, "\033[38;5;%d;48;5;%dm▀", palette_index(top), palette_index(bottom));
}

static void put_shade(FILE *out, rgb top, rgb bottom) {
    static const char shades[] = " .:-=+*#%@";
    fputc(shades[(grey(top) + grey(bottom)) * 10 / 511], out);
}

static void put_row(FILE *out, const terminal *t, const picture *p, int row) {
    double s = shrinking(p);
    int columns = shrunk(p->width, s), rows = shrunk(p->height, s);
    bool blocks = t->colour != COLOUR_NONE && t->utf8, inside = 2 * row < rows;
    for (int x = 0; x < columns && inside; x++) {
        rgb top = cell_colour(p, x, columns, 2 * row, rows);
        rgb bottom = cell_colour(p, x, columns, 2 * row + 1, rows);
        if (blocks)
            put_half_blocks(out, t->colour, top, bottom);
        else
            put_shade(out, top, bottom);
    }
    if (blocks) fputs("\033[0m", out);
    fprintf(out, "%*s", PICTURE_COLUMNS - (inside ? columns : 0), "");
}

static int rows_of(const picture *p) {
    int rows = shrunk(p->height, shrinking(p));
    return (rows + 1) / 2;
}

static void draw_side_by_side(FILE *out, const terminal *t, const picture *pictures, int n) {
    int rows = 0;
    for (int i = 0; i < n; i++)
        if (rows_of(&pictures[i]) > rows) rows = rows_of(&pictures[i]);
    for (int row = 0; row < rows; row++) {
        for (int i = 0; i < n; i++) {
            put_row(out, t, &pictures[i], row);
            if (i < n - 1) fprintf(out, "%*s", GAP, "");
        }
        fputc('\n', out);
    }
    for (int line = 0; line < PICTURE_CAPTIONS; line++) {
        for (int i = 0; i < n; i++) {
            char caption[4 * PICTURE_COLUMNS + 1];
            text_fit(caption, sizeof caption, pictures[i].caption[line], PICTURE_COLUMNS);
            fprintf(out, "%s%*s", caption, i < n - 1 ? GAP : 0, "");
        }
        fputc('\n', out);
    }
}

void pictures_draw(FILE *out, const picture *pictures, int n) {
    terminal t = terminal_of(out);
    int across = (terminal_width(out) + GAP) / (PICTURE_COLUMNS + GAP);
    if (across < 1) across = 1;
    for (int i = 0; i < n; i += across) {
        if (i > 0) fputc('\n', out);
        draw_side_by_side(out, &t, pictures + i, n - i < across ? n - i : across);
    }
}
