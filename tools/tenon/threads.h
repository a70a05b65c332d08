/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h: --threads and --pin, the same in every command that has them. */
#ifndef TN_TENON_THREADS_H
#define TN_TENON_THREADS_H

#include <stdio.h>

#include <tenon/tenon.h>

#include "options.h"

typedef struct threads_given {
    int64_t n; /* 0 if not given */
    int pin;   /* a tn_pin */
} threads_given;

enum { THREADS_ROW_THREADS, THREADS_ROW_PIN, THREADS_ROWS };

void threads_rows(threads_given *given, option rows[static THREADS_ROWS]);

/* "pinned: why" or "not pinned: why", with a line feed, wrapped and indented. out may be NULL. */
void threads_say_pinning(FILE *out, int indent, bool pinned, const char *why);

#endif
