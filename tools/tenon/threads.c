/* SPDX-License-Identifier: Apache-2.0 */
#include "threads.h"

#include "message.h"
#include "text.h"

void threads_rows(threads_given *given, option rows[static THREADS_ROWS]) {
    static const char *const pins[] = {"auto", "yes", "no", NULL}; /* as tn_pin counts */
    rows[THREADS_ROW_THREADS] =
        (option){"threads", 't',       OPTION_COUNT,
                 "N",       &given->n, "default one per physical core at hand (see tenon cpu)",
                 1,         1024};
    rows[THREADS_ROW_PIN] =
        (option){"pin",
                 0,
                 OPTION_CHOICE,
                 "WHEN",
                 &given->pin,
                 "bind each thread to a processor: auto (if no other program is meant to use "
                 "them), yes or no; default auto",
                 .choices = pins};
}

void threads_say_pinning(FILE *out, int indent, bool pinned, const char *why) {
    char text[256];
    if (!out) return;
    snprintf(text, sizeof text, "%s: %s", pinned ? "pinned" : "not pinned", why);
    text_wrap(out, text, indent, 90);
}
