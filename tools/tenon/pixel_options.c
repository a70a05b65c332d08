/* SPDX-License-Identifier: Apache-2.0 */
#include "pixel_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

static const char *const scales[] = {"0..1", "0..255", NULL};
static const char *const colours[] = {"rgb", "bgr", NULL};

void pixel_options_rows(pixel_words *words, option rows[static PIXEL_ROWS]) {
    *words = (pixel_words){.scale = -1, .colour = -1};
    const option all[PIXEL_ROWS] = {
        {"scale", 0, OPTION_CHOICE, "RANGE", &words->scale,
         "of the pixels that the model takes: 0..1 or 0..255; default its metadata, else 0..1",
         .choices = scales},
        {"mean", 0, OPTION_TEXT, "X[,X,X]", &words->mean,
         "subtracted from pixels in that range, one for all channels or one for each; default its "
         "metadata, else 0"},
        {"std", 0, OPTION_TEXT, "X[,X,X]", &words->std,
         "which they are divided by then; default its metadata, else 1"},
        {"colour", 0, OPTION_CHOICE, "ORDER", &words->colour,
         "of the model's channels: rgb or bgr; default its metadata, else rgb", .choices = colours},
        {"resize-shorter", 0, OPTION_COUNT, "N", &words->resize_shorter,
         "scale image files until their shorter side has N pixels, then cut out the middle; "
         "default "
         "its metadata, else the middle as large as it can be",
         1, 16384},
        {"classes", 0, OPTION_TEXT, "FILE", &words->classes,
         "the names of the classes, one a line; default its metadata, else numbers"},
    };
    memcpy(rows, all, sizeof all);
}

/* "0.485,0.456,0.406", or one number for all channels. */
static bool parse_numbers(const char *text, int64_t channels, double numbers[static 4]) {
    int n = 0;
    while (n < 4) {
        char *end;
        numbers[n++] = strtod(text, &end);
        if (end == text) return false;
        if (*end == '\0') break;
        if (*end != ',') return false;
        text = end + 1;
    }
    for (int k = n; k < 4 && n == 1; k++) numbers[k] = numbers[0];
    return n == 1 || n == channels;
}

static int fail_numbers(const char *verb, const char *name, const char *text, int64_t channels) {
    return fail_usage(verb,
                      "--%s takes one number, or one for each of the model's %d channels: not %s",
                      name, (int)channels, text);
}

/* All lines of a file, and pointers at them; both to be freed. *n is -1 on failure. */
static char *read_lines(const char *path, const char ***lines, int *n) {
    enum { MOST = 8 << 20 };
    FILE *file = fopen(path, "r");
    char *text = file ? calloc(1, MOST + 1) : NULL;
    size_t bytes = text ? fread(text, 1, MOST, file) : 0;
    bool whole = text && !ferror(file) && (bytes < MOST || fgetc(file) == EOF);
    if (file) fclose(file);
    *n = -1;
    *lines = whole ? calloc(bytes + 1, sizeof **lines) : NULL;
    if (!*lines) return text;
    *n = 0;
    for (char *line = text; line < text + bytes;) {
        char *end = line + strcspn(line, "\r\n");
        bool two = end[0] == '\r' && end[1] == '\n';
        (*lines)[(*n)++] = line;
        line = end + (two ? 2 : 1);
        *end = '\0';
    }
    while (*n > 0 && !*(*lines)[*n - 1]) --*n; /* empty lines at the end */
    return text;
}

static int name_classes(const char *path, tn_model *model) {
    tn_error error = {""};
    const char **lines = NULL;
    int n, code = EXIT_DONE;
    char *text = read_lines(path, &lines, &n);
    if (n < 0)
        code = fail("cannot read %s: no such file, or not a list of names", path);
    else if (tn_model_name_classes(model, n, lines, &error) != TN_OK)
        code = fail("cannot take the names in %s: %s", path, error.message);
    free(lines);
    free(text);
    return code;
}

int pixel_options_apply(const char *verb, const pixel_words *words, tn_model *model) {
    tn_error error = {""};
    tn_model_info info = TN_INIT(tn_model_info);
    tn_preprocessing p = TN_INIT(tn_preprocessing);
    tn_model_describe(model, &info);
    tn_model_get_preprocessing(model, &p);
    if (words->mean && !parse_numbers(words->mean, info.channels, p.mean))
        return fail_numbers(verb, "mean", words->mean, info.channels);
    if (words->std && !parse_numbers(words->std, info.channels, p.std))
        return fail_numbers(verb, "std", words->std, info.channels);
    if (words->scale >= 0) p.scale = words->scale == 1 ? 255 : 1;
    if (words->colour >= 0) p.bgr = words->colour == 1;
    if (words->resize_shorter) p.resize_shorter = words->resize_shorter;
    bool given = words->mean || words->std || words->scale >= 0 || words->colour >= 0 ||
                 words->resize_shorter;
    if (given && tn_model_set_preprocessing(model, &p, &error) != TN_OK) return fail_error(&error);
    return words->classes ? name_classes(words->classes, model) : EXIT_DONE;
}
