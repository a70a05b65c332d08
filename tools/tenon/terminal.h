/* SPDX-License-Identifier: Apache-2.0 */
/* terminal.h: what the far end of a stream can show. */
#ifndef TN_TENON_TERMINAL_H
#define TN_TENON_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

typedef enum terminal_colour { COLOUR_NONE = 0, COLOUR_256, COLOUR_24_BIT } terminal_colour;

typedef struct terminal {
    bool live;              /* a terminal on which a line can be redrawn */
    bool utf8;              /* by the locale; the caller has called setlocale(LC_CTYPE, "") */
    terminal_colour colour; /* none in a pipe, and none with NO_COLOR (no-color.org) */
} terminal;

/* out may be NULL. */
terminal terminal_of(FILE *out);
/* Columns, now; 80 if unknown. */
int terminal_width(FILE *out);

#endif
