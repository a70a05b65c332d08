/* SPDX-License-Identifier: Apache-2.0 */
#include "shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

option shapes_row(const char **text) {
    return (option){
        "shape",      0,
        OPTION_TEXT,  "NAME=1x3x224x224",
        (void *)text, "sizes of an input that the file leaves open; several with a comma between"};
}

static bool parse_dims(char *text, tn_tensor *tensor) {
    char *end = text;
    for (tensor->rank = 0; tensor->rank < TN_MAX_RANK; text = end + 1) {
        errno = 0;
        long long dim = strtoll(text, &end, 10);
        if (end == text || errno != 0 || dim < 1 || *text < '0' || *text > '9') return false;
        tensor->dims[tensor->rank++] = dim;
        if (*end != 'x') return *end == '\0';
    }
    return false;
}

bool shapes_parse(const char *text, tn_tensor **inputs, int *n, char **names) {
    size_t most = 1;
    *n = 0;
    for (const char *c = text ? text : ""; *c; c++) most += *c == ',';
    *inputs = calloc(most, sizeof **inputs);
    *names = strdup(text ? text : "");
    char *rest = *names, *item;
    if (!*inputs || !*names) {
        fail("out of memory");
        return false;
    }
    while (text && (item = strsep(&rest, ","))) {
        char *equals = strrchr(item, '=');
        tn_tensor *tensor = &(*inputs)[(*n)++];
        if (!equals || equals == item || !parse_dims(equals + 1, tensor)) {
            fail("--shape takes NAME=1x3x224x224, not \"%s\"", text);
            return false;
        }
        *equals = '\0';
        tensor->name = item;
    }
    return true;
}
