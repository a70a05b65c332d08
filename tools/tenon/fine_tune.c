/* SPDX-License-Identifier: Apache-2.0 */
#include "fine_tune.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "model.h"
#include "text.h"

enum { MOST_CLASSES = 65536 };

/* 0 if the text is no number of classes. */
static int number_of(const char *text) {
    char *end;
    long n = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && n <= MOST_CLASSES ? (int)n : 0;
}

static bool as_in_data(const training *job) { return strcmp(job->head, "data") == 0; }

static bool any_pixel_words(const pixel_words *w) {
    return w->mean || w->std || w->scale >= 0 || w->colour >= 0 || w->resize_shorter || w->classes;
}

int fine_tune_check(const training *job) {
    if (job->pixels.resize_shorter)
        return fail_usage("train", "--resize-shorter is for tenon infer (of pictures to train on: "
                                   "--image-size and --fit)");
    if (any_pixel_words(&job->pixels) && model_is_builtin(job->model_name))
        return fail_usage("train",
                          "how pixels are prepared, and classes called, is for ONNX files: "
                          "%s is built for the data",
                          job->model_name);
    if (!job->head) return OPTIONS_GO_ON;
    if (model_is_builtin(job->model_name))
        return fail_usage("train",
                          "--head is for ONNX files: %s is built with as many classes as the data "
                          "has",
                          job->model_name);
    if (as_in_data(job) || number_of(job->head) > 0) return OPTIONS_GO_ON;
    return fail_usage("train",
                      "--head takes a number of classes from 1 to %d, or data for as many as the "
                      "data set has, not %s",
                      MOST_CLASSES, job->head);
}

/* Classes that the data does not have are numbers. */
static const char **name_classes(const tn_dataset_info *data, int n, char (*numbers)[TEXT_NUMBER]) {
    const char **names = calloc((size_t)n, sizeof *names);
    for (int i = 0; i < n && names; i++) {
        snprintf(numbers[i], TEXT_NUMBER, "%d", i);
        names[i] = i < data->n_classes ? data->class_names[i] : numbers[i];
    }
    return names;
}

bool fine_tune_model(training *job) {
    if (pixel_options_apply("train", &job->pixels, job->model) != EXIT_DONE) return false;
    if (!job->head) return true;
    tn_error error = {""};
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_head_options options = TN_INIT(tn_head_options);
    tn_model *replaced = NULL;
    tn_dataset_describe(job->data, &data);
    options.n_classes = as_in_data(job) ? data.n_classes : number_of(job->head);
    options.seed = job->options.seed;
    if (options.n_classes < data.n_classes)
        return fail("cannot train on %s: it has %d classes, --head %d is too few for them "
                    "(--head data makes it as many)",
                    data.name, data.n_classes, options.n_classes) == EXIT_DONE;
    char(*numbers)[TEXT_NUMBER] = calloc((size_t)options.n_classes, sizeof *numbers);
    const char **names = numbers ? name_classes(&data, options.n_classes, numbers) : NULL;
    options.class_names = names;
    bool made = names && tn_model_replace_head(job->model, &options, &replaced, &error) == TN_OK;
    if (!names)
        fail("out of memory");
    else if (!made)
        fail_error(&error);
    free(names);
    free(numbers);
    if (!made) return false;
    tn_model_free(job->model);
    job->model = replaced;
    return true;
}

/* Parameters whose names match one of the patterns. */
static int count_frozen(const training *job, int n) {
    int n_frozen = 0;
    for (int i = 0; i < n; i++) {
        tn_tensor parameter;
        bool matches = false;
        tn_model_describe_parameter(job->model, i, &parameter);
        for (int k = 0; k < job->freeze.n && !matches; k++)
            matches = fnmatch(job->freeze.items[k], parameter.name, 0) == 0;
        n_frozen += matches;
    }
    return n_frozen;
}

void fine_tune_announce(const training *job) {
    tn_model_info info = TN_INIT(tn_model_info);
    char text[512];
    tn_model_describe(job->model, &info);
    if (job->head) say(job->out, "  head         new, for %d classes\n", info.n_classes);
    if (job->freeze.n == 0) return;
    say(job->out,
        "  frozen       %d of %d parameter tensors:", count_frozen(job, info.n_parameter_tensors),
        info.n_parameter_tensors);
    for (int k = 0; k < job->freeze.n; k++)
        say(job->out, " %s", text_clean(text, sizeof text, job->freeze.items[k]));
    say(job->out, "\n");
}

void fine_tune_put_json(const training *job, json_t *results) {
    json_t *freeze = json_array();
    for (int k = 0; k < job->freeze.n; k++) {
        char text[512];
        text_clean(text, sizeof text, job->freeze.items[k]);
        json_array_append_new(freeze, json_string(text));
    }
    json_object_set_new(results, "freeze", freeze);
    json_put_bool(results, "new_head", job->head != NULL);
}
