/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <stdarg.h>
#include <string.h>

#include "text.h"

FILE *people_stream(const char *json_path, bool quiet) {
    if (quiet) return NULL;
    return json_path && strcmp(json_path, "-") == 0 ? stderr : stdout;
}

void say(FILE *out, const char *format, ...) {
    if (!out) return;
    va_list args;
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
}

/* What was printed before must stand before the error when both go to one file. */
static void complain(const char *kind, const char *message) {
    char line[8192];
    fflush(stdout);
    fprintf(stderr, "tenon: %s%s\n", kind, text_clean(line, sizeof line, message));
}

int fail(const char *format, ...) {
    char message[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    complain("", message);
    return EXIT_FAILED;
}

int fail_error(const tn_error *error) {
    complain("", error->message);
    return EXIT_FAILED;
}

int fail_usage(const char *verb, const char *format, ...) {
    char message[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    complain("", message);
    fprintf(stderr, "See: tenon %s%s--help\n", verb ? verb : "", verb ? " " : "");
    return EXIT_USAGE;
}

void warn(const char *message) { complain("warning: ", message); }
