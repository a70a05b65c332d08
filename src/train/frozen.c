/* SPDX-License-Identifier: Apache-2.0 */
#include "train/frozen.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

/* Names of some parameters, for a message. */
static void list_names(const tn_graph *graph, char *text, size_t bytes) {
    enum { MOST = 8 };
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < graph->n_parameters && i < MOST && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", i > 0 ? ", " : "",
                                 graph->parameters[i]->name);
    if (graph->n_parameters > MOST && used < bytes)
        snprintf(text + used, bytes - used, ", ... (%d in all)", graph->n_parameters);
}

static tn_status match(const tn_graph *graph, const char *pattern, bool *frozen, tn_error *error) {
    bool any = false;
    char names[512];
    for (int i = 0; i < graph->n_parameters; i++)
        if (fnmatch(pattern, graph->parameters[i]->name, 0) == 0) any = frozen[i] = true;
    if (any) return TN_OK;
    list_names(graph, names, sizeof names);
    return tn_fail(error, TN_ERR_ARGUMENT,
                   "cannot freeze \"%s\": no parameter has such a name (%s)", pattern, names);
}

tn_status tn_frozen_find(const tn_graph *graph, const char *const *patterns, int n, bool **frozen,
                         tn_error *error) {
    *frozen = NULL;
    if (n == 0) return TN_OK;
    bool *found = calloc((size_t)graph->n_parameters + 1, sizeof *found);
    tn_status status = found ? TN_OK : tn_fail_memory(error);
    for (int i = 0; i < n && status == TN_OK; i++) status = match(graph, patterns[i], found, error);
    if (status != TN_OK) {
        free(found);
        return status;
    }
    *frozen = found;
    return TN_OK;
}

tn_status tn_frozen_describe(const tn_graph *graph, const char *const *patterns, int n,
                             char text[TN_FROZEN_TEXT], tn_error *error) {
    bool *frozen;
    int n_frozen = 0;
    char hex[65];
    tn_sha256 sha;
    TN_TRY(tn_frozen_find(graph, patterns, n, &frozen, error));
    tn_sha256_begin(&sha);
    for (int i = 0; frozen && i < graph->n_parameters; i++) {
        if (!frozen[i]) continue;
        n_frozen++;
        tn_sha256_add(&sha, graph->parameters[i]->name, strlen(graph->parameters[i]->name) + 1);
    }
    tn_sha256_end(&sha, hex);
    free(frozen);
    if (n_frozen == 0)
        snprintf(text, TN_FROZEN_TEXT, "none");
    else
        snprintf(text, TN_FROZEN_TEXT, "%d of %d parameters (%.16s)", n_frozen, graph->n_parameters,
                 hex);
    return TN_OK;
}
