/* SPDX-License-Identifier: Apache-2.0 */
/* json.h: results for programs. Keys are snake_case with units and the same in every command. */
#ifndef TN_TENON_JSON_H
#define TN_TENON_JSON_H

#include <jansson.h>

#include <tenon/tenon.h>

/* The setters give null for a number that is not finite and for a string that is NULL; bytes of a
 * string that JSON cannot hold become '?'. An object or array that is NULL is skipped, so that a
 * lack of memory shows up once, in json_write. */
void json_put_text(json_t *object, const char *key, const char *text);
void json_put_integer(json_t *object, const char *key, int64_t value);
void json_put_real(json_t *object, const char *key, double value);
void json_put_bool(json_t *object, const char *key, bool value);
/* Puts the dimensions of a tensor. */
void json_put_shape(json_t *object, const char *key, const tn_tensor *tensor);
/* Puts model, parameters and weights_sha256. */
void json_put_model(json_t *object, const char *name, const tn_model *model);

/* Adds peak_rss_bytes, writes object to path ("-" is standard output) and releases it. Prints an
 * error and returns the exit code of a failure, else 0. */
int json_write(json_t *object, const char *path);

#endif
