/* SPDX-License-Identifier: Apache-2.0 */
/* contact_sheet.c: the mistakes of a model on one page. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/status.h"
#include "data/image.h"
#include "report/font.h"

/* In pixels, unless said otherwise. */
enum {
    wanted_side = 128,     /* small images are enlarged by a whole number to at most this */
    largest_side = 256,    /* larger ones are shrunk to it */
    least_characters = 14, /* beside each other under an image: "7 as 1 99.8 %" */
    most_characters = 24,
    margin = 24,
    gap = 16,
    line_height = TN_FONT_HEIGHT + 3,
    title_characters = 100, /* for which a small sheet is widened */
    legend_characters = 48,
    max_sheet_side = 1000 * 1000
};

typedef struct rgb {
    uint8_t r, g, b;
} rgb;

static const rgb ink = {0x24, 0x29, 0x2f}, grey = {0x6e, 0x77, 0x81}, green = {0x1a, 0x7f, 0x37},
                 red = {0xcf, 0x22, 0x2e};

enum { paper = 0xfa };

typedef struct sheet {
    /* what is shown */
    const char *title;
    tn_dataset_info data;
    const uint8_t *images;
    const char *const *class_names;
    int n_classes;
    const tn_mistake *mistakes;
    int64_t n;
    /* where */
    int64_t drawn_height, drawn_width; /* of an image */
    int64_t cell_height, cell_width;   /* with its caption, without the gap */
    int caption_lines;                 /* 1 or 2 */
    int title_scale;                   /* 2 if there is room, else 1 */
    int64_t head_height;               /* from the top to the first image */
    int64_t columns, rows, height, width;
    uint8_t *pixels; /* [height][width][3] */
} sheet;

/* ---- Text --------------------------------------------------------------------------------- */

enum { text_bytes = 128 };

static const char *class_name(const sheet *s, int32_t k, char number[text_bytes]) {
    if (k >= 0 && k < s->n_classes && s->class_names && s->class_names[k]) return s->class_names[k];
    snprintf(number, text_bytes, "%d", (int)k);
    return number;
}

/* "99.8 %"; never rounded up to 100. */
static void format_probability(double p, char text[text_bytes]) {
    if (!isfinite(p))
        snprintf(text, text_bytes, "? %%");
    else
        snprintf(text, text_bytes, p >= 1 ? "100 %%" : "%.1f %%", fmin(100 * p, 99.9));
}

static void put(sheet *s, int64_t x, int64_t y, rgb colour) {
    uint8_t *pixel = s->pixels + 3 * (y * s->width + x);
    pixel[0] = colour.r;
    pixel[1] = colour.g;
    pixel[2] = colour.b;
}

static void draw_character(sheet *s, int64_t x, int64_t y, int scale, rgb colour,
                           const uint8_t *glyph) {
    for (int64_t i = 0; i < TN_FONT_HEIGHT * scale; i++)
        for (int64_t j = 0; j < TN_FONT_WIDTH * scale; j++)
            if (glyph[i / scale] >> (TN_FONT_WIDTH - 1 - j / scale) & 1)
                put(s, x + j, y + i, colour);
}

/* At most max_characters of text from (x, y) to the right; returns where it ends. What does not fit
 * ends in two dots. */
static int64_t draw_text(sheet *s, int64_t x, int64_t y, int scale, rgb colour, const char *text,
                         int64_t max_characters) {
    bool cut = tn_font_length(text) > max_characters;
    for (int64_t i = 0; *text && i < max_characters; i++, x += TN_FONT_WIDTH * scale) {
        uint32_t c = tn_font_next(&text);
        bool dot = cut && i >= max_characters - 2;
        draw_character(s, x, y, scale, colour, tn_font_glyph(dot ? '.' : c));
    }
    return x;
}

/* ---- Layout ------------------------------------------------------------------------------- */

static void scale_images(sheet *s) {
    int64_t side = tn_max_i64(s->data.height, s->data.width);
    if (side <= largest_side) {
        int64_t factor = tn_max_i64(wanted_side / side, 1);
        s->drawn_height = s->data.height * factor;
        s->drawn_width = s->data.width * factor;
    } else {
        s->drawn_height = tn_max_i64(s->data.height * largest_side / side, 1);
        s->drawn_width = tn_max_i64(s->data.width * largest_side / side, 1);
    }
}

