/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_train.c: tenon train. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "data_options.h"
#include "fine_tune.h"
#include "message.h"
#include "model.h"
#include "output.h"
#include "text.h"
#include "training.h"

/* Set by the signal handler: the signal's number. */
static volatile int stop_signal;

/* mnist-cnn -> mnist-cnn.onnx; dir/m.onnx -> m-trained.onnx, so that the source is kept. */
static bool derive_paths(training *job) {
    const char *slash = strrchr(job->model_name, '/');
    const char *base = slash ? slash + 1 : job->model_name;
    bool builtin = model_is_builtin(job->model_name);
    size_t n = strlen(base);
    bool onnx = n > 5 && strcmp(base + n - 5, ".onnx") == 0;
    int length = job->output ? snprintf(job->output_path, PATH_MAX, "%s", job->output)
                             : snprintf(job->output_path, PATH_MAX, "%.*s%s.onnx",
                                        (int)(onnx ? n - 5 : n), base, builtin ? "" : "-trained");
    if (length >= PATH_MAX) {
        fail("cannot write %s: %s", job->output, strerror(ENAMETOOLONG));
        return false;
    }
    if (job->no_checkpoint) return true;
    n = (size_t)length;
    onnx = n > 5 && strcmp(job->output_path + n - 5, ".onnx") == 0;
    length = job->checkpoint ? snprintf(job->checkpoint_dir, PATH_MAX, "%s", job->checkpoint)
                             : snprintf(job->checkpoint_dir, PATH_MAX, "%.*s.checkpoints",
                                        (int)(onnx ? n - 5 : n), job->output_path);
    if (length >= PATH_MAX) {
        fail("cannot write checkpoints: %s", strerror(ENAMETOOLONG));
        return false;
    }
    job->options.checkpoint_dir = job->checkpoint_dir;
    return true;
}

/* The original command with --resume, for a shell. */
static void print_command(FILE *out, const training *job, const char *extra) {
    for (int i = 0; i < job->argc; i++) {
        char *word = text_shell_word(job->argv[i]);
        fprintf(out, "%s%s", i ? " " : "", word ? word : job->argv[i]);
        free(word);
    }
    fprintf(out, "%s\n", extra);
}

/* What would be noticed only after training is asked for before it. */
static bool check_outputs(const training *job) {
    if (!output_is_writable(job->output_path) || !output_is_writable(job->json) ||
        !output_is_apart(job->json, job->output_path, "the output, too") ||
        !output_is_apart(job->json, job->tuning_name, "the tuning") ||
        !output_is_apart(job->output_path, job->tuning_name, "the tuning") ||
        !output_is_apart(job->json, job->model_name, "the model"))
        return false;
    const char *dir = job->options.checkpoint_dir;
    if (!dir || job->options.resume || !checkpoints_present(dir)) return true;
    char *quoted = text_shell_word(dir);
    fail("%s holds the checkpoints of an earlier run, which this one would overwrite (go on with "
         "that run: add --resume; start anew: rm -r %s)",
         dir, quoted ? quoted : dir);
    free(quoted);
    return false;
}

/* A built-in network is made for the data: size, classes and normalisation. */
static bool build_model(training *job) {
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_dataset_describe(job->data, &data);
    tn_model_options options = TN_INIT(tn_model_options);
    options.channels = data.channels;
    options.height = data.height;
    options.width = data.width;
    options.n_classes = data.n_classes;
    options.class_names = data.class_names;
    options.mean = data.mean;
    options.std = data.std;
    options.seed = job->options.seed;
    return model_open(job->model_name, &options, &job->model);
}

/* Otherwise the test images would be found not to fit only after training. */
static bool check_test_images(const training *job) {
    tn_dataset_info train = TN_INIT(tn_dataset_info), test = TN_INIT(tn_dataset_info);
    tn_model_info model = TN_INIT(tn_model_info);
    tn_dataset_describe(job->data, &train);
    tn_dataset_describe(job->test, &test);
    tn_model_describe(job->model, &model);
    int n_classes = model.n_classes > train.n_classes ? model.n_classes : train.n_classes;
    if (test.n_classes > n_classes)
        return fail("cannot train on %s: its test images have %d classes, its training images %d "
                    "(the files do not belong together)",
                    job->data_name, test.n_classes, train.n_classes) == EXIT_DONE;
    if (test.width != train.width || test.height != train.height || test.channels != train.channels)
        return fail("cannot train on %s: its test images are of %" PRId64 "x%" PRId64
                    ", its training images of %" PRId64 "x%" PRId64
                    " (the files do not belong together)",
                    job->data_name, test.width, test.height, train.width,
                    train.height) == EXIT_DONE;
    return true;
}

