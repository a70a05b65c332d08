/* SPDX-License-Identifier: Apache-2.0 */
/* training.h: one run of tenon train, shared by its parts: train_options.c (the command line),
 * train_recipe.c (the recipe in words and for programs), fine_tune.c (what is done to an ONNX file
 * before),
 * train_report.c (what is said before and after), train_events.c (what TensorBoard is told),
 * cmd_train.c (all else). */
#ifndef TN_TENON_TRAINING_H
#define TN_TENON_TRAINING_H

#include <limits.h>

#include "json.h"
#include "options.h"
#include "pixel_options.h"
#include "progress.h"

typedef struct training {
    int argc;
    char **argv;
    /* from the command line */
    const char *model_name, *data_name, *output, *json, *checkpoint, *tensorboard, *augment,
        *tuning_name, *head;
    pixel_words pixels;
    word_list freeze; /* patterns; its items are freed by whoever made job */
    bool no_checkpoint, quiet, momentum_given;
    tn_train_options options;
    tn_dataset_options data_options;
    /* derived */
    char output_path[PATH_MAX], checkpoint_dir[PATH_MAX];
    FILE *out;
    tn_cpu_info cpu;
    tn_dataset *data, *test;
    tn_model *model, *trained;
    tn_tuning *tuning; /* NULL without */
    progress progress;
    int64_t first_step; /* shown by the first progress report; 0 before it */
    tn_train_result result;
    tn_evaluation evaluation;
    int64_t output_bytes;
} training;

/* Names on the command line and in results: [optimizer - 1], [schedule - 1]; NULL-terminated. */
extern const char *const training_optimizer_names[], *const training_schedule_names[];

/* Reads the command line into job and words. Returns OPTIONS_GO_ON or the exit code. */
int training_parse(training *job, word_list *words);
/* Whether options go together, once they are resolved. Returns OPTIONS_GO_ON or EXIT_USAGE. */
int training_check(const training *job);

/* The recipe in words, "4 epochs, batches of 64, ...": all that is not as if nobody had said
 * anything. */
enum { TRAINING_RECIPE_TEXT = 1024 };
void training_describe_recipe(const training *job, char text[TRAINING_RECIPE_TEXT]);
/* And as keys of the results. */
void training_put_recipe(const training *job, json_t *object);
/* Tells people what will be done; options are resolved. */
void training_announce(const training *job);
/* Tells people which weights were kept, and whether patience ended training. */
void training_report_choice(const training *job);
/* Writes the results for programs, if they are asked for; returns the exit code. */
int training_write_json(const training *job);

/* Opens the event file, if one is asked for; prints the error and returns false on failure. */
bool training_open_events(training *job);
/* Tells it of the test images and the worst mistakes; predictions and losses are those of
 * job->evaluation. */
tn_status training_tell_test(training *job, tn_session *session, const int32_t *predictions,
                             const float *losses, tn_error *error);
/* Prints what went wrong with it and returns false, if something did. */
bool training_close_events(training *job);

#endif
