/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "message.h"
#include "text.h"

void json_put_text(json_t *object, const char *key, const char *text) {
    json_t *value = text ? json_string(text) : json_null();
    if (!value) {
        char clean[4096];
        value = json_string(text_clean(clean, sizeof clean, text));
    }
    json_object_set_new(object, key, value);
}

void json_put_integer(json_t *object, const char *key, int64_t value) {
    json_object_set_new(object, key, json_integer(value));
}

void json_put_real(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

void json_put_bool(json_t *object, const char *key, bool value) {
    json_object_set_new(object, key, json_boolean(value));
}

void json_put_shape(json_t *object, const char *key, const tn_tensor *tensor) {
    json_t *dims = json_array();
    for (int i = 0; i < tensor->rank; i++)
        json_array_append_new(dims, json_integer(tensor->dims[i]));
    json_object_set_new(object, key, dims);
}

void json_put_model(json_t *object, const char *name, const tn_model *model) {
    char hex[65];
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    json_put_text(object, "model", name);
    json_put_integer(object, "parameters", info.parameters);
    tn_model_weights_sha256(model, hex);
    json_put_text(object, "weights_sha256", hex);
}

static int64_t peak_rss_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

/* Fifteen digits show every decimal fraction as it is meant: 0.9913, not 0.99129999999999996. */
static int dump(json_t *object, FILE *file) {
    if (json_dumpf(object, file, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) != 0) return -1;
    return fputc('\n', file) == EOF ? -1 : 0;
}

int json_write(json_t *object, const char *path) {
    if (!object) return fail("cannot write results as JSON: out of memory");
    json_put_integer(object, "peak_rss_bytes", peak_rss_bytes());
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *file = to_stdout ? stdout : fopen(path, "w");
    bool good = file && dump(object, file) == 0;
    int error = errno;
    if (file && !to_stdout && fclose(file) != 0 && good) {
        good = false;
        error = errno;
    }
    json_decref(object);
    /* main reports trouble with standard output, for all commands alike */
    return good || to_stdout ? 0 : fail("cannot write %s: %s", path, strerror(error));
}
