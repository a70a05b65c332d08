/* SPDX-License-Identifier: Apache-2.0 */
/* pixel_options.h: how pixels are prepared for a model from another program, and how its classes
 * are called, on the command line: the same in every command that takes images. */
#ifndef TN_TENON_PIXEL_OPTIONS_H
#define TN_TENON_PIXEL_OPTIONS_H

#include <stdbool.h>

#include <tenon/tenon.h>

#include "options.h"

typedef struct pixel_words {
    const char *mean, *std, *classes;
    int scale, colour; /* -1 if not given */
    int64_t resize_shorter;
} pixel_words;

enum { PIXEL_ROWS = 6 };

/* Begins with nothing given. */
void pixel_options_rows(pixel_words *words, option rows[static PIXEL_ROWS]);
/* Tells the model what the words say, on top of what its file says. Prints the error and returns
 * the exit code of a failure, else 0. */
int pixel_options_apply(const char *verb, const pixel_words *words, tn_model *model);

#endif
