/* SPDX-License-Identifier: Apache-2.0 */
/* message.h: what the command tells people, and how it fails. */
#ifndef TN_TENON_MESSAGE_H
#define TN_TENON_MESSAGE_H

#include <stdbool.h>
#include <stdio.h>

#include <tenon/tenon.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Where text for people goes: standard output, or standard error if the results for programs take
 * standard output (json_path is "-"), or nowhere (NULL) if quiet. */
FILE *people_stream(const char *json_path, bool quiet);

/* Prints to a stream of people_stream; nothing if that is NULL. */
void say(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print "tenon: message" as one line without control characters; return the exit code. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fail_error(const tn_error *error);
/* The same for a wrong command line; adds where the help is. verb may be NULL. */
int fail_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says on standard error what needs attention but is no failure. */
void warn(const char *message);

#endif
