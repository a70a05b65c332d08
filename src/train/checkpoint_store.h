/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_store.h: a directory of checkpoints, step-000000312.safetensors and so on. */
#ifndef TN_TRAIN_CHECKPOINT_STORE_H
#define TN_TRAIN_CHECKPOINT_STORE_H

#include "base/status.h"

enum { TN_STORE_PATH_MAX = 1024 };

typedef struct tn_store {
    char dir[TN_STORE_PATH_MAX]; /* without a slash at its end; "" for no store at all */
    int lock;                    /* descriptor of the directory, -1 if none */
    bool locked;
    bool made; /* the directory is new */
    int keep;
    char last[TN_STORE_PATH_MAX]; /* path of the newest good checkpoint; "" if none */
    int64_t last_step;            /* its step; -1 if none */
} tn_store;

/* Makes the directory if missing, takes it for this run alone (a lock that ends with the process),
 * removes what dead runs left half-written, and tries writing. Fails with TN_ERR_IO,
 * TN_ERR_ARGUMENT (the name is too long, or another run is at work there). The store needs
 * tn_store_close on failure too. */
tn_status tn_store_open(const char *dir, int keep, tn_store *store, tn_error *error);
/* Removes the directory if tn_store_open made it and nothing is in it. */
void tn_store_close(tn_store *store);

/* The steps of the checkpoints present, newest first; *steps is malloc'ed. */
tn_status tn_store_list(const tn_store *store, int64_t **steps, int *n, tn_error *error);
/* The path of a step's checkpoint into path. */
void tn_store_path(const tn_store *store, int64_t step, char path[TN_STORE_PATH_MAX]);
/* Writes a checkpoint, complete or not at all, then removes all but the last `keep` up to this one
 * (newer ones were found damaged, and will be replaced when training gets there). */
tn_status tn_store_write(tn_store *store, int64_t step, const void *bytes, size_t n_bytes,
                         tn_error *error);

#endif
