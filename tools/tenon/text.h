/* SPDX-License-Identifier: Apache-2.0 */
/* text.h: numbers, times and strings of strangers as people read them. Each function fills and
 * returns the caller's buffer. */
#ifndef TN_TENON_TEXT_H
#define TN_TENON_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_NUMBER = 48 }; /* bytes that hold any number below */

/* Text from a file (a layer's or class's name, a message that quotes one) with bytes that could
 * steer a terminal, and those that are not UTF-8, replaced by '?'; cut to size. */
char *text_clean(char *buffer, size_t size, const char *text);
/* The same, filled up with spaces or cut to so many columns. size > 4 · columns. */
char *text_fit(char *buffer, size_t size, const char *text, int columns);
/* Columns that text_clean's result takes, a character being one. */
int text_columns(const char *text);

char *text_count(char buffer[static TEXT_NUMBER], int64_t n);         /* 60,000 */
char *text_bytes(char buffer[static TEXT_NUMBER], int64_t bytes);     /* 4.8 MB */
char *text_memory(char buffer[static TEXT_NUMBER], int64_t bytes);    /* 512 KiB */
char *text_duration(char buffer[static TEXT_NUMBER], double seconds); /* 8.2 s, 3:07, 1:02:03 */
char *text_percent(char buffer[static TEXT_NUMBER], double fraction); /* 99.12 %, never rounded
                                                                         up to 100 or down to 0 */

/* Prints the words of text and a line feed, in lines up to `width` columns that begin at `column`,
 * where the cursor stands already; in shorter ones on a terminal that is narrower. */
void text_wrap(FILE *out, const char *text, int column, int width);

/* One word for a POSIX shell, quoted if needed; NULL if out of memory, else to be freed. */
char *text_shell_word(const char *word);

/* The candidate (of a NULL-terminated list, `stride` bytes apart) that word is a likely misspelling
 * of, or NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t stride);

#endif
