/* SPDX-License-Identifier: Apache-2.0 */
#include "augment_words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "options.h"
#include "text.h"

enum { WORD_ROOM = 32 };

typedef struct augment_word {
    const char *name, *unit; /* "" for a word without a number */
    int64_t *count;          /* where the number goes: one of these three */
    double *real;
    bool *flag;
} augment_word;

static const char known[] = "crop=PIXELS, shift=PIXELS, rotate=DEGREES, scale=FRACTION, flip, "
                            "cutout=PIXELS, mixup=ALPHA";

static int fail_unknown(const char *name) {
    char clean[WORD_ROOM];
    return fail_usage("train", "--augment does not know \"%s\" (known: %s)",
                      text_clean(clean, sizeof clean, name), known);
}

static int fail_number(const augment_word *word, const char *value) {
    char clean[WORD_ROOM];
    return fail_usage("train", "--augment %s takes a %snumber above 0: %s=%s, not \"%s\"",
                      word->name, word->count ? "whole " : "", word->name, word->unit,
                      value ? text_clean(clean, sizeof clean, value) : "");
}

/* A decimal number above 0, without the signs, spaces and names that strtod takes. */
static int parse_number(const augment_word *word, const char *value) {
    char *end = NULL;
    const char *digits = word->count ? "0123456789" : "0123456789.";
    if (!value || !*value || strspn(value, digits) != strlen(value))
        return fail_number(word, value);
    errno = 0;
    double number = word->count ? (double)strtoll(value, &end, 10) : strtod(value, &end);
    if (*end || errno || !(number > 0) || !isfinite(number)) return fail_number(word, value);
    if (word->count)
        *word->count = (int64_t)number;
    else
        *word->real = number;
    return OPTIONS_GO_ON;
}

/* One word, "name" or "name=value", which is cut in two. */
static int parse_word(char *text, const augment_word *words, bool *seen) {
    char *value = strchr(text, '=');
    if (value) *value++ = '\0';
    const augment_word *word = words;
    while (word->name && strcmp(word->name, text) != 0) word++;
    if (!word->name) return fail_unknown(text);
    if (seen[word - words]) return fail_usage("train", "--augment has %s twice", word->name);
    seen[word - words] = true;
    if (!word->flag) return parse_number(word, value);
    if (value) return fail_usage("train", "--augment %s takes no number", word->name);
    *word->flag = true;
    return OPTIONS_GO_ON;
}

int augment_words_parse(const char *text, tn_augmentation *a) {
    const augment_word words[] = {{"crop", "PIXELS", .count = &a->crop},
                                  {"shift", "PIXELS", .real = &a->shift},
                                  {"rotate", "DEGREES", .real = &a->rotate},
                                  {"scale", "FRACTION", .real = &a->scale},
                                  {"flip", "", .flag = &a->flip},
                                  {"cutout", "PIXELS", .count = &a->cutout},
                                  {"mixup", "ALPHA", .real = &a->mixup},
                                  {NULL}};
    bool seen[sizeof words / sizeof *words] = {false};
    *a = (tn_augmentation){0};
    for (const char *next = text;;) {
        size_t n = strcspn(next, ",");
        char word[WORD_ROOM] = "";
        memcpy(word, next, n < WORD_ROOM ? n : WORD_ROOM - 1);
        if (n >= WORD_ROOM) return fail_unknown(word);
        int code = parse_word(word, words, seen);
        if (code != OPTIONS_GO_ON) return code;
        if (!next[n]) return OPTIONS_GO_ON;
        next += n + 1;
    }
}
