/* SPDX-License-Identifier: Apache-2.0 */
/* file.h: reading whole files, and replacing them so that a crash loses nothing. */
#ifndef TN_BASE_FILE_H
#define TN_BASE_FILE_H

#include "base/status.h"

/* What stands between a file's name and the rest of the name of its temporary, which a killed
 * process may leave behind beside it: "model.onnx.tmp-4711-0". */
#define TN_FILE_TEMPORARY_MARK ".tmp-"

/* Reads a whole file into *data (malloc'ed, the caller's; never NULL, even if *bytes is 0). Fails
 * with TN_ERR_NOT_FOUND, TN_ERR_UNSUPPORTED if it holds more than max_bytes (a regular file is
 * measured before anything is allocated), TN_ERR_IO (a directory, among others), TN_ERR_MEMORY. */
tn_status tn_file_read(const char *path, int64_t max_bytes, void **data, int64_t *bytes,
                       tn_error *error);

/* Makes a directory and those above it where they are missing; *made (may be NULL) says whether it
 * is new. Returns 0 or an errno; that something else has its name may go unnoticed. */
int tn_directory_make(const char *dir, bool *made);

/* Makes data the content of path, complete or not at all, whatever happens meanwhile: a temporary
 * file in the same directory is written, synchronised, renamed over path, and the directory
 * synchronised. Keeps the mode of an existing file and follows a symbolic link; a device or pipe is
 * written directly. Fails with TN_ERR_IO, TN_ERR_NOT_FOUND (no such directory) or TN_ERR_MEMORY;
 * the old file then is as it was and the temporary gone, save that an error synchronising the
 * directory at the end leaves the new content in place. */
tn_status tn_file_replace(const char *path, const void *data, size_t bytes, tn_error *error);

#endif
