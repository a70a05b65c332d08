/* SPDX-License-Identifier: Apache-2.0 */
/* train_events.c: what tenon train --tensorboard writes beside the course of training. */
#include <inttypes.h>

#include "message.h"
#include "training.h"

enum { MISTAKES = 64 };

bool training_open_events(training *job) {
    tn_error error = {""};
    if (!job->tensorboard) return true;
    if (tn_events_open(job->tensorboard, &job->options.events, &error) == TN_OK) return true;
    fail_error(&error);
    return false;
}

/* Each under a tag of its own, for of one tag only a few images are shown. */
static void tell_mistake(const training *job, const tn_dataset_info *data, int64_t step,
                         const tn_mistake *m) {
    tn_model_info model = TN_INIT(tn_model_info);
    tn_model_describe(job->trained, &model);
    char tag[512];
    snprintf(tag, sizeof tag, "mistakes/%s taken for %s (image %" PRId64 ")",
             data->class_names[m->label], model.class_names[m->prediction], m->image);
    int64_t bytes = data->height * data->width * data->channels;
    tn_events_image(job->options.events, tag, step, data->height, data->width, data->channels,
                    tn_dataset_images(job->test) + m->image * bytes);
}

tn_status training_tell_test(training *job, tn_session *session, const int32_t *predictions,
                             const float *losses, tn_error *error) {
    tn_events *events = job->options.events;
    if (!events) return TN_OK;
    tn_mistake mistakes[MISTAKES];
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    int64_t n = 0, step = job->result.steps;
    tn_dataset_describe(job->test, &data);
    tn_events_scalar(events, "test_accuracy", step, job->evaluation.accuracy);
    tn_events_scalar(events, "test_loss", step, job->evaluation.loss);
    tn_status status =
        tn_session_mistakes(session, job->test, predictions, losses, MISTAKES, mistakes, &n, error);
    for (int64_t i = 0; i < n; i++) tell_mistake(job, &data, step, &mistakes[i]);
    return status;
}

bool training_close_events(training *job) {
    tn_error error = {""};
    tn_events *events = job->options.events;
    job->options.events = NULL;
    if (tn_events_close(events, &error) == TN_OK) return true;
    fail_error(&error);
    return false;
}
