/* SPDX-License-Identifier: Apache-2.0 */
/* output.h: files that a command will write when its work is done. */
#ifndef TN_TENON_OUTPUT_H
#define TN_TENON_OUTPUT_H

#include <stdbool.h>

/* Whether path can be written, asked before the work instead of after it. "-" and NULL always can.
 * Prints "cannot write PATH: why" and returns false if not. */
bool output_is_writable(const char *path);
/* Whether writing path leaves `other` alone, which is `what` ("the model"). "-" and NULL always do.
 * Prints "cannot write PATH: it is WHAT (name another file)" and returns false if not. */
bool output_is_apart(const char *path, const char *other, const char *what);

/* Whether the directory holds checkpoints of an earlier run. */
bool checkpoints_present(const char *dir);
/* Removes the checkpoints, and the directory if nothing else is in it. */
void checkpoints_remove(const char *dir);

#endif
