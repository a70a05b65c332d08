/* SPDX-License-Identifier: Apache-2.0 */
/* sysfile.h: small text files of the kernel. */
#ifndef TN_CPU_SYSFILE_H
#define TN_CPU_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the file whose path is the formatted string, up to size - 1 bytes of it, as a terminated
 * string. False, and an empty string, if it cannot be read. */
bool tn_sysfile_read(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