/* A model from a file has a size, which pictures are brought to; one that is built here gets that
 * of the pictures. */
static bool open_inputs(training *job) {
    tn_error error = {""};
    tn_dataset_options *o = &job->data_options;
    const tn_dataset_options asked = *o;
    job->cpu = TN_INIT(tn_cpu_info);
    if (tn_cpu_inspect(&job->cpu, &error) != TN_OK) return fail_error(&error) == EXIT_DONE;
    if (job->tuning_name && tn_tuning_load(job->tuning_name, &job->tuning, &error) != TN_OK)
        return fail_error(&error) == EXIT_DONE;
    job->options.tuning = job->tuning;
    if (!model_is_builtin(job->model_name)) {
        const tn_model_options unused = TN_INIT(tn_model_options);
        if (!model_open(job->model_name, &unused, &job->model)) return false;
        data_options_suit(o, job->model);
    }
    if (tn_dataset_open(job->data_name, TN_TRAIN, o, &job->data, &error) != TN_OK ||
        tn_dataset_open(job->data_name, TN_TEST, o, &job->test, &error) != TN_OK)
        return fail_error(&error) == EXIT_DONE;
    if (!data_options_met(&asked, job->data, job->data_name)) return false;
    if (!job->model && !build_model(job)) return false;
    if (!fine_tune_model(job)) return false;
    if (!check_test_images(job)) return false;
    tn_train_resolve(job->model, job->data, &job->options);
    return true;
}

static void on_signal(int signal_number) { stop_signal = signal_number; }

/* After the first signal the default action is back: a second one kills. SIGHUP is left alone if
 * nohup had it ignored. */
static void catch_signals(bool on) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction old, action = {.sa_handler = on ? on_signal : SIG_DFL,
                                    .sa_flags = SA_RESTART | (on ? (int)SA_RESETHAND : 0)};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        bool ignored = sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN;
        if (signals[i] != SIGHUP || !ignored) sigaction(signals[i], &action, NULL);
    }
}

static void on_progress(void *user, const tn_progress *state) {
    training *job = user;
    if (job->first_step == 0) {
        job->first_step = state->step;
        if (job->options.resume && state->step > 1) {
            char count[TEXT_NUMBER];
            say(job->out, "resumed after step %s\n", text_count(count, state->step - 1));
        }
    }
    progress_show(&job->progress, state);
}

static void on_log(void *user, const char *message) {
    training *job = user;
    progress_clear(&job->progress);
    warn(message);
}

static tn_status train(training *job, tn_error *error) {
    tn_train_options *t = &job->options;
    t->stop = &stop_signal;
    t->on_progress = on_progress;
    t->log = on_log;
    t->user = job;
    job->result = TN_INIT(tn_train_result);
    progress_begin(&job->progress, job->out);
    catch_signals(true);
    tn_status status = tn_train(job->model, job->data, t, &job->trained, &job->result, error);
    progress_clear(&job->progress);
    return status;
}

static bool save(training *job) {
    tn_error error = {""};
    char time[TEXT_NUMBER], rate[TEXT_NUMBER], size[TEXT_NUMBER];
    if (tn_model_save(job->trained, job->output_path, &error) != TN_OK) {
        fail_error(&error);
        if (job->result.checkpoint[0])
            fprintf(stderr, "The trained weights are in %s\n", job->result.checkpoint);
        return false;
    }
    struct stat file;
    if (stat(job->output_path, &file) == 0) job->output_bytes = file.st_size;
    if (!job->no_checkpoint && !job->checkpoint) checkpoints_remove(job->checkpoint_dir);
    say(job->out, "\n");
    training_report_choice(job);
    say(job->out, "trained in   %s (%s images/s)\n", text_duration(time, job->result.seconds),
        text_count(rate, (int64_t)job->result.images_per_s));
    say(job->out, "wrote        %s (%s)\n", job->output_path, text_bytes(size, job->output_bytes));
    if (job->out) fflush(job->out);
    return true;
}

