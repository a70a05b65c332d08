/* SPDX-License-Identifier: Apache-2.0 */
/* status.c: error messages, one line each. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *tn_status_name(tn_status status) {
    switch (status) {
    case TN_OK: return "ok";
    case TN_ERR_ARGUMENT: return "argument";
    case TN_ERR_MEMORY: return "memory";
    case TN_ERR_IO: return "io";
    case TN_ERR_NOT_FOUND: return "not found";
    case TN_ERR_FORMAT: return "format";
    case TN_ERR_UNSUPPORTED: return "unsupported";
    case TN_ERR_MISMATCH: return "mismatch";
    case TN_ERR_NUMERIC: return "numeric";
    case TN_STOPPED: return "stopped";
    }
    return "unknown";
}

/* Length of text without a UTF-8 sequence that was cut off at its end. */
static size_t whole_characters(const char *text, size_t length) {
    size_t lead = length;
    while (lead > 0 && length - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80) lead--;
    if (lead == 0) return length;
    unsigned char c = (unsigned char)text[lead - 1];
    size_t expected = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    size_t present = length - (lead - 1);
    return expected > present ? lead - 1 : length;
}

/* Names in messages come from files and users: a control character in one must neither break the
 * line nor reach a terminal. */
static void print_line(char *line, size_t size, const char *format, va_list args) {
    int needed = vsnprintf(line, size, format, args);
    if (needed < 0) line[0] = '\0';
    if (needed >= 0 && (size_t)needed >= size) line[whole_characters(line, size - 1)] = '\0';
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
}

tn_status tn_fail(tn_error *error, tn_status status, const char *format, ...) {
    if (!error) return status;
    va_list args;
    va_start(args, format);
    print_line(error->message, sizeof error->message, format, args);
    va_end(args);
    return status;
}

tn_status tn_fail_errno(tn_error *error, int errno_value, const char *format, ...) {
    tn_status status = errno_value == ENOENT   ? TN_ERR_NOT_FOUND
                       : errno_value == ENOMEM ? TN_ERR_MEMORY
                                               : TN_ERR_IO;
    if (!error) return status;
    char buffer[128], reason[128 + 2];
    snprintf(reason, sizeof reason, ": %s", strerror_r(errno_value, buffer, sizeof buffer));
    /* A long path is cut rather than the reason. */
    va_list args;
    va_start(args, format);
    print_line(error->message, sizeof error->message - strlen(reason), format, args);
    va_end(args);
    strcat(error->message, reason);
    return status;
}

tn_status tn_fail_within(tn_error *error, tn_status status, const char *format, ...) {
    if (!error) return status;
    tn_error context, inner = *error;
    va_list args;
    va_start(args, format);
    print_line(context.message, sizeof context.message, format, args);
    va_end(args);
    return tn_fail(error, status, "%s: %s", context.message, inner.message);
}

tn_status tn_fail_memory(tn_error *error) { return tn_fail(error, TN_ERR_MEMORY, "out of memory"); }
