/* SPDX-License-Identifier: Apache-2.0 */
/* training.h: a training run, shared by its loop (train.c) and its checkpoints (resume.c). */
#ifndef TN_TRAIN_TRAINING_H
#define TN_TRAIN_TRAINING_H

#include "base/arena.h"
#include "train/checkpoint.h"
#include "train/checkpoint_store.h"
#include "train/held_out.h"
#include "train/schedule.h"
#include "train/trainer.h"

/* All that changes from step to step beside weights and optimiser state: random numbers and order
 * follow from the seed and the step. */
typedef struct tn_training_state {
    int64_t step;                    /* steps done */
    tn_tally epoch;                  /* of the epoch at hand so far */
    double last_loss, last_accuracy; /* of the last whole epoch; NaN before its end */
    tn_held_out held_out;
} tn_training_state;

typedef struct tn_training {
    const tn_model *model;
    const tn_dataset *dataset;
    tn_train_options options; /* resolved and checked */
    int64_t n_train, n_held_out, images_per_step, steps_per_epoch, steps;
    tn_course course;
    uint32_t *images; /* [n_held_out + n_train] */
    uint32_t *order;  /* [n_train], of the epoch order_epoch */
    int64_t order_epoch;
    tn_trainer trainer;
    tn_training_state state;
    tn_tally told;  /* how much of state.epoch the event file has been told of */
    tn_store store; /* its dir is "" without checkpoints */
    tn_arena arena;
    tn_checkpoint_entry *identity; /* all that determines the result, for checkpoints */
    int n_identity;
} tn_training;

/* What checkpoints say of a model that pixels go into as they are. */
#define TN_PIXELS_AS_THEY_ARE "in 0..1"

/* One line to options->log, if there is one. */
void tn_training_log(const tn_training *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Tells options->events, if there is one, what it has to know at this point. */
tn_status tn_training_tell(tn_training *run, const tn_progress *progress, tn_error *error);

/* Fills run->identity. */
tn_status tn_training_identify(tn_training *run, tn_error *error);
/* Writes a checkpoint of the state, whose numbers the caller has found finite. */
tn_status tn_training_save(tn_training *run, tn_error *error);
/* Takes up the newest good checkpoint of run->store; logs the damaged ones passed over. *resumed is
 * false if there is none. Fails with TN_ERR_MISMATCH if it belongs to another run, TN_ERR_FORMAT if
 * all are damaged. */
tn_status tn_training_resume(tn_training *run, bool *resumed, tn_error *error);

#endif