/* Captions are on one line, "7 as 1 99.8 %", if all fit there; else what it is stands above what it
 * was taken for. */
static void measure_captions(sheet *s) {
    int64_t one_line = 0, two_lines = 0;
    for (int64_t i = 0; i < s->n; i++) {
        char number[text_bytes], percent[text_bytes];
        int64_t truth = tn_font_length(class_name(s, s->mistakes[i].label, number));
        int64_t taken_for = tn_font_length(class_name(s, s->mistakes[i].prediction, number));
        format_probability(s->mistakes[i].probability, percent);
        taken_for += 1 + tn_font_length(percent);
        one_line = tn_max_i64(one_line, truth + 4 + taken_for);
        two_lines = tn_max_i64(two_lines, tn_max_i64(truth, taken_for));
    }
    int64_t least = tn_max_i64(s->drawn_width / TN_FONT_WIDTH, least_characters);
    s->caption_lines = one_line <= least ? 1 : 2;
    int64_t wanted = tn_min_i64(s->caption_lines == 1 ? one_line : two_lines, most_characters);
    s->cell_width =
        tn_max_i64(s->drawn_width, tn_max_i64(wanted, least_characters) * TN_FONT_WIDTH);
    s->cell_height = s->drawn_height + 4 + s->caption_lines * line_height;
}

static tn_status lay_out(sheet *s, tn_error *error) {
    scale_images(s);
    measure_captions(s);
    s->columns = (int64_t)ceil(sqrt((double)s->n));
    s->rows = s->columns > 0 ? (s->n + s->columns - 1) / s->columns : 0;
    int64_t title = tn_min_i64(tn_font_length(s->title), title_characters) * TN_FONT_WIDTH;
    int64_t legend = legend_characters * TN_FONT_WIDTH;
    int64_t bytes;
    bool fits = tn_size_mul(s->columns, s->cell_width + gap, &s->width) &&
                tn_size_mul(s->rows, s->cell_height + gap, &s->height) &&
                s->width < max_sheet_side && s->height < max_sheet_side;
    s->width = 2 * margin + tn_max_i64(s->width - gap, tn_max_i64(title, legend));
    int64_t room = (s->width - 2 * margin) / TN_FONT_WIDTH;
    s->title_scale = 2 * tn_font_length(s->title) <= room ? 2 : 1;
    s->head_height = margin + s->title_scale * TN_FONT_HEIGHT + 8 + line_height + gap;
    s->height += s->head_height + margin - gap;
    if (!fits || !tn_size_mul(3 * s->width, s->height, &bytes) || bytes > INT32_MAX)
        return tn_fail(error, TN_ERR_ARGUMENT, "%lld images are too many for a sheet",
                       (long long)s->n);
    s->pixels = malloc((size_t)bytes);
    if (!s->pixels) return tn_fail_memory(error);
    memset(s->pixels, paper, (size_t)bytes);
    return TN_OK;
}

/* ---- Drawing ------------------------------------------------------------------------------ */

static void draw_head(sheet *s) {
    int64_t room = (s->width - 2 * margin) / TN_FONT_WIDTH;
    draw_text(s, margin, margin, s->title_scale, ink, s->title, room / s->title_scale);
    int64_t y = s->head_height - gap - line_height;
    if (s->n == 0) {
        draw_text(s, margin, y, 1, grey, "no mistakes", room);
        return;
    }
    int64_t x = draw_text(s, margin, y, 1, green, "what it is", room);
    x = draw_text(s, x, y, 1, grey, " as ", room);
    x = draw_text(s, x, y, 1, red, "what it was taken for", room);
    draw_text(s, x, y, 1, grey, ", how surely", room);
}

/* pixels [drawn_height][drawn_width][channels] at (x, y). */
static void copy_image(sheet *s, int64_t x, int64_t y, const uint8_t *pixels) {
    int64_t channels = s->data.channels;
    for (int64_t i = 0; i < s->drawn_height; i++)
        for (int64_t j = 0; j < s->drawn_width; j++) {
            const uint8_t *p = pixels + (i * s->drawn_width + j) * channels;
            put(s, x + j, y + i, channels == 3 ? (rgb){p[0], p[1], p[2]} : (rgb){p[0], p[0], p[0]});
        }
}

