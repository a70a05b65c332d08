/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_train.c: tenon train. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "text.h"

static const char *const optimizer_names[] = {"sgd", "adam", NULL};
static const char *const schedule_names[] = {"constant", "step", "one-cycle", NULL};

typedef struct training {
    int argc;
    char **argv;
    /* from the command line */
    const char *model_name, *data_name, *output, *json, *checkpoint;
    bool no_checkpoint, quiet, momentum_given;
    tn_train_options options;
    /* derived */
    char output_path[PATH_MAX], checkpoint_dir[PATH_MAX];
    FILE *out;
    tn_cpu_info cpu;
    tn_dataset *data, *test;
    tn_model *model, *trained;
    progress progress;
    int64_t first_step; /* shown by the first progress report; 0 before it */
    tn_train_result result;
    tn_evaluation evaluation;
    int64_t output_bytes;
} training;

/* Set by the signal handler: the signal's number. */
static volatile int stop_signal;

static const char notes[] =
    "MODEL is a built-in network (mnist-cnn, lenet; default mnist-cnn) or an ONNX file, which is\n"
    "trained further. The checkpoints in the default directory are removed after success: the "
    "ONNX\n"
    "file is the result. Ctrl-C, SIGTERM or SIGHUP writes a checkpoint and prints the command\n"
    "that goes on; the exit code is 128 + the signal's number (Ctrl-C: 130, SIGTERM: 143). A\n"
    "second Ctrl-C kills.\n"
    "\n"
    "Examples:\n"
    "  tenon train\n"
    "  tenon train lenet --epochs 3 --seed 7 -o small.onnx --json results.json\n"
    "  tenon train --data fashion-mnist --epochs 5 --held-out 0.1\n"
    "  tenon train --resume\n"
    "  tenon train mnist-cnn.onnx --epochs 1 --lr 0.001 -o better.onnx\n";

/* Asking for what is only planned must not train something else: under a launcher, for instance,
 * every rank would write the same file. */
static int refuse_planned(const training *job) {
    static const char *const ranks[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (int i = 1; i < job->argc; i++)
        if (strncmp(job->argv[i], "--procs", 7) == 0)
            return fail_usage("train",
                              "--procs is not there yet: it is planned for a later version "
                              "(threads use all cores: --threads)");
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        const char *size = getenv(ranks[i]);
        if (size && strtol(size, NULL, 10) > 1)
            return fail(
                "training over %s ranks is not there yet: it is planned for a later version "
                "(start one process; unset %s if this is one)",
                size, ranks[i]);
    }
    return OPTIONS_GO_ON;
}