static tn_status test(training *job, tn_session *session, tn_error *error) {
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_dataset_describe(job->test, &data);
    int32_t *predictions = calloc((size_t)data.n + 1, sizeof *predictions);
    float *losses = calloc((size_t)data.n + 1, sizeof *losses);
    tn_status status = TN_ERR_MEMORY;
    if (predictions && losses)
        status =
            tn_session_evaluate(session, job->test, predictions, losses, &job->evaluation, error);
    else
        snprintf(error->message, sizeof error->message, "out of memory");
    if (status == TN_OK) status = training_tell_test(job, session, predictions, losses, error);
    free(predictions);
    free(losses);
    return status;
}

static bool evaluate(training *job) {
    tn_error error = {""};
    tn_session *session = NULL;
    tn_session_options options = TN_INIT(tn_session_options);
    options.mode = TN_MODE_REFERENCE;
    options.n_threads = job->options.n_threads;
    options.pin = job->options.pin;
    tn_evaluation *e = &job->evaluation;
    *e = TN_INIT(tn_evaluation);
    tn_status status = tn_session_create(job->trained, &options, &session, &error);
    if (status == TN_OK) status = test(job, session, &error);
    tn_session_free(session);
    if (status != TN_OK) {
        fail_error(&error);
        return false;
    }
    char percent[TEXT_NUMBER], right[TEXT_NUMBER], n[TEXT_NUMBER];
    say(job->out, "on the test  %s right (%s of %s images), loss %.4f\n",
        text_percent(percent, e->accuracy), text_count(right, e->n_correct), text_count(n, e->n),
        e->loss);
    return true;
}

/* Ended by a signal: says how to go on. This is wanted even if --quiet. */
static int report_stop(const training *job) {
    FILE *out = job->out ? job->out : stderr;
    fprintf(out, "stopped at step %" PRId64, job->result.steps);
    if (job->result.checkpoint[0]) {
        fprintf(out, "; resume with:\n  ");
        print_command(out, job, job->options.resume ? "" : " --resume");
    } else {
        fprintf(out, "; nothing is kept, because no checkpoint was to be written\n");
    }
    training_write_json(job);
    return 128 + stop_signal;
}

static int run(training *job) {
    if (!derive_paths(job) || !check_outputs(job) || !open_inputs(job)) return EXIT_FAILED;
    int code = training_check(job);
    if (code != OPTIONS_GO_ON) return code;
    if (!training_open_events(job)) return EXIT_FAILED;
    training_announce(job);
    tn_error error = {""};
    tn_status status = train(job, &error);
    if (status == TN_STOPPED) return report_stop(job);
    if (status != TN_OK) return fail_error(&error);
    bool saved = save(job);
    catch_signals(false);
    if (!saved || !evaluate(job)) return EXIT_FAILED;
    return training_write_json(job);
}

int cmd_train(int argc, char **argv) {
    word_list words = {.items = calloc((size_t)argc, sizeof(char *))};
    training *job = calloc(1, sizeof *job);
    int code = EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away must not end a training run */
    if (job) job->freeze.items = calloc((size_t)argc, sizeof(char *));
    if (!words.items || !job || !job->freeze.items) {
        fail("out of memory");
        goto done;
    }
    job->argc = argc;
    job->argv = argv;
    job->data_name = "mnist";
    job->options = TN_INIT(tn_train_options);
    code = training_parse(job, &words);
    if (code != OPTIONS_GO_ON) goto done;
    job->model_name = words.n > 0 ? words.items[0] : "mnist-cnn";
    code = fine_tune_check(job);
    if (code != OPTIONS_GO_ON) goto done;
    job->out = people_stream(job->json, job->quiet);
    code = run(job);
    if (!training_close_events(job) && code == EXIT_DONE) code = EXIT_FAILED;
    tn_tuning_free(job->tuning);
    tn_model_free(job->trained);
    tn_model_free(job->model);
    tn_dataset_free(job->test);
    tn_dataset_free(job->data);
done:
    if (job) free(job->freeze.items);
    free(job);
    free(words.items);
    return code;
}