/* Every pixel becomes a square of them, so that what the model saw is what is shown. */
static void enlarge(const sheet *s, const uint8_t *image, uint8_t *drawn) {
    int64_t channels = s->data.channels, factor = s->drawn_width / s->data.width;
    for (int64_t i = 0; i < s->drawn_height; i++)
        for (int64_t j = 0; j < s->drawn_width; j++)
            memcpy(drawn + (i * s->drawn_width + j) * channels,
                   image + (i / factor * s->data.width + j / factor) * channels, (size_t)channels);
}

static tn_status draw_image(sheet *s, int64_t x, int64_t y, int64_t which, tn_error *error) {
    const tn_dataset_info *data = &s->data;
    const uint8_t *image = s->images + which * data->height * data->width * data->channels;
    uint8_t *drawn = malloc((size_t)(s->drawn_height * s->drawn_width * data->channels));
    if (!drawn) return tn_fail_memory(error);
    tn_status status = TN_OK;
    if (tn_max_i64(data->height, data->width) <= largest_side)
        enlarge(s, image, drawn);
    else
        status = tn_image_resize(image, data->height, data->width, data->channels, drawn,
                                 s->drawn_height, s->drawn_width, error);
    if (status == TN_OK) copy_image(s, x, y, drawn);
    free(drawn);
    return status;
}

static void draw_caption(sheet *s, int64_t x, int64_t y, const tn_mistake *m) {
    char number[text_bytes], percent[text_bytes];
    int64_t left = x, room = s->cell_width / TN_FONT_WIDTH;
    format_probability(m->probability, percent);
    x = draw_text(s, x, y, 1, green, class_name(s, m->label, number), room);
    if (s->caption_lines == 1) {
        x = draw_text(s, x, y, 1, grey, " as ", room);
    } else {
        x = left;
        y += line_height;
    }
    int64_t rest = room - tn_font_length(percent) - 1;
    x = draw_text(s, x, y, 1, red, class_name(s, m->prediction, number), rest);
    draw_text(s, x + TN_FONT_WIDTH, y, 1, grey, percent, room);
}

static tn_status draw(sheet *s, tn_error *error) {
    TN_TRY(lay_out(s, error));
    draw_head(s);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t x = margin + i % s->columns * (s->cell_width + gap);
        int64_t y = s->head_height + i / s->columns * (s->cell_height + gap);
        TN_TRY(draw_image(s, x, y, s->mistakes[i].image, error));
        draw_caption(s, x, y + s->drawn_height + 4, &s->mistakes[i]);
    }
    return TN_OK;
}

static tn_status check(const sheet *s, tn_error *error) {
    for (int64_t i = 0; i < s->n; i++)
        if (s->mistakes[i].image < 0 || s->mistakes[i].image >= s->data.n)
            return tn_fail(error, TN_ERR_ARGUMENT,
                           "the data set has %lld images, but no image %lld", (long long)s->data.n,
                           (long long)s->mistakes[i].image);
    return TN_OK;
}

tn_status tn_contact_sheet_write(const char *path, const char *title, const tn_dataset *dataset,
                                 const char *const *class_names, int n_classes,
                                 const tn_mistake *mistakes, int64_t n, tn_error *error) {
    if (!path || !dataset || n < 0 || (n > 0 && !mistakes))
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot draw mistakes: an argument is missing");
    sheet s = {.title = title ? title : "",
               .data = TN_INIT(tn_dataset_info),
               .images = tn_dataset_images(dataset),
               .class_names = class_names,
               .n_classes = n_classes,
               .mistakes = mistakes,
               .n = n};
    tn_dataset_describe(dataset, &s.data);
    tn_status status = check(&s, error);
    if (status == TN_OK) status = draw(&s, error);
    if (status != TN_OK)
        tn_fail_within(error, status, "cannot write %s", path);
    else
        status = tn_image_write(path, s.height, s.width, 3, s.pixels, error);
    free(s.pixels);
    return status;
}
