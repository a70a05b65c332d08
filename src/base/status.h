/* SPDX-License-Identifier: Apache-2.0 */
/* status.h: how functions fail. */
#ifndef TN_BASE_STATUS_H
#define TN_BASE_STATUS_H

#include "tenon/tenon.h"

/* Writes a one-line message to error (if not NULL; cut at its size) and returns status:
 *     return tn_fail(error, TN_ERR_FORMAT, "%s: wrong magic", path); */
tn_status tn_fail(tn_error *error, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with strerror(errno_value) appended after ": "; returns TN_ERR_NOT_FOUND for ENOENT,
 * TN_ERR_MEMORY for ENOMEM, else TN_ERR_IO. */
tn_status tn_fail_errno(tn_error *error, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "context: " before the message of a failure that a callee reported; returns status. */
tn_status tn_fail_within(tn_error *error, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
tn_status tn_fail_memory(tn_error *error);

#define TN_TRY(expression)                                                                         \
    do {                                                                                           \
        tn_status try_status = (expression);                                                       \
        if (try_status != TN_OK) return try_status;                                                \
    } while (0)

#endif
