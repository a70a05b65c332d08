/* SPDX-License-Identifier: Apache-2.0 */
#include "infer_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "class_report.h"
#include "infer_images.h"
#include "json.h"
#include "message.h"
#include "text.h"

typedef struct verdicts {
    tn_dataset *data;
    tn_dataset_info info;
    tn_model_info model;
    const char **names; /* of the model's classes */
    int32_t *predictions;
    float *losses;
    tn_evaluation evaluation;
} verdicts;

static void release(verdicts *v) {
    tn_dataset_free(v->data);
    free(v->names);
    free(v->predictions);
    free(v->losses);
}

/* The model's names, or the data set's where the model has only numbers. */
static void choose_names(verdicts *v) {
    for (int k = 0; k < v->model.n_classes; k++) {
        char number[TEXT_NUMBER];
        snprintf(number, sizeof number, "%d", k);
        bool named = strcmp(v->model.class_names[k], number) != 0;
        v->names[k] =
            named || k >= v->info.n_classes ? v->model.class_names[k] : v->info.class_names[k];
    }
}

/* Folders of classes may be others than those that the model was trained on. */
static void warn_of_other_classes(const verdicts *v) {
    for (int k = 0; k < v->model.n_classes && k < v->info.n_classes; k++) {
        char number[TEXT_NUMBER], text[1024], one[256], other[256];
        snprintf(number, sizeof number, "%d", k);
        if (strcmp(v->info.class_names[k], number) == 0 ||
            strcmp(v->info.class_names[k], v->names[k]) == 0)
            continue;
        snprintf(text, sizeof text,
                 "class %d is %s in the data and %s in the model: their classes differ", k,
                 text_clean(one, sizeof one, v->info.class_names[k]),
                 text_clean(other, sizeof other, v->names[k]));
        warn(text);
        return;
    }
}

static tn_status classify(verdicts *v, const tn_model *model, tn_session *session,
                          const data_options *options, tn_error *error) {
    tn_status status = tn_dataset_open(options->data, TN_TEST, options->open, &v->data, error);
    if (status != TN_OK) return status;
    v->info = TN_INIT(tn_dataset_info);
    v->model = TN_INIT(tn_model_info);
    tn_dataset_describe(v->data, &v->info);
    tn_model_describe(model, &v->model);
    v->names = calloc((size_t)v->model.n_classes + 1, sizeof *v->names);
    v->predictions = calloc((size_t)v->info.n + 1, sizeof *v->predictions);
    v->losses = calloc((size_t)v->info.n + 1, sizeof *v->losses);
    if (!v->names || !v->predictions || !v->losses) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return TN_ERR_MEMORY;
    }
    choose_names(v);
    warn_of_other_classes(v);
    v->evaluation = TN_INIT(tn_evaluation);
    return tn_session_evaluate(session, v->data, v->predictions, v->losses, &v->evaluation, error);
}

static void print_summary(FILE *out, const char *data, const verdicts *v) {
    const tn_evaluation *e = &v->evaluation;
    char text[TEXT_NUMBER], right[TEXT_NUMBER], n[TEXT_NUMBER];
    say(out, "data      %s, %s test images", data, text_count(n, e->n));
    if (v->info.n_skipped > 0)
        say(out, ", %s bad file%s left out", text_count(text, v->info.n_skipped),
            v->info.n_skipped == 1 ? "" : "s");
    say(out, "\n");
    say(out, "accuracy  %s (%s of %s)\n", text_percent(text, e->accuracy),
        text_count(right, e->n_correct), n);
    say(out, "loss      %.4f\n", e->loss);
    if (!isfinite(e->loss)) infer_warn_not_finite();
    say(out, "time      %s", text_duration(text, e->seconds));
    say(out, " (%s images/s)\n", text_count(text, (int64_t)e->images_per_s));
}

static void put_summary(json_t *results, const char *data, const verdicts *v) {
    const tn_evaluation *e = &v->evaluation;
    json_put_text(results, "data", data);
    json_put_integer(results, "images", e->n);
    json_put_integer(results, "skipped", v->info.n_skipped);
    json_put_integer(results, "correct", e->n_correct);
    json_put_real(results, "test_accuracy", e->accuracy);
    json_put_real(results, "test_loss", e->loss);
    json_put_real(results, "seconds", e->seconds);
    json_put_real(results, "images_per_s", e->images_per_s);
}

static int report_classes(FILE *out, const verdicts *v, bool confusion, json_t *results) {
    class_report report;
    if (!class_report_make(&report, v->model.n_classes, v->names, tn_dataset_labels(v->data),
                           v->predictions, v->info.n))
        return fail("out of memory");
    if (out) class_report_print(out, &report);
    if (out && confusion) class_report_print_confusion(out, &report);
    class_report_put_json(&report, results);
    class_report_free(&report);
    return EXIT_DONE;
}

/* "m.onnx on mnist: the 64 worst of 117 mistakes" */
static void format_title(char *title, size_t size, const verdicts *v, const data_options *o,
                         int64_t n) {
    const char *slash = strrchr(o->model_path, '/');
    int64_t n_wrong = v->evaluation.n - v->evaluation.n_correct;
    char total[TEXT_NUMBER], images[TEXT_NUMBER], name[512];
    text_clean(name, sizeof name, slash ? slash + 1 : o->model_path);
    text_count(total, n_wrong);
    text_count(images, v->evaluation.n);
    if (n < n_wrong)
        snprintf(title, size, "%s on %s: the %d worst of %s mistakes", name, v->info.name, (int)n,
                 total);
    else if (n == 1)
        snprintf(title, size, "%s on %s: one mistake in %s images", name, v->info.name, images);
    else
        snprintf(title, size, "%s on %s: %s mistakes in %s images", name, v->info.name,
                 n > 0 ? total : "no", images);
}

static int draw_mistakes(FILE *out, const verdicts *v, tn_session *session,
                         const data_options *options) {
    tn_error error = {""};
    char title[1024];
    int64_t n = 0;
    tn_mistake *mistakes = calloc((size_t)options->n_mistakes, sizeof *mistakes);
    if (!mistakes) return fail("out of memory");
    tn_status status = tn_session_mistakes(session, v->data, v->predictions, v->losses,
                                           options->n_mistakes, mistakes, &n, &error);
    if (status == TN_OK) {
        format_title(title, sizeof title, v, options, n);
        status = tn_contact_sheet_write(options->mistakes, title, v->data, v->names,
                                        v->model.n_classes, mistakes, n, &error);
    }
    free(mistakes);
    if (status != TN_OK) return fail_error(&error);
    say(out, "\nwrote     %s (%d mistake%s)\n", options->mistakes, (int)n, n == 1 ? "" : "s");
    return EXIT_DONE;
}

int infer_data(FILE *out, const tn_model *model, tn_session *session, const data_options *options,
               json_t *results) {
    tn_error error = {""};
    verdicts v = {0};
    int code = EXIT_DONE;
    if (classify(&v, model, session, options, &error) == TN_OK) {
        print_summary(out, options->data, &v);
        put_summary(results, options->data, &v);
        code = report_classes(out, &v, options->confusion, results);
        if (code == EXIT_DONE && options->mistakes) code = draw_mistakes(out, &v, session, options);
    } else {
        code = fail_error(&error);
    }
    release(&v);
    return code;
}