static int parse(training *job, word_list *words) {
    tn_train_options *t = &job->options;
    int64_t n_threads = 0;
    int optimizer = -1, schedule = -1;
    double momentum = NAN;
    const option options[] = {
        {"data", 'd', OPTION_TEXT, "DATA", &job->data_name,
         "mnist, fashion-mnist, or a directory of IDX files; default mnist"},
        {"output", 'o', OPTION_TEXT, "OUT.onnx", &job->output,
         "the file to write; default the model's name with .onnx, in this directory"},
        {"epochs", 'e', OPTION_COUNT, "N", &t->epochs,
         "passes over the data; default the model's recipe", 1, 1000000},
        {"batch-size", 'b', OPTION_COUNT, "N", &t->batch_size,
         "images per step; default the recipe", 1, 1 << 20},
        {"optimizer", 0, OPTION_CHOICE, "NAME", &optimizer, "sgd or adam; default the recipe",
         .choices = optimizer_names},
        {"lr", 0, OPTION_REAL, "X", &t->lr, "highest learning rate; default the recipe", 0, 1000,
         .above_min = true},
        {"momentum", 0, OPTION_REAL, "X", &momentum, "of sgd; default 0.9", 0, 1,
         .below_max = true},
        {"weight-decay", 0, OPTION_REAL, "X", &t->weight_decay, "L2 penalty; default 0", 0, 1000},
        {"label-smoothing", 0, OPTION_REAL, "X", &t->label_smoothing,
         "probability spread over all classes; default 0", 0, 1, .below_max = true},
        {"schedule", 0, OPTION_CHOICE, "NAME", &schedule,
         "of the learning rate: constant, step or one-cycle; default the recipe",
         .choices = schedule_names},
        {"seed", 0, OPTION_SEED, "N", &t->seed,
         "of initial weights, order and dropout; default 0. The same seed gives the same weights, "
         "to the bit, on any number of threads"},
        {"threads", 't', OPTION_COUNT, "N", &n_threads,
         "default one per physical core at hand (see tenon cpu)", 1, 1024},
        {"limit", 0, OPTION_COUNT, "N", &t->limit, "train on the first N images only; default all",
         1, INFINITY},
        {"held-out", 0, OPTION_REAL, "FRACTION", &t->held_out,
         "of the training images, kept for validation after each epoch; default 0", 0, 1,
         .below_max = true},
        {"checkpoint", 0, OPTION_TEXT, "DIR", &job->checkpoint,
         "where checkpoints go, and stay; default OUT.checkpoints, removed after success"},
        {"checkpoint-every", 0, OPTION_COUNT, "STEPS", &t->checkpoint_every,
         "default the end of each epoch", 1, INFINITY},
        {"no-checkpoint", 0, OPTION_FLAG, NULL, &job->no_checkpoint, "write no checkpoints"},
        {"resume", 0, OPTION_FLAG, NULL, &t->resume, "go on from the newest good checkpoint"},
        {"json", 0, OPTION_TEXT, "FILE", &job->json,
         "write the results as JSON; - is standard output"},
        {"quiet", 'q', OPTION_FLAG, NULL, &job->quiet, "print errors only"},
        {NULL}};
    const command_line line = {
        .verb = "train",
        .usage = "[MODEL] [OPTION]...",
        .summary = "Trains a network on a data set, writes it as an ONNX file and reports its "
                   "accuracy on the test images.",
        .options = options,
        .notes = notes,
        .words = words,
        .max_words = 1,
    };
    int code = options_parse(&line, job->argc, job->argv);
    if (code != OPTIONS_GO_ON) return code;
    if (job->no_checkpoint && (t->resume || job->checkpoint || t->checkpoint_every))
        return fail_usage("train", "--no-checkpoint does not go with --%s",
                          t->resume         ? "resume"
                          : job->checkpoint ? "checkpoint"
                                            : "checkpoint-every");
    t->optimizer = (tn_optimizer)(optimizer + 1);
    t->schedule = (tn_schedule)(schedule + 1);
    t->n_threads = (int)n_threads;
    job->momentum_given = !isnan(momentum);
    if (job->momentum_given) t->momentum = momentum > 0 ? momentum : -1;
    return OPTIONS_GO_ON;
}

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
static bool open_model(training *job) {
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

static bool open_inputs(training *job) {
    tn_error error = {""};
    job->cpu = TN_INIT(tn_cpu_info);
    if (tn_cpu_inspect(&job->cpu, &error) != TN_OK ||
        tn_dataset_open(job->data_name, TN_TRAIN, NULL, &job->data, &error) != TN_OK ||
        tn_dataset_open(job->data_name, TN_TEST, NULL, &job->test, &error) != TN_OK) {
        fail_error(&error);
        return false;
    }
    if (!open_model(job) || !check_test_images(job)) return false;
    tn_train_resolve(job->model, job->data, &job->options);
    return true;
}

static void announce_recipe(const training *job) {
    const tn_train_options *t = &job->options;
    say(job->out, "  recipe       %" PRId64 " epoch%s, batches of %" PRId64 ", %s, lr %g %s",
        t->epochs, t->epochs == 1 ? "" : "s", t->batch_size, optimizer_names[t->optimizer - 1],
        t->lr, schedule_names[t->schedule - 1]);
    if (t->optimizer == TN_OPTIMIZER_SGD)
        say(job->out, ", momentum %g", t->momentum > 0 ? t->momentum : 0);
    if (t->weight_decay > 0) say(job->out, ", weight decay %g", t->weight_decay);
    if (t->label_smoothing > 0) say(job->out, ", label smoothing %g", t->label_smoothing);
    say(job->out, ", seed %" PRIu64 "\n", t->seed);
}

static void announce(const training *job) {
    const tn_train_options *t = &job->options;
    if (!job->out) return;
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_model_info model = TN_INIT(tn_model_info);
    tn_dataset_describe(job->data, &data);
    tn_model_describe(job->model, &model);
    char count[TEXT_NUMBER], name[512];
    int64_t n = t->limit > 0 && t->limit < data.n ? t->limit : data.n;
    say(job->out, "Training %s (%s parameters) on %s\n",
        text_clean(name, sizeof name, job->model_name), text_count(count, model.parameters),
        data.name);
    say(job->out, "  data         %s %s images of %" PRId64 "x%" PRId64 ", %d classes",
        text_count(count, n), data.channels == 1 ? "grey" : "colour", data.width, data.height,
        data.n_classes);
    if (n < data.n) say(job->out, " (the first of %s)", text_count(count, data.n));
    if (t->held_out > 0) say(job->out, ", %g %% held out", 100 * t->held_out);
    say(job->out, "\n");
    announce_recipe(job);
    say(job->out, "  processor    %s, %s kernels\n", job->cpu.model, job->cpu.level);
    say(job->out, "  threads      %d: %s\n", t->n_threads > 0 ? t->n_threads : job->cpu.n_threads,
        t->n_threads > 0 && t->n_threads != job->cpu.n_threads ? "as asked for" : job->cpu.reason);
    say(job->out, "               ");
    text_wrap(job->out, job->cpu.advice, 15, 90);
    if (t->checkpoint_dir)
        say(job->out, "  checkpoints  %s%s\n", t->checkpoint_dir,
            job->checkpoint ? "" : ", removed after success");
    say(job->out, "  output       %s%s\n\n", job->output_path,
        access(job->output_path, F_OK) == 0 ? ", replaces the file that is there" : "");
    fflush(job->out);
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
    say(job->out, "\ntrained in   %s (%s images/s)\n", text_duration(time, job->result.seconds),
        text_count(rate, (int64_t)job->result.images_per_s));
    say(job->out, "wrote        %s (%s)\n", job->output_path, text_bytes(size, job->output_bytes));
    if (job->out) fflush(job->out);
    return true;
}

static bool evaluate(training *job) {
    tn_error error = {""};
    tn_session *session = NULL;
    tn_session_options options = TN_INIT(tn_session_options);
    options.n_threads = job->options.n_threads;
    tn_evaluation *e = &job->evaluation;
    *e = TN_INIT(tn_evaluation);
    tn_status status = tn_session_create(job->trained, &options, &session, &error);
    if (status == TN_OK) status = tn_session_evaluate(session, job->test, NULL, NULL, e, &error);
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

static int write_json(const training *job) {
    if (!job->json) return EXIT_DONE;
    const tn_train_result *r = &job->result;
    json_t *o = json_object();
    json_put_model(o, job->model_name, job->trained);
    json_put_text(o, "data", job->data_name);
    json_put_real(o, "test_accuracy", job->evaluation.n > 0 ? job->evaluation.accuracy : NAN);
    json_put_real(o, "test_loss", job->evaluation.n > 0 ? job->evaluation.loss : NAN);
    json_put_real(o, "loss", r->loss);
    json_put_real(o, "train_accuracy", r->accuracy);
    json_put_real(o, "held_out_accuracy", r->held_out_accuracy);
    json_put_real(o, "held_out_loss", r->held_out_loss);
    json_put_real(o, "seconds", r->seconds);
    json_put_real(o, "images_per_s", r->images_per_s);
    json_put_integer(o, "threads", r->n_threads);
    json_put_integer(o, "epochs", r->epochs);
    json_put_integer(o, "steps", r->steps);
    json_put_integer(o, "batch_size", r->batch_size);
    json_put_text(o, "optimizer", optimizer_names[r->optimizer - 1]);
    json_put_text(o, "schedule", schedule_names[r->schedule - 1]);
    json_put_real(o, "lr", r->lr);
    json_put_integer(o, "seed", (int64_t)job->options.seed);
    json_put_text(o, "mode", "reference");
    json_put_text(o, "level", job->cpu.level);
    json_put_bool(o, "resumed", r->resumed);
    json_put_bool(o, "stopped", r->stopped);
    json_put_text(o, "output", r->stopped ? NULL : job->output_path);
    if (!r->stopped) json_put_integer(o, "output_bytes", job->output_bytes);
    bool kept = r->checkpoint[0] && (r->stopped || job->checkpoint);
    json_put_text(o, "checkpoint", kept ? r->checkpoint : NULL);
    return json_write(o, job->json);
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
    write_json(job);
    return 128 + stop_signal;
}

static int run(training *job) {
    if (!derive_paths(job) || !check_outputs(job) || !open_inputs(job)) return EXIT_FAILED;
    if (job->momentum_given && job->options.optimizer != TN_OPTIMIZER_SGD)
        return fail_usage("train",
                          "--momentum is an option of sgd, not of adam (add --optimizer sgd)");
    announce(job);
    tn_error error = {""};
    tn_status status = train(job, &error);
    if (status == TN_STOPPED) return report_stop(job);
    if (status != TN_OK) return fail_error(&error);
    bool saved = save(job);
    catch_signals(false);
    if (!saved || !evaluate(job)) return EXIT_FAILED;
    return write_json(job);
}

int cmd_train(int argc, char **argv) {
    word_list words = {.items = calloc((size_t)argc, sizeof(char *))};
    training *job = calloc(1, sizeof *job);
    int code = EXIT_FAILED;
    if (!words.items || !job) {
        fail("out of memory");
        goto done;
    }
    job->argc = argc;
    job->argv = argv;
    job->data_name = "mnist";
    job->options = TN_INIT(tn_train_options);
    code = refuse_planned(job);
    if (code == OPTIONS_GO_ON) code = parse(job, &words);
    if (code != OPTIONS_GO_ON) goto done;
    job->model_name = words.n > 0 ? words.items[0] : "mnist-cnn";
    job->out = people_stream(job->json, job->quiet);
    code = run(job);
    tn_model_free(job->trained);
    tn_model_free(job->model);
    tn_dataset_free(job->test);
    tn_dataset_free(job->data);
done:
    free(job);
    free(words.items);
    return code;
}
