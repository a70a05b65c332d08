/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h: the file format of checkpoints. A safetensors file (8 bytes of little-endian header
 * length, a JSON header, float32 data) whose __metadata__ begins with the SHA-256 of the whole
 * file, its own 64 digits taken as zeros, and holds the CRC-32 of each tensor. */
#ifndef TN_TRAIN_CHECKPOINT_H
#define TN_TRAIN_CHECKPOINT_H

#include "base/arena.h"
#include "base/status.h"

/* Before the names of tensors that hold the optimiser's state, and what else training keeps for
 * each parameter. */
#define TN_CHECKPOINT_OPTIMIZER "optimizer."
#define TN_CHECKPOINT_TRAINING "training."

typedef struct tn_checkpoint_entry {
    const char *key, *value;
} tn_checkpoint_entry;

typedef struct tn_checkpoint_tensor {
    const char *name;
    int rank;
    int64_t dims[TN_MAX_RANK];
    const float *data; /* NULL: see tn_checkpoint_serialise */
} tn_checkpoint_tensor;

typedef struct tn_checkpoint {
    tn_checkpoint_entry *entries;
    int n_entries;
    tn_checkpoint_tensor *tensors;
    int n_tensors;
    tn_arena arena; /* of a parsed checkpoint: holds all of the above */
} tn_checkpoint;

typedef enum tn_checkpoint_checks {
    TN_CHECKPOINT_VERIFY,
    TN_CHECKPOINT_SKIP_SUMS /* no check sums: for the fuzzer, which cannot guess them */
} tn_checkpoint_checks;

/* Whether a parameter of this name can be stored: fails with TN_ERR_UNSUPPORTED if not. */
tn_status tn_checkpoint_check_name(const char *name, tn_error *error);

/* Writes the numbers of tensor i. */
typedef void tn_checkpoint_fill_fn(const void *user, int i, float *data);

/* Serialises to malloc'ed memory. fill writes the data of tensors whose own is NULL, so that it
 * need not exist twice; without such tensors it may be NULL. */
tn_status tn_checkpoint_serialise(const tn_checkpoint *checkpoint, tn_checkpoint_fill_fn *fill,
                                  const void *user, void **bytes, size_t *n_bytes, tn_error *error);
/* Parses a file's bytes, which are hostile until checked, into copies. The check sums are not among
 * the entries. Fails with TN_ERR_FORMAT ("its ...", to be put behind the file's name) or
 * TN_ERR_MEMORY. */
tn_status tn_checkpoint_parse(const void *bytes, size_t n_bytes, tn_checkpoint_checks checks,
                              tn_checkpoint *checkpoint, tn_error *error);
/* Frees what tn_checkpoint_parse made. */
void tn_checkpoint_free(tn_checkpoint *checkpoint);

/* NULL if there is none. */
const char *tn_checkpoint_find(const tn_checkpoint *checkpoint, const char *key);
const tn_checkpoint_tensor *tn_checkpoint_tensor_find(const tn_checkpoint *checkpoint,
                                                      const char *name);

#endif
